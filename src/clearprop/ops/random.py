"""Random numbers as a pure function of a state that anyone can read, save and set again."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.locks import lock
from clearprop.record import hand_over, read
from clearprop.tensor import Tensor

_ONE_CALL = np.array([0, 1], np.uint64)
_lock = lock()  # two threads must not draw from the same count


def _several(count: int, shape: tuple[int, ...], dtype: Any) -> dict[str, Any]:
    return {"shape": (count, *shape), "dtype": dtype}


@define("random_uniform", "opaque", None, facts=Facts(draws=_several))
def random_uniform(state: Any, *, shape: tuple[int, ...] = (), dtype: Any = np.float64) -> Any:
    """Numbers in [0, 1) of the given shape: a pure function of `state = (key, calls)`, two uint64.

    The generator is Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) with
    the key words (key, 0) and the counter words (block, calls, 0, 0), where blocks are counted from 1. A
    float64 takes the top 53 bits of one word; a float32 the top 24 bits of half a word, low half first.

    >>> state = np.array([7, 0], np.uint64)
    >>> random_uniform(state, shape=(3,)) == random_uniform(state, shape=(3,))
    array([ True,  True,  True])
    """
    key, calls = state
    generator = np.random.Generator(
        np.random.Philox(key=np.array([key, 0], np.uint64), counter=np.array([0, calls, 0, 0], np.uint64))
    )
    return generator.random(shape or None, np.dtype(dtype).type) if shape else _scalar(generator, dtype)


def _scalar(generator: np.random.Generator, dtype: Any) -> Any:
    return generator.random((1,), np.dtype(dtype).type)[0]


_state = Tensor(
    np.array([int.from_bytes(os.urandom(8), "little"), 0], np.uint64), "random state", requires_grad=False
)


def manual_seed(seed: int) -> None:
    """Set the state that initialisers, dropout and `uniform` draw from: the same seed gives the same bits.

    `seed` is an integer in [0, 2**64). Without this call every process starts from fresh entropy.

    >>> manual_seed(3); first = uniform((2,)).value
    >>> manual_seed(3); bool((uniform((2,)).value == first).all())
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ValueError(
            lesson(
                "manual_seed(seed)",
                "wants an integer from 0 to 2**64 - 1",
                f"{seed!r}",
                hint="manual_seed(0)",
            )
        )
    set_rng_state(np.array([seed, 0], np.uint64))


def get_rng_state() -> Any:
    """Return a copy of the random state, (key, calls) as two uint64, to be saved beside the weights.

    >>> manual_seed(3); get_rng_state()
    array([3, 0], dtype=uint64)
    """
    return np.array(_state._value)


def set_rng_state(state: Any) -> None:
    """Go back to a state that `get_rng_state` returned: what is drawn next is what was drawn then."""
    state = np.asarray(state)
    if state.shape != (2,) or state.dtype != np.uint64:
        raise ValueError(
            lesson(
                "set_rng_state(state)",
                "wants two uint64, (key, calls)",
                f"{state.shape} {state.dtype}",
                hint="what get_rng_state() returned, or manual_seed(0)",
            )
        )
    hand_over(_state, state.copy())


def uniform(
    shape: tuple[int, ...] = (), low: float = 0.0, high: float = 1.0, dtype: Any = np.float64
) -> Tensor:
    """Draw numbers in [low, high) from the global state, which moves on by one call.

    While a step is recorded the state is read and assigned like any other, so a compiled step draws what an
    eager one would have drawn, and new numbers at each call.

    >>> manual_seed(3)
    >>> uniform((2, 3), -1.0, 1.0).shape
    (2, 3)
    """
    with _lock:
        drawn = random_uniform(_state, shape=tuple(shape), dtype=np.dtype(dtype))
        hand_over(_state, read(_state) + _ONE_CALL)
    return drawn if (low, high) == (0.0, 1.0) else drawn * (high - low) + low  # type: ignore[no-any-return]


def drawn_state() -> Tensor:
    """Return the global state as it is now, for an op that draws by itself, and move it on by one call."""
    with _lock:
        now = +_state
        hand_over(_state, read(_state) + _ONE_CALL)
    return now


def normal(
    shape: tuple[int, ...] = (), mean: float = 0.0, std: float = 1.0, dtype: Any = np.float64
) -> Tensor:
    """Draw from the normal distribution by Box and Muller: sqrt(-2 log u) cos(2 pi v), u in (0, 1].

    >>> manual_seed(3)
    >>> abs(float(normal((10_000,)).value.mean())) < 0.05
    True
    """
    u, v = 1.0 - uniform(shape), uniform(shape)
    drawn: Any = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
    return (drawn * std + mean).astype(np.dtype(dtype))  # type: ignore[no-any-return]
