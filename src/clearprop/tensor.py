"""`Tensor`: a value and how it came to be."""

from __future__ import annotations

import importlib
import opcode
import operator
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Never, Protocol, cast

import numpy as np

from clearprop.errors import at_line, lesson, user_line
from clearprop.hints import TENSOR, Foreign, keep_fixed, refuse_texts, refuse_worded
from clearprop.modes import made, marks, mode, special
from clearprop.refusal import COMPLAINTS, WRITERS, added_in_place, in_place, no_rule, refusal, writes
from clearprop.registry import numpy_functions, ufunc_names, wider
from clearprop.registry import ops as _entries
from clearprop.sharing import Shared, array_wanted, float_kept
from clearprop.showing import apart, is_computed, straight
from clearprop.updates import ChangedByHand, read_only, rebound_array

if TYPE_CHECKING:
    from clearprop.op import Op

    class _Applied(Protocol):
        """An op as a Tensor sees it: with a Tensor among the inputs, a Tensor comes out."""

        def __call__(self, *inputs: Any, **attrs: Any) -> Tensor: ...
        def one(self, x: Any) -> Tensor: ...
        def two(self, x: Any, y: Any) -> Tensor: ...


PLAIN = frozenset(
    (
        float,
        int,
        bool,
        np.ndarray,
        np.bool_,
        *(np.dtype(code).type for code in np.typecodes["AllInteger"] + "efd"),
    )
)
"""The classes of what a rule takes as it is."""

ops: dict[str, _Applied] = cast("dict[str, _Applied]", _entries)
_REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logaddexp": "logsumexp"}
_numpy: Any = np  # whose functions answer a Tensor with a Tensor, which its types do not know
_AXES = {"axis", "keepdims"}
_pass: Callable[..., None] | None = (
    None  # `clearprop.backward.backward`, which stands above, once it was asked for
)
SELDOM = (
    "elliptic",
    "distributions",
    "waves",
)  # chapters of SciPy's functions that come when they are called
STORE = frozenset(opcode.opmap.get(name, -1) for name in ("STORE_SUBSCR", "STORE_SLICE"))


class Tensor(ChangedByHand, Shared):
    """A value and how it came to be.

    `Tensor(value, name=None, requires_grad=None)` makes a leaf. Wrapping a value says that its gradient is
    wanted: numbers become the default float64; pass `requires_grad=False`, or use the plain array, for data
    that is only read. Arrays are copied: see `from_numpy` for one that is shared.

    `value` is a read-only NumPy array (a NumPy scalar where it has no axes) and keeps the dtype it was given;
    `grad` is an array of the same shape or None. `op`, `inputs`, `values` and `attrs` tell how it was made:
    `inputs` are the Tensors, arrays and numbers the op was called with, `values` the arrays they held at that
    moment.

    >>> import numpy as np
    >>> w = Tensor([1.0, -1.0], name="w")
    >>> loss = np.mean((np.array([[1.0, 2.0], [3.0, 4.0]]) @ w) ** 2)
    >>> loss.backward()
    >>> w.grad
    array([-4., -6.])
    """

    __pandas_priority__ = 5000  # a Series to the left leaves the product to the Tensor
    __slots__ = (
        "__weakref__",
        "_value",
        "attrs",
        "family",
        "grad",
        "inputs",
        "name",
        "op",
        "requires_grad",
        "serial",
        "values",
    )

    _value: Any
    grad: Any
    op: Op | None
    inputs: tuple[Any, ...]
    values: Any
    attrs: dict[str, Any]
    name: str | None
    requires_grad: bool
    family: list[Any]  # of a view without a graph, and of what it shows: both, weakly (`showing.py`)
    serial: int  # leaves 0, others counted: an input's is smaller than its users'

    __hash__: Callable[[Any], int] = object.__hash__  # type: ignore[assignment]  # a Tensor is itself; `==` compares values

    def __init__(self, value: Any, name: str | None = None, requires_grad: bool | None = None) -> None:
        recorder = mode.recorder if special.blocks else None
        if recorder is not None:
            array = np.asarray(recorder.array_of(value, requires_grad))
        else:
            array = _arrayed(np.array, plain(value))  # edits of it stay outside of the graph
        kind = array.dtype.kind
        if kind not in "fiubc":
            raise TypeError(
                lesson("Tensor(value)", "wants numbers", f"dtype {array.dtype}", hint="an array of floats")
            )
        if requires_grad is None:
            requires_grad = True
        elif isinstance(requires_grad, str):
            refuse_texts("Tensor", requires_grad=requires_grad)
        if kind == "c":
            special.complexes = True
        elif requires_grad and kind != "f":
            array = array.astype(np.float64)
        self._value = array if array.ndim else array[()]  # no view of it: who shows it, shows this array
        self.grad = None
        self.op, self.inputs, self.values, self.attrs, self.serial = None, (), (), {}, 0
        self.name, self.requires_grad = name, requires_grad
        if special.blocks:
            made(self)

    # --- what an array tells of itself ----------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of entries, as in NumPy; PyTorch's `t.size(0)` is `t.shape[0]`."""
        return self._value.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the entries."""
        return self._value.dtype  # type: ignore[no-any-return]

    @property
    def real(self) -> Tensor:
        """The real parts."""
        return np.real(self)

    @property
    def imag(self) -> Any:
        """The imaginary parts; zeros, as an array, of real numbers."""
        return np.imag(self)

    @property
    def T(self) -> Tensor:
        """The transpose: the axes in reverse order."""
        return ops["transpose"](self)

    @property
    def mT(self) -> Tensor:
        """Every matrix transposed: the last two axes change places."""
        return ops["swapaxes"](self, -1, -2)

    @property
    def nbytes(self) -> int:
        """The bytes that the entries take."""
        return self._value.nbytes  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        """The bytes that one entry takes."""
        return self._value.itemsize  # type: ignore[no-any-return]

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name not in TENSOR]

    def __len__(self) -> int:
        if not self.shape:
            wanted, hint = (
                "a Tensor without axes has no length",
                "t.reshape(1), or t itself: it is one number",
            )
            raise TypeError(lesson("len(t)", wanted, where=at_line(), hint=hint))
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if mode.observer is not None:
            mode.observer.python_value(self, "str(t)")
        array = np.asarray(self._value)
        text = np.array2string(array, separator=", ", prefix="Tensor(", threshold=20, edgeitems=2)
        name = f", name={self.name!r}" if self.name else ""
        op = f", op={self.op.name}" if self.op else ""
        dtype = "" if getattr(self._value, "dtype", None) == np.float64 else f", dtype={self.dtype}"
        free = "" if self.requires_grad else ", requires_grad=False"
        return f"{type(self).__name__}({text}{dtype}{name}{op}{free})"

    def _repr_html_(self) -> str | None:
        """Show a large Tensor in a notebook as pictures of its value and gradient, with their quantiles."""
        if mode.observer is not None:
            mode.observer.python_value(self, "str(t)")
        from clearprop.see.tiles import tiles

        return tiles(self)

    # --- leaving the graph ----------------------------------------------------------------------------------
    def item(self) -> Any:
        """Return the only entry as a Python number; ValueError where there are several."""
        if self.size != 1:
            raise ValueError(
                lesson("item()", "wants a Tensor of one entry", f"shape {self.shape}", hint="t.numpy()")
            )
        return self._python("item()").item()

    def detach(self) -> Tensor:
        """Return a Tensor of the same value that no gradient passes through, whatever is changed later."""
        with_no_history = Tensor(0.0, requires_grad=False)
        with_no_history._value = self._value
        if mode.observer is not None:
            return ops["detach"](self)
        return with_no_history

    def numpy(self) -> Any:
        """Return the value as a read-only NumPy array that no longer knows of the graph."""
        return np.asarray(self.value)

    def _python(self, asked: str) -> Any:
        if mode.observer is not None:
            mode.observer.python_value(self, asked)
        if self.requires_grad or self._is_awaited():
            marks.left += 1
        return self._value

    def _is_awaited(self) -> bool:
        """Whether a gradient will pass here, though nothing is remembered now: inside of `checkpoint`."""
        return mode.observer is not None and mode.observer.awaits(self)

    def _is_cut(self) -> bool:
        """Whether an array of this Tensor loses no gradient: none would pass in any case."""
        return self.op is not None and self.op.facts.cut

    def __bool__(self) -> bool:
        if self.size != 1:
            wanted, got = "wants one entry, which is true or false", f"shape {self.shape}"
            hint = "t.any(), t.all(), or np.where(t > 0, a, b) for a choice at each entry"
            raise ValueError(lesson("bool(t)", wanted, got, at_line(), hint))
        return bool(self._python("bool(t)"))

    def __float__(self) -> float:
        """Return the only entry as a Python number, which leaves the graph: so does `math.sin(t)`."""
        if (self.requires_grad or self._is_awaited()) and not self._is_cut():
            kept = float_kept(sys._getframe(1), STORE)  # `array[i] = t` asks for a float, too
            if kept is not None:
                wanted = "would drop the gradient silently"
                raise TypeError(lesson(kept[0], wanted, f"t = {self!r}", at_line(), kept[1]))
        return float(self._real("float(t)"))

    def __int__(self) -> int:
        return int(self._real("int(t)"))

    def __trunc__(self) -> int:
        return int(self._real("math.trunc(t)"))

    def __complex__(self) -> complex:
        return complex(self._python("complex(t)"))

    def _real(self, asked: str) -> Any:
        value = self._python(asked)
        if value.ndim:
            wanted, got = "wants a Tensor without axes", f"shape {self.shape}"
            hint = "t.item()" if value.size == 1 else "t.sum(), t.mean(), or t[i] for one of its entries"
            raise TypeError(lesson(asked, wanted, got, at_line(), hint))
        if value.dtype.kind == "c":
            raise TypeError(
                lesson(asked, "would drop the imaginary part", f"{self!r}", hint="t.real or abs(t)")
            )
        return value

    def __index__(self) -> int:
        value = self._python("index(t)")
        if value.dtype.kind not in "iub" or value.ndim:
            wanted, got = "wants one integer", f"{value.dtype} of shape {value.shape}"
            raise TypeError(lesson("index(t)", wanted, got, at_line(), "int(t), where it is a count"))
        return operator.index(value)

    def __format__(self, spec: str) -> str:
        if mode.observer is not None:
            mode.observer.python_value(self, "format(t)")
        if not spec:
            return repr(self)
        value = self._python("format(t)")
        if value.ndim == 0:
            return format(value, spec)
        return np.array2string(value, formatter={"all": lambda entry: format(entry, spec)})

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if (asked := beside_sparse(self)) is not None:
            return asked
        if ((self.requires_grad and mode.grad_enabled) or self._is_awaited()) and not self._is_cut():
            called, cure = array_wanted(sys._getframe(1), STORE)
            wanted = "would drop the gradient silently"
            raise TypeError(lesson(called, wanted, f"t = {self!r}", at_line(), hint=cure))
        array = self._python("np.asarray(t)")
        if mode.observer is None or not mode.observer.remembers:
            array = read_only(array)
        return np.array(array, dtype=dtype, copy=copy)

    def __getstate__(self) -> Any:
        from clearprop.graph import state_of_leaf

        return state_of_leaf(self)

    def __copy__(self) -> Tensor:
        """Return another leaf of the same value, or what was computed, with its gradient."""
        if is_computed(self):
            return self.copy()
        made, given, state, *_ = cast("tuple[Any, ...]", self.__reduce_ex__(4))
        attributes, slots = state
        twin: Tensor = made(*given)
        for name, value in ((attributes or {}) | slots).items():
            setattr(twin, name, value)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        from clearprop.graph import copied

        return copied(self, memo)

    # --- the backward pass ----------------------------------------------------------------------------------
    def backward(
        self,
        grad: Any = None,
        *,
        create_graph: bool = False,
        leaves_only: bool = False,
        order: Iterable[Tensor] | None = None,
    ) -> None:
        """Give a gradient to every node that led here; see `clearprop.backward`."""
        global _pass
        if _pass is None:  # once: an import statement costs a small network one part in a hundred
            from clearprop.backward import backward

            _pass = backward
        _pass(self, grad, create_graph=create_graph, leaves_only=leaves_only, order=order)

    def register_hook(self, hook: Callable[[Any], Any]) -> Any:
        """Let every backward pass show `hook` this Tensor's whole gradient before it is sent on or stored.

        `hook(g)` gets an array that cannot be written into, a Tensor where a graph is made of the backward
        pass, and returns None or the gradient to go on with. A leaf's hook sees what one pass adds. In a
        compiled step the hook runs while the step is recorded, and what it computes is part of the plan.
        Returns a handle: `handle.remove()`. Raises GradientError where no gradient arrives here.

        >>> w = Tensor(3.0)
        >>> handle = w.register_hook(lambda g: 10 * g)
        >>> (w * w).backward()
        >>> w.grad
        np.float64(60.0)
        """
        from clearprop.hooks import register

        return register(self, hook)

    # --- NumPy's protocols ----------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        ours: Any = numpy_functions.get(ufunc)
        if ours is None and (ours := _of_another_package(ufunc)) is not None:
            inputs = _of_its_dtype(ufunc, inputs)
        if method == "__call__" and not kwargs and ours is not None:
            try:
                if len(inputs) == 1:
                    return ours.one(inputs[0])
                return ours.two(inputs[0], inputs[1]) if len(inputs) == 2 else ours(*inputs)
            except COMPLAINTS as error:
                raise refusal(ufunc, inputs, kwargs, error) from error
        name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        statement = method == "__call__" and ufunc.nin == 2 and kwargs.keys() == {"out"} and ours is not None
        if statement and (found := rebound_array(ufunc, inputs, kwargs)) is not None:
            return found  # of `array += t`
        if method == "at" or any(x is not None for x in kwargs.pop("out", ())):
            raise added_in_place(name) if method == "at" else in_place(f"{name}(..., out=...)")
        if ours is None or method not in wider:
            raise no_rule(name)
        if str in map(type, kwargs.values()):
            refuse_texts(name, **{k: kwargs[k] for k in ("where", "subok", "keepdims") if k in kwargs})
        try:
            if method == "reduce" and ufunc.__name__ in _REDUCTIONS and kwargs.keys() <= _AXES:
                return ops[_REDUCTIONS[ufunc.__name__]](*inputs, **{"axis": 0} | kwargs)
            return wider[method](ufunc, ours, *inputs, **kwargs)
        except COMPLAINTS as error:
            raise refusal(
                ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs, error
            ) from error

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        ours = numpy_functions.get(function)
        if (
            ours is None and function.__module__ == "numpy.fft"
        ):  # a chapter of its own, which NumPy loads late, too
            importlib.import_module("clearprop.ops.fourier")
            ours = numpy_functions.get(function)
        if ours is None and function in WRITERS:
            raise writes(function.__name__)
        if ours is None:
            raise no_rule(f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1))
        if "out" in kwargs and kwargs.pop("out") is not None:
            raise in_place(f"np.{function.__name__}(..., out=...)")
        if (len(args) > 1 and str in map(type, args)) or (kwargs and str in map(type, kwargs.values())):
            refuse_worded(function, args, kwargs)
        try:
            return ours(*args, **kwargs)
        except COMPLAINTS as error:
            if function not in wider:
                raise refusal(function, args, kwargs, error) from error
        try:  # with keywords that the op does not know
            return wider[function](*args, **kwargs)
        except COMPLAINTS as error:
            raise refusal(function, args, kwargs, error) from error

    # --- operators ------------------------------------------------------------------------------------------
    # fmt: off
    def __add__(self, y: Any) -> Tensor: return ops["add"].two(self, y)
    def __radd__(self, x: Any) -> Tensor: return ops["add"].two(x, self)
    def __sub__(self, y: Any) -> Tensor: return ops["subtract"].two(self, y)
    def __rsub__(self, x: Any) -> Tensor: return ops["subtract"].two(x, self)
    def __mul__(self, y: Any) -> Tensor: return ops["multiply"].two(self, y)
    def __rmul__(self, x: Any) -> Tensor: return ops["multiply"].two(x, self)
    def __truediv__(self, y: Any) -> Tensor: return ops["divide"].two(self, y)
    def __rtruediv__(self, x: Any) -> Tensor: return ops["divide"].two(x, self)
    def __floordiv__(self, y: Any) -> Tensor: return ops["floor_divide"].two(self, y)
    def __rfloordiv__(self, x: Any) -> Tensor: return ops["floor_divide"].two(x, self)
    def __mod__(self, y: Any) -> Tensor: return ops["remainder"].two(self, y)
    def __rmod__(self, x: Any) -> Tensor: return ops["remainder"].two(x, self)
    def __divmod__(self, y: Any) -> tuple[Tensor, Tensor]: return self // y, self % y
    def __rdivmod__(self, x: Any) -> tuple[Tensor, Tensor]: return x // self, x % self
    def __pow__(self, y: Any) -> Tensor: return ops["power"].two(self, y)
    def __rpow__(self, x: Any) -> Tensor: return ops["power"].two(x, self)
    def __matmul__(self, y: Any) -> Tensor:
        return ops["matmul"].two(self, y) if isinstance(y, Tensor) else _product(self, y, y)
    def __rmatmul__(self, x: Any) -> Tensor: return _product(x, self, x)
    def __neg__(self) -> Tensor: return ops["negative"].one(self)
    def __pos__(self) -> Tensor: return ops["positive"].one(self)
    def __abs__(self) -> Tensor: return ops["absolute"].one(self)
    def __lt__(self, y: Any) -> Tensor: return ops["less"].two(self, y)
    def __le__(self, y: Any) -> Tensor: return ops["less_equal"].two(self, y)
    def __gt__(self, y: Any) -> Tensor: return ops["greater"].two(self, y)
    def __ge__(self, y: Any) -> Tensor: return ops["greater_equal"].two(self, y)
    def __eq__(self, y: Any) -> Tensor: return ops["equal"].two(self, y)  # type: ignore[override]
    def __ne__(self, y: Any) -> Tensor: return ops["not_equal"].two(self, y)  # type: ignore[override]
    def __and__(self, y: Any) -> Tensor: return ops["bitwise_and"].two(self, y)
    def __rand__(self, x: Any) -> Tensor: return ops["bitwise_and"].two(x, self)
    def __or__(self, y: Any) -> Tensor: return ops["bitwise_or"].two(self, y)
    def __ror__(self, x: Any) -> Tensor: return ops["bitwise_or"].two(x, self)
    def __xor__(self, y: Any) -> Tensor: return ops["bitwise_xor"].two(self, y)
    def __rxor__(self, x: Any) -> Tensor: return ops["bitwise_xor"].two(x, self)
    def __lshift__(self, y: Any) -> Tensor: return ops["left_shift"].two(self, y)
    def __rlshift__(self, x: Any) -> Tensor: return ops["left_shift"].two(x, self)
    def __rshift__(self, y: Any) -> Tensor: return ops["right_shift"].two(self, y)
    def __rrshift__(self, x: Any) -> Tensor: return ops["right_shift"].two(x, self)
    def __invert__(self) -> Tensor: return ops["invert"].one(self)
    def __round__(self, digits: int = 0) -> Tensor: return ops["round"](self, decimals=digits)
    # fmt: on

    def __getitem__(self, index: Any) -> Tensor:
        return ops["getitem"](self, index)

    # --- methods, named as an array names them --------------------------------------------------------------
    def sum(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        return ops["sum"](self, **other) if other else ops["sum"](self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        return ops["mean"](self, **other) if other else ops["mean"](self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        """Return the largest entries alone, as NumPy does; `argmax` says which (PyTorch: a pair)."""
        return ops["max"](self, **other) if other else ops["max"](self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        """Return the smallest entries alone, as NumPy does; `argmin` says which (PyTorch: a pair)."""
        return ops["min"](self, **other) if other else ops["min"](self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        return ops["prod"](self, **other) if other else ops["prod"](self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, *, ddof: int = 0, keepdims: bool = False, **other: Never) -> Tensor:
        """Return the mean squared distance from the mean, over n as in NumPy; PyTorch's has `ddof=1`."""
        return (
            ops["var"](self, **other) if other else ops["var"](self, axis=axis, ddof=ddof, keepdims=keepdims)
        )

    def std(self, axis: Any = None, *, ddof: int = 0, keepdims: bool = False, **other: Never) -> Tensor:
        """Return the square root of `var`, with n as in NumPy; PyTorch's has `ddof=1`."""
        return (
            ops["std"](self, **other) if other else ops["std"](self, axis=axis, ddof=ddof, keepdims=keepdims)
        )

    def argmax(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        return ops["argmax"](self, **other) if other else ops["argmax"](self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        return ops["argmin"](self, **other) if other else ops["argmin"](self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        return ops["all"](self, **other) if other else ops["all"](self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False, **other: Never) -> Tensor:
        return ops["any"](self, **other) if other else ops["any"](self, axis=axis, keepdims=keepdims)

    def dot(self, y: Any) -> Tensor:
        return _numpy.dot(self, y)  # type: ignore[no-any-return]

    def clip(self, low: Any = None, high: Any = None) -> Tensor:
        return ops["clip"](self, low, high)

    def round(self, decimals: int = 0) -> Tensor:
        return ops["round"](self, decimals=decimals)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: Any = True
    ) -> Tensor:
        """Return the same numbers in another dtype; a gradient passes between float and complex types only.

        With `copy=False` it is the Tensor itself where it has that dtype, as in NumPy; `order` and `subok`
        do nothing. Raises TypeError where imaginary parts would be dropped, or a gradient by other
        kinds than numbers.
        """
        dtype = np.dtype(dtype)
        if copy.__class__ is str:
            refuse_texts("t.astype", copy=copy)
        if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):  # type: ignore[arg-type]
            got = f"{self.dtype} as {dtype}"
            raise TypeError(
                lesson("t.astype(dtype)", f"casting={casting!r} does not allow it", got, at_line())
            )
        if not copy and dtype == self.dtype:
            return self
        if self.dtype.kind == "c" and dtype.kind not in "cb":
            hint = "t.real, t.imag or abs(t), whose gradients are known, and the cast of that"
            raise TypeError(
                lesson("t.astype(dtype)", "would drop imaginary parts", f"{self!r} as {dtype}", "", hint)
            )
        if dtype.kind not in "fiubc" and self.requires_grad:
            wanted, got = "would drop the gradient: it passes between real floating-point types", f"{dtype}"
            hint = "t.detach().astype(dtype) to leave the graph on purpose"
            raise TypeError(lesson("t.astype(dtype)", wanted, got, f"t is {self!r}.", hint))
        return ops["astype" if dtype.kind in "fc" else "truncate"](self, dtype=dtype)

    def reshape(self, *shape: Any, order: Any = "C") -> Tensor:
        shape = shape[0] if len(shape) == 1 else shape
        return ops["reshape"](self, shape) if order == "C" else np.reshape(self, shape, order)  # type: ignore[return-value]

    def ravel(self, order: Any = "C") -> Tensor:
        return straight(ops["reshape"](self, (-1,))) if order == "C" else np.ravel(self, order)  # type: ignore[return-value]

    def flatten(self, order: Any = "C") -> Tensor:
        """Return all entries in a row, in memory of its own as in NumPy."""
        row: Tensor = apart(self.ravel(order))
        return row

    def transpose(self, *axes: Any) -> Tensor:
        """Return the axes in the order given, reversed where none is: NumPy's meaning, not PyTorch's."""
        if axes == (0, 1) and self.ndim == 2:
            said = lesson(
                "t.transpose(0, 1)",
                "leaves a matrix as it is: the axes are given in their new order, as in NumPy",
                hint="t.T, or t.swapaxes(0, 1)",
            )
            warnings.warn(said, stacklevel=2)
        return ops["transpose"](self, axes=(axes[0] if len(axes) == 1 else axes) if axes else None)

    def conj(self) -> Tensor:
        """Return the Tensor itself where its numbers are real, as NumPy's method does."""
        return np.conjugate(self) if self.dtype.kind == "c" else self  # type: ignore[return-value]

    conjugate = conj

    def swapaxes(self, first: int, second: int) -> Tensor:
        return ops["swapaxes"](self, first, second)

    def squeeze(self, axis: Any = None, **other: Never) -> Tensor:
        return ops["squeeze"](self, **other) if other else ops["squeeze"](self, axis=axis)

    def copy(self) -> Tensor:
        """Return a Tensor of the same value that a gradient passes through."""
        return ops["positive"](self)

    def tolist(self) -> Any:
        """Return the entries as Python numbers in nested lists, which leaves the graph as `item` does."""
        return self._python("tolist()").tolist()

    def cumsum(self, axis: int | None = None) -> Tensor:
        return _numpy.cumsum(self, axis=axis)  # type: ignore[no-any-return]

    def cumprod(self, axis: int | None = None) -> Tensor:
        return _numpy.cumprod(self, axis=axis)  # type: ignore[no-any-return]

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        """Return each entry so many times in a row: NumPy's meaning; PyTorch's is `np.tile`."""
        return _numpy.repeat(self, repeats, axis=axis)  # type: ignore[no-any-return]

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return _numpy.diagonal(self, offset, axis1, axis2)  # type: ignore[no-any-return]

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return _numpy.trace(self, offset, axis1, axis2)  # type: ignore[no-any-return]

    def argsort(self, axis: int | None = -1, **kind: Any) -> Tensor:
        return _numpy.argsort(self, axis=axis, **kind)  # type: ignore[no-any-return]

    def nonzero(self) -> tuple[Any, ...]:
        return _numpy.nonzero(self)  # type: ignore[no-any-return]

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        return _numpy.take(self, indices, axis=axis)  # type: ignore[no-any-return]


for _name, _substitute in TENSOR.items():
    setattr(Tensor, _name, Foreign(_name, _substitute))
keep_fixed(Tensor)


def _product(x: Any, y: Any, other: Any) -> Tensor:
    """Return x @ y, of which one is a Tensor and the `other` none: it may be a sparse matrix of SciPy's."""
    if type(other) in PLAIN or not hasattr(other, "tocsr"):
        return ops["matmul"].two(x, y)
    return importlib.import_module("clearprop.scipy.sparse").product(x, y)  # type: ignore[no-any-return]


def beside_sparse(t: Tensor) -> Any:
    """Return what SciPy takes for no array where it is about to compute `S @ t` of a sparse S, else None.

    Python then asks for `t.__rmatmul__(S)`. `S.dot(t)` of some kinds asks beforehand whether it is an array,
    and forgets the array that it is given.
    """
    frame = sys._getframe(2)
    if frame.f_code.co_name == "dot" and frame.f_globals.get("__name__", "").startswith("scipy.sparse."):
        return np.empty(0)
    if frame.f_code.co_name != "_matmul_dispatch":
        return None
    found = np.empty((), object)
    found[()] = t
    return found


def plain(x: Any, called: str = "Tensor(value)") -> Any:
    """Return what rules are written for: a list or tuple, another package's tensor or table as an array.

    The memory of the latter is shared through DLPack. One that hangs on a graph of its own raises TypeError.
    """
    if x.__class__ in PLAIN or isinstance(x, Tensor):
        return x
    if x.__class__ in (list, tuple):
        return _arrayed(np.asarray, x, called)
    if hasattr(x, "__dlpack__") and not isinstance(x, (np.ndarray, np.generic)):
        if getattr(x, "requires_grad", False):
            got, hint = f"a {type(x).__module__}.{type(x).__name__} that needs a gradient", "x.detach()"
            where = f"At {user_line()}, its graph would end here."
            raise TypeError(lesson("an op of clearprop", "wants arrays of another package", got, where, hint))
        return np.from_dlpack(x)
    if hasattr(x, "tocsr"):
        got, hint = f"a sparse {type(x).__name__} {x.shape}", "S @ t and t @ S, or S.toarray()"
        where = at_line()
        raise TypeError(
            lesson("an op of clearprop", "has products with sparse matrices alone", got, where, hint)
        )
    if hasattr(x, "to_numpy"):  # a column or a table would answer with its own kind, which sorts by its index
        return np.asarray(x)
    return x


def raw(x: Any) -> Any:
    """Return the array of a Tensor; anything else as it is.

    >>> raw(Tensor([1.0, 2.0])), raw(3.0)
    (array([1., 2.]), 3.0)
    """
    return x._value if isinstance(x, Tensor) else x


def _arrayed(convert: Callable[[Any], Any], x: Any, called: str = "Tensor(value)") -> Any:
    """Return an array made by `convert`; ValueError of rows of several lengths says that they are."""
    try:
        return convert(x)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        wanted, hint = "wants rows of one length", "rows that are filled up to one length, or a Tensor a row"
        raise ValueError(lesson(called, wanted, f"{x!r:.60}", at_line(), hint)) from error


def _of_another_package(ufunc: np.ufunc) -> Any:
    """Return what stands for a ufunc of another package by its name; and load the seldom chapters now."""
    if ufunc.__name__ not in ufunc_names and getattr(np, ufunc.__name__, None) is not ufunc:
        for chapter in SELDOM:
            importlib.import_module(f"clearprop.ops.{chapter}")
    return ufunc_names.get(ufunc.__name__)


def _of_its_dtype(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a short float or a boolean as the dtype that another package's ufunc computes it in."""
    if ufunc.nin > 1 or inputs[0].dtype.kind not in "fb" or inputs[0].dtype.itemsize > 2:
        return inputs
    return (inputs[0].astype(ufunc.resolve_dtypes((inputs[0].dtype, *(None,) * ufunc.nout))[0]),)
