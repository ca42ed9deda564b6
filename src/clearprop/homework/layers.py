"""Layers as many courses write them, `forward(x)` and `backward(g)`: each wrapped as a node to be graded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from clearprop.errors import InputError, lesson
from clearprop.homework.calls import RATE, Shape, is_layer, names_of, seeded
from clearprop.homework.operations import Operation, by_function, by_name, by_operators

_TARGET = re.compile(r"^(t|y|y_?true|truth|target|targets|label|labels)$", re.I)
_SHARE = re.compile(r"^(p|q|rate|ratio|prob|probability|keep_?\w*|drop\w*|p_\w+)$", re.I)
_MATRIX = re.compile(r"^w|weight|matrix", re.I)
_GRADIENTS = re.compile(r"grad|^d_?params", re.I)
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


def as_node(kind: type, function: Any, make: Any) -> tuple[type, Operation] | None:
    """Return a class of nodes that wraps a layer, and what it computes; None for a class of another style.

    A layer takes no nodes: `forward(x)` gives its output and `backward(g)` the gradients of its inputs. Its
    parameters (`W`, or what `params` holds) are inputs of the node, whose gradients it is to store as `dW`,
    `grad_W`, `W_grad` or in `grads`. `make()` makes one where its constructor cannot be guessed.
    """
    if not is_layer(kind) or by_operators(kind):
        return None
    shape = Shape(kind)
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
            held = _parameters(self.layer)
            before = {name: np.array(held[name]) for name in names}
            places = {name: _place(self.layer, held[name]) for name in names}
            for name in names:  # a layer may add to what it has stored
                if isinstance(stored := _stored(self.layer, name, places[name]), np.ndarray):
                    stored[...] = 0
            found = shape.back(self.layer, self.kept, self.grad, self.single)
            found, more = found[:count], _handed(found[count:], before)
            found += [None] * (count - len(found))
            for name in names:
                g = more.get(name, _stored(self.layer, name, places[name]))
                after = _parameters(self.layer)[name]
                learned = (before[name] - after) / RATE if "rate" in shape.roles.values() else None
                after[...] = before[name]  # a layer that learns in `backward` is asked again
                found.append(learned if g is None else g)
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


def _tried(kind: type, shape: Shape, make: Any) -> tuple[Callable[[], Any], list[Any], list[Any]] | None:
    """Return what makes the layer, inputs that it takes, and targets where it is a loss; None where none of
    its constructors can be guessed."""
    said, only, ran = "nothing was tried", None, False
    for way in (make,) if make is not None else _constructors(kind):
        build = partial(_made_alike, way)
        for inputs, targets in _offers(shape):
            try:
                with np.errstate(all="ignore"):
                    layer = build()
                    value, kept = shape.run(layer, *inputs, *targets)
                    draws = all(
                        not np.array_equal(value, shape.run(other, *inputs, *targets)[0])
                        for other in (build(), layer)
                    )
            except Exception as error:
                said = said if ran else f"{type(error).__name__}: {error}"
                continue
            ran = True
            if draws:
                said = "its output is random, from a generator of its own without a seed"
            elif not np.any(value) and not _parameters(layer):
                said = "its output is 0 whatever goes in"
            elif _runs_back(shape, layer, kept, value):
                return build, inputs, targets
            else:
                only = only or (build, inputs, targets)
    if only is not None or (make is None and names_of(kind, "__init__") and not ran):
        return only
    label = kind.__name__
    raise InputError(
        lesson(
            f"check_node({label})",
            "cannot tell how this layer is made and called",
            said.rstrip("."),
            hint=f"check_node({label}, make=lambda: {label}(...)), a layer for inputs of shape (4, 3)",
        )
    )


def _runs_back(shape: Shape, layer: Any, kept: Any, value: Any) -> bool:
    """Whether a layer's way back can be gone from where its way forward has led."""
    try:
        with np.errstate(all="ignore"):
            shape.back(layer, kept, np.ones(np.shape(value)), not any(map(np.ndim, kept[1])))
    except Exception:
        return False
    return True


def _constructors(kind: type) -> Iterator[Callable[[], Any]]:
    """Yield ways to make a layer: with nothing, with sizes, or with a matrix and a vector."""
    matrix, vector = 0.4 * np.cos(np.arange(12.0)).reshape(3, 4), 0.3 * np.sin(np.arange(4.0))
    names = names_of(kind, "__init__")
    sizes: list[Any] = [(), (3, 4), (3,), (3, 4, 2)]
    arrays: list[Any] = [(matrix, vector), (matrix.T, vector), (matrix,), (matrix, matrix)]
    held = bool(names) and bool(_MATRIX.search(names[0]))
    if len(names) == 1 and _SHARE.search(names[0]):
        yield partial(_made, kind, (0.5,))
    for given in [*arrays, *sizes] if held else [*sizes, *arrays]:
        if len(given) == len(names):
            yield partial(_made, kind, given)


def _made_alike(build: Callable[[], Any]) -> Any:
    with seeded():
        return build()


def _made(kind: type, given: tuple[Any, ...]) -> Any:
    return kind(*(np.array(x) if np.ndim(x) else x for x in given))


def _offers(shape: Shape) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield inputs to try, and targets where the last name asks for one."""
    if len(shape.takes) == 2 and _TARGET.search(shape.takes[1]) and shape.starts:
        yield from (([_SHARES], [target]) for target in _TARGETS)
    if len(shape.takes) > 1 and _MATRIX.search(shape.takes[1]):
        matrix = 0.4 * np.cos(np.arange(12.0)).reshape(3, 4)
        yield [_ROWS, matrix, 0.3 * np.sin(np.arange(4.0))][: len(shape.takes)], []
    for rows in _INPUTS:
        yield [rows * (1.0 + 0.3 * k) for k in range(len(shape.takes))], []


def _parameters(layer: Any) -> dict[str, Any]:
    """Return the arrays of a layer that are to be trained, by name: not its state, and no gradients."""
    kept = [vars(layer)] + [v for k, v in vars(layer).items() if isinstance(v, dict) and not _STATE.search(k)]
    kept.append({k: _array_of(v) for k, v in vars(layer).items()})
    return {
        name: v
        for held in kept
        for name, v in held.items()
        if isinstance(v, np.ndarray) and v.dtype.kind == "f" and not _STATE.search(name)
    }


def _array_of(held: Any) -> Any:
    """Return the array of an object that holds a parameter and its gradient; None for anything else."""
    if isinstance(held, np.ndarray) or not hasattr(held, "grad"):
        return None
    return next((x for n in ("data", "value") if isinstance(x := getattr(held, n, None), np.ndarray)), None)


def _handed(more: list[Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the gradients of parameters that `backward` returns after those of the inputs, by name."""
    if len(more) == 1 and isinstance(more[0], dict):
        return {n: more[0].get(n, more[0].get(f"d{n}")) for n in parameters}
    return dict(zip(parameters, more, strict=True)) if len(more) == len(parameters) else {}


def _place(layer: Any, parameter: Any) -> int | None:
    """Return the place of a parameter in a list that the layer keeps of all of them, None for no list."""
    for kept in vars(layer).values():
        if isinstance(kept, (list, tuple)):
            for i, x in enumerate(kept):
                if x is parameter:
                    return i
    return None


def _stored(layer: Any, name: str, place: int | None) -> Any:
    """Return the gradient that a layer has stored for a parameter, by whichever name; None for none."""
    held = vars(layer)
    if _array_of(held.get(name)) is not None:
        return held[name].grad
    for usual in ("d{}", "grad_{}", "{}_grad", "d_{}", "{}grad", "grad{}", "g{}"):
        if usual.format(name) in held:
            return held[usual.format(name)]
    for owner, kept in held.items():
        if isinstance(kept, dict):
            found = kept.get(f"d{name}", kept.get(name) if owner != "params" else None)
            if found is not None:
                return found
        elif isinstance(kept, (list, tuple)) and _GRADIENTS.search(owner) and place is not None:
            return kept[place] if place < len(kept) else None
    return None
