"""Everything works where Python throws docstrings away, as it does with -OO and in many small packages."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = """
import importlib, pkgutil, clearprop
for module in pkgutil.walk_packages(clearprop.__path__, "clearprop."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as missing:
        if str(missing.name).startswith("clearprop"):
            raise SystemExit(missing)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [ROOT / "tools" / "smoke.py"],
        ["-c", MODULES],
        ["-m", "clearprop", "--help"],
        ["-m", "clearprop.coverage", "--help"],
        ["-c", "import clearprop.numpy as np; print(np.from_dlpack(np.ones(3), copy=True))"],
    ],
    ids=["smoke", "modules", "help", "coverage", "dlpack"],
)
def test_it_works_without_docstrings(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, "-OO", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
