"""What the settings of estimators have to be: said in words, and asked when a fit begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state  # type: ignore[import-untyped]

from clearprop.data.kinds import ASKED
from clearprop.errors import lesson
from clearprop.train.average import is_count

Rule = tuple[str, Callable[[Any], bool]]
"""What a setting has to be, in words and as a test."""


def is_number(value: Any) -> bool:
    """Return whether a value is one real number: truth is none, and neither is NaN."""
    return isinstance(value, Real) and not isinstance(value, bool) and not np.isnan(float(value))


def one_of(*known: str) -> Rule:
    """Return the rule of one of some words."""
    return f"wants one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known


def numbers(wanted: str, is_right: Callable[[Any], bool]) -> Rule:
    """Return the rule of a number that `is_right`."""
    return wanted, lambda value: is_number(value) and bool(is_right(value))


def wholes(least: int, *others: Any) -> Rule:
    """Return the rule of a whole number of `least` or more, or one of some `others`."""
    names = "".join(f" or {other!r}" for other in others)
    return f"wants a whole number of {least} or more{names}", lambda value: _is_whole(value, least, others)


def _is_whole(value: Any, least: int, others: tuple[Any, ...]) -> bool:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value) >= least
    return isinstance(value, (str, float, type(None))) and value in others


def is_truth(value: Any) -> bool:
    """Return whether a value is True or False, NumPy's among them."""
    return isinstance(value, (bool, np.bool_))


def _is_seed(value: Any) -> bool:
    try:
        check_random_state(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_sizes(value: Any) -> bool:
    held = value if isinstance(value, (list, tuple, np.ndarray)) else (value,)
    return np.ndim(np.asarray(held, object)) == 1 and all(map(is_count, held))


def _is_columns(value: Any) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(name, str) for name in value)
        and all(isinstance(kind, str) and kind in ASKED for kind in value.values())
    )


def _is_weights(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(is_number(weight) and 0 <= weight < np.inf for weight in value.values())
    return value is None or (isinstance(value, str) and value == "balanced")


COUNT = wholes(1)
NUMBER: Rule = ("wants a number", is_number)
POSITIVE = numbers("wants a number above 0", lambda value: 0 < value < np.inf)
LEAST_0 = numbers("wants a number of 0 or more", lambda value: 0 <= value < np.inf)
WITHIN_1 = numbers("wants a number above 0 and below 1", lambda value: 0 < value < 1)
BELOW_1 = numbers("wants a number of 0 or more and below 1", lambda value: 0 <= value < 1)
TRUTH: Rule = ("wants True or False", is_truth)
LOUDNESS: Rule = (
    "wants True, False or a whole number",
    lambda value: is_truth(value) or isinstance(value, Integral),
)
SEED: Rule = ("wants None, a whole number from 0 to 4294967295 or a numpy.random.RandomState", _is_seed)
SIZES: Rule = ("wants sizes of 1 or more, as in (64, 32)", _is_sizes)
COLUMNS: Rule = (f"wants one of {', '.join(ASKED)} for each of some columns, by name, or None", _is_columns)
CLASS_WEIGHT: Rule = ('wants "balanced", a weight of 0 or more for each label, or None', _is_weights)
COMPILE: Rule = (
    'wants True, False or "auto"', lambda v: is_truth(v) or (isinstance(v, str) and v == "auto")
)  # fmt: skip


def goes_on(model: Any) -> bool:
    """Return whether a fit of the model is to go on from where the last one stopped."""
    check(model, {"warm_start": TRUTH})
    return bool(model.warm_start)


def check(model: Any, rules: Mapping[str, Rule]) -> None:
    """Raise ValueError for a setting of a model that breaks its rule, naming the setting.

    >>> from types import SimpleNamespace
    >>> check(SimpleNamespace(lr=-1), {"lr": POSITIVE})
    Traceback (most recent call last):
    ...
    ValueError: SimpleNamespace(lr=): wants a number above 0: -1.
    """
    for setting, (wanted, is_right) in rules.items():
        value = getattr(model, setting)
        if not is_right(value):
            raise ValueError(lesson(f"{type(model).__name__}({setting}=)", wanted, f"{value!r:.60}"))
