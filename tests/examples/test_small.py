"""The small examples reach what they promise: run short."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SHORT = {"characters": 30, "flow": 20, "oscillator": 20, "sorting": 30}


def run(path, steps):
    command = [sys.executable, "-W", "error", path, "--steps", str(steps)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SHORT)
def test_reaches_what_it_promises(name):
    done = run(EXAMPLES / f"{name}.py", SHORT[name])

    assert done.returncode == 0, done.stdout + done.stderr
    assert " promised; " in done.stdout


@pytest.mark.parametrize(("name", "wanted"), [("oscillator", "1e-9"), ("flow", "-9.0"), ("sorting", "1.1")])
def test_fails_where_less_is_reached(name, wanted, tmp_path):
    script = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    before, after = script.split("PROMISED = {", 1)
    later = after.split("}", 1)[1]
    (tmp_path / "script.py").write_text(f"{before}PROMISED = {{1: {wanted}}}{later}", encoding="utf-8")

    assert run(tmp_path / "script.py", 5).returncode == 1
