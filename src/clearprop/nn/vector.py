"""All parameters as one vector and back, and a module called with other numbers than its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop import structure, tree
from clearprop.errors import lesson
from clearprop.modes import marks
from clearprop.nn.module import Module, owner_of
from clearprop.op import describe
from clearprop.record import assign
from clearprop.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """Return all parameters as one vector, in order; gradients pass through it.

    >>> parameters_to_vector([Tensor([[1.0, 2.0]]), Tensor(3.0)]).value
    array([1., 2., 3.])
    """
    parts = [p.reshape(-1) for p in parameters]
    if not parts:
        called = "parameters_to_vector(parameters)"
        raise ValueError(lesson(called, "wants parameters", "none", hint="model.parameters()"))
    return np.concatenate(parts)


def vector_to_parameters(vector: Any, parameters: Iterable[Tensor]) -> None:
    """Give the parameters, in order, the numbers of a vector; either all of them or, on an error, none.

    Raises ValueError for a vector with more or fewer numbers than they have.

    >>> w = Tensor([[1.0, 2.0]])
    >>> vector_to_parameters(np.array([5.0, 6.0]), [w])
    >>> w.value
    array([[5., 6.]])
    """
    parameters = list(parameters)
    size = sum(p.size for p in parameters)
    if vector.shape != (size,):
        called = "vector_to_parameters(vector, parameters)"
        raise ValueError(lesson(called, f"wants a vector of {size} numbers", describe(vector)))
    first = 0
    for p in parameters:
        assign(p, vector[first : first + p.size].reshape(p.shape))
        first += p.size


def functional_call(
    module: Module, values: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
) -> Any:
    """Return `module(*args, **kwargs)` computed with other Tensors than its own Parameters and Buffers.

    `values` gives Tensors or arrays by path, as in `state_dict`, or is a list of such dicts; what it leaves
    out is the module's own. Gradients flow to these Tensors, so a loss may be differentiated by what an inner
    step computed (MAML). The module is as before afterwards, also where its forward raised an error. Where a
    Parameter is used under several paths, any one of them stands for all, as in PyTorch.

    Raises KeyError for a path that the module lacks, ValueError for another shape and for two paths of one
    Parameter with different numbers.

    >>> from clearprop import nn
    >>> double = {"weight": Tensor([[2.0]]), "bias": Tensor([0.0])}
    >>> functional_call(nn.Linear(1, 1), double, np.array([[3.0]])).value
    array([[6.]])
    """
    parts = [values] if isinstance(values, Mapping) else values
    args = args if isinstance(args, tuple) else (args,)
    with holding(module, {path: value for part in parts for path, value in part.items()}):
        return module(*args, **(kwargs or {}))


@contextmanager
def holding(module: Module, given: Mapping[str, Any]) -> Iterator[None]:
    """Within the block a module holds other Tensors than its own, by path; see `functional_call`."""
    chosen = [(*_place(module, path, value), _tensor(value)) for path, value in given.items()]
    _of_one_mind(module, given, chosen)
    stand_in = {id(owner.__dict__[name]): value for owner, name, value in chosen}
    everywhere = [(owner, *held) for owner in module.modules() for held in owner.__dict__.items()]
    before = [(owner, name, own) for owner, name, own in everywhere if id(own) in stand_in]
    places = [*((owner, name, stand_in[id(own)]) for owner, name, own in before), *chosen]
    around = marks.lent, marks.stood
    marks.lent = (*marks.lent, {own: stand_in[id(own)] for _, _, own in before})
    marks.stood = {**(around[1] or {}), **{id(stand_in[id(own)]): owner_of(own) for _, _, own in before}}
    try:
        for owner, name, value in places:
            owner.__dict__[name] = value
        structure.changed()
        yield
    finally:
        marks.lent, marks.stood = around
        for owner, name, own in before:
            owner.__dict__[name] = own
        structure.changed()


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value, requires_grad=False)


tree.register(Module, lambda module: dict(module.named_parameters()), holding)


def _place(module: Module, path: str, value: Any) -> tuple[Module, str]:
    """Return the module that holds a path's Tensor, and its name there."""
    outer, _, name = path.rpartition(".")
    owner: Any = module
    for part in outer.split(".") if outer else ():  # a module may stand under several names
        owner = owner.__dict__.get(part) if isinstance(owner, Module) else None
    own = owner.__dict__.get(name) if isinstance(owner, Module) else None
    called = f"functional_call({type(module).__name__}, values)"
    if not isinstance(own, Tensor):
        known = ", ".join(k for k, _ in (*module.named_parameters(), *module.named_buffers()))
        raise KeyError(lesson(called, f"it has {known}", path))
    if tuple(np.shape(value)) != own.shape:
        raise ValueError(lesson(called, f"wants {path} of shape {own.shape}", f"{tuple(np.shape(value))}"))
    return owner, name


def _of_one_mind(module: Module, given: Mapping[str, Any], chosen: list[tuple[Module, str, Tensor]]) -> None:
    """Raise ValueError where two paths of one Tensor are given different numbers."""
    first: dict[int, str] = {}
    for path, (owner, name, _) in zip(given, chosen, strict=True):
        other = first.setdefault(id(owner.__dict__[name]), path)
        here, there = given[path], given[other]
        tensors = isinstance(here, Tensor) or isinstance(there, Tensor)
        same = here is there or (not tensors and np.array_equal(here, there))
        if not same:
            called = f"functional_call({type(module).__name__}, values)"
            wanted = f"wants one value for {other} and {path}, which are one Tensor"
            raise ValueError(lesson(called, wanted, "two", hint=f"values without {path!r}"))


def stack_module_state(modules: Iterable[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of modules that are alike, by path, each with an axis in front.

    Entry i of each is module i's. Raises ValueError for modules whose paths or shapes differ.

    >>> from clearprop import nn
    >>> params, buffers = stack_module_state([nn.Linear(2, 3), nn.Linear(2, 3)])
    >>> params["weight"].shape, buffers
    ((2, 3, 2), {})
    """
    modules = list(modules)
    found = []
    for many in ([dict(m.named_parameters()) for m in modules], [dict(m.named_buffers()) for m in modules]):
        shapes = [{k: (t.shape, t.dtype) for k, t in one.items()} for one in many]
        if not modules or any(one != shapes[0] for one in shapes):
            wanted = "wants modules of the same names, shapes and dtypes"
            raise ValueError(lesson("stack_module_state(modules)", wanted, f"{len(modules)} modules"))
        stacked = {k: np.stack([one[k].value for one in many]) for k in many[0]}
        found.append(
            {k: Tensor(v, k, v.dtype.kind == "f" and many[0][k].requires_grad) for k, v in stacked.items()}
        )
    return found[0], found[1]
