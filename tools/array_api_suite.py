"""Runs the array API's public test-suite against this library: `python tools/array_api_suite.py CHECKOUT`.

CHECKOUT is a clone of https://github.com/data-apis/array-api-tests, which is on no package index, with what
its requirements.txt names installed. Without more, `clearprop.numpy` is tested, whose arrays of numbers are
NumPy's; with `--tensors` every array is a Tensor. What follows is handed to pytest:

    python tools/array_api_suite.py ../array-api-tests --tensors --max-examples 50 -k sin
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
VERSION = "2024.12"
UNWRITTEN = (
    "test_setitem or test_setitem_masking or iadd or isub or imul or itruediv or ifloordiv or imod or ipow"
)
"""What a Tensor refuses on purpose: nodes that were computed from it remember what it holds."""


def command(checkout: Path, tensors: bool, others: list[str]) -> list[str]:
    """Return the line that runs the suite."""
    line = [
        sys.executable,
        "-m",
        "pytest",
        str(checkout / "array_api_tests"),
        "-p",
        "no:cacheprovider",
        *others,
    ]
    return [*line, "-k", f"not ({UNWRITTEN})"] if tensors and "-k" not in others else line


def surroundings(tensors: bool) -> dict[str, str]:
    """Return the environment in which the suite finds the module that it is to test."""
    paths = [str(TOOLS), str(TOOLS.parent / "src"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "ARRAY_API_TESTS_MODULE": "array_api_tensors" if tensors else "clearprop.numpy",
        "ARRAY_API_TESTS_VERSION": VERSION,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def main() -> int:
    """Run the suite; its exit status is ours, 2 where there is none at that place."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkout", type=Path, help="a clone of data-apis/array-api-tests")
    parser.add_argument("--tensors", action="store_true", help="make every array a Tensor")
    asked, others = parser.parse_known_args()
    if not (asked.checkout / "array_api_tests").is_dir():
        print(f"{asked.checkout} has no folder array_api_tests: it is no clone of data-apis/array-api-tests")
        return 2
    line = command(asked.checkout.resolve(), asked.tensors, others)
    return subprocess.run(line, cwd=asked.checkout, env=surroundings(asked.tensors), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
