"""`scipy.integrate`: differential equations and integrals whose gradients are those of what was computed.

SciPy decides, from numbers, where the steps lie. The same steps are then run on Tensors, so that a gradient
is the exact derivative of the computed result with its steps held fixed (discretise, then differentiate), and
agrees with the true one to the accuracy of the result itself.
"""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import GradientError, at_line, lesson
from clearprop.modes import Block, mode, no_grad
from clearprop.ops.shape import as_array, constant
from clearprop.refusal import tells
from clearprop.scipy.implicit import needs_gradient, refuse_recording
from clearprop.scipy.rest import reader
from clearprop.transforms.checkpointing import Noting

_EXPLICIT = ("RK23", "RK45")
_ODEINT = 1.49012e-8  # SciPy's tolerances of odeint


def _scipys() -> Any:
    return importlib.import_module("scipy.integrate")


def _vector(x: Any) -> Any:
    """Return the entries of a tree in a row: what a right-hand side gives, often as a list."""
    return tree.flatten(x)[0]


# --- differential equations ---------------------------------------------------------------------------------
@tells
def solve_ivp(
    fun: Callable[..., Any],
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    **options: Any,
) -> Any:
    """Solve dy/dt = fun(t, y, *args) from y(t0) = y0: `scipy.integrate.solve_ivp`, with gradients.

    `fun` may return a list of numbers and Tensors. `y`, (entries, times) and SciPy's own to rounding, has
    gradients, to any order, by `y0`, `args` and the Tensors that `fun` reaches by name, with the methods
    RK45 and RK23. Without these it is SciPy's result, by every method. Raises GradientError where a gradient
    would have to pass another method, events or a dense output, TypeError in a recorded step and for
    times that need a gradient.

    >>> from clearprop import grad
    >>> def end(k):
    ...     return solve_ivp(lambda t, y: -k * y, (0.0, 1.0), [1.0], rtol=1e-8, atol=1e-8).y[0, -1]
    >>> end(2.0).round(6), grad(end)(2.0).round(6)  # exp(-k) and -exp(-k)
    (np.float64(0.135335), np.float64(-0.135335))
    """
    called = "solve_ivp(fun, t_span, y0)"
    refuse_recording(called)
    _refuse_times(called, t_span, t_eval)
    more = args if args is None or isinstance(args, tuple) else (args,)
    start = _vector(y0)
    noting = Noting()

    def numbers(t: Any, y: Any, *rest: Any) -> Any:
        if vectorized:
            return constant(fun(t, y, *rest))
        return constant(_vector(fun(t, y, *rest)))

    solver = _scipys().solve_ivp
    fixed = {"events": events, "vectorized": vectorized, "args": more, "method": method, **options}
    fixed["dense_output"] = dense_output
    with Block(observer=noting, grad_enabled=False):
        found = sampled = solver(numbers, t_span, constant(start), **fixed)
        if t_eval is not None:
            sampled = solver(numbers, t_span, constant(start), t_eval=t_eval, **fixed)
    if not mode.grad_enabled or not (noting.reached or needs_gradient([start, *(more or ())])):
        return sampled
    if method not in _EXPLICIT or events is not None or dense_output or vectorized:
        wanted = f"has gradients by the methods {' and '.join(_EXPLICIT)}, without events or a dense output"
        hint = "`with no_grad():` around it where numbers are wanted"
        raise GradientError(lesson(called, wanted, f"method={method!r}", at_line(), hint))

    def slope(t: Any, y: Any) -> Any:
        return _vector(fun(t, y, *(more or ())))

    places = np.asarray(sampled.t, np.float64)  # SciPy has an empty list where none are wanted
    sampled["y"] = _replayed(slope, found.t, start, getattr(_scipys(), method), places)
    return sampled


def _refuse_times(called: str, *times: Any) -> None:
    if needs_gradient([*times]):
        hint = "fun(s, y) * (t1 - t0) on the interval (0, 1), where the ends are numbers that need a gradient"
        raise TypeError(lesson(called, "wants times without a gradient", "a Tensor", at_line(), hint))


def _replayed(slope: Any, times: Any, y: Any, method: Any, wanted: Any) -> Any:
    """Return the solution at the `wanted` times, from the steps that end at `times`.

    Within a step it is the method's polynomial (Hairer, Norsett and Wanner, "Solving ordinary differential
    equations I", 1993, section II.6).
    """
    columns: list[Any] = []
    k = slope(times[0], y)
    forward = times[-1] >= times[0]
    for t, after in itertools.pairwise(times):
        h, ks = after - t, [k]
        for a, c in zip(method.A[1:], method.C[1:], strict=False):
            ks.append(slope(t + c * h, y + h * _combined(a, ks)))
        new = y + h * _combined(method.B, ks)
        k = slope(after, new)
        ks.append(k)
        at = wanted[len(columns) :]
        for place in at[(at < after) if forward else (at > after)]:
            powers = np.cumprod(np.full(method.P.shape[1], (place - t) / h))
            columns.append(y + h * _combined(method.P @ powers, ks))
        while len(columns) < len(wanted) and wanted[len(columns)] == after:
            columns.append(new)
        y = new
    columns += [y] * (len(wanted) - len(columns))  # an interval of no length
    return np.stack(columns, axis=1) if columns else y[:, None][:, :0]


def _combined(weights: Any, ks: list[Any]) -> Any:
    terms = [w * k for w, k in zip(weights.tolist(), ks, strict=False) if w]
    return sum(terms[1:], terms[0]) if terms else 0.0 * ks[0]


@tells
def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    args: Any = (),
    tfirst: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
) -> Any:
    """Return the solution of dy/dt = func(y, t, *args) at the times `t`, (times, entries): SciPy's `odeint`.

    Where a gradient is wanted, `solve_ivp` computes it by RK45 with the tolerances of `odeint`, 1.49e-8; what
    is said there holds. Without one it is SciPy's own result.

    >>> t = np.linspace(0.0, 1.0, 3)
    >>> odeint(lambda y, t: -y, 1.0, t)[:, 0].round(5)
    array([1.     , 0.60653, 0.36788])
    """
    more = args if isinstance(args, tuple) else (args,)
    rtol, atol = rtol or _ODEINT, atol or _ODEINT
    ordered: Any = func if tfirst else lambda s, y, *rest: func(y, s, *rest)
    times = np.asarray(constant(t), np.float64)
    if times.ndim != 1 or times.size < 2:
        raise ValueError(
            lesson("odeint(func, y0, t)", "wants at least two times", f"{times.shape}", at_line())
        )
    if mode.grad_enabled and mode.observer is None and not needs_gradient([t]):
        noting = Noting()
        with Block(observer=noting, grad_enabled=False):
            ordered(times[0], constant(_vector(y0)), *more)
        if not noting.reached and not needs_gradient([y0, *more]):
            with no_grad():
                numbers = lambda s, y: constant(_vector(ordered(s, y, *more)))  # noqa: E731
                start = constant(_vector(y0))
                return _scipys().odeint(numbers, start, times, tfirst=True, rtol=rtol, atol=atol)
    ends = t if needs_gradient([t]) else (times[0], times[-1])
    found = solve_ivp(ordered, ends, y0, t_eval=times, args=more, rtol=rtol, atol=atol)
    return np.swapaxes(found.y, 0, 1)


# --- integrals ----------------------------------------------------------------------------------------------
@tells
def quad(func: Callable[..., Any], a: Any, b: Any, args: Any = (), **options: Any) -> tuple[Any, float]:
    """Return the integral of func(x, *args) from `a` to `b`, which may be infinite, and a bound of its error.

    SciPy's `quad` finds intervals on which the integrand is smooth; the value with gradients is that of
    Gauss's rule of 21 points on these, by `args`, the Tensors that `func` reaches by name, and finite ends
    (Leibniz' rule). Without any of these it is SciPy's own. Raises ValueError for infinite ends that need a
    gradient, TypeError in a recorded step and for complex integrands, and GradientError where a gradient
    would have to pass a `weight`, or a singularity at which Gauss's rule and SciPy disagree.

    >>> from clearprop import grad
    >>> area = lambda k: quad(lambda x: np.exp(-k * x), 0.0, np.inf)[0]
    >>> round(area(2.0), 8), grad(area)(2.0).round(8)  # 1 / k and -1 / k^2
    (0.5, np.float64(-0.25))
    """
    refuse_recording("quad(func, a, b)")
    more = args if isinstance(args, tuple) else (args,)
    low, high = float(constant(a)), float(constant(b))
    noting = Noting()
    options = {**options, "full_output": 1}
    if options.get("complex_func"):
        hint = "the integral of its .real, and that of its .imag"
        raise TypeError(
            lesson("quad(func, a, b)", "wants a real integrand", "complex_func=", at_line(), hint)
        )
    with Block(observer=noting, grad_enabled=False):
        found = _scipys().quad(lambda x: float(constant(func(x, *more))), low, high, **options)
    value, error, report = found[:3]
    if len(found) > 3:  # what SciPy warns of where nobody asks for its report
        warnings.warn(found[3], _scipys().IntegrationWarning, stacklevel=2)
    if not mode.grad_enabled or not (noting.reached or needs_gradient([a, b, *more])):
        return value, error
    if options.get("weight") is not None:
        wanted, hint = "has no gradient through a weight", "the weight as a factor of func, or no_grad()"
        raise GradientError(lesson("quad(func, a, b)", wanted, f"{options['weight']!r}", at_line(), hint))
    count = report["last"]
    pieces = list(zip(report["alist"][:count], report["blist"][:count], strict=True))
    total = _on_pieces(func, (a, b), (low, high), more, pieces)
    close = max(error, 1.5e-8 * max(1.0, abs(value)))
    if not abs(float(constant(total)) - value) <= 10 * close:
        wanted = "has a gradient where Gauss's rule gives the integral, too: not beside a singularity"
        got = f"{float(constant(total)):.6g}, where SciPy has {value:.6g}"
        hint = "another variable, such as x = u**2 beside a root at 0"
        raise GradientError(lesson("quad(func, a, b)", wanted, got, at_line(), hint))
    return total, error


def _on_pieces(func: Any, ends: Any, numbers: Any, more: Any, pieces: Any) -> Any:
    """Return the integral by Gauss's rule on the pieces that SciPy has found."""
    (a, b), (low, high) = ends, numbers
    if np.isinf(low) or np.isinf(high):
        if needs_gradient([x for x, end in ((a, low), (b, high)) if np.isinf(end)]):
            raise ValueError(
                lesson("quad(func, a, b)", "wants numbers for infinite ends", "a Tensor", at_line())
            )
        return _to_infinity(func, ends, numbers, more, pieces)
    places: Any = [(0.0, 1.0)]
    if high != low:
        places = [sorted(((p - low) / (high - low), (q - low) / (high - low))) for p, q in pieces]
    return _gauss(lambda u: func(a + (b - a) * u, *more) * (b - a), places)


def _to_infinity(func: Any, ends: Any, numbers: Any, more: Any, pieces: Any) -> Any:
    """Return the integral where an end is infinite: x = end + (1 - u) / u for u from 0 to 1."""
    low, high = numbers
    if np.isinf(low) and np.isinf(high):

        def folded(u: float) -> Any:
            x = (1 - u) / u
            return (func(x, *more) + func(-x, *more)) / u**2

        total = _gauss(folded, pieces)
        return total if high > low else -total
    finite, sign = (ends[1], -1.0) if np.isinf(low) else (ends[0], 1.0)
    towards = np.sign(high if np.isinf(high) else low)
    total = _gauss(lambda u: func(finite + towards * (1 - u) / u, *more) / u**2, pieces)
    return total * (sign * towards)


def _gauss(f: Callable[[float], Any], pieces: Any) -> Any:
    places, weights = np.polynomial.legendre.leggauss(21)
    total: Any = 0.0
    for p, q in pieces:
        for x, w in zip(places.tolist(), weights.tolist(), strict=True):
            total = total + (q - p) / 2 * w * f(p + (q - p) * (1 + x) / 2)
    return total


@tells
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Return the integral of the polygon through heights `y` at places `x`, or `dx` apart.

    >>> trapezoid(np.array([0.0, 1.0, 4.0]))
    np.float64(3.0)
    """
    return np.trapezoid(as_array(y), None if x is None else as_array(x), dx, axis)


@tells
def simpson(y: Any, x: Any = None, *, dx: float = 1.0, axis: int = -1) -> Any:
    """Return the integral by Simpson's rule of heights `y` at places `x`, or `dx` apart: linear in `y`.

    Raises TypeError for places that need a gradient.

    >>> simpson(np.array([0.0, 1.0, 4.0])).round(9)  # of x^2 from 0 to 2
    np.float64(2.666666667)
    """
    if needs_gradient([x]):
        hint = "trapezoid(y, x)"
        raise TypeError(lesson("simpson(y, x)", "has gradients by the heights alone", "x", at_line(), hint))
    y = np.moveaxis(as_array(y), axis, -1)
    n = y.shape[-1]
    places = None if x is None else np.asarray(constant(x), np.float64)
    if places is not None and places.ndim > 1:
        every = np.moveaxis(places, axis, -1)[..., None, :] + np.zeros((n, 1))
        weights = _scipys().simpson(np.broadcast_to(np.eye(n), every.shape), x=every, axis=-1)
    else:
        weights = _scipys().simpson(np.eye(n), x=places, dx=dx, axis=-1)
    return np.sum(y * weights, axis=-1)


@tells
def cumulative_trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """Return the integrals of the polygon up to each place but the first, `initial` (0) in front if given.

    >>> cumulative_trapezoid(np.array([0.0, 1.0, 4.0]), initial=0)
    array([0. , 0.5, 3. ])
    """
    if initial not in (None, 0):
        raise ValueError(lesson("cumulative_trapezoid(initial=)", "is 0 or None", f"{initial}", at_line()))
    y = np.moveaxis(as_array(y), axis, -1)
    if not y.shape[-1]:
        raise ValueError(
            lesson("cumulative_trapezoid(y)", "wants at least one height", f"{y.shape}", at_line())
        )
    steps: Any = dx
    if x is not None:
        x = as_array(x)
        steps = np.diff(x if x.ndim == 1 else np.moveaxis(x, axis, -1), axis=-1)
    z = np.cumsum(steps * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        z = np.concatenate([np.zeros((*z.shape[:-1], 1), z.dtype), z], axis=-1)
    return np.moveaxis(z, -1, axis)


@tells
def fixed_quad(func: Callable[..., Any], a: Any, b: Any, args: Any = (), n: int = 5) -> tuple[Any, None]:
    """Return the integral of func(x, *args), of a vector of places, by Gauss's rule of `n` points, and None.

    >>> fixed_quad(lambda x: x**2, 0.0, 3.0)[0].round(12)
    np.float64(9.0)
    """
    places, weights = np.polynomial.legendre.leggauss(n)
    x = (b - a) * (places + 1.0) / 2.0 + a
    return (b - a) / 2.0 * np.sum(weights * func(x, *args), axis=-1), None


__getattr__, __dir__ = reader("integrate", [*globals()])
