"""`torch.optim`: clearprop's optimizers, handed tensors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any
from weakref import WeakValueDictionary

from clearprop import optim as own
from clearprop.errors import at_line, lesson
from clearprop.optim.group import ParameterGroup
from clearprop.torch.optim import lr_scheduler
from clearprop.torch.tensors import Tensor, lift, lower, nearest

_GIVEN: WeakValueDictionary[int, Tensor] = WeakValueDictionary()  # tensors of leaves, by their identity


def _tensor_of(leaf: Any) -> Tensor:
    """Return the tensor that an optimizer was given for a leaf, or another one where it is gone."""
    found = _GIVEN.get(id(leaf))
    made: Tensor = lift(leaf) if found is None or found.node is not leaf else found
    return made


class TensorGroup(ParameterGroup):
    """A group whose `params` are tensors to those who read it."""

    def __getitem__(self, name: str) -> Any:
        return [_tensor_of(p) for p in self.params] if name == "params" else super().__getitem__(name)


class Memory(MutableMapping[Any, dict[str, Any]]):
    """What an optimizer of one's own remembers of each parameter: all tensors of a leaf are one key.

    >>> import clearprop.torch as torch
    >>> weight = torch.ones(2, requires_grad=True)
    >>> memory = Memory()
    >>> memory[weight]["step"] = 1
    >>> memory[weight], len(memory)
    ({'step': 1}, 1)
    """

    def __init__(self) -> None:
        self.held: dict[Any, dict[str, Any]] = {}

    def __getitem__(self, p: Any) -> dict[str, Any]:
        return self.held.setdefault(lower(p), {})

    def __setitem__(self, p: Any, value: dict[str, Any]) -> None:
        self.held[lower(p)] = value

    def __delitem__(self, p: Any) -> None:
        del self.held[lower(p)]

    def __contains__(self, p: Any) -> bool:
        return lower(p) in self.held

    def __iter__(self) -> Iterator[Tensor]:
        return map(_tensor_of, list(self.held))

    def __len__(self) -> int:
        return len(self.held)


def _leaves(entries: Any) -> list[Any]:
    if isinstance(entries, Tensor):
        wanted = "params argument given to the optimizer should be an iterable of Tensors or dicts"
        raise TypeError(lesson("torch.optim.Optimizer(params)", wanted, "torch.FloatTensor", hint="[tensor]"))
    if hasattr(entries, "parameters") or not hasattr(entries, "__iter__"):
        return entries  # refused where every optimizer begins
    found = []
    for entry in entries:
        if isinstance(entry, Mapping):
            params = entry["params"]
            entry = dict(entry)
            entry["params"] = _leaves([params] if isinstance(params, Tensor) else params)
        elif isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], Tensor):
            entry = entry[1].node  # of `named_parameters()`
        elif isinstance(entry, Tensor):
            if entry.node.op is not None or entry._steps:
                hint = "a leaf made with requires_grad=True"
                raise ValueError(
                    lesson("torch.optim.Optimizer(params)", "can't optimize a non-leaf Tensor", hint=hint)
                )
            _GIVEN[id(entry.node)] = entry
            entry = entry.node
        found.append(entry)
    return found


_RUN_HOW = ("foreach", "fused", "capturable", "differentiable")  # how PyTorch runs a step, not what it is


class Optimizer(own.Optimizer):
    """What optimizers share; one of your own names its `defaults` and writes `step`."""

    def __init__(self, params: Any, defaults: Any = None, *args: Any, **options: Any) -> None:
        for name in _RUN_HOW:
            options.pop(name, None)
        if type(self).formula is None:  # one that is written with tensors
            super().__init__(_leaves(params), defaults, *args, **options)
            self.state: Any = Memory()
        elif defaults is None:
            super().__init__(_leaves(params), *args, **options)
        else:
            super().__init__(_leaves(params), defaults, *args, **options)

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return what the formula remembers: an optimizer that is written with tensors has its `state`."""
        return () if type(self).formula is None else super().slots(group)

    def add_param_group(self, entry: Mapping[str, Any]) -> None:
        """Add parameters with options of their own."""
        super().add_param_group(_leaves([entry])[0])
        self.param_groups[-1].__class__ = TensorGroup

    def zero_grad(self, set_to_none: bool = True) -> None:  # type: ignore[override]
        """Forget the gradients, or make them 0."""
        if set_to_none:
            super().zero_grad()
            return
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.zero_()

    def step(self, closure: Any = None) -> Any:
        """Give every parameter its new value; return the loss that a closure gave at first, as it gave it."""
        if closure is None:
            return super().step()
        losses: list[Any] = []

        def remembered() -> Any:
            loss = closure()
            losses.append(loss) if not losses else None
            return loss

        super().step(remembered)
        return losses[0]

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers, by the numbers of the parameters, and the options of the groups."""
        if type(self).formula is not None:
            return super().state_dict()
        number = {p: i for i, p in enumerate(p for group in self.param_groups for p in group.params)}
        groups = [
            {name: group[name] for name in group if name != "params"}
            | {"params": [number[p] for p in group.params]}
            for group in self.param_groups
        ]
        return {"state": {number[p]: held for p, held in self.state.held.items()}, "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state dict; ValueError for one whose groups are others."""
        if type(self).formula is not None:
            super().load_state_dict(state)
            return
        groups = state["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g.params) for g in self.param_groups]:
            called = f"{type(self).__name__}.load_state_dict(state)"
            wanted, hint = "wants the groups that it has", "the state of an optimizer of the same parameters"
            raise ValueError(lesson(called, wanted, f"{len(groups)} groups", at_line(), hint))
        leaf: dict[int, Any] = {}
        for group, saved in zip(self.param_groups, groups, strict=True):
            leaf |= dict(zip(saved["params"], group.params, strict=True))
            for name in saved.keys() - {"params"}:
                group[name] = saved[name]
        self.state = Memory()
        for i, held in state["state"].items():
            self.state[leaf[i]] = dict(held)

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            options = _as_there(group, type(self).__name__)
            lines += [f"    {name}: {value}" for name, value in sorted(options.items())]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def _as_there(group: ParameterGroup, kind: str) -> dict[str, Any]:
    """Return a group's options with those that say how PyTorch runs a step, as a program prints them."""
    how: dict[str, Any] = {} if kind == "LBFGS" else {"foreach": None, "differentiable": False}
    how |= {"fused": None} if kind in ("SGD", "Adam", "AdamW", "Adagrad") else {}
    how |= {} if kind in ("SGD", "Adagrad", "LBFGS") else {"capturable": False}
    options = {name: 0 if value == 0.0 and value is not False else value for name, value in group.items()}
    del options["params"]
    first = {} if group.initial_lr is None else {"initial_lr": group.initial_lr}
    return how | first | options


def _faced(kind: type[Any]) -> type[Any]:
    return type(kind.__name__, (Optimizer, kind), {"__doc__": kind.__doc__, "__module__": __name__})


KNOWN = {
    name: _faced(kind)
    for name, kind in vars(own).items()
    if isinstance(kind, type) and issubclass(kind, own.Optimizer) and kind is not own.Optimizer
}


def __getattr__(name: str) -> Any:
    if name in KNOWN:
        return KNOWN[name]
    if name == "swa_utils":
        return importlib.import_module("clearprop.torch.optim.swa_utils")
    if name == "optimizer":  # where PyTorch keeps `Optimizer`
        return sys.modules[__name__]
    raise AttributeError(
        lesson(f"torch.optim.{name}", "there is no such optimizer", hint=nearest(name, [*KNOWN]))
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *KNOWN})


__all__ = ["Optimizer", "lr_scheduler"]
