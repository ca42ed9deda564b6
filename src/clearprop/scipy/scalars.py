"""Roots and minima of functions of one number, with gradients by the implicit function theorem."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.modes import no_grad
from clearprop.ops.shape import as_array, constant
from clearprop.scipy.implicit import implicit, refuse_recording
from clearprop.transforms.gradient import grad


def _scipys() -> Any:
    return importlib.import_module("scipy.optimize")


def _numbers(f: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[Any], Any]:
    def of_number(x: Any) -> Any:
        with no_grad():
            return float(constant(f(x, *args)))

    return of_number


def _attached(called: str, f: Callable[..., Any], args: tuple[Any, ...], x: Any, trouble: str = "") -> Any:
    """Return the number `x`, for which f(x, *args) = 0, with its gradients by what `f` depends on."""

    def residual(v: Any) -> Any:
        return as_array(f(v[0], *args)).reshape(1)

    return implicit(called, residual, np.array([float(constant(x))]), trouble)[0]


def _bracketing(name: str) -> Any:
    def find(f: Any, a: Any, b: Any, args: Any = (), *, full_output: bool = False, **options: Any) -> Any:
        called = f"{name}(f, a, b)"
        refuse_recording(called)
        args = args if isinstance(args, tuple) else (args,)
        low, high = float(constant(a)), float(constant(b))
        found, report = getattr(_scipys(), name)(_numbers(f, args), low, high, full_output=True, **options)
        x = _attached(called, f, args, found)
        return (x, report) if full_output else x

    find.__name__ = find.__qualname__ = name
    find.__doc__ = f"""Return a root of `f(x, *args)` between `a` and `b`, where it has two signs.

    `scipy.optimize.{name}`, differentiable by the Tensors that `f` depends on: dx/dp = -(df/dp) / (df/dx).
    Raises ValueError where f has one sign at both ends, GradientError by the backward pass where df/dx is 0,
    TypeError in a recorded step.

    >>> from clearprop import grad
    >>> grad(lambda p: {name}(lambda x: x * x - p, 0.0, 9.0))(4.0).round(6)  # 1 / (2 sqrt(p))
    np.float64(0.25)
    """
    return find


brentq: Any = _bracketing("brentq")
brenth: Any = _bracketing("brenth")
ridder: Any = _bracketing("ridder")
bisect: Any = _bracketing("bisect")


def newton(func: Any, x0: Any, fprime: Any = None, args: Any = (), **options: Any) -> Any:
    """Return a root of `func(x, *args)` near the number `x0`: `scipy.optimize.newton`, its slope filled in.

    Gradients are those of `brentq`. Raises RuntimeError where it does not converge.

    >>> newton(lambda x: x**3 - 8.0, 1.0).round(9)
    np.float64(2.0)
    """
    refuse_recording("newton(func, x0)")
    args = args if isinstance(args, tuple) else (args,)
    slope = _numbers(fprime or (lambda x, *more: grad(lambda y: func(y, *more))(x)), args)
    found = _scipys().newton(_numbers(func, args), float(constant(x0)), slope, **options)
    return _attached("newton(func, x0)", func, args, found)


def root_scalar(f: Any, args: Any = (), method: Any = None, fprime: Any = None, **options: Any) -> Any:
    """Return SciPy's `root_scalar`, whose `root` has the gradients of `brentq`; slopes are filled in.

    >>> root_scalar(lambda x: np.cos(x) - x, bracket=(0.0, 1.0)).root.round(6)
    np.float64(0.739085)
    """
    refuse_recording("root_scalar(f)")
    args = args if isinstance(args, tuple) else (args,)
    if fprime is None and (method in ("newton", "halley") or (method is None and not options.get("bracket"))):
        fprime = lambda x, *more: grad(lambda y: f(y, *more))(x)  # noqa: E731
    slope = _numbers(fprime, args) if callable(fprime) else fprime
    if options.get("fprime2") is not None and callable(options["fprime2"]):
        options["fprime2"] = _numbers(options["fprime2"], args)
    found = _scipys().root_scalar(_numbers(f, args), method=method, fprime=slope, **options)
    trouble = "" if found.converged else str(found.flag)
    found.root = _attached("root_scalar(f)", f, args, found.root, trouble)
    return found


def minimize_scalar(fun: Any, bracket: Any = None, bounds: Any = None, args: Any = (), **options: Any) -> Any:
    """Return SciPy's `minimize_scalar`; `x` and `fun` of it are differentiable, as the gradient is 0 there.

    At a bound a gradient that would have to pass is refused by the backward pass: GradientError.

    >>> from clearprop import grad
    >>> grad(lambda p: minimize_scalar(lambda x: (x - p * p) ** 2).x)(3.0).round(6)
    np.float64(6.0)
    """
    refuse_recording("minimize_scalar(fun)")
    args = args if isinstance(args, tuple) else (args,)
    found = _scipys().minimize_scalar(_numbers(fun, args), bracket=bracket, bounds=bounds, **options)
    slope = lambda x, *more: grad(lambda y: fun(y, *more))(x)  # noqa: E731
    ends = () if bounds is None else tuple(float(constant(end)) for end in bounds)
    at_end = any(abs(float(found.x) - end) <= 1e-4 * (1 + abs(end)) for end in ends)
    trouble = "it lies at a bound" if at_end else "" if found.success else str(found.message)
    x = _attached("minimize_scalar(fun)", slope, args, found.x, trouble)
    found["fun"], found["x"] = (fun(x, *args) if x is not found.x else found.fun), x
    return found
