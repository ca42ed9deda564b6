"""How far apart two results of one computation may be: what rounding explains, and what it cannot.

Two orders of the same sums differ by a few roundings. What comes of these later can be anything: Adam divides
a gradient that is nothing but rounding by its own size and takes a full step. So no number of roundings is a
bound. Where a few do not explain a difference, the program itself is run again, several times, with every
result rounded at random: a difference is one of rounding if it is as large as what these roundings make.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.program.builder import evaluate
from clearprop.compiler.program.ir import Program, Value, turns_of
from clearprop.compiler.program.turn import turn
from clearprop.loops.scan import Turns, repeated
from clearprop.registry import ops

if TYPE_CHECKING:
    pass

FEW = 64  # roundings of the largest entry that two orders of computation may differ by, with no further look
ROUNDS = range(1, 25)  # replays: up to 24 before a difference is called a fault; what one explains, more do
SAMPLED = 16  # entries of a product for which its sums are added one term after the other
_FEW_ENTRIES = 1 << 13  # whose bits are compared first
_PIECE = 1 << 15  # entries that are compared at a time
MARGIN = 4  # times the largest change among the replays


def roundings(eager: Any, plan: Any, before: Any = None) -> float:
    """Return the largest difference between two arrays in roundings of the largest entry.

    With `before`, what a Tensor held when the step began, they are updates: roundings of the largest change,
    beside two of each entry itself. 0 where all bits are equal (or all NaN), infinite where rounding alone
    cannot be the reason: other shapes, dtypes, whole numbers, NaN or infinities elsewhere. Numbers below the
    smallest normal one count as zero, as executors may treat them.

    >>> roundings(np.float64([1.0, 2.0]), np.float64([1.0, 2.0 + 8 * 2.0**-52]))
    4.0
    >>> roundings(np.float64([np.nan]), np.float64([1.0]))
    inf
    """
    eager, plan = np.asarray(eager), np.asarray(plan)
    if eager.shape != plan.shape or eager.dtype != plan.dtype:
        return np.inf
    if np.array_equal(eager, plan):
        return 0.0
    if eager.dtype.kind not in "fc":
        return np.inf
    with np.errstate(all="ignore"):
        finite = np.isfinite(eager)
        if not _same_places(eager, plan, finite):
            return np.inf
        a, b = _wide(eager)[finite], _wide(plan)[finite]
        apart = np.abs(a - b)
        info = np.finfo(eager.dtype)
        tiny = float(info.tiny)
        apart[apart <= tiny] = 0
        if before is None or np.shape(before) != eager.shape:
            unit = info.eps * max(float(np.abs(a).max(initial=0.0)), tiny)
        else:
            old = _wide(np.asarray(before))[finite]
            if not np.isfinite(old).all():
                old = np.where(np.isfinite(old), old, 0)
            moved = float(np.abs(a - old).max(initial=0.0))
            unit = info.eps * (max(moved, tiny) + (2 / FEW) * np.maximum(np.abs(a), np.abs(old)))
        return float((apart / unit).max(initial=0.0))


def surely_close(eager: Any, plan: Any, before: Any = None) -> bool:
    """Tell whether two arrays are within FEW `roundings`, as far as a quick look tells; False is no answer.

    >>> surely_close(np.float64([1.0, 2.0]), np.float64([1.0, 2.0 + 2.0**-49]))
    True
    """
    shape, dtype = np.shape(eager), getattr(eager, "dtype", None)
    if dtype is None or dtype.kind != "f" or getattr(plan, "dtype", None) != dtype or np.shape(plan) != shape:
        return False
    if before is not None and (np.shape(before) != shape or before.dtype != dtype):
        return False
    if eager.size <= _FEW_ENTRIES and eager.tobytes() == plan.tobytes():
        return True
    eps, pieces = float(np.finfo(dtype).eps), list(_pieces(eager, plan, before))
    apart = max((_largest(a - b) for a, b, _ in pieces), default=0.0)
    moved = 0.0
    for a, _, old in pieces:  # mostly, the first stretch has moved far enough
        moved = max(moved, _largest(a if old is None else a - old))
        if apart <= FEW * eps * moved < math.inf:
            return True
    if math.isnan(apart) or not moved < math.inf:
        return False
    far = FEW * eps * moved
    return all(
        (np.abs(a - b) <= (far if old is None else far + 2 * eps * np.abs(a))).all() for a, b, old in pieces
    )


def _largest(x: Any) -> float:
    """The largest size of an entry, NaN where there is one."""
    return max(float(x.max()), -float(x.min())) if x.size else 0.0


def _pieces(a: Any, b: Any, old: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield stretches of three arrays, so short that what is computed of them stays in the cache."""
    size = int(np.size(a))
    if size <= _PIECE:
        yield a, b, old
        return
    a, b = np.reshape(a, -1), np.reshape(b, -1)
    old = None if old is None else np.reshape(old, -1)
    for start in range(0, size, _PIECE):
        part = slice(start, start + _PIECE)
        yield a[part], b[part], None if old is None else old[part]


def _wide(x: Any) -> Any:
    """A number format in which differences of the array's entries are good."""
    if x.dtype.kind == "c":
        return x.astype(np.clongdouble if x.dtype.itemsize > 16 else np.complex128, copy=False)
    return x.astype(np.longdouble if x.dtype.itemsize > 8 else np.float64, copy=False)


def _same_places(a: Any, b: Any, finite: Any) -> bool:
    """Whether NaN and the infinities are at the same places; `finite` says where `a` is."""
    if not np.array_equal(finite, np.isfinite(b)):
        return False
    return bool(finite.all()) or np.array_equal(a[~finite], b[~finite], equal_nan=True)


class Replays:
    """A lowered program, run again with every result rounded at random, and how far that moves some values.

    `given` are the arrays of its arguments, states and constants. `wanted` names the values to look at.
    The core ops are replayed, not the ops of the registry: what cancels inside a whole op would be hidden.
    """

    program: Program
    given: dict[Value, Any]
    wanted: dict[Hashable, Value]

    def __init__(
        self,
        program: Program,
        given: dict[Value, Any],
        wanted: dict[Hashable, Value],
        seed: int = 1,
        drifting: bool = True,
    ) -> None:
        self.program, self.given, self.wanted = program, given, wanted
        self.random: np.random.Generator = np.random.Generator(np.random.PCG64(seed))
        self.count: int = 0
        self.spread: dict[Hashable, float] = dict.fromkeys(wanted, 0.0)
        self.elsewhere: dict[Hashable, Any] = dict.fromkeys(wanted, False)  # where finite and not finite swap
        self.picks: dict[Value, bool] = {}
        self.drifts: dict[Value, float] = {}
        self.turns: dict[Value, Program] = {}  # one turn of each loop
        self.last: dict[int, list[Value]] = _last_uses(program)
        self.base: dict[Hashable, Any] = self._replayed(None)
        # A plan takes sums of float16 in float32, so it is held against the replay without what NumPy's lose.
        self.drifting = drifting
        short = drifting and any(v.computed and v.dtype.char == "e" for v in program.values)
        self.strict: Replays | None = Replays(program, given, wanted, seed, False) if short else None

    def explain(self, key: Hashable, eager: Any, plan: Any) -> bool:
        """Tell whether random roundings change a value as much as eager and the plan differ.

        >>> x = Value("argument", (2,), np.dtype("f8"), data=0)
        >>> big = Value("op", (2,), np.dtype("f8"), "add", (x, 1e9))
        >>> z = Value("op", (2,), np.dtype("f8"), "subtract", (big, 1e9))
        >>> replays = Replays(Program([x, big, z], [z]), {x: np.array([1.0, 2.0])}, {"z": z})
        >>> replays.explain("z", np.array([1.0, 2.0]), np.array([1.0, 2.0 + 2e-7]))
        True
        >>> replays.explain("z", np.array([1.0, 2.0]), np.array([1.0, 2.0 + 2e-5]))
        False
        """
        if key not in self.wanted:
            return False
        eager, plan = np.asarray(eager), np.asarray(plan)
        if eager.shape != plan.shape or eager.dtype != plan.dtype:
            return False
        if self.strict is not None and not self.strict.explain(key, self.strict.base[key], plan):
            return False
        for rounds in ROUNDS:
            while self.count < rounds:
                self._again()
            if self._within(key, eager, plan):
                return True
        return False

    def _within(self, key: Hashable, eager: Any, plan: Any) -> bool:
        with np.errstate(all="ignore"):
            if eager.dtype.kind not in "fc":
                return _distance(eager, plan, ...) <= MARGIN * self.spread[key]
            odd = np.isfinite(eager) != np.isfinite(plan)
            odd |= ~np.isfinite(eager) & (eager != plan) & ~(np.isnan(eager) & np.isnan(plan))
            if np.any(odd) and not np.any(self.elsewhere[key]):
                return False
            both = np.isfinite(eager) & np.isfinite(plan)
            return _distance(eager, plan, both) <= MARGIN * self.spread[key]

    def _again(self) -> None:
        """Replay once more, and widen what is known of each wanted value."""
        self.count += 1
        found = self._replayed(self.random)
        with np.errstate(all="ignore"):
            for key, z in found.items():
                base = self.base[key]
                both: Any = ...
                if base.dtype.kind in "fc":
                    both = np.isfinite(base) & np.isfinite(z)
                    self.elsewhere[key] = self.elsewhere[key] | (np.isfinite(base) != np.isfinite(z))
                self.spread[key] = max(self.spread[key], _distance(base, z, both))

    def _replayed(self, random: Any) -> dict[Hashable, Any]:
        """Return the wanted values of one replay, rounded at random if there is a source of chance."""
        found = dict(self.given)
        keys: dict[Value, list[Hashable]] = {}
        for key, v in self.wanted.items():
            keys.setdefault(v, []).append(key)
        kept = {key: np.array(found[v]) for v in keys if v in found for key in keys[v]}
        with np.errstate(all="ignore"):
            for i, v in enumerate(self.program.values):
                if not v.computed:
                    continue
                z = evaluate(v, found.__getitem__)
                found[v] = z if random is None else self._rounded(v, z, found, random)
                for key in keys.get(v, ()):
                    kept[key] = np.array(found[v])
                for x in self.last.get(i, ()):
                    found.pop(x, None)
        return kept

    def _rounded(self, v: Value, z: Any, found: dict[Value, Any], random: Any) -> Any:
        """Return a result with a random rounding of each entry: what cancels was rounded at its own size."""
        z = np.asarray(z)
        if (turns := turns_of(v)) is not None:
            return self._looped(v, turns, [found[x] for x in v.operands], random)
        if z.dtype.kind not in "fc" or v.core.exact or self._is_picked(v, z, found):
            return z[()]
        operands = [np.asarray(found[x]) for x in v.operands]
        short = v.dtype.char == "e"
        if short and self.drifting:
            z = _own(v, z, operands, random)
        if v.core.terms is None:
            return _shaken(z, np.abs(z), 1, random)
        size = v.core.run(v, [np.abs(_wide(x) if short else x) for x in operands])
        units = max(2.0, np.sqrt(v.core.terms(v)) / 2)  # added one after the other
        off = np.abs(v.core.run(v, list(map(_wide, operands))) - z)  # as NumPy's is
        if short and not self.drifting and v.core.combine in ("", "add"):
            off = off + units * float(np.finfo(np.float32).eps) * size
            return _shaken(z, np.maximum(np.abs(z), off / float(np.finfo(z.dtype).eps)), 1, random)
        if not short:
            if v not in self.drifts:
                self.drifts[v] = _drift(v, operands, size)
            off = np.maximum(off, self.drifts[v] * size)
        return _shaken(z, np.maximum(size, off / (units * np.finfo(z.dtype).eps)), units, random)

    def _looped(self, v: Value, turns: Turns, inputs: list[Any], random: Any) -> Any:
        """Return the result of a loop whose turns are replayed, each result of each rounded at random."""
        if v not in self.turns:
            self.turns[v] = turn(turns.body, v.inputs)
        program = self.turns[v]

        def one(carry: list[Any], entries: list[Any]) -> list[Any]:
            given = zip(program.arguments, (*carry, *entries, *inputs[first:]), strict=True)
            found = {x: np.reshape(array, x.shape) for x, array in given}
            found |= {x: x.data for x in program.constants}
            for x in program.values:
                if x.computed:
                    found[x] = self._rounded(x, evaluate(x, found.__getitem__), found, random)
            results = zip(program.outputs, turns.body.kinds, strict=True)
            return [np.reshape(found[x], kind.shape)[()] for x, kind in results]

        first = sum(turns.body.given[:2])
        return repeated(turns, inputs, one)

    def _is_picked(self, v: Value, z: Any, found: dict[Value, Any]) -> bool:
        """Whether a call of the registry only picks entries of its first operand: an index, a sort."""
        if v.kind != "call" or not v.operands or ops[v.op].kind == "reduce":
            return False  # among many short floats one is like a sum by chance
        if v not in self.picks:
            source = np.asarray(found[v.operands[0]])
            self.picks[v] = source.dtype == z.dtype and bool(np.isin(z, source).all())
        return self.picks[v]


def _drift(v: Value, operands: list[Any], size: Any) -> float:
    """How far a sum is off whose terms are added one after the other, at most, relative to their sizes.

    Where terms are alike, each addition is off to the same side. One of both runs may add so, the other not.
    """
    if not v.size or not v.core.terms or not v.core.terms(v):
        return 0.0
    if v.core.family == "reduce":
        axes, x = v.attrs["axes"], operands[0].astype(v.dtype, copy=False)
        last = np.moveaxis(x, axes, range(-len(axes), 0))
        terms = last.reshape(*last.shape[: x.ndim - len(axes)], -1)
        combine, size = getattr(np, v.core.combine), size.reshape(terms.shape[:-1])
    elif v.core.family == "contract":
        x, y = (np.broadcast_to(x, (*v.shape[:-2], *x.shape[-2:])) for x in operands)
        some = np.unravel_index(np.unique(np.linspace(0, v.size - 1, SAMPLED).astype(int)), v.shape)
        terms = x[some[:-1]] * np.swapaxes(y, -1, -2)[(*some[:-2], some[-1])]
        combine, size = np.add, size[some]
    else:
        return 0.0
    slow, good = combine.accumulate(terms, axis=-1)[..., -1], combine.reduce(_wider(terms), axis=-1)
    off = np.abs(slow - good) / size
    return float(np.max(off, where=np.isfinite(off), initial=0.0))


def _own(v: Value, z: Any, operands: list[Any], random: Any) -> Any:
    """What NumPy itself makes of float16, or `z`: it may add in float16, where rows or columns lie apart.

    The function under proof may have called it so; what an op and a plan make of it is `z`.
    """
    lies = random.choice([np.ascontiguousarray, np.asfortranarray])
    arrays, how = [np.reshape(lies(x), x.shape) if x.ndim else x for x in operands], dict(v.attrs)
    first = [how.pop(name) for name in ("subscripts",) if name in how]  # NumPy takes it before the arrays
    if v.core.combine == "add":
        own = np.add.reduce(arrays[0], axis=how["axes"], keepdims=True)
    elif v.kind == "call" and (function := _numpys(v.op)) is not None:
        try:
            own = function(*first, *arrays, **how)
        except (TypeError, ValueError):
            return z  # another function of that name
    else:
        return z
    own = np.asarray(own)
    return own if own.shape == z.shape and own.dtype == z.dtype else z


def _numpys(name: str) -> Any:
    """NumPy's function of a name, or of its last word among those of matrices (`power_norm`), or None."""
    return getattr(np, name, None) or getattr(np.linalg, name.rsplit("_", 1)[-1], None)


def _wider(x: Any) -> Any:
    """The entries in a format in which sums of them are good."""
    return x.astype(np.longdouble) if x.dtype == np.float64 else _wide(x)


def _shaken(z: Any, size: Any, units: float, random: Any) -> Any:
    """Add -1, 0 or 1 times so many roundings at the given sizes."""
    z = np.asarray(z)
    if z.dtype.kind not in "fc":
        return z[()]
    unit = float(units * np.finfo(z.dtype).eps)
    noise = np.where(np.isfinite(size), size, 0) * (random.integers(-1, 2, z.shape, np.int8) * unit)
    return (z + noise.astype(z.dtype)).astype(z.dtype, copy=False)[()]


def _distance(a: Any, b: Any, where: Any) -> float:
    """The largest difference between entries at these places."""
    kind = a.dtype.kind
    a, b = (x.astype(np.float64) if kind not in "fc" else _wide(x) for x in (a, b))
    return float(np.abs(a - b)[where].max(initial=0.0))


def _last_uses(program: Program) -> dict[int, list[Value]]:
    """After which place in the program a computed value is needed no more."""
    last: dict[Value, int] = {}
    for i, v in enumerate(program.values):
        for x in (v, *v.operands):
            if x.computed:
                last[x] = i
    ends: dict[int, list[Value]] = {}
    for x, i in last.items():
        ends.setdefault(i, []).append(x)
    return ends
