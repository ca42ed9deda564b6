"""The recorder: an observer of one ordinary run, which writes down what the run computed as a Program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from clearprop.compiler.ir import Program, State, Value, reachable
from clearprop.compiler.store import on_a_line
from clearprop.compiler.weakly import ByArray, ByTensor
from clearprop.errors import lesson, user_line
from clearprop.modes import observed
from clearprop.tensor import Tensor


class RecordingError(RuntimeError):
    """A step that cannot be written down as one program; the message says where and what to do."""


class Recorder:
    """What a step did, node by node; see `clearprop.modes.Observer`.

    Leaves stay the very Tensors of the user; a leaf that is assigned really changes, and `known` says which
    Value its present contents are. What a leaf's value and gradient were before is kept, so that a run that
    fails leaves everything as it was. What the run computes is noted, not kept: an array lives as long as the
    step itself holds it, or a gradient may still pass through it.
    """

    remembers = True

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.known = ByTensor()
        self.by_array = ByArray()  # a leaf made of a known node's array stands for that node
        self.constants: dict[int, Value] = {}
        self.kept: list[Any] = []  # constants: keeps their ids from being used again
        self.before: dict[Tensor, tuple[Any, Any]] = {}
        self.old_grads: dict[Tensor, Tensor] = {}
        self.places: dict[Tensor, int] = {}  # Tensors that were passed as arguments
        self.things: list[Any] = []
        self.tensors: set[Value] = set()  # what is a Tensor, not an array, in an eager run
        self.written: set[Tensor] = set()
        self.wrapped: list[Tensor] = []  # leaves that were made inside the step, of known arrays
        self.reads: dict[Value, Tensor] = {}

    # --- what modes.Observer asks for -----------------------------------------------------------------------
    def resolve(self, x: Any) -> Any:
        """Return the Tensor itself, having noted what it was before the step."""
        self.value_of(x)
        return x

    def read(self, x: Tensor) -> Tensor:
        """Return a Tensor that keeps the present contents of a leaf, as the array does in an eager run."""
        v = self.value_of(x)
        if x.op is not None:
            return x
        held = self.reads.get(v)
        if held is None:
            held = self.reads[v] = Tensor(0.0, x.name, requires_grad=False)
            held._value = x._value
            self.known[held] = v
        return held

    def saw(self, node: Tensor) -> None:
        """Write a node down."""
        assert node.op is not None
        inputs = tuple([self.value_of(x) for x in node.inputs])
        value = node._value
        if isinstance(value, tuple):
            shape: Any = tuple(np.shape(part) for part in value)
            dtype: Any = tuple(part.dtype for part in value)
        else:
            shape, dtype = value.shape, value.dtype
        v = Value("call", shape, dtype, node.op.name, inputs, dict(node.attrs), line=user_line())
        self._enter(node, v)
        if not node.requires_grad:  # no gradient will ask for them, and the program has noted them
            node.inputs = node.values = ()
        if any(x in self.tensors for x in v.operands):
            self.tensors.add(v)

    def sent(self, node: Tensor, i: int, d: Any) -> None:
        """Gradients are nodes like any others."""

    def uses(self, thing: Any) -> None:
        """Note a thing whose `structure()` decides what is computed."""
        if not any(thing is other for other in self.things):
            self.things.append(thing)
            for p in leaves(thing):
                self.touch(p)

    def assigned(self, tensor: Tensor, new: Any) -> None:
        """Note that a leaf is about to be given a new value (a Tensor, an array or a number)."""
        self.touch(tensor)
        self.written.add(tensor)
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

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Refuse: what Python does with a number cannot be part of the program.

        Only `Tensor(x)` of an argument passes: the new Tensor's array is then known to be the argument's.
        """
        if asked == "np.asarray(t)" and self._is_wrapped(tensor):
            return
        hints = {
            "bool(t)": "np.where(condition, a, b) instead of `if`, or the decision outside of the step",
            "np.asarray(t)": "the array functions on the Tensor itself, without np.asarray",
        }
        hint = hints.get(
            asked, "the Tensor itself inside the step, and its value after the step has returned"
        )
        name = f"'{tensor.name}' " if tensor.name else ""
        what = f"computed by {tensor.op.name}" if tensor.op is not None else "an input of the step"
        line = user_line()
        raise RecordingError(
            lesson(
                "compile(step)",
                f"a recorded step cannot ask for {asked}: Python would see this call's number only",
                f"of {name}{tensor.shape} {tensor.dtype}, {what}",
                f"At {line}." if line else "",
                hint,
            )
        )

    def stands_for_array(self, x: Tensor) -> bool:
        """Whether an eager run has an array where this one has the Tensor `x`."""
        return not x.requires_grad and self.value_of(x) not in self.tensors

    def tells(self, x: Tensor, is_tensor: bool) -> None:
        """Hear from who computed `x` whether an eager run has a Tensor or an array there."""
        (self.tensors.add if is_tensor else self.tensors.discard)(self.value_of(x))

    def _is_wrapped(self, tensor: Tensor) -> bool:
        """Whether `Tensor(tensor)` is being made, with no change of dtype that would hide where it is of."""
        frame = sys._getframe(4)
        if frame.f_code is not Tensor.__init__.__code__ or not tensor.ndim:
            return False
        wants = frame.f_locals.get("requires_grad")
        return tensor.dtype.kind == "f" or (wants is not None and not wants)

    # --- Tensors and Values ---------------------------------------------------------------------------------
    def _enter(self, node: Tensor, v: Value) -> None:
        self.values.append(v)
        self.known[node] = v
        if not isinstance(node._value, tuple):
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

    def _constant(self, x: Any) -> Value:
        v = self.constants.get(id(x))
        if v is None:
            array = np.array(x)
            v = Value("constant", array.shape, array.dtype, data=array, line=user_line())
            self.constants[id(x)] = v
            self.kept.append(x)
            self.values.append(v)
        return v

    def argument(self, array: Any, place: int, like: Tensor | None = None) -> Tensor:
        """Return the Tensor that stands for an argument of the step while it is recorded."""
        stand_in = Tensor(0.0, requires_grad=False)
        stand_in._value = array[()] if isinstance(array, np.ndarray) and array.ndim else array
        v = Value("argument", array.shape, array.dtype, data=place)
        if like is not None:
            stand_in.name, stand_in.requires_grad = like.name, like.requires_grad
            v.name = like.name or ""
            self.tensors.add(v)
            self.places[stand_in] = place
        self._enter(stand_in, v)
        if like is not None:
            self.before[stand_in] = (stand_in._value, None)
            if like.grad is not None:
                stand_in.grad = self._grad_of(stand_in, like.grad)
        return stand_in

    def _leaf(self, x: Tensor) -> Value:
        """Return the Value of a Tensor that was there before the step, or is made of a known array."""
        if x not in self.before:
            alias = self.by_array.get(x._value)
            if alias is not None:
                self.known[x] = alias
                self.wrapped.append(x)
                return alias
            self.touch(x)
        v = Value("state", x.shape, x.dtype, data=State(x), name=x.name or "")
        self.values.append(v)
        self.known[x] = v
        self.tensors.add(v)
        if self.by_array.get(x._value) is None:
            self.by_array[x._value] = v
        return v

    def touch(self, x: Tensor) -> None:
        """Remember a leaf as it is, and let the gradient it holds be read from it at each call.

        Its array moves to a cache line now if it may: the nodes of this run will hold on to it.
        """
        if x in self.before or x in self.known:
            return
        self.before[x] = (on_a_line(x), x.grad)
        if x.grad is not None:
            x.grad = self._grad_of(x, x.grad)

    def _grad_of(self, x: Tensor, grad: Any) -> Tensor:
        array = grad._value if isinstance(grad, Tensor) else grad
        stand_in = Tensor(0.0, requires_grad=False)
        stand_in._value = array
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
            if now is self.old_grads.get(x):
                x.grad = grad
            elif now is None:
                cleared.append(State(tensor, "grad", place))
            else:
                v = self.value_of(now)
                self.tensors.discard(v)
                program.assignments.append((State(tensor, "grad", place), v))
                x.grad = now._value if isinstance(now, Tensor) else now
        program.values = self.values
        _check_indices(program)
        program.prune()
        return program, cleared


def _check_indices(program: Program) -> None:
    """Keep what tells that an index is out of bounds, though nobody needs the entries that it picks.

    The gradient of a loss does not need the loss; its labels have to be classes all the same.
    """
    needed = set(reachable(program.results))
    for v in list(program.values):
        if v.op == "getitem" and v not in needed and any(x.kind != "constant" for x in v.operands[1:]):
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
        if id(x) in seen or isinstance(x, (str, bytes, int, float, np.ndarray, type(None), type)):
            continue
        seen.add(id(x))
        if isinstance(x, Tensor):
            if x.op is None:
                yield x
        elif isinstance(x, dict):
            stack.extend(x.keys())
            stack.extend(x.values())
        elif isinstance(x, (list, tuple, set, frozenset)):
            stack.extend(x)
        elif not isinstance(x, _OPAQUE) and hasattr(x, "__dict__"):
            stack.extend(vars(x).values())


_OPAQUE = (type(np), type(leaves), type(len), property, staticmethod, classmethod)


def record(
    recorder: Recorder, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run the function for real while the recorder looks on; on any error everything is as before."""
    try:
        with observed(recorder), np.errstate(all="ignore"):
            return function(*args, **kwargs)
    except BaseException:
        recorder.undo()
        raise
