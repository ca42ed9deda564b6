"""Making tensors, and making others of them: creation, dtypes, devices, arrays."""

from __future__ import annotations

import functools
import math
from typing import Any
from weakref import ref

import numpy as np

from clearprop import leaves
from clearprop.arguments import is_number
from clearprop.errors import lesson
from clearprop.hooks import Handle
from clearprop.modes import mode
from clearprop.torch import cells, dtypes
from clearprop.torch.names import FUNCTIONS, METHODS, PLAIN, function, method, plain
from clearprop.torch.picking import one_entry
from clearprop.torch.shaping import size_of, stack
from clearprop.torch.tensors import (
    FUNCTIONS_OF_DATA,
    Node,
    Tensor,
    after,
    cast,
    kept_apart,
    lift,
    raw,
    refuse_unfit,
    xp,
)


def made(array: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a leaf that holds the array itself."""
    dtypes.here(device)
    if dtype is not None:
        array = array.astype(dtypes.numpy_dtype(dtype))
    found: Tensor = lift(array)
    return found.requires_grad_() if requires_grad else found


def _array(data: Any, wide: bool = False) -> Any:
    """Return data as PyTorch's array of it: Python's floats are the default float, unless `wide`."""
    if isinstance(data, Tensor):
        return np.array(data.node._value)
    if isinstance(data, (np.ndarray, np.generic)):
        dtypes.of(data.dtype)
        return np.array(data)
    try:
        array = np.array(_unpacked(data))
    except ValueError as error:
        raise ValueError(lesson("torch.tensor(data)", "wants rows of one length", str(error))) from error
    if array.dtype.kind not in "fiub":
        wanted = "wants numbers"
        kind = ValueError if array.dtype.kind in "US" else TypeError  # as in PyTorch
        raise kind(lesson("torch.tensor(data)", wanted, f"dtype {array.dtype}", hint="a list of numbers"))
    if array.dtype.kind == "f" and not wide and not _has_arrays(data):
        return array.astype(dtypes.default())
    return array if array.size else array.astype(dtypes.default())


def _unpacked(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_unpacked(x) for x in data]
    if not isinstance(data, Tensor):
        return data
    if data.node.size != 1:
        wanted, got = "only one element tensors can be converted to numbers", f"shape {tuple(data.shape)}"
        raise ValueError(lesson("torch.tensor(data)", wanted, got, hint="torch.stack(tensors)"))
    return data.item()


def _has_arrays(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(_has_arrays(x) for x in data[:1])
    return isinstance(data, (np.ndarray, np.generic))


@plain
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor with a copy of numbers, lists of them or an array."""
    if _stands_for_an_array(data):
        dtypes.here(device)
        return _of_argument(data, dtype, requires_grad)
    wide = dtype is not None and dtypes.numpy_dtype(dtype) != np.float16  # which PyTorch reaches by float32
    return made(_array(data, wide), dtype, device, requires_grad)


FUNCTIONS_OF_DATA["tensor"] = tensor


def _stands_for_an_array(data: Any) -> bool:
    """Tell whether it is an argument of a step that is recorded, of which later calls bring other numbers."""
    return isinstance(data, Node) and mode.observer is not None


def _of_argument(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a leaf with the numbers of such an argument."""
    node = data if dtype is None else cast(data, dtypes.numpy_dtype(dtype))
    dtypes.of(node.dtype)
    found: Tensor = lift(leaves.from_numpy(node, None, requires_grad))
    return found


@plain
def from_numpy(ndarray: Any) -> Tensor:
    """Return a tensor that shares the memory of an array: a write to either is seen in both."""
    array = ndarray
    if _stands_for_an_array(array):
        return _of_argument(array)
    if not isinstance(array, np.ndarray):
        raise TypeError(lesson("torch.from_numpy(array)", "expected np.ndarray", type(array).__name__))
    dtypes.of(array.dtype)
    if any(step < 0 for step in array.strides):
        wanted = "at least one stride in the given numpy array is negative"
        raise ValueError(lesson("torch.from_numpy(array)", wanted, hint="array.copy()"))
    shared = cells.leaf(0.0)
    shared._value = array
    found: Tensor = lift(cells.Cell(shared, array))
    return found


@plain
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor: the same if it is one of that dtype, sharing the memory of an array."""
    dtypes.here(device)
    if isinstance(data, Tensor):
        return data if dtype is None else METHODS["to"](data, dtype)
    if isinstance(data, np.ndarray) or _stands_for_an_array(data):
        found = from_numpy(data)
        return found if dtype is None else METHODS["to"](found, dtype)
    return tensor(data, dtype=dtype)


@plain
def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor, as `as_tensor` does, whose gradient may be wanted; `copy` says whether it is one."""
    found = as_tensor(obj, dtype, device)
    shared = found is obj or (isinstance(obj, np.ndarray) and found.dtype == dtypes.of(obj.dtype))
    if copy is False and not shared:
        raise ValueError(lesson("torch.asarray(obj, copy=False)", "wants what needs no copy", f"{obj!r:.40}"))
    if copy and shared:
        found = FUNCTIONS["clone"](found)
    return found.requires_grad_() if requires_grad else found


_LAYOUT = frozenset(("size", "names", "layout", "pin_memory", "memory_format", "generator"))


def _refuse_others(called: str, named: dict[str, Any]) -> None:
    """Raise TypeError for a keyword that PyTorch has not; those of memory's layout say nothing here."""
    other = sorted(named.keys() - _LAYOUT)
    if other:
        hint = f"{called}(*size, dtype=, device=, requires_grad=)"
        raise TypeError(lesson(f"{called}(...)", "got an unexpected keyword argument", other[0], hint=hint))


def _filled(name: str, value: Any) -> Any:
    def creation(
        *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **_: Any
    ) -> Tensor:
        _refuse_others(f"torch.{name}", _)
        size = (_["size"],) if "size" in _ else size
        kind = dtypes.default() if dtype is None else dtypes.numpy_dtype(dtype)
        return made(np.full(size_of(*size), value, kind), None, device, requires_grad)

    creation.__name__, creation.__doc__ = name, f"Return a tensor of this shape full of {value}."
    return creation


PLAIN["zeros"], PLAIN["ones"] = _filled("zeros", 0), _filled("ones", 1)
PLAIN["empty"] = _filled("empty", 0)


@plain
def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of this shape full of one number, whose kind decides the dtype."""
    if not isinstance(size, (list, tuple)):
        hint = f"torch.full(({size},), {fill_value})"
        raise TypeError(
            lesson("torch.full(size, fill_value)", "wants size as a tuple", f"{size!r:.40}", hint=hint)
        )
    value = _one_number("torch.full(size, fill_value)", fill_value)
    kind = _array(value).dtype if dtype is None else dtypes.numpy_dtype(dtype)
    refuse_unfit("torch.full(size, fill_value)", value, kind)
    return made(np.full(size_of(size), value, kind), None, device, requires_grad)


def _one_number(called: str, x: Any) -> Any:
    """Return one number that is Python's, a tensor's or an array's; TypeError for several, or for none."""
    value = raw(x)
    if isinstance(value, bool) or is_number(value):
        return value.item() if hasattr(value, "item") else value
    raise TypeError(lesson(called, "wants one number", f"{x!r:.40}", hint="torch.tensor(rows) for several"))


@plain
def arange(
    *ends: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """Return start, start + step, ... below `end`; whole numbers where all three are."""
    called = "torch.arange(start, end, step)"
    start, end, step = _ends(called, ends, named)
    if dtype is not None and dtypes.numpy_dtype(dtype).kind != "f":
        start, end, step = int(start), int(end), int(step)
    kind = dtypes.default() if any(isinstance(x, float) for x in (start, end, step)) else np.dtype(np.int64)
    if not step or (end - start) * step < 0 or not math.isfinite(end - start):
        wanted = "wants a step other than 0 that leads from start to end"
        raise RuntimeError(lesson(called, wanted, f"{start}, {end}, {step}", hint="a step of the other sign"))
    count = math.ceil((end - start) / step)
    array = start + step * np.arange(count, dtype=np.float64 if kind.kind == "f" else np.int64)
    return made(
        array.astype(kind if dtype is None else dtypes.numpy_dtype(dtype)), None, device, requires_grad
    )


_USUAL = {"start": 0, "end": 0, "step": 1}


def _ends(called: str, ends: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return start, end and step, of which the end alone may be given."""
    words = [*_USUAL]
    if len(ends) == 1 and "end" not in named:
        words = ["end"]
    given = {**dict(zip(words, ends, strict=False)), **named}
    if len(ends) > len(words) or "end" not in given or given.keys() - _USUAL.keys():
        got = ", ".join([*map(repr, ends), *(f"{name}=" for name in named)])
        raise TypeError(
            lesson(called, "takes end, or start and end, and a step", got, hint="torch.arange(5)")
        )
    start, end, step = (_one_number(called, given.get(name, usual)) for name, usual in _USUAL.items())
    return start, end, step


@plain
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return that many numbers, equally far apart, from `start` to `end`."""
    kind = dtypes.default() if dtype is None else dtypes.numpy_dtype(dtype)
    first, last = (float(_one_number("torch.linspace(start, end, steps)", x)) for x in (start, end))
    return made(np.linspace(first, last, size_of(steps)[0]).astype(kind), None, device, requires_grad)


@plain
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return base to the powers of `linspace(start, end, steps)`."""
    kind = dtypes.default() if dtype is None else dtypes.numpy_dtype(dtype)
    first, last, base = (
        float(_one_number("torch.logspace(start, end, steps)", x)) for x in (start, end, base)
    )
    array = np.logspace(first, last, size_of(steps)[0], base=base).astype(kind)
    return made(array, None, device, requires_grad)


@plain
def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a matrix with 1 on the diagonal and 0 elsewhere."""
    kind = dtypes.default() if dtype is None else dtypes.numpy_dtype(dtype)
    return made(np.eye(*size_of(n, n if m is None else m), dtype=kind), None, device, requires_grad)


def _like(value: Any) -> Any:
    def creation(
        x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **_: Any
    ) -> Tensor:
        _refuse_others("torch.zeros_like", _)
        kind = x.dtype if dtype is None else dtype
        return made(np.full(x.shape, value, dtypes.numpy_dtype(kind)), None, device, requires_grad)

    return creation


FUNCTIONS["zeros_like"], FUNCTIONS["ones_like"], FUNCTIONS["empty_like"] = _like(0), _like(1), _like(0)


@function
def full_like(
    x: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of x's shape and dtype full of one number."""
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device, requires_grad=requires_grad)


def _new(name: str) -> Any:
    def creation(x: Tensor, *size: Any, dtype: Any = None, **how: Any) -> Tensor:
        dtypes.here(how.get("device"))
        return PLAIN[name](*size, dtype=dtype or x.dtype, **how)

    return creation


for _name in ("zeros", "ones", "empty", "full", "tensor"):
    METHODS[f"new_{_name}"] = _new(_name)


def _new_of_old(x: Any, *data: Any) -> Any:
    """Return a tensor of x's dtype of some data, or of a shape, `x.new(2, 3)`, which is zeros here."""
    sizes = all(isinstance(n, int) for n in data)
    return METHODS["new_zeros" if sizes and data else "new_tensor"](x, *data or ([],))


METHODS["new"] = _new_of_old


@plain
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return the places on and below a diagonal: a row of rows and a row of columns."""
    row, col = size_of(row, col)
    return made(np.stack(np.tril_indices(row, offset, col)), dtype, device, requires_grad)


@plain
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return the places on and above a diagonal: a row of rows and a row of columns."""
    row, col = size_of(row, col)
    return made(np.stack(np.triu_indices(row, offset, col)), dtype, device, requires_grad)


@plain
def combinations(x: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return every choice of r entries, a row each; one entry may be chosen again with replacement."""
    import itertools

    if x.ndim != 1 or r < 0:
        got = f"shape {tuple(x.shape)}, r={r}"
        raise RuntimeError(lesson("torch.combinations(x, r)", "wants a vector and r of 0 or more", got))
    choices = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    found = [x[list(c)] for c in choices(range(len(x)), r)] if r else []
    return stack(found) if found else made(np.zeros((0, r) if r else 0, x.node.dtype))


# --- other dtypes -----------------------------------------------------------------------------------------
@method
def to(
    x: Tensor,
    *where: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
    other: Any = None,
) -> Tensor:
    """Return the tensor in another dtype, or another tensor's, or on the cpu: itself if nothing changes."""
    where = where if other is None else (*where, other)
    for word in where:
        if isinstance(word, Tensor):
            dtype = word.dtype
        elif isinstance(word, dtypes.dtype):
            dtype = word
        elif not isinstance(word, bool):
            device = word
    dtypes.here(device)
    if dtype is None or dtypes.numpy_dtype(dtype) == x.node.dtype:
        return FUNCTIONS["clone"](x) if copy else x
    return lift(cast(kept_apart(x)[0], dtypes.numpy_dtype(dtype)), "to_copy")


def _as(kind: dtypes.dtype) -> Any:
    return lambda x: to(x, kind)


for _name, _kind in dtypes.NAMES.items():
    if not _name[-1].isdigit():
        METHODS[_name] = _as(_kind)
METHODS["byte"], METHODS["char"] = _as(dtypes.uint8), _as(dtypes.int8)


@method
def type_as(x: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in another's dtype."""
    return to(x, other.dtype)


def _named(x: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Return the tensor in another dtype, or the name of the class that PyTorch has for its own."""
    if dtype is not None:
        return to(
            x,
            dtype
            if not isinstance(dtype, str)
            else dtypes.NAMES[dtype.split(".")[-1].removesuffix("Tensor").lower()],
        )
    old = {
        "float32": "Float",
        "float64": "Double",
        "int64": "Long",
        "int32": "Int",
        "bool": "Bool",
        "uint8": "Byte",
    }
    return f"torch.{old.get(x.dtype.name, x.dtype.name)}Tensor"


METHODS["type"] = _named


@method
def cpu(x: Tensor) -> Tensor:
    """Return the tensor: it is there."""
    return x


@method
def cuda(x: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Raise RuntimeError: there is no other device."""
    dtypes.here("cuda")
    return x


# --- what a tensor tells ----------------------------------------------------------------------------------
@method
def size(x: Tensor, dim: int | None = None) -> Any:
    """Return the lengths of the axes, or of one."""
    return x.shape if dim is None else x.shape[dim]


@method
def dim(x: Tensor) -> int:
    """Return the number of axes."""
    return x.ndim


METHODS["ndimension"] = dim


@function
def numel(x: Tensor) -> int:
    """Return the number of entries."""
    return x.node.size


METHODS["nelement"] = numel


@method
def element_size(x: Tensor) -> int:
    """Return the bytes of an entry."""
    return x.node.dtype.itemsize


@method
def data_ptr(x: Tensor) -> int:
    """Return a number that tensors have in common whose memory starts at the same place."""
    return id(x._cell) + METHODS["storage_offset"](x) * x.node.dtype.itemsize


@function
def is_floating_point(x: Tensor) -> bool:
    """Tell whether its dtype is a float's."""
    return x.dtype.is_floating_point


@function
def is_complex(x: Tensor) -> bool:
    """Tell whether its numbers are complex: there are none."""
    return False


# --- writing ----------------------------------------------------------------------------------------------
@method
def zero_(x: Tensor) -> Tensor:
    """Write 0 everywhere."""
    return fill_(x, 0)


@method
def fill_(x: Tensor, value: Any) -> Tensor:
    """Write one number everywhere."""
    node = x.node
    one_entry("t.fill_(v)", value)
    refuse_unfit("t.fill_(v)", value, node.dtype)
    if isinstance(value, Tensor):
        return x.write(xp.broadcast_to(cast(kept_apart(value)[0], node.dtype), node.shape), "t.fill_(v)")
    return x.write(cells.leaf(np.full(node.shape, value, node.dtype)), "t.fill_(v)")


@method
def copy_(x: Tensor, source: Any, non_blocking: bool = False) -> Tensor:
    """Write another tensor's numbers, as this one's dtype."""
    if not isinstance(source, (Tensor, bool, np.generic)) and not is_number(source):
        hint = "torch.as_tensor(source)"
        raise TypeError(lesson("t.copy_(source)", "wants a tensor or a number", f"{source!r:.40}", hint=hint))
    given = kept_apart(source)[0] if isinstance(source, Tensor) else cells.leaf(np.asarray(source))
    return x.write(cast(given, x.node.dtype), "t.copy_(source)")


@method
def fill_diagonal_(x: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one number on the diagonal of a matrix, which begins anew below a square with `wrap`."""
    if x.ndim != 2:
        raise RuntimeError(lesson("t.fill_diagonal_(v)", "wants a matrix", f"{x.ndim} axes"))
    rows, columns = tuple(x.shape)
    for start in range(0, rows if wrap else 1, columns + 1):
        FUNCTIONS["diagonal"](x[start:]).fill_(fill_value)
    return x


@method
def set_(x: Tensor, source: Tensor) -> Tensor:
    """Raise NotImplementedError: a tensor keeps the memory that it has."""
    raise NotImplementedError(lesson("t.set_(source)", "a tensor keeps its memory", hint="t.copy_(source)"))


def _turned_in_place(name: str) -> Any:
    @functools.wraps(FUNCTIONS[name])
    def in_place(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if x.requires_grad and x.is_leaf:
            wanted, hint = (
                "a leaf that requires grad is being used in an in-place operation",
                f"t = t.{name}(...)",
            )
            raise RuntimeError(
                lesson(f"t.{name}_(...)", wanted, "a leaf Variable that requires grad", hint=hint)
            )
        other = FUNCTIONS[name](x, *args, **kwargs)
        x._set(other._cell, other._steps, other._detached)
        return x

    return in_place


for _name in ("t", "transpose", "squeeze", "unsqueeze", "swapaxes", "swapdims"):
    METHODS[f"{_name}_"] = _turned_in_place(_name)


@method
def detach_(x: Tensor) -> Tensor:
    """Forget how the tensor was computed."""
    x._set(cells.Cell(cells.leaf(x.node._value)))
    return x


@method
def apply_(x: Tensor, callable: Any) -> Tensor:
    """Write a function of every entry, called with one Python number at a time."""
    array = np.array([callable(v) for v in x.node._value.ravel().tolist()], x.node.dtype).reshape(x.shape)
    return x.write(cells.leaf(array), "t.apply_(f)")


@method
def register_hook(x: Tensor, hook: Any) -> Any:
    """Show `hook` the gradient of x in each backward pass; what it returns takes its place.

    Returns a handle, whose `remove()` ends it.

    >>> import clearprop.torch as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> handle = w.register_hook(lambda g: 10 * g)
    >>> w.sum().backward()
    >>> w.grad
    tensor([10., 10.])
    """
    if not x.requires_grad:
        wanted = "cannot register a hook on a tensor that doesn't require gradient"
        raise RuntimeError(lesson("t.register_hook(hook)", wanted, hint="t.requires_grad_()"))

    def of_nodes(g: Any) -> Any:
        found = hook(lift(g if isinstance(g, Node) else cells.leaf(g)))
        if found is None:
            return None
        return found.node if isinstance(g, Node) else found.node._value

    return x.node.register_hook(of_nodes)


@method
def register_post_accumulate_grad_hook(x: Tensor, hook: Any) -> Any:
    """Call `hook(x)` in each backward pass after x.grad has received what arrived: it may step and forget it.

    Returns a handle, whose `remove()` ends it. All of them are called when the pass has ended.

    >>> import clearprop.torch as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> handle = w.register_post_accumulate_grad_hook(lambda p: print(p.grad))
    >>> (2 * w).sum().backward()
    tensor([2., 2.])
    """
    called = "t.register_post_accumulate_grad_hook(hook)"
    if not x.requires_grad:
        wanted = "cannot register a hook on a tensor that doesn't require gradient"
        raise RuntimeError(lesson(called, wanted, hint="t.requires_grad_()"))
    if not x.is_leaf:
        wanted = "post accumulate grad hooks cannot be registered on non-leaf tensors"
        raise RuntimeError(lesson(called, wanted, hint="t.register_hook(hook)"))
    hooks = after(x.node)
    handle = Handle(lambda number: hooks.pop(number, None))
    seen = ref(x)  # the tensor itself, as long as somebody holds it
    hooks[handle.number] = lambda node: hook(lift(node) if (held := seen()) is None else held)
    return handle


@method
def pin_memory(x: Tensor, device: Any = None) -> Tensor:
    """Return the tensor: there is no other device that would fetch it."""
    return x


@plain
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a number as a tensor without axes, a float unless another dtype is asked for."""
    value = _one_number("torch.scalar_tensor(s)", s)
    return made(
        np.asarray(value, dtypes.default()) if dtype is None else np.asarray(value),
        dtype,
        device,
        requires_grad,
    )


def _window(name: str, *weights: float) -> Any:
    """Return a maker of windows: sums of cosines over N points, or N - 1 where they are not periodic."""

    def window(
        window_length: int,
        periodic: bool = True,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        n = size_of(window_length)[0]
        turns = 2 * np.pi * np.arange(n) / max(n if periodic else n - 1, 1)
        parts = (w * np.cos(k * turns) for k, w in enumerate(weights))
        array = sum(parts, np.zeros(n)) if n > 1 else np.ones(n)
        return made(array.astype(dtypes.default()), dtype, device, requires_grad)

    window.__name__, window.__doc__ = name, f"Return {name.split('_')[0]}'s window of so many points."
    return window


PLAIN["hann_window"] = _window("hann_window", 0.5, -0.5)
PLAIN["blackman_window"] = _window("blackman_window", 0.42, -0.5, 0.08)


@plain
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return Hamming's window of so many points: alpha - beta cos(2 pi k / N)."""
    made_of = _window("hamming_window", alpha, -beta)
    return made_of(window_length, periodic, dtype=dtype, device=device, requires_grad=requires_grad)


@function
def fill(x: Tensor, value: Any) -> Tensor:
    """Return a tensor like x with one number everywhere."""
    return fill_(FUNCTIONS["clone"](x), value)


@plain
def is_tensor(x: Any) -> bool:
    """Tell whether it is a tensor."""
    return isinstance(x, Tensor)
