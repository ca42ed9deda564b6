"""A full disk: nothing that was there is lost, no half file stays, and the error says so, with status 2."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clearprop.cli import main

pytest.importorskip("resource")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    rows = np.random.default_rng(0).normal(size=(400, 2))
    lines = [f"{a:.6f},{b:.6f},{'yes' if a * b > 0 else 'no'}" for a, b in rows]
    (folder / "table.csv").write_text("\n".join(["a,b,c", *lines]) + "\n")
    model = folder / "job"
    assert (
        main(["train", str(folder / "table.csv"), "--target", "c", "--epochs", "1", "--output", str(model)])
        == 0
    )
    return model / "model.safetensors", folder / "table.csv"


def test_every_kind_of_file(model, tmp_path):
    script = Path(__file__).with_name("full_disk.py")
    done = subprocess.run(
        [sys.executable, str(script), *map(str, model), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert len(found) == 24
    for name, attempts in found.items():
        assert len(attempts) == 3
        for n, made in enumerate(attempts):
            assert made["status"] == 2, (name, n, made)
            assert made["same"], (name, n, made)
            assert "writing " in made["said"], (name, n, made)
            assert "file too large" in made["said"], (name, n, made)
            assert str(tmp_path) in made["said"], (name, n, made)  # not the name of a temporary file
            assert ".tmp" not in made["said"], (name, n, made)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    "words",
    [
        ["predict", "@", "@"],
        ["step", "a*b", "a=2", "b=3"],
        ["lecture"],
        ["--version"],
        ["--help"],
        ["train", "--help"],
    ],
)
def test_standard_output_that_is_full(model, words):
    paths = iter(map(str, model))
    words = [next(paths) if word == "@" else word for word in words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "clearprop", *words], stdout=full, stderr=subprocess.PIPE, text=True
        )

    assert done.returncode == 2
    assert done.stderr.startswith(f"clearprop {words[0]}: standard output: no space left on device.\n")
