"""What a DataLoader's worker processes are to be: PyTorch's options, checked, and the workers that stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.errors import lesson

if TYPE_CHECKING:
    from clearprop.data.crew import Crew


@dataclass
class Workforce:
    """Worker processes, `prefetch` batches ahead for each; with `persistent` they stay for the next epoch."""

    count: int = 0
    prefetch: int = 2
    init: Callable[[int], Any] | None = None
    persistent: bool = False
    timeout: float = 0
    context: Any = None
    _crew: Crew | None = field(default=None, repr=False)
    _epochs: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        called = "DataLoader(num_workers=)"
        if not is_whole(self.count) or self.count < 0:
            raise ValueError(lesson(called, "wants a whole number, 0 or more", repr(self.count)))
        if (
            isinstance(self.timeout, bool)
            or not isinstance(self.timeout, (int, float))
            or not self.timeout >= 0
        ):
            raise ValueError(lesson("DataLoader(timeout=)", "wants seconds, 0 or more", repr(self.timeout)))
        if self.init is not None and not callable(self.init):
            wanted = "wants a function of the worker's number"
            raise TypeError(lesson("DataLoader(worker_init_fn=)", wanted, repr(self.init)))
        asked = {"persistent_workers": self.persistent, "multiprocessing_context": self.context is not None}
        given = [name for name, is_given in asked.items() if is_given]
        if given and not self.count:
            wanted = "is about worker processes"
            raise ValueError(
                lesson(f"DataLoader({given[0]}=)", wanted, "there are none", hint="num_workers=2")
            )
        if isinstance(self.context, str):
            import multiprocessing

            ways = multiprocessing.get_all_start_methods()
            if self.context not in ways:
                wanted = f"wants one of {', '.join(ways)}"
                raise ValueError(lesson("DataLoader(multiprocessing_context=)", wanted, repr(self.context)))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_crew": None}  # a copy has workers of its own

    def batches(self, make: Any, tasks: Iterable[tuple[Any, Any]], words: tuple[int, ...]) -> Iterator[Any]:
        """Yield what the workers make of tasks, in order; `words` settle the workers' seeds."""
        from clearprop.data.crew import Crew

        crew, self._crew = self._crew, None  # a second loop meanwhile has workers of its own
        if crew is not None and not crew.makes(make):
            crew.stop()
            crew = None
        if crew is None:
            crew = Crew(make, self.count, words[0] >> 1, self.context, self.init, self.timeout)
        try:
            yield from crew.batches(tasks, self.prefetch)
        finally:
            if self.persistent and not crew.broken and self._crew is None:
                self._crew = crew
            else:
                crew.stop()

    def stream(self, make: Any, words: tuple[int, ...]) -> Iterator[Any]:
        """Yield what the workers make of samples that come as they come."""
        self._epochs += 1
        return self.batches(make, repeat((self._epochs, words)), words)


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
