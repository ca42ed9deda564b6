"""Trust: every gradient compared with differences of the function's own values, and the fault named."""

from clearprop.check.gradcheck import Entry, Report, gradcheck
from clearprop.check.numeric import Estimate, estimate, numerical_grad

__all__ = ["Entry", "Estimate", "Report", "estimate", "gradcheck", "numerical_grad"]
