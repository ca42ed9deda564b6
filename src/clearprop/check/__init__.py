"""Trust: every gradient compared with differences of the function's own values, and the fault named."""

from clearprop.check.compare import gradcheck
from clearprop.check.kinks import Place, kinks
from clearprop.check.nodes import ModelReport, NodeFinding, check_model
from clearprop.check.nonfinite import NonFiniteError, Watch, watch
from clearprop.check.numeric import Estimate, estimate, numerical_grad
from clearprop.check.precision import TrustReport, trust
from clearprop.check.report import Entry, Report
from clearprop.check.taylor import TaylorReport, taylor_check

__all__ = [
    "Entry",
    "Estimate",
    "ModelReport",
    "NodeFinding",
    "NonFiniteError",
    "Place",
    "Report",
    "TaylorReport",
    "TrustReport",
    "Watch",
    "check_model",
    "estimate",
    "gradcheck",
    "kinks",
    "numerical_grad",
    "taylor_check",
    "trust",
    "watch",
]
