"""Every core op as JAX computes it: the array of a value from those of its inputs.

What has a row here means what NumPy means: dtypes are written out, products are of full precision, an index
out of bounds is noted in `Bounds`. All else is refused by name (`Unlowered`), so is a result of another shape
or dtype than the Program says. Called only while JAX traces a step.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from clearprop.compiler.engines.xla.bounds import Bounds
from clearprop.compiler.engines.xla.networks import NETWORKS, halves, philox
from clearprop.compiler.engines.xla.products import product
from clearprop.compiler.engines.xla.special import NAMES, ORDERED, function_of
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.core import indices, ufunc_of
from clearprop.compiler.program.ir import Value, turns_of
from clearprop.compiler.program.turn import turn
from clearprop.errors import first_line
from clearprop.loops.scan import parts
from clearprop.ops.index import ARRAY
from clearprop.registry import ops

Translate = Callable[[Value, list[Any], Bounds], Any]


def translated(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """Return the array of a value from those of its inputs; numbers among these are Python's.

    Raises Unlowered where there is none.
    """
    known = (CALLS if v.kind == "call" else CORE).get(v.op)
    try:
        if known is not None:
            z = known(v, xs, bounds)
        elif v.kind == "call":
            z = _forward(v, xs)
        elif v.reduces:
            z = getattr(jnp, v.op)(xs[0], axis=v.attrs["axes"], keepdims=True)
        else:
            z = _elementwise(v, xs)
    except Unlowered:
        raise
    except Exception as error:  # JAX's objections to what cannot be traced are of many classes
        raise Unlowered(f"{v.op} has no translation to XLA: {first_line(error)[:120]}") from error
    if z.shape != v.shape or z.dtype != v.dtype:
        raise Unlowered(f"{v.op} would be {z.shape} {z.dtype} there, here it is {v.shape} {v.dtype}")
    return z


def _elementwise(v: Value, xs: list[Any]) -> Any:
    """Call the ufunc of the same name in the dtype that NumPy computes in."""
    function = _FUNCTIONS.get(v.op) or getattr(jnp, v.op, None)
    if function is None:
        formula = getattr(ufunc_of(v.op), "formula", None)
        if formula is None:
            raise Unlowered(f"{v.op} has no translation to XLA")
        x = jnp.asarray(xs[0])
        return _traced(formula)(x.astype(jnp.float64), x.dtype.itemsize).astype(v.dtype)
    like = v.operands[0].dtype if v.operands else v.dtype
    return function(*(x if isinstance(x, (jax.Array, np.ndarray, np.generic)) else like.type(x) for x in xs))


def _traced(f: Any) -> Any:
    """Return a function's own lines with `np` standing for jax.numpy."""
    if not isinstance(f, types.FunctionType):
        raise Unlowered(f"{getattr(f, '__name__', f)} is no function in Python: it has no translation to XLA")
    space = {**f.__globals__, "np": jnp}
    found = types.FunctionType(f.__code__, space, f.__name__, f.__defaults__, f.__closure__)
    found.__kwdefaults__ = f.__kwdefaults__
    return found


def _forward(v: Value, xs: list[Any]) -> Any:
    """Run an op's own lines on JAX's arrays; what they ask NumPy for, jax.numpy answers or refuses."""
    given = (jnp.asarray(x) if hasattr(x, "shape") else x for x in xs)
    return jnp.asarray(_traced(ops[v.op].forward)(*given, **v.attrs))


# --- places -------------------------------------------------------------------------------------------------
def _index(v: Value, arrays: list[Any], shape: Any, bounds: Bounds) -> tuple[Any, ...]:
    """Return an index with its arrays, held against the lengths that it must stay within."""
    form, rest, axis, index = v.attrs["index"], zip(v.inputs[1:], arrays, strict=True), 0, []
    taken = sum(e is not None and e is not Ellipsis for e in form)
    for e in form:
        if e is Ellipsis:
            axis += len(shape) - taken
        elif e is ARRAY:
            asked, array = next(rest)
            if array.dtype.kind == "b":
                raise Unlowered("a mask picks as many entries as it has: there is no fixed shape for XLA")
            if array.dtype.itemsize < 4:  # JAX adds the axis' length, which int8 need not have
                array = array.astype(np.int32)
            n = shape[axis]
            bounds.hold(asked, array, -n, n)
            e = array
            axis += 1
        elif e is not None:
            axis += 1
        index.append(e)
    return tuple(index)


def _picked(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    x, *arrays = (jnp.asarray(x) for x in xs)
    index = _index(v, arrays, x.shape, bounds)
    return x.at[index].get(mode="clip") if arrays else x[index]


def _scattered(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    g, *arrays = (jnp.asarray(x) for x in xs)
    shape = v.attrs["shape"]
    return jnp.zeros(shape, g.dtype).at[_index(v, arrays, shape, bounds)].add(g, mode="drop")


# --- convolution --------------------------------------------------------------------------------------------
def _along(v: Value, x: Any, w: Any) -> Any:
    """Return the convolution of x by w, as `ops.convolution` has it."""
    frame = v.attrs["frame"]
    return product(
        x,
        w,
        by=lax.conv_general_dilated,
        window_strides=frame.steps,
        padding=frame.margins,
        rhs_dilation=frame.dilations,
        feature_group_count=v.attrs["groups"],
    )


def _like(v: Value) -> Any:
    struct: Any = jax.ShapeDtypeStruct
    return struct(v.shape, v.dtype)


def _convolution(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    return _along(v, *map(jnp.asarray, xs))


def _transposed_convolution(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """What arrives at x of a convolution: the transpose of a linear function."""
    g, w = map(jnp.asarray, xs)
    return jax.linear_transpose(lambda x: _along(v, x, w), _like(v))(g)[0]


def _convolution_kernel(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    x, g = map(jnp.asarray, xs)
    return jax.linear_transpose(lambda w: _along(v, x, w), _like(v))(g)[0]


# --- random numbers -----------------------------------------------------------------------------------------
def _drawn(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """The numbers of `random_uniform`, bit for bit: Philox4x64-10 on counters (block, calls, 0, 0)."""
    key, calls = xs[0][0], xs[0][1]
    dtype, count = np.dtype(v.attrs["dtype"]), int(np.prod(v.attrs["shape"]))
    block, none = lax.iota(jnp.uint64, -(-count * dtype.itemsize // 32)) + np.uint64(1), np.uint64(0)
    words = philox((block, calls, none, none), key, none)
    wide = dtype.itemsize == 8
    numbers = (words >> np.uint64(11)).astype(jnp.float64) * 2.0**-53 if wide else halves(words)
    return numbers.reshape(-1)[:count].reshape(v.attrs["shape"])


# --- the tables ---------------------------------------------------------------------------------------------
def _chosen(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    return jnp.where(xs[0], *(jnp.asarray(x, v.dtype) for x in xs[1:]))


def _cast(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    x = jnp.asarray(xs[0])
    if v.dtype.kind == "b":
        return x != 0
    if x.dtype.kind == "f" and v.dtype.kind in "iu":
        return _to_integer(x, v.dtype)
    return lax.convert_element_type(x, v.dtype)


def _to_integer(x: Any, dtype: Any) -> Any:
    """Beyond the range, and of NaN: what NumPy's casts give on x86; XLA takes the nearest, and 0 for NaN.

    That is the lowest integer; an unsigned one is converted in two halves, a short one by way of 32 bits.
    """
    if dtype.itemsize < 4:
        return lax.convert_element_type(_to_integer(x, np.dtype(np.int32)), dtype)
    x = x.astype(jnp.float32) if x.dtype.itemsize < 4 else x  # 2**31 is no float16
    signed, top = np.dtype(f"i{dtype.itemsize}"), x.dtype.type(2.0 ** (8 * dtype.itemsize - 1))
    lowest = signed.type(np.iinfo(signed).min)
    if dtype.kind == "i":
        return jnp.where(x < top, lax.convert_element_type(x, dtype), lowest)
    halves = jnp.where(x >= top, _to_integer(x - top, signed) ^ lowest, _to_integer(x, signed))
    return lax.convert_element_type(halves, dtype)


def _placed(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    return getattr(jnp, v.op)(xs[0], axis=v.attrs["axes"][0], keepdims=True)


def _matmul(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """Of two dtypes NumPy takes the one that holds both: int64 and float32 are multiplied as float64."""
    dtype = np.result_type(*(x.dtype for x in xs))
    return product(*(lax.convert_element_type(jnp.asarray(x), dtype) for x in xs))


def _einsum(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    return product(*xs, by=functools.partial(jnp.einsum, v.attrs["subscripts"]))


def _windows(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """Pick each window's entries along each axis in turn; the offsets inside of a window become last axes."""
    x, attrs = jnp.asarray(xs[0]), v.attrs
    for k, axis in enumerate(attrs["axes"]):
        steps, gaps, size = (
            attrs["steps"][k],
            attrs["dilations"][k],
            v.shape[len(v.shape) - len(attrs["axes"]) + k],
        )
        places = np.arange(v.shape[axis])[:, None] * steps + np.arange(size) * gaps
        x = jnp.moveaxis(jnp.take(x, places, axis=axis), axis + 1, -1)
    return x


def _floor_divided(x: Any, y: Any) -> Any:
    """Return x // y; an integer over 0 is 0, as NumPy has it."""
    if not jnp.issubdtype(jnp.result_type(x, y), jnp.integer):
        return jnp.floor_divide(x, y)
    return jnp.where(y == 0, 0, jnp.floor_divide(x, jnp.where(y == 0, 1, y)))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "floor_divide": _floor_divided,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "ndtr": lambda x: 0.5 * jax.scipy.special.erfc(-x * np.sqrt(x.dtype.type(0.5))),
    "gaussian": lambda x: jnp.exp(x * x * x.dtype.type(-0.5)),
}
"""Elementwise functions that jax.numpy lacks or means otherwise."""


def _special(name: str) -> Translate:
    function = function_of(name)
    return lambda v, xs, bounds: function(*(jnp.asarray(x, v.dtype) for x in xs))


def _of_order(name: str) -> Translate:
    def translate(v: Value, xs: list[Any], bounds: Bounds) -> Any:
        function = ORDERED.get((name, v.attrs["order"]))
        if function is None:
            raise Unlowered(f"{name} of order {v.attrs['order']} has no translation to XLA")
        return function(*(jnp.asarray(x, v.dtype) for x in xs))

    return translate


def _repeated(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """A loop as JAX's, whose body is one turn in core ops; its results laid flat as NumPy lays them."""
    turns = turns_of(v)
    assert turns is not None
    body, place, program = turns.body, parts(turns), turn(turns.body, v.inputs)
    carried, count, _ = body.given
    carry, entries, outside = xs[:carried], xs[carried : carried + count], xs[carried + count :]

    def one(state: Any, now: Any) -> Any:
        inside = Bounds(None, bounds.watched)
        given = zip(program.arguments, (*state, *now, *outside), strict=True)
        at: dict[Value, Any] = {x: jnp.reshape(array, x.shape) for x, array in given}
        at |= {x: np.asarray(x.data) for x in program.constants}
        for x in program.values:
            if x.computed:
                at[x] = translated(x, [at[y] if isinstance(y, Value) else y for y in x.inputs], inside)
        found = [jnp.reshape(at[x], k.shape) for x, k in zip(program.outputs, body.kinds, strict=True)]
        return tuple(found[:carried]), (
            [found[carried + k] for k in place.out],
            [state[k] for k in place.began],
            inside.flags,
        )

    begin = tuple(jnp.asarray(x) for x in carry)
    last, (out, began, flags) = lax.scan(one, begin, tuple(entries), turns.length, turns.reverse)
    bounds.flags += [jnp.any(flag) for flag in flags]
    return jnp.concatenate([jnp.ravel(x) for x in (*(last[k] for k in place.last), *out, *began)])


def _ordered(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    return jnp.argsort(xs[0], axis=v.attrs["axis"], stable=True).astype(v.dtype)


def _found(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    return _forward(v, xs).astype(v.dtype)


CORE: dict[str, Translate] = {
    "where": _chosen,
    "astype": _cast,
    "argmax": _placed,
    "argmin": _placed,
    "reshape": lambda v, xs, bounds: jnp.reshape(xs[0], v.shape),
    "transpose": lambda v, xs, bounds: jnp.transpose(xs[0], v.attrs["axes"]),
    "slice": lambda v, xs, bounds: jnp.asarray(xs[0])[indices(v)],
    "broadcast_to": lambda v, xs, bounds: jnp.broadcast_to(xs[0], v.shape),
    "windows": _windows,
    "matmul": _matmul,
    "cumsum": lambda v, xs, bounds: jnp.cumsum(xs[0], axis=v.attrs["axis"]),
    "join": lambda v, xs, bounds: jnp.concatenate([jnp.asarray(x) for x in xs], axis=v.attrs["axis"]),
}
"""Core ops; reductions and elementwise ones go by their NumPy names."""


def _decomposed(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """JAX reads both triangles where NumPy reads one, and turns vectors otherwise."""
    raise Unlowered(f"{v.op} has no translation to XLA: its factors would not be NumPy's")


def _beyond(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    """Compare integers with a number that their dtype does not have: it is above all of them, or below."""
    if sum(type(x) is int for x in xs) != 1:
        return _forward(v, xs)
    stand = [(x > 0) - (x < 0) if type(x) is int else jnp.zeros(jnp.shape(x), jnp.int8) for x in xs]
    return getattr(jnp, v.op)(*stand)


def _in_python(v: Value, xs: list[Any], bounds: Bounds) -> Any:
    raise Unlowered("a schedule steps in Python: schedule.step() after the compiled step, in the loop")


CALLS: dict[str, Translate] = {
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), _beyond),
    **dict.fromkeys(("cholesky", "eigh", "eigh_again", "eigvalsh", "qr", "svd", "svd_again"), _decomposed),
    **{name: _special(name) for name in NAMES},
    **{name: _of_order(name) for name, _ in ORDERED},
    **NETWORKS,
    "convolution": _convolution,
    "transposed_convolution": _transposed_convolution,
    "convolution_kernel": _convolution_kernel,
    "loop": _repeated,
    "schedule_step": _in_python,
    "argsort": _ordered,
    "searchsorted": _found,
    "digitize": _found,
    "getitem": _picked,
    "scatter": _scattered,
    "random_uniform": _drawn,
    "matmul": _matmul,
    "einsum": _einsum,
    "astype": _cast,
    "detach": lambda v, xs, bounds: jnp.asarray(xs[0]),
    "positive": lambda v, xs, bounds: jnp.asarray(xs[0]),
}
"""Calls of the registry's ops of which more is known than their lines."""
