"""The executors: what runs a plan. One is a row here and a folder that keeps the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import Plan
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.ir import Program, State, Value
from clearprop.errors import lesson

Run: TypeAlias = "Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[tuple[Any, ...], tuple[Any, ...]]]"
"""`run(arguments, numbers) -> (outputs, numbers)`: one call of a step.

Arguments are arrays in the order of the Program's; numbers are NumPy scalars, in the orders of
`Executable.numbers` and `Executable.assigned`. States are read and written in place. Outputs are for
the caller to keep.
"""


class Executable(Protocol):
    """A Program as an executor runs it. It knows arrays, and nothing of Tensors.

    It is made of a rewritten Program, which it is given whole and does not change. Parameters live outside:
    their arrays are given to `prepare`, C-contiguous, and stay at their addresses until it is called again,
    which is rare (somebody holds on to an array that the step would overwrite, or a Tensor got others).

    Optional: `quick(variant, ordinary, beside)`, a call that checks a recording's conditions natively too, or
    None where there can be none, and `checks()`, where they are checked, for `explain()`; `sharers`, how many
    threads take the parts of stages; `ir`, the text that a machine reads where `text` is for people;
    `call(states, arguments)` in place of `prepare`, of an executor that keeps the arrays on a device.
    """

    program: Program
    """What it runs: the Program in its own form (`plan.prepare.prepared`)."""
    groups: list[Group]
    text: str
    """What `step.source()` or a reader may print: the whole of what is run."""
    slots: list[State]
    """The states with axes, in the order in which `prepare` wants their arrays."""
    numbers: list[Value]
    """The states without axes that are read, such as a learning rate."""
    assigned: list[State]
    """The states without axes that change, such as a step count."""
    rows: list[list[int]]
    """Places among the slots whose arrays have to lie side by side, in one piece of memory; often none."""

    @property
    def plan(self) -> Plan:
        """Where the arrays lie."""
        ...

    @property
    def stages(self) -> Sequence[tuple[list[Group], int]]:
        """What runs, for `explain`: groups between barriers, and in how many parts threads share them."""
        ...

    def prepare(self, states: list[Any]) -> Run:
        """Return a step on these arrays, one for each slot."""
        ...

    def apart(self) -> Executable:
        """Return the same with no rows: for Tensors whose arrays cannot stay side by side."""
        ...


@dataclass(frozen=True)
class Where:
    """On which devices a program runs, whether what it changes gives its memory away, how it multiplies, and
    whether it looks if indices are within their axes."""

    mesh: Any = None
    device: str | None = None
    donate: bool = True
    check_indices: bool = True
    precision: Any = None
    """"highest", "tf32" or "bfloat16" for all products of float32, or one for each core op of a mapping."""


@dataclass(frozen=True)
class Executor:
    """How an executor is had: `make(program)` gives an `Executable`, `make(program, where)` one on devices.

    It raises ImportError where a library is missing, `Unlowered` for a program that it cannot run; `wants`
    says then what it cannot do, and `hint` what to try.
    """

    make: Callable[..., Executable]
    wants: str = ""
    hint: str = ""
    present: Callable[[], bool] = lambda: True
    by_name: bool = False
    """Whether it is only for those who ask for it by its name: what `auto` and a list of all leave out."""
    has_devices: bool = False
    """Whether it takes a `Where`."""
    light: Callable[[Program], Executable] | None = None
    """What makes a plan without compiling what a plan for another length has; None where nothing does."""


def _numpy(program: Program) -> Executable:
    from clearprop.compiler.engines.numpy.source import NumpySource

    return NumpySource(program)


def _light(program: Program) -> Executable:
    from clearprop.compiler.engines.llvm.light import light

    return light(program)


def _llvm(program: Program) -> Executable:
    from clearprop.compiler.engines.llvm import Native

    return Native(program)


def _xla(program: Program, where: Where | None = None) -> Executable:
    from clearprop.compiler.engines.xla import Xla

    return Xla(program, where or Where())


def _has_llvm() -> bool:
    try:
        import clearprop.compiler.engines.llvm  # noqa: F401
    except ImportError:
        return False
    return True


EXECUTORS: dict[str, Executor] = {
    "numpy": Executor(_numpy, light=_numpy),
    "llvm": Executor(
        _llvm,
        "cannot make native code of this step",
        "pip install clearprop[fast], or executor='numpy'",
        _has_llvm,
        light=_light,
    ),
    "xla": Executor(
        _xla,
        "cannot run this step by XLA",
        "pip install clearprop[xla], or executor='numpy'",
        by_name=True,
        has_devices=True,
    ),
}
"""The executors by name, the fastest last: `auto` is the last that there is and that can run a program."""

AUTO = "auto"


def executable(
    program: Program, name: str, where: Where | None = None, light: bool = False
) -> tuple[Executable, str]:
    """Return a program as the named executor runs it (`auto`: the fastest that can), and that one's name.

    `where` says on which devices, to an executor that has some; `light` asks for what compiles nothing anew
    for another length. Raises Unlowered, with the whole message, where it cannot.
    """
    names = [n for n in reversed(EXECUTORS) if not EXECUTORS[n].by_name] if name == AUTO else [name]
    for i, found in enumerate(names):
        row = EXECUTORS[found]
        try:
            make = row.light if light and row.light is not None else row.make
            made = make(program) if where is None else row.make(program, where)
            return made, found
        except (ImportError, Unlowered) as error:
            if i + 1 == len(names):
                call = f"compile(step, executor={found!r})"
                hint = row.hint if isinstance(error, ImportError) else "executor='numpy'"
                raise Unlowered(lesson(call, row.wants, str(error), hint=hint)) from error
    raise AssertionError("there is always NumPy")


def available_executors() -> tuple[str, ...]:
    """Return the executors that this installation has, the fastest last.

    >>> available_executors()[0]
    'numpy'
    """
    return tuple(name for name, row in EXECUTORS.items() if row.present() and not row.by_name)
