"""`KeyValueCache`: what attention has computed of earlier places, for generating one place at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn.functional.layer import arrayed, recording
from clearprop.op import describe
from clearprop.tensor import Tensor, raw


class KeyValueCache:
    """The keys and values (..., S, E) of the places seen so far; each layer of a model has one of its own.

    A place is computed once: a step of generation costs S, not S^2. It holds numbers, so it is for use under
    `no_grad()`; room is doubled when it runs out. `cache.mask(L)` is for several new places at once.

    >>> cache = KeyValueCache()
    >>> for t in range(3):
    ...     keys, values = cache.extended(np.full((1, 1, 2), t), np.full((1, 1, 4), t))
    >>> keys[0, :, 0], values.shape, len(cache)
    (array([0, 1, 2]), (1, 3, 4), 3)
    """

    def __init__(self) -> None:
        self._length = 0
        self._held: list[Any] = []

    def __len__(self) -> int:
        return self._length

    def clear(self) -> None:
        """Forget every place."""
        self._length, self._held = 0, []

    def extended(self, keys: Any, values: Any) -> tuple[Any, Any]:
        """Add new places at the end; return the keys and the values of all places.

        Raises TypeError for Tensors that need a gradient, RuntimeError in a step that is recorded (each call
        has another length), and ValueError for shapes that do not go on from those before.
        """
        called, given = "KeyValueCache.extended(keys, values)", [arrayed(keys), arrayed(values)]
        if recording():
            raise RuntimeError(lesson(called, "grows in each call, which no plan can", hint="an eager call"))
        for x in given:
            if isinstance(x, Tensor) and x.requires_grad:
                raise TypeError(
                    lesson(called, "holds numbers alone", describe(x), hint="with no_grad(): ...")
                )
        arrays = [raw(x) for x in given]
        new = arrays[0].shape[-2]
        for i, x in enumerate(arrays):
            like = self._held[i] if self._held else x
            if x.shape[-2] != new or x.shape[:-2] + x.shape[-1:] != like.shape[:-2] + like.shape[-1:]:
                wanted = f"wants {new} places like those before, {describe(like)}"
                raise ValueError(lesson(called, wanted, describe(x)))
        total = self._length + new
        if not self._held or total > self._held[0].shape[-2]:
            self._held = [self._roomier(i, x, 2 * total) for i, x in enumerate(arrays)]
        for held, x in zip(self._held, arrays, strict=True):
            held[..., self._length : total, :] = x
        self._length = total
        return self._held[0][..., :total, :], self._held[1][..., :total, :]

    def _roomier(self, i: int, like: Any, room: int) -> Any:
        wider = np.zeros((*like.shape[:-2], room, like.shape[-1]), like.dtype)
        if self._held:
            wider[..., : self._length, :] = self._held[i][..., : self._length, :]
        return wider

    def mask(self, new: int) -> Any:
        """Return who may look at whom after `new` places were added: each at all before it and at itself."""
        places = np.arange(self._length)
        return places[self._length - new :, None] >= places
