"""The examples reach what they promise: run short."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run(*options):
    command = [sys.executable, "-W", "error", ROOT / "examples" / "lenet.py", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_lenet_reads_most_digits_after_a_few_epochs():
    pytest.importorskip("sklearn")
    done = run("--epochs", "4")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "of the test images are read right, 85% promised" in done.stdout


def test_lenet_fails_where_less_is_reached_than_promised(tmp_path):
    pytest.importorskip("sklearn")
    script = (ROOT / "examples" / "lenet.py").read_text(encoding="utf-8")
    (tmp_path / "lenet.py").write_text(script.replace("1: 0.30", "1: 1.01"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "lenet.py", "--epochs", "1"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "101% promised" in done.stdout
