"""Two runs of one step side by side: results as trees, types and arrays, and what the Tensors hold then."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.compiler.capture.tree import is_array
from clearprop.tensor import Tensor, raw

Held = tuple[Any, Any]
"""What a Tensor holds: its value and its gradient."""


class Different(Exception):
    """Something that the function and the plan do not agree on: what it is, and both of it."""

    name: str
    what: str

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name, self.what = name, what


@dataclass
class Pair:
    """One array as the function gives it and as the plan does; `key` is what it has in both runs."""

    key: Hashable
    name: str
    eager: Any
    plan: Any
    before: Any = None

    def __str__(self) -> str:
        """Both values, around the entry that differs most."""
        a, b = np.asarray(self.eager), np.asarray(self.plan)
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"the function gives {a.shape} {a.dtype}, the plan {b.shape} {b.dtype}"
        if not a.ndim:
            return f"the function gives {a}, the plan {b}"
        with np.errstate(all="ignore"):
            off = np.abs(np.subtract(a, b, dtype=np.result_type(a.dtype, np.float64)))
            off = np.where(np.isnan(off), np.where(np.isnan(a) & np.isnan(b), 0, np.inf), off)
            worst = np.unravel_index(int(np.argmax(off)), a.shape)
            count = int(np.count_nonzero(off))
        place = ", ".join(map(str, worst))
        return (
            f"the function gives {a[worst]} at [{place}], the plan {b[worst]} "
            f"({count:,} of {a.size:,} entries differ)"
        )


def results(name: str, eager: Any, plan: Any, named: dict[int, str]) -> Iterator[Pair]:
    """Go through two results; yield what is to be compared as numbers, raise Different for all else.

    `named` are the Tensors that were there before the step: one of them has to come back itself.
    """
    if isinstance(eager, Tensor) or isinstance(plan, Tensor) or is_array(eager) or is_array(plan):
        yield from _arrays(name, eager, plan, named)
    elif eager is plan:
        return
    elif type(eager) is not type(plan):
        raise _typed(name, eager, plan)
    elif isinstance(eager, (tuple, list)):
        if len(eager) != len(plan):
            raise Different(name, f"the function gives {len(eager)} entries, the plan {len(plan)}")
        for i, (a, b) in enumerate(zip(eager, plan, strict=True)):
            yield from results(f"{name}[{i}]", a, b, named)
    elif isinstance(eager, dict):
        if list(eager) != list(plan):
            raise Different(name, f"the function gives the keys {list(eager)}, the plan {list(plan)}")
        for k in eager:
            yield from results(f"{name}[{k!r}]", eager[k], plan[k], named)
    elif not _equal(eager, plan):
        attributes = _attributes(eager)
        if not attributes or attributes.keys() != _attributes(plan).keys():
            raise Different(name, f"the function gives {eager!r:.80}, the plan {plan!r:.80}")
        for k, a in attributes.items():
            yield from results(f"{name}.{k}", a, getattr(plan, k), named)


def _arrays(name: str, eager: Any, plan: Any, named: dict[int, str]) -> Iterator[Pair]:
    if eager is plan:
        return
    if isinstance(eager, Tensor) != isinstance(plan, Tensor) or is_array(eager) != is_array(plan):
        raise _typed(name, eager, plan)
    if isinstance(eager, Tensor):
        if id(eager) in named:
            raise Different(name, f"the function gives {named[id(eager)]} itself, the plan a copy of it")
    elif type(eager) is not type(plan):
        raise _typed(name, eager, plan)
    yield Pair(name, name, raw(eager), raw(plan))


def _typed(name: str, eager: Any, plan: Any) -> Different:
    a, b = type(eager).__name__, type(plan).__name__
    return Different(name, f"the function gives {_article(a)}, the plan {_article(b)}")


def _article(name: str) -> str:
    return "None" if name == "NoneType" else f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and a != a:
        return bool(b != b)
    if _attributes(a) and any(map(is_array, _attributes(a).values())):
        return False  # its own comparison would ask arrays for their truth
    try:
        return bool(a == b)
    except Exception:  # whatever a user's __eq__ raises: it has not said that they are equal
        return False


def _attributes(x: Any) -> dict[str, Any]:
    found = dict(vars(x)) if hasattr(x, "__dict__") and not callable(x) else {}
    for kind in type(x).__mro__:
        slots = vars(kind).get("__slots__", ())
        for k in (slots,) if isinstance(slots, str) else slots:
            if hasattr(x, k) and not k.startswith("__"):
                found[k] = getattr(x, k)
    return found


def states(
    tensors: Sequence[Tensor],
    names: Sequence[str],
    before: Sequence[Held],
    eager: Sequence[Held],
    plan: Sequence[Held],
) -> Iterator[Pair]:
    """Go through what the Tensors hold after both runs: values are compared as updates."""
    for t, name, old, a, b in zip(tensors, names, before, eager, plan, strict=True):
        yield Pair((id(t), "value"), name, raw(a[0]), raw(b[0]), raw(old[0]))
        if (a[1] is None) != (b[1] is None):
            given = ["None" if x is None else "an array" for x in (a[1], b[1])]
            raise Different(f"{name}.grad", f"the function gives {given[0]}, the plan {given[1]}")
        if a[1] is not None:
            yield Pair((id(t), "grad"), f"{name}.grad", raw(a[1]), raw(b[1]))
