"""Seeing a graph: drawings, steps, explanations. Readers of the graph that Tensors and Ops make."""

from clearprop.graph import users_of
from clearprop.see.algebra.derive import Derivative, derivative
from clearprop.see.algebra.formulas import Formula, formula
from clearprop.see.drawing.draw import Drawing, draw
from clearprop.see.step.explaining import explain
from clearprop.see.step.explanation import Contribution, Explanation
from clearprop.see.step.steps import Step, Trace, trace
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
