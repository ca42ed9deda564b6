"""`Variant`: a recording under the conditions it was made in, and when its quick call is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from clearprop.compiler.capture.culprits import Picture
from clearprop.compiler.capture.guard import Guard, Lookout
from clearprop.compiler.capture.recording import Recording
from clearprop.compiler.capture.tables import LargeTables
from clearprop.modes import current, special
from clearprop.tensor import Tensor


class Called(Protocol):
    """What is known here of a compiled step: how it is called, in two ways."""

    def checked(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step, with all that it depends on checked in Python."""

    def ordinary(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step: as quickly where only other threads are in blocks."""


class Variant:
    """A recording under the conditions it was made in."""

    seconds: float

    recording: Recording
    guard: Guard
    without: list[Tensor]
    tree: Any
    mark: Any
    named: set[Tensor]

    def __init__(
        self,
        recording: Recording,
        guard: Guard,
        without: list[Tensor],
        tree: Any,
        mark: Any,
        seen: Picture,
    ) -> None:
        self.recording, self.guard, self.without, self.tree, self.mark = recording, guard, without, tree, mark
        self.picture = seen  # what was within reach: where a proof fails, what has changed since
        self.counts: bool = recording.counts  # whether it is for masks that pick as many entries as then
        self.subclassed: bool = False  # whether it is for arguments of a class that is not NumPy's own
        self.seconds = 0.0  # that it took to make
        self.tables: LargeTables | None = None  # what was read of the large ones
        self.watch: Lookout | None = None  # that of its last proof
        self.proofs = 0
        self.given_up = False
        self.named = set(guard.leaves)  # Tensors that are reached by name: none is an argument too
        self.quick: Any = None  # the call with its conditions checked in native code, where there is one
        self.beside: Any = None  # another one, for while other threads are in `no_grad()` or look on
        self.until: int = 1  # how many ordinary calls until the next try to make one
        self.tries: int = 0

    def ran(self, step: Called) -> None:
        """After an ordinary call: make the quick call, or make it anew where its conditions have moved."""
        self.until -= 1
        make = getattr(self.recording.executable, "quick", None)
        observed = current() is not None
        if self.until > 0 or make is None or observed or self.without or self.given_up or self.counts:
            return  # without: a gradient that must be None is one after the call; counts: it may step aside
        if self.subclassed:  # a quick call takes plain arrays
            return
        self.tries += 1
        self.until = 1 << min(self.tries, 8)  # where conditions keep moving, making it costs little beside
        if self.recording.store.ready():
            if special.blocks:
                self.beside = make(self, step.checked, True)
            else:
                self.quick = make(self, step.ordinary, False)

    def holds(self, arguments: Iterable[Tensor] = ()) -> bool:
        """Tell whether the conditions are met: variables, modes, and gradients that were None."""
        if self.without and any(t.grad is not None for t in self.without):
            return False
        return self.named.isdisjoint(arguments) and self.guard.holds()
