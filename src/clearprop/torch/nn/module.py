"""`Module` with PyTorch's face: it holds what a module of clearprop holds, and takes and gives tensors.

A layer has two faces with one `__dict__`. The core's own class computes, on nodes, and is not written again;
the face turns tensors into nodes and back, and answers in kind where the core calls it inside of a model.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import GeneratorType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from clearprop import nn as own
from clearprop.errors import at_line, lesson
from clearprop.modes import forgets, special
from clearprop.nn.hooks import Gate
from clearprop.nn.older import counted_late, with_own_names
from clearprop.record import assign
from clearprop.torch import cells, dtypes
from clearprop.torch.nn.places import in_own_words, on_a_device, placed
from clearprop.torch.tensors import Node, Parameter, Tensor, is_outside, lift, lower, through

Self = TypeVar("Self", bound="Module")
FACES: dict[type[own.Module], type[Module]] = {}
"""Which class with PyTorch's face each layer of the core has."""


class Loaded(NamedTuple):
    """What `load_state_dict(strict=False)` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class _TensorGate(Gate):
    """A gate for backward hooks whose inputs, outputs and gradients are tensors."""

    def entered(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, those with a gradient as nodes of this gate."""
        return lift(super().entered(lower(args)))

    def left(self, output: Any) -> Any:
        """Return the output, what has a gradient in it as nodes of this gate."""
        return lift(super().left(lower(output)))


class _HeldByName(MutableMapping[str, Any]):
    """What of one kind a module holds, by name: a change here is one of the module's attributes."""

    def __init__(self, module: Any, kind: type[Any]) -> None:
        self.module, self.kind = module, kind

    def __getitem__(self, name: str) -> Any:
        if not isinstance(self.module.__dict__.get(name), self.kind):
            raise KeyError(name)
        return getattr(self.module, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self.module, name, value)

    def __delitem__(self, name: str) -> None:
        delattr(self.module, name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in list(self.module.__dict__.items()) if isinstance(value, self.kind))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


def _either_way(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of tensors that gives nodes for nodes."""

    @functools.wraps(f)
    def method(x: Any) -> Any:
        return lower(f(lift(x))) if isinstance(x, Node) else f(x)

    return method


def _of_nodes(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook of tensors as one of what the core's backward pass sends: arrays, or nodes."""

    def with_gradients(module: Any, *grads: Any) -> Any:
        found = hook(module, *map(lift, grads))
        if found is None:
            return None
        recorded = any(isinstance(g, Node) for held in grads for g in held)
        made = [None if g is None else lower(g) for g in (found if isinstance(found, tuple) else (found,))]
        return tuple(g if recorded or g is None else g._value for g in made)

    return with_gradients


class Module(own.Module):
    """A layer or a model: assign Parameters, buffers and Modules as attributes and write `forward`.

    >>> import clearprop.torch as torch
    >>> class Double(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = torch.nn.Linear(2, 3)
    ...
    ...     def forward(self, x):
    ...         return 2 * self.inner(x)
    >>> print(Double())
    Double(
      (inner): Linear(in_features=2, out_features=3, bias=True)
    )
    """

    computes: type[own.Module] = own.Module

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def twin(self) -> Any:
        """Return the module of the core that this is: another face of the same attributes."""
        other = object.__new__(type(self).computes)
        object.__setattr__(other, "__dict__", object.__getattribute__(self, "__dict__"))
        return other

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output of tensors; of nodes, where the core calls it, a node."""
        for x in (*args, *kwargs.values()) if kwargs else args:
            if isinstance(x, Node):
                break
        else:
            return super().__call__(*args, **kwargs)
        args = tuple(lift(x) if isinstance(x, Node) else x for x in args)
        return lower(
            super().__call__(*args, **{k: lift(v) if isinstance(v, Node) else v for k, v in kwargs.items()})
        )

    # --- attributes ----------------------------------------------------------------------------------------
    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name == "right_inverse":  # which the core calls with nodes
            return _either_way(value)
        return lift(value) if isinstance(value, Node) else value

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        return lift(value) if isinstance(value, Node) else value

    def __setattr__(self, name: str, value: Any) -> None:
        old = object.__getattribute__(self, "__dict__").get(name)
        if name in self.__dict__.get("_computed", ()):  # by a parametrization, which takes its inverse
            value = lower(value)
        elif isinstance(value, Parameter):
            value = value._cell.node
        elif isinstance(value, Tensor) and isinstance(old, own.Buffer):
            new = value.node
            if new is old:
                return
            if new.shape == old.shape and new.dtype == old.dtype:
                assign(old, new.detach())
                return
            value = own.Buffer(new, persistent=old.persistent)
        super().__setattr__(name, value)

    def _refuse_hidden(self, name: str, value: Any) -> None:
        """A plain list is what it is in PyTorch too: modules in it are not found."""

    def register_parameter(self, name: str, param: Any) -> None:
        """Set an attribute that is a Parameter, or None."""
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Set an attribute that is part of the state but not trained."""
        made = None if tensor is None else own.Buffer(tensor.node, persistent=persistent)
        super().__setattr__(name, made)

    register_module: Callable[..., Any] = own.Module.add_module

    def _gate(self, hooks: Any) -> Gate:
        return _TensorGate(self, hooks)

    def _register(self, when: str, hook: Any, first: bool = False, given: Any = None) -> Any:
        backwards = when in ("arriving", "backward")
        return super()._register(when, _of_nodes(hook) if backwards else hook, first, given)

    def register_forward_hook(self, hook: Any, *, always_call: bool = False, **how: Any) -> Any:
        """Call `hook(module, args, output)` after each call; what it returns, if anything, is the output.

        NotImplementedError for `always_call`: where `forward` raises there is no output to call it with.
        """
        if always_call:
            wanted = "calls hooks after a forward that has an output"
            hint = "try: ... finally: around the call of the model"
            called = "register_forward_hook(always_call=True)"
            raise NotImplementedError(lesson(called, wanted, "a forward that raises, too", at_line(), hint))
        return super().register_forward_hook(hook, **how)

    def get_parameter(self, target: str) -> Any:
        """Return the Parameter of this path; AttributeError where there is none."""
        return self._at(target, "Parameter", self.named_parameters())

    def get_buffer(self, target: str) -> Any:
        """Return the buffer of this path; AttributeError where there is none."""
        return self._at(target, "buffer", self.named_buffers())

    def _at(self, target: str, kind: str, named: Any) -> Any:
        known = dict(named)
        if target not in known:
            raise AttributeError(lesson(f"model.get_...({target!r})", f"there is no such {kind}"))
        return known[target]

    # --- what belongs to it --------------------------------------------------------------------------------
    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Any:
        """Give every Parameter with its path, once, or for every place that it has."""
        if not remove_duplicate:
            return self._everywhere(own.Parameter, prefix, recurse)
        return ((name, lift(p)) for name, p in self.twin().named_parameters(prefix, recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Any:
        """Give every buffer with its path, once, or for every place that it has."""
        if not remove_duplicate:
            return self._everywhere(own.Buffer, prefix, recurse)
        return ((name, lift(b)) for name, b in self.twin().named_buffers(prefix, recurse))

    def _everywhere(self, kind: type[Any], prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        for path, module in self.named_modules(prefix, remove_duplicate=False):
            for name, value in module.__dict__.items() if recurse or path == prefix else ():
                if isinstance(value, kind):
                    yield (f"{path}.{name}" if path else name), lift(value)

    def named_modules(  # type: ignore[override]
        self, memo: Any = None, prefix: Any = "", remove_duplicate: bool = True
    ) -> Any:
        """Give this module and all below with their paths, each once, or for every place that it has."""
        if isinstance(memo, str):  # the core hands on the path, and then what was seen
            memo, prefix = prefix if isinstance(prefix, set) else None, memo
        return super().named_modules(prefix, memo) if remove_duplicate else self._all(prefix)

    def _all(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._all(f"{prefix}.{name}" if prefix else name)

    @property
    def _modules(self) -> _HeldByName:
        return _HeldByName(self, own.Module)

    @property
    def _parameters(self) -> _HeldByName:
        return _HeldByName(self, own.Parameter)

    @property
    def _buffers(self) -> _HeldByName:
        return _HeldByName(self, own.Buffer)

    # --- changing all of it --------------------------------------------------------------------------------
    def zero_grad(self, set_to_none: bool = True) -> None:  # type: ignore[override]
        """Forget the gradients, or make them 0."""
        for p in self.parameters():
            if set_to_none or p.grad is None:
                p.grad = None
            else:
                p.grad.zero_()

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Say whether the Parameters are to be trained; return this module."""
        self.twin().requires_grad_(requires_grad)
        return self

    def to(
        self: Self, *where: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False
    ) -> Self:
        """Convert to a floating-point dtype, or move to the cpu; return this module."""
        for word in where:
            if isinstance(word, (dtypes.dtype, Tensor)):
                dtype = word if isinstance(word, dtypes.dtype) else word.dtype
            elif not isinstance(word, bool):
                device = word
        dtypes.here(device)
        if dtype is not None:
            self.twin().to(dtypes.numpy_dtype(dtype))
        return self

    def float(self: Self) -> Self:
        """Convert to float32; return this module."""
        return self.to(dtypes.float32)

    def double(self: Self) -> Self:
        """Convert to float64; return this module."""
        return self.to(dtypes.float64)

    def half(self: Self) -> Self:
        """Convert to float16; return this module."""
        return self.to(dtypes.float16)

    def cpu(self: Self) -> Self:
        """Return this module: it is on the cpu."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """Raise RuntimeError: there is no other device."""
        return self.to("cuda")

    def compile(self, *how: Any, **options: Any) -> None:
        """Do nothing: `clearprop.compile(step)` compiles whole training steps."""

    # --- its state -----------------------------------------------------------------------------------------
    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Return all Parameters and persistent buffers by path, as detached tensors of the same memory.

        With `keep_vars` they are the tensors themselves; `destination` is a dict that takes them up.
        """
        found: Any = OrderedDict() if destination is None else destination
        for name, t in self._state().items():
            found[prefix + name] = lift(t) if keep_vars else lift(t).detach()
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take over the numbers of a state dict, all or none; RuntimeError where names or shapes differ.

        NotImplementedError for `assign` of another dtype than the module has: tensors keep theirs here.
        """
        arrays = {
            name: t.node._value if isinstance(t, Tensor) else np.asarray(t) for name, t in state_dict.items()
        }
        own = self._state()
        other = [name for name, x in arrays.items() if name in own and own[name].dtype != x.dtype]
        if assign and other:
            called, wanted = "load_state_dict(assign=True)", "leaves each tensor the dtype that it has"
            got = f"{other[0]} of {arrays[other[0]].dtype}"
            hint = f"model.to(torch.{arrays[other[0]].dtype}) before it"
            raise NotImplementedError(lesson(called, wanted, got, at_line(), hint))
        try:
            return Loaded(*self.twin().load_state_dict(arrays, strict))
        except (KeyError, ValueError) as error:
            hint = self._unmatched(arrays, strict)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}: {error.args[0]}{hint}"
            ) from error

    def _unmatched(self, arrays: Mapping[str, Any], strict: bool) -> str:
        """Return, in PyTorch's words, which names and shapes of a state dict are not this module's."""
        own, found = self._state(), ""
        arrays = with_own_names(arrays, self.named_modules())
        shapes = {name: (arrays[name].shape, t.shape) for name, t in own.items() if name in arrays}
        lacking = [name for name in own.keys() - arrays if not counted_late(name)]
        for words, names in (("Missing", lacking), ("Unexpected", arrays.keys() - own)):
            if names and strict:
                found += f"\n  {words} key(s) in state_dict: {', '.join(repr(n) for n in sorted(names))}."
        for name, (got, wanted) in shapes.items():
            if got != wanted:
                found += f"\n  size mismatch for {name}: {got} in the state dict, {wanted} in the model."
        return found

    # --- how it looks --------------------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """Return what stands between the parentheses, as PyTorch has it."""
        how = SHOWN.get(type(self).computes.__name__)
        return how(self) if how is not None else super().extra_repr()

    def __repr__(self) -> str:
        extra = self.extra_repr()
        rows = [(name, repr(child)) for name, child in self.named_children()]
        if issubclass(type(self).computes, own.ModuleList) and not issubclass(
            type(self).computes, own.Sequential
        ):
            rows = [_together(list(same)) for _, same in itertools.groupby(rows, key=lambda row: row[1])]
        lines = [f"({name}): " + text.replace("\n", "\n  ") for name, text in rows]
        kind = "Parametrized" * ("parametrizations" in self.__dict__) + type(self).__name__
        if not lines:
            return f"{kind}({extra})"
        extra = f"\n  {extra}" if extra else ""
        return f"{kind}({extra}\n  " + "\n  ".join(lines) + "\n)"


def _together(rows: list[tuple[str, str]]) -> tuple[str, str]:
    """Return neighbours that print alike as one: `(0-1): 2 x Linear(...)`."""
    name, text = rows[0]
    return rows[0] if len(rows) == 1 else (f"{name}-{rows[-1][0]}", f"{len(rows)} x {text}")


SHOWN: dict[str, Callable[[Any], str]] = {}
"""How layers show themselves in PyTorch where the core's own words are others."""


def faced(module: Any) -> Any:
    """Return a module with PyTorch's face: itself, or another face of what the core made, parts and all."""
    kind = None if isinstance(module, Module) else FACES.get(type(module))
    if kind is None:
        return module
    made = object.__new__(kind)
    object.__setattr__(made, "__dict__", module.__dict__)
    face_parts(module.__dict__)
    return made


def face_parts(attributes: dict[str, Any]) -> None:
    """Give the modules among some attributes PyTorch's face, once for all: each stays the same object."""
    for name, value in attributes.items():
        if isinstance(value, own.Module):
            attributes[name] = faced(value)


def _answer(self: Module, twin: Any, found: Any) -> Any:
    if found.__class__ is Node:
        return lift(found)
    if found is twin:
        return self
    if isinstance(found, own.Module):
        return faced(found)
    if isinstance(found, (GeneratorType, Iterator)):
        return (_answer(self, twin, x) for x in found)
    if isinstance(found, list) and found and isinstance(found[0], own.Module):
        return [faced(x) for x in found]
    return lift(found)


def _delegated(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    parameters = [*inspect.signature(function).parameters][1:] if name == "forward" else []

    def method(self: Module, *args: Any, **kwargs: Any) -> Any:
        twin = self.twin()
        in_own_words(parameters, kwargs)
        try:
            found = getattr(type(self).computes, name)(
                twin, *map(_lowered, args), **{k: _lowered(v) for k, v in kwargs.items()}
            )
        except ValueError as error:
            raise RuntimeError(*error.args) from error
        found = _answer(self, twin, found)
        if name == "forward" and self.__dict__.get("inplace") and isinstance(found, Tensor):
            return args[0].write(found.node, f"{type(self).__name__}(inplace=True)")
        return found

    method.__name__ = name
    return method


def _lowered(x: Any) -> Any:
    if isinstance(x, Tensor):
        if is_outside(x):
            return cells.leaf(np.array(x.node._value))  # a layer's gradient remembers what came in
        return x.node
    if callable(x) and not isinstance(x, (type, own.Module, Tensor)):
        return _called_with_nodes(x)
    return lower(x)


def _called_with_nodes(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of tensors that the core calls: a distance, an activation."""

    @functools.wraps(f)
    def function(*xs: Any, **how: Any) -> Any:
        given = any(isinstance(x, (Node, np.ndarray)) for x in xs)
        return lower(f(*map(lift, xs), **how)) if given else f(*xs, **how)

    return function


def _making(kind: type[own.Module]) -> Callable[..., None]:
    """Return how a layer is made from PyTorch's arguments: as the core makes it."""
    by_place = _by_place(kind)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        args = placed(kind.__name__, args, kwargs)
        if by_place is not None:
            args = on_a_device(by_place, args, kwargs)
        inplace = kwargs.pop("inplace", False)
        for name in ("enable_nested_tensor", "mask_check"):  # how PyTorch runs it, not what it is
            kwargs.pop(name, None)
        dtypes.here(kwargs.pop("device", None))
        if kwargs.get("dtype", 0) is None:
            kwargs.pop("dtype")
        if args and args[-1].__class__ is bool and _takes_inplace(kind, len(args)):
            *rest, inplace = args
            args = tuple(rest)
        made = kind(*map(_lowered, args), **{k: _lowered(v) for k, v in kwargs.items()})
        self.__dict__.update(made.__dict__)
        face_parts(self.__dict__)
        if inplace:
            self.__dict__["inplace"] = True

    return __init__


def layer(kind: type[own.Module]) -> type[Module]:
    """Return the class with PyTorch's face that computes as a layer of the core does."""
    fields: dict[str, Any] = {
        "__init__": _making(kind),
        "computes": kind,
        "__doc__": kind.__doc__,
        "__module__": "clearprop.torch.nn",
    }
    for ancestor in reversed(kind.__mro__[: kind.__mro__.index(own.Module)]):
        for name, value in vars(ancestor).items():
            if inspect.isfunction(value) and name not in (
                "__init__",
                "extra_repr",
                "__setattr__",
                "__repr__",
            ):
                fields[name] = _delegated(name, value)
            elif isinstance(value, staticmethod):
                fields[name] = staticmethod(through(value.__func__))
    if "forward" in fields:
        fields["__call__"] = _call_of(kind, fields["forward"])
    found = type(kind.__name__, (Module, kind), fields)
    FACES[kind] = found
    return found


def _call_of(kind: type[own.Module], forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return how a layer is called that computes as the core's: at once, where nobody else has a say."""

    parameters = [*inspect.signature(kind.forward).parameters][1:]

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        held = object.__getattribute__(self, "__dict__")
        changed = "forward" in held or "inplace" in held or type(self).forward is not forward
        if changed or held.get("_hooks") is not None or (special.blocks and not forgets()):
            return Module.__call__(self, *args, **kwargs)
        if kwargs:
            in_own_words(parameters, kwargs)
            kwargs = {k: _lowered(v) for k, v in kwargs.items()}
        twin = object.__new__(kind)
        object.__setattr__(twin, "__dict__", held)
        given = [x if x.__class__ is Node else _lowered(x) for x in args]
        try:
            found = kind.__call__(twin, *given, **kwargs)
        except ValueError as error:
            raise RuntimeError(*error.args) from error
        inside = any(x.__class__ is Node for x in args)
        return found if inside else _answer(self, twin, found)

    return __call__


def _by_place(kind: type[own.Module]) -> tuple[str, ...] | None:
    """Return the arguments that a layer of the core takes by place; None for one that has no dtype."""
    parameters = inspect.signature(kind.__init__).parameters
    by_place = tuple(p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD)
    return by_place[1:] if "dtype" in parameters else None


def _takes_inplace(kind: type[own.Module], count: int) -> bool:
    """Tell whether a flag that was given last by position can only be `inplace`."""
    names = [*inspect.signature(kind.__init__).parameters]
    return count >= len(names)
