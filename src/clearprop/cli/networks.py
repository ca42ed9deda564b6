"""`--model NAME` and `--model FILE.py:build`: a network that is known by name, or a person's own."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from clearprop import nn
from clearprop.data.tables import listed, nearest
from clearprop.errors import InputError, lesson
from clearprop.modes import no_grad
from clearprop.train.evaluation import evaluating
from clearprop.train.networks import NETWORKS

HELP = (
    f"{', '.join(NETWORKS)}, or your own: FILE.py:build is called as build(input_shape, outputs) and returns "
    "the Module; input_shape is (channels, height, width) of a picture or (inputs,) of a row, outputs the "
    "number of classes, or 1 for a number (default: resnet for pictures)"
)


def is_own(text: str | None) -> bool:
    """Return whether it names a file with a person's own network."""
    return text is not None and text not in NETWORKS


def own_file(text: str | None) -> Path | None:
    """Return the file of a person's own network, which is read; None for a network that is known by name."""
    return _place(text)[0] if text is not None and is_own(text) else None


def built(text: str, input_shape: tuple[int, ...], outputs: int, **options: Any) -> nn.Module:
    """Return the network of that name or file, having seen what it makes of two inputs.

    `options` are for a known one. Raises InputError for an unknown name, a file that cannot be run, and a
    network whose answers have another shape than (rows, outputs).
    """
    if text in NETWORKS:
        return NETWORKS[text](input_shape, outputs, **options)
    path, name = _place(text)
    build = getattr(_module(path), name, None)
    if not callable(build):
        got = f"there is {'no' if build is None else 'something else called'} {name!r} in it"
        hint = "def build(input_shape, outputs): return nn.Sequential(...)"
        raise InputError(
            lesson(f"--model {text}", "wants a function or a class of that name", got, hint=hint)
        )
    network = _called(text, build, input_shape, outputs)
    if not isinstance(network, nn.Module):
        wanted = f"wants {name}(input_shape, outputs) to return a clearprop.nn.Module"
        raise InputError(lesson(f"--model {text}", wanted, f"a {type(network).__name__}"))
    _try_out(text, network, input_shape, outputs)
    return network


def _place(text: str) -> tuple[Path, str]:
    """Return the file and the name in it of FILE.py:NAME; `build` where no name is given."""
    file, _, name = text.rpartition(":")
    if not file.endswith(".py"):
        file, name = (text, "build") if text.endswith(".py") else ("", "")
    if not file:
        wanted, got = "is no network that is known", f"known are {listed(NETWORKS)}"
        hint = nearest(text, NETWORKS) or "--model FILE.py:build for your own"
        raise InputError(lesson(f"--model {text}", wanted, got, hint=hint))
    if not Path(file).is_file():
        raise InputError(lesson(f"--model {text}", "cannot read it", f"there is no file {file!r}"))
    return Path(file), name or "build"


def _module(path: Path) -> ModuleType:
    """Run a file that a person named, as Python runs a script: what lies beside it can be imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickle look a class's module up
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # sys.exit() there would end this command in silence
        raise _failed(f"running {path}", error, path) from error
    return module


def _called(text: str, build: Callable[..., Any], input_shape: tuple[int, ...], outputs: int) -> Any:
    """Call a person's function with what it takes of the two."""
    given: dict[str, Any] = {"input_shape": input_shape, "outputs": outputs}
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):
        parameters = inspect.Signature().parameters.values()
    names = [p.name for p in parameters]
    open_ = [
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    strange = [name for name in open_ if name not in given]
    if strange:
        wanted = "wants a function of input_shape and outputs, or of one of them, or of nothing"
        raise InputError(lesson(f"--model {text}", wanted, f"it asks for {listed(strange)}"))
    every = any(p.kind == p.VAR_KEYWORD for p in parameters)
    try:
        return build(**{name: value for name, value in given.items() if every or name in names})
    except (Exception, SystemExit) as error:
        raise _failed(f"--model {text}", error, Path(inspect.getfile(build))) from error


def _try_out(text: str, network: nn.Module, input_shape: tuple[int, ...], outputs: int) -> None:
    """Raise InputError where the network does not make (2, outputs) of two inputs."""
    rows = np.zeros((2, *input_shape), np.float32)
    try:
        with evaluating(network), no_grad():
            found = network(rows)
    except (Exception, SystemExit) as error:
        raise _failed(f"--model {text}, given inputs of shape {rows.shape}", error) from error
    shape = getattr(found, "shape", None)
    if shape != (2, outputs):
        got = f"{shape} of inputs of shape {rows.shape}" if shape is not None else f"a {type(found).__name__}"
        hint = f"a last layer of {outputs} outputs, such as nn.Linear(..., outputs)"
        raise InputError(lesson(f"--model {text}", f"wants answers of shape (2, {outputs})", got, hint=hint))


def _failed(called: str, error: BaseException, path: Path | None = None) -> InputError:
    """Return the error of a person's own code, with the line that raised it."""
    where, trace = "", error.__traceback__
    while trace is not None:
        if path is None or trace.tb_frame.f_code.co_filename == str(path):
            where = f"At {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}."
        trace = trace.tb_next
    said = (str(error).splitlines() or [""])[0]
    return InputError(lesson(called, f"failed with {type(error).__name__}", said, where))
