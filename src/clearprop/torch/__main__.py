"""`python -m clearprop.torch program.py`: run a program that imports torch, with clearprop in its place.

`torchvision` is answered too, by `clearprop.torch.vision`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import re
import runpy
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from clearprop.errors import lesson

_INSTEAD = {"torch": "clearprop.torch", "torchvision": "clearprop.torch.vision"}


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers `import torch...` with `clearprop.torch...`, `import torchvision...` likewise."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """Return a plan for PyTorch's modules, None for all others."""
        if name.partition(".")[0] in _INSTEAD:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        """Return the module of that name here; ModuleNotFoundError says which there is none of."""
        head, dot, rest = spec.name.partition(".")
        name = _INSTEAD[head] + dot + rest
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there, and lacks another
            home, _, last = spec.name.rpartition(".")
            found = getattr(sys.modules[home], last, None)
            if isinstance(found, ModuleType):
                return found  # what PyTorch has in several files, and this in one
            raise ModuleNotFoundError(_why_not(spec.name)) from error

    def exec_module(self, module: ModuleType) -> None:
        """It has been run."""


def _why_not(asked: str) -> str:
    """Return what its parent says of a module that there is none of."""
    home, _, last = asked.rpartition(".")
    try:
        getattr(sys.modules[home], last)
    except AttributeError as error:
        return str(error)
    return lesson(f"import {asked}", "there is no such module here", hint="torch.nn, torch.optim")


def _why_no_name(name: str, home: str) -> str:
    """Return what a module says of a name that it lacks: `from home import name` says that it lacks it."""
    try:
        getattr(importlib.import_module(home), name)
    except AttributeError as error:
        return str(error)
    return lesson(f"from {home} import {name}", "there is no such name")


def main(arguments: list[str]) -> None:
    """Run the program named first, with the rest as its arguments."""
    if not arguments:
        print(
            lesson(
                "python -m clearprop.torch", "wants a program", hint="python -m clearprop.torch program.py"
            )
        )
        raise SystemExit(2)
    sys.meta_path.insert(0, Instead())
    sys.argv = arguments
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except ImportError as error:
        found = re.match(r"cannot import name '(\w+)' from '(clearprop\.torch[\w.]*)'", str(error))
        if found is None:
            raise
        raise ImportError(_why_no_name(*found.groups())) from error


if __name__ == "__main__":
    main(sys.argv[1:])
