"""Joins on two cores: parts written side by side, rows that go on into the next loop."""

import numpy as np
import pytest

import clearprop
from clearprop import value_and_grad

pytest.importorskip("llvmlite")


def test_large_joins_come_out_the_same_however_the_cores_share_them():
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=shape).astype("f4") for shape in ((64, 96), (96, 128), (128, 64)))
    x, y = (rng.normal(size=(512, n)).astype("f4") for n in (64, 56))

    def loss(a, b, x, y):
        margin = np.pad(np.exp(y * 0.1), ((0, 0), (3, 5)))
        z = np.concatenate([np.tanh(x @ a), x, margin], axis=1)
        u = np.concatenate([z[:, :96] @ b, np.roll(z[:, 96:], 1, axis=0)], axis=0)
        s = np.stack([u, u * 2], axis=1)
        q = np.einsum("nci,ij->cnj", s, c)
        return (
            (q * q).mean() + np.cumsum(s, axis=0).mean() + (np.concatenate([x[:, ::2], y], axis=1) ** 2).sum()
        )

    both = value_and_grad(loss, (0, 1, 2, 3))
    step = clearprop.compile(both, executor="llvm")
    value, gradients = both(a, b, x, y)
    for _ in range(20):
        got, found = step(a, b, x, y)

        assert got == pytest.approx(value, rel=1e-4)
        for g, wanted in zip(found, gradients, strict=True):
            np.testing.assert_allclose(g, wanted, atol=1e-4 * np.abs(wanted).max())
    assert step.latest.recording.executable.stops == []
