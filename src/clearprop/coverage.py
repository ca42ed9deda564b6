"""`python -m clearprop.coverage`: which functions of NumPy, SciPy and the array API answer a Tensor, by calling them.

A function counts as covered when a call of it with Tensors agrees with NumPy, has a gradient, and agrees with
itself inside a compiled step. It is plain when it has no gradient and answers what NumPy answers; everything
else is refused, with the reason.

With `--torch`: which names of PyTorch there are, by running the rows of `tests/parity` that compare them. A
name counts where each of its rows passes eager and compiled; a name without a row does not count.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import os
import sys
import tempfile
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import clearprop.numpy as cnp
from clearprop.batch import one_by_one, rule_of
from clearprop.compiler import compile as compiled
from clearprop.compiler.step import available_executors
from clearprop.errors import GradientError, first_line, lesson
from clearprop.numpy import array_api, standard
from clearprop.registry import numpy_functions, ops, ufunc_names
from clearprop.tensor import SELDOM, Tensor, raw

X = np.array([[0.3, 0.8, 0.45], [0.15, 0.62, 0.95], [0.5, 0.2, 0.7]])
V, W = X[0], X[1]
COUNTS = np.array([2, 0, 1])
SYMMETRIC = X @ X.T + np.eye(3)
LADDER = np.array([[1.0, 0.4, 0.2], [0.3, 2.0, 0.1], [0.2, 0.3, 4.0]])
# What most functions are called with: the first that NumPy answers. The others need arguments of their own.
USUAL: tuple[tuple[Any, ...], ...] = (
    (X,), (X, X.T), (V,), (V, W), ([V, W],), (X, 1), (V, 1), (X, (3, 3)), (X, 0, 1), (X > 0.4, X), (V, W, X[2]), (COUNTS,), (COUNTS, 1),
)  # fmt: skip
OWN: dict[str, tuple[Any, ...]] = {
    "apply_along_axis": (np.cumsum, 0, X), "apply_over_axes": (np.sum, X, 0), "astype": (X, "f4"), "choose": (COUNTS, [V, W, X[2]]),
    "clip": (X, 0.2, 0.6), "compress": ([True, False, True], X, 0), "delete": (V, 1), "einsum": ("ij,jk->ik", X, X), "full_like": (X, V[0]),
    "einsum_path": ("ij,jk", X, X), "expand_dims": (X, 0), "insert": (V, 1, W[:1]), "interp": (V, np.array([0.0, 0.5, 1.0]), W), "linspace": (V, W, 4),
    "geomspace": (V, W, 4), "logspace": (V, W, 4), "moveaxis": (X, 0, 1), "pad": (X, 1), "poly": (V,), "polyfit": (V, W, 1), "polydiv": (V, W[:2]), "partition": (V, 1), "percentile": (X, 30), "nanpercentile": (X, 30), "quantile": (X, 0.3),
    "nanquantile": (X, 0.3), "piecewise": (V, [COUNTS > 0], [np.sin]), "ravel_multi_index": ((COUNTS, COUNTS), (3, 3)), "select": ([X > 0.4], [X]),
    "take": (V, COUNTS), "take_along_axis": (X, COUNTS[:, None], 1), "tile": (X, 2), "trim_zeros": (np.array([0.0, 0.5, 0.0]),), "where": (X > 0.4, X, 0.0),
    "cholesky": (SYMMETRIC,), "eigh": (SYMMETRIC,), "eigvalsh": (SYMMETRIC,), "eig": (LADDER,), "eigvals": (LADDER,), "matrix_power": (X, 3),
    "tensorinv": (X, 1), "tensorsolve": (X, V), "lstsq": (X, V, None), "multi_dot": ([X, X, X],), "svd": (X,), "broadcast_to": (V, (3, 3)), "ldexp": (V, COUNTS),
    "reshape": (X, (9,)), "sliding_window_view": (V, 2), "squeeze": (X[None],), "arccosh": (1 + X,), "can_cast": (X.dtype, "f4"),
    "digitize": (X, np.array([0.1, 0.5])), "searchsorted": (np.array([0.1, 0.5]), X), "swapaxes": (X, 0, 1), "repeat": (X, 2),
    "unravel_index": (COUNTS, (3, 3)), "rollaxis": (X, 1), "roll": (V, 1), "gcd": (COUNTS, COUNTS[::-1]), "lcm": (COUNTS, COUNTS[::-1]), "bitwise_count": (COUNTS,), "hyp2f1": (0.5, 1.5, 2.5, X), "besselpoly": (V, 1, 2), "dsplit": (X[None] * np.ones((3, 3, 3)), 3), "unpackbits": (COUNTS.astype("u1"),), "cross": (V, W), "kron": (X, X), "polyint": (V,), "array_split": (V, 2), "split": (V, 3),
}  # fmt: skip
WRITING = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}
REASONS = {
    **dict.fromkeys(WRITING, "writes into an array that the graph remembers"),
    **dict.fromkeys(("busday_count", "busday_offset", "is_busday", "isnat", "datetime_as_string"), "is about dates"),
}  # fmt: skip
UNSAID = {"empty_like", "may_share_memory", "shares_memory"}  # each call may answer something else
FILES = {"save", "savez", "savez_compressed", "savetxt"}


def functions(space: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the functions of a namespace that ask a Tensor: NumPy's own and ufuncs, each once.

    >>> [name for name, _ in functions(np.linalg)][:3]
    ['cholesky', 'cond', 'cross']
    """
    seen: set[Any] = set()
    for name in sorted(n for n in dir(space) if not n.startswith("_")):
        function = getattr(space, name)
        if (isinstance(function, np.ufunc) or hasattr(function, "_implementation")) and function not in seen:
            seen.add(function)
            yield name, function


def arguments(name: str, function: Callable[..., Any]) -> tuple[Any, ...] | None:
    """Return arguments that NumPy answers, or None where none are known."""
    usual = USUAL
    if isinstance(function, np.ufunc) and function.nin > 2:  # orders, and a number at the end
        usual = ((*(COUNTS + 1 + i for i in range(function.nin - 1)), V),)
    for candidate in (OWN[name],) if name in OWN else usual:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                if not isinstance(function, np.ufunc) or len(candidate) == function.nin:
                    function(*candidate)
                    return candidate
        except Exception:  # any class: this is NumPy's answer to a question that may have been the wrong one
            continue
    return None


def _lifted(x: Any, grad: bool) -> Any:
    if isinstance(x, np.ndarray):
        return Tensor(x, requires_grad=grad and x.dtype.kind == "f")
    return type(x)(_lifted(a, grad) for a in x) if type(x) in (list, tuple) else x


def _parts(z: Any) -> list[Any]:
    return [p for a in z for p in _parts(a)] if isinstance(z, (list, tuple)) else [z]


def _agree(ours: Any, theirs: Any) -> bool:
    left, right = _parts(ours), _parts(theirs)
    if len(left) != len(right):
        return False
    for a, b in zip(left, right, strict=True):
        a = raw(a)
        numbers = isinstance(b, (np.ndarray, np.generic)) and b.dtype.kind in "fiubc"
        if numbers and not (
            np.shape(a) == b.shape
            and np.allclose(a, b, rtol=1e-9 if b.itemsize > 4 else 1e-6, atol=1e-12, equal_nan=True)
        ):
            return False
        if not numbers and repr(a) != repr(b):
            return False
    return True


def _in_a_step(
    function: Callable[..., Any], given: tuple[Any, ...], theirs: Any, kwargs: dict[str, Any] | None = None
) -> bool:
    """Whether a compiled step that calls the function agrees too, also with other numbers than were recorded."""
    at = [i for i, x in enumerate(given) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    if not at:
        return True

    def call(*xs: Any) -> Any:
        args = list(given)
        for i, x in zip(at, xs, strict=True):
            args[i] = x
        return _parts(function(*args, **(kwargs or {})))

    step = compiled(call)
    step(*(given[i] for i in at))
    return _agree(
        [np.asarray(z) for z in step(*(given[i] for i in at))], [np.asarray(z) for z in _parts(theirs)]
    )


def _no_gradient(function: np.ufunc, given: tuple[Any, ...]) -> str:
    """Return why no input of a ufunc has a gradient; nothing where one has."""
    said = ""
    for i in range(function.nin):
        try:
            z = function(*(_lifted(x, i == k) if i == k else x for k, x in enumerate(given)))
            sum(np.abs(p).sum() for p in _parts(z) if getattr(p, "requires_grad", False)).backward()
        except GradientError as error:
            said = " ".join(str(error).split(": ")[1:2]).split("\n")[0]
        except Exception:  # any class: an input that is no number has none
            continue
        else:
            return ""
    return said


def state(name: str, function: Callable[..., Any]) -> tuple[str, str]:
    """Return `covered`, `plain` or `refused`, and the reason for the last.

    >>> state("tanh", np.tanh)[0], state("argsort", np.argsort)[0], state("isnat", np.isnat)
    ('covered', 'plain', ('refused', 'is about dates'))
    """
    for chapter in ("fourier", *SELDOM):  # which are there as soon as somebody asks for them
        importlib.import_module(f"clearprop.ops.{chapter}")
    known = function in numpy_functions or (
        isinstance(function, np.ufunc) and function.__name__ in ufunc_names
    )
    if not known or name in REASONS:
        return "refused", REASONS.get(name, "no rule")
    if name in FILES:
        with tempfile.TemporaryDirectory() as folder:
            function(os.path.join(folder, "x"), Tensor(X))
        return "plain", ""
    given = arguments(name, function)
    if given is None:
        return "refused", "no arguments known that NumPy answers"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            theirs, ours = function(*given), function(*(_lifted(x, True) for x in given))
        except Exception as error:
            return "refused", first_line(error)
        if name not in UNSAID and not _agree(ours, theirs):
            return "refused", "differs from NumPy"
        if not any(isinstance(p, Tensor) and p.requires_grad for p in _parts(ours)):
            return "plain", ""
        if isinstance(function, np.ufunc) and (wrong := _no_gradient(function, given)):
            return "refused", wrong
        try:
            same = _in_a_step(function, given, theirs)
        except Exception as error:
            return "refused", f"in a compiled step: {first_line(error)}"
    return ("covered", "") if same else ("refused", "differs in a compiled step")


def table() -> dict[str, dict[str, tuple[str, str]]]:
    """Return the state of every function, by the namespace."""
    spaces = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft, "numpy.emath": np.emath}
    with contextlib.suppress(ImportError):
        spaces["scipy.special"] = importlib.import_module("scipy.special")
    found = {}
    for title, space in spaces.items():
        rows = functions(space)
        if title == "scipy.special":
            rows = ((n, f) for n, f in rows if isinstance(f, np.ufunc))
        found[title] = {name: state(name, function) for name, function in rows}
    return found | {
        f"array API {standard.VERSION}": {row.name: state_of_row(row) for row in array_api.rows()}
    }


def state_of_row(row: array_api.StandardRow) -> tuple[str, str]:
    """Return the same of a name of the array API standard, by its signature and its calls.

    >>> [state_of_row(row)[0] for row in array_api.rows() if row.name in ("tanh", "argmax")]
    ['covered', 'plain']
    """
    ours, theirs = array_api.at(cnp, row.name), array_api.reference(row.name)
    if wrong := array_api.takes(ours, row.signature):
        return "refused", wrong
    flows = False
    for args, kwargs in row.calls:
        grad = row.name != "from_dlpack"  # a Tensor that needs a gradient is not handed over
        given = tuple(_lifted(x, grad) for x in args), {k: _lifted(x, grad) for k, x in kwargs.items()}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found, wanted = ours(*given[0], **given[1]), theirs(*args, **kwargs)
                same = _agree(found, wanted) and _dtypes(found) == _dtypes(wanted)
                if same and (needs := any(getattr(p, "requires_grad", False) for p in _parts(found))):
                    flows, same = flows or needs, _in_a_step(ours, args, wanted, kwargs)
            except Exception as error:  # of any class: what fails does not count
                return "refused", first_line(error)
        if not same:
            return "refused", "differs from NumPy"
    return ("covered" if flows else "plain"), ""


def _dtypes(z: Any) -> list[Any]:
    return [getattr(p, "dtype", None) for p in _parts(z)]


# --- PyTorch's names ----------------------------------------------------------------------------------------
# Bases, and what runs a model on several devices: none of them computes anything of its own.
NO_LAYERS = {"Container", "Module", "RNNBase", "RNNCellBase", "DataParallel"}
# Other names of what is counted under its own; `max_pool2d_with_indices` and its kind are found by their end.
ALIASES = {"NLLLoss2d", "native_channel_shuffle", "upsample", "upsample_bilinear", "upsample_nearest"}
NO_FUNCTIONS = ("torch", "boolean", "assert")  # helpers that PyTorch's namespace happens to show


def torch_names() -> dict[str, list[str]]:
    """Return PyTorch's names by kind, as paths below `torch`; none that write in place, no alias."""
    torch = importlib.import_module("torch")

    def below(space: Any, base: Any) -> set[str]:
        return {n for n, v in vars(space).items() if inspect.isclass(v) and issubclass(v, base)}

    layers = below(torch.nn, torch.nn.Module) - NO_LAYERS - ALIASES
    schedulers = torch.optim.lr_scheduler
    called = {n for n, v in vars(torch.nn.functional).items() if callable(v) and n.islower()}
    functions = {n for n in called - ALIASES if n[0] != "_" and n[-1] != "_" and "with_indices" not in n}
    losses = {n for n in layers if "Loss" in n}
    kinds = {
        "nn, losses": ("nn", losses),
        "nn, the rest": ("nn", layers - losses),
        "nn.functional": ("nn.functional", {n for n in functions if not any(w in n for w in NO_FUNCTIONS)}),
        "nn.init": ("nn.init", {n for n in vars(torch.nn.init) if n[0] != "_" and n[-1] == "_"}),
        "optim": ("optim", below(torch.optim, torch.optim.Optimizer) - {"Optimizer"}),
        "optim.lr_scheduler": (
            "optim.lr_scheduler",
            {n for n in below(schedulers, schedulers.LRScheduler) if "LRScheduler" not in n},
        ),
    }
    return {kind: sorted(f"{path}.{n}" for n in names) for kind, (path, names) in kinds.items()}


def parity_rows(folder: Path) -> Iterator[Any]:
    """Give every row of the comparison with PyTorch in a checkout, once; they have `called` and `agree`."""
    if not (folder / "tests" / "parity").is_dir():
        wanted = "runs the rows of tests/parity, which an installed package lacks"
        hint = "the same command in a checkout of the repository"
        raise FileNotFoundError(lesson("clearprop.coverage --torch", wanted, f"{folder}", hint=hint))
    tests = types.ModuleType("tests")  # others have installed a package of this name, too
    tests.__path__ = [str(folder / "tests")]
    sys.modules["tests"] = tests
    seen: set[int] = set()
    for path in sorted((folder / "tests" / "parity").glob("test_*.py")):
        for value in list(vars(importlib.import_module(f"tests.parity.{path.stem}")).values()):
            for row in value if isinstance(value, (list, tuple)) else ():
                if hasattr(row, "agree") and hasattr(row, "called") and id(row) not in seen:
                    seen.add(id(row))
                    yield row


def fault(row: Any) -> str:
    """Return nothing where a row holds eager and compiled, and what is wrong otherwise."""
    for executor in ("", *available_executors()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row.agree(executor)
        except Exception as error:  # of any class: what fails does not count
            said = str(error).strip().splitlines() or [""]
            return f"{row} {executor or 'eager'}: {type(error).__name__}: {said[0][:80]}"
    return ""


def torch_table(rows: Iterator[Any]) -> dict[str, dict[str, str]]:
    """Return for each of PyTorch's names, by kind, what is wrong with it: nothing where it is covered."""
    faults: dict[str, list[str]] = {}
    for row in rows:
        faults.setdefault(row.called, []).append(fault(row))
    return {
        kind: {name: next(filter(None, faults[name]), "") if name in faults else "no row" for name in names}
        for kind, names in torch_names().items()
    }


def print_torch() -> None:
    """Print how many of PyTorch's names are covered, and why the others are not."""
    table = torch_table(parity_rows(Path.cwd()))
    print(f"{'':20}{'covered':>9}{'not':>9}{'in all':>9}")
    for kind, names in table.items():
        missing = sum(map(bool, names.values()))
        print(f"{kind:20}{len(names) - missing:9}{missing:9}{len(names):9}")
    for names in table.values():
        for name, wrong in names.items():
            if wrong:
                print(f"\n{name}: {wrong}", end="")
    print(f"\n\nnot counted, for they are other names: {' '.join(sorted(ALIASES))}, *_with_indices")


# --- ONNX's operators ---------------------------------------------------------------------------------------
def onnx_table() -> dict[str, tuple[list[str], list[str]]]:
    """Return which of our ops are written as ONNX, and which of its operators are read: those, and the others.

    The operators are ONNX's own list where the extra `onnx` is installed, without what is called experimental
    or was given up.

    >>> "tanh" in onnx_table()["our ops, written"][0]
    True
    """
    from clearprop.interop.onnx.control import CONTROL
    from clearprop.interop.onnx.operators import OPERATORS

    facts = {name: op.facts for name, op in ops.items()}
    written = sorted(n for n, f in facts.items() if f.onnx is not None or f.repeats is not None)
    read = {*OPERATORS, *CONTROL}
    found = {"our ops, written": (written, sorted(set(ops) - set(written)))}
    with contextlib.suppress(ImportError):
        schemas = importlib.import_module("onnx.defs").get_all_schemas()
        names = {s.name for s in schemas if s.domain == "" and not s.deprecated}
        found["ONNX operators, read"] = (sorted(names & read), sorted(names - read))
    return found


def print_onnx() -> None:
    """Print how many ops are written as ONNX and how many of its operators are read, and which are not."""
    table = onnx_table()
    print(f"{'':22}{'covered':>9}{'not':>9}")
    for kind, (covered, missing) in table.items():
        print(f"{kind:22}{len(covered):9}{len(missing):9}")
    for kind, (_, missing) in table.items():
        print(f"\n{kind}, not:\n    {' '.join(missing)}")


def print_numpy() -> None:
    """Print which functions of NumPy and SciPy are covered."""
    print(f"{'':18}{'covered':>9}{'plain':>9}{'refused':>9}{'in all':>9}")
    reasons: dict[str, list[str]] = {}
    for title, rows in table().items():
        n = Counter(kind for kind, _ in rows.values())
        print(f"{title:18}{n['covered']:9}{n['plain']:9}{n['refused']:9}{len(rows):9}")
        for name, (kind, reason) in rows.items():
            if kind == "refused" and not (title == "scipy.special" and reason == "no rule"):
                reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        print(f"\nrefused: {reason}\n    {' '.join(names)}")


def print_vmap() -> None:
    """Print which ops `vmap` runs on all examples at once, and which one example at a time.

    Random numbers are drawn for all examples at once, so an op that draws is none of the latter.
    """
    for chapter in (
        "ops.fourier",
        *(f"ops.{name}" for name in SELDOM),
        "nn",
        "scipy.linalg",
    ):  # which register their ops when they are imported
        importlib.import_module(f"clearprop.{chapter}")
    library = [op for op in ops.values() if op.__module__.startswith("clearprop.")]
    own = [op for op in library if rule_of(op, op.arity or 1, op.defaults) is one_by_one and not op.draws]
    share = 100 * len(own) / len(library)
    print(
        f"at once {len(library) - len(own)} of {len(library)} ops; one example at a time {len(own)}", end=""
    )
    print(f" ({share:.1f} %):\n    {' '.join(op.name for op in own)}")


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--torch", action="store_true", help="PyTorch's names instead, in a checkout")
    parser.add_argument("--onnx", action="store_true", help="ONNX's operators instead")
    parser.add_argument("--vmap", action="store_true", help="which ops vmap runs one example at a time")
    asked = parser.parse_args()
    if asked.torch:
        print_torch()
    elif asked.onnx:
        print_onnx()
    elif asked.vmap:
        print_vmap()
    else:
        print_numpy()


if __name__ == "__main__":
    main()
