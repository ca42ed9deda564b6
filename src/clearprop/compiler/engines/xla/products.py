"""Products of matrices at the precision that was asked for: which bits of their inputs are multiplied.

Sums are of float32 in any case, and other dtypes than float32 are multiplied as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax.numpy as jnp
from jax import lax

FULL: Any = lax.Precision.HIGHEST  # an accelerator's own float32 products have 8 or 10 bits
HIGHEST = "highest"
TF32_BITS = 10  # of the 23 after the point
_asked: ContextVar[str] = ContextVar("precision", default=HIGHEST)


@contextmanager
def asked(precision: Any, op: str) -> Iterator[None]:
    """Multiply inside the block as `precision` says for an op: a word for all, or words by the ops' names."""
    word = precision.get(op, HIGHEST) if isinstance(precision, Mapping) else precision or HIGHEST
    token = _asked.set(word)
    try:
        yield
    finally:
        _asked.reset(token)


def product(*xs: Any, by: Callable[..., Any] = jnp.matmul, **how: Any) -> Any:
    """Return `by(*xs, **how)`, a sum of products, of rounded inputs where that was asked for."""
    word = _asked.get()
    if word == HIGHEST or jnp.result_type(*xs) != jnp.float32:
        return by(*xs, precision=FULL, **how)
    if word == "tf32":  # rounded here, so that every device multiplies the same numbers
        xs = tuple(lax.reduce_precision(x, 8, TF32_BITS) for x in xs)
        return by(*xs, precision=lax.Precision.HIGH, **how)
    xs = tuple(x.astype(jnp.bfloat16) for x in xs)
    return by(*xs, preferred_element_type=jnp.float32, **how)
