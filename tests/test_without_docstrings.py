"""Everything works where Python throws docstrings away, as it does with -OO and in many small packages."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = """
import importlib, importlib.machinery, pkgutil

class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, name):  # other packages keep theirs: to compile them all anew takes half a minute
        path = self.get_filename(name)
        return compile(self.get_data(path), path, "exec", dont_inherit=True, optimize=2)

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        found = super().find_spec(name, path, target) if name.split(".")[0] == "clearprop" else None
        if found is not None and isinstance(found.loader, importlib.machinery.SourceFileLoader):
            found.loader = Loader(found.loader.name, found.loader.path)
        return found

import sys
sys.meta_path.insert(0, Finder)
import clearprop
assert clearprop.__doc__ is None
for module in pkgutil.walk_packages(clearprop.__path__, "clearprop."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as missing:
        if str(missing.name).startswith("clearprop"):
            raise SystemExit(missing)
"""
PROGRAMS = """
import runpy, sys
import clearprop.numpy as np

print(np.from_dlpack(np.ones(3), copy=True))
for name in ("clearprop", "clearprop.coverage"):
    sys.argv = [name, "--help"]
    try:
        runpy.run_module(name, run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code
"""


@pytest.mark.parametrize(
    "arguments",
    [["-OO", ROOT / "tools" / "smoke.py"], ["-c", MODULES], ["-OO", "-c", PROGRAMS]],
    ids=["smoke", "modules", "programs"],
)
def test_it_works_without_docstrings(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
