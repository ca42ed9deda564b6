"""Densities of numbers, with gradients: their logarithms, shares, quantiles, moments and samples."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.hints import unknown
from clearprop.ops.shape import as_array, constant, known
from clearprop.scipy.rest import guarded, theirs
from clearprop.scipy.tails import log_of_either

_OF_NOTHING = "entropy", "mean", "median", "stats", "std", "support", "var"


def weak(x: Any) -> Any:
    """Return an argument as an array, Python's own numbers as they are."""
    return x if type(x) in (int, float) else as_array(x)


def plain(z: Any) -> Any:
    """Return an array without axes as a number, as NumPy's ufuncs do."""
    return z[()] if type(z) is np.ndarray else z


def _log(x: Any) -> Any:
    return float(np.log(x)) if type(x) in (int, float) and x > 0 else np.log(x)


def above_zero(*shapes: Any) -> Any:
    """Return where all parameters are above 0."""
    fits: Any = True
    for x in shapes:
        fits = fits & (x > 0)
    return fits


def parts(
    called: str, names: tuple[str, ...], moves: tuple[str, ...], args: Any, named: dict[str, Any]
) -> tuple[list[Any], list[Any]]:
    """Return the parameters of shape and those that move (None where not given), by place or by name."""
    order, args, named = (*names, *moves), list(args), dict(named)
    for name in order[len(args) :]:
        args.append(named.pop(name, None))
    if named or len(args) > len(order) or any(x is None for x in args[: len(names)]):
        count = f"{len(names)} parameters of shape" + f" ({', '.join(names)})" * bool(names)
        wanted = f"wants {count}, then {' and '.join(moves)}"
        got = f"{', '.join(named)} besides" if named else f"{sum(x is not None for x in args)}"
        raise TypeError(lesson(f"{called}(x, ...)", wanted, got, at_line()))
    return [as_array(a) for a in args[: len(names)]], args[len(names) :]


def sized(called: str, size: Any, random_state: Any, parameters: list[Any]) -> tuple[int, ...]:
    """Return the shape of a sample."""
    if random_state is not None:
        hint = "clearprop.manual_seed(seed) before it"
        raise TypeError(lesson(called, "draws from clearprop's own state", "random_state", at_line(), hint))
    shape = np.broadcast_shapes(*[np.shape(x) for x in parameters])
    if size is None:
        return shape
    wanted = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    try:
        fits = np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        text = f"wants parameters that broadcast to size={wanted}"
        raise ValueError(lesson(called, text, f"{shape}", at_line()))
    return wanted


def refuse(called: str, fits: Any, *parameters: Any) -> None:
    """Raise ValueError for parameters that are none, where their values are known."""
    if known(*parameters) and not np.all(constant(fits)):
        got = ", ".join(str(constant(x)) for x in parameters)[:60]
        raise ValueError(lesson(called, "wants a scale and shapes above 0", got, at_line()))


class Named:
    """What every distribution has: its parameters put down once, and SciPy's other methods."""

    name: str

    def __call__(self, *args: Any, **named: Any) -> Frozen:
        """Return the distribution with these parameters."""
        return Frozen(self, args, named)

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_") or not ("name" in vars(self) or hasattr(type(self), "name")):
            raise AttributeError(method)
        found = getattr(getattr(theirs("stats"), self.name, None), method, None)
        if not callable(found):
            raise unknown(f"clearprop.scipy.stats.{self.name}", method, dir(type(self)))
        return guarded("stats", found)


class Frozen:
    """A distribution whose parameters are given: `norm(m, s).logpdf(x)` is `norm.logpdf(x, m, s)`.

    >>> from clearprop.scipy.stats import norm
    >>> norm(1.0, 2.0).mean(), norm(loc=1.0).cdf(1.0)
    (np.float64(1.0), np.float64(0.5))
    """

    dist: Any
    args: tuple[Any, ...]
    kwds: dict[str, Any]

    def __init__(self, dist: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.dist, self.args, self.kwds = dist, args, named

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwds.items())]
        return f"{self.dist.name}({', '.join(given)})"

    def __getattr__(self, method: str) -> Callable[..., Any]:
        function = getattr(self.dist, method)
        if method == "rvs":
            return lambda size=None, random_state=None: function(
                *self.args, size=size, random_state=random_state, **self.kwds
            )
        if method in _OF_NOTHING:
            return lambda **more: function(*self.args, **self.kwds, **more)
        return lambda x, *more, **named: function(x, *self.args, *more, **self.kwds, **named)


@dataclasses.dataclass(repr=False)
class Continuous(Named):
    """A density of numbers, moved by `loc` and stretched by `scale`.

    All functions are those of the standard form, of `y` and the parameters of shape that `shapes` names:
    `log_density`; the shares below and above, or their logarithms; `quantile`; `mean`, `var`, `height` (the
    entropy); `draw`. `ends` are those of where it has a density, `allowed` where parameters are any.
    """

    name: str
    log_density: Callable[..., Any]
    shapes: tuple[str, ...] = ()
    ends: Callable[..., tuple[Any, Any]] = lambda *shapes: (-math.inf, math.inf)
    allowed: Callable[..., Any] = above_zero
    below: Callable[..., Any] | None = None
    above: Callable[..., Any] | None = None
    log_below: Callable[..., Any] | None = None
    log_above: Callable[..., Any] | None = None
    quantile: Callable[..., Any] | None = None
    middle: Callable[..., Any] | None = None
    spread: Callable[..., Any] | None = None
    height: Callable[..., Any] | None = None
    draw: Callable[..., Any] | None = None
    safe: Callable[..., Any] = lambda *shapes: 0.5
    open: bool = False

    def _parts(self, called: str, args: Any, named: dict[str, Any]) -> tuple[list[Any], Any, Any]:
        shapes, moves = parts(f"{self.name}.{called}", self.shapes, ("loc", "scale"), args, named)
        loc, scale = (default if x is None else weak(x) for x, default in zip(moves, (0.0, 1.0), strict=True))
        return shapes, loc, scale

    def _standard(self, called: str, x: Any, args: Any, named: Any) -> tuple[Any, list[Any], Any, Any]:
        """Return y = (x - loc) / scale, the shapes, the scale, and where all of them are any."""
        shapes, loc, scale = self._parts(called, args, named)
        y = (as_array(x) - loc) / scale
        return y, shapes, scale, (y == y) & (scale > 0) & self.allowed(*shapes)

    def _rule(self, called: str, *functions: Any) -> None:
        if all(f is None for f in functions):
            hint = f"{self.name}.logpdf"
            raise TypeError(lesson(f"{self.name}.{called}", "has no rule", "", at_line(), hint))

    def logpdf(self, x: Any, *args: Any, **named: Any) -> Any:
        """Return the logarithm of the density at `x`.

        >>> from clearprop.scipy.stats import norm
        >>> round(float(norm.logpdf(0.0)), 6)
        -0.918939
        """
        y, shapes, scale, fits = self._standard("logpdf", x, args, named)
        low, high = self.ends(*shapes)
        if isinstance(low, float) and (low, high) == (-math.inf, math.inf):
            z = self.log_density(y, *shapes) - _log(scale)
            return plain(np.where(fits, z, np.nan)) if shapes else z
        inside = fits & ((y > low) if self.open else (y >= low)) & (y <= high) & (y < np.inf)
        z = self.log_density(np.where(inside, y, self.safe(*shapes)), *shapes) - _log(scale)
        return plain(np.where(fits, np.where(inside, z, -np.inf), np.nan))

    def pdf(self, x: Any, *args: Any, **named: Any) -> Any:
        """Return the density at `x`."""
        return np.exp(self.logpdf(x, *args, **named))

    def cdf(self, x: Any, *args: Any, **named: Any) -> Any:
        """Return the share below `x`; TypeError where it has no rule."""
        self._rule("cdf", self.below, self.log_below)
        of = self.below or (lambda y, *shapes: np.exp(self.log_below(y, *shapes)))  # type: ignore[misc]
        return self._share("cdf", of, (0.0, 1.0), x, args, named)

    def sf(self, x: Any, *args: Any, **named: Any) -> Any:
        """Return the share above `x`; TypeError where it has no rule."""
        self._rule("sf", self.above)
        return self._share("sf", self.above, (1.0, 0.0), x, args, named)

    def logcdf(self, x: Any, *args: Any, **named: Any) -> Any:
        """Return the logarithm of the share below `x`; TypeError where it has no rule."""
        self._rule("logcdf", self.below, self.log_below)
        of = self.log_below or self._log_of(self.below, self.above)
        return self._share("logcdf", of, (-np.inf, 0.0), x, args, named)

    def logsf(self, x: Any, *args: Any, **named: Any) -> Any:
        """Return the logarithm of the share above `x`; TypeError where it has no rule."""
        self._rule("logsf", self.above, self.log_above)
        of = self.log_above or self._log_of(self.above, self.below)
        return self._share("logsf", of, (0.0, -np.inf), x, args, named)

    def _log_of(self, share: Any, rest: Any) -> Callable[..., Any]:
        """Return the logarithm of a share, where it is near 1 by the rest."""
        if rest is None:
            return lambda y, *shapes: np.log(share(y, *shapes))
        return lambda y, *shapes: log_of_either(share(y, *shapes), rest(y, *shapes))

    def _share(self, called: str, of: Any, ends: tuple[float, float], x: Any, args: Any, named: Any) -> Any:
        y, shapes, _, fits = self._standard(called, x, args, named)
        low, high = self.ends(*shapes)
        if isinstance(low, float) and (low, high) == (-math.inf, math.inf):
            return plain(np.where(fits, of(y, *shapes), np.nan))
        under, over = y <= low, y >= high
        z = of(np.where(fits & ~under & ~over, y, self.safe(*shapes)), *shapes)
        return plain(np.where(fits, np.where(under, ends[0], np.where(over, ends[1], z)), np.nan))

    def ppf(self, q: Any, *args: Any, **named: Any) -> Any:
        """Return the number below which a share `q` lies; TypeError where it has no rule."""
        self._rule("ppf", self.quantile)
        shapes, loc, scale = self._parts("ppf", args, named)
        q = as_array(q)
        low, high = self.ends(*shapes)
        inner = (q > 0) & (q < 1)
        y = self.quantile(np.where(inner, q, 0.5), *shapes)  # type: ignore[misc]
        y = np.where(q == 0, low, np.where(q == 1, high, np.where(inner, y, np.nan)))
        return plain(np.where((scale > 0) & self.allowed(*shapes), y * scale + loc, np.nan))

    def support(self, *args: Any, **named: Any) -> tuple[Any, Any]:
        """Return the least and the largest number that has a density.

        >>> from clearprop.scipy.stats import uniform
        >>> uniform(1.0, 2.0).support()
        (np.float64(1.0), np.float64(3.0))
        """
        shapes, loc, scale = self._parts("support", args, named)
        fits = (scale > 0) & self.allowed(*shapes)
        ends = (np.where(fits, loc + scale * as_array(x), np.nan) for x in self.ends(*shapes))
        low, high = map(plain, ends)
        return low, high

    def mean(self, *args: Any, **named: Any) -> Any:
        """Return the mean; TypeError where it has no rule."""
        self._rule("mean", self.middle)
        shapes, loc, scale = self._parts("mean", args, named)
        z = loc + scale * np.asarray(1.0) * self.middle(*shapes)  # type: ignore[misc]
        return plain(np.where((scale > 0) & self.allowed(*shapes), z, np.nan))

    def var(self, *args: Any, **named: Any) -> Any:
        """Return the variance; TypeError where it has no rule."""
        self._rule("var", self.spread)
        shapes, loc, scale = self._parts("var", args, named)
        z = scale * scale * np.asarray(1.0) * self.spread(*shapes) + 0.0 * loc  # type: ignore[misc]
        return plain(np.where((scale > 0) & self.allowed(*shapes), z, np.nan))

    def std(self, *args: Any, **named: Any) -> Any:
        """Return the standard deviation; TypeError where it has no rule."""
        return np.sqrt(self.var(*args, **named))

    def median(self, *args: Any, **named: Any) -> Any:
        """Return the number below which one half lies; TypeError where it has no rule."""
        return self.ppf(0.5, *args, **named)

    def entropy(self, *args: Any, **named: Any) -> Any:
        """Return the mean of -logpdf; TypeError where it has no rule."""
        self._rule("entropy", self.height)
        shapes, loc, scale = self._parts("entropy", args, named)
        z = self.height(*shapes) + np.log(scale) + 0.0 * loc  # type: ignore[misc]
        return plain(np.where((scale > 0) & self.allowed(*shapes), z, np.nan))

    def rvs(self, *args: Any, size: Any = None, random_state: Any = None, **named: Any) -> Any:
        """Return random numbers that are a differentiable function of the parameters (reparametrised).

        The mean of the gradients of f(sample) is the gradient of the mean of f. `size` is the shape, without
        which it is that of the parameters. Raises TypeError where there is no such function, or for a
        `random_state`, ValueError where the parameters do not broadcast to `size`, or one is negative.

        >>> from clearprop import grad, manual_seed
        >>> from clearprop.scipy.stats import norm
        >>> manual_seed(0)
        >>> grad(lambda m: np.mean(norm.rvs(m, 2.0, size=10_000) ** 2))(3.0).round(0)  # of m^2 + 4: 2 m
        np.float64(6.0)
        """
        called = f"{self.name}.rvs"
        if self.draw is None:
            hint = f"{self.name}.logpdf, for a gradient by the density"
            raise TypeError(lesson(called, "has no differentiable sample", "", at_line(), hint))
        if len(args) == len(self.shapes) + 3:
            args, size = args[:-1], args[-1]
        shapes, loc, scale = self._parts("rvs", args, named)
        shape = sized(called, size, random_state, [*shapes, loc, scale])
        refuse(called, (scale >= 0) & self.allowed(*shapes), scale, *shapes)
        return loc + scale * self.draw(shape, *shapes)
