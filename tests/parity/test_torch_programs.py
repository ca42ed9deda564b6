"""Course programs reach the same losses, and print the same, in PyTorch and with its names here."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.parity import torch_courses
from tests.parity.torch_programs import PROGRAMS

import clearprop.torch as ours

theirs = pytest.importorskip("torch")
CASES = (
    Path(__file__).parents[2].parent / "shared" / "cases" / "torch"
)  # more of them, where they lie beside us


def compared(a, b, where):
    if isinstance(b, theirs.Tensor):
        assert str(a.dtype) == str(b.dtype), where
        assert tuple(a.shape) == tuple(b.shape), where
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=2e-4, atol=1e-5, err_msg=where
        )
    elif isinstance(b, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            compared(x, y, f"{where}[{i}]")
    elif isinstance(b, float):
        assert a == pytest.approx(b, rel=2e-4, abs=1e-6), where
    elif isinstance(b, str):
        assert a == b.replace("NonDynamicallyQuantizableLinear", "Linear"), where
    else:
        assert str(a) == str(b), where


@pytest.mark.parametrize("program", [*PROGRAMS, *torch_courses.PROGRAMS], ids=lambda f: f.__name__)
def test_a_program_does_the_same(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = program(theirs)
        found = program(ours)

    compared(found, wanted, program.__name__)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.py")) or [None], ids=lambda p: p.stem if p else "none")
def test_an_unchanged_program_runs(path, tmp_path):
    if path is None:
        pytest.skip("there are no other programs beside the repository")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "clearprop.torch", str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
