"""`scan(body, carry, xs)`: the loop as an op, whose rule is the same op with the body's backward pass."""

from __future__ import annotations

import functools
import math
import operator
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from clearprop import tree
from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts
from clearprop.hints import takes_truths
from clearprop.loops.body import Body, Inputs, Shaped
from clearprop.loops.forms import arrays, form
from clearprop.loops.pullback import Pullback, product, pullback
from clearprop.loops.trace import traced
from clearprop.modes import mode
from clearprop.op import describe
from clearprop.ops.shape import constant
from clearprop.registry import ops
from clearprop.tensor import Tensor


# --- the op -------------------------------------------------------------------------------------------------
class Part(NamedTuple):
    """Where in the flat result of a loop one of its results lies."""

    start: int
    stop: int
    shape: tuple[int, ...]

    def of(self, flat: Any) -> Any:
        """Return this part of the flat array."""
        return flat[self.start : self.stop].reshape(self.shape) if self.shape else flat[self.start]


@dataclass(frozen=True, repr=False, slots=True)
class Turns:
    """How a loop runs: its body, how often, from which end, and what its op returns.

    That is its results of one dtype (None for a body whose results all have that of its carry), of the
    carries in `keep` also what each turn began with; `wants` says which inputs need a gradient. The last
    `saved` of the results are products, put out for the backward pass. `again` is filled once a gradient was
    made that can be differentiated itself: before, none can arrive at what is kept.
    """

    body: Body
    length: int
    reverse: bool
    dtype: np.dtype[Any] | None
    keep: tuple[int, ...]
    wants: tuple[bool, ...]
    saved: int = 0
    again: list[bool] = field(default_factory=list, compare=False)

    def of(self, carry: Any) -> Turns:
        """Return the same with the dtype of the carry, where it is to be that one."""
        if self.dtype is not None:
            return self
        return replace(self, dtype=carry.dtype, body=self.body.of_dtype(carry.dtype))

    def __repr__(self) -> str:
        """Two of one text are the same: the compiler asks that of attributes."""
        all_of_it = self.body.text, self.length, self.reverse, self.dtype, self.keep, self.wants, self.saved
        import hashlib  # here and below, since importing clearprop would be a tenth slower by each

        digest = hashlib.sha256(repr(all_of_it).encode()).hexdigest()[:12]
        return f"<{self.length} turns of {len(self.body.each)} ops, {digest}>"


class Parts(NamedTuple):
    """The results of one dtype: last carry, outputs, and the carry that each turn began with."""

    last: dict[int, Part]
    out: dict[int, Part]
    began: dict[int, Part]
    size: int


def parts(turns: Turns) -> Parts:
    """Return where the results lie in the flat array that the op returns."""
    body, length, dtype = turns.body, turns.length, turns.dtype
    carried, start = body.given[0], 0

    def laid(numbers: Any, shape: Callable[[Shaped], tuple[int, ...]]) -> dict[int, Part]:
        nonlocal start
        found = {}
        for k in numbers:
            kind = body.kinds[k]
            if kind.dtype == dtype:
                size = int(np.prod(shape(kind), dtype=np.int64))
                found[k] = Part(start, start + size, shape(kind))
                start += size
        return found

    def stacked(kind: Shaped) -> tuple[int, ...]:
        return (length, *kind.shape)

    last = laid(range(carried), lambda kind: kind.shape)
    out = laid(range(carried, len(body.kinds)), stacked)
    began = laid(turns.keep, stacked)
    return Parts(last, {k - carried: part for k, part in out.items()}, began, start)


def _matters(body: Body, k: int) -> bool:
    """Whether a backward pass asks for a carry's value: not for that of a sum that only grows by terms."""
    first = body.given[2] + len(body.once)
    grown = {first + k}
    after = first + body.given[0] + body.given[1]
    for place, step in enumerate(body.each, after):
        if not grown.isdisjoint(step.inputs):
            if step.op.facts.sign != "+":
                return True
            grown.add(place)
    return False


def _rule(i: int, g: Any, z: Any, *inputs: Any, turns: Turns) -> Any:
    return _pulled(g, z, inputs, turns.of(inputs[0]))[i] if turns.wants[i] else None


def _example() -> tuple[Any, ...]:
    """Return inputs and attributes that the tests try: a small recurrent network."""
    h, x, w = np.zeros((2, 2)), np.zeros((3, 2, 2)), np.zeros((2, 2))

    def turn(carry: list[Any], entries: list[Any], outer: list[Any]) -> tuple[list[Any], list[Any]]:
        z: Any = np.tanh(carry[0] @ outer[0] + entries[0])
        return [z], [z * z]

    body, _, _ = traced(turn, [h], [x[0]], 3, [w])
    again = [True]  # gradients arrive at what is kept too
    turns = Turns(body, 3, False, None, (0,), (True,) * 3, again=again)
    return (h.shape, x.shape, w.shape), {"turns": turns}


def repeated(
    turns: Turns, inputs: Sequence[Any], turn: Callable[[list[Any], list[Any]], Sequence[Any]]
) -> Any:
    """Return what `loop` returns, where `turn(carry, entries)` computes the results of one turn."""
    body, length, place = turns.body, turns.length, parts(turns)
    flat = np.empty(place.size, turns.dtype)
    out, began = ({k: p.of(flat) for k, p in found.items()} for found in (place.out, place.began))
    carried, count, _ = body.given
    carry, entries = list(inputs[:carried]), inputs[carried : carried + count]
    for t in range(length)[::-1] if turns.reverse else range(length):
        for k, into in began.items():
            into[t] = carry[k]
        found = turn(carry, [x[t] for x in entries])
        for k, (x, kind) in enumerate(zip(found, body.kinds, strict=True)):
            if np.shape(x) != kind.shape:
                wanted, got = f"wants results of the shape {kind.shape} in each turn", f"{np.shape(x)}"
                raise ValueError(lesson("scan(body, ...)", wanted, got))
            if k >= carried and k - carried in out:
                out[k - carried][t] = x
        carry = list(found[:carried])
    for k, part in place.last.items():
        flat[part.start : part.stop] = np.ravel(carry[k])
    return flat


def _turns(*inputs: Any, turns: Turns) -> Turns:
    return turns.of(inputs[0]) if inputs else turns


@define(
    "loop",
    "opaque",
    arity=None,
    variadic_rule=_rule,
    examples=(_example(),),
    facts=Facts(repeats=_turns),
)
def loop(*inputs: Any, turns: Any = None) -> Any:
    """The results of one dtype of a loop, flat and in one row: what `clearprop.scan` takes apart."""
    turns = _turns(*inputs, turns=turns)
    body = turns.body
    before = body.before(inputs[sum(body.given[:2]) :])
    return repeated(turns, inputs, lambda carry, entries: body.turn(before, carry, entries))


class Results(NamedTuple):
    """Last carry and outputs, and where asked for the carry that each turn began with."""

    last: list[Any]
    out: list[Any]
    began: list[Any]


def run(body: Body, inputs: Inputs, length: int, reverse: bool, keep: Sequence[int] | None = None) -> Results:
    """Run a loop: an op for each dtype of its results, which computes what these need.

    Of the carries in `keep` it is kept what each turn began with; of itself, of those that a backward pass of
    the op asks for, where one may come.
    """
    carried = body.given[0]
    found = Results([None] * carried, [None] * (len(body.kinds) - carried), [None] * carried)
    for dtype in dict.fromkeys(kind.dtype for kind in body.kinds):
        of_kind = [k for k, kind in enumerate(body.kinds) if kind.dtype == dtype]
        small, chosen = body.only(lambda kind, dtype=dtype: kind.dtype == dtype)
        given = [xs[k] for xs, ks in zip(inputs, chosen, strict=True) for k in ks]
        if dtype.kind not in "fc":  # complex numbers stay, for their gradient is refused, not lost
            given = [ops["detach"](x) if isinstance(x, Tensor) else x for x in given]
        wants = tuple(isinstance(x, Tensor) and x.requires_grad and mode.grad_enabled for x in given)
        if keep is None:
            kept = tuple(k for k in range(len(chosen.carry)) if any(wants) and _matters(small, k))
        else:  # whatever the results of this dtype need: others ask
            kept = tuple(k for k, number in enumerate(chosen.carry) if number in keep)
        small, saved = small.with_products(dtype) if any(wants) and keep is None else (small, 0)
        asked = [] if keep is None else [True]  # by a gradient that can be differentiated itself
        turns = Turns(small, length, reverse, dtype, kept, wants, saved, asked)
        flat, place = loop(*given, turns=turns), parts(turns)
        out = [k for k in of_kind if k >= carried]
        for k, part in place.last.items():
            found.last[chosen.carry[k]] = part.of(flat)
        for k, part in place.began.items():
            found.began[chosen.carry[k]] = part.of(flat)
        for k, part in zip(out, place.out.values(), strict=False):
            found.out[k - carried] = part.of(flat)
    return found


# --- the rule -----------------------------------------------------------------------------------------------
class _Latest(threading.local):
    """The gradients of the latest backward pass of a loop: its inputs ask for theirs one after the other."""

    g: Any = None
    found: Any = None


_latest = _Latest()


def _pulled(g: Any, z: Any, inputs: Sequence[Any], turns: Turns) -> list[Any]:
    """Return the gradients of all inputs, computed when the first asks."""
    if _latest.g is None or _latest.g() is not g:
        found = _gradients(g, z, inputs, turns)
        _latest.found, _latest.g = found, weakref.ref(g)
    return _latest.found  # type: ignore[no-any-return]


def _gradients(g: Any, z: Any, inputs: Sequence[Any], turns: Turns) -> list[Any]:
    """Return the gradient of every input: run the backward loop, and the products that follow it."""
    carried, count, _ = turns.body.given
    given = Inputs(inputs[:carried], inputs[carried : carried + count], inputs[carried + count :])
    place = parts(turns)
    last, out = ({k: p.of(g) for k, p in found.items()} for found in (place.last, place.out))
    if not turns.length:
        zeros = [np.zeros(x.shape, x.dtype) for x in inputs]
        return [*(last.get(k, zeros[k]) for k in range(carried)), *zeros[carried:]]
    ahead = {k: p.of(g) for k, p in place.began.items() if turns.again and _arrives(p.of(g))}
    first = len(turns.body.kinds) - carried - turns.saved
    saved = [place.out[k].of(z) for k in place.out if k >= first]
    out = {k: x for k, x in out.items() if k < first or (turns.again and _arrives(x))}
    if mode.grad_enabled and not turns.again:
        turns.again.append(True)
    began = _began(turns, given, place, z)
    pull = _pullback(turns, Inputs(began, given.entries, given.outer), out, ahead, saved)
    entries = [*began, *given.entries, *out.values(), *ahead.values(), *saved]
    carry = [last[k] if k in last else np.zeros(*turns.body.kinds[k]) for k in pull.floats]
    carry += [np.zeros(shape, kind)[()] for shape, kind in pull.sums]
    all_given = Inputs(carry, entries, [*given.outer, *pull.besides])
    found = run(pull.body, all_given, turns.length, not turns.reverse)
    gradients: list[Any] = [None] * carried
    for k, d in zip(pull.floats, found.last, strict=False):
        gradients[k] = d
    gradients += [None if number is None else found.out[number] for number in pull.entries]
    for sent in pull.outer:
        terms = [] if sent is None else [product(p, entries, found.out) for p in sent.products]
        if sent is not None and sent.carried is not None:
            terms.append(found.last[sent.carried])
        gradients.append(functools.reduce(operator.add, terms) if terms else None)
    return gradients


def _pullback(
    turns: Turns, given: Inputs, out: dict[int, Any], ahead: dict[int, Any], saved: list[Any]
) -> Pullback:
    """Return the backward pass of a turn, traced with the values of the first that the loop ran."""
    carried, count, _ = turns.body.given
    first = turns.length - 1 if turns.reverse else 0
    zeros = [np.zeros(*kind)[()] for kind in turns.body.kinds]
    values = Inputs(
        [constant(x)[first] for x in given.carry],
        [constant(x)[first] for x in given.entries],
        [constant(x) for x in given.outer],
    )
    arriving = Inputs(
        [x if x.dtype.kind == "f" else None for x in zeros[:carried]],
        [x if k in out else None for k, x in enumerate(zeros[carried:])],
        [x if k in ahead else None for k, x in enumerate(zeros[:carried])],
    )
    wants = turns.wants[carried : carried + count], turns.wants[carried + count :]
    return pullback(turns.body, values, arriving, wants, [constant(x)[first] for x in saved])


def _arrives(g: Any) -> bool:
    """Whether anything arrives at what was kept for the backward pass."""
    return isinstance(g, Tensor) or bool(np.any(g))


def _began(turns: Turns, given: Inputs, place: Parts, z: Any) -> list[Any]:
    """Return the carry that each turn began with, of every dtype: another's loop is run again."""
    body, length = turns.body, turns.length
    found: list[Any] = [place.began[k].of(z) if k in place.began else None for k in range(body.given[0])]
    missing = [k for k in range(len(found)) if found[k] is None and _matters(body, k)]
    if missing:
        again = run(body, given, length, turns.reverse, missing).began
        for k in missing:
            found[k] = again[k]
    for k, x in enumerate(found):
        if x is None:  # nobody asks for its value
            kind = body.kinds[k]
            found[k] = np.broadcast_to(np.zeros((), kind.dtype), (length, *kind.shape))
    return found


# --- what people call ---------------------------------------------------------------------------------------
@takes_truths
def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    mask: Any = None,
    checkpoint: bool = False,
) -> tuple[Any, Any]:
    """Return the last carry and all outputs of `carry, y = body(carry, x)` for each x along the first axis.

    It is the loop `for x in xs`, whose body is run once, to write down what it does, and then as often as
    `xs` is long: recording and compiling take the same time for every length. `carry`, `xs` and `y` are
    arrays, or tuples, lists and dicts of them, or None; the carry keeps its shapes and dtypes. Tensors that
    the body reaches by name (weights) receive gradients, to any order. Under `vmap` and `watch` it runs turn
    by turn, as a loop in Python. What is drawn inside is drawn anew for every turn.
    Without `xs`, `length` says how many turns there are; `reverse` begins at the last entry, and outputs stay
    beside their entries.

    Where `mask`, (length,) or (length, n) with the rows of the carry, is false, the carry stays as it is and
    outputs are 0. With `checkpoint` about sqrt(length) carries are kept for the backward pass instead of all,
    and turns are computed once more.

    Raises TypeError or ValueError where lengths differ, where the carry changes its form, shape or dtype, or
    where the body decides by a value.

    >>> import numpy as np
    >>> last, sums = scan(lambda total, x: (total + x, total + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> last, sums
    (np.float64(6.0), array([1., 3., 6.]))
    """
    entries = arrays(xs)
    masks = [] if mask is None else arrays(mask)
    length = _length([*entries, *masks], length)
    if checkpoint and length > 3 and not _unrolled():
        return _in_stretches(body, carry, xs, length, reverse, mask)
    begin = [x if isinstance(x, Tensor) or x.shape else x[()] for x in arrays(carry)]
    outputs: list[Any] = []

    def turn(state: list[Any], now: list[Any], outer: list[Any]) -> tuple[list[Any], list[Any]]:
        held = tree.rebuilt(carry, state)
        new, y = _returned(body, held, tree.rebuilt(xs, now))
        outputs.append(y)
        after, out = arrays(new), arrays(y)
        if masks:
            after = [_where(now[-1], x, old) for x, old in zip(after, state, strict=True)]
            out = [_where(now[-1], x, np.zeros((), x.dtype)) for x in out]
        _check(after, state)
        return after, out

    given = [*entries, *masks]
    if _unrolled():
        last, stacked = _turn_by_turn(turn, begin, given, length, reverse)
        return tree.rebuilt(carry, last), tree.rebuilt(outputs[0], stacked)
    firsts = [_entry(x, length, reverse) for x in given]
    found, drawn, outer = traced(turn, [constant(x) for x in begin], firsts, length)
    results = run(found, Inputs(begin, [*given, *drawn], outer), length, reverse)
    return tree.rebuilt(carry, results.last), tree.rebuilt(outputs[0], results.out)


def _unrolled() -> bool:
    """Whether somebody looks on who looks at single ops, or at single examples."""
    observer = mode.observer
    return observer is not None and (observer.unrolls or bool(observer.batches))


def _turn_by_turn(
    turn: Callable[..., tuple[list[Any], list[Any]]],
    state: list[Any],
    given: list[Any],
    length: int,
    reverse: bool,
) -> tuple[list[Any], list[Any]]:
    """Return the last carry and all outputs of a loop that is run as one in Python."""
    rows = []
    for t in range(length)[::-1] if reverse else range(length):
        state, out = turn(state, [x[t] for x in given], [])
        rows.append(out)
    if not rows:  # what one turn would put out says of which shapes there are none
        rows.append(turn(state, [np.zeros(x.shape[1:], x.dtype)[()] for x in given], [])[1])
    return state, [np.stack(ys)[:length] for ys in zip(*(rows[::-1] if reverse else rows), strict=True)]


def _chance() -> Any:
    """Return the state of NumPy's and Python's own generators."""
    import random

    numpy: Any = np.random.get_state(legacy=True)  # noqa: NPY002  what the body's calls would move
    return random.getstate(), numpy[1].tobytes(), numpy[2:]


def _returned(body: Callable[[Any, Any], Any], carry: Any, x: Any) -> tuple[Any, Any]:
    """Return what a body returns, having complained unless that is a carry of this form and an output."""
    before = _chance()
    result = body(carry, x)
    if _chance() != before:
        hint = "clearprop's uniform, normal or dropout, or numbers that are drawn before, among xs"
        wanted = "its body runs once, so NumPy's or Python's random numbers would be the same in each turn"
        raise TypeError(lesson("scan(body, ...)", wanted, where=at_line(), hint=hint))
    if not isinstance(result, tuple) or len(result) != 2:
        wanted, hint = "wants a body that returns carry and y", "return carry, y, or return carry, None"
        raise TypeError(lesson("scan(body, ...)", wanted, type(result).__name__, hint=hint))
    if form(result[0]) != form(carry):
        wanted = f"wants the carry in the form {form(carry)}"
        raise TypeError(lesson("scan(body, ...)", wanted, f"{form(result[0])}"))
    return result


def _entry(x: Any, length: int, reverse: bool) -> Any:
    """Return the first entry that a loop takes of a sequence, zeros where there is none."""
    value = constant(x)
    return value[-1 if reverse else 0] if length else np.zeros(value.shape[1:], value.dtype)


def _where(mask: Any, x: Any, old: Any) -> Any:
    if mask.ndim > len(x.shape):
        raise ValueError(lesson("scan(mask=)", f"wants a mask of the rows of {describe(x)}", describe(mask)))
    return np.where(mask.reshape((*mask.shape, *(1,) * (len(x.shape) - mask.ndim))), x, old)


def _length(given: list[Any], length: int | None) -> int:
    for x in given:
        if not x.shape:
            raise ValueError(lesson("scan(xs=)", "wants arrays with an axis to walk along", describe(x)))
    if isinstance(length, bool) or not isinstance(length, (int, np.integer, type(None))):
        raise TypeError(lesson("scan(length=)", "wants an integer", f"{length!r}", at_line()))
    lengths = {x.shape[0] for x in given} | ({int(length)} if length is not None else set())
    if len(lengths) != 1 or min(lengths) < 0:
        got = f"lengths {sorted(lengths)}" if lengths else "neither xs nor length"
        raise ValueError(
            lesson(
                "scan(body, carry, xs)",
                "wants one length for all",
                got,
                at_line(),
                "scan(body, carry, length=10) where there are no xs",
            )
        )
    return lengths.pop()


def _check(new: list[Any], old: list[Any]) -> None:
    for x, before in zip(new, old, strict=True):
        if x.shape != before.shape or x.dtype != before.dtype:
            wanted = f"wants a new carry of the shape and dtype of the old, {before.shape} {before.dtype}"
            hint = "a first carry as the body returns it, or .astype(...) in the body"
            raise TypeError(lesson("scan(body, ...)", wanted, f"{x.shape} {x.dtype}", at_line(), hint))


def _in_stretches(body: Any, carry: Any, xs: Any, length: int, reverse: bool, mask: Any) -> tuple[Any, Any]:
    """Scan over stretches of about sqrt(length) turns, each a scan: the backward pass keeps one of them."""
    size = math.isqrt(length - 1) + 1
    count, rest = divmod(length, size)
    flat = arrays((xs, mask))
    whole = [x[: count * size].reshape((count, size, *x.shape[1:])) for x in flat]
    left, left_mask = tree.rebuilt((xs, mask), [x[count * size :] for x in flat])

    def stretch(state: Any, now: Any) -> Any:
        return scan(body, state, now[0], size, reverse=reverse, mask=now[1])

    def remainder(state: Any) -> Any:
        return scan(body, state, left, rest, reverse=reverse, mask=left_mask)

    after: Any = None
    if reverse and rest:
        carry, after = remainder(carry)
    carry, out = scan(stretch, carry, tree.rebuilt((xs, mask), whole), count, reverse=reverse)
    if rest and not reverse:
        carry, after = remainder(carry)
    joined = [x.reshape((count * size, *x.shape[2:])) for x in arrays(out)]
    if rest:
        joined = [np.concatenate(pair) for pair in zip(joined, arrays(after), strict=True)]
    return carry, tree.rebuilt(out, joined)
