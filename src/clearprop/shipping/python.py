"""`save_numpy`: what a function or a Module computes, written as a plain NumPy file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from clearprop import nn, tree
from clearprop.compiler.plain import NumpyFile, numpy_file
from clearprop.compiler.plain.lengths import LENGTHS
from clearprop.compiler.program.ir import Program
from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.play.programs import called
from clearprop.tensor import Tensor

CALLED = "save_numpy(path, f, x)"


def numpy_module(
    f: Callable[..., Any], *inputs: Any, name: str = "", dynamic: bool = True, about: str = ""
) -> NumpyFile:
    """Return what `f(*inputs)` computes, for inputs of these dtypes, as one function of plain NumPy.

    `f` is a Module, which is written as it is in evaluation, or a function of arrays, a training step among
    them: what it assigns is changed in the file's own `weights`. With `dynamic` the first axis of the inputs
    may have any length later; a training step, whose mean depends on it, wants `dynamic=False`. The function
    is called `name`, else `predict` for a Module, and as it is called here for a function.

    `.save("model.py")` writes it, as `save_numpy` does. Raises TypeError, naming them all, where ops have no
    translation; ValueError where what is computed depends on the length of the first axis in another way.

    >>> model = nn.Linear(2, 3)
    >>> print(numpy_module(model, np.ones((3, 2), np.float32)).function.splitlines()[-1])
        return x @ weights["weight"].T + weights["bias"]
    """
    arrays = [np.asarray(x._value if isinstance(x, Tensor) else x) for x in inputs]
    if not arrays:
        raise TypeError(
            lesson(CALLED, "wants an example of each input", "none", hint="save_numpy(path, f, x)")
        )
    same = all(a.ndim and len(a) == len(arrays[0]) and len(a) for a in arrays)
    if dynamic and not same:
        wanted = "wants inputs with a first axis of one length, for that may have any length later"
        got, hint = ", ".join(str(a.shape) for a in arrays), "dynamic=False for exactly these shapes"
        raise ValueError(lesson(CALLED, wanted, got, hint=hint))
    programs, names, one = _recorded(f, arrays, LENGTHS if dynamic else ())
    wanted_name = name or ("predict" if isinstance(f, nn.Module) else _name(f))
    return numpy_file(programs, wanted_name, names, about or _about(f), one, CALLED)


def save_numpy(
    path: str | Path,
    f: Callable[..., Any],
    *inputs: Any,
    name: str = "",
    dynamic: bool = True,
    inside: bool = False,
    overwrite: bool = False,
) -> None:
    """Write what `f(*inputs)` computes as a plain NumPy file, which needs no clearprop.

    Its arrays lie beside it, `model.npz` beside `model.py`, or with `inside` in it as text. All else, and
    what is refused, is as `numpy_module` has it. Raises InputError, without `overwrite`, where there is a
    file that was not written so.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.py"
    >>> save_numpy(path, nn.Sequential(nn.Linear(3, 4), nn.ReLU()), np.ones((2, 3), np.float32))
    >>> sorted(file.name for file in path.parent.iterdir())
    ['model.npz', 'model.py']
    """
    made = numpy_module(f, *inputs, name=name, dynamic=dynamic)
    made.save(path, inside=inside, overwrite=overwrite)


def _recorded(
    f: Callable[..., Any], arrays: list[Any], lengths: tuple[int, ...]
) -> tuple[list[Program], dict[int, str], bool]:
    """Return the programs for each length, the names of Tensors, and whether one output comes by itself."""
    module = f if isinstance(f, nn.Module) else None
    training = module.training if module is not None else False
    given = [[np.resize(a, (n, *a.shape[1:])) for a in arrays] for n in lengths] or [arrays]
    try:
        if module is not None:
            module.eval()
        with no_grad() if module is not None else nullcontext():
            made = [called(lambda *xs: f(*xs), *xs) for xs in given]
    finally:
        if module is not None:
            module.train(training)
    for result, program in made:
        found = [x for x in tree.leaves(result) if x is not None]
        if len(found) != len(program.outputs):
            wanted = "wants a function whose results are computed from its inputs"
            raise TypeError(lesson(CALLED, wanted, ", ".join(type(x).__name__ for x in found)))
    names = {id(t): name for name, t in (module._state().items() if module is not None else ())}
    return [p for _, p in made], names, isinstance(made[0][0], (Tensor, np.ndarray, np.generic))


def _name(f: Any) -> str:
    name = getattr(f, "__name__", "")
    return name if name.isidentifier() else "predict"


def _about(f: Any) -> str:
    return f"what {type(f).__name__ if isinstance(f, nn.Module) else _name(f)} computes."
