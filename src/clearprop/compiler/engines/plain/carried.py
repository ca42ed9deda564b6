"""What a plain file brings along: the text of functions, with all that they call, until only NumPy is left.

The forward function of an op is plain NumPy, so that its own text is its translation. It is followed by name:
functions and classes are copied, numbers are written out, what is NumPy's or SciPy's is imported. Anything
else (a lock, a cache, a Tensor, the code of another package) cannot be written into a file and is refused.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
import re
import sys
import sysconfig
import textwrap
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.compiler.engines.plain.sources import definition, rewritten, sought
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.naming import free_name
from clearprop.op import Op
from clearprop.ufunc import Ufunc

LIBRARY = {
    "numpy": "np",
    "math": "math",
    "itertools": "itertools",
    "functools": "functools",
    "operator": "operator",
    "re": "re",
    "zlib": "zlib",
}
"""Modules that a file may import, by the name that it has for them."""
BESIDE = "scipy"  # a package that a file imports where it wants a function of it
STANDARD = ("dataclasses", "typing", "collections", "enum", "contextlib", "abc", "datetime")
"""What classes are made of, and decorators."""
PLAIN = (int, float, str, bool, complex, type(None))
CACHED = type(functools.cache(int))
LINE = 110
SHORT = 40  # characters of a constant that is written where it is used
BY_FORMULA = """\
def by_formula(formula, x):
    \"\"\"Return a formula of float64 numbers for each entry, rounded once to the dtype of x.\"\"\"
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else np.exp(np.zeros(1, x.dtype)).dtype
    z = formula(x.astype(np.promote_types(dtype, np.float64)).reshape(-1), dtype.itemsize)
    return np.asarray(z).astype(dtype).reshape(x.shape)[()]"""


class Carried:
    """Definitions of a file, each under a name that nothing else has, in an order in which all are known.

    `texts` are the definitions, `imports` the lines before them.
    """

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.kept: list[Any] = []  # what the ids in `names` belong to
        self.taken: set[str] = {"np", "weights", "here", "n"}
        self.texts: list[str] = []
        self.imports: dict[str, None] = {}

    def name(self, wanted: str) -> str:
        """Take a name that nothing has yet.

        >>> carried = Carried()
        >>> carried.name("erf"), carried.name("erf")
        ('erf', 'erf_2')
        """
        name = free_name(wanted, self.taken)
        self.taken.add(name)
        return name

    def of(self, thing: Any, wanted: str = "") -> str:
        """Return what something is called in the file, bringing it along; raises Unlowered if it cannot be.

        >>> Carried().of(np.linalg.inv), Carried().of((1, slice(None, 2)))
        ('np.linalg.inv', '(1, slice(None, 2, None))')
        """
        thing = thing.forward if isinstance(thing, Op) else thing
        thing = thing.__wrapped__ if isinstance(thing, CACHED) else thing
        if id(thing) not in self.names:
            written = self._written(thing)
            if written is not None and (not wanted or len(written) < SHORT or _outer(thing)):
                return written
            self.kept.append(thing)
            if written is None:
                self._define(thing, wanted)
            else:
                self.names[id(thing)] = name = self.name(wanted)
                self.texts.append(_wrapped(f"{name} = {written}"))
        return self.names[id(thing)]

    # --- what needs no definition ---------------------------------------------------------------------------
    def _written(self, x: Any) -> str | None:
        if type(x) is float and not math.isfinite(x):
            return f'float("{x}")'
        if type(x) in PLAIN:
            return repr(x)
        if x is Ellipsis:
            return "..."
        if type(x) in (tuple, list, dict, slice, frozenset):
            return self._collection(x)
        if isinstance(x, re.Pattern):
            return f"{self.module('re')}.compile({x.pattern!r}, {int(x.flags)})"
        if isinstance(x, np.dtype):
            return f'np.dtype("{x.name}")'
        if isinstance(x, np.generic):
            return f"np.{x.dtype.type.__name__}({self.of(x.item())})"
        if type(x) is np.ndarray and x.dtype.kind in "biuf":
            return f'np.array({self.of(x.tolist())}, "{x.dtype.name}").reshape({x.shape})'
        return self._outside(x)

    def _collection(self, x: Any) -> str:
        if isinstance(x, slice):
            return f"slice({', '.join(map(self.of, (x.start, x.stop, x.step)))})"
        if isinstance(x, dict):
            return "{" + ", ".join(f"{self.of(k)}: {self.of(v)}" for k, v in x.items()) + "}"
        inside = ", ".join(map(self.of, x))
        if isinstance(x, tuple):
            return f"({inside}{',' * (len(x) == 1)})"
        return f"[{inside}]" if isinstance(x, list) else f"frozenset({self.of(sorted(x, key=repr))})"

    def _outside(self, x: Any) -> str | None:
        """What another package has: by the name that it has there."""
        if isinstance(x, types.ModuleType):
            return self.module(x.__name__)
        if isinstance(x, types.BuiltinMethodType) and isinstance(x.__self__, np.ufunc):
            return f"{self._outside(x.__self__)}.{x.__name__}"
        home, name = getattr(x, "__module__", None) or "numpy", getattr(x, "__qualname__", "")
        home = home.removeprefix("_")  # where C has it, `_operator`
        root = home.split(".")[0]
        if root == BESIDE:
            return f"{self.module(home)}.{name}"
        if isinstance(x, np.ufunc):
            name = x.__name__
            home = "numpy" if getattr(np, name, None) is x else "scipy.special"
        elif root == "builtins" and getattr(__import__(root), name, None) is x:
            return name
        elif root in STANDARD:
            self.imports[f"from {home} import {name}"] = None
            return name
        elif root not in LIBRARY:
            return None
        for place in (home, "numpy", "numpy.linalg", "numpy.lib.stride_tricks", "numpy.lib.array_utils"):
            if getattr(sys.modules.get(place), name, None) is x:
                return f"{self.module(place)}.{name}"
        return None

    def module(self, name: str) -> str:
        """Return what a module is called; raises Unlowered for one that a plain file has not."""
        root, *rest = name.split(".")
        if root == BESIDE:
            self.imports[f"import {name}"] = None
            return name
        if root not in LIBRARY:
            raise Unlowered(f"the module {name}")
        short = LIBRARY[root]
        if rest and root == "numpy":
            self.imports[f"import {name}"] = None
        self.imports[f"import {root}" + f" as {short}" * (short != root)] = None
        return ".".join([short, *rest])

    # --- definitions ----------------------------------------------------------------------------------------
    def _define(self, x: Any, wanted: str) -> None:
        if isinstance(x, Ufunc):
            return self._formula(x)
        if not _ours(x):
            raise Unlowered(wanted or type(x).__name__)
        if isinstance(x, (types.FunctionType, type)):
            return self._copied(x, wanted)
        return self._instance(x, wanted)

    def _formula(self, x: Ufunc) -> None:
        formula = self.of(x.formula, f"{x.__name__}_of")
        if "by_formula" not in self.taken:
            self.taken.add("by_formula")
            self.texts.append(BY_FORMULA)
        self.names[id(x)] = name = self.name(x.__name__)
        self.texts.append(f"def {name}(x):\n    return by_formula({formula}, x)")

    def _instance(self, x: Any, wanted: str) -> None:
        if isinstance(x, tuple):
            inside = ", ".join(map(self.of, x))
        elif dataclasses.is_dataclass(x):
            fields = [f.name for f in dataclasses.fields(x) if f.init]
            inside = ", ".join(f"{name}={self.of(getattr(x, name))}" for name in fields)
        elif getattr(x, "__dict__", None) or type(x).__init__ is not object.__init__:
            raise Unlowered(wanted or repr(x))
        else:
            inside = ""
        made = self.of(type(x))
        self.names[id(x)] = name = self.name(wanted or type(x).__name__.lower())
        self.texts.append(f"{name} = {made}({inside})")

    def _copied(self, x: Any, wanted: str) -> None:
        """Copy a function or class: its text without types, the names in it those of the file."""
        node = definition(x)
        name = x.__name__ if x.__name__.isidentifier() else wanted or "formula"
        self.names[id(x)] = name = self.name(wanted if getattr(x, "__closure__", None) and wanted else name)
        known = {old: self.of(thing, old.split()[0]) for old, thing in sought(x, node)}
        text = ast.unparse(rewritten(node, name, known))
        self.texts.append(f"{name} = {text}" if isinstance(node, ast.Lambda) else text)


def _wrapped(text: str) -> str:
    """Break the lines of a long collection of numbers."""
    if len(text) <= LINE or not text.endswith((")", "]", "}")) or set(text) & {"'", '"'}:
        return text
    return "\n".join(textwrap.wrap(text, LINE, subsequent_indent="    ", break_long_words=False))


def _outer(x: Any) -> bool:
    return callable(x) or isinstance(x, types.ModuleType)


def _ours(x: Any) -> bool:
    """Whether it is written here or by the user: no other package's, and not Python's own."""
    home = str(x.__module__ if isinstance(x, (types.FunctionType, type)) else type(x).__module__)
    if home.startswith("clearprop."):
        return True
    file = getattr(sys.modules.get(home), "__file__", None)
    places = [sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")]
    return file is not None and not any(file.startswith(f"{place}/") for place in places)


def needs(carried: Carried) -> Iterator[str]:
    """Yield the packages that a file wants.

    >>> list(needs(Carried()))
    ['NumPy']
    """
    yield "NumPy"
    if any(f"import {BESIDE}" in line for line in carried.imports):
        yield "SciPy"
