"""A module's Tensor computed from others at each use, as in `torch.nn.utils.parametrize`."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from clearprop import structure
from clearprop.errors import lesson
from clearprop.modes import mode, no_grad
from clearprop.nn.container import ModuleDict, ModuleList
from clearprop.nn.module import Buffer, Module, Parameter
from clearprop.op import describe
from clearprop.record import assign
from clearprop.tensor import raw

M = TypeVar("M", bound=Module)


class _Cache:
    """What was computed inside of `cached()` blocks, and from which values."""

    def __init__(self) -> None:
        self.depth = 0
        self.found: dict[Any, tuple[list[Any], Any]] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Compute every parametrized Tensor once inside the block, not at each use.

    What is kept is for the values it was computed from: after an optimizer's step it is computed anew.
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.found.clear()


class ParametrizationList(ModuleList):
    """What a parametrized Tensor is computed from and by which modules, one after the other.

    It holds `original`, or `original0`, `original1`, ... where a `right_inverse` gave several.
    """

    def __init__(self, modules: Any, original: Any) -> None:
        super().__init__(modules)
        self._parts: tuple[str, ...] = ("original",)
        try:
            parts = self._inverted(original)
        except NotImplementedError:  # what the original is to be, only its parametrization knows
            parts = original
        kind = type(original)
        if isinstance(parts, (tuple, list)):
            self._parts = tuple(f"original{i}" for i in range(len(parts)))
            for name, part in zip(self._parts, parts, strict=True):
                setattr(self, name, _like(kind, part))
        else:
            if np.shape(parts) == original.shape:
                _set(original, parts)
            else:
                original = _like(kind, parts)
            self.original = original

    def _inverted(self, value: Any) -> Any:
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
        return value

    @property
    def originals(self) -> list[Any]:
        """The Tensors that it is computed from."""
        return [self.__dict__[name] for name in self._parts]

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the parametrized Tensor has this value, as far as it can."""
        parts = self._inverted(value)
        for own, part in zip(self.originals, parts if len(self._parts) > 1 else [parts], strict=True):
            _set(own, part)

    def forward(self) -> Any:
        """Return the parametrized Tensor."""
        first, *others = list(self)
        x = first(*self.originals)
        for module in others:
            x = module(x)
        return x

    # --- what a module asks of those who compute its attributes
    def of(self, module: Module) -> Any:
        """Return the Tensor: from the innermost `cached()` block if its values are the same still."""
        if not _cache.depth:
            return self()
        key = (id(self), id(mode.recorder), mode.grad_enabled, self.training)
        values = [t._value for _, t in (*self.named_parameters(), *self.named_buffers())]
        held = _cache.found.get(key)
        if held is None or len(held[0]) != len(values) or any(map(operator.is_not, held[0], values)):
            found = self()
            values = [t._value for _, t in (*self.named_parameters(), *self.named_buffers())]
            held = _cache.found[key] = (values, found)
        return held[1]

    def put(self, module: Module, name: str, value: Any) -> None:
        """Take a value that is set as the attribute; RuntimeError where no original is known to give it."""
        for one in self:
            if not hasattr(one, "right_inverse"):
                called, kind = f"{type(module).__name__}.{name} = value", type(one).__name__
                wanted = f"{kind} does not implement right_inverse, which would say what to compute it from"
                hint = f"{kind}.right_inverse(value), or module.parametrizations.{name}.original"
                raise RuntimeError(lesson(called, wanted, "", "Nothing was changed.", hint))
        self.right_inverse(value)


def _set(own: Any, value: Any) -> None:
    """Assign a value to an original that has it not yet."""
    if value is not own:
        assign(own, value.astype(own.dtype) if value.dtype != own.dtype else value)


def _like(kind: type[Any], value: Any) -> Any:
    array = np.array(raw(value))
    return Parameter(array) if issubclass(kind, Parameter) else Buffer(array)


def register_parametrization(
    module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> M:
    """Let `parametrization(original)` stand for the Parameter or Buffer `tensor_name`; return the module.

    The original moves to `module.parametrizations.NAME.original`, which the optimizer trains and the state
    dict holds, and is what `parametrization.right_inverse(old)` gives if there is one. A second
    parametrization is applied to what the first gives. Unless `unsafe`, the result has to have the old shape
    and dtype. Raises ValueError where the module has no such Tensor, or where the result does not fit.

    >>> from clearprop import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return np.triu(x) + np.triu(x, 1).T
    >>> layer = register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight.value == layer.weight.value.T).all())
    True
    """
    called = f"register_parametrization({type(module).__name__}, {tensor_name!r}, ...)"
    if is_parametrized(module, tensor_name):
        held = computed(module)[tensor_name]
        held.append(parametrization)
        if not unsafe:
            before = held.original if held._parts == ("original",) else None
            _checked(called, held, before, lambda: held.pop())
        return module
    original = module.__dict__.get(tensor_name)
    if not isinstance(original, (Parameter, Buffer)):
        known = ", ".join(k for k, v in module.__dict__.items() if isinstance(v, (Parameter, Buffer)))
        raise ValueError(lesson(called, "wants the name of a Parameter or Buffer", f"it has {known}"))
    old = original._value
    held = ParametrizationList([parametrization], original)
    if not unsafe:
        _checked(called, held, original, lambda: assign(original, old))
    delattr(module, tensor_name)
    if "parametrizations" not in module.__dict__:
        module.add_module("parametrizations", ModuleDict())
    module.__dict__["parametrizations"][tensor_name] = held
    computed(module)[tensor_name] = held
    structure.changed()
    return module


def _checked(called: str, held: ParametrizationList, like: Any, undo: Any) -> None:
    """Complain about a parametrization whose result is of another shape or dtype than the Tensor was."""
    with no_grad():
        found = held()
    if like is not None and (found.shape, found.dtype) != (like.shape, like.dtype):
        undo()
        wanted = f"wants a result like the Tensor, {describe(like)}"
        raise ValueError(lesson(called, wanted, describe(found), hint="unsafe=True where that is meant"))


def computed(module: Module) -> dict[str, Any]:
    """Return who computes which attributes of a module."""
    return module.__dict__.setdefault("_computed", {})


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Tell whether a module has parametrizations, or one of this Tensor."""
    held = module.__dict__.get("parametrizations")
    return isinstance(held, ModuleDict) and (len(held) > 0 if tensor_name is None else tensor_name in held)


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a parametrized Tensor a Parameter or Buffer again; return the module.

    It keeps the value that was computed, or, without `leave_parametrized`, takes that of its original.
    Raises ValueError where it is not parametrized, or where it would take one of several originals.
    """
    called = f"remove_parametrizations({type(module).__name__}, {tensor_name!r})"
    if not is_parametrized(module, tensor_name):
        raise ValueError(lesson(called, "is not parametrized"))
    held: ParametrizationList = computed(module)[tensor_name]
    alone = held._parts == ("original",)
    if not leave_parametrized and not alone:
        wanted = f"has {len(held._parts)} originals, so there is no one to go back to"
        raise ValueError(lesson(called, wanted, hint="leave_parametrized=True"))
    own = held.originals[0]
    if leave_parametrized:
        with no_grad():
            value = held()
        if alone and value.shape == own.shape:
            _set(own, value)
        else:
            own = _like(type(own), value)
    del computed(module)[tensor_name]
    del module.__dict__["parametrizations"][tensor_name]
    if not len(module.__dict__["parametrizations"]):
        delattr(module, "parametrizations")
    setattr(module, tensor_name, own)
    structure.changed()
    return module
