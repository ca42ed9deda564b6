"""`torch.utils.checkpoint`: forgetting what lies within a function, and running it again for gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from clearprop.torch.tensors import lift, lower
from clearprop.transforms import checkpoint as forgetting


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return what a function of tensors gives, and forget how: its backward pass runs the function again.

    The second run draws the same random numbers, and both words of PyTorch's for how it runs change nothing.

    >>> import clearprop.torch as torch
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> checkpoint(torch.exp, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([1.0000, 2.7183])
    """

    @functools.wraps(function, updated=())
    def of_nodes(*nodes: Any, **named: Any) -> Any:
        return lower(function(*lift(nodes), **lift(named)))

    return lift(forgetting(of_nodes)(*lower(args), **lower(kwargs)))


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """Return what modules one after the other give, of which all pieces but the last are forgotten."""
    steps = list(functions.children() if hasattr(functions, "children") else functions)
    size = max(len(steps) // segments, 1)
    starts = range(0, size * (segments - 1), size)
    for start in starts:
        input = checkpoint(_chain(steps[start : start + size]), input)
    return _chain(steps[size * (segments - 1) :])(input)


def _chain(functions: list[Any]) -> Callable[[Any], Any]:
    def chain(x: Any) -> Any:
        for f in functions:
            x = f(x)
        return x

    return chain
