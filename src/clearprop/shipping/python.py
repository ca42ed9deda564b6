"""`save_numpy`: what a function or a Module computes, written as a plain NumPy file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.compiler.engines.plain import NumpyFile, numpy_file
from clearprop.errors import lesson
from clearprop.rows import alike
from clearprop.shipping.recording import about_of, arrays_of, name_of, of_one_row, recorded

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
    programs, lengths, names, one = recorded(f, arrays, dynamic, CALLED)
    made = numpy_file(programs, name or name_of(f), names, about or about_of(f), one, CALLED, lengths)
    if dynamic and not programs[0].assignments:
        _check_one_row(made, f, arrays)
    return made


def _check_one_row(made: NumpyFile, f: Callable[..., Any], arrays: list[Any]) -> None:
    """Raise ValueError where the file computes of one row what the function does not."""
    found = of_one_row(f, arrays)
    if found is None:
        return
    there: dict[str, Any] = {"weights": {name: np.array(x) for name, x in made.arrays.items()}}
    exec(replace(made, arrays={}).text(), there)
    result = there[made.name](*found[0])
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(found[1]) or not all(map(alike, found[1], results)):
        wanted = "what is computed depends on the length of the first axis: one row has a way of its own"
        raise ValueError(lesson(CALLED, wanted, hint="dynamic=False for exactly these shapes"))


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
