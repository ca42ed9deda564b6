"""SciPy's functions that do not ask a Tensor, under SciPy's names: change one import, and gradients pass.

SciPy's ufuncs (`scipy.special.erf`, `gammainc`, `jv` ...) answer Tensors as they are: they need nothing here.
"""

from clearprop.scipy.optimize import minimize

__all__ = ["minimize"]
