"""Functions that are told of a module's calls, of its gradients, and of its state being saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop import structure
from clearprop.errors import GradientError, lesson
from clearprop.examined import Examined
from clearprop.hints import takes_truths
from clearprop.hooks import Handle
from clearprop.op import _next_serial, describe
from clearprop.tensor import Tensor

Function = Callable[..., Any]


class Hooks(NamedTuple):
    """The hooks of one module by when they are called: pairs of a number and a function, in order."""

    before: tuple[tuple[int, Function], ...] = ()
    after: tuple[tuple[int, Function], ...] = ()
    arriving: tuple[tuple[int, Function], ...] = ()
    backward: tuple[tuple[int, Function], ...] = ()
    saved: tuple[tuple[int, Function], ...] = ()
    loading: tuple[tuple[int, Function], ...] = ()
    loaded: tuple[tuple[int, Function], ...] = ()


class Hooked(Examined):
    """What registers hooks; every Module is one. A compiled step runs them while it is recorded.

    Registering or removing a hook makes a compiled step record itself again.
    """

    _hooks: Hooks | None = None

    def _gate(self, hooks: Hooks) -> Gate:
        return Gate(self, hooks)

    @takes_truths
    def register_forward_pre_hook(
        self, hook: Function, *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before each call; what it returns, if anything, are the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)`, which returns None or a pair.
        """
        return self._register("before", hook, prepend, None if with_kwargs else _before)

    @takes_truths
    def register_forward_hook(
        self, hook: Function, *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args, output)` after each call; what it returns, if anything, is the output.

        With `with_kwargs` it is `hook(module, args, kwargs, output)`.

        >>> from clearprop import nn
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_hook(lambda module, args, output: output + 1):
        ...     layer(np.array([-1.0, 2.0]))
        array([1., 3.])
        """
        return self._register("after", hook, prepend, None if with_kwargs else _after)

    @takes_truths
    def register_full_backward_pre_hook(self, hook: Function, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when all gradients of the outputs have arrived.

        It gets a tuple with None for what gets no gradient, and returns None or the tuple to go on with.
        """
        return self._register("arriving", hook, prepend)

    @takes_truths
    def register_full_backward_hook(self, hook: Function, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of all inputs are known.

        Both are tuples, with None for what gets no gradient; only positional arguments that are Tensors count
        as inputs. It returns None or the gradients of the inputs to go on with.
        """
        return self._register("backward", hook, prepend)

    def register_state_dict_post_hook(self, hook: Function) -> Handle:
        """Call `hook(module, state, prefix, {})` on every state dict that holds this module, to change it."""
        return self._register("saved", hook)

    def register_load_state_dict_pre_hook(self, hook: Function) -> Handle:
        """Call `hook(module, state, prefix, {}, strict, [], [], [])` on a copy of what is to be loaded."""
        return self._register("loading", hook)

    def register_load_state_dict_post_hook(self, hook: Function) -> Handle:
        """Call `hook(module, incompatible_keys)` after a state has been loaded."""
        return self._register("loaded", hook)

    def _register(
        self, when: str, hook: Function, first: bool = False, given: Function | None = None
    ) -> Handle:
        """Keep a hook; `given` makes one of it that takes keywords, too."""
        if not callable(hook):
            raise TypeError(lesson("register_..._hook(hook)", "wants a function", f"{hook!r}"[:60]))
        handle = Handle(self._remove)
        new = ((handle.number, given(hook) if given else hook),)
        hooks = self._hooks or Hooks()
        held = getattr(hooks, when)
        self._now(hooks._replace(**{when: new + held if first else held + new}))
        return handle

    def _remove(self, number: int) -> None:
        if self._hooks is not None:
            left = Hooks(*(tuple(pair for pair in held if pair[0] != number) for held in self._hooks))
            self._now(left if any(left) else None)

    def _now(self, hooks: Hooks | None) -> None:
        self.__dict__["_hooks"] = hooks
        structure.changed()


def _before(hook: Function) -> Function:
    def with_kwargs(module: Any, args: Any, kwargs: Any) -> Any:
        given = hook(module, args)
        return None if given is None else (given if isinstance(given, tuple) else (given,), kwargs)

    return with_kwargs


def _after(hook: Function) -> Function:
    return lambda module, args, kwargs, output: hook(module, args, output)


def between_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a call of the module gives, its hooks before and after it."""
    hooks: Hooks = module._hooks
    for _, hook in hooks.before:
        if (given := hook(module, args, kwargs)) is not None:
            args, kwargs = given
    gate = module._gate(hooks) if hooks.arriving or hooks.backward else None
    structure.used(module)
    start = _next_serial()
    output = module.forward(*(gate.entered(args) if gate else args), **kwargs)
    module._made.append((start, _next_serial()))
    for _, hook in hooks.after:
        if (given := hook(module, args, kwargs, output)) is not None:
            output = given
    return gate.left(output) if gate else output


class Gate:
    """What one call of a module lets through backwards: its inputs and outputs are nodes of their own here.

    Several inputs (or outputs) are parts of one node, so that all their gradients are there at once.
    """

    module: Any
    hooks: Hooks

    def __init__(self, module: Any, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.inputs: list[Any] = []
        self.arrived: tuple[Any, ...] = ()

    def entered(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, those with a gradient as nodes of this gate."""
        self.inputs = list(args)
        return tuple(self._gated(self.inputs, self._leave))

    def left(self, output: Any) -> Any:
        """Return the output, what has a gradient in it as nodes of this gate."""
        many = isinstance(output, (tuple, list))
        outputs = self._gated(list(output) if many else [output], self._arrive)
        return type(output)(outputs) if many else outputs[0]

    def _arrive(self, grads: tuple[Any, ...]) -> tuple[Any, ...] | None:
        for _, hook in self.hooks.arriving:
            grads = _tuple(hook(self.module, grads), grads)
        self.arrived = grads
        if not any(map(_needs, self.inputs)):
            for _, hook in self.hooks.backward:
                found = hook(self.module, (None,) * len(self.inputs), grads)
                if found is not None and any(g is not None for g in _tuple(found, ())):
                    wanted = "no input of this module has a gradient, so there is none to replace"
                    raise GradientError(lesson("register_full_backward_hook(hook)", wanted))
        return grads

    def _leave(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for _, hook in self.hooks.backward:
            grads = _tuple(hook(self.module, grads, self.arrived), grads)
        return grads

    def _gated(self, values: list[Any], told: Function) -> list[Any]:
        """Return the values, the Tensors among them anew: `told` sees their gradients, with None between."""
        at = [i for i, x in enumerate(values) if _needs(x)]
        if not at:
            return values
        tensors = [values[i] for i in at]
        if len({x.dtype for x in tensors}) > 1:
            called, wanted = (
                "register_full_backward_hook(hook)",
                "wants inputs of one dtype, and outputs of one",
            )
            raise TypeError(lesson(called, wanted, ", ".join(map(describe, tensors))))
        node: Any = +tensors[0] if len(at) == 1 else np.concatenate([x.reshape(-1) for x in tensors])

        def hook(g: Any) -> Any:
            full: list[Any] = [None] * len(values)
            for i, part in zip(at, _parts(g, tensors), strict=True):
                full[i] = part
            new = told(tuple(full))
            kept = [
                part if (made := new[i]) is None else made
                for i, part in zip(at, _parts(g, tensors), strict=True)
            ]
            return kept[0] if len(at) == 1 else np.concatenate([k.reshape(-1) for k in kept])

        node.register_hook(hook)
        values = list(values)
        # What is handed on is another node: hooks that somebody sets on it come before these.
        for i, part in zip(at, [+node] if len(at) == 1 else _parts(node, tensors), strict=True):
            values[i] = part
        return values


def _parts(joined: Any, like: list[Any]) -> list[Any]:
    """Cut a joined array into parts of these shapes; one alone is as it is."""
    if len(like) == 1:
        return [joined]
    ends = np.cumsum([0, *(x.size for x in like)])
    return [joined[a:b].reshape(x.shape) for a, b, x in zip(ends, ends[1:], like, strict=False)]


def _needs(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _tuple(given: Any, before: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a hook gave as a tuple as long as the one it was given, which stands if it gave nothing."""
    if given is None:
        return before
    found = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if before and len(found) != len(before):
        wanted = f"wants None or {len(before)} gradients, as many as it was given"
        raise GradientError(lesson("the hook of a module", wanted, f"{len(found)}"))
    return found
