"""`torch.func`: functions of functions, `grad`, `vmap`, Jacobians and their products, nested as one likes.

`vmap` calls the function once for each entry of the axis: what it gives is PyTorch's, its speed is a loop's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from clearprop import tree
from clearprop.errors import lesson
from clearprop.graph import topological_order
from clearprop.nn import vector
from clearprop.ops import random as source
from clearprop.torch.autograd import functional
from clearprop.torch.autograd.pulled import grad as pulled
from clearprop.torch.gradients import enable_grad, is_grad_enabled
from clearprop.torch.names import PLAIN
from clearprop.torch.shaping import stack
from clearprop.torch.tensors import Tensor, lift, lower

Function = Callable[..., Any]


def _mapped(f: Function, thing: Any, *others: Any) -> Any:
    """Return a tensor, or lists, tuples and dicts of them, with each made another by `f`."""
    if isinstance(thing, dict):
        return {key: _mapped(f, x, *(o[key] for o in others)) for key, x in thing.items()}
    if isinstance(thing, (list, tuple)):
        made = [_mapped(f, *each) for each in zip(thing, *others, strict=True)]
        return tree.refilled(type(thing), made)
    return f(thing, *others)


def _leaves(thing: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _mapped(lambda x: found.append(x) if isinstance(x, Tensor) else None, thing)
    return found


def grad_and_value(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the gradient of one number by the arguments of `argnums`, and the number.

    With `has_aux`, `func` returns a pair, of which the second part is handed on: (gradient, (number, aux)).
    Raises RuntimeError where it returns no number.

    >>> import clearprop.torch as torch
    >>> grad_and_value(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    (tensor([ 3., 12.]), tensor(9.))
    """

    def gradients(*args: Any, **kwargs: Any) -> Any:
        call = _Call(func, args, kwargs, argnums, has_aux)
        value = call.value
        if not isinstance(value, Tensor) or value.dim():
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise RuntimeError(lesson("torch.func.grad(func)", "wants a function that returns a number", got))
        slopes = call.as_given(functional._or_zeros(_of(value, call.leaves), call.leaves))
        value = call.kept(value)
        return slopes, (value, *call.rest) if has_aux else value

    return gradients


_inner: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""By their identity: the nodes of arguments of calls that have returned."""


class _Call:
    """A call of a function with arguments of its own, by which its results are then differentiated.

    What comes of it is differentiated again only by what is outside: an argument, or what `func` encloses.
    As in PyTorch, a `no_grad` around it hides its results from outside, and nothing within.
    """

    def __init__(self, func: Function, args: Any, kwargs: Any, argnums: Any, has_aux: bool = False) -> None:
        self.enabled, self.alone = is_grad_enabled(), not isinstance(argnums, tuple)
        own, numbers = list(args), (argnums,) if self.alone else argnums
        with enable_grad():
            for i in numbers:
                own[i] = _mapped(_own, own[i])
            result = func(*own, **kwargs)
        self.value: Any
        self.rest: list[Any]
        self.value, *self.rest = result if has_aux else (result,)
        self.wanted = [own[i] for i in numbers]
        self.leaves: list[Tensor] = []
        self.leave(_leaves(self.wanted))

    def leave(self, leaves: list[Tensor]) -> None:
        """Add to the leaves: from now on nobody else differentiates by them."""
        self.leaves += leaves
        for x in leaves:
            _inner[id(x.node)] = x.node

    def kept(self, x: Tensor) -> Tensor:
        """Return a result, without a graph where nobody outside can differentiate it."""
        graph = topological_order(x.node, tracked=True) if self.enabled and x.requires_grad else []
        outside = any(n.op is None and _inner.get(id(n)) is not n for n in graph)
        return x if outside else x.detach()

    def as_given(self, found: Any) -> Any:
        """Return something for each leaf in the structure of the arguments."""
        each = iter(found)
        made = [_mapped(lambda _: self.kept(next(each)), x) for x in self.wanted]
        return made[0] if self.alone else tuple(made)

    def outputs(self, called: str) -> list[Tensor]:
        """Return the tensors of the result; RuntimeError where there are none."""
        if not (found := _leaves(self.value)):
            got = type(self.value).__name__
            raise RuntimeError(lesson(called, "wants a function that returns tensors", got))
        return found


def _own(x: Tensor) -> Tensor:
    return x.clone() if x.requires_grad else x.detach().clone().requires_grad_()


def _of(value: Any, leaves: list[Tensor], v: Any = None) -> Any:
    """Return the gradients of a result, or of many with a vector for each, by the leaves."""
    pairs = [(z, w) for z, w in zip(*_listed(value, v), strict=True) if z.requires_grad]
    if not pairs:
        return (None,) * len(leaves)
    results, vectors = map(list, zip(*pairs, strict=True))
    with enable_grad():
        return pulled(results, leaves, vectors, create_graph=True, allow_unused=True)


def _listed(value: Any, v: Any) -> tuple[list[Any], list[Any]]:
    return ([value], [v]) if isinstance(value, Tensor) else (value, v)


def grad(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the gradient of one number, and with `has_aux` what comes beside it.

    >>> import clearprop.torch as torch
    >>> grad(grad(torch.sin))(torch.tensor(0.5))
    tensor(-0.4794)
    """
    both = grad_and_value(func, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        slopes, value = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return gradient


def vmap(
    func: Function,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Function:
    """Return a function of arrays with one axis more: `func` of each entry, its results side by side.

    `in_dims` is the axis of each argument, None for one that all entries share; `out_dims` where the axis
    comes to lie. With `randomness` "same" all entries see the same draws, with "different" their own;
    "error" is a RuntimeError where something is drawn. Raises ValueError where the lengths differ, or nothing
    has an axis.

    >>> import clearprop.torch as torch
    >>> vmap(torch.dot)(torch.ones(3, 2), torch.arange(6.0).view(3, 2))
    tensor([1., 5., 9.])
    """

    called = "torch.func.vmap(func)(...)"
    if randomness not in ("error", "same", "different"):
        wanted = "randomness is one of 'error', 'same' and 'different'"
        raise RuntimeError(lesson("torch.func.vmap(func, randomness=)", wanted, f"{randomness!r}"))

    def along(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        if len(dims) != len(args):
            got = f"{len(dims)} for {len(args)} arguments"
            raise ValueError(lesson("torch.func.vmap(func, in_dims)", "wants an axis for each argument", got))
        lengths = {x.shape[d] for a, e in zip(args, dims, strict=True) for x, d in _with_axes(a, e)}
        if len(lengths) != 1:
            got = ", ".join(map(str, sorted(lengths))) or "none"
            raise ValueError(lesson(called, "wants axes of one length", got))

        rows, before = [], source.get_rng_state()
        for i in range(lengths.pop()):
            if randomness == "same":
                source.set_rng_state(before)
            rows.append(func(*(_entry(a, d, i) for a, d in zip(args, dims, strict=True)), **kwargs))
            if randomness == "error" and not np.array_equal(source.get_rng_state(), before):
                raise RuntimeError(lesson(called, "called random operation", hint='randomness="different"'))
        if not rows:
            raise ValueError(lesson(called, "wants one entry or more", "an empty axis"))
        if isinstance(out_dims, (tuple, list)):
            parts = zip(*rows, strict=True)
            return tuple(_side_by_side(part, d) for part, d in zip(parts, out_dims, strict=True))
        return _side_by_side(rows, out_dims)

    return along


def _with_axes(thing: Any, d: Any) -> list[tuple[Tensor, int]]:
    """Return the tensors of an argument that have an axis, each with it; `d` may have its structure."""
    if isinstance(d, (dict, list, tuple)):
        keys = d if isinstance(d, dict) else range(len(d))
        return [pair for key in keys for pair in _with_axes(thing[key], d[key])]
    return [] if d is None else [(x, d) for x in _leaves([thing])]


def _entry(thing: Any, d: Any, i: int) -> Any:
    """Return one entry of what has an axis, and the rest as it is."""
    if isinstance(d, dict):
        return {key: _entry(x, d[key], i) for key, x in thing.items()}
    if isinstance(d, (list, tuple)):
        return type(thing)(_entry(x, e, i) for x, e in zip(thing, d, strict=True))
    return thing if d is None else _mapped(lambda x: x.select(d, i), thing)


def _side_by_side(rows: Any, d: int) -> Any:
    return _mapped(lambda *xs: stack(list(xs), d), rows[0], *rows[1:])


def jacrev(func: Function, argnums: Any = 0, has_aux: bool = False, **_: Any) -> Function:
    """Return a function that gives the derivatives of every output entry by every entry of an argument.

    >>> import clearprop.torch as torch
    >>> jacrev(lambda x: x**2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def derivatives(*args: Any, **kwargs: Any) -> Any:
        call = _Call(func, args, kwargs, argnums, has_aux)
        call.outputs("torch.func.jacrev(func)")

        def of_one(z: Tensor) -> Any:
            shapes = [(*z.shape, *x.shape) for x in call.leaves]
            with enable_grad():
                rows = [functional._or_zeros(_of(entry, call.leaves), call.leaves) for entry in z.reshape(-1)]
                columns = zip(*rows, strict=True) if rows else ([] for _ in call.leaves)
                return call.as_given(
                    stack(list(column)).reshape(shape) if rows else PLAIN["zeros"](*shape, dtype=z.dtype)
                    for column, shape in zip(columns, shapes, strict=True)
                )

        found = _mapped(of_one, call.value)
        return (found, *call.rest) if has_aux else found

    return derivatives


jacfwd = jacrev


def hessian(func: Function, argnums: Any = 0) -> Function:
    """Return a function that gives the second derivatives of one number by an argument's entries."""
    return jacrev(jacrev(func, argnums), argnums)


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Return func(*primals), and a function that sends a vector back to them; with `has_aux` what is beside.

    >>> import clearprop.torch as torch
    >>> value, back = vjp(lambda x: x**2, torch.tensor([1.0, 2.0]))
    >>> back(torch.ones(2))
    (tensor([2., 4.]),)
    """
    call = _Call(func, primals, {}, tuple(range(len(primals))), has_aux)
    outputs = call.outputs("torch.func.vjp(func, ...)")

    def back(v: Any) -> Any:
        return call.as_given(functional._or_zeros(_of(outputs, call.leaves, _leaves(v)), call.leaves))

    return (_mapped(call.kept, call.value), back, *call.rest)


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """Return func(*primals), and its slope in the direction of the tangents; with `has_aux` what is beside.

    >>> import clearprop.torch as torch
    >>> jvp(torch.sin, (torch.zeros(2),), (torch.ones(2),))
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    functional.refuse_strict("torch.func.jvp", strict)
    call = _Call(func, tuple(primals), {}, tuple(range(len(primals))), has_aux)
    outputs = call.outputs("torch.func.jvp(func, ...)")
    with (
        enable_grad()
    ):  # what is sent back is linear in what is sent, and its slope by that is what is asked for
        sent = [PLAIN["zeros"](*z.shape, dtype=z.dtype).requires_grad_() for z in outputs]
        back = functional._or_zeros(_of(outputs, call.leaves, sent), call.leaves)
        total = sum((g * d).sum() for g, d in zip(back, _leaves(tuple(tangents)), strict=True))
    found = iter(functional._or_zeros(_of(total, sent), sent))
    call.leave(sent)
    slopes = _mapped(lambda _: call.kept(next(found)), call.value)
    return (_mapped(call.kept, call.value), slopes, *call.rest)


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """Return func(*primals), and a function that gives its slope there in the direction of tangents.

    >>> import clearprop.torch as torch
    >>> value, slope = linearize(torch.sin, torch.zeros(2))
    >>> slope(torch.ones(2))
    tensor([1., 1.])
    """
    call = _Call(func, primals, {}, tuple(range(len(primals))))
    call.outputs("torch.func.linearize(func, ...)")

    def slope(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return _mapped(call.kept, call.value), slope


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: Any = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Return module(*args, **kwargs) computed with other tensors than its own parameters and buffers.

    They are given by path, in a dict or in several; what is left out is the module's own, or with `strict`
    an error. Gradients flow to them, and the module is as before. Where it writes to a buffer, the one that
    was given keeps its numbers. Raises RuntimeError for a path that it lacks or another shape, and where
    `tie_weights=False` would part what the module has in several places.

    >>> import clearprop.torch as torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> functional_call(layer, {"weight": torch.ones(1, 1), "bias": torch.ones(1)}, (torch.ones(1, 1),))
    tensor([[2.]])
    """
    called = f"torch.func.functional_call({type(module).__name__}, ...)"
    dicts = parameter_and_buffer_dicts
    parts = [dicts] if isinstance(dicts, Mapping) else list(dicts)
    values = {path: lower(x) for part in parts for path, x in part.items()}
    missing = [path for path in module._state() if path not in values] if strict else []
    if missing:
        raise RuntimeError(lesson(called, "Missing key(s)", ", ".join(missing), hint="strict=False"))
    if not tie_weights:
        _refuse_ties(called, module, values)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        with vector.holding(module.twin(), values):
            return module(*args, **(kwargs or {}))
    except KeyError as error:
        if not str(error.args[0]).startswith("functional_call("):
            raise
        raise RuntimeError(*error.args) from error


def _refuse_ties(called: str, module: Any, values: Mapping[str, Any]) -> None:
    """Complain about given tensors for what a module has in several places: they stand in all of them."""
    places = Counter(id(held) for part in module.twin().modules() for held in part.__dict__.values())
    tied = [path for path, held in module._state().items() if path in values and places[id(held)] > 1]
    if tied:
        wanted, hint = "a tensor stands in every place that the module has it in", "tie_weights=True"
        raise RuntimeError(lesson(called, wanted, f"tie_weights=False, {tied[0]}", hint=hint))


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of models that are alike, by path, each with an axis in front.

    Raises RuntimeError for models whose paths or shapes differ.

    >>> import clearprop.torch as torch
    >>> params, buffers = stack_module_state([torch.nn.Linear(2, 3) for _ in range(4)])
    >>> params["weight"].shape, buffers
    (torch.Size([4, 3, 2]), {})
    """
    try:
        params, buffers = vector.stack_module_state([model.twin() for model in models])
    except ValueError as error:
        raise RuntimeError(*error.args) from error
    return lift(params), lift(buffers)
