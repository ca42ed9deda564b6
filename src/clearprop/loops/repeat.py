"""Loops over numbers, loops with a condition, and one of two branches: made of `scan` and `np.where`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import lesson
from clearprop.loops.forms import arrays, form
from clearprop.loops.scan import scan
from clearprop.modes import mode
from clearprop.op import describe
from clearprop.ops.shape import as_array, constant
from clearprop.tensor import Tensor


def fori_loop(lower: int, upper: int, body: Callable[[Any, Any], Any], carry: Any) -> Any:
    """Return the carry after `carry = body(i, carry)` for i from `lower` to `upper - 1`.

    Everything said of `scan` holds. Raises TypeError where a bound is no integer.

    >>> fori_loop(1, 5, lambda i, product: product * i, 1.0)
    np.float64(24.0)
    """
    for bound in (lower, upper):
        if isinstance(bound, bool) or not isinstance(bound, (int, np.integer)):
            raise TypeError(lesson("fori_loop(lower, upper, ...)", "wants integers", f"{bound!r}"))
    numbers = np.arange(lower, max(lower, upper))
    return scan(lambda now, i: (body(i, now), None), carry, numbers)[0]


def while_loop(condition: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any, *, bound: int) -> Any:
    """Return the carry after `while condition(carry): carry = body(carry)`, at most `bound` turns.

    All `bound` turns are computed; those after the end change nothing and pass no gradient. Raises ValueError
    where the condition still holds after them; in a compiled step, which does not ask for values, the floats
    of the result are NaN then.

    >>> while_loop(lambda x: x < 100.0, lambda x: 2 * x, 3.0, bound=10)
    np.float64(192.0)
    """
    begin = arrays(carry)
    floats = [x.dtype for x in begin if x.dtype.kind == "f"]
    kind = np.result_type(*floats) if floats else np.dtype(bool)

    def turn(state: Any, _: Any) -> Any:
        going, now = state
        goes = (going > 0) & _decision(condition(now))
        new = body(now)
        if form(new) != form(now):
            wanted = f"wants the carry in the form {form(now)}"
            raise TypeError(lesson("while_loop(condition, body, ...)", wanted, f"{form(new)}"))
        chosen = map(_of_dtype(goes), arrays(new), arrays(now))
        return (goes.astype(kind), tree.rebuilt(now, list(chosen))), None

    with np.errstate(all="ignore"):  # turns after the end may compute anything
        (going, last), _ = scan(turn, (np.ones((), kind), carry), length=bound)
    still = (as_array(going) > 0) & _decision(condition(last))
    if not (_recorded(still) or mode.as_written):
        if constant(still):
            wanted, hint = f"still goes on after bound={bound} turns", "a larger bound"
            raise ValueError(lesson("while_loop(condition, body, ...)", wanted, hint=hint))
        return last
    mark = np.where(still, np.nan, 1.0)
    marked = [x * mark.astype(x.dtype) if x.dtype.kind == "f" else x for x in arrays(last)]
    return tree.rebuilt(last, marked)


def cond(condition: Any, on_true: Callable[..., Any], on_false: Callable[..., Any], *operands: Any) -> Any:
    """Return `on_true(*operands)` where the condition, one truth value, holds, else `on_false(*operands)`.

    Where the condition is known, only that branch runs. In the body of a loop, or while a step is recorded,
    it differs from turn to turn and call to call: both are computed, and `np.where` takes one, which passes
    no gradient to the other. Raises TypeError where the branches return other forms, shapes or dtypes.

    >>> cond(np.float64(2.0) > 1, lambda x: x + 1, lambda x: -x, 5.0)
    6.0
    """
    decided = _decision(condition)
    if not _recorded(decided):
        return on_true(*operands) if constant(decided) else on_false(*operands)
    yes, no = on_true(*operands), on_false(*operands)
    kinds = [(form(x), [(y.shape, y.dtype) for y in arrays(x)]) for x in (yes, no)]
    if kinds[0] != kinds[1]:
        wanted = "wants two branches that return the same form, shapes and dtypes"
        raise TypeError(lesson("cond(condition, ...)", wanted, f"{kinds[0]} and {kinds[1]}"))
    both = arrays(yes), arrays(no)
    chosen = list(map(_of_dtype(decided), *both))
    if mode.observer is not None:
        mode.observer.chose(decided, *both, chosen)
    return tree.rebuilt(yes, chosen)


def _of_dtype(decided: Any) -> Callable[[Any, Any], Any]:
    """Return the choice between two arrays, in the dtype of the second, which is the one that was carried."""
    return lambda x, y: np.where(decided, x, y)


def _recorded(x: Any) -> bool:
    """Whether a value is one of many: it belongs to a body, or to a step that is being recorded."""
    observer = mode.observer
    return isinstance(x, Tensor) and observer is not None and (observer.remembers or bool(observer.batches))


def _decision(condition: Any) -> Any:
    decided = as_array(condition)
    if decided.shape or decided.dtype.kind not in "biuf":
        wanted = "wants one truth value"
        raise TypeError(
            lesson("cond(condition, ...)", wanted, describe(condition), hint="np.any or np.all of it")
        )
    return decided if decided.dtype.kind == "b" else decided != 0
