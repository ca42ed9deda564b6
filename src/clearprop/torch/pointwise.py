"""Functions of one entry, or of two: PyTorch's names over the core's ops, with PyTorch's rules for dtypes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.registry import ops
from clearprop.torch import dtypes
from clearprop.torch.names import FUNCTIONS, METHODS, function, method
from clearprop.torch.tensors import (
    Node,
    Tensor,
    cast,
    constant,
    is_number,
    is_outside,
    kept,
    kept_apart,
    lift,
    op,
    raw,
)

# fmt: off
FLOATING = {  # whole numbers become the default float first
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sqrt": "sqrt", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "arcsin": "arcsin", "arccos": "arccos", "arctan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "sigmoid": "sigmoid", "erf": "erf", "erfc": "erfc",
    "erfinv": "erfinv", "lgamma": "gammaln", "digamma": "digamma", "sinc": "sinc", "i0": "i0", "deg2rad": "radians",
    "rad2deg": "degrees", "reciprocal": "reciprocal",
}
ALIKE = {  # the dtype stays
    "abs": "absolute", "absolute": "absolute", "neg": "negative", "negative": "negative", "sign": "sign", "sgn": "sign",
    "floor": "floor", "ceil": "ceil", "trunc": "trunc", "fix": "trunc", "relu": "relu",
    "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "logical_not": "logical_not", "bitwise_not": "invert",
    "signbit": "signbit", "positive": "positive",
}
WRITTEN = FLOATING.keys() | ALIKE.keys() - {"isnan", "isinf", "isfinite", "signbit"} | {
    "clamp", "clamp_min", "clamp_max", "clip", "square", "round", "frac", "rsqrt", "logit", "nan_to_num", "xlogy", "ldexp",
    "dropout", "index_put",
}  # fmt: skip
"""What `torch.name_(x)` writes into x."""
_NOT_OF_TRUTHS = frozenset(("abs", "absolute", "floor", "ceil", "trunc", "fix", "relu", "positive"))
ARITHMETIC = {  # of the dtype that PyTorch promotes both to
    "mul": "multiply", "multiply": "multiply", "maximum": "maximum", "minimum": "minimum", "fmax": "fmax", "fmin": "fmin",
        "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor",
    "bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift",
}
REAL = {  # the same, of floats
    "atan2": "arctan2", "arctan2": "arctan2",     "true_divide": "divide", "copysign": "copysign",
}
COMPARING = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "not_equal": "not_equal", "less": "less", "less_equal": "less_equal", "greater": "greater",
    "greater_equal": "greater_equal", "logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor",
}
# fmt: on
_PYTHONS = (float, int)  # and not their subclasses
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def result_type(*xs: Any) -> np.dtype[Any]:
    """Return the dtype that PyTorch computes these in: a number, or a tensor without axes, counts by kind alone.

    >>> result_type(Tensor([1]), 2), result_type(Tensor([1], dtype=dtypes.int64), 2.5)
    (dtype('float32'), dtype('float32'))
    """
    tiers: list[list[np.dtype[Any]]] = [[], [], []]
    for x in xs:
        if is_number(x):
            kind = np.asarray(x).dtype.kind
            tiers[2].append({"f": dtypes.default(), "b": np.dtype(bool)}.get(kind, np.dtype(np.int64)))
        elif x is not None:
            tiers[0 if x.shape else 1].append(x.dtype if isinstance(x, Node) else lift(x).node.dtype)
    found: np.dtype[Any] | None = None
    for tier in filter(None, tiers):
        own = functools.reduce(_promoted, tier)
        if found is None or _RANK[own.kind] > _RANK[found.kind]:
            found = own
    return found or dtypes.default()


def _promoted(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    if _RANK[a.kind] != _RANK[b.kind]:
        return a if _RANK[a.kind] > _RANK[b.kind] else b
    return np.promote_types(a, b)


def alike(*xs: Any, real: bool = False, dtype: np.dtype[Any] | None = None) -> list[Any]:
    """Return nodes of one dtype, with numbers as they are: the inputs of an op of two."""
    for x in xs:
        if not isinstance(x, (Tensor, Node, np.ndarray)) and not is_number(x):
            hint = "torch.tensor(x)"
            raise TypeError(
                lesson("a function of tensors", "wants tensors and numbers", type(x).__name__, hint=hint)
            )
    nodes = [constant(x) if isinstance(x, np.ndarray) else x for x in kept_apart(*xs)]
    if not any(isinstance(x, Node) for x in nodes):
        nodes = [constant(np.asarray(x, result_type(x))) for x in nodes]
    dtype = dtype or result_type(*nodes)
    if real and dtype.kind != "f":
        dtype = dtypes.default()
    return [cast(x, dtype) if isinstance(x, Node) else _fitting(x, dtype) for x in nodes]


def _fitting(x: Any, dtype: np.dtype[Any]) -> Any:
    """Return a Python number, which takes the other's dtype; of the kind that the result has."""
    return {"f": float, "i": int, "u": int, "b": bool}[dtype.kind](x)


def _ready(x: Any, y: Any) -> tuple[Any, Any] | None:
    """Return two inputs whose dtypes agree as they are, the usual case; None where more has to be asked."""
    if isinstance(x, Tensor) and not is_outside(x):
        a = x.node
        if isinstance(y, Tensor):
            b = y.node
            return None if a._value.dtype is not b._value.dtype or is_outside(y) else (a, b)
        if y.__class__ in _PYTHONS and a._value.dtype.kind == "f":
            return a, float(y)
    elif x.__class__ in _PYTHONS and isinstance(y, Tensor) and not is_outside(y):
        b = y.node
        return (float(x), b) if b._value.dtype.kind == "f" else None
    return None


def of_two(name: str, called: str, x: Any, y: Any, **how: Any) -> Any:
    """Return the tensor that an op of the core gives for two inputs, by PyTorch's rules for their dtypes."""
    ready = _ready(x, y)
    if ready is None or (how and ready[ready[0].__class__ is float]._value.dtype.kind != "f"):
        return applied(name, called, *alike(x, y, **how))
    try:
        return lift(ops[name].two(*ready), called)
    except ValueError as error:
        raise RuntimeError(*error.args) from error


def real(x: Any) -> Any:
    """Return the node of a tensor, whole numbers as the default float."""
    if isinstance(x, Tensor) and not is_outside(x) and (node := x.node)._value.dtype.kind == "f":
        return node
    node = kept_apart(x if isinstance(x, Tensor) else lift(np.asarray(x, result_type(x))))[0]
    return node if node.dtype.kind == "f" else cast(node, dtypes.default())


def applied(name: str, called: str, *nodes: Any) -> Any:
    """Return the tensor that an op of the core gives; its objections are RuntimeErrors, as in PyTorch."""
    try:
        return lift(op(name)(*nodes), called)
    except ValueError as error:
        raise RuntimeError(*error.args) from error


def _floating(name: str, entry: str) -> Callable[..., Any]:
    return lambda x, *, out=None: applied(entry, name, real(x))


def _unchanged(name: str, entry: str) -> Callable[..., Any]:
    def unchanged(x: Any, *, out: Any = None) -> Any:
        node = kept(x) if isinstance(x, Tensor) else alike(x)[0]
        if name in _NOT_OF_TRUTHS and node.dtype.kind == "b":
            raise NotImplementedError(lesson(f"torch.{name}(x)", "is not of truth values", hint="x.long()"))
        return applied(entry, name, node)

    return unchanged


def _of_two(name: str, entry: str, **how: Any) -> Callable[..., Any]:
    return lambda x, y, *, out=None: of_two(entry, name, x, y, **how)


def _kinds(*xs: Any) -> set[str]:
    return {(x.node if isinstance(x, Tensor) else np.asarray(x)).dtype.kind for x in xs}


def _of_floats(name: str, entry: str) -> Callable[..., Any]:
    """Return a function of two tensors that PyTorch has for floats alone."""

    def of_floats(x: Any, y: Any, *, out: Any = None) -> Any:
        if "f" not in _kinds(x, y):
            wanted = "is not of whole numbers"
            raise NotImplementedError(lesson(f"torch.{name}(x, y)", wanted, hint="x.float(), y.float()"))
        return of_two(entry, name, x, y)

    return of_floats


def _divided(name: str) -> Callable[..., Any]:
    """Return a division without remainder, or a remainder: of whole numbers RuntimeError where y is 0."""

    def divided(x: Any, y: Any, *, out: Any = None) -> Any:
        if y.__class__ is not float and "f" not in _kinds(x, y) and not np.all(raw(y)):
            raise RuntimeError(lesson(f"torch.{name}(x, y)", "ZeroDivisionError", "y has a 0", hint="x / y"))
        return of_two(name, name, x, y)

    return divided


for _name, _op in FLOATING.items():
    FUNCTIONS[_name] = _floating(_name, _op)
for _name, _op in ALIKE.items():
    FUNCTIONS[_name] = _unchanged(_name, _op)
for _name, _op in (ARITHMETIC | COMPARING).items():
    FUNCTIONS[_name] = _of_two(_name, _op)
for _name, _op in REAL.items():
    FUNCTIONS[_name] = _of_two(_name, _op, real=True)
for _name in ("hypot", "logaddexp", "logaddexp2", "nextafter"):
    FUNCTIONS[_name] = _of_floats(_name, _name)
for _name in ("remainder", "fmod", "floor_divide"):
    FUNCTIONS[_name] = _divided(_name)


@function
def add(x: Any, y: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """Return x + alpha y."""
    if isinstance(alpha, Tensor):
        alpha = alpha.item()
    if alpha == 1:
        return of_two("add", "add", x, y)
    a, b = alike(x, y)
    return applied("add", "add", a, b if alpha == 1 else b * alpha)


@function
def sub(x: Any, y: Any, *, alpha: Any = 1) -> Any:
    """Return x - alpha y; RuntimeError for truth values, whose difference has no meaning."""
    if isinstance(alpha, Tensor):
        alpha = alpha.item()
    ready = _ready(x, y) if alpha == 1 else None
    if ready is not None and ready[0].__class__ is Node and ready[0].dtype.kind == "b":
        ready = None
    a, b = alike(x, y) if ready is None else ready
    if ready is None and "b" in _kinds(x, y):
        raise RuntimeError(lesson("x - y", "of bool tensors is not defined", hint="x ^ y, or ~x"))
    return applied("subtract", "sub", a, b if alpha == 1 else b * alpha)


FUNCTIONS["subtract"] = sub


@function
def rsub(x: Any, y: Any, *, alpha: Any = 1) -> Any:
    """Return y - alpha x."""
    return sub(y, x, alpha=alpha)


@function
def div(x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    """Return x / y, of floats; rounded down with `floor`, towards 0 with `trunc`."""
    if rounding_mode is None:
        return of_two("divide", "div", x, y, real=True)
    if rounding_mode == "floor":
        return FUNCTIONS["floor_divide"](x, y)
    if rounding_mode != "trunc":
        wanted = "wants None, 'trunc' or 'floor'"
        raise RuntimeError(lesson("torch.div(rounding_mode=)", wanted, repr(rounding_mode)))
    if "f" not in _kinds(x, y):  # exact, also of numbers that no float holds
        return FUNCTIONS["floor_divide"](sub(x, FUNCTIONS["fmod"](x, y)), y)
    a, b = alike(x, y)
    return lift(op("trunc")(op("divide")(a, b)), "div")


FUNCTIONS["divide"] = div


@function
def pow(x: Any, y: Any) -> Any:
    """Return x to the power y."""
    a, b = _ready(x, y) or alike(x, y)
    if isinstance(b, bool):
        b = int(b)
    return applied("power", "pow", a, b)


FUNCTIONS["float_power"] = lambda x, y: lift(op("power")(*alike(x, y, dtype=np.dtype(np.float64))), "pow")


@function
def round(x: Any, *, decimals: int = 0) -> Any:
    """Return the nearest whole numbers, halves to the even one."""
    if x.node.dtype.kind == "b":
        raise NotImplementedError(lesson("torch.round(x)", "is not of truth values", hint="x.long()"))
    return lift(op("round")(*alike(x), decimals=decimals), "round")


@function
def frac(x: Any) -> Any:
    """Return x - trunc(x)."""
    node = kept(x)
    if node.dtype.kind != "f":
        raise NotImplementedError(lesson("torch.frac(x)", "is not of whole numbers", hint="x.float()"))
    return lift(node - op("trunc")(node), "frac")


@function
def rsqrt(x: Any) -> Any:
    """Return 1 / sqrt(x)."""
    return lift(1.0 / op("sqrt")(real(x)), "rsqrt")


@function
def logit(x: Any, eps: float | None = None) -> Any:
    """Return log(x / (1 - x)), with `eps` of x held between eps and 1 - eps."""
    return applied("logit", "logit", real(x if eps is None else clamp(x, eps, 1 - eps)))


@function
def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Return x held between `min` and `max`, either of which may be left out or be a tensor."""
    if min is None and max is None:
        raise RuntimeError(lesson("torch.clamp(x)", "wants min, max or both"))
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        x = x if min is None else FUNCTIONS["maximum"](x, min)
        return x if max is None else FUNCTIONS["minimum"](x, max)
    dtype = result_type(*(v for v in (*kept_apart(x), min, max) if v is not None))
    node = alike(x, dtype=dtype)[0]
    low, high = (None if v is None else _fitting(v, dtype) for v in (min, max))
    return lift(op("clip")(node, low, high), "clamp")


FUNCTIONS["clip"] = clamp


@function
def clamp_min(x: Any, min: Any) -> Any:
    """Return the larger of x and `min`."""
    return clamp(x, min=min)


@function
def clamp_max(x: Any, max: Any) -> Any:
    """Return the smaller of x and `max`."""
    return clamp(x, max=max)


@function
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return x where the condition holds and y elsewhere; alone, the places where it holds."""
    if x is None:
        return FUNCTIONS["nonzero"](condition, as_tuple=True)
    if condition.node.dtype.kind != "b":
        got = f"{condition.dtype}"
        raise RuntimeError(
            lesson("torch.where(condition, x, y)", "wants truth values", got, hint="condition.bool()")
        )
    a, b = alike(x, y)
    return lift(op("where")(condition.node, a, b), "where")


@method
def where_of(x: Any, condition: Any, y: Any) -> Any:
    """Return x where the condition holds and y elsewhere."""
    return where(condition, x, y)


METHODS["where"] = METHODS.pop("where_of")


def _of_one_dtype(called: str, *xs: Any) -> None:
    """Raise RuntimeError for tensors of several dtypes, as PyTorch does where it promotes none."""
    kinds = {str(x.dtype): x for x in xs}
    if len(kinds) > 1:
        raise RuntimeError(
            lesson(called, "wants tensors of one dtype", " and ".join(kinds), hint="y.to(x.dtype)")
        )


@function
def xlogy(x: Any, y: Any) -> Any:
    """Return x log(y), and 0 where x is 0."""
    nodes = alike(x, y, real=True)
    kind = next(v.dtype for v in nodes if isinstance(v, Node))
    both = (v if isinstance(v, Node) else constant(np.asarray(v, kind)) for v in nodes)  # SciPy's is wide
    return applied("xlogy", "xlogy", *both)


@function
def ldexp(x: Any, y: Any) -> Any:
    """Return x times 2 to the power y."""
    return FUNCTIONS["mul"](x, pow(2.0, y))


@function
def heaviside(x: Any, values: Any) -> Any:
    """Return 0 below 0, 1 above it, and a value where x is 0; of one dtype."""
    _of_one_dtype("torch.heaviside(x, values)", x, values)
    return lift(cast(op("heaviside")(*kept_apart(x, values)), x.node.dtype), "heaviside")


def _of_whole_numbers(name: str) -> Callable[..., Any]:
    def of_whole_numbers(x: Any, y: Any, *, out: Any = None) -> Any:
        if _kinds(x, y) - {"i", "u"}:
            wanted = "is of whole numbers"
            raise NotImplementedError(lesson(f"torch.{name}(x, y)", wanted, f"{x.dtype}", hint="x.long()"))
        return of_two(name, name, x, y)

    return of_whole_numbers


FUNCTIONS["gcd"], FUNCTIONS["lcm"] = _of_whole_numbers("gcd"), _of_whole_numbers("lcm")


@function
def isposinf(x: Any, *, out: Any = None) -> Any:
    """Return which entries are infinite and above 0."""
    return FUNCTIONS["eq"](x, float("inf"))


@function
def isneginf(x: Any, *, out: Any = None) -> Any:
    """Return which entries are infinite and below 0."""
    return FUNCTIONS["eq"](x, float("-inf"))


@function
def isreal(x: Any) -> Any:
    """Return which entries have no imaginary part: all."""
    return FUNCTIONS["ones_like"](x, dtype=dtypes.boolean)


@function
def square(x: Any) -> Any:
    """Return x times x; truth values count as whole numbers."""
    node = kept(x)
    return lift(op("square")(cast(node, np.dtype(np.int64)) if node.dtype.kind == "b" else node), "pow")


@function
def lerp(x: Any, end: Any, weight: Any) -> Any:
    """Return x + weight (end - x), of tensors of one dtype."""
    _of_one_dtype("torch.lerp(x, end, weight)", x, end, *[weight] * isinstance(weight, Tensor))
    return x + weight * (end - x)


@function
def addcmul(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return x + value tensor1 tensor2."""
    return x + value * tensor1 * tensor2


@function
def addcdiv(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return x + value tensor1 / tensor2."""
    if "f" not in _kinds(tensor1, tensor2):
        hint = "x + value * (a / b), or torch.div(a, b, rounding_mode='trunc')"
        raise RuntimeError(lesson("torch.addcdiv(x, a, b)", "is not of two whole numbers", hint=hint))
    return x + value * tensor1 / tensor2


@function
def nan_to_num(
    x: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Return x with numbers for NaN and the infinities: 0, and the largest there are, unless told otherwise."""
    node = kept_apart(x)[0]
    if node.dtype.kind != "f":
        return FUNCTIONS["clone"](x)
    limits = np.finfo(node.dtype)
    high, low = (limits.max if posinf is None else posinf), (limits.min if neginf is None else neginf)
    node = np.where(np.isnan(node), 0.0 if nan is None else nan, node)
    node = np.where(node == np.inf, high, node)
    return lift(np.where(node == -np.inf, low, node), "nan_to_num")


@function
def isclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return where |x - y| <= atol + rtol |y|."""
    _of_one_dtype("torch.isclose(x, y)", x, y)
    a, b = (v._value if isinstance(v, Node) else v for v in alike(x, y))
    return lift(np.isclose(a, b, rtol, atol, equal_nan))


@function
def allclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Tell whether all entries are close: see `isclose`."""
    return bool(isclose(x, y, rtol, atol, equal_nan).all())


@function
def equal(x: Any, y: Any) -> bool:
    """Tell whether two tensors have the same shape and numbers."""
    return x.shape == y.shape and bool(FUNCTIONS["eq"](x, y).all())


@function
def sign(x: Any) -> Any:
    """Return -1, 0 or 1 by the sign of each entry; of what is no number 0, as PyTorch has it."""
    node = kept_apart(x)[0]
    if node.dtype.kind == "b":
        return FUNCTIONS["clone"](x)
    unknown = np.isnan(node._value) if node.dtype.kind == "f" else np.False_
    found = op("sign")(node)
    return lift(np.where(unknown, node.dtype.type(0), found) if unknown.any() else found, "sign")


FUNCTIONS["sgn"] = sign
