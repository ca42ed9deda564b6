"""Gradients: `grad`, `value_and_grad`, `elementwise_grad`, `stop_gradient`; every `.grad` is left alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Never, ParamSpec

import numpy as np

from clearprop import tree
from clearprop.errors import GradientError, at_line, lesson
from clearprop.hints import refuse_texts
from clearprop.modes import enable_grad, marks, mode, special
from clearprop.op import describe
from clearprop.tensor import Tensor
from clearprop.transforms.arguments import Argnums, Arguments, checked, name_of
from clearprop.transforms.inner import Inner

P = ParamSpec("P")


def value_and_grad(
    f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool = False, **other: Never
) -> Callable[P, Any]:
    """Return a function that gives `f`'s value and its gradient by the arguments in `argnums`.

    `f` must return one real number; with `has_aux` it returns a pair, that number and anything else, and the
    value given is that pair. `argnums` is the number or the name of an argument, or several in a tuple or a
    list. An argument may be a tree (`clearprop.tree`): a dict, list, tuple, named tuple or dataclass of
    arrays, in whose form the gradient comes, or a Module, whose gradient is a dict by its parameters' paths.

    A result that depends on a Tensor that needs a gradient is a Tensor and passes gradients on to it: to
    another `grad`'s argument, to the parameters of a model that `f` calls, to any Tensor in `f`'s closure. So
    gradients of gradients work to any order. Other results are arrays, or Tensors where an argument is one.
    Inside `no_grad()` everything outside of `f` counts as numbers. An argument that is an integer or an array
    of integers counts as one of floats; arrays of integers inside of a tree are constants with gradient 0.
    The gradient by a complex argument is the direction of steepest ascent, `df/da + i df/db` at `a + ib`.
    Raises ValueError where `f` returns anything but one number, and GradientError where that is complex.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    (np.float64(9.0), array([ 3., 12.]))
    >>> value_and_grad(lambda p, x: p["a"] * x + p["b"])({"a": 2.0, "b": 1.0}, 3.0)
    (np.float64(7.0), {'a': np.float64(3.0), 'b': np.float64(1.0)})
    >>> w = Tensor(2.0)
    >>> slope = value_and_grad(lambda x: w * x**2)(3.0)[1]
    >>> slope.backward()
    >>> slope.value, w.grad
    (np.float64(12.0), np.float64(6.0))
    """
    refuse_texts("value_and_grad", has_aux=has_aux)
    checked("value_and_grad", f, other, "argnums has_aux")

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        return _derived(Arguments(f, argnums, args, kwargs), has_aux)

    return both


def grad(
    f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool = False, **other: Never
) -> Callable[P, Any]:
    """Return the function that computes the gradient of `f` by the arguments in `argnums`.

    With `has_aux`, `f` returns a pair, and so does the gradient: itself, and the second of the pair. It gives
    arrays, or Tensors where the gradient depends on Tensors: see `value_and_grad`.

    >>> import numpy as np
    >>> grad(np.tanh)(0.0), grad(grad(np.sin))(1.0) == -np.sin(1.0)
    (np.float64(1.0), np.True_)
    >>> grad(lambda x, scale: scale * x**2, argnums=["x", "scale"])(3.0, scale=2.0)
    [np.float64(12.0), np.float64(9.0)]
    """
    refuse_texts("grad", has_aux=has_aux)
    checked("grad", f, other, "argnums has_aux")

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = _derived(Arguments(f, argnums, args, kwargs), has_aux)
        return (found, value[1]) if has_aux else found

    return gradient


def elementwise_grad(f: Callable[P, Any], argnums: Argnums = 0) -> Callable[P, Any]:
    """Return the function that computes the derivative of `f` at each entry, for an `f` that works entrywise.

    It is the gradient of the sum of all that `f` returns, which has to be real. Raises GradientError where it
    is complex.

    >>> import numpy as np
    >>> elementwise_grad(np.sin)(np.array([0.0, np.pi])).round(12)
    array([ 1., -1.])
    """
    checked("elementwise_grad", f, {}, "argnums")

    @functools.wraps(f)
    def total(*args: Any, **kwargs: Any) -> Any:
        return sum(np.sum(x) for x in tree.leaves(f(*args, **kwargs)))

    return grad(total, argnums)


def stop_gradient(x: Any) -> Any:
    """Return the same numbers, as constants: no gradient passes through a leaf of what is returned.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree.map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, x)


def _derived(arguments: Arguments, has_aux: bool) -> Any:
    if not special.blocks or mode.grad_enabled:
        return _pulled(arguments, has_aux, constant=False)
    with enable_grad():  # no_grad() around grad(f): all that is outside of `f` is numbers
        return _pulled(arguments, has_aux, constant=True)


def _pulled(arguments: Arguments, has_aux: bool, constant: bool) -> Any:
    """Return the value of `f` and its gradient, in the form that the caller wants."""
    before, f = marks.left, arguments.f
    inner = Inner(arguments.run, arguments.leaves, arguments.beside, constant)
    output, aux = inner.output, None
    if has_aux:
        output, aux = _pair(f, output)
    if not isinstance(output, Tensor):
        if marks.left != before:
            raise _lost(f)
        if not tree.is_leaf(output):
            raise _no_number(f, f"a {type(output).__name__}")
        output = Tensor(output, requires_grad=False)
    one = _ONES.get(output._value.__class__) if output.__class__ is Tensor else None
    if one is None:
        if output.size != 1:
            raise _no_number(f, describe(output))
        if output.dtype.kind == "c":
            raise complex_result("grad", f, output)
        one = _one(output)
    found = inner.pull({output: one} if output.requires_grad else {})
    if not has_aux:
        value, *results = inner.results(output, *found)
        return value, arguments.formed(results)
    value, *results = inner.results(output, *found, *tree.leaves(aux))
    gradient = arguments.formed(results[: len(found)])
    return (value, tree.rebuilt(aux, results[len(found) :])), gradient


_ONES = {number: number(1) for number in (np.float64, np.float32)}  # of what functions usually return


def _one(value: Any) -> Any:
    return np.ones(value.shape, value.dtype) if value.shape else value.dtype.type(1)


def _pair(f: Any, output: Any) -> Any:
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        wanted, hint = "wants a function that returns a pair with has_aux", "return loss, aux"
        raise ValueError(lesson(f"grad({name_of(f)})", wanted, f"{output!r}"[:60], hint=hint))
    return output


def _no_number(f: Any, got: str) -> Exception:
    wanted, hint = "wants a function that returns one number", "a sum or mean of the output"
    if got.startswith("a tuple"):
        hint += ", or has_aux=True for a pair of a number and what else there is"
    return ValueError(lesson(f"grad({name_of(f)})", wanted, f"it returned {got}", hint=hint))


def complex_result(called: str, f: Any, output: Any) -> GradientError:
    """Return the error of a function of complex value where a direction of steepest ascent is asked for."""
    return GradientError(
        lesson(
            f"{called}({name_of(f)})",
            "wants a function that returns a real number, for only that can ascend",
            f"it returned {describe(output)}",
            at_line(),
            hint="its .real or np.abs(...), or vjp and jvp, which say what becomes of one direction",
        )
    )


def _lost(f: Any) -> GradientError:
    return GradientError(
        lesson(
            f"grad({name_of(f)})",
            "wants a function of arrays",
            "it made Python numbers of its Tensors, which no gradient passes",
            hint="np.sin(x) for math.sin(x), and x itself for float(x) or x.item()",
        )
    )
