"""What an optimizer takes from a state dict, ours or PyTorch's: all is checked before any of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.errors import first_line, lesson
from clearprop.optim.group import ParameterGroup, refuse_lost
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.optim.optimizer import Optimizer

_PYTORCHS = {
    "params", "initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "foreach", "capturable",
    "differentiable", "fused", "decoupled_weight_decay",
}  # fmt: skip
"""What PyTorch's groups hold besides a formula's numbers: how it is run, and what schedules wrote down."""

Memory = dict[str, Any]


def checked(
    optimizer: Optimizer, state: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[Tensor, Memory]]:
    """Return each group's options and each parameter's arrays; raises ValueError and changes nothing."""
    groups, memories = _parts(optimizer, state)
    sizes, own = [len(g["params"]) for g in groups], [len(g.params) for g in optimizer.param_groups]
    if sizes != own:
        raise _refused(optimizer, f"wants groups of {own} parameters", f"{sizes}")
    formula, ours = state.get("optimizer"), type(optimizer).formula.__name__
    if formula is not None and formula != ours:
        raise _refused(optimizer, f"wants a state of {ours}", f"it is one of {formula}")
    numbers = [i for group in groups for i in group["params"]]
    strange = [i for i in memories if i not in numbers]
    if strange:
        raise _refused(optimizer, "wants arrays of its groups' parameters", f"there is one of {strange[0]!r}")
    options = [_options(optimizer, group) for group in groups]
    for group, saved in zip(optimizer.param_groups, options, strict=True):
        refuse_lost(f"{type(optimizer).__name__}.load_state_dict(state)", group.params, saved.get("eps"))
    loaded: dict[Tensor, Memory] = {}
    for group, saved in zip(optimizer.param_groups, groups, strict=True):
        for p, i in zip(group.params, saved["params"], strict=True):
            loaded[p] = _memory(optimizer, p, i, memories.get(i, {}))
    return options, loaded


def _parts(optimizer: Optimizer, state: Any) -> tuple[list[Any], Mapping[Any, Any]]:
    groups: Any = state.get("param_groups") if isinstance(state, Mapping) else None
    memories: Any = state.get("state") if isinstance(state, Mapping) else None
    usable = isinstance(groups, (list, tuple)) and isinstance(memories, Mapping)
    if not usable or not all(isinstance(g, Mapping) and isinstance(g.get("params"), list) for g in groups):
        got = ", ".join(map(repr, list(state)[:4])) if isinstance(state, Mapping) else type(state).__name__
        raise _refused(
            optimizer, "wants the dict of an optimizer's state_dict()", f"it has {got or 'nothing'}"
        )
    return list(groups), memories


def _options(optimizer: Optimizer, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved group's options; those of another optimizer are named."""
    known, name = optimizer.defaults, type(optimizer).__name__
    foreign = [key for key in saved if key not in known and key not in _PYTORCHS]
    newer = ("maximize", "decoupled_weight_decay")  # which PyTorch had not always
    missing = [key for key in known if key not in saved and key not in newer]
    if foreign or missing:
        got = [f"it has {', '.join(foreign)}"] * bool(foreign) + [f"it lacks {', '.join(missing)}"] * bool(
            missing
        )
        raise _refused(optimizer, f"wants a state of {name}", " and ".join(got))
    for key in optimizer.kinds:
        if saved.get(key, known[key]) != known[key]:
            raise _refused(optimizer, f"wants a state of {name}", f"its {key} is {saved[key]}")
    options = {key: _plain(saved[key]) for key in (*known, "initial_lr") if key in saved}
    try:
        optimizer.check(known | options)
    except ValueError as error:
        raise _refused(optimizer, "wants options that the constructor takes", first_line(error)) from error
    return options


def _group(optimizer: Optimizer, used: bool) -> ParameterGroup:
    """Return a group of which every optional term is used, or none is."""
    terms = dict.fromkeys(optimizer.optional, 0.5 * used)
    flags = {name: used for name, value in optimizer.defaults.items() if isinstance(value, bool)}
    return ParameterGroup([], optimizer.defaults | terms | flags, optimizer.optional)


def _memory(optimizer: Optimizer, p: Tensor, i: Any, saved: Any) -> Memory:
    """Return the arrays remembered for one parameter: just those that the formula can take, of its shape.

    A term may have been switched on or off since the last step, so its array may be there or not.
    """
    if not isinstance(saved, Mapping):
        raise _refused(optimizer, "wants a dict of arrays for each parameter", f"{i}: {type(saved).__name__}")
    memory = {key: _array(value) for key, value in saved.items() if value is not None}
    group = _group(optimizer, used=True)
    slots = optimizer.remembered(group, p)
    foreign = [key for key in memory if key not in (*slots, "step")]
    least = optimizer.remembered(_group(optimizer, used=False), p)
    missing = [key for key in least if key not in memory] if memory else []
    place = f"The parameter is {p.name or i}."
    if foreign or missing:
        wanted = f"wants to remember {', '.join(slots) or 'nothing'} of each parameter"
        got = f"it has {', '.join(foreign)}" if foreign else f"it lacks {', '.join(missing)}"
        raise _refused(optimizer, wanted, got, place)
    for key, array in memory.items():
        shape = () if key == "step" else np.shape(optimizer.start(key, group, p))
        wanted = f"wants arrays of shape {shape}" if key != "step" else "wants one count of steps"
        wanted = f"wants arrays of the parameter's shape {shape}" if shape == p.shape else wanted
        fits = array.shape == shape if key != "step" else array.size == 1
        if not fits:
            raise _refused(optimizer, wanted, f"{key} is {array.shape}", place)
        kinds = "fiuc" if p.dtype.kind == "c" and key != "step" else "fiu"
        if array.dtype.kind not in kinds or (key == "step" and not float(array.reshape(())) >= 0):
            raise _refused(optimizer, "wants numbers", f"{key} is of {array.dtype}", place)
    if memory and "step" not in memory:
        memory["step"] = np.float64(1)  # PyTorch's SGD keeps no count: not the first step is all it asks
    return memory


def _refused(optimizer: Optimizer, wanted: str, got: str, where: str = "") -> ValueError:
    called = f"{type(optimizer).__name__}.load_state_dict(state)"
    hint = "an optimizer of the kind and the model that it was saved with"
    return ValueError(lesson(called, wanted, got, f"{where} Nothing was loaded.".strip(), hint))


def _array(value: Any) -> Any:
    """Return a copy of a NumPy array, a Tensor of ours or one of PyTorch's."""
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    return np.array(value)


def _plain(value: Any) -> Any:
    """Return an option as a number or a tuple of numbers; PyTorch holds some in Tensors."""
    if isinstance(value, (tuple, list)):
        return tuple(_plain(number) for number in value)
    return float(_array(value)) if hasattr(value, "detach") else value
