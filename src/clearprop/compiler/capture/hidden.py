"""What C code keeps inside of an object, where no attribute shows it, as something that can be compared.

Most of it has a row here: a kind of object, and what its contents are told from. What has none, no buffer and
no value of its own, nobody can look into: a step that asks it is refused, one that merely holds it is not.
"""

from __future__ import annotations

import gc
import os
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.compiler.capture.chance import taken
from clearprop.compiler.capture.kinds import once_a_class

WHOLE = 1 << 16  # bytes that are compared at each call; of more, entries spread over them
COUNT = 1024  # how many of these


class HiddenKind(NamedTuple):
    """How the contents of one kind of object are told, and what else is within reach through it."""

    state: Callable[[Any], Any]
    inside: Callable[[Any], list[Any]] = lambda x: []
    asked: str = ""  # of what moves on in ordinary use, the words that ask it: else it does not count


class HiddenContents:
    """The contents of an object at each time; the same answer while they stay the same."""

    thing: Any
    row: HiddenKind

    def __init__(self, thing: Any, row: HiddenKind) -> None:
        self.thing, self.row = thing, row
        self._latest: Any = None

    def get(self, name: str, default: Any = None) -> Any:
        """Return what they are now, the same object while they are what they were."""
        now = told(self.thing, self.row)
        if self._latest is None or not _same(now, self._latest):
            self._latest = now
        return self._latest

    def __setitem__(self, name: str, value: Any) -> None:
        """Do nothing: nobody can put them back."""


def told(x: Any, row: HiddenKind) -> tuple[Any, ...]:
    """Return what the contents of an object are told from; of one that is closed, that it is.

    >>> import io
    >>> text = io.StringIO("abc")
    >>> told(text, row_of(text))
    ((0, 'abc'),)
    """
    try:
        return (row.state(x),)
    except (ValueError, TypeError, RuntimeError, AttributeError, OSError) as error:
        return (type(error).__name__,)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is tuple and type(b) is tuple:
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and isinstance(a, (str, bytes, int, float, dict)) and bool(a == b)


# --- what is seen of memory ---------------------------------------------------------------------------------
def seen_of(array: Any) -> Any:
    """Return the bytes of an array as they are now; of a large one, of entries spread over it.

    >>> seen_of(np.arange(2, dtype=np.int8))
    b'\\x00\\x01'
    >>> len(seen_of(np.zeros(1_000_000)))
    8192
    """
    if array.nbytes <= WHOLE:
        return array.tobytes()
    places = np.linspace(0, array.size - 1, COUNT).astype(np.intp)
    turned = not array.flags.c_contiguous and array.flags.f_contiguous
    straight = array.flags.c_contiguous or turned
    return ((array.T if turned else array).reshape(-1) if straight else array.flat)[places].tobytes()


def _memory(x: Any) -> Any:
    """The bytes behind the buffer that an object gives: of ctypes, of a file in memory."""
    view = memoryview(x)
    return seen_of(np.frombuffer(view.cast("B") if view.nbytes else b"", np.uint8))


def gives_memory(x: Any) -> bool:
    """Tell whether an object gives a buffer that somebody may write to.

    >>> gives_memory(bytearray(3)), gives_memory(b"abc"), gives_memory(3)
    (True, False, False)
    """
    try:
        with memoryview(x) as view:
            return not view.readonly and view.c_contiguous
    except (TypeError, ValueError, BufferError, NotImplementedError):
        return False


_BUFFER = HiddenKind(_memory)


# --- kinds of objects ---------------------------------------------------------------------------------------
def _file(x: Any) -> Any:
    """How far a file has come, and of one that can be read, when it was written to."""
    if x.closed or not x.readable():
        return x.closed
    about = os.stat(x.fileno())
    return x.buffer.tell() if hasattr(x, "buffer") else x.tell(), about.st_size, about.st_mtime_ns


def _pointed(x: Any) -> Any:
    """What a pointer of ctypes points to."""
    return _memory(x), _memory(x.contents) if x else None


def _frame(x: Any) -> Any:
    """The blocks of a table of pandas, what is in them, and its axes."""
    blocks = [b.values for b in x._mgr.blocks]
    return (*x._mgr.axes, *blocks, *(seen_of(b) for b in blocks if isinstance(b, np.ndarray)))


def _frame_inside(x: Any) -> list[Any]:
    return [b.values for b in x._mgr.blocks if not isinstance(b.values, np.ndarray)]


def _torch(x: Any) -> Any:
    """Where a tensor of PyTorch lies, how often it was changed in place, and what is in it."""
    held = x.detach()
    place = (x._version, x.data_ptr() if x.layout == _torch_module().strided else 0, tuple(x.shape), x.dtype)
    if held.device.type != "cpu" or held.layout != _torch_module().strided:
        return place
    try:
        return (*place, seen_of(held.numpy()))
    except TypeError:  # a dtype that NumPy has not
        return (*place, seen_of(held.contiguous().view(_torch_module().uint8).numpy()))


def _torch_module() -> Any:
    return sys.modules["torch"]


def _torch_inside(x: Any) -> list[Any]:
    sparse = x.layout != _torch_module().strided
    values = x.detach()._values() if sparse and x.layout == _torch_module().sparse_coo else None
    return [x.grad if x.is_leaf else None, values]


def _jax(x: Any) -> Any:
    """What is in an array of JAX: who lent it memory may write there, and it may have been given away."""
    if x.is_deleted() or not x.is_fully_addressable:
        return x.is_deleted(), x.shape, x.dtype
    return seen_of(np.asarray(x))


def _arrow(x: Any) -> Any:
    """The memory of an array of Arrow: it may be somebody's who writes to it."""
    return tuple(seen_of(np.frombuffer(b, np.uint8)) for b in x.buffers() if b is not None and b.is_cpu)


def _arrow_table(x: Any) -> Any:
    return tuple(_arrow(chunk) for column in x.columns for chunk in column.chunks)


def _context(x: Any) -> Any:
    return x.prec, x.rounding, x.Emin, x.Emax, x.capitals, x.clamp, repr(x.traps)


def _element(x: Any) -> Any:
    """An element of XML with all below it."""
    return tuple((e.tag, e.text, e.tail, len(e), dict(e.attrib)) for e in x.iter())


def _drawn(x: Any) -> Any:
    """How far a generator of random numbers has come."""
    if hasattr(x, "getstate"):
        return x.getstate()
    state = getattr(x, "bit_generator", x).state if not hasattr(x, "get_state") else x.get_state(legacy=False)
    return repr(state)


ROWS: dict[str, HiddenKind] = {
    # tables and tensors of other libraries
    "pandas.core.generic.NDFrame": HiddenKind(_frame, _frame_inside),
    "pandas.core.indexes.base.Index": HiddenKind(lambda x: (x._data, x.name)),
    "pandas._libs.arrays.NDArrayBacked": HiddenKind(lambda x: (x._ndarray, seen_of(x._ndarray), x.dtype)),
    "torch._C.TensorBase": HiddenKind(_torch, _torch_inside),
    **dict.fromkeys(("jaxlib._jax.ArrayImpl", "jaxlib.xla_extension.ArrayImpl"), HiddenKind(_jax)),
    "torch._C.Generator": HiddenKind(
        lambda x: (x.initial_seed(), bytes(x.get_state().numpy())), asked="initial_seed get_state"
    ),
    "pyarrow.lib.Array": HiddenKind(_arrow),
    "pyarrow.lib.ChunkedArray": HiddenKind(lambda x: tuple(map(_arrow, x.chunks))),
    "pyarrow.lib.Table": HiddenKind(_arrow_table),
    "pyarrow.lib.RecordBatch": HiddenKind(lambda x: tuple(map(_arrow, x.columns))),
    "scipy.spatial._ckdtree.cKDTree": HiddenKind(lambda x: (x.data, seen_of(x.data), seen_of(x.indices))),
    "sklearn.tree._tree.Tree": HiddenKind(
        lambda x: (seen_of(x.value), seen_of(x.threshold), seen_of(x.feature))
    ),
    # NumPy's
    "numpy.flatiter": HiddenKind(lambda x: (x.index, seen_of(x.base)), lambda x: [x.base]),
    "numpy.void": HiddenKind(lambda x: x.tobytes()),
    "numpy.nditer": HiddenKind(
        lambda x: x.iterindex, lambda x: list(x.operands), asked="iterindex multi_index finished"
    ),
    "numpy.random._generator.Generator": HiddenKind(_drawn, asked="bit_generator copy deepcopy spawn"),
    "numpy.random.mtrand.RandomState": HiddenKind(_drawn, asked="get_state copy deepcopy"),
    "numpy.random.bit_generator.BitGenerator": HiddenKind(_drawn, asked="state copy deepcopy"),
    "numpy.random.bit_generator.SeedSequence": HiddenKind(
        lambda x: repr(x.state), asked="n_children_spawned state"
    ),
    # Python's
    "_ctypes._Pointer": HiddenKind(_pointed),
    "_contextvars.Context": HiddenKind(lambda x: tuple(x.values()), lambda x: [*x.values()]),
    "_random.Random": HiddenKind(_drawn, asked="getstate copy deepcopy __reduce__"),
    "_io.BytesIO": HiddenKind(
        lambda x: (x.tell(), x.getvalue()), asked="getvalue getbuffer tell read closed"
    ),
    "_io.StringIO": HiddenKind(lambda x: (x.tell(), x.getvalue()), asked="getvalue tell read closed"),
    "_io._IOBase": HiddenKind(_file, asked="tell read readline readlines closed"),
    "_queue.SimpleQueue": HiddenKind(lambda x: x.qsize(), asked="qsize empty get get_nowait put"),
    "_thread.lock": HiddenKind(lambda x: x.locked(), asked="locked acquire"),
    "_thread.RLock": HiddenKind(lambda x: repr(x).partition(" owner")[0], asked="_is_owned repr acquire"),
    "decimal.Context": HiddenKind(_context),
    "_thread._local": HiddenKind(
        lambda x: (*vars(x), *vars(x).values()), lambda x: [*vars(x).values()]
    ),  # this thread's
    "functools.partial": HiddenKind(lambda x: (x.func, *x.args, x.keywords)),
    "xml.etree.ElementTree.Element": HiddenKind(_element),
}
"""By the name of a class: what an object of it holds besides attributes."""
ITERATOR = HiddenKind(
    lambda x: repr(taken(x)), asked="length_hint __length_hint__ gi_frame repr copy __reduce__"
)


def row_of(x: Any) -> HiddenKind | None:
    """Return how the contents of an object are told, None where it shows all or nobody can look into it.

    >>> row_of(3), row_of("abc"), row_of({})
    (None, None, None)
    """
    kind: Any = type(x)
    found = _row_of(kind)
    if found is not None:
        return found
    return _BUFFER if hides(kind) and gives_memory(x) else None


@once_a_class
def _row_of(kind: Any) -> HiddenKind | None:
    return next((ROWS[name] for name in _names(kind) if name in ROWS), None)


# --- what nobody can look into ------------------------------------------------------------------------------
@once_a_class
def hides(kind: Any) -> bool:
    """Tell whether objects of a class are larger than what their attributes and slots take.

    >>> import decimal, fractions
    >>> hides(fractions.Fraction), hides(type("Settings", (), {"__slots__": ("a",)})), hides(decimal.Context)
    (False, False, True)
    """
    members = [
        y for base in kind.__mro__ for y in vars(base).values() if isinstance(y, types.MemberDescriptorType)
    ]
    words = len(members) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return bool(kind.__basicsize__ > object.__basicsize__ + 8 * words)


def has_value(kind: Any) -> bool:
    """Tell whether objects of a class equal others by what they hold, which stays then.

    >>> has_value(str), has_value(list), has_value(object)
    (True, False, False)
    """
    hashed = _written(kind, "__hash__")
    return (
        hashed is not None and hashed is not object.__hash__ and _written(kind, "__eq__") is not object.__eq__
    )


def _written(kind: Any, name: str) -> Any:
    """Return what a class or its bases have under a name, without asking it: a mock makes another mock."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def is_closed(x: Any) -> bool:
    """Tell whether nobody can look into an object, and it may change: C code that has no row above.

    >>> import hashlib, re
    >>> is_closed(hashlib.sha256()), is_closed(re.compile("a")), is_closed([].append), is_closed(ValueError())
    (True, False, False, False)
    """
    kind: Any = type(x)
    if has_value(kind):
        return False
    if issubclass(type(x), (BaseException, type)) or not hides(kind) or not _STAYING.isdisjoint(_names(kind)):
        return False
    return not _is_code(x, kind) and row_of(x) is None


def _is_code(x: Any, kind: Any) -> bool:
    """Whether an object is code: a descriptor, or what can be called and has a name or no methods."""
    if not callable(x):
        return hasattr(kind, "__get__")
    return hasattr(x, "__name__") or all(name.startswith("_") for name in vars(kind))


def _names(kind: type) -> list[str]:
    return [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]


_STAYING = {
    *("re.Match", "_struct.Struct", "zoneinfo.ZoneInfo", "posix.DirEntry", "functools.KeyWrapper"),
    *("torch.dtype", "torch.layout", "torch.memory_format", "torch.iinfo", "torch.finfo", "torch.device"),
    *("pyarrow.lib.Schema", "pyarrow.lib.Field", "pyarrow.lib.Scalar", "pyarrow.lib.DataType"),
    *("builtins.code", "builtins.frame", "builtins.traceback", "builtins.cell", "builtins.PyCapsule"),
    *("numpy.broadcast", "builtins.SuperLU", "mpi4py.MPI.Comm", "_contextvars.Token", "builtins.super"),
    *("weakref.ProxyType", "weakref.CallableProxyType"),
}
"""Kinds that stay what they are, though they do not say so by equality; or that are looked at elsewhere."""


# --- what code asks of the world ----------------------------------------------------------------------------
def asked_by(x: Any) -> tuple[list[tuple[Any, str]], list[Any]]:
    """Return what a function or class looks at that is no argument: places with their answers, and objects.

    >>> len(asked_by(os.getcwd)[0]), asked_by(os.getenv)[1] == [os.environ], asked_by(len)
    (1, True, ([], []))
    """
    named = x if issubclass(type(x), (type, types.FunctionType, types.BuiltinFunctionType)) else type(x)
    name = f"{named.__module__}.{named.__qualname__}"
    if name == "os.getenv":
        return [], [os.environ]
    row = _WORLD.get(name)
    return ([(HiddenContents(None, row), "")], []) if row is not None else ([], [])


_WORLD = {
    "posix.getcwd": HiddenKind(lambda _: os.getcwd()),
    "nt.getcwd": HiddenKind(lambda _: os.getcwd()),
    "decimal.Decimal": HiddenKind(lambda _: _context(sys.modules["decimal"].getcontext())),
    "decimal.getcontext": HiddenKind(lambda _: _context(sys.modules["decimal"].getcontext())),
    "numpy.get_printoptions": HiddenKind(lambda _: repr(np.get_printoptions())),
    "gc.isenabled": HiddenKind(lambda _: gc.isenabled()),
    "sys.getrecursionlimit": HiddenKind(lambda _: sys.getrecursionlimit()),
}
