"""A function or a Module as Programs: run with examples of its inputs, a Module as it is in evaluation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from clearprop import nn, tree
from clearprop.compiler.program.ir import Program
from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.play.programs import called
from clearprop.rows import LENGTHS, lengths, shaken, with_rows
from clearprop.tensor import Tensor, raw
from clearprop.train.evaluation import evaluating


def arrays_of(inputs: Sequence[Any], asked: str) -> list[Any]:
    """Return examples of inputs as arrays; TypeError where there is none.

    >>> arrays_of([Tensor([1.0]), 2], "f(x)")
    [array([1.]), array(2)]
    """
    if not inputs:
        raise TypeError(lesson(asked, "wants an example of each input", "none", hint=asked))
    return [np.asarray(raw(x)) for x in inputs]


def recorded(
    f: Callable[..., Any], arrays: list[Any], dynamic: bool, asked: str
) -> tuple[list[Program], tuple[int, ...], dict[int, str], bool]:
    """Return programs, for which lengths, the names of Tensors, and whether one output comes by itself.

    There is one program, for these arrays, or with `dynamic` one for each length that is tried.
    """
    module = f if isinstance(f, nn.Module) else None
    tried: tuple[int, ...] = LENGTHS if dynamic else ()
    with ExitStack() as stack:
        if module is not None:
            stack.enter_context(evaluating(module))
            stack.enter_context(no_grad())
        given = [with_rows(arrays, n) for n in tried] or [arrays]
        made = [called(lambda *xs: f(*xs), *xs) for xs in given]
        if dynamic:
            program = made[-1][1]
            for n in lengths(len(arrays[0]), sum(v.size for v in program.values) / tried[-1]):
                more = None if n == 1 else _called(f, with_rows(arrays, n))
                made, tried = (made, tried) if more is None else ([*made, more], (*tried, n))
    for result, program in made:
        found = [x for x in tree.leaves(result) if x is not None]
        if len(found) != len(program.outputs):
            wanted = "wants a function whose results are computed from its inputs"
            raise TypeError(lesson(asked, wanted, ", ".join(type(x).__name__ for x in found)))
    words = _words(module.forward if module is not None else f)
    for _, program in made:
        for v in program.arguments:
            v.name = v.name or (words[v.data] if v.data < len(words) else "")
    names = {id(t): name for name, t in (module._state().items() if module is not None else ())}
    return [p for _, p in made], tried, names, isinstance(made[0][0], (Tensor, np.ndarray, np.generic))


def _called(f: Callable[..., Any], arrays: list[Any]) -> tuple[Any, Program] | None:
    """Return what `called` does; None where the function has no value for so many rows."""
    try:
        return called(lambda *xs: f(*xs), *arrays)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def of_one_row(f: Callable[..., Any], arrays: list[Any]) -> tuple[list[Any], list[Any]] | None:
    """Return one row, and what the function computes of it; None where it has no value of one.

    A program of one row may read otherwise, as nothing is to be done along an axis of length 1: so a file for
    any number is not compared with its text, but with its numbers.

    >>> of_one_row(lambda x: 2 * x, [np.array([[3], [4]])])
    ([array([[3]])], [array([[6]])])
    """
    one = shaken(arrays, 1)
    with ExitStack() as stack:
        if isinstance(f, nn.Module):
            stack.enter_context(evaluating(f))
            stack.enter_context(no_grad())
        found = _called(f, one)
    if found is None or found[1].assignments:
        return None
    return one, [np.asarray(raw(x)) for x in tree.leaves(found[0]) if x is not None]


def _words(f: Any) -> list[str]:
    """Return what a function calls its inputs, as far as they are passed by place."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def name_of(f: Any) -> str:
    """Return what a file calls a function: by its name, a Module `predict`.

    >>> name_of(nn.ReLU()), name_of(np.mean), name_of(lambda x: x)
    ('predict', 'mean', 'predict')
    """
    name = "" if isinstance(f, nn.Module) else getattr(f, "__name__", "")
    return name if name.isidentifier() else "predict"


def about_of(f: Any) -> str:
    """Return what a file says of a function."""
    return f"what {type(f).__name__ if isinstance(f, nn.Module) else name_of(f)} computes."
