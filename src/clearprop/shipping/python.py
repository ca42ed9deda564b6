"""`save_numpy`: what a function or a Module computes, written as a plain NumPy file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from clearprop.compiler.plain import NumpyFile, numpy_file
from clearprop.compiler.plain.lengths import LENGTHS
from clearprop.errors import lesson
from clearprop.shipping.recording import about_of, arrays_of, name_of, recorded

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

    >>> import numpy as np
    >>> from clearprop import nn
    >>> model = nn.Linear(2, 3)
    >>> print(numpy_module(model, np.ones((3, 2), np.float32)).function.splitlines()[-1])
        return x @ weights["weight"].T + weights["bias"]
    """
    arrays = arrays_of(inputs, CALLED)
    same = all(a.ndim and len(a) == len(arrays[0]) and len(a) for a in arrays)
    if dynamic and not same:
        wanted = "wants inputs with a first axis of one length, for that may have any length later"
        got, hint = ", ".join(str(a.shape) for a in arrays), "dynamic=False for exactly these shapes"
        raise ValueError(lesson(CALLED, wanted, got, hint=hint))
    programs, names, one = recorded(f, arrays, LENGTHS if dynamic else (), CALLED)
    return numpy_file(programs, name or name_of(f), names, about or about_of(f), one, CALLED)


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
    >>> import numpy as np
    >>> from clearprop import nn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.py"
    >>> save_numpy(path, nn.Sequential(nn.Linear(3, 4), nn.ReLU()), np.ones((2, 3), np.float32))
    >>> sorted(file.name for file in path.parent.iterdir())
    ['model.npz', 'model.py']
    """
    made = numpy_module(f, *inputs, name=name, dynamic=dynamic)
    made.save(path, inside=inside, overwrite=overwrite)
