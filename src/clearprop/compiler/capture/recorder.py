"""The recorder: an observer of one ordinary run, which writes down what the run computed as a Program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.compiler.capture.forms import can_change, form
from clearprop.compiler.capture.kinds import Following, following, notes_changes
from clearprop.compiler.capture.openly import attributes, held_in, is_a, is_tensor, keys_of
from clearprop.compiler.capture.printing import hearing
from clearprop.compiler.capture.reading import stands
from clearprop.compiler.capture.refusals import RecordingError as RecordingError
from clearprop.compiler.capture.refusals import Refusals
from clearprop.compiler.capture.selection import Selections
from clearprop.compiler.capture.stand_in import (
    StandIn,
    StandInForNumber,
    stands_for_array,
    stands_for_number,
    twin_of,
)
from clearprop.compiler.capture.store import on_a_line
from clearprop.compiler.capture.weakly import ByArray, ByTensor, SharedMemory
from clearprop.compiler.program.ir import Program, State, Value, reachable
from clearprop.errors import behind, user_line
from clearprop.kept import Forgotten
from clearprop.modes import observed
from clearprop.op import describe
from clearprop.rebinding import settle
from clearprop.tensor import Tensor, raw
from clearprop.updates import with_checked_entries

# What NumPy shows in the memory of complex numbers, and an op computes.
_PARTS = ("real_part", "imaginary_part")


class Recorder(Refusals):
    """What a step did, node by node; see `clearprop.modes.Observer`.

    Leaves stay the very Tensors of the user; a leaf that is assigned really changes, and `known` says which
    Value its present contents are. What a leaf's value and gradient were before is kept, so that a run that
    fails leaves everything as it was. What the run computes is noted, not kept: an array lives as long as the
    step itself holds it, or a gradient may still pass through it.
    """

    remembers = records = True

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Value] = []
        self.known: ByTensor = ByTensor()
        self.by_array: ByArray = ByArray()  # a leaf made of a known node's array stands for that node
        self.constants: dict[int, Value] = {}
        self.kept: list[Any] = []  # constants: keeps their ids from being used again
        self.before: dict[Tensor, tuple[Any, Any]] = {}
        self.old_grads: dict[Tensor, Tensor] = {}
        self.places: dict[Tensor, int] = {}  # Tensors that were passed as arguments
        self.given: dict[Tensor, int] = {}  # what stands for arrays that were
        self.things: list[Any] = []
        self.memory: SharedMemory = SharedMemory()  # which arrays share theirs
        self.written: set[Tensor] = set()
        self.wrapped: list[Tensor] = []  # leaves that were made inside the step, of known arrays
        self.reads: dict[Value, Tensor] = {}
        self.selections: Selections = Selections(ByTensor(), self.value_of)
        self.counts: bool = False  # whether the program is for masks that pick as many entries as now
        self.captured: dict[Any, Tensor] = {}
        self.within: dict[int, Any] = {}  # writable arrays in reach, by id, and what owns their memory
        self.frozen: list[Any] = []  # those of them that are constants all the same
        self.printed = ""  # the line that printed
        self.unknown: Exception | None = None  # what a call of the program will raise
        self.roots: ByTensor = ByTensor()  # those whose `backward()` the step has called
        self.local: set[Tensor] = set()  # leaves that the step makes: they start anew at each call

    def missed(self, error: Exception) -> None:
        """Note that the program has no answer for the values of this run."""
        self.unknown = error

    # --- what modes.Observer asks for -----------------------------------------------------------------------
    def resolve(self, x: Any) -> Any:
        """Return the Tensor itself, having noted what it was before the step."""
        self.value_of(x)
        return x

    def made(self, x: Tensor, of: Tensor | None = None) -> None:
        """Note a leaf that the step makes, as a copy of another where it is one: each call makes its own."""
        self.local.add(x)
        if of is not None:
            self.renamed(x, of)
        self.selections.leaf(self.by_array.get(x._value))

    def renamed(self, x: Tensor, of: Tensor) -> None:
        """Note that a Tensor holds from now on what another holds, as after `x[i] = v`."""
        self.known[x] = self.value_of(of)
        self.selections.holds(x, of)

    def read(self, x: Tensor) -> Tensor:
        """Return a Tensor that keeps the present contents of a leaf, as the array does in an eager run."""
        v = self.value_of(x)
        if x.op is not None:
            return x
        held = self.reads.get(v)
        if held is None:
            held = self.reads[v] = twin_of(x)
            held.requires_grad = False
            self.renamed(held, x)
            self.memory.share(x, held)
        return held

    def saw(self, node: Tensor) -> Tensor | None:
        """Write a node down; what is computed of arrays alone is one."""
        assert node.op is not None
        self._raises_as_before()
        inputs = tuple(
            [
                self._complex(x, node.inputs) if x.__class__ is complex else self.value_of(x)
                for x in node.inputs
            ]
        )
        value = node._value
        repeats = node.op.facts.repeats
        for op in (node.op, *(() if repeats is None else repeats(**node.attrs).body.ops())):
            if not op.entered:
                raise self.refuse(
                    "the op of this name has been registered again, and the step uses the older one",
                    op.name,
                    "the op that clearprop.registry.ops has, or another name for the new one",
                )
        v = Value("call", value.shape, value.dtype, node.op.name, inputs, dict(node.attrs), line=user_line())
        sources = node.inputs
        given = [x for x in node.inputs if isinstance(x, Tensor)]
        arrays = all(map(stands_for_array, given))
        node = self.selections.twin(twin_of(node) if arrays else node)
        if arrays:
            node.following = following(node.op, sources, value.shape)  # type: ignore[attr-defined]
            self.memory.made(node, given)
            if v.op in _PARTS:
                self.memory.share(given[0], node)
        self._enter(node, v)
        self.selections.saw(node, sources)
        if not node.requires_grad:  # no gradient will ask for them, and the program has noted them
            node.inputs = node.values = ()
        return node

    def _raises_as_before(self) -> None:
        """Refuse `np.errstate(divide="raise")` in a step: a plan raises nothing of the kind."""
        if "raise" in (now := np.geterr()).values() or "call" in now.values():
            raise self.refuse(
                "a recorded step raises no floating-point errors, as np.errstate asks for here",
                ", ".join(f"{name}={how!r}" for name, how in now.items() if how in ("raise", "call")),
                "np.isfinite of the result after the step, or clearprop.watch() around its calls",
            )

    def instead(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Return what is computed in another way than by the op itself, None for most.

        That is a reduction over the entries that a mask picks, written for any number of them; and what is
        done with a number that keeps the dtype of the others.
        """
        if any(stands_for_number(x) for x in inputs):
            return op.again(tuple(self._as_weak(op, inputs)), attrs)
        return self.selections.instead(op, inputs, attrs)

    def _as_weak(self, op: Any, inputs: tuple[Any, ...]) -> list[Any]:
        """Give numbers the dtype in which NumPy would compute with numbers of Python's and the others.

        What does not work entry by entry, `np.stack` say, makes an array of a number first.
        """
        others = [x for x in inputs if isinstance(x, (Tensor, np.ndarray, np.generic))]
        kinds = [x.dtype for x in others if not stands_for_number(x)]
        ones = [type(x._value.item())(1) for x in inputs if stands_for_number(x)]
        dtype = np.result_type(*kinds, *ones) if kinds and op.kind == "elementwise" else None

        def strong(x: Any) -> Any:
            if not stands_for_number(x):
                return x
            x = self._twin(x)
            return x if dtype is None or x.dtype in (dtype, bool) else x.astype(dtype)

        return list(map(strong, inputs))

    def uses(self, thing: Any) -> None:
        """Note a thing whose `structure()` decides what is computed."""
        if not any(thing is other for other in self.things):
            self.things.append(thing)
            for p in leaves(thing):
                self.touch(p)

    def assigned(self, tensor: Tensor, new: Any) -> None:
        """Note that a leaf is about to be given a new value (a Tensor, an array or a number)."""
        self.touch(tensor)
        if tensor not in self.local:
            self.written.add(tensor)
        if stands_for_array(new):
            self.memory.share(tensor, new)
        v = self.value_of(new)
        if not isinstance(v, Value):
            v = self._constant(np.asarray(v, tensor.dtype))
        if v.dtype != tensor.dtype:
            v = Value(
                "call", v.shape, tensor.dtype, "astype", (v,), {"dtype": tensor.dtype}, line=user_line()
            )
            self.values.append(v)
        old = self.known.get(tensor)
        if old is not None:
            self.reads.pop(old, None)
        self.known[tensor] = v
        self.selections.holds(tensor, new)

    def received(self, nodes: Iterable[Tensor]) -> None:
        """Let what a backward pass has given be arrays, a leaf's gradient of its own: as in eager runs."""
        nodes = list(nodes)
        self.roots[nodes[-1]] = self.known[nodes[-1]]
        twins: dict[int, Any] = {}
        for node in nodes:
            g: Any = node.grad
            if type(g) is Forgotten:
                continue
            if isinstance(g, np.ndarray) and node.op is None:
                node.grad = g.copy()
            elif isinstance(g, Tensor) and node.op is None:
                node.grad = self._twin(g) if g.ndim else self.kept_as(self._twin(g), False)
            elif isinstance(g, Tensor):
                node.grad = twins.get(id(g))
                if node.grad is None:
                    node.grad = twins[id(g)] = self._twin(g)

    def changed(self, x: Any, new: Any, sign: str, stores: bool = False) -> Any:
        """Give what stands for an array other contents: it keeps its dtype and shape, as NumPy has it.

        Where the statement `stores` the result into what `x` is a view of, that is changed, and not `x`.
        """
        line = f"x {sign} y"
        self._writes(x, line)
        if not (stores or self.memory.alone(x)) or (x.following and notes_changes(x.following.kind)):
            self.in_place(x, line, f"x = x {sign[:-1]} y, which makes a new array")
        new = self._fitted(x, new, line)
        return new if stores else self._filled(x, new)

    def stored(self, x: Any, index: Any, value: Any, fresh: bool) -> None:
        """Do `x[index] = value` to what stands for an array that nobody else sees, but a `fresh` value."""
        self._writes(x, "x[i] = y")
        place = self.memory.places.get(x)
        seen = fresh and place is not None and self.memory.places.get(value) is place
        mine = isinstance(x._value, np.ndarray) and self.memory.alone(x, int(seen))
        if not mine or (x.following and notes_changes(x.following.kind)):
            hint = "np.where(mask, y, x), or x = x.copy() before it; y.copy() where y is a view of x"
            self.in_place(x, "x[i] = y", hint)
        given = value if isinstance(value, Tensor) else np.asarray(value)
        if given.dtype.kind in "biuf" and not np.can_cast(given.dtype, x.dtype, "same_kind"):
            value = given.astype(x.dtype)  # an entry is cast as it may be
        new = with_checked_entries(x, index, value)
        self._filled(x, self._fitted(x, new, "x[i] = y"))

    def stored_under(self, x: Any, mask: Any, value: Any) -> Any:
        """Return `x` after `x[mask] = value`, of as many values as the mask picks; None for anything else."""
        return self.selections.put(x, mask, value)

    def _writes(self, x: Any, line: str) -> None:
        if self.memory.is_sealed(x):
            wanted = f"{line} would write where NumPy's own array is read-only, or has one entry for several"
            raise self.refuse(wanted, describe(x), "x = x.copy() before it")

    def sealed(self, x: Any) -> Any:
        """Return what stands for an array that nobody may write into."""
        if stands_for_array(x):
            self.memory.seal(x)
        elif isinstance(x, np.ndarray):
            x.flags.writeable = False
        return x

    def _fitted(self, x: Any, new: Any, line: str) -> Any:
        if not stands_for_array(new) or np.shape(new._value) != np.shape(x._value):  # asks for no count
            got, hint = f"{describe(new)} of {describe(x)}", "np.where(mask, y, x), which may be a Tensor"
            raise self.refuse(f"{line} would make another array of x", got, hint)
        if new.dtype == x.dtype:
            return new
        if not np.can_cast(new.dtype, x.dtype, "same_kind"):
            raise self.refuse(
                f"{line} cannot keep x's dtype {x.dtype}",
                f"{new.dtype}",
                f"x = x.astype({new.dtype}) before it",
            )
        return new.astype(x.dtype)

    def _filled(self, x: Any, new: Any) -> Any:
        self.renamed(x, new)
        x._value = np.asarray(new._value)  # without axes too, it stays an array
        return x

    def kept_as(self, x: Any, is_array: bool) -> Any:
        """Let a result without axes be an array or a number: whichever NumPy's own function gives."""
        if isinstance(x._value, np.ndarray) is not is_array:
            x._value = np.asarray(x._value) if is_array else x._value[()]
            self.by_array[x._value] = self.value_of(x)
        return x

    def stands_for_array(self, x: Tensor) -> bool:
        """Whether an eager run has an array where this one has the Tensor `x`."""
        return stands_for_array(x)

    def alone(self, x: Any) -> bool:
        """Whether nothing else that lives has the memory of what stands for an array."""
        return self.memory.alone(x)

    def given_as(self, x: Tensor, tensor: bool) -> Tensor:
        """Return `x` as what an eager run has there, said by who computed it: a Tensor, or else an array.

        Without axes such an array is a number.
        """
        found: Tensor = x
        if stands_for_array(x) is tensor:
            found = self._twin(x, Tensor if tensor else StandIn)
        return found if tensor or found.ndim else self.kept_as(found, False)

    def number(self, x: Tensor) -> Any:
        """Return what stands for the float that a leaf holds."""
        return self._twin(self.read(x), StandInForNumber)

    def copied(self, x: Any, kind: type = StandIn) -> Any:
        """Return an array of its own with the same entries, or what else stands for them."""
        return self._twin(x, kind)

    def _twin(self, x: Any, kind: type = StandIn) -> Any:
        twin = twin_of(x, kind)
        self.renamed(twin, x)
        return twin

    # --- Tensors and Values ---------------------------------------------------------------------------------
    def _enter(self, node: Tensor, v: Value) -> None:
        self.values.append(v)
        self.known[node] = v
        self.by_array[node._value] = v

    def value_of(self, x: Any) -> Any:
        """Return the Value of an op's input; Python numbers are themselves."""
        if isinstance(x, Tensor):
            v = self.known.get(x)
            return v if v is not None else self._leaf(x)
        if isinstance(x, (np.ndarray, np.generic)):
            return self._constant(x)
        if isinstance(x, (bool, int, float)):
            return x
        return self._constant(np.asarray(x))

    def _complex(self, x: complex, beside: tuple[Any, ...]) -> Value:
        """Return the constant of a Python number in the dtype that NumPy gives it beside the others."""
        dtype = np.result_type(x, *(y.dtype for y in beside if hasattr(y, "dtype")))
        return self._constant(np.asarray(x, dtype))

    def reaches(self, buffers: Iterable[Any], captured: dict[Any, Tensor]) -> None:
        """Note the arrays that the step reaches by name: their owner may fill them anew between calls.

        `captured` holds the leaf that stands for each of them in one recording after the other.
        """
        self.captured = captured
        writable = [x for x in buffers if isinstance(x, np.ndarray) and can_change(x)]
        self.within |= {id(y): y for x in writable for y in (x, *_owners(x))}

    def _in_reach(self, x: Any) -> bool:
        """Whether an array is in reach, or a view of one: `data[:100]`, `w.T`."""
        return id(x) in self.within or any(id(owner) in self.within for owner in _owners(x))

    def seen(self, x: Any) -> Any:
        """Return what stands for an array in reach, so that what is computed from it is recorded."""
        v = self._constant(x) if self._in_reach(x) else None
        if v is None or v.kind == "constant":
            return x
        leaf = Tensor(0.0, requires_grad=False)
        leaf._value = x
        stand_in = twin_of(leaf)
        stand_in.following = Following(type(x), x) if type(x) is not np.ndarray else None
        self.known[stand_in] = v
        self.memory.lent(stand_in)
        return stand_in

    def blank(self, x: Any) -> Any:
        """Return what stands for an array that the step has made to write into: the same at each call."""
        leaf = Tensor(0.0, requires_grad=False)
        leaf._value = x
        stand_in = twin_of(leaf)
        self.known[stand_in] = self._constant(x)
        return stand_in

    def _captured(self, x: Any) -> Value | None:
        """Return the Value of an array in reach, read where it lies at each call; None if it cannot be."""
        straight = x.flags.c_contiguous
        plain = x.dtype.kind in "fiu" and x.dtype.isnative and x.flags.aligned
        if not plain or not x.size or not x.ndim or not (straight or x.flags.f_contiguous):
            self.frozen.append(x)  # the guard compares their contents
            return None
        place = id(x) if id(x) in self.within else (x.ctypes.data, x.shape, x.strides, x.dtype)
        leaf = self.captured.get(place)  # a view is another object at each call, of the same memory
        lies = np.asarray(x if straight else x.T)
        if leaf is None or form(leaf._value) != form(lies):
            leaf = self.captured[place] = Tensor(0.0, requires_grad=False)
            leaf._value = lies
            self.local.discard(leaf)
        found = Value("state", leaf.shape, leaf.dtype, data=State(leaf), line=user_line())
        self.values.append(found)
        if not straight:
            turned = {"axes": None}
            found = Value("call", x.shape, x.dtype, "transpose", (found,), turned, line=user_line())
            self.values.append(found)
        return found

    def read_anew(self, program: Program) -> set[Any]:
        """Return the ids of arrays in reach that a program reads at each call, and the places of views."""
        read = {id(v.data.tensor) for v in program.states}
        return {place for place, leaf in self.captured.items() if id(leaf) in read}

    def _constant(self, x: Any) -> Value:
        self.refuse_odd(x)
        v = self.constants.get(id(x))
        if v is None and self._in_reach(x):
            v = self._captured(x)
            if v is not None:
                self.constants[id(x)] = v
                self.kept.append(x)
        elif v is not None and v.kind == "constant" and not _same_bytes(v.data, x):
            v = None  # the step has changed it since
        if v is None:
            array = np.array(x)
            v = Value("constant", array.shape, array.dtype, data=array, line=user_line())
            self.constants[id(x)] = v
            self.kept.append(x)
            self.values.append(v)
        return v

    def argument(self, array: Any, place: int, like: Tensor | None = None, is_array: bool = True) -> Tensor:
        """Return what stands for an argument while the step is recorded: an array, or the Tensor `like`.

        An array without axes comes as a number here; `is_array` tells whether it was one, since NumPy's
        functions tell them apart: `x.T` of an array is one, that of a number a number.
        """
        stand_in = Tensor(0.0, requires_grad=False)
        stand_in._value = np.array(array) if is_array and not array.ndim else array[()]
        v = Value("argument", array.shape, array.dtype, data=place)
        if like is None:
            stand_in = twin_of(stand_in)
            self.memory.lent(stand_in)
            self.given[stand_in] = place
        else:
            stand_in.name, stand_in.requires_grad = like.name, like.requires_grad
            v.name = like.name or ""
            self.places[stand_in] = place
        self._enter(stand_in, v)
        if like is not None:
            self.before[stand_in] = (stand_in._value, None)
            if like.grad is not None:
                stand_in.grad = self._grad_of(stand_in, like.grad)
        return stand_in

    def unused(self, array: Any, place: int) -> None:
        """Note an argument that nobody looks at."""
        self.values.append(Value("argument", array.shape, array.dtype, data=place))

    def _leaf(self, x: Tensor) -> Value:
        """Return the Value of a Tensor that was there before the step, or is made of a known array."""
        if x not in self.before:
            alias = self.by_array.get(x._value)
            if alias is not None:
                self.known[x] = alias
                self.wrapped.append(x)
                return alias
            if x in self.local:
                v = self.known[x] = self._constant(x._value)
                return v
            self.touch(x)
        v = Value("state", x.shape, x.dtype, data=State(x), name=x.name or "")
        self.values.append(v)
        self.known[x] = v
        if self.by_array.get(x._value) is None:
            self.by_array[x._value] = v
        return v

    def touch(self, x: Tensor) -> None:
        """Remember a leaf as it is, and let the gradient it holds be read from it at each call.

        Its array moves to a cache line now if it may: the nodes of this run will hold on to it.
        """
        if x in self.before or x in self.known or x in self.local:
            return
        self.before[x] = (on_a_line(x), x.grad)
        if x.grad is not None:
            x.grad = self._grad_of(x, x.grad)

    def _grad_of(self, x: Tensor, grad: Any) -> Tensor:
        array = raw(grad)
        stand_in = Tensor(0.0, requires_grad=False)
        stand_in._value = array
        if not isinstance(grad, Tensor):
            stand_in = twin_of(stand_in)
        state = State(None if x in self.places else x, "grad", self.places.get(x, -1))
        v = Value("state", array.shape, array.dtype, data=state, name=state.name)
        self.known[stand_in] = v
        self.values.append(v)
        self.old_grads[x] = stand_in
        self.kept.append(stand_in)
        return stand_in

    # --- the end --------------------------------------------------------------------------------------------
    def undo(self) -> None:
        """Leave every Tensor as it was before."""
        for x, (value, grad) in self.before.items():
            x._value, x.grad = value, grad
        self.before.clear()

    def finish(self, outputs: list[Tensor]) -> tuple[Program, list[State]]:
        """Return the program, and the gradients that are None after the step though they were not before.

        Leaves keep their new values, gradients become arrays: the state after an eager step.
        """
        program = Program(self.values, [self.value_of(t) for t in outputs])
        cleared: list[State] = []
        for x, (_, grad) in list(self.before.items()):
            place = self.places.get(x, -1)
            tensor = None if place >= 0 else x
            if x in self.written:
                program.assignments.append((State(tensor, "value", place), self.known[x]))
            now = x.grad
            if now is self.old_grads.get(x) and (now is None or self.known[now].kind == "state"):
                x.grad = grad
            elif now is None:
                cleared.append(State(tensor, "grad", place))
            else:
                v = self.value_of(now)
                program.assignments.append((State(tensor, "grad", place), v))
                x.grad = raw(now)
        program.values = self.values
        _check_indices(program)
        self.counts = self.selections.guard(program)
        program.prune()
        return program, cleared


def _owners(x: Any) -> Iterable[Any]:
    """Yield the arrays in whose memory an array lies, as a view does."""
    while isinstance(x, np.ndarray) and x.base is not None:
        x = x.base
        yield x


def _same_bytes(held: Any, x: Any) -> bool:
    return held is x or held.tobytes() == np.asarray(x).tobytes()


def _check_indices(program: Program) -> None:
    """Keep what tells that an index is out of bounds, though nobody needs the entries that it picks.

    The gradient of a loss does not need the loss; its labels have to be classes all the same.
    """
    needed = set(reachable(program.results))
    for v in list(program.values):
        arrays = v.operands[1:]
        if any(x.dtype.kind == "b" for x in arrays):
            continue  # a mask's bounds are its shape; its count is compared where it is used
        if v.core.reads == "picked" and v not in needed and any(x.kind != "constant" for x in arrays):
            source = v.operands[0]
            nothing = Value("constant", source.shape, np.dtype(bool), data=np.zeros(source.shape, bool))
            check = Value(
                "call", v.shape, nothing.dtype, v.op, (nothing, *v.inputs[1:]), v.attrs, line=v.line
            )
            program.values += [nothing, check]
            program.checks.append(check)


def leaves(thing: Any, limit: int = 100_000) -> Iterable[Tensor]:
    """Yield the leaf Tensors that can be reached from an object through attributes and containers.

    >>> w = Tensor([1.0], name="w")
    >>> [t.name for t in leaves({"layers": [w, (w, 3)]})]
    ['w']
    """
    seen: set[int] = set()
    stack = [thing]
    while stack and len(seen) < limit:
        x = stack.pop()
        if id(x) in seen or is_a(x, (str, bytes, int, float, np.ndarray, type(None), type)):
            continue
        seen.add(id(x))
        if is_a(x, BatchTensor):  # a Module that holds one inside a vmap: what its examples are part of
            stack.append(x.content)
        elif is_tensor(x):
            if x.op is None:
                yield x
        elif stands(x):
            continue  # a large table: what is read of it is found by who reads
        elif is_a(x, dict):
            stack.extend(keys_of(x))
            stack.extend(held_in(x))
        elif is_a(x, (list, tuple, set, frozenset)):
            stack.extend(held_in(x))
        elif not is_a(x, _OPAQUE):
            stack.extend((attributes(x) or {}).values())


_OPAQUE = (type(np), type(leaves), type(len), property, staticmethod, classmethod)


def record(
    recorder: Recorder, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run the function for real while the recorder looks on; on any error everything is as before.

    What was refused is raised here if the step has caught it: the branch that it took is no answer for later
    calls. So it is where NumPy has, who then says something else.
    """
    try:
        with hearing() as heard, observed(recorder), np.errstate(all="ignore"):
            result = function(*args, **kwargs)
            settle()
        recorder.printed = next((stream.line for stream in heard if stream.line), "")
        if recorder.refused is not None:  # the step has caught it
            raise recorder.refused
        return result
    except BaseException as error:
        recorder.undo()
        if recorder.refused is not None and isinstance(error, Exception) and error is not recorder.refused:
            raise recorder.refused from error
        if (meant := behind(error)) is not error:
            raise meant from None
        raise
