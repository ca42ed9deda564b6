"""Which tests ask for a package that the tier `test` does not install: another tier runs no more than these.

The tiers of peers, tables and browsers have files of which most tests run without any of these packages: a
tier names them under `asking` in pyproject.toml, pytest hears of them as `--asking=PATH`, and the tests
below that ask for no such package are left out there. What asks is read from the text: a test that calls
`pytest.importorskip`, one whose fixtures or helpers of the same file do, and every test of a file that does
so at its head. A test that asks in another way fails in the tier `test` (`tests/conftest.py`), where it
would be skipped and then run nowhere.
"""

import ast
import functools
import re

ELSEWHERE = {
    "array_api_strict": "array-api-strict",
    "autograd": "autograd",
    "basedpyright": "basedpyright",
    "cairosvg": "cairosvg",
    "furo": "furo",
    "ipykernel": "ipykernel",
    "jax": "jax",
    "ml_dtypes": "jax",  # which comes with it
    "mpi4py": "mpi4py",
    "mpmath": "mpmath",
    "mygrad": "mygrad",
    "myst_parser": "myst-parser",
    "nbclient": "nbclient",
    "nbformat": "nbformat",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript",
    "pandas": "pandas",
    "playwright": "playwright",
    "polars": "polars",
    "pyarrow": "pyarrow",
    "sphinx": "sphinx",
    "tensorboardX": "tensorboardX",
    "torch": "torch",
}
"""Such packages by the name that is imported, and by the one that pip installs."""

NAMED = re.compile(rf"""["'](?:{"|".join(ELSEWHERE)})\b""")  # in a text that may ask for one


def strings(node):
    return [x.value for x in ast.walk(node) if isinstance(x, ast.Constant) and isinstance(x.value, str)]


def packages(node):
    """The packages that a piece of text asks for; where that is a variable, all that the text names."""
    found = set()
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "importorskip":
            words = strings(call.args[0]) or strings(node)
            found |= {word.partition(".")[0] for word in words} & ELSEWHERE.keys()
    return found


def names(node):
    """What a function calls and takes."""
    kinds = ast.Name | ast.arg
    return {x.id if isinstance(x, ast.Name) else x.arg for x in ast.walk(node) if isinstance(x, kinds)}


@functools.cache
def asking(path):
    """Return what each function of a file asks for, itself or by what it uses; "" is the file's head."""
    text = path.read_text(encoding="utf-8")
    asks = "importorskip" in text and NAMED.search(text)
    if not asks and not any(name in text for name, of in lent(path).items() if of):
        return {"": set()}  # most files; reading them all as trees takes ten seconds
    tree = ast.parse(text)
    made = [x for x in ast.walk(tree) if isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef)]
    head = [x for x in tree.body if not isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    own = lent(path) | {x.name: packages(x) for x in made}
    uses = {x.name: names(x) & own.keys() for x in made}
    for _ in made:  # as long as a chain of helpers may be
        before = {name: set(found) for name, found in own.items()}
        for name, used in uses.items():
            own[name] = own[name].union(*(own[other] for other in used))
        if own == before:
            break
    return {name: own[name] for name in uses} | {"": set().union(*(packages(x) for x in head))}


def lent(path):
    """Return what the fixtures of all folders above ask for."""
    shared = [above / "conftest.py" for above in reversed(path.parents)]
    found = {}
    for one in shared:
        if one != path and one.exists():
            found |= asking(one)
    return found


def asked(path, function):
    """Return the packages of other tiers that a test of a file asks for."""
    found = asking(path)
    return found[""] | found.get(function, set())
