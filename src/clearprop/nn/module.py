"""`Module`: parameters and buffers by name, and a forward function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Never, ParamSpec, Protocol, TypeVar

import numpy as np

from clearprop import structure
from clearprop.errors import Lesson, at_line, lesson, of_this_package
from clearprop.hints import (
    MODULE,
    for_keywords,
    nearest,
    refuse_call,
    refuse_texts,
    takes_truths,
)
from clearprop.modes import current, marks, special
from clearprop.nn.hooks import Hooked, between_hooks
from clearprop.nn.older import counted_late, hint_for, with_own_names
from clearprop.op import _next_serial
from clearprop.record import assign, copy_of, read
from clearprop.refusal import COMPLAINTS, shown, tells_of, told
from clearprop.tensor import Tensor

Self = TypeVar("Self", bound="Module")
T = TypeVar("T", bound=Tensor)
P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Parameter(Tensor):
    """A Tensor that a Module owns and an optimizer changes; numbers and lists become float32.

    >>> Parameter([1.0, 2.0]).dtype
    dtype('float32')
    """

    __slots__ = ()

    def __init__(self, value: Any, requires_grad: bool = True, name: str | None = None) -> None:
        if isinstance(value, Tensor):
            value = value._value
        array = np.asarray(value)
        plain = not isinstance(value, (np.ndarray, np.generic)) or array.dtype.kind != "f"
        if plain and array.dtype.kind in "fiub":  # what else there is, complex numbers say, is refused below
            array = array.astype(np.float32)
        if array.dtype.kind == "c":
            hint = "two Parameters, the real and the imaginary part"
            raise TypeError(lesson("Parameter(value)", "wants real numbers", f"{array.dtype}", hint=hint))
        super().__init__(array, name, requires_grad)


class Buffer(Tensor):
    """A Tensor that belongs to a Module's state but is not trained (a running mean, say).

    >>> layer = Module()
    >>> layer.mean = Buffer(np.zeros(2))
    >>> [*layer.state_dict()], [*layer.parameters()]
    (['mean'], [])
    """

    __slots__ = ("persistent",)

    def __init__(self, value: Any, name: str | None = None, persistent: bool = True) -> None:
        super().__init__(value._value if isinstance(value, Tensor) else value, name, requires_grad=False)
        self.persistent: bool = persistent


def owner_of(value: Any) -> Any:
    """Return the Parameter or Buffer in whose place a Module holds a Tensor for a while, else `value` itself.

    `functional_call` puts Tensors there, and whatever differentiates by a Module.
    """
    return marks.stood.get(id(value), value) if marks.stood else value


class Incompatible(NamedTuple):
    """What `load_state_dict(strict=False)` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class _Computes(Protocol[P, R]):
    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Module(Hooked):
    """A layer or a model: assign Parameters, Buffers and Modules as attributes and write `forward`.

    Names, shapes and the keys of `state_dict` are PyTorch's. What changes from call to call is held in
    Buffers and changed with `clearprop.assign`, so that a compiled step sees it.

    >>> from clearprop import nn
    >>> class Double(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = nn.Linear(2, 3)
    ...
    ...     def forward(self, x):
    ...         return 2 * self.inner(x)
    >>> Double()
    Double(                                                # 9 parameters
      (inner): Linear(in_features=2, out_features=3, bias=True)  # 9
    )
    """

    training: bool = True
    bookkeeping: Any = ("_made", "_computed")  # attributes that no result depends on
    shown: tuple[str, ...] = ()  # attributes that `repr` prints
    unmade = False  # a lazy module before its first call: what it will hold cannot be asked for

    _made: structure.Notes
    """Between which serial numbers the latest calls made nodes: a drawing folds them into one box."""

    def __init__(self) -> None:
        self.training = True
        self.__dict__["_made"] = structure.Notes(maxlen=64)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every Module writes its own."""
        raise NotImplementedError(
            lesson(
                f"{type(self).__name__}(...)", "has no forward", hint="def forward(self, x): ... in the class"
            )
        )

    @property
    def latest_calls(self) -> tuple[tuple[int, int], ...]:
        """Between which serials the nodes lie that its latest calls made: readers fold them into one box."""
        return tuple(self._made)

    if TYPE_CHECKING:  # a call takes and gives what the class's own `forward` does

        def __call__(self: _Computes[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    else:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Compute the output: `module(x)` is `module.forward(x)`, between the hooks if there are some."""
            if self._hooks is not None:
                return between_hooks(self, args, kwargs)
            if special.blocks and (now := current()) is not None:
                if now.observer is not None:
                    structure.used(self)
                elif not now.grad_enabled:
                    return self.forward(*args, **kwargs)  # no nodes, so nothing to fold
            start = _next_serial()
            try:
                output = self.forward(*args, **kwargs)
            except COMPLAINTS as error:
                self._tell(args, kwargs, error)
                raise
            self._made.append((start, _next_serial()))
            return output

    def _tell(self, args: Any, kwargs: Any, error: Exception) -> None:
        """Raise what a call ended in as a lesson; return where it is one, or comes of others' code."""
        called = type(self).__name__
        here = error.__traceback__
        if isinstance(error, TypeError) and here is not None and here.tb_next is None:
            refuse_call(called, inspect.signature(self.forward), args, kwargs)
        if of_this_package(type(self).forward):
            better = told(f"{called}(...)({', '.join(map(shown, args))})", args, error)
            if better is not error:
                raise better from error

    # --- what belongs to it ---------------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if type(old) is type(value) is bool:  # `training`, twice for each row that is predicted alone
            if old is not value:
                structure.changed()
            self.__dict__[name] = value
            return
        if type(value) is str and name == "training":
            refuse_texts(type(self).__name__, training=value)
        if "_computed" in self.__dict__ and name in self.__dict__["_computed"] and name != "_computed":
            self.__dict__["_computed"][name].put(self, name, value)
            return
        if issubclass(type(old), (Parameter, Buffer)) and not (
            value is None or issubclass(type(value), type(old))
        ):
            raise TypeError(
                lesson(
                    f"{type(self).__name__}.{name} = value",
                    f"wants a {type(old).__name__} or None",
                    type(value).__name__,
                    hint=f"clearprop.assign(module.{name}, value) for new numbers",
                )
            )
        if issubclass(type(value), (dict, list, tuple)):
            self._refuse_hidden(name, value)
        if name not in self.__dict__ or old is not value:
            structure.changed()
        self.__dict__[name] = value
        if issubclass(type(value), (Parameter, Buffer)):
            value.name = value.name or name
        elif issubclass(type(value), Module):
            value._name_within(name)

    def _refuse_hidden(self, name: str, value: Any) -> None:
        """Complain about a container whose modules and parameters nobody would find."""
        named = issubclass(type(value), dict)
        held = value.values() if named else value
        if any(issubclass(type(v), (Module, Parameter)) for v in held):
            raise TypeError(
                lesson(
                    f"{type(self).__name__}.{name} = {'{...}' if named else '[...]'}",
                    f"a plain {'dict' if named else 'list'} hides its parameters from the optimizer",
                    where=f"It holds {', '.join(sorted({type(v).__name__ for v in held}))}.",
                    hint=f"self.{name} = nn.{'ModuleDict({...})' if named else 'ModuleList([...])'}",
                )
            )

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        structure.changed()

    def __getattr__(self, name: str) -> Any:
        computed = self.__dict__.get("_computed", {}).get(name)
        if computed is not None:
            return computed.of(self)
        known = [k for k in self.__dict__ if not k.startswith("_")]
        if "training" not in self.__dict__:
            hint = "super().__init__() first in __init__"
        else:
            near = [] if name.startswith("_") else nearest(name, (*known, *dir(type(self))))
            hint = MODULE.get(name, "") or "".join(near)
        got = f"it has {', '.join(known)}"
        error = lesson(f"{type(self).__name__}.{name}", "no such attribute", got, hint=hint)
        raise AttributeError(error, name=name)

    def given(self, name: str) -> Any:
        """Return the attribute of this name, one computed at each use included; None where there is none."""
        return getattr(self, name) if name in self.__dict__.get("_computed", ()) else self.__dict__.get(name)

    def _name_within(self, prefix: str) -> None:
        """Lengthen the names of what is inside to the path in the outer model, unless given by hand."""
        for path, tensor in (*self._named(Parameter, "", True), *self._named(Buffer, "", True)):
            if tensor.name == path:
                tensor.name = f"{prefix}.{path}"

    def structure(self) -> Any:
        """Return what decides which ops a recorded call holds; the Tensors' numbers may change freely."""
        plain = (bool, int, float, str, type(None))
        return tuple(
            (name, value if issubclass(type(value), plain) else _identity(value))
            for name, value in self.__dict__.items()
            if name not in self.bookkeeping
        )

    def register_parameter(self, name: str, value: Parameter | None) -> None:
        """Set an attribute that is a Parameter, or None."""
        self._refuse_name("register_parameter", name, value, Parameter)
        setattr(self, name, value)

    @takes_truths
    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Set an attribute that is part of the state but not trained; kept out of files if not persistent."""
        self._refuse_name("register_buffer", name, None, Buffer)
        setattr(self, name, None if value is None else Buffer(value, persistent=persistent))

    def add_module(self, name: str, module: Module | None) -> None:
        """Set an attribute that is a Module; its name has no dot, which paths are made with."""
        self._refuse_name("add_module", name, module, Module)
        setattr(self, name, module)

    def _refuse_name(self, method: str, name: Any, value: Any, kind: type) -> None:
        """Complain about a name whose path would be another's, and about a value nobody would find there."""
        called, hint = f"{type(self).__name__}.{method}({name!r:.30}, ...)", f"{method}('inner', ...)"
        if not isinstance(name, str):
            raise TypeError(lesson(called, "wants a name", type(name).__name__, at_line(), hint))
        if not name or "." in name or hasattr(type(self), name):
            got = "the class has one of its own" if hasattr(type(self), name) else repr(name)
            wanted = "wants a name that is free, not empty and without a dot"
            raise KeyError(Unquoted(lesson(called, wanted, got, at_line(), hint)))
        if value is not None and not issubclass(type(owner_of(value)), kind):
            wanted, hint = f"wants a {kind.__name__} or None", f"self.{name} = value, which is not trained"
            raise TypeError(lesson(called, wanted, f"{value!r:.60}", at_line(), hint))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Give the modules right below, with their names."""
        return (
            (name, value) for name, value in list(self.__dict__.items()) if issubclass(type(value), Module)
        )

    def children(self) -> Iterator[Module]:
        """Give the modules right below."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "", _seen: set[int] | None = None) -> Iterator[tuple[str, Module]]:
        """Give this module and all below, each once, with their paths ('' for this one)."""
        seen = set() if _seen is None else _seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self) -> Iterator[Module]:
        """Give this module and all below, each once."""
        seen: set[int] = set()
        waiting: list[Module] = [self]
        while waiting:
            module = waiting.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield module
                below = [value for value in module.__dict__.values() if issubclass(type(value), Module)]
                waiting += below[::-1]

    def _named(
        self, kind: type[Any], prefix: str, recurse: bool, once: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else ((prefix, self),):
            for name, value in list(module.__dict__.items()):
                if issubclass(type(owner_of(value)), kind) and not (once and id(value) in seen):
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    @takes_truths
    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Give every Parameter once, with its path: `0.weight`, `0.bias`, ..."""
        for module in self.modules() if recurse else (self,):
            if module.unmade:
                raise module.not_yet("parameters()")
        return self._named(Parameter, prefix, recurse)

    def not_yet(self, asked: str) -> Exception:
        """Return the error of asking an unmade module for what it will hold."""
        hint = "one call of the model with data first"
        called = f"{type(self).__name__}.{asked}"
        return RuntimeError(lesson(called, "there are none before the first call", hint=hint))

    @takes_truths
    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Give every Parameter once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    @takes_truths
    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Buffer]]:
        """Give every Buffer once, with its path."""
        return self._named(Buffer, prefix, recurse)

    @takes_truths
    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """Give every Buffer once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    @tells_of
    def get_submodule(self, path: str) -> Module:
        """Return the module at a path such as `net.0` ('' for this one)."""
        found: Any = self
        for name in path.split(".") if path else ():
            found = getattr(found, name)
        return found

    @tells_of
    def get_parameter(self, path: str) -> Parameter:
        """Return the Parameter at a path such as `net.0.weight`."""
        return self._get(path, Parameter)

    @tells_of
    def get_buffer(self, path: str) -> Buffer:
        """Return the Buffer at a path such as `net.1.running_mean`."""
        return self._get(path, Buffer)

    def _get(self, path: str, kind: type[T]) -> T:
        outer, _, name = path.rpartition(".")
        found = getattr(self.get_submodule(outer), name)
        if not issubclass(type(owner_of(found)), kind):
            called = f"{type(self).__name__}.get_{kind.__name__.lower()}({path!r})"
            raise AttributeError(lesson(called, f"wants a {kind.__name__}", type(found).__name__))
        return found

    def count_parameters(self) -> int:
        """Return how many numbers the Parameters hold, each Parameter counted once."""
        return sum(p.size for _, p in self._named(Parameter, "", True))

    # --- changing all of it ---------------------------------------------------------------------------------
    @tells_of
    def apply(self: Self, function: Callable[[Module], Any]) -> Self:
        """Call `function` on every module below and then on this one; return this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    @takes_truths
    def train(self: Self, mode: bool = True) -> Self:
        """Switch to training (dropout drops) or, with False, to evaluation; return this one."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Switch to evaluation: dropout passes everything; return this one."""
        return self.train(False)

    def zero_grad(self, **other: Never) -> None:
        """Forget the gradients."""
        if other:
            called, hint = "zero_grad()", for_keywords(other)
            raise TypeError(lesson(called, "takes no keywords", ", ".join(other), hint=hint))
        for parameter in self.parameters():
            parameter.grad = None

    @takes_truths
    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Say whether the Parameters are to be trained; return this one."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        structure.changed()
        return self

    def to(self: Self, dtype: Any) -> Self:
        """Convert the floating-point Parameters and Buffers, and their gradients; return this one."""
        called, wanted = f"{type(self).__name__}.to(dtype)", "wants a floating-point dtype"
        try:
            dtype = np.dtype(dtype)
        except TypeError:
            hint = "leaving it out: there are no devices to choose; to('float32') changes the dtype"
            raise TypeError(lesson(called, wanted, f"{dtype!r}", at_line(), hint)) from None
        if dtype.kind != "f":
            raise TypeError(lesson(called, wanted, f"{dtype}", at_line(), "to('float32')"))
        for _, tensor in (*self.named_parameters(), *self.named_buffers()):
            if tensor.dtype.kind == "f":
                tensor._value = tensor._value.astype(dtype)  # `assign` would keep the dtype
                tensor.grad = None if tensor.grad is None else tensor.grad.astype(dtype)
        return self

    def float(self: Self) -> Self:
        """Convert to float32; return this one."""
        return self.to(np.float32)

    def double(self: Self) -> Self:
        """Convert to float64; return this one."""
        return self.to(np.float64)

    # --- its state as a dictionary of arrays ----------------------------------------------------------------
    def _state(self) -> dict[str, Tensor]:
        """Every name that a state dict has; a Parameter used in two places has two names, as in PyTorch."""
        state: dict[str, Tensor] = {}
        self._collect("", state)
        return state

    def _collect(self, prefix: str, state: dict[str, Tensor]) -> None:
        for kind in (Parameter, Buffer):
            for name, value in self.__dict__.items():
                own = owner_of(value)
                if issubclass(type(own), kind) and getattr(own, "persistent", True):
                    state[prefix + name] = value
        for name, child in self.named_children():
            child._collect(f"{prefix}{name}.", state)

    def state_dict(self) -> dict[str, Any]:
        """Return copies of all Parameters and persistent Buffers as arrays, by path: `0.weight`, ...

        >>> from clearprop import nn
        >>> [(k, v.shape) for k, v in nn.Sequential(nn.Linear(2, 3), nn.ReLU()).state_dict().items()]
        [('0.weight', (3, 2)), ('0.bias', (3,))]
        """
        state: dict[str, Any] = {name: copy_of(tensor) for name, tensor in self._state().items()}
        for path, module in self.named_modules():
            for _, hook in module._hooks.saved if module._hooks else ():
                hook(module, state, f"{path}." if path else "", {})
        return state

    @tells_of
    @takes_truths
    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Incompatible:
        """Take over the numbers of a state dict; either all of them or, on an error, none.

        Names of older PyTorch are known (`weight_g`, `weight_orig`); `num_batches_tracked` may be missing.
        Raises KeyError where names are missing or unexpected (unless `strict=False`, which returns them) and
        ValueError where a shape differs.
        """
        if not isinstance(state, Mapping):
            called, wanted = f"{type(self).__name__}.load_state_dict(state)", "wants a dict of arrays by name"
            got, hint = f"a {type(state).__name__}", "load_state_dict(other.state_dict())"
            raise TypeError(lesson(called, wanted, got, "Nothing was loaded.", hint))
        hooked = [(path, module, module._hooks) for path, module in self.named_modules() if module._hooks]
        state = dict(state) if hooked else state
        for path, module, hooks in hooked:
            for _, hook in hooks.loading:
                hook(module, state, f"{path}." if path else "", {}, strict, [], [], [])
        own = self._state()
        state = with_own_names(state, self.named_modules())
        missing = [name for name in own if name not in state and not counted_late(name)]
        unexpected = [name for name in state if name not in own]
        arrays = {k: _plain(v) for k, v in state.items() if k in own}
        wrong = [
            f"{k} is {a.shape}, wants {own[k].shape}" for k, a in arrays.items() if a.shape != own[k].shape
        ]
        called = f"{type(self).__name__}.load_state_dict(state)"
        if wrong:
            wanted = f"wants the model's shapes, {len(wrong)} of {len(own)} differ"
            hint = "a model built with the sizes that the file was saved with"
            raise ValueError(lesson(called, wanted, "; ".join(wrong), "Nothing was loaded.", hint))
        strange = [f"{k} is {a.dtype}" for k, a in arrays.items() if not _fits(a.dtype, own[k].dtype)]
        if strange:
            where, hint = "Nothing was loaded.", "the real part of complex numbers, numbers for text"
            raise TypeError(lesson(called, "wants real numbers", "; ".join(strange), where, hint))
        if strict and (missing or unexpected):
            got = [f"missing {', '.join(missing)}"] * bool(missing)
            got += [f"unexpected {', '.join(unexpected)}"] * bool(unexpected)
            wanted = f"wants the model's {len(own)} names"
            hint = hint_for(own, state)
            raise KeyError(Unquoted(lesson(called, wanted, "; ".join(got), "Nothing was loaded.", hint)))
        for name, array in arrays.items():
            assign(own[name], array.astype(own[name].dtype))
        result = Incompatible(missing, unexpected)
        for _, module, hooks in hooked:
            for _, hook in hooks.loaded:
                hook(module, result)
        return result

    # --- how it looks ---------------------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """Return what stands between the parentheses of `repr`, such as `in_features=2`: those of `shown`."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown)

    def _lines(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        children = list(self.named_children())
        head = f"{prefix}{type(self).__name__}({self.extra_repr()}"
        count = self.count_parameters()
        if not children:
            yield head + ")", count
            return
        yield head, count
        for name, own in self._named(Parameter, "", False):
            yield f"  ({name}): Parameter{own.shape}", own.size
        for name, child in children:
            for line, number in child._lines(f"({name}): "):
                yield "  " + line, number
        yield ")", 0

    def __repr__(self) -> str:
        lines = list(self._lines())
        width = max(len(line) for line, number in lines if number) if lines[0][1] else 0
        total = f"{lines[0][1]:,} parameters"
        counts = [total, *(f"{number:,}" if number else "" for _, number in lines[1:])]
        return "\n".join(
            f"{line:{width}}  # {count}" if number else line
            for (line, number), count in zip(lines, counts, strict=True)
        )


def _fits(given: Any, own: Any) -> bool:
    """Tell whether numbers of a dtype can be taken over: imaginary parts would be lost, and text is none."""
    return given.kind == own.kind or given.kind not in "cSUOmM"


class Unquoted(Lesson):
    """A message that KeyError prints as it stands, not as a quoted string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _identity(value: Any) -> Any:
    """Return what tells this value from another that would be computed with differently."""
    if issubclass(type(value), (tuple, list, dict)):
        return repr(value)
    if issubclass(type(value), Module):  # asked before each compiled call: to miss an attribute makes a hint
        return id(value), None
    return id(value), getattr(value, "requires_grad", None)


def _plain(value: Any) -> Any:
    """Return the array in a Tensor, ours or PyTorch's, or made of anything else."""
    if isinstance(value, Tensor):
        return read(value)
    return np.asarray(
        value.detach().cpu().numpy() if hasattr(value, "detach") and hasattr(value, "cpu") else value
    )
