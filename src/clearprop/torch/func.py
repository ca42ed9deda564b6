"""`torch.func`: functions of functions, `grad`, `vmap`, Jacobians and their products, nested as one likes.

`vmap` calls the function once for each entry of the axis: what it gives is PyTorch's, its speed is a loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearprop.errors import lesson
from clearprop.torch.autograd import functional
from clearprop.torch.autograd.pulled import grad as pulled
from clearprop.torch.shaping import stack
from clearprop.torch.tensors import Tensor

Function = Callable[..., Any]


def _mapped(f: Function, thing: Any, *others: Any) -> Any:
    """Return a tensor, or lists, tuples and dicts of them, with each made another by `f`."""
    if isinstance(thing, dict):
        return {key: _mapped(f, x, *(o[key] for o in others)) for key, x in thing.items()}
    if isinstance(thing, (list, tuple)):
        made = [_mapped(f, *each) for each in zip(thing, *others, strict=True)]
        return type(thing)(*made) if hasattr(thing, "_fields") else type(thing)(made)
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
        numbers = argnums if isinstance(argnums, tuple) else (argnums,)
        outside = any(x.requires_grad for x in _leaves(list(args)))
        own = list(args)
        for i in numbers:
            own[i] = _mapped(
                lambda x: x.clone() if x.requires_grad else x.detach().clone().requires_grad_(), own[i]
            )
        result = func(*own, **kwargs)
        value, *rest = result if has_aux else (result,)
        if not isinstance(value, Tensor) or value.dim():
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise RuntimeError(lesson("torch.func.grad(func)", "wants a function that returns a number", got))
        wanted = [own[i] for i in numbers]
        leaves = _leaves(wanted)
        graph = outside or any(x.requires_grad for x in leaves if not x.is_leaf)
        found = iter(functional._or_zeros(_of(value, leaves), leaves))
        slopes = _mapped(lambda _: next(found) if graph else next(found).detach(), wanted)
        value = value if graph else value.detach()
        slopes = tuple(slopes) if isinstance(argnums, tuple) else slopes[0]
        return slopes, (value, *rest) if has_aux else value

    return gradients


def _of(value: Any, leaves: list[Tensor]) -> Any:
    if not value.requires_grad:
        return (None,) * len(leaves)
    return pulled(value, leaves, create_graph=True, allow_unused=True)


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
    func: Function, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", **_: Any
) -> Function:
    """Return a function of arrays with one axis more: `func` of each entry, its results side by side.

    `in_dims` is the axis of each argument, None for one that all entries share; `out_dims` where the axis
    comes to lie. Raises ValueError where the lengths differ, or nothing has an axis.

    >>> import clearprop.torch as torch
    >>> vmap(torch.dot)(torch.ones(3, 2), torch.arange(6.0).view(3, 2))
    tensor([1., 5., 9.])
    """

    def along(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        if len(dims) != len(args):
            got = f"{len(dims)} for {len(args)} arguments"
            raise ValueError(lesson("torch.func.vmap(func, in_dims)", "wants an axis for each argument", got))
        lengths = {x.shape[d] for a, d in zip(args, dims, strict=True) if d is not None for x in _leaves([a])}
        if len(lengths) != 1:
            got = ", ".join(map(str, sorted(lengths))) or "none"
            raise ValueError(lesson("torch.func.vmap(func)(...)", "wants axes of one length", got))

        def entry(thing: Any, d: Any, i: int) -> Any:
            return thing if d is None else _mapped(lambda x: x.select(d, i), thing)

        rows = [
            func(*(entry(a, d, i) for a, d in zip(args, dims, strict=True)), **kwargs)
            for i in range(lengths.pop())
        ]
        if not rows:
            raise ValueError(lesson("torch.func.vmap(func)(...)", "wants one entry or more", "an empty axis"))
        return _mapped(lambda *xs: stack(list(xs), out_dims), rows[0], *rows[1:])

    return along


def jacrev(func: Function, argnums: int = 0) -> Function:
    """Return a function that gives the derivatives of every output entry by every entry of an argument.

    >>> import clearprop.torch as torch
    >>> jacrev(lambda x: x**2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def derivatives(*args: Any, **kwargs: Any) -> Any:
        def of_one(x: Any) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :], **kwargs)

        outside = any(x.requires_grad for x in _leaves(list(args)))
        found = functional.jacobian(of_one, args[argnums], create_graph=True)
        return found if outside else _mapped(lambda x: x.detach(), found)

    return derivatives


jacfwd = jacrev


def hessian(func: Function, argnums: int = 0) -> Function:
    """Return a function that gives the second derivatives of one number by an argument's entries."""
    return jacrev(jacrev(func, argnums), argnums)


def vjp(func: Function, *primals: Any) -> tuple[Any, Function]:
    """Return func(*primals), and a function that sends a vector back to them."""
    output, leaves, _ = functional._called(func, list(primals))

    def back(v: Any) -> Any:
        return tuple(
            functional._or_zeros(pulled(output, leaves, v, retain_graph=True, allow_unused=True), leaves)
        )

    return output.detach(), back


def jvp(func: Function, primals: Any, tangents: Any) -> Any:
    """Return func(*primals), and its slope in the direction of the tangents."""
    return functional.jvp(func, tuple(primals), tuple(tangents))
