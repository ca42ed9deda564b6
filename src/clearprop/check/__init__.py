"""Trust: every gradient compared with differences of the function's own values, and the fault named."""

from clearprop.check.compare import gradcheck
from clearprop.check.diagnosis import Diagnosis, doctor
from clearprop.check.grades import NodeReport
from clearprop.check.homework import check_node
from clearprop.check.kinks import Place, kinks
from clearprop.check.nodes import Finding, ModelReport, check_model
from clearprop.check.nonfinite import NonFiniteError, Watch, watch
from clearprop.check.numeric import Estimate, estimate, numerical_grad
from clearprop.check.precision import TrustReport, trust
from clearprop.check.report import Entry, Report
from clearprop.check.symptoms import Symptom
from clearprop.check.taylor import TaylorReport, taylor_check

__all__ = [
    "Diagnosis",
    "Entry",
    "Estimate",
    "Finding",
    "ModelReport",
    "NodeReport",
    "NonFiniteError",
    "Place",
    "Report",
    "Symptom",
    "TaylorReport",
    "TrustReport",
    "Watch",
    "check_model",
    "check_node",
    "doctor",
    "estimate",
    "gradcheck",
    "kinks",
    "numerical_grad",
    "taylor_check",
    "trust",
    "watch",
]
