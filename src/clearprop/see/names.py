"""Names for the nodes of a graph: given ones, paths of parameters, and the variables of whoever draws it."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.see.words import ARGUMENTS
from clearprop.tensor import Tensor

# Between a backward pass and its caller stands what NumPy's errstate makes of a decorated function.
_PACKAGE = (str(Path(__file__).parent.parent), np.errstate.__call__.__code__.co_filename)
_LONGEST_LIST = 64  # entries of a list that are named `h[0]`, `h[1]`, ...


def find(
    names: Mapping[Any, Any] | None = None, model: Any = None, frame: FrameType | None = None
) -> dict[int, str]:
    """Return names by the id of the Tensor or array they belong to.

    The first that applies: `names` (`{"w": tensor}` or `{tensor: "w"}`), the path of a parameter in `model`
    or in a module among the variables (`net.0.weight`), the Tensor's own `name` (which is not listed here),
    the variables of `frame`. Private variables (`_`) are not looked at; Tensors in a list or dict are
    called `h[0]`.

    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> find({"a": a, b: "b"}) == {id(a): "a", id(b): "b"}
    True
    """
    variables = dict(_variables(frame)) if frame is not None else {}
    found: dict[int, str] = {}
    for key, value in (names or {}).items():
        thing, name = (value, key) if isinstance(key, str) else (key, value)
        if not isinstance(name, str):
            raise TypeError(
                lesson(
                    "names=", "wants names and what they belong to", f"{name!r}", hint='names={"w": tensor}'
                )
            )
        found[id(thing)] = name
    for name, thing in variables.items():
        if _is_module(thing) and thing is not model:
            _add_paths(found, thing, name)
    if model is not None:
        _must_be_a_module(model)
        _add_paths(found, model, next((name for name, thing in variables.items() if thing is model), ""))
    for name, thing in variables.items():
        for path, part in _parts(name, thing):
            if not (isinstance(part, Tensor) and part.name):
                found.setdefault(id(part), path)
    return found


def _must_be_a_module(model: Any) -> None:
    if _is_module(model):
        return
    file = isinstance(model, (str, os.PathLike))
    hint = f"draw(t).save({os.fspath(model)!r}) to write a file" if file else "model=net, the Module itself"
    raise TypeError(lesson("model=", "wants a Module", f"{model!r:.80}", hint=hint))


def alike(
    order: Iterable[Tensor], found: dict[int, str], frame: FrameType | None, language: str = "en"
) -> dict[int, str]:
    """Return names, by their id, for the plain arrays that the nodes of `order` were given.

    An op keeps its arrays in the dtype and shape that it computes with: the labels `y` may have become
    another array with the same entries. So an array that no name is known for goes by the variable with the
    same entries, if there is exactly one, and else by what its op calls it, in a language: `mask`, `weight`.
    """
    said = ARGUMENTS.get(language, {})
    arrays = {id(x): (x, node, i) for node in order for i, x in enumerate(node.inputs) if _is_array(x)}
    unknown = {key: value for key, value in arrays.items() if key not in found}
    variables = dict(_variables(frame)) if frame is not None and unknown else {}
    candidates = {name: np.asarray(thing) for name, thing in variables.items() if _is_array(thing)}
    named = {}
    for key, (x, node, i) in unknown.items():
        same = [name for name, y in candidates.items() if _same_entries(x, y)]
        own = _argument(node, i)
        name = same[0] if len(same) == 1 else said.get(own, own)
        if name:
            named[key] = name
    return named


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.ndim > 0


def _same_entries(x: Any, y: Any) -> bool:
    return (
        x.size == y.size > 1
        and x.dtype.kind in "biuf"
        and y.dtype.kind in "biuf"
        and bool((x.ravel() == y.ravel()).all())
    )


def _argument(node: Tensor, i: int) -> str:
    """Return the word by which an op calls its input, '' for a letter."""
    try:
        parameters = list(inspect.signature(node.op.forward).parameters.values()) if node.op else []
    except (TypeError, ValueError):
        return ""
    plain = all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in parameters[: i + 1])
    return parameters[i].name if plain and i < len(parameters) and len(parameters[i].name) > 2 else ""


def callers_frame() -> FrameType | None:
    """Return the frame of the nearest caller that is not part of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def model_name(model: Any, frame: FrameType | None) -> str:
    """Return the variable that holds `model`, or ''."""
    if frame is None:
        return ""
    return next((name for name, thing in _variables(frame) if thing is model), "")


def model_of(order: Iterable[Tensor], frame: FrameType | None) -> Any:
    """Return the module among a frame's variables that has the most parameters in a graph, or None."""
    if frame is None:
        return None
    present = {id(node) for node in order}
    best, most = None, 0
    for _, thing in _variables(frame):
        if _is_module(thing):
            found = sum(id(p) in present for p in thing.parameters())
            if found > most:
                best, most = thing, found
    return best


def _variables(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Give the variables of a frame, its own before those of its module.

    What IPython keeps of cells, `In` and `Out`, names nothing: a value that was shown has a name of its own.
    """
    own = frame.f_locals
    kept = [id(frame.f_globals.get(name)) for name in ("_ih", "_oh") if name in frame.f_globals]
    for name, value in list(own.items()):
        if not name.startswith("_") and name.isidentifier() and id(value) not in kept:
            yield name, value
    if frame.f_globals is not own:
        for name, value in list(frame.f_globals.items()):
            if not name.startswith("_") and name.isidentifier() and name not in own and id(value) not in kept:
                yield name, value


def _parts(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, (Tensor, np.ndarray)):
        yield name, thing
    elif isinstance(thing, (list, tuple)) and len(thing) <= _LONGEST_LIST:
        for i, entry in enumerate(thing):
            if isinstance(entry, (Tensor, np.ndarray)):
                yield f"{name}[{i}]", entry
    elif isinstance(thing, dict) and len(thing) <= _LONGEST_LIST:
        for key, entry in thing.items():
            if isinstance(entry, (Tensor, np.ndarray)):
                yield f"{name}[{key!r}]", entry


def _is_module(thing: Any) -> bool:
    """Tell a module by what it can do, so that `clearprop.nn` need not be imported for it."""
    nn = sys.modules.get("clearprop.nn")
    return nn is not None and isinstance(thing, nn.Module)


def _add_paths(found: dict[int, str], model: Any, prefix: str) -> None:
    before = prefix + "." if prefix else ""
    for path, tensor in (*model.named_parameters(), *model.named_buffers()):
        found.setdefault(id(tensor), before + path)
