"""`trust`: how many digits of each gradient can be believed, and which node ate the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.check.replay import Replay
from clearprop.errors import GradientError, lesson, taught
from clearprop.graph import topological_order, users_in
from clearprop.op import describe
from clearprop.see.algebra.labels import must_be_a_tensor
from clearprop.see.readable import foldable
from clearprop.tensor import Tensor

LOST = 30.0  # a node that multiplies the relative error of what it gets by more than this has cancelled


@dataclass
class Digits:
    """What can be believed of one leaf's gradient: `digits` of its length (norm), `worst` of single entries.

    `entries` holds the digits of each entry, however small; NaN where the higher precision says no more than
    that it is 0. `index` is the worst one's place.
    """

    leaf: Tensor
    digits: float
    worst: float
    entries: Any = None
    index: tuple[int, ...] = ()


@dataclass
class LostDigits:
    """A node where digits were lost: what went in was right to `before` digits, what came out to `after`."""

    node: Tensor
    backward: bool
    before: float
    after: float

    def __repr__(self) -> str:
        where = "the gradient that arrives at" if self.backward else "the value of"
        return f"{where} {_name(self.node)}: {self.before:.1f} digits went in, {self.after:.1f} came out"


@dataclass
class TrustReport:
    """How many decimal digits agree with a run in higher precision, by leaf, and where the others went.

    >>> x = Tensor(np.array([10000.0, 10000.01], np.float32), name="x")
    >>> report = trust(np.mean(x**2) - np.mean(x) ** 2)
    >>> bool(report.output < 3), report.gradients[0].digits < 8
    (True, True)
    """

    precision: str
    shadow: str
    output: float
    gradients: list[Digits] = field(default_factory=list)
    losses: list[LostDigits] = field(default_factory=list)

    def __repr__(self) -> str:
        lines = [f"{self.precision} against {self.shadow}: the value is right to {self.output:.1f} digits."]
        lines.append(f"  {'gradient of':<32} {'digits':>7} {'worst entry':>12}")
        for d in self.gradients:
            place = f" at {list(d.index)}" if d.index and d.worst < d.digits - 1 else ""
            lines.append(f"  {_name(d.leaf):<32} {d.digits:>7.1f} {d.worst:>12.1f}{place}")
        if self.losses:
            lines.append("Digits were lost at")
            lines += [f"  {loss!r}" for loss in self.losses[:5]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return foldable(repr(self))


def trust(loss: Tensor) -> TrustReport:
    """Run the graph behind `loss` again in higher precision and say how many digits were right.

    A float32 graph is replayed in float64 from the values of its leaves, a float64 graph in the longest
    floating-point type there is: forward by each op's own formula, backward by its own rule. digits =
    -log10(|g - g'| / |g'|), of a whole gradient and of each entry. A node that multiplies the relative error
    of its inputs is named: there, cancellation ate the digits. Raises GradientError where `loss` needs no
    gradient, where this machine knows no higher precision, or where an op of a float64 graph does not compute
    in it, as those of `np.linalg` do not.

    >>> x = Tensor(np.float32(1e-4), name="x")
    >>> y = 1 - np.cos(x)
    >>> print(trust(y))
    float32 against float64: the value is right to 0.0 digits.
      gradient of                       digits  worst entry
      'x' () float32                       ...
    Digits were lost at
      the value of subtract () float32: ... digits went in, 0.0 came out
    """
    must_be_a_tensor("trust", loss)
    if not loss.requires_grad:
        raise GradientError(
            lesson("trust(loss)", "wants a result that needs a gradient", describe(loss), hint="Tensor(...)")
        )
    own = np.result_type(*(t.dtype for t in topological_order(loss) if t.op is None and t.dtype.kind == "f"))
    narrow = loss.dtype if loss.dtype.itemsize < own.itemsize else own
    shadow = np.dtype(np.float64) if narrow.itemsize < 8 else np.dtype(np.longdouble)
    if np.finfo(shadow).eps >= np.finfo(narrow).eps:
        raise GradientError(
            lesson(
                "trust(loss)",
                "wants a higher precision to compare with",
                f"{narrow} is the longest that this machine has",
                hint="the same computation in float32",
            )
        )
    replay, exact, exact_grads = _replayed(loss, shadow)
    tracked = topological_order(loss, tracked=True)
    grads = propagate(tracked, {loss: np.ones(loss.shape, loss.dtype)[()]})
    most = -math.log10(float(np.finfo(narrow).eps)) + 1
    report = TrustReport(str(narrow), _named(shadow), _digits(loss._value, exact[loss], most))
    for leaf in tracked:
        if leaf.op is None and leaf in grads:
            right = exact_grads[leaf]
            report.gradients.append(_believed(leaf, grads[leaf], right, most))
    report.losses = sorted(
        [*_forward_losses(replay, exact, most), *_backward_losses(replay, grads, exact_grads, most)],
        key=lambda found: found.after - found.before,
    )
    return report


def _replayed(loss: Tensor, shadow: np.dtype[Any]) -> tuple[Replay, Any, Any]:
    """Return a replay in higher precision, its values and its gradients."""
    replay = Replay(loss, shadow)
    try:
        exact = replay.forward()
        return replay, exact, replay.backward(exact)
    except Exception as error:  # SciPy's compiled parts have classes of their own
        if taught(error) or shadow != np.longdouble:
            raise
        got = f"an op of this graph does not: {str(error).rstrip('.')}"
        hint = "the same computation in float32, which is run again in float64"
        refusal = lesson("trust(loss)", f"wants ops that compute in {shadow}", got, hint=hint)
        raise GradientError(refusal) from error


def _named(dtype: np.dtype[Any]) -> str:
    return "float64" if dtype == np.float64 else f"{np.finfo(dtype).precision}-digit longdouble"


def _name(node: Tensor) -> str:
    if node.name or node.op is None:
        return describe(node)
    return f"{node.op.name} {describe(node)}"


def _error(value: Any, right: Any) -> float:
    """|value - right| / |right| in the Euclidean norm."""
    right = np.asarray(right)
    if right.dtype.kind != "f":
        return 0.0 if np.array_equal(value, right) else 1.0
    with np.errstate(all="ignore"):
        off = np.asarray(value).astype(right.dtype) - right
        size = float(np.sqrt(np.sum(right * right)))
        away = float(np.sqrt(np.sum(off * off)))
    if not (math.isfinite(size) and math.isfinite(away)):
        return 0.0 if np.array_equal(np.asarray(value), right.astype(np.asarray(value).dtype)) else math.inf
    return away / size if size else (0.0 if not away else math.inf)


def _digits(value: Any, right: Any, most: float) -> float:
    return _decimals(_error(value, right), most)


def _decimals(error: float, most: float) -> float:
    """-log10 of a relative error, between 0 and what the precision has."""
    if error == 0.0:
        return most
    return min(-math.log10(error), most) if error < 1.0 else 0.0


def _believed(leaf: Tensor, value: Any, right: Any, most: float) -> Digits:
    """Return the digits of a gradient as a whole and of each of its entries."""
    entries = _entries(value, right, most)
    known = ~np.isnan(entries)
    if not known.any():
        return Digits(leaf, _digits(value, right, most) if entries.size else math.nan, math.nan, entries)
    worst = int(np.argmin(np.where(known, entries, np.inf)))
    index = tuple(int(i) for i in np.unravel_index(worst, entries.shape))
    return Digits(leaf, _digits(value, right, most), float(entries.flat[worst]), entries, index)


def _entries(value: Any, right: Any, most: float) -> Any:
    """Return -log10 of each entry's relative error; NaN for entries that are 0 but for the shadow's own
    rounding."""
    right, value = np.asarray(right), np.asarray(value)
    size = np.abs(right)
    with np.errstate(all="ignore"):
        away = np.abs(value.astype(right.dtype) - right)
        digits = np.clip(-np.log10(away / size), 0.0, most).astype(np.float64)
        nothing = size <= 4 * np.finfo(right.dtype).eps * np.max(size[np.isfinite(size)], initial=0.0)
    digits = np.where((away == 0) | (value == right), most, np.where(np.isnan(digits), 0.0, digits))
    return np.where(nothing & (away <= size.max(initial=0.0)), np.nan, digits)


def _forward_losses(replay: Replay, exact: dict[Tensor, Any], most: float) -> list[LostDigits]:
    """Nodes whose value is much worse than everything it was computed from."""
    found = []
    for node in replay.order:
        if node.op is None or not hasattr(node._value, "dtype") or node._value.dtype.kind != "f":
            continue
        errors = [_error(x._value, exact[x]) for x in node.inputs if isinstance(x, Tensor)]
        before = max([*errors, float(np.finfo(node._value.dtype).eps) / 16])
        after = _error(node._value, exact[node])
        if math.isfinite(before) and after > LOST * before:
            found.append(LostDigits(node, False, _decimals(before, most), _decimals(after, most)))
    return found


def _backward_losses(replay: Replay, grads: Any, exact: Any, most: float) -> list[LostDigits]:
    """Nodes whose gradient, a sum, is much worse than the gradients of all its users and its own value."""
    users = users_in(replay.order)
    found = []
    for node in replay.order:
        if node not in grads or node not in users:
            continue
        errors = [_error(grads[u], exact[u]) for u, _ in users[node] if u in grads]
        eps = float(np.finfo(node._value.dtype).eps) / 16
        before, after = max([*errors, eps]), _error(grads[node], exact[node])
        if math.isfinite(before) and after > LOST * before:
            found.append(LostDigits(node, True, _decimals(before, most), _decimals(after, most)))
    return found
