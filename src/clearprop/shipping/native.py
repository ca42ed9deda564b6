"""`save_object`: what a function or a Module computes as an object file and a C header."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.contents import contents
from clearprop.compiler.program.ir import Program, State
from clearprop.compiler.program.naming import free_name
from clearprop.errors import lesson
from clearprop.files import whole_files
from clearprop.shipping.recording import about_of, arrays_of, name_of, recorded

if TYPE_CHECKING:
    from clearprop.compiler.engines.llvm.freestanding import ObjectFile

CALLED = "save_object(path, f, x)"
BEGINS = "/* Written by clearprop"
KINDS = {
    "float32": "float", "float64": "double", "bool": "uint8_t", "float16": "uint16_t",
    **{f"{u}int{n}": f"{u}int{n}_t" for u in ("", "u") for n in (8, 16, 32, 64)},
}  # fmt: skip
"""What C has for a dtype; a truth value is 0 or 1, a float16 its bits."""
LIBM = {
    "pow", "sin", "cos", "tan", "cbrt", "hypot", "atan2", "asin", "acos", "atan", "asinh", "acosh", "atanh",
}  # fmt: skip
LIBM |= {"fma", "fmod", "floor", "ceil", "trunc", "rint", "sqrt", "exp", "log", "tgamma", "lgamma"}
"""What the C library has: for numbers that it alone can reduce, or where a machine has no word for it."""


# fmt: off
RESERVED = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return",
    "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void",
    "volatile", "while", "class", "new", "delete", "this", "template", "namespace", "private", "public",
    "protected", "virtual", "operator", "bool", "true", "false", "alignas", "alignof", "and", "and_eq",
    "asm", "bitand", "bitor", "catch", "compl", "concept", "const_cast", "consteval", "constexpr",
    "constinit", "co_await", "co_return", "co_yield", "decltype", "dynamic_cast", "explicit", "export",
    "friend", "mutable", "noexcept", "not", "not_eq", "nullptr", "or", "or_eq", "reinterpret_cast",
    "requires", "static_assert", "static_cast", "thread_local", "throw", "try", "typeid", "typename",
    "typeof", "typeof_unqual", "using", "wchar_t", "xor", "xor_eq",
}
# fmt: on
"""Words that C or C++ keep for themselves."""
MATHEMATICS = LIBM | {
    *[
        "fabs",
        "tanh",
        "sinh",
        "cosh",
        "expm1",
        "log1p",
        "log2",
        "log10",
        "logb",
        "exp2",
        "erf",
        "erfc",
        "gamma",
        "round",
        "lround",
        "nearbyint",
    ],
    *[
        "remainder",
        "fmax",
        "fmin",
        "fdim",
        "frexp",
        "ldexp",
        "modf",
        "copysign",
        "nan",
        "nextafter",
        "scalbn",
        "j0",
        "j1",
        "jn",
        "y0",
        "y1",
        "yn",
    ],
}
TAKEN = {
    *[
        "main",
        "_start",
        "abort",
        "exit",
        "malloc",
        "free",
        "calloc",
        "realloc",
        "memcpy",
        "memmove",
        "memset",
        "memcmp",
        "printf",
        "puts",
    ],
    *[
        "read",
        "write",
        "open",
        "close",
        "signal",
        "time",
        "rand",
        "abs",
        "labs",
        "div",
        "index",
        "strlen",
        "clock",
        "select",
        "send",
        "link",
    ],
}
"""Functions that a program is linked with anyway, those of `MATHEMATICS` besides."""


@dataclass(frozen=True)
class NativeModule:
    """An object, `code`, and the text of its `header`; `save` writes both."""

    made: ObjectFile
    about: str

    @property
    def code(self) -> bytes:
        """The object file."""
        return self.made.code

    @property
    def header(self) -> str:
        """The header: what is called, with what, which memory it takes, what it needs."""
        made = self.made
        guard = f"CLEARPROP_{made.function.upper()}_H"
        words = _words(made)
        inputs = [f"const {KINDS[str(d)]} *{w}" for w, (_, _, d) in zip(words, made.arguments, strict=True)]
        outputs = [f"{KINDS[str(d)]} *{name}" for name, _, d in made.outputs]
        told = [f"   {w}: {x[1]} {x[2]}, read" for w, x in zip(words, made.arguments, strict=True)]
        told += [f"   {n}: {shape} {d}, written" for n, shape, d in made.outputs]
        fails = (
            "1 where an index was out of bounds, and then nothing was assigned"
            if made.checked
            else "never else"
        )
        return "\n".join(
            [
                f"{BEGINS}: {self.about.replace('*/', '* /')}",
                "",
                *_memory(made),
                "*/",
                f"#ifndef {guard}",
                f"#define {guard}",
                "#include <stdint.h>",
                "#ifdef __cplusplus",
                'extern "C" {',
                "#endif",
                "",
                *_states(made),
                "/* Arrays are in C order, of exactly these shapes:",
                *told,
                f"   Returns 0; {fails}. */",
                f"int32_t {made.function}({', '.join([*inputs, *outputs])});",
                "",
                "#ifdef __cplusplus",
                "}",
                "#endif",
                "#endif",
                "",
            ]
        )

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the object, and its header beside it: `model.o` and `model.h`.

        Raises InputError, without `overwrite`, where there is a file that was not written so; ValueError for
        another ending.
        """
        path = Path(path)
        if path.suffix not in (".o", ".obj"):
            raise ValueError(
                lesson("save(path)", "wants a name that ends in .o", repr(path.name), hint="'model.o'")
            )
        header = path.with_suffix(".h")
        theirs = not overwrite and not (header.is_file() and _is_ours(header.read_bytes()))
        with whole_files({path: _nobodys if theirs else None, header: None if overwrite else _is_ours}) as (
            made,
            described,
        ):
            made.write(self.code)
            described.write(self.header.encode())


def _is_ours(begins: bytes) -> bool:
    return begins.startswith(BEGINS.encode())


def _nobodys(begins: bytes) -> bool:
    """An object says nothing of who made it: without our header beside it, it is a person's."""
    return False


def _memory(made: ObjectFile) -> list[str]:
    libm = [name for name in made.needs if name.removesuffix("f") in LIBM]
    rest = [name for name in made.needs if name not in libm]
    calls = [f"It calls {', '.join(libm)} of libm (-lm)."] * bool(libm)
    calls += [f"It calls {', '.join(rest)}, which the compiler's own library has."] * bool(rest)
    needs = " ".join(calls)
    return [
        f"   For {made.machine.triple or 'the processor that made it'} {made.machine.cpu}".rstrip() + ".",
        f"   Memory: {made.static} bytes of its own, nothing from the heap; so one call at a time.",
        "   One thread. " + (needs or "It calls nothing: no Python, no libm, no malloc."),
    ]


def _states(made: ObjectFile) -> list[str]:
    lines = []
    for name, shape, dtype in made.states:
        if name in made.changed:
            size = 1
            for n in shape:
                size *= n
            lines.append(f"extern {KINDS[str(dtype)]} {name}[{size}]; /* {shape}, changed by each call */")
    return [*lines, ""] if lines else []


def _word(name: str) -> str:
    word = re.sub(r"\W+", "_", name, flags=re.ASCII)
    return "_" * word[:1].isdigit() + word + "_" * (word in RESERVED)


def _function(called: str) -> str:
    """Return what C may call a function by: a word, and none that every program has already."""
    word = _word(called)
    return word + "_" * (word in TAKEN or not {word, word.removesuffix("f")}.isdisjoint(MATHEMATICS))


def _words(made: ObjectFile) -> list[str]:
    """Return what the header calls the arguments: no two the same, and none as an output."""
    words: list[str] = []
    for name, _, _ in made.arguments:
        word = _word(name)
        while word in words or word in {n for n, _, _ in made.outputs}:
            word += "_"
        words.append(word)
    return words


def native_object(
    f: Callable[..., Any], *inputs: Any, name: str = "", target: str = "native", about: str = ""
) -> NativeModule:
    """Return what `f(*inputs)` computes, for inputs of exactly these shapes, as one function of machine code.

    `f` is a Module, which is written as it is in evaluation, or a function of arrays, a training step among
    them, which is run for that: what it assigns are arrays of the object that each call changes. The object
    has one thread and memory of its own, and calls nothing: neither Python nor libm nor malloc.

    `target` is `native`, the processor here, or one of `x86_64` (AVX2 and FMA), `aarch64`, `thumb` (a
    Cortex-M7), `riscv32`. Raises TypeError, naming them all, for ops that native code leaves to NumPy, and
    ValueError for another target, and for a `name` that C has no function of. Needs the extra `fast`.
    """
    from clearprop.compiler.engines.llvm.freestanding import MACHINES, freestanding

    if target not in MACHINES:
        wanted = f"wants one of {', '.join(MACHINES)}"
        raise ValueError(lesson(CALLED, wanted, f"target={target!r}", hint="target='native'"))
    function = _function(name or name_of(f))
    if name and function != name:
        raise ValueError(lesson(CALLED, "wants a name that C has for a function", repr(name), hint=function))
    (program,), _, names, _ = recorded(f, arrays_of(inputs, CALLED), False, CALLED)
    try:
        unheard = sorted({str(v.dtype) for v in _seen(program) if str(v.dtype) not in KINDS})
        if unheard:
            raise Unlowered(f"numbers of {', '.join(unheard)}")
        made = freestanding(program, _held(program, names, function), function, MACHINES[target])
    except Unlowered as error:
        hint = "save_numpy, which brings along what NumPy has, or an op that is made of others"
        raise TypeError(lesson(CALLED, "these are no native code", str(error), hint=hint)) from error
    return NativeModule(made, about or about_of(f))


def save_object(
    path: str | Path,
    f: Callable[..., Any],
    *inputs: Any,
    name: str = "",
    target: str = "native",
    overwrite: bool = False,
) -> None:
    """Write what `f(*inputs)` computes as an object file, and a C header beside it: `model.o` and `model.h`.

    The function is called `name`; without one as it is called here, a Module's as the file: `model`. So
    several objects go into one program. All else, and what is refused, is as `native_object` has it.
    Raises InputError, without `overwrite`, where there is a file that was not written so.
    """
    name = name or word_of(path) if name_of(f) == "predict" else name
    native_object(f, *inputs, name=name, target=target).save(path, overwrite=overwrite)


def word_of(path: str | Path) -> str:
    """Return what the function of an object is called after its file.

    >>> word_of("out/my-model.o"), word_of("main.o"), word_of("2.o")
    ('my_model', 'main_', '_2')
    """
    return _function(Path(path).stem)


def _seen(program: Program) -> list[Any]:
    return [*program.arguments, *program.outputs, *program.states]


def _held(program: Program, names: dict[int, str], function: str) -> dict[Any, tuple[str, Any]]:
    """Return, by its key, what each state is called in C and what it holds."""
    found: dict[Any, tuple[str, Any]] = {}
    taken: set[str] = set()
    pairs: list[tuple[State, Any]] = [(v.data, v) for v in program.states] + program.assignments
    for state, v in pairs:
        if state.key not in found:
            told = names.get(id(state.tensor), "") + ".grad" * (state.slot == "grad")
            wanted = _word(f"{function}_{told if id(state.tensor) in names else state.name}")
            word = free_name(wanted, taken)
            taken.add(word)
            found[state.key] = word, contents(state, v.shape, v.dtype)
    return found
