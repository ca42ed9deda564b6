"""`Tensor` with PyTorch's meanings: a window on a `Cell`, whose node is an ordinary Tensor of clearprop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any
from weakref import WeakValueDictionary, finalize

import numpy as np

from clearprop import modes, tensor
from clearprop.errors import lesson
from clearprop.graph import topological_order
from clearprop.modes import mode, special
from clearprop.registry import ops
from clearprop.torch import cells, dtypes
from clearprop.torch.answering import REFUSALS, answering, tell, tensors_of
from clearprop.torch.cells import Cell, GradCell, Step
from clearprop.torch.names import FUNCTIONS, METHODS
from clearprop.torch.printing import text_of
from clearprop.tree import refilled

Node = tensor.Tensor
_new = object.__new__
_AS_THEY_ARE = frozenset((Node, float, int, bool, str, np.ndarray))
xp: Any = np  # NumPy, where it is called with nodes, which its annotations know nothing of
_NUMBERS = (bool, int, float, np.generic)
_FACES: WeakValueDictionary[int, Tensor] = WeakValueDictionary()  # of leaves that modules own, by identity


class Tensor:
    """A tensor as PyTorch means it: views share memory, and it can be written to.

    `node` is the clearprop Tensor that it stands for: all that looks at graphs takes that one
    (`clearprop.draw(loss.node)`, `clearprop.explain(w.node)`). A method is the function of the same name with
    the tensor before the other arguments; one with a last underscore writes the function's result into it.

    >>> import clearprop.torch as torch
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> (x.transpose(0, 1) * x).sum().backward()
    >>> x.grad
    tensor([[2., 6.],
            [4., 8.]])
    >>> y = torch.zeros(2, 2)
    >>> y[0].add_(1)
    tensor([1., 1.])
    >>> y
    tensor([[1., 1.],
            [0., 0.]])
    """

    __array_priority__ = 1000  # an array to the left asks the tensor

    def __init__(self, data: Any = (), *, dtype: Any = None) -> None:
        made = FUNCTIONS_OF_DATA["tensor"](data, dtype=dtype or dtypes.get_default_dtype())
        self._set(made._cell)

    _node: Any = None  # what was computed, while nobody shares its memory: until then there is no cell
    _steps: tuple[Step, ...] = ()
    _detached: bool = False
    _seen: Any = None
    _view: Any = None
    _retains: bool = False
    _maker: str = ""

    def _set(self, cell: Cell, steps: tuple[Step, ...] = (), detached: bool = False) -> None:
        self._cell, self._steps, self._detached = cell, steps, detached
        self._node = self._seen = self._view = None
        self._retains, self._maker = False, ""

    @functools.cached_property
    def _cell(self) -> Cell:
        """The memory, from the first time on that somebody asks for it."""
        node = self._node
        made: Any = None if node is None else Cell(node)
        cell: Cell = self.__dict__.setdefault("_cell", made)
        self._node = None
        return cell

    # --- the node behind it --------------------------------------------------------------------------------
    @property
    def node(self) -> Node:
        """The clearprop Tensor that this is at the moment."""
        node: Node | None = self._node
        return self._looked_up() if node is None else node

    def _looked_up(self) -> Node:
        whole: Node = self._cell.node
        if not self._steps and not self._detached:
            return whole
        if self._seen is None or self._seen[0] is not whole or self._seen[1] is not whole._value:
            view: Any = whole
            if self._detached:
                seen = special.blocks and mode.observer is not None
                view = whole.detach() if seen else cells.leaf(whole._value)
            if view.requires_grad and modes.forgets():
                with modes.enable_grad():
                    self._view = self._stepped(view)
            else:
                self._view = self._stepped(view)
            self._seen = whole, whole._value
        return self._view

    def _stepped(self, view: Any) -> Any:
        for step in self._steps:
            view = step(view)
        return view

    def seen_through(self, *steps: Step) -> Tensor:
        """Return a view of the same memory, that many steps further."""
        other = Tensor.__new__(Tensor)
        detached = self._detached or bool(special.blocks and not mode.grad_enabled)
        other._cell, other._steps, other._detached = self._cell, (*self._steps, *steps), detached
        try:
            _ = other.node
        except np.exceptions.AxisError:
            raise
        except ValueError as error:
            raise RuntimeError(*error.args) from error
        return other

    def write(self, new: Node, called: str = "an in-place operation") -> Tensor:
        """Give the tensor, and all that share its memory, new numbers; return it."""
        cell, old = self._cell, self.node
        if self._overwritten(new):
            return self
        if mode.grad_enabled and cell.node.requires_grad and cell.node.op is None and not self._detached:
            wanted = "a leaf that requires grad is being used in an in-place operation"
            hint = "`with torch.no_grad():` around it, or a new tensor"
            raise RuntimeError(lesson(called, wanted, "a leaf Variable that requires grad", hint=hint))
        if new.shape != old.shape:
            new = _spread(new, old.shape, called)
        if new.dtype != old.dtype:
            if "biuf".index(new.dtype.kind.replace("u", "i")) > "biuf".index(
                old.dtype.kind.replace("u", "i")
            ):
                got = f"result type {dtypes.of(new.dtype)} can't be cast to {self.dtype}"
                raise RuntimeError(lesson(called, f"wants numbers that a {self.dtype} tensor holds", got))
            new = new.astype(old.dtype)
        hidden = not mode.grad_enabled or self._detached
        seen = special.blocks and mode.observer is not None
        if hidden:
            new = new.detach() if seen else cells.leaf(new._value)
        if self._steps:
            index = cells.places(cell.node.shape, self._steps)
            if not cells.once(index):
                wanted = "more than one element of the written-to tensor refers to one place in memory"
                raise RuntimeError(lesson(called, wanted, hint="t.clone() before it is written to"))
            whole = cell.node.detach() if hidden else cell.node
            new = cells.put(whole, index, new)
        elif new.op is None and not new.requires_grad and (seen or not hidden):
            new = cells.leaf(new._value)  # a write of a tensor is a copy of its numbers, not the tensor
        cell.write(new, hidden)
        return self

    def _overwritten(self, new: Node) -> bool:
        """Write where nothing has to be asked: a whole tensor of which no gradient knows; tell whether."""
        cell = self._cell
        old, a, b = cell.node, cell.node._value, new._value
        if self._steps or old.requires_grad or new.requires_grad or cell.owned or cell.outside is not None:
            return False
        if cell.__class__ is not Cell or a.shape != b.shape or a.dtype != b.dtype:
            return False
        if special.blocks and mode.observer is not None:
            return False
        cell.node = cells.leaf(b)
        return True

    # --- what it tells of itself ---------------------------------------------------------------------------
    @property
    def shape(self) -> dtypes.Size:
        """The length of each axis."""
        return dtypes.Size(self.node._value.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The kind of its numbers."""
        return dtypes.of(self.node.dtype)

    @property
    def device(self) -> dtypes.device:
        """Where it lies: the cpu."""
        return dtypes.CPU

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.node.ndim

    @property
    def T(self) -> Tensor:
        """The same memory with its axes in reverse order."""
        return self.seen_through(np.transpose)

    @property
    def mT(self) -> Tensor:
        """The same memory with the last two axes exchanged."""
        return FUNCTIONS["transpose"](self, -2, -1)

    @property
    def is_sparse(self) -> bool:
        """Whether it stores its entries that are not 0 alone: no."""
        return False

    @property
    def layout(self) -> str:
        """How its entries are stored: all of them."""
        return "torch.strided"

    @property
    def retains_grad(self) -> bool:
        """Whether it keeps its gradient, as a computed tensor does once it is asked to."""
        return self._retains and not self.is_leaf

    @property
    def is_cuda(self) -> bool:
        """Whether it lies on a graphics card: no."""
        return False

    @property
    def itemsize(self) -> int:
        """The bytes of an entry."""
        return self.node.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all entries."""
        return self.node.size * self.itemsize

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return self.node.requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Say whether a gradient is wanted of this leaf; return it."""
        node = self.node
        if node.op is not None:
            if not requires_grad:
                hint = "t.detach()"
                raise RuntimeError(
                    lesson("t.requires_grad_(False)", "only a leaf's can be changed", hint=hint)
                )
            return self
        if requires_grad and node.dtype.kind != "f":
            wanted = "only floating-point tensors can require gradients"
            raise RuntimeError(lesson("requires_grad_()", wanted, f"{self.dtype}", hint="t.float()"))
        if self._steps or self._detached or self._cell.outside is not None:
            self._set(Cell(cells.leaf(np.array(node._value))))  # a view that becomes a leaf of its own
        self._cell.node.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was not computed from something that needs a gradient."""
        return self.node.op is None

    @property
    def grad_fn(self) -> Any:
        """What computed it, None for a leaf."""
        node = self.node
        return None if node.op is None else GradientFunction(self._maker or node.op.name, node)

    @property
    def grad(self) -> Any:
        """The gradient of a leaf, None before a backward pass; writing to it changes what optimizers see."""
        node = self.node
        if node.grad is None or (node.op is not None and not self._retains):
            return None
        if node.op is not None:
            return lift(node.grad if isinstance(node.grad, Node) else cells.leaf(node.grad))
        known = self._cell.grad
        if known is None or known._cell.held is not node.grad:
            known = self._cell.grad = lift(GradCell(node))
        return known

    @grad.setter
    def grad(self, new: Any) -> None:
        node = self.node
        if new is not None and tuple(new.shape) != node.shape:
            raise RuntimeError(lesson("t.grad = g", f"wants the shape {node.shape}", f"{tuple(new.shape)}"))
        node.grad = None if new is None else np.array(new.node._value, node.dtype)[()]

    @property
    def data(self) -> Tensor:
        """The same memory, out of sight of gradients."""
        return self.detach()

    @data.setter
    def data(self, new: Tensor) -> None:
        cell = self._cell
        if not self.requires_grad and not cell.owned:
            self._set(new._cell, new._steps, True)
            return
        if self._steps or cell.node.op is not None:
            raise RuntimeError(lesson("t.data = new", "wants a leaf", hint="t.data.copy_(new)"))
        node = cell.node
        self._cell = cells.parted(cell)  # what showed the old numbers goes on showing them
        node._value = np.array(new.node._value)[()]

    def detach(self) -> Tensor:
        """Return a tensor of the same memory that no gradient passes through."""
        other = Tensor.__new__(Tensor)
        other._set(self._cell, self._steps, True)
        return other

    def retain_grad(self) -> None:
        """Keep the gradient of a computed tensor."""
        self._retains = True

    def backward(
        self, gradient: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Give a gradient to every leaf that led here; a second call adds to them."""
        if not self.requires_grad:
            wanted = "element 0 of tensors does not require grad and does not have a grad_fn"
            hint = "requires_grad=True where the leaves are made, outside of torch.no_grad()"
            raise RuntimeError(lesson("backward()", wanted, hint=hint))
        if gradient is None and self.node.size != 1:
            wanted = "grad can be implicitly created only for scalar outputs"
            hint = "loss.mean().backward(), or backward(torch.ones_like(t))"
            raise RuntimeError(lesson("backward()", wanted, f"shape {tuple(self.shape)}", hint=hint))
        with cells.following():
            if inputs is None:
                self.node.backward(None if gradient is None else lower(gradient), create_graph=create_graph)
            else:
                self._to_some(inputs, gradient, create_graph)
        if AFTER:
            self._tell(None if inputs is None else {id(x.node) for x in _listed(inputs)})

    def _to_some(self, inputs: Any, gradient: Any, create_graph: bool) -> None:
        """Add gradients to these leaves alone."""
        from clearprop.torch.autograd.pulled import grad

        wanted = _listed(inputs)
        if any(not x.is_leaf for x in wanted):
            hint = "x.retain_grad() before backward()"
            raise RuntimeError(lesson("backward(inputs=)", "wants leaves", hint=hint))
        found = grad(self, wanted, gradient, create_graph=create_graph)
        for x, g in zip(wanted, found, strict=True):
            new = g.node if create_graph else g.node._value
            x.node.grad = new if x.node.grad is None else x.node.grad + new

    def _tell(self, chosen: Any) -> None:
        """Show leaves that have just received a gradient to their hooks."""
        leaves = (n for n in topological_order(self.node, tracked=True) if n.op is None)
        for n in list(leaves):
            if n.grad is not None and (chosen is None or id(n) in chosen):
                for hook in list(AFTER.get(id(n), {}).values()):
                    hook(n)

    # --- leaving -------------------------------------------------------------------------------------------
    def item(self) -> Any:
        """Return the only entry as a Python number; RuntimeError where there are several."""
        node = self.node
        if node.size != 1:
            wanted = f"a Tensor with {node.size} elements cannot be converted to Scalar"
            raise RuntimeError(lesson("t.item()", wanted, hint="t.tolist()"))
        return node.item()

    def tolist(self) -> Any:
        """Return the numbers as nested lists."""
        return self.node._value.tolist()

    def numpy(self, force: bool = False) -> Any:
        """Return the numbers as an array: the one it was made from by `from_numpy`, else one to be read."""
        node = self.node
        if node.requires_grad and not force:
            hint = "t.detach().numpy()"
            wanted = "can't call numpy() on a tensor that requires grad"
            raise RuntimeError(lesson("t.numpy()", wanted, hint=hint))
        if self._cell.outside is not None:
            found = self._cell.outside
            for step in self._steps:
                found = step(found)
            return np.asarray(found)
        return (node.detach() if node.requires_grad else node).numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.numpy(), dtype=dtype)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(lesson("len(t)", "a 0-d tensor has no length"))
        return self.node.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError(lesson("for x in t", "a 0-d tensor has no rows"))
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.node.size != 1:
            wanted = "the truth of a tensor with several entries is ambiguous"
            raise RuntimeError(
                lesson("bool(t)", wanted, f"shape {tuple(self.shape)}", hint="t.any() or t.all()")
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.node.dtype.kind not in "iub":
            raise TypeError(lesson("index(t)", "only integer tensors can be an index", f"{self.dtype}"))
        return int(self.item())

    def __contains__(self, x: Any) -> bool:
        return bool((self == x).any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if not self.ndim else format(repr(self), spec)

    def __repr__(self) -> str:
        node = self.node
        usual = node.dtype in (dtypes.default(), dtypes.int64.numpy, dtypes.boolean.numpy)
        words = [] if usual and (node.size or node.dtype.kind == "f") else [f"dtype={self.dtype}"]
        if node.op is not None:
            words.append(f"grad_fn=<{self.grad_fn.name()}>")
        elif node.requires_grad:
            words.append("requires_grad=True")
        return text_of(node._value, words)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node.op is not None:
            wanted = "only leaves can be copied deeply"
            raise RuntimeError(lesson("copy.deepcopy(t)", wanted, hint="t.detach().clone()"))
        other = type(self).__new__(type(self))
        twin = (
            self._cell.node.__deepcopy__(memo) if not self._steps else cells.leaf(np.array(self.node._value))
        )
        other._set(Cell(twin))
        memo[id(self)] = other
        return other

    def __reduce__(self) -> Any:
        return _rebuilt, (type(self), np.array(self.node._value), self.requires_grad)

    # --- methods are functions -----------------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        found = _ASKED.get(name) or _asked(name)
        if found is not None:
            return MethodType(found, self)
        raise AttributeError(
            lesson(
                f"torch.Tensor.{name}", "there is no such method", hint=nearest(name, [*METHODS, *FUNCTIONS])
            )
        )

    # fmt: off
    def __add__(self, y: Any) -> Any: return FUNCTIONS["add"](self, y)
    def __radd__(self, y: Any) -> Any: return FUNCTIONS["add"](y, self)
    def __sub__(self, y: Any) -> Any: return FUNCTIONS["sub"](self, y)
    def __rsub__(self, y: Any) -> Any: return FUNCTIONS["sub"](y, self)
    def __mul__(self, y: Any) -> Any: return FUNCTIONS["mul"](self, y)
    def __rmul__(self, y: Any) -> Any: return FUNCTIONS["mul"](y, self)
    def __truediv__(self, y: Any) -> Any: return FUNCTIONS["div"](self, y)
    def __rtruediv__(self, y: Any) -> Any: return FUNCTIONS["div"](y, self)
    def __floordiv__(self, y: Any) -> Any: return FUNCTIONS["floor_divide"](self, y)
    def __rfloordiv__(self, y: Any) -> Any: return FUNCTIONS["floor_divide"](y, self)
    def __mod__(self, y: Any) -> Any: return FUNCTIONS["remainder"](self, y)
    def __rmod__(self, y: Any) -> Any: return FUNCTIONS["remainder"](y, self)
    def __pow__(self, y: Any) -> Any: return FUNCTIONS["pow"](self, y)
    def __rpow__(self, y: Any) -> Any: return FUNCTIONS["pow"](y, self)
    def __matmul__(self, y: Any) -> Any: return FUNCTIONS["matmul"](self, y)
    def __neg__(self) -> Any: return FUNCTIONS["neg"](self)
    def __pos__(self) -> Any: return self
    def __abs__(self) -> Any: return FUNCTIONS["abs"](self)
    def __invert__(self) -> Any: return FUNCTIONS["bitwise_not"](self)
    def __lt__(self, y: Any) -> Any: return FUNCTIONS["lt"](self, y)
    def __le__(self, y: Any) -> Any: return FUNCTIONS["le"](self, y)
    def __gt__(self, y: Any) -> Any: return FUNCTIONS["gt"](self, y)
    def __ge__(self, y: Any) -> Any: return FUNCTIONS["ge"](self, y)
    def __eq__(self, y: Any) -> Any: return False if y is None else FUNCTIONS["eq"](self, y)
    def __ne__(self, y: Any) -> Any: return True if y is None else FUNCTIONS["ne"](self, y)
    def __and__(self, y: Any) -> Any: return FUNCTIONS["bitwise_and"](self, y)
    def __rand__(self, y: Any) -> Any: return FUNCTIONS["bitwise_and"](y, self)
    def __or__(self, y: Any) -> Any: return FUNCTIONS["bitwise_or"](self, y)
    def __ror__(self, y: Any) -> Any: return FUNCTIONS["bitwise_or"](y, self)
    def __xor__(self, y: Any) -> Any: return FUNCTIONS["bitwise_xor"](self, y)
    def __rxor__(self, y: Any) -> Any: return FUNCTIONS["bitwise_xor"](y, self)
    def __lshift__(self, y: Any) -> Any: return FUNCTIONS["bitwise_left_shift"](self, y)
    def __rshift__(self, y: Any) -> Any: return FUNCTIONS["bitwise_right_shift"](self, y)
    def __iadd__(self, y: Any) -> Any: return _written(self, "t += y", FUNCTIONS["add"], y)
    def __isub__(self, y: Any) -> Any: return _written(self, "t -= y", FUNCTIONS["sub"], y)
    def __imul__(self, y: Any) -> Any: return _written(self, "t *= y", FUNCTIONS["mul"], y)
    def __itruediv__(self, y: Any) -> Any: return _written(self, "t /= y", FUNCTIONS["div"], y)
    def __ifloordiv__(self, y: Any) -> Any: return _written(self, "t //= y", FUNCTIONS["floor_divide"], y)
    def __imod__(self, y: Any) -> Any: return _written(self, "t %= y", FUNCTIONS["remainder"], y)
    def __ipow__(self, y: Any) -> Any: return _written(self, "t **= y", FUNCTIONS["pow"], y)
    def __iand__(self, y: Any) -> Any: return _written(self, "t &= y", FUNCTIONS["bitwise_and"], y)
    def __ior__(self, y: Any) -> Any: return _written(self, "t |= y", FUNCTIONS["bitwise_or"], y)
    def __ixor__(self, y: Any) -> Any: return _written(self, "t ^= y", FUNCTIONS["bitwise_xor"], y)
    # fmt: on
    def __getitem__(self, index: Any) -> Any:
        try:
            return METHODS["__getitem__"](self, index)
        except REFUSALS as error:
            tell("t[index]", "t[i, j], t[a:b], t[mask]", (index,), error)
            raise

    def __setitem__(self, index: Any, value: Any) -> None:
        try:
            METHODS["__setitem__"](self, index, value)
        except REFUSALS as error:
            tell(
                "t[index] = v", "t[i, j] = number, or a tensor of the shape of t[i, j]", (index, value), error
            )
            raise

    __hash__: Any = object.__hash__


class Parameter(Tensor):
    """A tensor that a module owns and an optimizer changes.

    It shares its memory with the tensor it is made from, as in PyTorch.

    >>> import clearprop.torch as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(self, data: Any = (), requires_grad: bool = True) -> None:
        from clearprop.nn.module import Parameter as OwnParameter

        data = data if isinstance(data, Tensor) else Tensor(data)
        own = OwnParameter(np.array(data.node._value), requires_grad)
        own._value = np.array(data.node._value)[()]  # of the dtype it had
        whole = not data._steps and data._cell.outside is None and data.node.op is None
        if whole and not isinstance(data, Parameter):
            data._cell.node, data._cell.owned, data._detached = own, True, True
            self._set(data._cell)
        else:
            self._set(Cell(own, owned=True))
        cells.OWNED[id(own)] = self._cell
        _FACES[id(own)] = self

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


_WORDS = {
    "multiply": "mul", "divide": "div", "subtract": "sub", "negative": "neg", "power": "pow",
    "absolute": "abs", "matmul": "mm", "getitem": "index", "reshape": "view", "concatenate": "cat",
    "broadcast_to": "expand", "expand_dims": "unsqueeze", "astype": "to_copy", "swapaxes": "transpose",
}  # fmt: skip
"""What PyTorch calls what the core's ops have computed where no function of this folder was called."""


class GradientFunction:
    """What a computed tensor says of its origin, under the name that PyTorch has for it."""

    node: Node

    def __init__(self, name: str, node: Node) -> None:
        self._name, self.node = name, node

    def name(self) -> str:
        """Return the name, such as `MulBackward0`."""
        if self._name.endswith("Backward"):  # a Function that somebody has written
            return self._name
        words = _WORDS.get(self._name, self._name).strip("_").split("_")
        return "".join(word[:1].upper() + word[1:] for word in words) + "Backward0"

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """What computed the inputs, each with a number, None for one that needs no gradient."""
        found = [x for x in self.node.inputs if isinstance(x, Node)]
        return tuple((GradientFunction(x.op.name, x) if x.op is not None else None, 0) for x in found)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self.node):#x}>"


AFTER: dict[int, dict[int, Any]] = {}
"""By the identity of a leaf's node: the hooks that are called after its gradient was added, by number."""


def after(node: Node) -> dict[int, Any]:
    """Return the hooks of a leaf that are called after its gradient was added, by number."""
    if id(node) not in AFTER:
        AFTER[id(node)] = {}
        finalize(node, AFTER.pop, id(node), None)
    return AFTER[id(node)]


def _listed(inputs: Any) -> list[Tensor]:
    return [inputs] if isinstance(inputs, Tensor) else list(inputs)


FUNCTIONS_OF_DATA: dict[str, Callable[..., Any]] = {}


def nearest(name: str, known: list[str]) -> str:
    """Return a few names that begin alike, for the hint of an error."""
    import difflib

    return " or ".join(difflib.get_close_matches(name, known, 3))


def _spread(new: Any, shape: tuple[int, ...], called: str) -> Any:
    try:
        wide = np.broadcast_shapes(new.shape, shape) == shape
    except ValueError:
        wide = False
    if not wide:
        got = f"shape {new.shape} does not fit {shape}"
        raise RuntimeError(lesson(called, "writes numbers of the tensor's own shape", got))
    return np.broadcast_to(new, shape)


_ASKED: dict[str, Callable[..., Any]] = {}
"""The methods that were asked for."""


def _asked(name: str) -> Any:
    """Return the method of this name, None if there is none; `x.name_` writes what the function gives."""
    found = METHODS.get(name) or FUNCTIONS.get(name)
    inside = name.removesuffix("_")
    if found is None and inside != name and inside in FUNCTIONS and not name.startswith("_"):
        function = FUNCTIONS[inside]

        @functools.wraps(function)
        def found(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            return _written(self, name, function, *args, **kwargs)

    if found is not None:
        _ASKED[name] = answering(f"torch.Tensor.{name}", found, tensors_of(inside) or 1)
    return _ASKED.get(name)


def _written(self: Tensor, name: str, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
    """Write what a function gives into its first argument."""
    new = f(self, *args, **kwargs)
    self.write(new.node, name)._maker = new._maker
    return self


def _rebuilt(kind: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    made = Tensor.__new__(Tensor)
    made._set(Cell(cells.leaf(array)))
    if issubclass(kind, Parameter):
        return Parameter(made, requires_grad)
    return made.requires_grad_(requires_grad) if requires_grad else made


# --- from one world into the other ------------------------------------------------------------------------
def lower(x: Any) -> Any:
    """Return what the core computes with: nodes for tensors, NumPy's dtypes for PyTorch's, in containers too.

    >>> lower((dtypes.float32, 3))
    (dtype('float32'), 3)
    """
    if isinstance(x, Tensor):
        return x.node
    if x is None or x.__class__ in _AS_THEY_ARE:
        return x
    if isinstance(x, (list, tuple)):
        inside = [lower(y) for y in x]
        return (
            type(x)(*inside) if hasattr(x, "_fields") else tuple(inside) if isinstance(x, tuple) else inside
        )
    if isinstance(x, dict):
        return {name: lower(y) for name, y in x.items()}
    return x.numpy if isinstance(x, dtypes.dtype) else x


def raw(x: Any) -> Any:
    """Return the array of a tensor; anything else as it is."""
    return x.node._value if isinstance(x, Tensor) else x


def lift(x: Any, maker: str = "") -> Any:
    """Return tensors for nodes, arrays and cells, in containers too; a module's leaf has one tensor."""
    if x.__class__ is Node:
        made = _new(Tensor)
        made._node, made._maker = x, maker
        return made
    if isinstance(x, Node):
        return _face(x)
    if isinstance(x, Cell):
        made = Tensor.__new__(Tensor)
        made._set(x)
        return made
    if isinstance(x, (np.ndarray, np.generic)):
        return lift(cells.leaf(x), maker)
    if isinstance(x, (list, tuple)):
        inside = [lift(y, maker) for y in x]
        return refilled(type(x), inside)
    return {name: lift(y) for name, y in x.items()} if type(x) is dict else x


@functools.cache
def _kinds() -> tuple[type[Node], type[Node]]:
    """Return what a module's leaves are, of a module that is asked for late."""
    from clearprop.nn.module import Buffer
    from clearprop.nn.module import Parameter as OwnParameter

    return OwnParameter, Buffer


def _face(x: Any) -> Tensor:
    """Return the tensor of a module's leaf, always the same one."""
    owned = isinstance(x, _kinds())
    known = _FACES.get(id(x)) if owned else None
    if known is not None and known._cell.node is x:
        return known
    made = _new(Parameter if isinstance(x, _kinds()[0]) else Tensor)
    made._cell = cells.cell_of(x) if owned else Cell(x)
    if owned:
        _FACES[id(x)] = made
    return made


def kept_apart(*xs: Any) -> list[Any]:
    """Return the nodes of tensors and numbers, copies of NumPy's memory where a gradient remembers it."""
    nodes, outside = [], False
    for x in xs:
        if isinstance(x, Tensor):
            outside = outside or is_outside(x)
            x = x.node
        nodes.append(x)
    if outside and mode.grad_enabled and any(isinstance(x, Node) and x.requires_grad for x in nodes):
        for i, x in enumerate(xs):
            if isinstance(x, Tensor) and is_outside(x):
                nodes[i] = cells.leaf(np.array(nodes[i]._value))
    return nodes


def is_outside(x: Tensor) -> bool:
    """Tell whether a tensor's numbers lie in memory that NumPy shares."""
    return x._node is None and x._cell.outside is not None


def kept(x: Any) -> Any:
    """Return the node of one tensor: see `kept_apart`, of one input."""
    return x._node if isinstance(x, Tensor) and x._node is not None else kept_apart(x)[0]


def _inputs(args: tuple[Any, ...]) -> list[Any]:
    """Return what the core computes with for each argument of a function: see `lower` and `kept_apart`."""
    found = []
    for x in args:
        node = x._node if isinstance(x, Tensor) else x if x is None or x.__class__ in _AS_THEY_ARE else None
        if node is None and x is not None:
            if isinstance(x, Tensor) and x._cell.outside is not None:
                return [lower(y) for y in kept_apart(*args)]
            node = lower(x)
        found.append(node)
    return found


def through(f: Callable[..., Any], maker: str = "") -> Callable[..., Any]:
    """Return a function of the core as one of tensors; what it objects to is a RuntimeError there."""

    @functools.wraps(f)
    def of_tensors(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs.pop("inplace", None)
            dtypes.here(kwargs.pop("device", None))
            kwargs = {k: lower(v) for k, v in kwargs.items()}
        try:
            return lift(f(*_inputs(args), **kwargs), maker)
        except np.exceptions.AxisError:
            raise
        except ValueError as error:
            raise RuntimeError(*error.args) from error

    return of_tensors


def is_number(x: Any) -> bool:
    """Tell whether it is a number of Python's or of NumPy's, whose dtype gives way."""
    return isinstance(x, _NUMBERS)


def cast(node: Any, dtype: np.dtype[Any]) -> Any:
    """Return a node as another dtype; the gradient passes between floats."""
    if node.dtype == dtype:
        return node
    return node.astype(dtype)


def refuse_unfit(called: str, value: Any, dtype: np.dtype[Any]) -> None:
    """Raise RuntimeError for NaN or infinity among whole numbers, which have none."""
    if isinstance(value, float) and value - value != 0 and dtype.kind in "iu":
        wanted = f"value cannot be converted to {dtypes.of(dtype)} without overflow"
        raise RuntimeError(lesson(called, wanted, f"{value}", hint="x.float()"))


def constant(x: Any) -> Any:
    """Return a node for a number or an array that needs no gradient."""
    return cells.leaf(np.asarray(x))


def op(name: str) -> Callable[..., Any]:
    """Return an op of the core by its name; ModuleNotFoundError says where it is one that SciPy computes."""
    if name not in ops:
        wanted, hint = "is computed by SciPy", "pip install scipy"
        raise ModuleNotFoundError(lesson(f"the function {name}", wanted, "it is not installed", hint=hint))
    return ops[name]
