"""A cluster: a group of boxes that a page can show as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(eq=False)
class Cluster:
    """Boxes that can be shown as one: `kids` are numbers of boxes, and groups."""

    title: str
    kind: str = ""
    """What it is: a module's class, how often which layer, or `loss`."""
    path: str = ""
    kids: list[Kid] = field(default_factory=list)
    parameters: int = 0
    likeness: Any = None
    """What equal modules share: class and shapes of parameters; None where the ops inside decide."""
    sealed: bool = False
    """Whether it stays closed at first, unless almost nothing would be seen: a run of equal layers."""
    loss: bool = False
    """Whether it is a loss, which is one box until the reader asks."""

    def boxes(self) -> Iterator[int]:
        """Give the numbers of all boxes inside, at any depth."""
        stack: list[Kid] = [self]
        while stack:
            kid = stack.pop()
            if isinstance(kid, Cluster):
                stack += reversed(kid.kids)
            else:
                yield kid

    def groups(self) -> Iterator[Cluster]:
        """Give this group and all inside it, the outer ones first."""
        stack = [self]
        while stack:
            group = stack.pop()
            yield group
            stack += [kid for kid in reversed(group.kids) if isinstance(kid, Cluster)]


Kid: TypeAlias = int | Cluster
