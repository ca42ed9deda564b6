"""`Optimizer`: which formula is applied to which parameters, with which numbers and what memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Never

import numpy as np

from clearprop import structure
from clearprop.errors import at_line, lesson
from clearprop.examined import Examined
from clearprop.hints import for_keywords, refuse_texts
from clearprop.modes import mode, no_grad
from clearprop.op import describe
from clearprop.optim import saved_state
from clearprop.optim.group import ParameterGroup, refuse_lost, working_dtype
from clearprop.record import assign, copy_of, hand_over, read, read_number
from clearprop.refusal import tells_of
from clearprop.tensor import Tensor

State = dict[str, Tensor]


class Optimizer(Examined):
    """What all optimizers share: parameter groups, state, and `step`, which applies the formula.

    A subclass names its `formula`, a pure function `(p, g, *state, step=, **numbers) -> (p, *state)` in plain
    NumPy operators, and says by `slots` which arrays it remembers. Nothing is ever written in place. Numbers
    are floats, or as weak as floats while a step is recorded; what is made of them by NumPy's functions is
    not, and is cast to the dtype of `p` where it meets arrays.
    """

    formula: Any = None
    bookkeeping: tuple[str, ...] = (
        "_sharing",
        "defaults",
        "param_groups",
        "state",
    )  # what it says otherwise when they change
    optional: tuple[str, ...] = ("weight_decay",)
    kinds: tuple[str, ...] = ()  # options that make it another optimizer: a state's must be its own
    pairs: bool = True  # whether a complex parameter is to it two real ones; else it takes none
    single: tuple[str, ...] = ()  # what it remembers as one number, whatever the parameter's shape
    unwritten: tuple[str, ...] = ()  # what PyTorch's state has not, and a resumed training can do without
    ways: ClassVar[dict[str, Any]] = {"foreach": None, "capturable": False, "differentiable": False}
    """What PyTorch says in a state of how it runs a step: written as it begins, read and left alone."""
    rounds: tuple[str, ...] = ()  # numbers of repetitions: a recorded step holds that many
    limits: ClassVar[dict[str, tuple[float, float]]] = dict.fromkeys(
        ("lr", "eps", "weight_decay", "momentum", "alpha"), (0.0, math.inf)
    )
    """Between which numbers each option lies."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: dict[Tensor, State] = {}
        self._sharing: dict[Tensor, int] = {}  # how many parameters use each step counter
        self.param_groups: list[ParameterGroup] = []
        if hasattr(params, "parameters"):
            called, hint = f"{type(self).__name__}(model)", "model.parameters()"
            raise TypeError(lesson(called, "wants parameters", f"a {type(params).__name__}", hint=hint))
        if callable(params) and not hasattr(params, "__iter__"):
            called, hint = f"{type(self).__name__}(params)", "model.parameters(), with brackets"
            raise TypeError(lesson(called, "wants parameters", f"a {type(params).__name__}", hint=hint))
        if not hasattr(params, "__iter__"):
            called, got = f"{type(self).__name__}(params)", f"{params!r:.40}"
            raise TypeError(lesson(called, "wants parameters", got, at_line(), "model.parameters()"))
        entries = list(params)
        if not entries:
            raise ValueError(
                lesson(
                    f"{type(self).__name__}(params)", "wants parameters", "none", hint="model.parameters()"
                )
            )
        for entry in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
            self.add_param_group(entry)

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the arrays that the formula takes after `p, g` and returns after `p`."""
        raise NotImplementedError

    def remembered(self, group: ParameterGroup, p: Tensor) -> tuple[str, ...]:
        """Return the names of what the formula takes for this parameter: the same for all, as a rule."""
        return self.slots(group)

    def start(self, name: str, group: ParameterGroup, p: Tensor) -> Any:
        """Return what an array that is remembered begins with: zeros of the parameter's shape.

        It is a value, also while a step is recorded: what comes of an option is `group.now(name)`.
        """
        return np.zeros_like(p._value)

    def _start(self, name: str, group: ParameterGroup, p: Tensor) -> Any:
        """Return the same, for both parts of complex entries."""
        first = self.start(name, group, p).astype(working_dtype(p._value.dtype), copy=False)
        return first + 1j * first if p._value.dtype.kind == "c" and name not in self.single else first

    def counts(self, group: ParameterGroup) -> bool:
        """Tell whether the formula asks for the number of steps taken, this one included."""
        return True

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError for numbers that make no sense."""
        called, nothing = type(self).__name__, "Nothing was changed."
        for name, (low, high) in self.limits.items():
            if name in options and not low <= _number(options[name]) <= high:
                wanted = (
                    f"wants a number of {low:g} or more" if high == math.inf else f"wants {low:g} to {high:g}"
                )
                got = f"{options[name]!r}"
                raise ValueError(lesson(f"{called}({name}=)", wanted, got, nothing, f"{name}=1e-3"))
        betas = options.get("betas", (0.0, 0.0))
        two = isinstance(betas, (tuple, list)) and len(betas) == 2
        if not two or not all(0.0 <= _number(beta) < 1.0 for beta in betas):
            wanted, got = "wants two numbers from 0 to below 1", f"{betas!r}"
            raise ValueError(lesson(f"{called}(betas=)", wanted, got, nothing, "betas=(0.9, 0.999)"))

    def add_param_group(self, entry: Mapping[str, Any]) -> None:
        """Add parameters with options of their own: `{"params": [...], "lr": 0.01}`, also an `initial_lr`."""
        options = dict(entry)
        params, first = options.pop("params"), options.pop("initial_lr", None)
        params = [params] if isinstance(params, Tensor) else [_unnamed(p) for p in params]
        called = f"{type(self).__name__}(params)"
        unknown = [name for name in options if name not in self.defaults]
        if unknown:
            raise TypeError(
                lesson(called, f"takes the options {', '.join(self.defaults)}", ", ".join(unknown))
            )
        truths = {name: options[name] for name in options if isinstance(self.defaults[name], bool)}
        refuse_texts(type(self).__name__, **truths)
        taken = {p for group in self.param_groups for p in group.params}
        for p in params:
            if not isinstance(p, Tensor) or p.op is not None:
                got = describe(p) if isinstance(p, Tensor) else f"a {type(p).__name__}"
                raise TypeError(
                    lesson(called, "wants Tensors that were not computed", got, hint="model.parameters()")
                )
            if p in taken:
                raise ValueError(lesson(called, "wants each parameter once", describe(p)))
            taken.add(p)
            if p.dtype.kind == "c" and not self.pairs:
                hint = "its real and imaginary parts as two parameters"
                raise TypeError(lesson(called, "takes no complex parameters", describe(p), hint=hint))
        self.check(self.defaults | options)
        refuse_lost(f"{type(self).__name__}(eps=)", params, (self.defaults | options).get("eps"))
        own = ParameterGroup(params, self.defaults | options, self.optional, self.check, self.rounds)
        if first is not None:
            own["initial_lr"] = first
        self.param_groups.append(own)

    # --- what it shows of itself ----------------------------------------------------------------------------
    def _rows(self) -> list[tuple[str, ...]]:
        """Return how many parameters each group has, and its options, as text; the names come first."""
        rows = [("parameters", "entries", *self.defaults)]
        for group in self.param_groups:
            counts = f"{len(group.params):,}", f"{sum(p.size for p in group.params):,}"
            rows.append((*counts, *(_said(group[name]) for name in self.defaults)))
        return rows

    def __repr__(self) -> str:
        names, *groups = self._rows()
        said = (", ".join(f"{n}={v}" for n, v in zip(names[2:], g[2:], strict=True)) for g in groups)
        told = (f"{g[0]} parameters, {s}" for g, s in zip(groups, said, strict=True))
        return f"{type(self).__name__}({'; '.join(told)})"

    def _repr_html_(self) -> str:
        from clearprop.see.readable import table

        return table("clearprop-optimizer", type(self).__name__, self._rows())

    # --- the numbers people change --------------------------------------------------------------------------
    @property
    def lr(self) -> Any:
        """The learning rate of all groups; setting it needs no new plan of a compiled step."""
        rates = {float(group.tensor("lr")._value) for group in self.param_groups}
        if len(rates) > 1:
            raise ValueError(
                lesson(
                    f"{type(self).__name__}.lr",
                    "the groups have different learning rates",
                    ", ".join(str(float(group.tensor("lr")._value)) for group in self.param_groups),
                    hint="optimizer.param_groups[0]['lr']",
                )
            )
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: Any) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        structure.changed()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        structure.changed()

    def structure(self) -> Any:
        """Return what decides which terms a recorded step holds; its numbers may change freely."""
        plain = (bool, int, float, str, type(None))
        own = tuple(
            (name, value if isinstance(value, plain) else id(value))
            for name, value in self.__dict__.items()
            if name not in self.bookkeeping
        )
        return own, tuple(group.structure() for group in self.param_groups)

    def deciding(self) -> Iterator[Tensor]:
        """Yield the Tensors of numbers of which `structure()` says whether they are 0."""
        for group in self.param_groups:
            yield from group.deciding()

    # --- the step -------------------------------------------------------------------------------------------
    def zero_grad(self, **other: Never) -> None:
        """Forget the gradients, so that the next backward pass starts from nothing."""
        if other:
            hint = for_keywords(other)
            raise TypeError(lesson("zero_grad()", "takes no keywords", ", ".join(other), hint=hint))
        for group in self.param_groups:
            for p in group.params:
                p.grad = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Give every parameter that has a gradient its new value.

        A `closure` is called first: it computes the loss and its gradients, and the loss is returned.
        """
        if mode.observer is not None:
            structure.used(self)
        loss = None if closure is None else closure()
        moving = [(group, [p for p in group.params if p.grad is not None]) for group in self.param_groups]
        with no_grad():
            for group, active in moving:
                if active:
                    self._apply(group, active)
        return loss

    def _apply(self, group: ParameterGroup, active: list[Tensor]) -> None:
        formula, numbers = type(self).formula, group.read()
        counts = self._counted(active) if self.counts(group) else None
        for p in active:
            g = p.grad
            if isinstance(g, Tensor):
                g = read(g)
            slots = self.remembered(group, p)
            memory = self._memory(group, p, slots) if slots else ()
            if counts is not None:
                numbers["step"] = counts[self.state[p]["step"]]
            before = read(p), g, *[read(t) for t in memory]
            if p._value.dtype.kind == "c":
                new = self._by_pairs(before, slots, numbers)
            elif (dtype := p._value.dtype) != (wide := working_dtype(dtype)):
                moved, *rest = formula(before[0].astype(wide), g.astype(wide), *before[2:], **numbers)
                new = [moved.astype(dtype), *rest]
            else:
                new = formula(*before, **numbers)
            for tensor, value in zip((p, *memory), new, strict=True):
                hand_over(tensor, value if value is not g else np.array(g))  # `p.grad *= 2` is p's alone

    def _by_pairs(self, before: tuple[Any, ...], slots: tuple[str, ...], numbers: Any) -> list[Any]:
        """Return what the formula makes of complex arrays, each the pairs of its real and imaginary parts."""
        dtype, one = before[0].dtype, [name in self.single for name in ("", "", *slots)]
        given = [
            x.real if is_one else np.stack([x.real, x.imag], axis=-1)
            for x, is_one in zip(before, one, strict=True)
        ]
        new = type(self).formula(*given, **numbers)
        parts = zip(new, (one[0], *one[2:]), strict=True)
        return [np.add(x, 0j).astype(dtype) if is_one else x[..., 0] + 1j * x[..., 1] for x, is_one in parts]

    def _memory(self, group: ParameterGroup, p: Tensor, slots: tuple[str, ...]) -> list[Tensor]:
        """Return the arrays remembered for a parameter, of the dtype in which its step is computed."""
        state, dtype = self.state.setdefault(p, {}), working_dtype(p._value.dtype)
        for name in slots:
            known = state.get(name)
            if known is None or known._value.dtype != dtype:  # new, or the model was converted since
                start = self._start(name, group, p) if known is None else known._value.astype(dtype)
                state[name] = Tensor(start, f"{p.name or 'p'}.{name}", requires_grad=False)
        return [state[name] for name in slots]

    def _counted(self, active: list[Tensor]) -> dict[Tensor, Any]:
        """Count one more step for these parameters; those that always step together share one counter."""
        started: Tensor | None = None
        together: dict[Tensor, list[Tensor]] = {}
        for p in active:
            state = self.state.setdefault(p, {})
            if "step" not in state:
                if started is None:
                    started = _new_counter()
                state["step"] = started
                self._sharing[started] = self._sharing.get(started, 0) + 1
            together.setdefault(state["step"], []).append(p)
        counts = {}
        for counter, params in together.items():
            if len(params) < self._sharing[counter]:  # the others had no gradient this time: they stay behind
                counter = self._own_counter(counter, params)
            counts[counter] = steps = read_number(counter) + 1.0
            hand_over(counter, steps)
        return counts

    def _own_counter(self, counter: Tensor, params: list[Tensor]) -> Tensor:
        own = _new_counter()
        hand_over(own, read(counter))
        self._sharing[counter] -= len(params)
        self._sharing[own] = len(params)
        for p in params:
            self.state[p]["step"] = own
        return own

    # --- saving and resuming --------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Return what a stopped training needs to go on: copies, in PyTorch's form.

        `state[i]` holds the arrays of parameter number `i`, counted through the groups; `param_groups` holds
        each group's options, PyTorch's `ways` of running a step and the numbers of its parameters;
        `optimizer` names the formula.
        """
        number = {p: i for i, p in enumerate(p for group in self.param_groups for p in group.params)}
        state = {
            number[p]: {
                name: copy_of(t).real if name in self.single and t.dtype.kind == "c" else copy_of(t)
                for name, t in memory.items()
                if name not in self.unwritten
            }
            for p, memory in self.state.items()
            if memory and p in number
        }
        groups = [
            {name: group[name] for name in group if name != "params"}
            | self.ways
            | {"params": [number[p] for p in group.params]}
            for group in self.param_groups
        ]
        formula = type(self).formula.__name__
        return {"state": dict(sorted(state.items())), "param_groups": groups, "optimizer": formula}

    @tells_of
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state dict, ours or PyTorch's; either all of it is taken over or, on an error, none.

        Raises ValueError where it is another optimizer's, or its groups or shapes are not those of this one.
        """
        if mode.observer is not None and mode.observer.records:
            wanted = "loading an optimizer's state counts in Python, which a compiled step does not repeat"
            raise mode.observer.refuse(wanted, "", "optimizer.load_state_dict(state) between two calls")
        options, memories = saved_state.checked(self, state)
        for group, own in zip(self.param_groups, options, strict=True):
            for name, value in own.items():
                group.schedule(name, value) if name != "initial_lr" else group.__setitem__(name, value)
        self._take_over(memories)

    def _take_over(self, loaded: dict[Tensor, dict[str, Any]]) -> None:
        """Assign what was loaded to the Tensors that a recorded step may know; what lacks begins anew."""
        counters: dict[tuple[Tensor | None, float], Tensor] = {}
        group_of = {p: group for group in self.param_groups for p in group.params}
        self._sharing = {}
        for p, memory in loaded.items():
            old = self.state.setdefault(p, {})
            for name in {**old, **memory}:
                if name == "step":
                    old[name] = self._counter(old.get(name), float(memory.get(name, 0.0)), counters)
                    continue
                found = memory[name] if name in memory else self._start(name, group_of[p], p)
                array = np.asarray(found, working_dtype(p.dtype))
                if name in old:
                    assign(old[name], array)
                else:
                    old[name] = Tensor(array, f"{p.name or 'p'}.{name}", requires_grad=False)
        structure.changed()

    def _counter(
        self, known: Tensor | None, steps: float, counters: dict[tuple[Tensor | None, float], Tensor]
    ) -> Tensor:
        """Return the counter of a parameter that was loaded; equal counts stay with the Tensor they share."""
        key = (known, steps)
        if key not in counters:
            free = known is not None and known not in self._sharing
            counters[key] = known if known is not None and free else _new_counter()
            assign(counters[key], np.float64(steps))
        self._sharing[counters[key]] = self._sharing.get(counters[key], 0) + 1
        return counters[key]


def _new_counter() -> Tensor:
    return Tensor(np.float64(0.0), "step", requires_grad=False)


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _unnamed(entry: Any) -> Any:
    """Return a parameter, also of a pair that `named_parameters()` gives."""
    pair = isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)
    return entry[1] if pair else entry


def _number(value: Any) -> float:
    """Return an option as a float, NaN where it is none; what a recorded step computes is taken as it is."""
    if isinstance(value, Tensor):
        return float(value._value)
    if isinstance(value, (bool, np.bool_, str, bytes)) or value is None:
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
