"""Where an array came from: the way from an input through the ops to it, with the user's line of each."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from clearprop.errors import GradientError, lesson, user_line
from clearprop.modes import Observer, mode, observed

if TYPE_CHECKING:
    from clearprop.tensor import Tensor

LONGEST = 6  # ops of a way that are shown, the last ones
ORDINALS = ("1st", "2nd", "3rd")


class KeptLines(Observer):
    """The block that `keep_lines()` returns: it knows on which line each node was computed."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[int, str] = {}  # by serial
        self._blocks = ExitStack()

    def __enter__(self) -> KeptLines:
        if mode.observer is not None:
            wanted = (
                "cannot look on where a step is being recorded, batched or watched (which keeps lines, too)"
            )
            raise GradientError(lesson("keep_lines()", wanted, hint="the block around the whole call"))
        self._blocks.enter_context(observed(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.close()
        self._lines.clear()

    def saw(self, node: Tensor) -> None:
        """Note the line on which a node is computed."""
        self._lines[node.serial] = user_line()

    def line_of(self, node: Tensor) -> str:
        """Return the user's line on which a node was computed."""
        return self._lines.get(node.serial, "")


def keep_lines() -> KeptLines:
    """Return a block in which errors about shapes know the line of each op that led to an array.

    Without it they name the ops alone; `watch()` keeps the lines as well. Outside of the block it costs
    nothing. Raises GradientError where something else is looking on already.

    >>> import numpy as np
    >>> from clearprop import Tensor
    >>> x, w = Tensor(np.ones((2, 3)), name="x"), Tensor(np.ones((2, 4)), name="w")
    >>> with keep_lines():
    ...     h = np.tanh(x).T
    ...     try:
    ...         h @ w.T
    ...     except ValueError as error:
    ...         print(error)
    matmul((3, 2) float64, (4, 2) float64): inner sizes differ, 2 and 4.
      At <doctest ...>:4.
      The 1st, (3, 2): x (2, 3) -> tanh (<doctest ...>:2) -> transpose (3, 2) (<doctest ...>:2).
      The 2nd, (4, 2): w (2, 4) -> transpose (4, 2) (<doctest ...>:4).
      Try x @ y.T: the last axes are the ones that agree.
    """
    return KeptLines()


def origins(inputs: tuple[Any, ...]) -> list[str]:
    """Return a sentence for each input that was computed: the way to it, from an input of the graph on."""
    found = []
    for i, x in enumerate(inputs):
        if getattr(x, "op", None) is not None:
            place = ORDINALS[i] if i < len(ORDINALS) else f"{i + 1}th"
            found.append(f"The {place}, {x.shape}: {_way(x)}.")
    return found


def _way(x: Tensor) -> str:
    """Return the way to a node: where it goes through several, by the one with the largest array."""
    observer, nodes = mode.observer, [x]
    while nodes[-1].op is not None:
        before = [y for y in nodes[-1].inputs if hasattr(y, "op")]
        if not before:
            break
        nodes.append(max(before, key=lambda y: y.size))
    nodes.reverse()
    words = ["..."] if len(nodes) > LONGEST + 1 else []
    shape: Any = None
    for node in nodes[-LONGEST - 1 :]:
        named = (node.name or "an input") if node.op is None else node.op.name
        shown = f" {node.shape}" if node.shape != shape else ""
        line = observer.line_of(node) if observer is not None and node.op is not None else ""
        words.append(f"{named}{shown}" + (f" ({line})" if line else ""))
        shape = node.shape
    return " -> ".join(words)
