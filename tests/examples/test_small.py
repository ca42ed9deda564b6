"""The small examples reach what they promise: run short."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SHORT = {
    "adversary": 20, "characters": 30, "contrast": 20, "diffusion": 20, "early_exit": 20, "flow": 20,
    "gaussian_process": 20, "gpt": 3, "graph": 5, "heat": 20, "inner_loop": 20, "lecture": 20,
    "neural_ode": 40, "oscillator": 20, "policy": 5, "residual": 40, "sorting": 30, "vae": 20, "words": 20,
}  # fmt: skip


def run(path, steps):
    command = [sys.executable, "-W", "error", path, "--steps", str(steps)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SHORT)
def test_reaches_what_it_promises(name):
    if name in DIGITS:
        pytest.importorskip("sklearn")
    done = run(EXAMPLES / f"{name}.py", SHORT[name])

    assert done.returncode == 0, done.stdout + done.stderr
    assert " promised; " in done.stdout


DIGITS = ("contrast", "lecture", "residual", "vae")  # their images come with scikit-learn


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("oscillator", "1e-9"),
        ("flow", "-9.0"),
        ("sorting", "1.1"),
        ("graph", "1.1"),
        ("gaussian_process", "1e-9"),
    ],
)
def test_fails_where_less_is_reached(name, wanted, tmp_path):
    script = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    before, after = script.split("PROMISED = {", 1)
    later = after.split("}", 1)[1]
    (tmp_path / "script.py").write_text(f"{before}PROMISED = {{1: {wanted}}}{later}", encoding="utf-8")

    assert run(tmp_path / "script.py", 5).returncode == 1
