"""The formula of a `Ufunc` as a JavaScript function: the formula is run once, on a symbol for its number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.engines.js.kinds import literal
from clearprop.compiler.program.builder import Unlowered
from clearprop.registry import ops
from clearprop.ufunc import Ufunc

FLOAT = np.dtype(np.float64)
# fmt: off
FURTHER = {
    "minimum": "Math.min({},{})", "maximum": "Math.max({},{})",
    "bitwise_and": "({}&{})",     "bitwise_or": "({}|{})",
}
# fmt: on


def _operator(ufunc: Any, turned: bool = False) -> Callable[[Scripted, Any], Scripted]:
    def called(self: Scripted, other: Any) -> Scripted:
        return self.__array_ufunc__(ufunc, "__call__", *((other, self) if turned else (self, other)))

    return called


class Scripted:
    """A number that is known only in the page: what is done to it is written down, a line each."""

    name: str
    lines: list[str]

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name, self.lines = name, lines

    def _named(self, text: str) -> Scripted:
        name = f"t{len(self.lines)}"
        self.lines.append(f"const {name}={text};")
        return Scripted(name, self.lines)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Scripted:
        """Write down what NumPy is asked for."""
        name = ufunc.__name__
        op = ops.get(name)
        script = FURTHER.get(name) or (op.facts.script if op is not None else "")
        if not script or kwargs or method != "__call__":
            raise Unlowered(f"a formula that asks for {name} has no translation to JavaScript")
        return self._named(script.format(*map(written, inputs)))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Scripted:
        """Write down a choice, the one function of NumPy's that a formula of numbers asks for."""
        if function is not np.where or kwargs or len(args) != 3:
            raise Unlowered(f"a formula that asks for {function.__name__} has no translation to JavaScript")
        return self._named("({}?{}:{})".format(*map(written, args)))

    def __neg__(self) -> Scripted:
        """Write down a change of sign."""
        return self.__array_ufunc__(np.negative, "__call__", self)


_OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "pow": np.power,
    "and": np.bitwise_and, "or": np.bitwise_or,
    "lt": np.less, "gt": np.greater, "le": np.less_equal, "ge": np.greater_equal,
}  # fmt: skip
for _name, _function in _OPERATORS.items():
    setattr(Scripted, f"__{_name}__", _operator(_function))
    if _name in ("add", "sub", "mul", "truediv"):
        setattr(Scripted, f"__r{_name}__", _operator(_function, True))


def written(x: Any) -> str:
    """Return a number's name, or a number."""
    return x.name if isinstance(x, Scripted) else literal(x, FLOAT)


def function_of(ufunc: Ufunc, size: int) -> str:
    """Return the function that a Ufunc's formula is, for results of so many bytes.

    >>> versine = Ufunc("versine", lambda x, size: 2 * np.sin(x / 2) ** 2)
    >>> print(function_of(versine, 8))
    (x)=>{const t0=(x / 2);const t1=Math.sin(t0);const t2=cp.power(t1, 2);const t3=(2 * t2);return t3;}
    """
    lines: list[str] = []
    result = ufunc.formula(Scripted("x", lines), size)
    return f"(x)=>{{{''.join(lines)}return {written(result)};}}"
