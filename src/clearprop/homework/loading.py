"""Running a file of a student's and finding the classes in it that can be graded."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from clearprop.errors import InputError, lesson
from clearprop.homework.passes import PASSES


def module_of(path: str | Path, name: str = "homework") -> ModuleType:
    """Run a Python file and return it as a module; raises InputError where it does not run to its end."""
    path = str(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(lesson("clearprop check FILE.py", "wants a Python file", path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError as error:
        if error.filename != path:
            raise _failed(error) from error
        raise InputError(lesson("clearprop check FILE.py", "there is no such file", path)) from None
    except (Exception, SystemExit) as error:
        raise _failed(error) from error
    return module


def _failed(error: BaseException) -> InputError:
    said = f"{type(error).__name__}: {error}"
    return InputError(lesson("clearprop check FILE.py", "the file does not run", said))


def classes_of(module: ModuleType) -> dict[str, type]:
    """Return the classes that a file defines itself and that can pass gradients back, by name."""
    own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    return {c.__name__: c for c in own if any(hasattr(c, name) for name in PASSES)}
