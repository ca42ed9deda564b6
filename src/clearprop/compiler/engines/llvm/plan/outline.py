"""Pieces as functions of the arrays they touch: pieces of a like structure are written and compiled once."""

from __future__ import annotations

from typing import Any, TypeAlias

from clearprop.compiler.engines.llvm.language.engine import WIDE
from clearprop.compiler.engines.llvm.language.text import ModuleText, Procedure
from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.engines.llvm.loops.loops import LoopWriter
from clearprop.compiler.engines.llvm.plan.pieces import Piece
from clearprop.compiler.engines.llvm.plan.places import Places, Scratch
from clearprop.compiler.engines.llvm.products.products import ProductWriter
from clearprop.compiler.plan.fuse import through
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import Layout

MANY = 24  # pieces; fewer are written where they are needed, which saves the calls
LONG = 256  # values: as one function, LLVM would take longer than in proportion

Role: TypeAlias = "tuple[int, str, int] | int"
"""What a function asks for, said of any piece like its own: which pointer, or whose buffer for what."""


class Outline:
    """Writes pieces as functions that take their pointers from a row: `row` says what stands there."""

    module: ModuleText
    places: Places

    def __init__(self, module: ModuleText, places: Places) -> None:
        self.module, self.places = module, places
        self.names: dict[str, str] = {}
        self.known: dict[Any, tuple[str, list[Role | None]]] = {}

    def row(self, piece: Piece, parts: int) -> tuple[str, list[Any]]:
        """Return the function of a piece and what it is given, written unless a piece like it was before."""
        like = Likeness(piece.writer, self.places)
        key = (*like.key, parts, self.places.widest) if like.key else None
        if key in self.known:
            name, roles = self.known[key]
            return name, [like.thing(role) for role in roles]
        name, asked = self.function(lambda f, *bounds: piece.writer.write(f, *bounds, parts))
        roles = [like.role(x) for x in asked] if key else []
        if key and None not in roles:
            self.known[key] = name, roles
        return name, asked

    def function(self, write: Any) -> tuple[str, list[Any]]:
        """Return a function with what `write` writes, and what it is given."""
        inner = Procedure(
            self.module,
            f"piece{len(self.names)}",
            "ptr %row, i64 %low, i64 %high, i64 %part",
            WIDE,
            "internal",
        )
        inner.given = {}
        write(inner, *(Register(inner, f"%{x}", INDEX, 0) for x in ("low", "high", "part")))
        inner.slots[:0] = [
            line
            for i, q in enumerate(inner.given.values())
            for line in (f"  {q}.at = getelementptr ptr, ptr %row, i64 {i}", f"  {q} = load ptr, ptr {q}.at")
        ]
        name = self.names.setdefault(inner.without_name, inner.name)
        if name == inner.name:
            self.module.functions[name] = inner
        return name, list(inner.given)


class Likeness:
    """What decides the text of a piece: two with the same `key` differ in pointers alone.

    `pointers` are those that its function may ask for, in an order that like pieces share; which of them are
    equal is part of the key. Where the key is empty, only the text itself can tell.
    """

    def __init__(self, writer: Any, places: Places) -> None:
        self.places = places
        self.values: list[Value] = []
        self.pointers: list[tuple[Value, int]] = []
        self.key: tuple[Any, ...] = ()
        if isinstance(writer, LoopWriter):
            self.key = self._of_a_loop(writer)
        elif isinstance(writer, ProductWriter):
            self.key = self._of_a_product(writer)
        if self.key:
            self.key += (tuple(map(self.pointers.index, self.pointers)),)

    def role(self, asked: Any) -> Role | None:
        """Return what an asked thing is in this piece; None where only the piece itself can tell."""
        if isinstance(asked, Scratch) and asked.value in self.values:
            return self.values.index(asked.value), asked.use, asked.size
        return self.pointers.index(asked) if asked in self.pointers else None

    def thing(self, role: Role | None) -> Any:
        """Return what has a role in this piece."""
        if isinstance(role, int):
            return self.pointers[role]
        assert role is not None
        return Scratch(self.values[role[0]], *role[1:])

    def _points(self, place: Layout, dtype: Any) -> tuple[Any, ...]:
        """Note a pointer to the first entry of a value, and return how its entries lie."""
        self.pointers.append((self.places.home(place.base), place.offset * int(dtype.itemsize)))
        return dtype.str, place.strides

    def _of_a_loop(self, writer: LoopWriter) -> tuple[Any, ...]:
        nest, group = writer.nest, writer.nest.group
        if nest.picks or nest.draws or any(v.form is not None for v in group.values):
            return ()
        self.values = group.values
        number: dict[Value, Any] = {v: i for i, v in enumerate(group.values)}
        number |= {x: f"leaf {i}" for i, x in enumerate(nest.leaves)}

        def seen(x: Any) -> Any:
            if not isinstance(x, Value):
                return type(x), repr(x)
            source = through(x)
            return (number[source] if source in nest.inside else number.get(x)), x.shape, x.dtype.str

        lines = [(*_facts(v), *map(seen, v.inputs)) for v in group.values]
        leaves = [(x.shape, *self._points(place, x.dtype)) for x, place in nest.leaves.items()]
        goals = [(number[v], *self._points(nest.goals[v], v.dtype)) for v in group.stores]
        rows = None if group.rows is None else tuple(sorted(group.rows))
        return (group.kind, group.shape, rows, *lines, *leaves, *goals)

    def _of_a_product(self, writer: ProductWriter) -> tuple[Any, ...]:
        self.values = [writer.value]
        apart = ("value", "x", "y", "memory", "ahead", "wide")
        facts = [(name, repr(fact)) for name, fact in sorted(vars(writer).items()) if name not in apart]
        places = [self._points(place, writer.dtype) for place in (writer.x, writer.y)]
        self.pointers += [(self.places.home(x), 0) for x in (writer.value, *writer.ahead)]
        return ("product", writer.value.shape, len(writer.ahead), *facts, *places)


def _facts(v: Value) -> tuple[Any, ...]:
    return v.kind, v.op, v.dtype.str, v.shape, repr(sorted(v.attrs.items())), v.into is None
