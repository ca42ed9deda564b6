"""The table of PyTorch's functions by their names: of the module, methods, and what writes in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""`torch.name(x, ...)`; as a method `x.name(...)`; and `x.name_(...)` writes the result into `x`."""

PLAIN: dict[str, Callable[..., Any]] = {}
"""`torch.name(...)` whose first argument is no tensor: it is no method."""

METHODS: dict[str, Callable[..., Any]] = {}
"""`x.name(...)` that is no function of the module, `x.name_(...)` that is not its function written back."""


def function(f: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function of tensors, under its own name without a last underscore."""
    FUNCTIONS[f.__name__.removesuffix("_")] = f
    return f


def plain(f: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function that is no method."""
    PLAIN[f.__name__.removesuffix("_")] = f
    return f


def method(f: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a method that is no function."""
    METHODS[f.__name__] = f
    return f
