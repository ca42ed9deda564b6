"""Right lines of `clearprop.numpy`: no type checker says a word about them."""

from typing import Any

import numpy
import numpy.typing as npt

import clearprop.numpy as np
from clearprop import Tensor
from clearprop.numpy.linalg import norm

t = Tensor([1.0, 2.0])
x: npt.NDArray[Any] = np.zeros(2)
x[0] = 1.0
total: Tensor = np.array([t[0], 1.0])
total = np.array([[t[0], 0.0], [0.0, t[1]]])
total = np.array(t)
total = np.asarray([t[0], t[1]], dtype=np.float32)
total = np.full(3, t[0])
x = np.array([1.0, 2.0])
x = np.full((2, 3), 0.5)
total = np.sin(t)
total = np.add(x, t)
total = np.add(t, 1.0)
total = np.exp([t[0], t[1]])
total = np.sum(t, axis=0, keepdims=True)
total = np.sum([t[0], t[1]])
total = np.mean(np.stack([t, t]), axis=-1)
total = np.concatenate([t, t])
total = np.where(x > 0, t, x)
total = np.clip(t, 0.0, None)
total = np.einsum("i,i->", t, x)
total = np.interp(t, x, x)
total = norm(t)
total = np.linalg.solve(np.eye(2), t)
total = np.linalg.eigh(np.outer(t, t)).eigenvalues
total = np.fft.fft(t)
total = np.random.normal(t, 1.0, size=2)
total = np.random.default_rng(0).normal(t)
parts: list[Tensor] = np.split(t, 2)
grids: tuple[Tensor, ...] = np.meshgrid(t, t)
truth: bool = np.allclose(t, x)
places: tuple[Any, ...] = np.where(x > 0)
number: float = np.pi
kind = np.float64
same: type[numpy.ndarray[Any, Any]] = np.ndarray
np.add.reduce(t, axis=0)
np.testing.assert_allclose(t, x, rtol=1e-3)
