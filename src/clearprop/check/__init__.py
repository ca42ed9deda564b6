"""Trust: every gradient compared with differences of the function's own values, and the fault named."""

from clearprop.check.gradcheck import Entry, Report, gradcheck
from clearprop.check.nodes import Finding, ModelReport, check_model
from clearprop.check.numeric import Estimate, estimate, numerical_grad
from clearprop.check.taylor import TaylorReport, taylor_check

__all__ = [
    "Entry",
    "Estimate",
    "Finding",
    "ModelReport",
    "Report",
    "TaylorReport",
    "check_model",
    "estimate",
    "gradcheck",
    "numerical_grad",
    "taylor_check",
]
