"""Making an op: one entry, the same call for the library's own tables and for its users."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from clearprop.errors import lesson
from clearprop.facts import SILENT, Facts
from clearprop.hints import refuse_texts
from clearprop.op import Op, Rule
from clearprop.registry import numpy_functions, ops, ufunc_names
from clearprop.ufunc import Ufunc


def elementwise(
    name: str,
    forward: Callable[..., Any],
    *derivatives: Any,
    doc: str = "",
    numpy: Callable[..., Any] | None = None,
    ufunc: str = "",
    singular: Callable[..., bool] | bool = False,
    choice: bool = False,
    facts: Facts = SILENT,
) -> Op:
    """Make an elementwise op from its forward function and its local derivatives.

    `derivatives[i]` is dz/dx for input `i`: a function of `z, *xs` in plain NumPy, a number, or None where no
    gradient flows. That is all: the op is then differentiable to any order, drawn, checked, compiled and
    tested.

    `numpy` and `ufunc` name the NumPy function, or the ufunc of another package, that it stands for.
    `singular` says that a local derivative may be infinite (always, or for which inputs), `choice` that it
    tells who was chosen (where it is 0, exactly 0 is sent), `facts` what readers want to know: where it has
    kinks (`Facts(kinks=...)`, False for a smooth one), an interval where it is smooth (`domain`), its sign.

    >>> import numpy as np
    >>> from clearprop import Tensor, elementwise, grad
    >>> bend = elementwise("bend", lambda x: x / (1 + x * x), lambda z, x: (1 - x * x) / (1 + x * x) ** 2)
    >>> x = Tensor([0.0, 1.0, 2.0])
    >>> bend(x).backward(np.ones(3))
    >>> x.grad
    array([ 1.  ,  0.  , -0.12])
    """
    refuse_texts("elementwise", choice=choice)  # here: around the function it would hide who calls it
    derivatives = tuple(_steady(d) if isinstance(d, (float, complex)) else d for d in derivatives)
    always = (lambda *xs: True) if singular is True else singular or None
    op = Op(
        name,
        forward,
        kind="elementwise",
        derivatives=derivatives,
        arity=len(derivatives),
        singular=always,
        choice=choice,
        facts=facts,
        doc=doc,
    )
    op.__module__ = sys._getframe(1).f_globals.get("__name__", "__main__")
    return enter(op, numpy, ufunc=ufunc)


def _steady(d: Any) -> Rule:
    """Return the rule of a derivative that is one number everywhere; whole numbers are the engine's own."""
    return lambda z, *xs: d


def define(
    name: str, kind: str, *rules: Rule | None, numpy: Any = (), **fields: Any
) -> Callable[[Callable[..., Any]], Op]:
    """Make an op of any kind by decorating its forward function; `fields` are those of `Op`.

    Keyword-only parameters of the forward function are the op's attributes, with their defaults.

    >>> import numpy as np
    >>> from clearprop import Tensor
    >>> @define("total", "reduce", lambda g, z, x, scale: np.broadcast_to(g * scale, x.shape))
    ... def total(x, *, scale=1.0):
    ...     return scale * np.sum(x)
    >>> x = Tensor([1.0, 2.0])
    >>> total(x, scale=3.0).backward()
    >>> x.grad
    array([3., 3.])
    """

    def decorate(forward: Callable[..., Any]) -> Op:
        defaults = dict(getattr(forward, "__kwdefaults__", None) or {})
        arity = fields.pop("arity", len(rules))
        doc = forward.__doc__ or ""
        op = Op(name, forward, rules, kind=kind, arity=arity, defaults=defaults, doc=doc, **fields)
        op.__module__ = forward.__module__
        return enter(op, *(numpy if isinstance(numpy, tuple) else (numpy,)))

    return decorate


def enter(op: Op, *numpy: Callable[..., Any] | None, ufunc: str = "") -> Op:
    """Write an op into the registry; only the same module (a notebook cell run again) may replace a name."""
    known = ops.get(op.name)
    if known is not None and known.__module__ != op.__module__:
        raise ValueError(
            lesson(
                f"elementwise({op.name!r}, ...)",
                "this name is taken",
                f"by an op of {known.__module__}",
                hint="another name",
            )
        )
    ops[op.name] = op
    for function in (*numpy, op.forward if isinstance(op.forward, Ufunc) else None):
        if function is not None:
            numpy_functions[function] = op
    if ufunc:
        ufunc_names[ufunc] = op
    return op
