"""Puts stand-ins where large tables are while a step is recorded, and the tables back."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from clearprop.compiler.capture.attributes import NotingClasses
from clearprop.compiler.capture.reading import original, stand_in
from clearprop.compiler.capture.surroundings import Slots, Surroundings, inside
from clearprop.compiler.capture.tables import LINES, NAMED, LargeTables


class PlacesOfTables:
    """The plain places within reach: variables, attributes, entries of dicts and lists."""

    around: Surroundings
    tables: LargeTables

    def __init__(self, around: Surroundings, tables: LargeTables) -> None:
        self.around, self.tables = around, tables
        self.count: int = 0  # stand-ins that were put anywhere
        self._noting = NotingClasses(tables)
        self._done = [0, 0, 0, 0]

    def fill(self) -> None:
        """Put stand-ins into all places that have come within reach since the last time."""
        for place, name, x in self._places(*self._done):
            other = stand_in(x, self.tables)
            if other is not x:
                _put(place, name, other)
                self.count += 1
        around = self.around
        self._noting.start(around.noting)
        known: list[list[Any]] = [around.cells, around.globals, around.containers, around.functions]
        self._done = [*map(len, known)]

    def put_back(self) -> None:
        """Put the tables back, wherever something stands for them now."""
        self._noting.stop()
        for place, name, x in self._places(0, 0, 0, 0):
            if original(x) is not x:
                _put(place, name, original(x))

    def _places(
        self, cells: int, named: int, containers: int, functions: int
    ) -> Iterator[tuple[Any, Any, Any]]:
        for function in self.around.functions[functions:]:
            yield function, "__defaults__", function.__defaults__
        for cell in self.around.cells[cells:]:
            yield cell, "", inside(cell)
        for space, name in self.around.globals[named:]:
            if type(space) in (dict, Slots):
                yield space, name, space.get(name)
        for x in self.around.containers[containers:]:
            kind = self.around.classes.get(id(x))
            if type(x) in LINES:
                yield from ((x, i, y) for i, y in enumerate(x))
            elif type(x) in NAMED or kind is not None:
                yield from ((x if kind is None else kind, k, y) for k, y in list(x.items()))


def _put(place: Any, name: Any, x: Any) -> None:
    if isinstance(place, types.CellType):
        place.cell_contents = x
    elif isinstance(place, types.FunctionType):
        setattr(place, name, x)
    elif isinstance(place, type):
        type.__setattr__(place, name, x)
    else:
        place[name] = x
