"""Trust: every gradient compared with differences of the function's own values, and the fault named."""

from clearprop.check.gradcheck import Entry, Report, gradcheck
from clearprop.check.homework import NodeReport, check_node
from clearprop.check.nodes import Finding, ModelReport, check_model
from clearprop.check.nonfinite import NonFiniteError, Watch, watch
from clearprop.check.numeric import Estimate, estimate, numerical_grad
from clearprop.check.precision import TrustReport, trust
from clearprop.check.taylor import TaylorReport, taylor_check

__all__ = [
    "Entry",
    "Estimate",
    "Finding",
    "ModelReport",
    "NodeReport",
    "NonFiniteError",
    "Report",
    "TaylorReport",
    "TrustReport",
    "Watch",
    "check_model",
    "check_node",
    "estimate",
    "gradcheck",
    "numerical_grad",
    "taylor_check",
    "trust",
    "watch",
]
