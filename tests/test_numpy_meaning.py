"""Every NumPy function that meets a Tensor means what NumPy says: value, shape, dtype, refusals."""

import warnings

import numpy as np
import pytest
from tests.numpy_calls import CALLS, MIXED, array, calls_of, ufunc_calls

from clearprop import Tensor
from clearprop.errors import GradientError, taught
from clearprop.refusal import public_class
from clearprop.registry import numpy_functions, ufunc_names

ASKED = [f for f in numpy_functions if isinstance(f, np.ufunc) or f.__module__.startswith("numpy")]

# What NumPy answers and we refuse, always in five parts: a piece of each text.
NO_ORDER = (
    np.ptp, np.less, np.less_equal, np.greater, np.greater_equal, np.max, np.amax, np.min, np.amin,
    np.argmax, np.argmin, np.sort, np.argsort, np.median,
)  # fmt: skip
REFUSED = {
    **dict.fromkeys(NO_ORDER, ("complex numbers have no order",)),
    **dict.fromkeys((np.astype, np.linalg.trace), ("would drop imaginary parts",)),
    np.pad: ("complex numbers have no order",),
    np.tile: ("must be non-negative",),  # NumPy tiles nothing a negative number of times
    np.repeat: ("cannot be interpreted as an integer",),
    np.average: ("takes from 1 to 3 positional",),
    np.nan_to_num: ("copy=False", "complex numbers have no order"),
    np.cross: ("wants vectors of 3 entries",),  # NumPy warns that it will refuse vectors of 2, too
    np.where: ("takes 3 inputs",),
    np.take: ("an index array holds integers", "is out of bounds"),  # NumPy lets any index into nothing
    np.var: ("correction",),
    np.std: ("correction",),
    np.linalg.cond: ("Singular matrix",),  # of another order than 2 and -2: NumPy's is infinite there
    np.lib.stride_tricks.sliding_window_view: ("a Tensor's values do not change",),
}
# What NumPy refuses and we answer: without entries there is nothing that could be wrong.
ANSWERED = {
    np.median: ("cannot reshape array of size 0",),
    np.linalg.cond: ("SVD did not converge",),  # of a singular matrix by "nuc": infinite, as by other norms
}


def label(function):
    return (getattr(function, "__module__", None) or "numpy") + "." + function.__name__


def outcome(function, args, kwargs):
    """Return what a call gives (or the error it raises) and the RuntimeWarnings on its way."""
    with warnings.catch_warnings(record=True) as seen, np.errstate(all="warn"):
        warnings.simplefilter("always")
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            result = error
    return result, {str(w.message).split(" encountered")[0] for w in seen if w.category is RuntimeWarning}


def lifted(x, grad=False):
    if isinstance(x, np.ndarray):
        return Tensor(x, requires_grad=grad and x.dtype.kind in "fc")
    return type(x)(lifted(a, grad) for a in x) if isinstance(x, (list, tuple)) else x


def difference(ours, numpys):
    """Return in what way a result is not NumPy's, '' where it is."""
    if isinstance(numpys, (tuple, list)):
        if not isinstance(ours, (tuple, list)) or len(ours) != len(numpys):
            return f"{type(ours)} for {type(numpys)}"
        return "; ".join(filter(None, map(difference, ours, numpys)))
    a, b = np.asarray(getattr(ours, "_value", ours)), np.asarray(numpys)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"{a.shape} {a.dtype} for {b.shape} {b.dtype}"
    return "" if close(a, b) else f"{a} for {b}"


def close(a, b):
    """Equal, or a few roundings apart: sums may be added in another order."""
    if b.dtype.kind not in "fc":
        return np.array_equal(a, b)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return False
    wide = np.promote_types(b.dtype, float)
    a, b, eps = a[finite].astype(wide), b[finite].astype(wide), np.finfo(b.dtype).eps
    return bool(
        np.all(np.abs(a - b) <= 32 * eps * np.maximum(np.abs(b), 0.01 * np.max(np.abs(b), initial=0)))
    )


def complaint(function, args, kwargs, lift):
    """Return how a call with Tensors differs from the same call with arrays, '' where it does not."""
    numpys, loud = outcome(function, args, kwargs)
    ours, heard = outcome(function, [lift(x) for x in args], kwargs)
    if isinstance(numpys, Exception):
        if not isinstance(ours, Exception):
            return "" if any(t in str(numpys) for t in ANSWERED.get(function, ())) else f"answers: {numpys!r}"
        if not isinstance(ours, public_class(numpys)):
            return f"{ours!r} for {numpys!r}"
        # An unknown keyword is refused by NumPy itself, before a Tensor is asked.
        return "" if taught(ours) or str(ours) == str(numpys) else f"a bare {ours!r}"
    if isinstance(ours, Exception):
        known = taught(ours) and any(text in str(ours) for text in REFUSED.get(function, ()))
        return "" if known else f"refuses: {ours!r}"
    if function is np.argsort:  # entries that tie: ours stay in their order
        numpys = np.argsort(*args, **kwargs | {"kind": "stable"})
    return difference(ours, numpys) or (f"warns {heard} for {loud}" if heard != loud else "")


def shown(args, kwargs):
    texts = [f"{x.dtype} {x.shape} {x.ravel()[:6]}" if isinstance(x, np.ndarray) else x for x in args]
    return f"{texts} {kwargs}"


def odd(function, args, kwargs):
    """The calls left out: np.power(booleans, 2) is `booleans ** 2`, for which NumPy has another dtype, and of
    an axis without entries NumPy's irfft gives what happened to lie in memory (ours: zeros)."""
    if function.__name__.startswith(("irfft", "hfft")):
        return not args[0].size
    return function is np.power and type(args[1]) is int and args[0].dtype == bool


@pytest.mark.parametrize("function", ASKED, ids=label)
def test_a_function_means_what_numpy_says(function):
    wrong = []
    for args, kwargs in calls_of(function):
        if not odd(function, args, kwargs):
            found = complaint(function, args, kwargs, lifted)
            wrong += [f"{shown(args, kwargs)}: {found}"] if found else []

    assert wrong == []


@pytest.mark.parametrize("function", ASKED, ids=label)
def test_gradients_of_both_orders_fit_at_every_shape(function):
    wrong = []
    for args, kwargs in calls_of(function):
        inputs = [lifted(x, grad=True) for x in args]
        z, _ = outcome(function, inputs, kwargs)
        leaves = [
            t for x in inputs for t in (x if isinstance(x, (list, tuple)) else [x]) if isinstance(t, Tensor)
        ]
        found, _ = outcome(twice, (z, leaves), {})
        if isinstance(found, (np.linalg.LinAlgError, GradientError)) and taught(found):
            found = ""  # a singular matrix has no second derivative of its determinant, and says so; nor do
            # vectors of equal eigenvalues have a first one
        wrong += [f"{shown(args, kwargs)}: {found!r}"] if found else []

    assert wrong == []


@pytest.mark.parametrize("name", ufunc_names)
def test_a_function_of_scipys_means_what_scipy_says(name):
    """Value, shape and dtype of the ufuncs that are answered by name; SciPy never warns."""
    function = getattr(pytest.importorskip("scipy.special"), name)
    wrong = []
    for args, kwargs in ufunc_calls(function):
        if any(getattr(x, "dtype", None) in (np.complex64, np.complex128) for x in args):
            continue
        theirs, _ = outcome(function, args, kwargs)
        ours, _ = outcome(function, [lifted(x) for x in args], kwargs)
        if isinstance(theirs, Exception):
            found = "" if isinstance(ours, public_class(theirs)) else f"{ours!r} for {theirs!r}"
        else:
            found = f"{ours!r}" if isinstance(ours, Exception) else difference(ours, theirs)
        wrong += [f"{shown(args, kwargs)}: {found}"] if found else []

    assert wrong == []


def real(t):
    return t.real + 0.5 * t.imag if t.dtype.kind == "c" else t


def twice(z, leaves):
    """Pull a gradient of a gradient; return which of them does not have its value's shape and dtype."""
    outputs = [
        t for t in (z if isinstance(z, (tuple, list)) else [z]) if isinstance(t, Tensor) and t.requires_grad
    ]
    if not outputs or any(not np.all(np.isfinite(t._value)) for t in outputs):
        return ""
    total = sum(real(t).astype("f8").sum() for t in outputs)
    total.backward(create_graph=True, leaves_only=True)
    first = [t.grad for t in leaves if t.grad is not None]
    bad = [f"{t.grad.shape} for {t.shape}" for t in leaves if t.grad is not None and t.grad.shape != t.shape]
    bad += [f"{t.grad.dtype} for {t.dtype}" for t in leaves if t.grad is not None and t.grad.dtype != t.dtype]
    again = sum((real(g).astype("f8") ** 2).sum() for g in first if isinstance(g, Tensor) and g.requires_grad)
    if isinstance(again, Tensor) and again.requires_grad:
        for t in leaves:
            t.grad = None
        again.backward(leaves_only=True)
        bad += [
            f"{t.grad.shape} for {t.shape}" for t in leaves if t.grad is not None and t.grad.shape != t.shape
        ]
    return "; ".join(bad)


def test_every_function_that_meets_a_tensor_is_called():
    silent = [label(f) for f in ASKED if f not in CALLS and not isinstance(f, np.ufunc)]

    assert silent == []


REDUCTIONS = ("sum", "mean", "max", "min", "prod", "var", "std", "all", "any")
METHODS = {
    **{name: [(), (0,), (-1,), ((0, 1),), (5,), ("x",)] for name in REDUCTIONS},
    "argmax": [(), (0,), (-1,), (5,)], "argmin": [(), (0,), (-1,), (5,)],
    "dot": [(2.0,), (np.ones(4),), (np.ones((4, 2)),), (np.ones(3),)],
    "clip": [(0, 1), (None, 1), (0, None), ("a", 1)], "round": [(), (1,)],
    "astype": [("f4",), (int,), (bool,), ("nonsense",)],
    "reshape": [(12,), (2, 6), ((2, 6),), (-1,), (5,), (-1, -1)], "ravel": [()], "flatten": [()],
    "transpose": [(), (1, 0), ((1, 0),), (0, 0), (0,)], "swapaxes": [(0, 1), (0, 5)],
    "squeeze": [(), (0,), (5,)],
    "take": [(0,), ([0, 1], 1), ([0, 9], 1), (0, 5)], "item": [()],
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_method_means_what_an_arrays_does(name):
    wrong = []
    for shape in ((3, 4), (12,), (), (1,), (0, 3), (1, 12)):
        for dtype in ("f8", "f4", "i8", "b1"):
            for args in METHODS[name]:
                x = array(shape, dtype)
                numpys, _ = outcome(getattr(x, name), args, {})
                ours, _ = outcome(getattr(Tensor(x, requires_grad=False), name), args, {})
                if isinstance(numpys, Exception):
                    good = isinstance(ours, public_class(numpys)) and (taught(ours) or name in ("astype",))
                else:
                    empty = not x.size and isinstance(ours, IndexError)  # NumPy lets any index into nothing
                    good = empty or (not isinstance(ours, Exception) and not difference(ours, numpys))
                wrong += [] if good else [f"{dtype} {shape} .{name}{args}: {ours!r} for {numpys!r}"]

    assert wrong == []


@pytest.mark.parametrize(("one", "two"), MIXED)
def test_mixed_dtypes_and_numbers_promote_as_numpy_does(one, two):
    x, y = array((3,), one), array((3,), two)
    for call in (
        lambda a, b: a + b,
        lambda a, b: a * 2,
        lambda a, b: a * 0.5 + b,
        lambda a, b: a / b,
        lambda a, b: a @ b,
    ):
        with np.errstate(all="ignore"):
            assert (
                call(Tensor(x, requires_grad=False), Tensor(y, requires_grad=False)).dtype == call(x, y).dtype
            )
