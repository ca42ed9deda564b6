"""Recurrent networks: cells for one step, and stacked layers that walk a sequence, forward and backward."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.arguments import is_whole
from clearprop.errors import lesson
from clearprop.loops.scan import scan
from clearprop.modes import mode
from clearprop.nn import functional as F
from clearprop.nn import init
from clearprop.nn.functional.layer import arrayed
from clearprop.nn.functional.recurrent import State, gru_step, lstm_step, rnn_step
from clearprop.nn.module import Module, Parameter
from clearprop.nn.sequence import PackedSequence, by_time
from clearprop.op import describe

NONLINEARITIES = {"tanh": np.tanh, "relu": F.relu}


class Recurrent(Module):
    """What cells and layers share: weights of so many gates, from U(-1/sqrt(hidden), 1/sqrt(hidden))."""

    input_size: int
    hidden_size: int

    shown: tuple[str, ...] = ("input_size", "hidden_size")
    gates = 1
    states = 1
    """How many arrays the state is: the output, and what a cell remembers besides."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        for name, number in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not is_whole(number) or operator.index(number) < 1:
                called = f"{type(self).__name__}(...)"
                wanted = f"wants {name} as a whole number of 1 or more"
                raise ValueError(lesson(called, wanted, f"{number!r}"))
        self.input_size, self.hidden_size = int(input_size), int(hidden_size)

    def _add(self, suffix: str, sizes: tuple[int, int], bias: bool, projected: int, dtype: Any) -> None:
        """Make the parameters of one direction of one layer, in PyTorch's order and with its names."""
        rows = self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, sizes[0]), "weight_hh": (rows, sizes[1])}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
        shapes |= {"weight_hr": (projected, self.hidden_size)} if projected else {}
        for name, shape in shapes.items():
            setattr(self, name + suffix, Parameter(np.zeros(shape, dtype)))

    def _held(self, suffix: str) -> Any:
        """Return the parameters of one direction of one layer: two weights, two biases or None."""
        return tuple(self.given(name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _step(self, x: Any, state: State, suffix: str) -> State:
        """Return the next state."""
        raise NotImplementedError


def _function(called: str, nonlinearity: str) -> str:
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(lesson(f"{called}(nonlinearity=)", "is 'tanh' or 'relu'", f"{nonlinearity!r}"))
    return nonlinearity


# --- cells --------------------------------------------------------------------------------------------------
class RecurrentCell(Recurrent):
    """What the cells share: one step of one layer."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = np.float32) -> None:
        super().__init__(input_size, hidden_size)
        self.bias = bias
        self._add("", (self.input_size, self.hidden_size), bias, 0, dtype)
        self.reset_parameters()

    def forward(self, x: Any, state: Any = None) -> Any:
        """Return the next state for the input `x`, (n, input_size) or (input_size,), from `state` or 0."""
        x = arrayed(x)
        called = f"{type(self).__name__}({self.input_size}, {self.hidden_size})(x)"
        if len(x.shape) not in (1, 2) or x.shape[-1] != self.input_size:
            wanted = f"wants (n, {self.input_size}) or ({self.input_size},)"
            raise ValueError(lesson(called, wanted, describe(x)))
        shape = (*x.shape[:-1], self.hidden_size)
        given = _as_state(state, [shape] * self.states, self.weight_ih.dtype, called)
        new = self._step(x, given, "")
        return new if self.states > 1 else new[0]


class RNNCell(RecurrentCell):
    """h' = tanh(x W^T + b + h U^T + d), or with relu; see `functional.recurrent.rnn_step`.

    >>> RNNCell(3, 4)(np.zeros((2, 3), np.float32)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)
        self.nonlinearity: str = _function("RNNCell", nonlinearity)

    def _step(self, x: Any, state: State, suffix: str) -> State:
        w, u, b, d = self._held(suffix)
        return rnn_step(x, state, w, u, b, d, NONLINEARITIES[self.nonlinearity])


class LSTMCell(RecurrentCell):
    """One step of a long short-term memory: (h', c') for (h, c); see `functional.recurrent.lstm_step`.

    >>> import numpy as np
    >>> h, c = LSTMCell(2, 3)(np.ones((4, 2), np.float32))
    >>> h.shape, c.shape
    ((4, 3), (4, 3))
    """

    gates: int = 4
    states: int = 2

    def _step(self, x: Any, state: State, suffix: str) -> State:
        return lstm_step(x, state, *self._held(suffix))


class GRUCell(RecurrentCell):
    """One step of a gated recurrent unit; see `functional.recurrent.gru_step`.

    >>> import numpy as np
    >>> GRUCell(2, 3)(np.ones((4, 2), np.float32)).shape
    (4, 3)
    """

    gates = 3

    def _step(self, x: Any, state: State, suffix: str) -> State:
        return gru_step(x, state, *self._held(suffix))


# --- layers -------------------------------------------------------------------------------------------------
class Layers(Recurrent):
    """What `RNN`, `LSTM` and `GRU` share: layers one over the other, each walking the sequence.

    The input is (length, n, input_size), with `batch_first` (n, length, input_size), without a batch
    (length, input_size), or a PackedSequence. Returned are the last layer's output of every step, with
    `bidirectional` those of both directions side by side, and the last state, (layers * directions, n,
    hidden).
    """

    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    shown: tuple[str, ...] = ("input_size", "hidden_size", "num_layers", "batch_first", "bidirectional")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(input_size, hidden_size)
        called = type(self).__name__
        if num_layers < 1 or not 0 <= proj_size < hidden_size:
            wanted = "wants 1 or more layers and a proj_size below hidden_size"
            raise ValueError(lesson(f"{called}(...)", wanted, f"{num_layers} and {proj_size}"))
        if not 0 <= dropout <= 1:
            raise ValueError(lesson(f"{called}(dropout=)", "wants a probability from 0 to 1", f"{dropout!r}"))
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = dropout, bidirectional, proj_size
        directions = 2 if bidirectional else 1
        out = proj_size or self.hidden_size
        for layer in range(num_layers):
            into = self.input_size if layer == 0 else out * directions
            for reverse in range(directions):
                self._add(_suffix(layer, reverse), (into, out), bias, proj_size, dtype)
        self.reset_parameters()

    def flatten_parameters(self) -> None:
        """Do nothing: the parameters need no special place in memory. PyTorch's programs call it."""

    def forward(self, x: Any, state: Any = None) -> Any:
        """Return (output, last state); the state is (h, c) for an LSTM. Without a state it begins from 0."""
        if self._by_scan(x):
            return self._rolled(arrayed(x), state)
        packed = isinstance(x, PackedSequence)
        called = f"{type(self).__name__}({self.input_size}, {self.hidden_size})(x)"
        steps, alone = self._steps(x, called)
        rows = steps[0].shape[0]
        directions = 2 if self.bidirectional else 1
        sizes = [self.proj_size or self.hidden_size, self.hidden_size][: self.states]
        lead = (self.num_layers * directions, *(() if alone else (rows,)))
        given = _as_state(state, [(*lead, size) for size in sizes], self.weight_ih_l0.dtype, called)
        given = tuple(s[:, None] if alone else s for s in given)
        if packed and x.sorted_indices is not None and state is not None:
            given = tuple(s[:, list(x.sorted_indices)] for s in given)
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                steps = [F.dropout(step, self.dropout) for step in steps]
            outputs = []
            for reverse in range(directions):
                start = tuple(s[layer * directions + reverse] for s in given)
                found, end = self._walk(steps, start, _suffix(layer, reverse), bool(reverse))
                outputs.append(found)
                last.append(end)
            steps = (
                [np.concatenate(pair, axis=-1) for pair in zip(*outputs, strict=True)] if reverse else found
            )
        end = tuple(np.stack(arrays) for arrays in zip(*last, strict=True))
        return self._joined(steps, x, alone), self._returned(end, x, alone)

    def _by_scan(self, x: Any) -> bool:
        """Whether a recording for any length asks for loops; what is dropped is drawn step by step."""
        drops = self.dropout and self.training and self.num_layers > 1
        asked = mode.observer is not None and mode.observer.rolls
        return bool(asked and not drops and not isinstance(x, PackedSequence) and len(np.shape(x)) == 3)

    def _rolled(self, x: Any, state: Any) -> Any:
        """Return what `forward` returns, each layer and direction a `scan` over (length, n, features)."""
        called = f"{type(self).__name__}({self.input_size}, {self.hidden_size})(x)"
        if x.shape[-1] != self.input_size:
            raise ValueError(lesson(called, f"wants steps of {self.input_size} features", describe(x)))
        x = np.swapaxes(x, 0, 1) if self.batch_first else x
        directions = 2 if self.bidirectional else 1
        sizes = [self.proj_size or self.hidden_size, self.hidden_size][: self.states]
        lead = (self.num_layers * directions, x.shape[1])
        given = _as_state(state, [(*lead, size) for size in sizes], self.weight_ih_l0.dtype, called)
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for reverse in range(directions):

                def turn(now: State, row: Any, suffix: str = _suffix(layer, reverse)) -> tuple[State, Any]:
                    new = self._step(row, now, suffix)
                    return new, new[0]

                start = tuple(s[layer * directions + reverse] for s in given)
                end, found = scan(turn, start, x, reverse=bool(reverse))
                outputs.append(found)
                last.append(end)
            x = np.concatenate(outputs, axis=-1) if self.bidirectional else outputs[0]
        end = tuple(np.stack(arrays) for arrays in zip(*last, strict=True))
        return np.swapaxes(x, 0, 1) if self.batch_first else x, self._returned(end, x, False)

    def _steps(self, x: Any, called: str) -> tuple[list[Any], bool]:
        """Return the rows of each step, and whether there was no batch axis."""
        if isinstance(x, PackedSequence):
            steps, alone = by_time(x), False
        else:
            x = arrayed(x)
            if len(x.shape) not in (2, 3):
                wanted = "wants a sequence (length, n, features), or (length, features)"
                raise ValueError(lesson(called, wanted, describe(x)))
            alone = len(x.shape) == 2
            if self.batch_first and not alone:
                steps = [x[:, t] for t in range(x.shape[1])]
            else:
                steps = [x[t][None] if alone else x[t] for t in range(x.shape[0])]
        if not steps or steps[0].shape[-1] != self.input_size:
            got = describe(steps[0]) if steps else "no steps"
            raise ValueError(lesson(called, f"wants steps of {self.input_size} features", got))
        return steps, alone

    def _walk(self, steps: list[Any], start: State, suffix: str, reverse: bool) -> tuple[list[Any], State]:
        """Return the outputs of all steps in order of time, and each row's last state.

        Rows end where a packed step has fewer; walked backward, they begin where it has more.
        """
        outputs, state, ended = [], tuple(s[: _rows(steps, reverse)] for s in start), []
        for x in steps[::-1] if reverse else steps:
            rows, had = x.shape[0], state[0].shape[0]
            if rows < had:
                ended.append(tuple(s[rows:] for s in state))
                state = tuple(s[:rows] for s in state)
            elif rows > had:
                state = tuple(np.concatenate([s, s0[had:rows]]) for s, s0 in zip(state, start, strict=True))
            state = self._step(x, state, suffix)
            outputs.append(state[0])
        parts = [state, *ended[::-1]]
        end = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True)) if ended else state
        return outputs[::-1] if reverse else outputs, end

    def _joined(self, steps: list[Any], x: Any, alone: bool) -> Any:
        if isinstance(x, PackedSequence):
            return x._replace(data=np.concatenate(steps))
        if alone:
            return np.concatenate(steps)
        return np.stack(steps, axis=1 if self.batch_first else 0)

    def _returned(self, end: State, x: Any, alone: bool) -> Any:
        if isinstance(x, PackedSequence) and x.unsorted_indices is not None:
            end = tuple(s[:, list(x.unsorted_indices)] for s in end)
        end = tuple(s[:, 0] for s in end) if alone else end
        return end if self.states > 1 else end[0]


class RNN(Layers):
    """h' = tanh(x W^T + b + h U^T + d), or with relu, along a sequence; see `functional.recurrent.rnn_step`.

    >>> output, h = RNN(3, 4, num_layers=2)(np.zeros((5, 2, 3), np.float32))
    >>> output.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        options = num_layers, bias, batch_first, dropout, bidirectional, 0, dtype
        super().__init__(input_size, hidden_size, *options)
        self.nonlinearity: str = _function("RNN", nonlinearity)

    def _step(self, x: Any, state: State, suffix: str) -> State:
        w, u, b, d = self._held(suffix)
        return rnn_step(x, state, w, u, b, d, NONLINEARITIES[self.nonlinearity])


class LSTM(Layers):
    """A long short-term memory along a sequence; see `functional.recurrent.lstm_step`.

    >>> output, (h, c) = LSTM(3, 4, bidirectional=True)(np.zeros((5, 2, 3), np.float32))
    >>> output.shape, h.shape, c.shape
    ((5, 2, 8), (2, 2, 4), (2, 2, 4))
    """

    gates: int = 4
    states: int = 2

    def _step(self, x: Any, state: State, suffix: str) -> State:
        w, u, b, d = self._held(suffix)
        return lstm_step(x, state, w, u, b, d, self.given("weight_hr" + suffix))


class GRU(Layers):
    """A gated recurrent unit along a sequence; see `functional.recurrent.gru_step`.

    >>> output, h = GRU(3, 4, batch_first=True)(np.zeros((2, 5, 3), np.float32))
    >>> output.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        options = num_layers, bias, batch_first, dropout, bidirectional, 0, dtype
        super().__init__(input_size, hidden_size, *options)

    def _step(self, x: Any, state: State, suffix: str) -> State:
        return gru_step(x, state, *self._held(suffix))


def _suffix(layer: int, reverse: int) -> str:
    return f"_l{layer}" + "_reverse" * reverse


def _rows(steps: list[Any], reverse: bool) -> int:
    return int(steps[-1 if reverse else 0].shape[0])


def _as_state(state: Any, shapes: list[tuple[int, ...]], dtype: Any, called: str) -> State:
    """Return a state as a tuple of arrays of these shapes, 0 where there is none."""
    if state is None:
        return tuple(np.zeros(shape, dtype) for shape in shapes)
    given: Iterator[Any] = iter(state if len(shapes) > 1 else (state,))
    arrays = tuple(arrayed(s) for s in given)
    if [a.shape for a in arrays] != shapes:
        wanted, got = f"wants a state of shapes {shapes}", f"{[a.shape for a in arrays]}"
        raise ValueError(lesson(called, wanted, got, hint="no state, to begin from 0"))
    return arrays
