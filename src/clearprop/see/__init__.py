"""Seeing a graph: drawings, steps, explanations. Readers of the graph that Tensors and Ops make."""

from clearprop.see.derive import Derivative, derivative
from clearprop.see.drawing import Drawing, draw
from clearprop.see.explaining import explain, users_of
from clearprop.see.explanation import Contribution, Explanation
from clearprop.see.formulas import Formula, formula
from clearprop.see.steps import Step, Trace, trace
from clearprop.see.summaries import Row, Summary, summary

__all__ = [
    "Contribution",
    "Derivative",
    "Drawing",
    "Explanation",
    "Formula",
    "Row",
    "Step",
    "Summary",
    "Trace",
    "derivative",
    "draw",
    "explain",
    "formula",
    "summary",
    "trace",
    "users_of",
]
