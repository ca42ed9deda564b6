"""Connectionist temporal classification: how likely labels are, summed over all alignments with the input."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.nn.functional.layer import arrayed, checked_reduction, recording
from clearprop.op import describe
from clearprop.ops.shape import entries
from clearprop.registry import ops

NEVER = -np.inf  # the logarithm of no chance


@takes_truths
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Return the mean of -log P(targets) / target length, P summed over all alignments with blanks between.

    `log_probs` is (time, n, classes) or (time, classes), log-probabilities; `targets` (n, longest), or all
    joined into one vector; the lengths are (n,). a_t[s], the log-likelihood of the first s labels and blanks
    after t steps, is logsumexp(a_(t-1)[s], a_(t-1)[s-1], a_(t-1)[s-2]) + log_probs[t, label s], the last only
    between different labels. A target that does not fit is infinitely unlikely; `zero_infinity` leaves it
    out, with gradient 0. `reduction="none"` gives each sequence's -log P.

    The derivative is the plain one of this formula, with respect to the log-probabilities as they are.
    Source: Graves et al., "Connectionist temporal classification", 2006. Raises ValueError for lengths,
    labels or shapes that do not fit.

    >>> even = np.log(np.full((3, 1, 2), 0.5))
    >>> ctc_loss(even, np.array([[1]]), np.array([3]), np.array([1])).round(4)
    np.float64(0.2877)
    """
    checked_reduction("reduction=", reduction)
    x, alone = arrayed(log_probs), len(arrayed(log_probs).shape) == 2
    lengths, steps = _lengths(target_lengths), _lengths(input_lengths)
    x = x[:, None] if alone else x
    labels = _padded(arrayed(targets), lengths, x, blank)
    _check_lengths(x, steps, lengths)
    each = -_likelihood(x, labels, steps, lengths, blank)
    if zero_infinity:
        each = np.where(each == np.inf, 0, each)
    if reduction == "none":
        return each[0] if alone else each
    if reduction == "sum":
        return each.sum()
    return np.mean(each / np.maximum(lengths, 1).astype(x.dtype))


def _lengths(given: Any) -> Any:
    lengths = arrayed(np.asarray(given) if isinstance(given, (tuple, list, int)) else given)
    if lengths.dtype.kind not in "iu":
        raise TypeError(lesson("ctc_loss(lengths)", "wants integers", describe(lengths)))
    return lengths.reshape(-1)


def _padded(targets: Any, lengths: Any, x: Any, blank: int) -> Any:
    """Return the labels as (n, longest), from rows or from one vector of all."""
    n, classes = x.shape[1:]
    if len(targets.shape) == 1:
        longest = targets.size if recording() else int(np.max(entries(lengths), initial=0))
        starts = np.cumsum(lengths) - lengths
        places = np.minimum(starts[:, None] + np.arange(longest), max(targets.size - 1, 0))
        targets = ops["getitem"](targets, places) if targets.size else np.zeros((n, 0), targets.dtype)
    if len(targets.shape) != 2 or targets.shape[0] != n or targets.dtype.kind not in "iu":
        wanted = f"wants integer labels ({n}, longest), or one vector of all"
        raise ValueError(lesson("ctc_loss(targets)", wanted, describe(targets)))
    if targets.shape[1] == 0:
        return np.full((n, 1), blank)  # nothing to be said, but the recursion wants a place for it
    used = np.arange(targets.shape[1]) < lengths[:, None]
    wrong = used & ((targets < 0) | (targets >= classes) | (targets == blank))
    if not 0 <= blank < classes or np.any(entries(wrong)):
        wanted = f"wants labels from 0 to {classes - 1} other than the blank"
        labels = np.unique(entries(targets))
        raise ValueError(lesson("ctc_loss(targets)", wanted, f"blank {blank}, labels {labels}"))
    return np.where(used, targets, blank)


def _check_lengths(x: Any, steps: Any, lengths: Any) -> None:
    time, n = x.shape[:2]
    for name, given, most in (("input_lengths", steps, time), ("target_lengths", lengths, None)):
        values = entries(given)
        if given.shape != (n,) or np.any(values < 0) or (most is not None and np.any(values > most)):
            wanted = f"wants {n} lengths" + (f" of at most {most}" if most is not None else " of 0 or more")
            raise ValueError(lesson(f"ctc_loss({name})", wanted, f"{values}"))


def _likelihood(x: Any, labels: Any, steps: Any, lengths: Any, blank: int) -> Any:
    """Return log P of each sequence, by the forward recursion over time."""
    n, longest = labels.shape
    places = np.arange(2 * longest + 1)
    between = np.repeat(labels, 2, axis=1)
    states = np.where(places % 2 == 1, np.concatenate([between, labels[:, :1] * 0 + blank], axis=1), blank)
    skips = np.concatenate([np.zeros((n, 2), bool), states[:, 2:] != states[:, :-2]], axis=1)
    skips = np.logical_and(skips, places % 2 == 1)
    emitted = np.take_along_axis(x, np.broadcast_to(states, (x.shape[0], *states.shape)), axis=2)
    never = np.full((n, 2), NEVER, x.dtype)
    reached = np.where(places < 2, emitted[0], NEVER)
    reached = np.where((steps > 0)[:, None], reached, np.where(places == 0, 0, NEVER).astype(x.dtype))
    for t in range(1, x.shape[0]):
        before = np.concatenate([never, reached], axis=1)
        ways = np.stack([reached, before[:, 1:-1], np.where(skips, before[:, :-2], NEVER)])
        reached = np.where((t < steps)[:, None], ops["logsumexp"](ways, axis=0) + emitted[t], reached)
    last = 2 * lengths[:, None]
    ends = np.take_along_axis(reached, np.concatenate([last, np.maximum(last - 1, 0)], axis=1), axis=1)
    first, second = ends[:, 0], np.where(lengths > 0, ends[:, 1], NEVER)
    return ops["logsumexp"](np.stack([first, second]), axis=0)
