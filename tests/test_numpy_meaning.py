"""Every NumPy function that meets a Tensor means what NumPy says: value, shape, dtype, warnings and refusals."""

import contextlib
import warnings

import numpy as np
import pytest

from clearprop import Tensor, no_grad
from clearprop.registry import numpy_functions
from tests.numpy_calls import CALLS, calls_of

ASKED = [f for f in numpy_functions if isinstance(f, np.ufunc) or f.__module__.startswith("numpy")]


def label(function):
    return getattr(function, "__module__", "numpy").replace("numpy", "np") + "." + function.__name__


def outcome(function, args, kwargs):
    """Return what a call gives (or the error it raises) and the RuntimeWarnings on its way."""
    with warnings.catch_warnings(record=True) as seen, np.errstate(all="warn"):
        warnings.simplefilter("always")
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            result = error
    return result, {str(w.message).split(" encountered")[0] for w in seen if w.category is RuntimeWarning}
