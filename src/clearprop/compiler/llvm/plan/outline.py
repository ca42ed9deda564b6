"""Pieces as functions of the arrays they touch: layers of a like shape are written and compiled once."""

from __future__ import annotations

from clearprop.compiler.llvm.language.engine import WIDE
from clearprop.compiler.llvm.language.text import Function, ModuleText
from clearprop.compiler.llvm.language.values import INDEX, Register
from clearprop.compiler.llvm.plan.pieces import Piece
from clearprop.compiler.llvm.plan.places import Places
from clearprop.compiler.program import ir

MANY = 24  # pieces; fewer are written where they are needed, which saves the calls
LONG = 256  # values: as one function, LLVM would take longer than in proportion


class Outline:
    """Writes a piece as a call of a function, which pieces of the same text share."""

    def __init__(self, module: ModuleText, places: Places) -> None:
        self.module, self.places = module, places
        self.names: dict[str, str] = {}

    def write(
        self, function: Function, piece: Piece, bounds: tuple[Register, Register, Register], parts: int
    ) -> None:
        """Write the call of a piece, and the piece unless it is known."""
        inner = Function(self.module, f"piece{len(self.names)}", "", f"noinline {WIDE}", "internal")
        inner.given = {}
        piece.writer.write(inner, *(Register(inner, x.text, INDEX, 0) for x in bounds), parts)
        arrays = [
            self.places.pointer(function, x) if isinstance(x, ir.Value) else str(x) for x in inner.given
        ]
        inner.parameters = ", ".join(
            [f"ptr {q}" for q in inner.given.values()] + [f"i64 {x.text}" for x in bounds]
        )
        name = self.names.setdefault(inner.without_name, inner.name)
        if name == inner.name:
            self.module.functions[name] = inner
        given = ", ".join([f"ptr {a}" for a in arrays] + [f"i64 {x.text}" for x in bounds])
        function.line(f"call void @{name}({given})")
