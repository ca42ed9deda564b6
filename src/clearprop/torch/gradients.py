"""Where gradients are wanted: `no_grad` and its relatives, as blocks, decorators and switches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from clearprop import modes
from clearprop.modes import Block, mode


class _Switch:
    """A block, a decorator with or without parentheses."""

    block: Block = modes.no_grad()  # one for all: it holds nothing of the time that it is entered

    def __new__(cls, function: Any = None, *args: Any) -> Any:
        """Decorate a function, or make a block."""
        made = object.__new__(cls)
        return made(function) if callable(function) else made

    def __init__(self, function: Any = None, *args: Any) -> None:
        """It has been decided: a block keeps nothing."""

    def __enter__(self) -> None:
        self.block.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.block.__exit__(*error)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Run a function inside such a block."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.block:
                return function(*args, **kwargs)

        return inside


class no_grad(_Switch):
    """Compute without remembering.

    >>> import clearprop.torch as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with no_grad():
    ...     z = 2 * w
    >>> z.requires_grad
    False
    """


class inference_mode(_Switch):
    """Compute without remembering.

    >>> import clearprop.torch as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with inference_mode():
    ...     z = 2 * w
    >>> z.requires_grad
    False
    """


class enable_grad(_Switch):
    """Remember again.

    >>> import clearprop.torch as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     z = 2 * w
    >>> z.requires_grad
    True
    """

    block = modes.enable_grad()


class set_grad_enabled:
    """Say from here on, or inside the block, whether to remember.

    >>> import clearprop.torch as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with set_grad_enabled(False):
    ...     z = 2 * w
    >>> z.requires_grad
    False
    """

    def __init__(self, mode: bool) -> None:
        self._block = Block(grad_enabled=bool(mode))
        self._block.__enter__()

    def __enter__(self) -> None:
        """It has begun."""

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)


def is_grad_enabled() -> bool:
    """Tell whether results remember how they were computed.

    >>> import clearprop.torch as torch
    >>> with torch.no_grad():
    ...     is_grad_enabled()
    False
    """
    return mode.grad_enabled
