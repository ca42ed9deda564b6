"""Loops over typed arrays: which axes are one, and where an entry lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clearprop.compiler.program.ir import Shape
from clearprop.compiler.program.strides import Steps


@dataclass(frozen=True)
class Loops:
    """Loops over an index space, with the strides of each array that is read or written in it.

    Axes that lie in a row in all arrays are one loop; those of length 1 are none.
    """

    lengths: tuple[int, ...]
    strides: tuple[Steps, ...]
    letter: str = "i"

    @classmethod
    def over(cls, shape: Shape, strides: Sequence[Steps], letter: str = "i") -> Loops:
        """Return the fewest loops over a space.

        >>> Loops.over((2, 1, 3), [(3, 0, 1), (0, 0, 1)])
        Loops(lengths=(2, 3), strides=((3, 1), (0, 1)), letter='i')
        >>> Loops.over((2, 3), [(3, 1), (3, 1)]).lengths
        (6,)
        """
        lengths: list[int] = []
        kept: list[list[int]] = [[] for _ in strides]
        for axis, n in enumerate(shape):
            if n == 1:
                continue
            here = [s[axis] for s in strides]
            if lengths and all(k[-1] == s * n for k, s in zip(kept, here, strict=True)):
                lengths[-1] *= n
                for k, s in zip(kept, here, strict=True):
                    k[-1] = s
            else:
                lengths.append(n)
                for k, s in zip(kept, here, strict=True):
                    k.append(s)
        return cls(tuple(lengths), tuple(map(tuple, kept)), letter)

    @property
    def head(self) -> str:
        """The loops' heads, outermost first."""
        names = (f"{self.letter}{k}" for k in range(len(self.lengths)))
        return "".join(f"for(let {i}=0;{i}<{n};{i}++)" for i, n in zip(names, self.lengths, strict=True))

    def index(self, array: int, offset: int = 0) -> str:
        """Return where the entry of an array lies, by its number among those that the nest was made for."""
        return index(offset, self.strides[array], self.letter)


def index(offset: int, strides: Steps, letter: str = "i") -> str:
    """Return `offset + i0*s0 + i1*s1 + ...` as JavaScript.

    >>> index(4, (3, 1, 0)), index(0, ())
    ('4+i0*3+i1', '0')
    """
    terms = [f"{letter}{k}*{s}" if s != 1 else f"{letter}{k}" for k, s in enumerate(strides) if s]
    return "+".join([str(offset)] * bool(offset) + terms).replace("+-", "-") or "0"
