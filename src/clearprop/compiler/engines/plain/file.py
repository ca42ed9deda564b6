"""`numpy_file`: Programs of one function as the text of a file that needs NumPy alone."""

from __future__ import annotations

import base64
import io
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.compiler.engines.plain.carried import Carried, needs
from clearprop.compiler.engines.plain.function import PlainFunction
from clearprop.compiler.engines.plain.lengths import with_length
from clearprop.compiler.program.ir import Program, Value
from clearprop.errors import lesson
from clearprop.files import Ours, whole_files
from clearprop.rows import LENGTHS

BEGINS = '"""Written by clearprop'
_BESIDE = """\
with np.load(pathlib.Path(__file__).with_name({name!r})) as _file:
    weights = dict(_file)"""
_INSIDE = """\
with np.load(io.BytesIO(base64.b64decode(\"\"\"
{data}
\"\"\"))) as _file:
    weights = dict(_file)"""


@dataclass(frozen=True)
class NumpyFile:
    """The parts of a plain file: what is imported, what is brought along, the function, and arrays.

    `save` writes it, and `text` is it. `more` are definitions of the writer's own, after the function, and
    `imports` what they need.
    """

    about: str
    name: str
    function: str
    brought: Sequence[str]
    imports: Sequence[str]
    arrays: Mapping[str, Any]
    more: Sequence[str] = field(default=())

    def text(self, weights: str = "") -> str:
        """Return the file: the arrays lie beside it in a file of the name `weights`, or inside of it."""
        imports, read = [*self.imports, "import numpy as np"], ""
        if self.arrays:
            imports += ["import pathlib"] if weights else ["import base64", "import io"]
            read = _BESIDE.format(name=weights) if weights else _INSIDE.format(data=self._packed())
        first = [line for line in dict.fromkeys(imports) if line.startswith("import ")]
        rest = [line for line in dict.fromkeys(imports) if not line.startswith("import ")]
        told = self.about.replace("\\", "\\\\").replace('"""', "'''")
        head = f'{BEGINS}: {told}\n"""\n\n' + "\n".join(sorted(first) + sorted(rest))
        parts = [head, *([read] if read else []), *self.brought, self.function, *self.more]
        return "\n\n\n".join(parts) + "\n"

    def _packed(self) -> str:
        file = io.BytesIO()
        np.savez_compressed(file, **dict(self.arrays))
        text = base64.b64encode(file.getvalue()).decode()
        return "\n".join(text[i : i + 100] for i in range(0, len(text), 100))

    def save(self, path: str | Path, inside: bool = False, overwrite: bool = False) -> None:
        """Write the file, and its arrays beside it as `.npz`, or inside of it as text.

        Raises InputError, without `overwrite`, where there is a file that was not written so; ValueError for
        a name that no module can have.
        """
        path = Path(path)
        if path.suffix != ".py" or not path.stem.isidentifier() or keyword.iskeyword(path.stem):
            raise ValueError(
                lesson("save(path)", "wants the name of a module", repr(path.name), hint="'model.py'")
            )
        weights, ours = path.with_suffix(".npz"), None if overwrite else _is_ours
        files: dict[str | Path, Ours | None] = {path: ours}
        if self.arrays and not inside:
            theirs = not overwrite and not _reads(path, weights.name)
            files[weights] = _nobodys if theirs else None
        with whole_files(files) as (text, *beside):
            for file in beside:
                np.savez(file, **dict(self.arrays))
            text.write(self.text("" if inside else weights.name).encode())


def numpy_file(
    programs: Sequence[Program],
    name: str = "predict",
    names: Mapping[int, str] | None = None,
    about: str = "a function of arrays.",
    one: bool = True,
    called: str = "numpy_file",
    lengths: Sequence[int] = LENGTHS,
) -> NumpyFile:
    """Return a Program as a function of plain NumPy; several, recorded with `lengths` rows, for any.

    `names` are those of Tensors, by their ids, which the arrays have; with `one` a single output is returned
    by itself. Raises TypeError, naming them all, where ops have no translation, ValueError where what is
    computed depends on the number of rows in another way than by a length, or for a `name` that no function
    of the file can have.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name in Carried().taken:
        raise ValueError(lesson(called, "wants the name of a function", repr(name), hint="name='predict'"))
    made = [_WrittenProgram(program, name, names, one, len(programs) > 1) for program in programs]
    first = made[0]
    if first.missing:
        hint = "an op that is made of others, or `save_onnx`"
        got = ", ".join(sorted(first.missing))
        raise TypeError(lesson(called, "these have no translation to plain NumPy", got, hint=hint))
    for other in made[1:]:
        if not _alike(first.arrays, other.arrays):
            wanted = "an array that the function makes follows the length of the first axis"
            raise ValueError(lesson(called, wanted, hint="dynamic=False for exactly these shapes"))
    text = with_length([m.text for m in made], lengths, called) if made[1:] else first.text
    brought = [
        with_length(parts, lengths, called) for parts in zip(*(m.carried.texts for m in made), strict=True)
    ]
    wants = " and ".join(needs(first.carried))
    head = f"{about}\n\nIt needs {wants} (2.0 or newer) and nothing else."
    return NumpyFile(head, name, text, brought, tuple(first.carried.imports), first.arrays)


def _alike(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    return mine.keys() == theirs.keys() and all(
        x.shape == theirs[k].shape and x.tobytes() == theirs[k].tobytes() for k, x in mine.items()
    )


class _WrittenProgram:
    """One program as the text of a function."""

    def __init__(
        self, program: Program, name: str, names: Mapping[int, str] | None, one: bool, any_length: bool
    ) -> None:
        self.carried = Carried()
        self.carried.name(name)
        self.arrays: dict[str, Any] = {}
        self.missing: dict[str, None] = {}
        made = PlainFunction(program, self.carried, self.arrays, self.missing, names)
        single = one and len(made.outputs) == 1
        result = made.outputs[0] if single else f"({', '.join(made.outputs)}{',' * (len(made.outputs) == 1)})"
        lines = [*_checked(program.arguments, made.arguments, any_length), *made.lines, f"return {result}"]
        self.text = "\n".join(
            [
                '@np.errstate(all="ignore")  # infinities and NaN are part of the mathematics',
                f"def {name}({', '.join(made.arguments)}):",
                *("    " + line if line else "" for line in [*_told(program, made, single), *lines]),
            ]
        )


def _told(program: Program, made: PlainFunction, single: bool) -> list[str]:
    """Return the docstring: what goes in and comes out, with shapes and dtypes."""
    given = [
        f"    {name}: {_shape(v)} {v.dtype}"
        for name, v in zip(made.arguments, program.arguments, strict=True)
    ]
    found = [f"    {_shape(v)} {v.dtype}" for v in program.outputs]
    changed = [f"Changes {', '.join(dict.fromkeys(made.changed))}.", ""] if made.changed else []
    what = "the output" if single else f"{len(found)} outputs"
    return [
        f'"""Return {what}.',
        "",
        *changed,
        "Takes",
        *given,
        "and returns" if found else "and returns nothing",
        *found,
        '"""',
    ]


def _shape(v: Value) -> str:
    return str(v.shape) if v.shape else "a number,"


def _checked(arguments: Sequence[Value], names: Sequence[str], any_length: bool) -> list[str]:
    """Return the lines that make arrays of what is passed, and refuse another shape."""
    lines: list[str] = []
    for v, name in zip(arguments, names, strict=True):
        lines.append(f'{name} = np.asarray({name}).astype("{v.dtype}", casting="same_kind")')
        if any_length and not lines[1:]:
            lines.append(f"n = {name}.shape[0] if {name}.ndim else 0")
        wanted = str(v.shape)
        lines += [
            f"if {name}.shape != {wanted}:",
            f'    raise ValueError(f"{name} is to be of shape {{{wanted}}}, not {{{name}.shape}}")',
        ]
    return lines


def _is_ours(begins: bytes) -> bool:
    return begins.startswith(BEGINS.encode())


def _nobodys(begins: bytes) -> bool:
    return False


def _reads(path: Path, weights: str) -> bool:
    """Whether there is a file of ours that has its arrays there: other arrays of that name are a person's."""
    return path.is_file() and f".with_name({weights!r}))" in path.read_text(encoding="utf-8")
