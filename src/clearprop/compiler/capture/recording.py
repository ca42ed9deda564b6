"""A recorded program with what runs it: the executor's form of it, and the arrays of its Tensors."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.capture.broken import broken
from clearprop.compiler.capture.distance import FarStore
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.capture.store import Store
from clearprop.compiler.engines.executors import Executable, executable
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.ir import Program, State
from clearprop.compiler.program.lower import lower
from clearprop.compiler.program.rewrite import rewrite
from clearprop.locks import rlock
from clearprop.registry import ops
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value

PATIENCE = 3  # how often arrays that lie side by side may be left to somebody who keeps one of them


class Recording:
    """One recorded program, ready to run: what `step.plans` holds."""

    recorded: Program
    cleared: list[State]
    counts: bool
    lowered: Program
    origin: dict[Value, Value]
    program: Program
    rules: Counter[str]
    turns: NDArray[Any]
    executable: Executable
    executor: str
    store: Any  # a Store, or a FarStore where an engine keeps its own arrays

    def __init__(
        self,
        program: Program,
        cleared: list[State],
        executor: str,
        counts: bool = False,
        where: Any = None,
        light: bool = False,
    ) -> None:
        self.recorded, self.cleared, self.counts = program, cleared, counts
        self.lowered, self.origin = lower(program)
        self.program, self.rules = rewrite(self.lowered)
        try:
            self._use(*executable(self.program, executor, where, light))
        except Unlowered as error:
            raise RecordingError(str(error)) from error
        self.lock: Any = rlock()  # a proof holds it while the plan runs
        self.busy: NDArray[Any] = np.zeros(1, np.int64)  # 1 while it runs: a quick call looks at it
        self.turns = np.zeros(1, np.int64)  # counts up to 0 at each call, quick ones too: then a proof is due
        self.turn: memoryview[int] = self.turns.data  # the same word, quicker to read from Python

    def _use(self, executable: Executable, executor: str) -> None:
        """Run the program by this executable from now on, on arrays of its own."""
        self.executable, self.executor = executable, executor
        self.step: Any = None
        if hasattr(executable, "call"):  # its arrays are its own
            self.store = FarStore(executable)
            return
        slots = self.executable.slots
        read = {v.data.key for v in self.program.states}
        shapes = {v.data.key: (v.shape, v.dtype) for v in self.program.states}
        shapes |= {s.key: (v.shape, v.dtype) for s, v in self.program.assignments}
        written = {s.key for s, _ in self.program.assignments}
        self.store = Store(
            slots,
            self.executable.numbers,
            self.executable.assigned,
            [s.key in written for s in slots],
            [s.key in read for s in slots],
            [shapes[s.key] for s in slots],
            self.executable.rows,
        )

    def run(self, arguments: tuple[Any, ...], tensors: dict[int, Tensor]) -> Any:
        """Run the program once: Tensors are read and assigned; returns the outputs.

        Raises IndexError, in five parts, where an index is out of bounds: nothing is assigned then.
        """
        with self.lock:
            self.busy[0] = 1
            try:
                return self._run(arguments, tensors)
            except IndexError as error:
                raise broken(self.program, arguments, self.store.now, error) from error
            finally:
                self.busy[0] = 0

    def _run(self, arguments: tuple[Any, ...], tensors: dict[int, Tensor]) -> Any:
        store = self.store
        if store.far:
            outputs: Any = store.run(arguments, tensors)
        else:
            if store.kept > PATIENCE:  # what is kept at every step would keep its neighbours too
                self._use(self.executable.apart(), self.executor)
                store = self.store
            store.stand_ins = tensors
            numbers = store.read_numbers()
            ready = store.ready()
            if not ready and (store.load() or self.step is None):
                self.step = None  # lets go of the old arrays
                self.step = self.executable.prepare(store.arrays)
            outputs, new = self.step(arguments, numbers)
            store.write_numbers(new)
            if not ready:
                store.settle()
        for state in self.cleared:
            store.tensor(state).grad = None
        return outputs


def fingerprint(program: Program, cleared: list[State]) -> Any:
    """Return what two recordings have in common exactly if they are the same program on the same Tensors."""
    number = {v: i for i, v in enumerate(program.values)}
    lines: list[Any] = []
    for v in program.values:
        inputs = tuple(("v", number[x]) if x in number else repr(x) for x in v.inputs)
        data: Any = v.data
        if v.kind == "constant":
            data = np.asarray(v.data).tobytes()
        elif v.kind == "state":
            data = v.data.key
        op = ops.get(v.op) if v.kind == "call" else v.op  # one may be registered again under its name
        lines.append((v.kind, op, inputs, repr(v.attrs), v.shape, str(v.dtype), data))
    ends = sorted((s.key, number[v]) for s, v in program.assignments)
    outputs = tuple(number[v] for v in program.outputs)
    return (tuple(lines), outputs, tuple(ends), tuple(sorted(s.key for s in cleared)))
