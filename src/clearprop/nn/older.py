"""Names of weights in state dicts that older programs saved, or wrapped models: the model's own for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def with_own_names(state: Mapping[str, Any], modules: Iterable[tuple[str, Any]]) -> Mapping[str, Any]:
    """Return a state dict with today's names for what parametrizations had called `weight_g`, `weight_orig`.

    A parametrization says in `older` what its parts were called: `{"{}_g": "original0"}`.

    >>> from clearprop import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> list(with_own_names({"weight_g": 1, "bias": 2}, layer.named_modules()))
    ['parametrizations.weight.original0', 'bias']
    """
    today: dict[str, str] = {}
    for path, module in modules:
        older = getattr(type(module), "older", None)
        if older is None:
            continue
        holder, _, rest = path.rpartition("parametrizations.")
        name = rest.partition(".")[0]
        for old, part in older.items():
            new = f"{holder}parametrizations.{name}.{part}"
            if new not in state:
                today[holder + old.format(name)] = new
    if today.keys().isdisjoint(state):
        return state
    return {today.get(name, name): x for name, x in state.items()}


def counted_late(name: str) -> bool:
    """Tell whether a name is one that state dicts have had since PyTorch 0.4.1 alone: it may be missing."""
    return name.endswith("num_batches_tracked")


def hint_for(own: Iterable[str], state: Iterable[str]) -> str:
    """Return what to write where all names of a state dict have one prefix more, or less, than the model's.

    >>> hint_for(["0.weight"], ["_orig_mod.0.weight"])
    "load_state_dict({k.removeprefix('_orig_mod.'): v for k, v in state.items()}): a wrapper saved it"
    """
    ours = list(own)
    theirs = list(state)
    more = _prefix(ours, theirs)
    if more:
        new = f"k.removeprefix({more!r})"
        why = "a wrapper saved it"
    else:
        less = _prefix(theirs, ours)
        new = f"{less!r} + k"
        why = "this model is in a wrapper"
        if not less:
            return "load_state_dict(state, strict=False) to load the names that match"
    return f"load_state_dict({{{new}: v for k, v in state.items()}}): {why}"


def _prefix(short: list[str], long: list[str]) -> str:
    """Return what stands before every one of the shorter names among the longer ones, '' for nothing."""
    if not short:
        return ""
    wanted = set(long)
    for name in long:
        prefix = name.removesuffix(short[0])
        if prefix == name:
            continue
        if {prefix + n for n in short} == wanted:
            return prefix
    return ""
