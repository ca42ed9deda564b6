"""`scipy.optimize` with derivatives filled in: minima, roots and fits of functions of trees of parameters.

Parameters go in as any tree (`clearprop.tree`) and come out in its form. What is found is differentiable by
the Tensors that the function depends on, by the implicit function theorem, to any order.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import GradientError, at_line, lesson
from clearprop.modes import no_grad
from clearprop.op import describe
from clearprop.ops.shape import as_array, constant
from clearprop.scipy.implicit import implicit, needs_gradient, reached, refuse_recording
from clearprop.scipy.rest import reader
from clearprop.scipy.scalars import (
    bisect as bisect,
)
from clearprop.scipy.scalars import (
    brenth as brenth,
)
from clearprop.scipy.scalars import (
    brentq as brentq,
)
from clearprop.scipy.scalars import (
    minimize_scalar as minimize_scalar,
)
from clearprop.scipy.scalars import (
    newton as newton,
)
from clearprop.scipy.scalars import (
    ridder as ridder,
)
from clearprop.scipy.scalars import (
    root_scalar as root_scalar,
)
from clearprop.tensor import Tensor
from clearprop.transforms.gradient import grad, value_and_grad
from clearprop.transforms.jacobian import hessian, jacobian
from clearprop.transforms.products import hvp

_WITHOUT_GRADIENT = ("nelder-mead", "powell", "cobyla", "cobyqa")
_BY_PRODUCTS = ("newton-cg", "trust-ncg", "trust-krylov", "trust-constr")
_BY_HESSIANS = ("dogleg", "trust-exact")


def _scipys() -> Any:
    return importlib.import_module("scipy.optimize")


class _Space:
    """The vectors that SciPy sees of a tree of parameters: of float64, of all entries in a row."""

    def __init__(self, called: str, x0: Any) -> None:
        refuse_recording(called)
        if isinstance(x0, (list, tuple)) and all(np.ndim(x) == 0 and tree.is_leaf(x) for x in x0):
            x0 = np.asarray([constant(x) for x in x0], dtype=float)  # as SciPy has it: a vector
        self.called = called
        self.x0 = tree.map(lambda leaf: np.asarray(constant(leaf)), x0)
        if not tree.leaves(self.x0) or any(leaf.dtype.kind not in "fiu" for leaf in tree.leaves(self.x0)):
            got = ", ".join(map(describe, tree.leaves(x0))) or type(x0).__name__
            raise TypeError(lesson(called, "wants a start of real numbers", got, at_line()))
        vector, self.unflatten = tree.flatten(self.x0)
        self.vector = vector.astype(np.float64)

    def flat(self, x: Any) -> Any:
        """Return the entries of a tree in a row."""
        return np.concatenate([np.zeros(0), *[np.ravel(constant(leaf)) for leaf in tree.leaves(x)]])

    def numbers(self, f: Callable[..., Any], args: Any) -> Callable[..., Any]:
        """Return `f(tree, *args, *more)` as a function of a vector whose results are numbers."""

        def of_vector(vector: Any, *more: Any) -> Any:
            with no_grad():
                return f(self.unflatten(np.array(vector)), *args, *more)

        return of_vector

    def result(self, found: Any) -> Any:
        """Return what SciPy returned, its vectors as trees."""
        for name in ("x", "jac", "grad"):
            value = found.get(name)
            if isinstance(value, np.ndarray) and value.shape == self.vector.shape:
                found[name] = self.unflatten(value)
        return found

    def attached(self, found: Any, residual: Callable[[Any], Any]) -> bool:
        """Make `x` differentiable by what else the residual of a vector depends on; tell whether it is."""
        trouble = "" if found.success else str(found.message)
        x = implicit(self.called, residual, self.flat(found.x), trouble)
        found["x"] = self.unflatten(x) if isinstance(x, Tensor) else found.x
        return isinstance(x, Tensor)


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable[..., Any] | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """Minimise `fun(x, *args)`, one number, from `x0`: `scipy.optimize.minimize`, derivatives filled in.

    `x0` is any tree of arrays and numbers; `fun` is given such trees, and the result's `x` and `jac` are of
    its form. Whatever the method asks for, gradient, Hessian or its products with vectors, is computed from
    `fun`, unless `jac`, `hess` or `hessp` are given (functions of the tree). A list of numbers is a vector.
    `bounds` are a tree of pairs (low, high), one for a leaf or one for each entry, None for no bound, or
    what SciPy takes, in the order of the leaves. Constraints are dicts or NonlinearConstraints with functions
    of the tree, whose Jacobians are filled in, or LinearConstraints of the entries in a row.

    `x` and `fun` of the result are differentiable by the Tensors that `fun` depends on (its gradient is 0 at
    the minimum), to any order; all else there are numbers. Raises GradientError where a gradient would have
    to pass and there are bounds or constraints, or it has not converged, TypeError in a recorded step, and
    where `fun` is no function of arrays.

    >>> found = minimize(lambda p: (p["a"] - 3.0) ** 2 + np.sum(p["b"] ** 2), {"a": 0.0, "b": np.ones(2)})
    >>> {k: v.round(6) + 0.0 for k, v in found.x.items()}
    {'a': np.float64(3.0), 'b': array([0., 0.])}
    """
    space = _Space("minimize(fun, x0)", x0)
    args = args if isinstance(args, tuple) else (args,)
    kind = method.lower() if isinstance(method, str) else ""
    function, slopes = _slope(space, fun, args, kind, jac)
    found = _scipys().minimize(
        function,
        space.vector,
        method=method,
        jac=slopes,
        **_curvature(space, fun, args, kind, hess, hessp),
        bounds=_bounds(space, bounds),
        constraints=_constraints(space, constraints, slopes is not None and kind not in _WITHOUT_GRADIENT),
        tol=tol,
        callback=_callback(space, callback),
        options=options,
    )
    found = space.result(found)
    if bounds is not None or constraints not in ((), []):
        _refuse_gradient(space, [lambda x: fun(x, *args), *_limiting(constraints)], found.x)
        return found
    slope = grad(fun) if jac is not True else lambda *given: fun(*given)[1]  # which `fun` says itself
    if space.attached(found, lambda v: _flat_tensor(slope(space.unflatten(v), *args))):
        value = fun(found.x, *args)
        found["fun"] = value[0] if jac is True else value
    return found


def _slope(space: _Space, fun: Any, args: Any, kind: str, jac: Any) -> tuple[Any, Any]:
    """Return the function that SciPy is given, and the gradient: of both at once where it is computed."""
    if jac is True or (jac is None and kind not in _WITHOUT_GRADIENT):
        pair = space.numbers(fun if jac is True else value_and_grad(fun), args)

        def both(vector: Any) -> Any:
            value, slope = pair(vector)
            return float(constant(value)), space.flat(slope)

        return both, True
    numbers = space.numbers(fun, args)
    given = space.numbers(jac, args) if callable(jac) else None
    slope = jac if given is None else lambda v: space.flat(given(v))
    return lambda v: float(constant(numbers(v))), slope


def _flat_tensor(x: Any) -> Any:
    return tree.flatten(x)[0]


def _refuse_gradient(space: _Space, functions: list[Callable[[Any], Any]], x: Any) -> None:
    """Raise GradientError where a function depends on a Tensor, by which the result has no gradient."""
    if reached(lambda v: [f(space.unflatten(v)) for f in functions], space.flat(x)):
        wanted = "has no gradient by Tensors where bounds or constraints, or a loss, decide"
        hint = "`with no_grad():` around it where numbers are wanted"
        raise GradientError(lesson(space.called, wanted, "", at_line(), hint))


def _curvature(
    space: _Space, fun: Callable[..., Any], args: Any, kind: str, hess: Any, hessp: Any
) -> dict[str, Any]:
    """Return the second derivatives that a method asks for, given ones first."""
    if hess is not None or hessp is not None:
        matrix, product = hess, hessp
        if callable(hess):
            own = space.numbers(hess, args)
            matrix = lambda v: _matrix(space, own(v))  # noqa: E731
        if callable(hessp):
            own_product = space.numbers(lambda x, t, *rest: hessp(x, space.unflatten(t), *rest), ())
            product = lambda v, t: space.flat(own_product(v, np.array(t), *args))  # noqa: E731
        return {"hess": matrix, "hessp": product}
    if kind in _BY_PRODUCTS:
        by_vector = hvp(lambda v: fun(space.unflatten(v), *args))

        def product_with(v: Any, t: Any) -> Any:
            with no_grad():
                return constant(by_vector(np.array(v), np.array(t)))

        return {"hessp": product_with}
    if kind in _BY_HESSIANS:
        whole = hessian(lambda v: fun(space.unflatten(v), *args))

        def matrix_of(v: Any) -> Any:
            with no_grad():
                return constant(whole(np.array(v)))

        return {"hess": matrix_of}
    return {}


def _matrix(space: _Space, found: Any) -> Any:
    """Return second derivatives that a user computed as a matrix: they must be one already."""
    n = space.vector.size
    if tree.is_leaf(found) and np.size(found) == n * n:
        return np.reshape(constant(found), (n, n))
    if not tree.is_leaf(found) and not isinstance(found, (list, dict)):
        return found  # a sparse matrix or a LinearOperator
    wanted, hint = f"wants a Hessian of {n} by {n} entries in a row", "no hess: it is computed"
    raise ValueError(lesson(space.called, wanted, type(found).__name__, at_line(), hint))


def _bounds(space: _Space, bounds: Any, by_sides: bool = False) -> Any:
    """Return bounds of the entries in a row; with `by_sides` two for two entries are (lower, upper)."""
    if bounds is None or isinstance(bounds, _scipys().Bounds):
        return bounds
    pairs = _pairs(space, space.x0, bounds, by_sides)
    low, high = (np.concatenate([np.ravel(p[side]) for p in pairs]) for side in (0, 1))
    return _scipys().Bounds(low, high)


def _pairs(space: _Space, x: Any, bounds: Any, by_sides: bool) -> list[tuple[Any, Any]]:
    """Return for each leaf of a tree its lower and upper bounds, given in its form."""
    if isinstance(x, dict) and isinstance(bounds, dict) and bounds.keys() <= x.keys():
        return [p for key, part in x.items() for p in _pairs(space, part, bounds.get(key), by_sides)]
    several = isinstance(bounds, (list, tuple)) and all(np.ndim(b) or b is None for b in bounds)
    if isinstance(x, (list, tuple)) and isinstance(bounds, (list, tuple)) and len(x) == len(bounds):
        return [p for part, own in zip(x, bounds, strict=True) for p in _pairs(space, part, own, by_sides)]
    if bounds is None:
        return [_pair(leaf, None, None) for leaf in tree.leaves(x)]
    if tree.is_leaf(x) and len(bounds) == 2 and (by_sides or not (several and np.shape(x) == (2,))):
        return [_pair(x, *bounds)]
    if tree.is_leaf(x) and len(bounds) == np.size(x) and all(b is None or len(b) == 2 for b in bounds):
        ends = [_pair(np.zeros(()), *(b or (None, None))) for b in bounds]
        return [tuple(np.array([e[side] for e in ends]) for side in (0, 1))]  # type: ignore[list-item]
    wanted = "wants bounds in the form of x0, a pair (low, high) for each leaf or each entry"
    raise ValueError(lesson(space.called, wanted, f"{bounds!r}"[:60], at_line()))


def _pair(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    ends = np.array(-np.inf if low is None else low, float), np.array(np.inf if high is None else high, float)
    return np.broadcast_to(ends[0], np.shape(x)), np.broadcast_to(ends[1], np.shape(x))


def _constraints(space: _Space, constraints: Any, slopes: bool) -> Any:
    """Return constraints as functions of a vector, Jacobians filled in."""
    if isinstance(constraints, (list, tuple)):
        return [_constraints(space, c, slopes) for c in constraints]
    if isinstance(constraints, dict):
        args = constraints.get("args", ())
        given = dict(constraints, **_limited(space, constraints["fun"], args, constraints.get("jac"), slopes))
        given.pop("args", None)
        return given
    if isinstance(constraints, _scipys().NonlinearConstraint):
        own = constraints.jac if callable(constraints.jac) else None
        found = _limited(space, constraints.fun, (), own, slopes)
        kept = {} if "jac" in found else {"jac": constraints.jac}
        return _scipys().NonlinearConstraint(lb=constraints.lb, ub=constraints.ub, **found, **kept)
    return constraints


def _limiting(constraints: Any) -> list[Callable[[Any], Any]]:
    """Return the functions of a tree that constraints are made of."""
    if isinstance(constraints, (list, tuple)):
        return [f for c in constraints for f in _limiting(c)]
    if isinstance(constraints, dict):
        return [lambda x: constraints["fun"](x, *constraints.get("args", ()))]
    return [constraints.fun] if isinstance(constraints, _scipys().NonlinearConstraint) else []


def _limited(space: _Space, fun: Any, args: Any, jac: Any, slopes: bool) -> dict[str, Any]:
    function = space.numbers(fun, args)
    limit: dict[str, Any] = {"fun": lambda v: np.atleast_1d(space.flat(function(v)))}
    if slopes:
        own = space.numbers(jac, args) if jac is not None else None
        whole = jacobian(lambda v: _flat_tensor(fun(space.unflatten(v), *args)))

        def rows(v: Any) -> Any:
            if own is not None:
                return np.reshape(space.flat(own(v)), (-1, space.vector.size))
            with no_grad():
                return constant(whole(np.array(v)))

        limit["jac"] = rows
    return limit


def _callback(space: _Space, callback: Any) -> Any:
    """Return a callback that is shown trees."""
    if callback is None:
        return None
    if [*inspect.signature(callback).parameters] == ["intermediate_result"]:
        return lambda intermediate_result: callback(
            intermediate_result=space.result(type(intermediate_result)(intermediate_result))
        )
    return lambda x, *more: callback(space.unflatten(np.array(x)), *more)


# --- equations ----------------------------------------------------------------------------------------------
def root(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """Solve `fun(x, *args) = 0`, n equations of n unknowns: `scipy.optimize.root`, Jacobian filled in.

    `x0` and `x` are trees, as for `minimize`; so is what `fun` returns. `x` is differentiable by the Tensors
    that `fun` depends on, among `args` or by name: dx/dp = -(dF/dx)^-1 dF/dp, to any order. Raises ValueError
    for another number of equations, GradientError by the backward pass where dF/dx is singular or it has not
    converged, TypeError in a recorded step.

    >>> from clearprop import grad
    >>> found = root(lambda x, p: x * x - p, 1.0, args=(4.0,))
    >>> found.x.round(8)
    np.float64(2.0)
    >>> grad(lambda p: root(lambda x: x * x - p, 1.0).x)(4.0).round(8)  # 1 / (2 sqrt(p))
    np.float64(0.25)
    """
    space = _Space("root(fun, x0)", x0)
    args = args if isinstance(args, tuple) else (args,)

    def residual(v: Any) -> Any:
        found = _flat_tensor(fun(space.unflatten(v), *args))
        if found.shape != space.vector.shape:
            wanted = f"wants as many equations as unknowns, {space.vector.size}"
            raise ValueError(lesson(space.called, wanted, f"{found.size}", at_line()))
        return found

    slopes = _slopes(space, residual, jac, args) if method in ("hybr", "lm") else None
    found = _scipys().root(
        _quiet(residual), space.vector, method=method, jac=slopes, tol=tol,
        callback=_residual_callback(space, callback), options=options,
    )  # fmt: skip
    found = space.result(found)
    space.attached(found, residual)
    return found


def _residual_callback(space: _Space, callback: Any) -> Any:
    return callback and (lambda x, f: callback(space.unflatten(np.array(x)), f))


def _quiet(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of vectors whose results are numbers."""

    def numbers(v: Any) -> Any:
        with no_grad():
            return np.array(constant(f(np.array(v))), np.float64)

    return numbers


def _slopes(space: _Space, residual: Any, jac: Any, args: Any) -> Callable[[Any], Any]:
    if callable(jac):
        own = space.numbers(jac, args)
        return lambda v: np.reshape(space.flat(own(v)), (-1, space.vector.size))
    return _quiet(jacobian(residual))


def fixed_point(
    func: Callable[..., Any],
    x0: Any,
    args: Any = (),
    xtol: float = 1e-08,
    maxiter: int = 500,
    method: str = "del2",
) -> Any:
    """Return the x of `func(x, *args) = x`: `scipy.optimize.fixed_point`, of trees.

    It is differentiable by the Tensors that `func` depends on, as the root of x - func(x) is. Raises
    RuntimeError where it does not converge.

    >>> from clearprop import grad
    >>> fixed_point(lambda x: np.cos(x), 1.0).round(6)
    np.float64(0.739085)
    >>> grad(lambda a: fixed_point(lambda x: a * np.cos(x), 1.0))(1.0).round(6)  # cos x / (1 + sin x)
    np.float64(0.441611)
    """
    space = _Space("fixed_point(func, x0)", x0)
    args = args if isinstance(args, tuple) else (args,)

    def image(v: Any) -> Any:
        return _flat_tensor(func(space.unflatten(v), *args))

    found = _scipys().fixed_point(_quiet(image), space.vector, xtol=xtol, maxiter=maxiter, method=method)
    return space.unflatten(implicit(space.called, lambda v: v - image(v), found))


# --- fits ---------------------------------------------------------------------------------------------------
def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = None,
    bounds: Any = None,
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Minimise half the sum of squares of `fun(x, *args)`: `scipy.optimize.least_squares`, with a Jacobian.

    Trees are as in `minimize`, and so are gradients by Tensors, which `x`, `fun` and `cost` have. `bounds` of
    two parts are the lower and the upper ones, as SciPy has them, for a vector of two entries too; else they
    are as in `minimize`. `options` are SciPy's. Raises GradientError where bounds or a `loss` other than
    linear are given and a gradient would have to pass.

    >>> t = np.arange(4.0)
    >>> fit = least_squares(lambda p: p["a"] * t + p["b"] - (2.0 * t + 1.0), {"a": 0.0, "b": 0.0})
    >>> fit.x["a"].round(6), fit.x["b"].round(6)
    (np.float64(2.0), np.float64(1.0))
    """
    space = _Space("least_squares(fun, x0)", x0)
    args = args if isinstance(args, tuple) else (args,)

    def residual(v: Any) -> Any:
        return _flat_tensor(fun(space.unflatten(v), *args, **(kwargs or {})))

    limits = {} if bounds is None else {"bounds": _bounds(space, bounds, by_sides=True)}
    slopes = jac if isinstance(jac, str) else _slopes(space, residual, jac, args)
    found = _scipys().least_squares(_quiet(residual), space.vector, jac=slopes, **limits, **options)
    jacobian_there, found["grad"] = found.jac, space.unflatten(found.grad)
    found = space.result(found)
    found["jac"] = jacobian_there
    if limits or options.get("loss", "linear") != "linear":
        _refuse_gradient(space, [lambda x: fun(x, *args, **(kwargs or {}))], found.x)
    elif space.attached(found, grad(lambda v: 0.5 * np.sum(np.square(residual(v))))):
        found["fun"] = residual(_flat_tensor(found.x))
        found["cost"] = 0.5 * np.sum(np.square(found.fun))
    return found


def curve_fit(
    f: Callable[..., Any], xdata: Any, ydata: Any, p0: Any = None, *more: Any, **options: Any
) -> Any:
    """Fit `f(xdata, *params)` to `ydata`: `scipy.optimize.curve_fit`, its Jacobian filled in.

    Returned are the parameters and their covariance, and what else SciPy returns. Raises GradientError where
    `f` or the data depend on Tensors that need a gradient: `least_squares` has one.

    >>> t = np.linspace(0.0, 2.0, 9)
    >>> params, covariance = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 2.0 * np.exp(-3.0 * t))
    >>> params.round(6)
    array([2., 3.])
    """
    refuse_recording("curve_fit(f, xdata, ydata)")

    def heights(x: Any, params: Any) -> Any:  # one for each of the data, where `f` gives one for all
        return np.broadcast_to(as_array(f(x, *params)), np.shape(ydata))

    def model(x: Any, *params: Any) -> Any:
        with no_grad():
            return constant(heights(x, params))

    def slopes(x: Any, *params: Any) -> Any:
        with no_grad():
            return constant(
                jacobian(lambda q: heights(x, [q[k] for k in range(len(params))]))(np.array(params))
            )

    if p0 is None:
        count = len(inspect.signature(f).parameters) - 1
        p0 = np.ones(count)
    options.setdefault("jac", slopes)
    found = _scipys().curve_fit(
        model, constant(xdata), constant(ydata), np.asarray(p0, float), *more, **options
    )
    if needs_gradient(ydata) or reached(lambda q: f(xdata, *[q[k] for k in range(len(p0))]), found[0]):
        wanted, hint = "has no gradient by Tensors", "least_squares, or `with no_grad():` for numbers"
        raise GradientError(lesson("curve_fit(f, xdata, ydata)", wanted, "", at_line(), hint))
    return found


__getattr__, __dir__ = reader("optimize", [*globals()])
