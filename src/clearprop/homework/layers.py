"""Layers as many courses write them, `forward(x)` and `backward(g)`: each wrapped as a node to be graded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from clearprop.errors import InputError, lesson
from clearprop.homework.operations import Operation, by_function, by_name, by_operators

_FORWARD, _BACKWARD = ("forward", "__call__"), ("backward", "backprop", "backward_pass")
_TARGET = re.compile(r"^(t|y|y_?true|truth|target|targets|label|labels)$", re.I)
_CONTEXT, _CACHE = re.compile(r"^(ctx|context)$", re.I), re.compile(r"cache|saved|memory|ctx", re.I)
_MATRIX = re.compile(r"^w|weight|matrix", re.I)
_STATE = re.compile(r"^_|running|moving|mask|momentum|velocity|^d[A-Z_]|^d[wb]$|grad|^[mv]_", re.I)
_ROWS = np.array([[0.2, -0.5, 0.9], [1.3, 0.4, -0.7], [-1.1, 0.6, 0.3], [0.8, -0.2, 1.7]])
_SHARES = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])  # rows that sum to 1, for losses of probabilities
_IMAGE = np.sin(1.0 + np.arange(150.0)).reshape(2, 3, 5, 5)
_INPUTS = (_ROWS, _ROWS[0], _IMAGE, _ROWS.T)
_TARGETS = (np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), np.array([1, 0]))


class Input:
    """A number or an array that goes into a layer, or one of its parameters."""

    def __init__(self, value: Any) -> None:
        self.value, self.grad = value, np.zeros(np.shape(value))[()]


class _Shape:
    """How a layer is called: its methods, and what these want besides the inputs."""

    def __init__(self, kind: type) -> None:
        self.forward = _method(kind, _FORWARD)
        self.backward = _method(kind, _BACKWARD)
        wanted = _names(kind, self.forward)
        self.context: bool = bool(wanted) and bool(_CONTEXT.search(wanted[0]))
        self.takes: list[str] = wanted[1:] if self.context else wanted
        self.given: list[str] = _names(kind, self.backward, optional=True)
        self.cached: bool = len(self.given) > 1 and not self.context
        self.begins: bool = not self.given  # a loss: its own backward pass starts from 1
        self.starts: bool = not _names(kind, self.backward)  # it may start, whatever it can be given

    def run(self, layer: Any, *inputs: Any) -> tuple[Any, Any]:
        """Return what a layer makes of its inputs, and what it wants to be given back."""
        kept: Any = SimpleNamespace()
        kept.save_for_backward = lambda *saved: vars(kept).update(saved_tensors=saved)
        single = not any(map(np.ndim, inputs))  # numbers go in as arrays of one entry, as layers expect
        given = [np.full((1, 1), x, float) if single else np.array(x) for x in inputs]
        found = getattr(layer, self.forward)(*([kept] if self.context else []), *given)
        if self.cached and isinstance(found, tuple):
            found, kept = found
        found = np.asarray(found)
        return (found.reshape(())[()] if single and found.size == 1 else found[()]), kept

    def back(self, layer: Any, kept: Any, g: Any, single: bool) -> list[Any]:
        """Return what a layer gives its inputs of the gradient that arrives."""
        g = np.full((1, 1), g, float) if single and self.takes and not self.begins else g
        given = {0: [], 1: [g]}.get(len(self.given), [kept, g] if self.context else [g, kept])
        if len(self.given) > 1 and _CACHE.search(self.given[0]):
            given = [kept, given[-1] if self.context else g]
        found = getattr(layer, self.backward)(*given)
        several = list(found) if isinstance(found, (tuple, list)) else [found]
        if single:
            several = [
                x.reshape(())[()] if np.size(x) == 1 and isinstance(x, np.ndarray) else x for x in several
            ]
        return [x * g if self.begins and x is not None else x for x in several]


def as_node(kind: type, function: Any, make: Any) -> tuple[type, Operation] | None:
    """Return a class of nodes that wraps a layer, and what it computes; None for a class of another style.

    A layer takes no nodes: `forward(x)` gives its output and `backward(g)` the gradients of its inputs. Its
    parameters (`W`, or what `params` holds) are inputs of the node, whose gradients it is to store as `dW`,
    `grad_W`, `W_grad` or in `grads`. `make()` makes one where its constructor cannot be guessed.
    """
    if not _method(kind, _BACKWARD) or not _method(kind, _FORWARD) or by_operators(kind):
        return None
    shape = _Shape(kind)
    if not shape.takes:
        return None
    tried = _tried(kind, shape, make)
    if tried is None:
        return None
    fresh, inputs, targets = tried
    names = list(_parameters(fresh()))
    count = len(inputs)

    class Node:
        """The layer as a node: its inputs and its parameters are nodes, to which it hands gradients on."""

        def __init__(self, *nodes: Any) -> None:
            self.nodes, self.grad, self.layer = nodes, 0.0, fresh()
            for name, node in zip(names, nodes[count:], strict=True):
                _parameters(self.layer)[name][...] = node.value
            self.single: bool = not any(np.ndim(n.value) for n in nodes[:count])
            self.value, self.kept = shape.run(self.layer, *(n.value for n in nodes[:count]), *targets)

        def backward(self) -> None:
            """Add what the layer gives to what its inputs have."""
            found = shape.back(self.layer, self.kept, self.grad, self.single)[:count]
            found += [None] * (count - len(found)) + [_stored(self.layer, name) for name in names]
            for node, g in zip(self.nodes, found, strict=True):
                node.grad = None if g is None or node.grad is None else node.grad + np.asarray(g)[()]

    Node.__name__ = kind.__name__
    return Node, _operation(kind.__name__, Node, function, count + len(targets), inputs, _parameters(fresh()))


def _operation(
    label: str, node: Any, function: Any, takes: int, inputs: Any, parameters: dict[str, Any]
) -> Operation:
    known = by_function(label, node, function) if function is not None else by_name(label, node, takes)
    if known is not None and known.arity == takes == len(inputs) and not parameters:
        known.broadcasts = []  # what is repeated is the business of another layer
        if np.ndim(inputs[0]) > np.ndim(known.points[0][0]) > 0 and known.composes:
            known.points.append(inputs)  # a layer of vectors is handed rows of them
        return known
    filled = [0.4 * np.cos(1.0 + np.arange(p.size)).reshape(p.shape) for p in parameters.values()]
    reference = function or (lambda *at: node(*map(Input, at)).value)  # its own: the gradient is in question
    return Operation(label, node, reference, [[*inputs, *filled]], known=function is not None)


def _tried(kind: type, shape: _Shape, make: Any) -> tuple[Callable[[], Any], list[Any], list[Any]] | None:
    """Return what makes the layer, inputs that it takes, and targets where it is a loss; None where none of
    its constructors can be guessed."""
    said = "nothing was tried"
    for build in (make,) if make is not None else _constructors(kind):
        for inputs, targets in _offers(shape):
            try:
                with np.errstate(all="ignore"):
                    layer = build()
                    value, again = (shape.run(layer, *inputs, *targets)[0] for _ in range(2))
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                continue
            if np.array_equal(value, again):
                return build, inputs, targets
            said = "its output is random"
    if make is None and _names(kind, "__init__"):
        return None
    label = kind.__name__
    raise InputError(
        lesson(
            f"check_node({label})",
            "cannot tell how this layer is made and called",
            said.rstrip("."),
            hint=f"check_node({label}, make=lambda: {label}(...)), a layer for inputs of shape (4, 3)",
        )
    )


def _constructors(kind: type) -> Iterator[Callable[[], Any]]:
    """Yield ways to make a layer: with nothing, with sizes, or with a matrix and a vector."""
    matrix, vector = 0.4 * np.cos(np.arange(12.0)).reshape(3, 4), 0.3 * np.sin(np.arange(4.0))
    names = _names(kind, "__init__")
    sizes: list[Any] = [(), (3, 4), (3,), (3, 4, 2)]
    arrays: list[Any] = [(matrix, vector), (matrix.T, vector), (matrix,), (matrix, matrix)]
    held = bool(names) and bool(_MATRIX.search(names[0]))
    for given in [*arrays, *sizes] if held else [*sizes, *arrays]:
        if len(given) == len(names):
            yield partial(_made, kind, given)


def _made(kind: type, given: tuple[Any, ...]) -> Any:
    return kind(*(np.array(x) if np.ndim(x) else x for x in given))


def _offers(shape: _Shape) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield inputs to try, and targets where the last name asks for one."""
    if len(shape.takes) == 2 and _TARGET.search(shape.takes[1]) and shape.starts:
        yield from (([_SHARES], [target]) for target in _TARGETS)
    if len(shape.takes) > 1 and _MATRIX.search(shape.takes[1]):
        matrix = 0.4 * np.cos(np.arange(12.0)).reshape(3, 4)
        yield [_ROWS, matrix, 0.3 * np.sin(np.arange(4.0))][: len(shape.takes)], []
    for rows in _INPUTS:
        yield [rows * (1.0 + 0.3 * k) for k in range(len(shape.takes))], []


def _method(kind: type, names: tuple[str, ...]) -> str:
    """Return the first of these methods that a class has, "" for none."""
    return next((n for n in names if inspect.isroutine(getattr(kind, n, None))), "")


def _names(kind: type, method: str, optional: bool = False) -> list[str]:
    """Return what a method of an instance has to be given, or (`optional`) may be given."""
    if method == "__init__" and kind.__init__ is object.__init__:  # type: ignore[misc]
        return []
    parameters = list(inspect.signature(getattr(kind, method)).parameters.values())
    own = parameters if isinstance(inspect.getattr_static(kind, method), staticmethod) else parameters[1:]
    return [p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD and (optional or p.default is p.empty)]


def _parameters(layer: Any) -> dict[str, Any]:
    """Return the arrays of a layer that are to be trained, by name: not its state, and no gradients."""
    kept = [vars(layer)] + [v for k, v in vars(layer).items() if isinstance(v, dict) and not _STATE.search(k)]
    return {
        name: v
        for held in kept
        for name, v in held.items()
        if isinstance(v, np.ndarray) and v.dtype.kind == "f" and not _STATE.search(name)
    }


def _stored(layer: Any, name: str) -> Any:
    """Return the gradient that a layer has stored for a parameter, by whichever name; None for none."""
    held = vars(layer)
    usual = (
        f"d{name}",
        f"grad_{name}",
        f"{name}_grad",
        f"d_{name}",
        f"{name}grad",
        f"grad{name}",
        f"g{name}",
    )
    found = next((held[n] for n in usual if n in held), None)
    for kept in held.values():
        if found is None and isinstance(kept, dict):
            found = kept.get(f"d{name}", kept.get(name) if kept is not held.get("params") else None)
    return found
