"""`Facts`: what an op says of itself beside its mathematics, so that no reader has to ask for its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of an op. Every fact may be left out; a reader then does without.

    Readers draw, print, check, grade and diagnose ops that they have never heard of. What they cannot find
    out by running an op they find here, in the op's own row, so that an op is written in one place.

    - `sign`: how Python writes it between two inputs (`+`), or `[]` for an index behind the first.
    - `script`: how JavaScript writes it for numbers, `Math.tanh({})`; `{}` leaves a number as it is.
    - `kinks(*xs, **attrs)`: at which entries (of the output of an elementwise op, else of the first input)
      the slopes to the left and to the right may differ, or a jump may be; False for an op that has neither
      anywhere, None where nobody said.
    - `smooth(i, g, z, xs, attrs, pull)` (a `Smooth` of `ops/moving.py`; of a length z, whose kink is where it
      is 0, or of one of several sides): what its input `i` receives where the recorded `g` takes the kink
      away, as 2 |x| does at |x|, which is then a part of |x|^2, or None; and what is to be added to what the
      rule sends, or None. `pull(y, g, x)` is what x receives where g arrives at y.
    - `over(g, z, over)` (of `ops/quotient.py`): the quotient g / z of a recorded result g and a length z that
      is a factor of it, found without a division by z, which may be 0; None where z is no factor. Its own
      `over(x, y)` finds the same of what g is computed from.
    - `steep(z, *xs, **attrs)`: by which entries of the first input the slope is infinite, and 0 is sent where
      what arrives does not ask for it. An elementwise op says so by its derivative, which is infinite.
    - `domain` (elementwise): an open interval where it is smooth, or one per input (None for a condition).
    - `flat`: where its slope tends to 0: `left` of 0 (relu), or on `both` sides, being steepest at 0 (tanh).
    - `makes`: `probability` for a function whose results are one each, `distribution` for one whose results
      along an axis add up to 1.
    - `cost(z, *xs, **attrs)`: how many floating-point operations one call is, or a number of them for each
      entry of the output; None for what its kind costs.
    - `order`: of a view, `kept` where only the shape changes, `repeated` where entries are broadcast.
    - `axes(ndim, **attrs)`: of a view that only turns axes, which axis of the input each of the output is.
    - `reads(index, *xs, **attrs)`: which entries of each input went into the entry `index` of the output:
      one index per input with None for a whole axis, or None where that is not said.
    - `picks(i, *xs, **attrs)`: at which entries of the output a choice takes its input `i`; None for an input
      that is not chosen.
    - `lower(*symbols, **attrs)`: how the compiler has it computed, where that is not what `forward` says:
      the same result from NumPy's functions of symbols, or from a core op of one's own (`symbol.core(name)`).
    - `repeats(*inputs, **attrs)`: of a loop, its `loops.scan.Turns`: the compiler plans one turn of it.
    - `plane`: what becomes of its rules where numbers are complex. `analytic`: they hold as they stand, and
      the engine conjugates; `stated`: they are linear with real coefficients, or say themselves which way is
      up; '' for an op of real numbers, whose gradient is then refused.
    - `onnx(g, node, *names)`: writes it into an ONNX graph and returns the result's name (`ops/exchange.py`).
    - `cut`: no gradient passes through it, and asking for one is an error: what a compiled step returns. It
      may become an array all the same.
    - `draws(count, **attrs)`: of what draws random numbers from a state, the attributes with which it draws
      those of `count` calls at once, along a new first axis.
    - `linear`: the inputs in which it is linear while all others stay as they are; those with a number for a
      derivative, and that of a view, need no word.
    - `quiet`: attributes that mean nothing to a person: no reader shows them.
    - `advice`: what to try where its result stops being finite.

    >>> from clearprop import elementwise
    >>> bent = elementwise("bent", abs, lambda z, x: 2.0 * (x > 0) - 1.0, facts=Facts(kinks=lambda x: x == 0))
    >>> bent.facts.kinks(0.0), bent.facts.sign
    (True, '')
    """

    sign: str = ""
    script: str = ""
    kinks: Callable[..., Any] | Literal[False] | None = None
    smooth: Callable[..., Any] | None = None
    over: Callable[..., Any] | None = None
    steep: Callable[..., Any] | None = None
    domain: Any = None
    flat: Literal["", "left", "both"] = ""
    makes: Literal["", "probability", "distribution"] = ""
    cost: Callable[..., int] | int | None = None
    order: Literal["", "kept", "repeated"] = ""
    axes: Callable[..., tuple[int, ...]] | None = None
    reads: Callable[..., tuple[Any, ...] | None] | None = None
    picks: Callable[..., Any] | None = None
    lower: Callable[..., Any] | None = None
    repeats: Callable[..., Any] | None = None
    onnx: Callable[..., str] | None = None
    plane: Literal["", "analytic", "stated"] = ""
    cut: bool = False
    draws: Callable[..., dict[str, Any]] | None = None
    linear: tuple[int, ...] = ()
    quiet: tuple[str, ...] = ()
    advice: str = ""

    def on_kink(self, *xs: Any, **attrs: Any) -> Any:
        """Return the entries of the inputs `xs` that lie on a kink or jump; False where there are none.

        >>> import clearprop
        >>> clearprop.absolute.facts.on_kink(0.0), clearprop.tanh.facts.on_kink(0.0)
        (True, False)
        """
        return self.kinks(*xs, **attrs) if callable(self.kinks) else False


SILENT = Facts()
"""What an op says that says nothing."""


def stays_a_call(why: str) -> Callable[..., Any]:
    """Return the `Facts.lower` of an op that a compiled step calls as it is; `explain()` prints `why`.

    >>> facts = Facts(lower=stays_a_call("SciPy's functions are called"))
    >>> facts.lower()
    Traceback (most recent call last):
    TypeError: SciPy's functions are called
    """

    def lower(*symbols: Any, **attrs: Any) -> Any:
        raise TypeError(why)

    return lower


@cache
def script_library() -> str:
    """Return the JavaScript of `cp`, the functions that scripts name and JavaScript lacks: `cp.power(x, y)`.

    >>> "power: (x, y)" in script_library()
    True
    """
    import pkgutil  # here, since no import of clearprop alone needs it

    return (pkgutil.get_data(__name__, "facts.js") or b"").decode()
