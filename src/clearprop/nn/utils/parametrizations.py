"""Weights of a given norm, of largest singular value 1, or with orthonormal rows or columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.nn.convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from clearprop.nn.functional.distance import normalize
from clearprop.nn.module import Buffer, Module
from clearprop.nn.utils.parametrize import register_parametrization
from clearprop.op import describe
from clearprop.ops import random
from clearprop.ops.exponential import matrix_exp
from clearprop.record import assign
from clearprop.tensor import Tensor, raw

M = TypeVar("M", bound=Module)


def _of(called: str, module: Module, name: str) -> Any:
    """Return the Tensor that is to be parametrized."""
    found = getattr(module, name, None)
    if not isinstance(found, Tensor):
        raise ValueError(lesson(called, f"wants a module with a Tensor {name}", type(module).__name__))
    return found


# --- a direction and a length -------------------------------------------------------------------------------
class WeightNorm(Module):
    """w = g v / |v| with a norm for each entry of axis `dim`, or one of all for None (or -1)."""

    shown: tuple[str, ...] = ("dim",)
    older: Mapping[str, str] = {"{}_g": "original0", "{}_v": "original1"}

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim: int | None = None if dim == -1 else dim

    def _norm(self, v: Any) -> Any:
        if self.dim is None:
            return np.sqrt((v * v).sum())
        axes = tuple(i for i in range(v.ndim) if i != self.dim % v.ndim)
        return np.sqrt((v * v).sum(axis=axes, keepdims=True))

    def forward(self, g: Any, v: Any) -> Any:
        """Return the weight."""
        return v * (g / self._norm(v))

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """Return its norms and itself."""
        return self._norm(weight), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Train a weight's norms and its direction apart: w = g v / |v|; return the module.

    The norms are `parametrizations.NAME.original0`, v is `original1`. Source: Salimans and Kingma, "Weight
    normalization", 2016. Raises ValueError for an axis that the weight lacks.

    >>> from clearprop import nn
    >>> layer = weight_norm(nn.Linear(2, 3))
    >>> [(k, v.shape) for k, v in layer.state_dict().items()][1:]
    [('parametrizations.weight.original0', (3, 1)), ('parametrizations.weight.original1', (3, 2))]
    """
    weight = _of("weight_norm(module)", module, name)
    if dim is not None and not -weight.ndim <= dim < weight.ndim:
        raise ValueError(lesson("weight_norm(dim=)", f"wants an axis of {describe(weight)}", f"{dim}"))
    return register_parametrization(module, name, WeightNorm(dim), unsafe=True)


# --- largest singular value 1 -------------------------------------------------------------------------------
class SpectralNorm(Module):
    """w / s with s = u^T W v; u and v turn towards the first singular vectors at each use while training."""

    n_power_iterations: int
    dim: Any
    eps: float

    shown: tuple[str, ...] = ("dim", "n_power_iterations", "eps")
    older: Mapping[str, str] = {"{}_orig": "original", "{}_u": "0._u", "{}_v": "0._v"}

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if n_power_iterations < 1:
            called = "spectral_norm(n_power_iterations=)"
            raise ValueError(lesson(called, "wants 1 or more", f"{n_power_iterations}"))
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim % weight.ndim, eps
        if weight.ndim > 1:
            rows, columns = self._matrix(raw(weight)).shape
            dtype = weight.dtype
            self._u, self._v = (Buffer(self._unit(random.normal((n,), dtype=dtype))) for n in (rows, columns))
            self._turn(self._matrix(raw(weight)), 15)

    def _unit(self, x: Any) -> Any:
        return normalize(x, dim=0, eps=self.eps)

    def _matrix(self, weight: Any) -> Any:
        return np.moveaxis(weight, self.dim, 0).reshape(weight.shape[self.dim], -1)

    def _turn(self, matrix: Any, times: int) -> None:
        with no_grad():
            u, v = self._u, self._v
            for _ in range(times):
                u = self._unit(matrix @ v)
                v = self._unit(matrix.T @ u)
            assign(self._u, u)
            assign(self._v, v)

    def forward(self, weight: Any) -> Any:
        """Return the weight over its largest singular value."""
        if weight.ndim == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if self.training:
            self._turn(matrix, self.n_power_iterations)
        return weight / (self._u.detach() @ (matrix @ self._v.detach()))

    def right_inverse(self, weight: Any) -> Any:
        """Return the weight itself."""
        return weight


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divide a weight by its largest singular value, found by power iterations; return the module.

    The rows of the matrix are axis `dim` (the outputs: 1 for a transposed convolution, 0 for others). Each
    use while training turns the vectors `parametrizations.NAME.0._u` and `_v` on. Source: Miyato et al.,
    "Spectral normalization for generative adversarial networks", 2018.

    >>> from clearprop import nn
    >>> layer = spectral_norm(nn.Linear(5, 4).double(), n_power_iterations=30)
    >>> round(float(np.linalg.norm(layer.weight.value, 2)), 2)
    1.0
    """
    weight = _of("spectral_norm(module)", module, name)
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    if not -weight.ndim <= dim < weight.ndim:
        raise ValueError(lesson("spectral_norm(dim=)", f"wants an axis of {describe(weight)}", f"{dim}"))
    return register_parametrization(module, name, SpectralNorm(weight, n_power_iterations, dim, eps))


# --- orthonormal rows or columns ----------------------------------------------------------------------------
MAPS = ("matrix_exp", "cayley", "householder")


class Orthogonal(Module):
    """A matrix with orthonormal columns (rows, if it is wide) made of an unconstrained one of its shape."""

    orthogonal_map: str
    use_trivialization: bool

    shown: tuple[str, ...] = ("orthogonal_map",)
    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.orthogonal_map, self.use_trivialization = orthogonal_map, use_trivialization
        self._shape = weight.shape
        if use_trivialization:
            n = max(weight.shape[-2:])
            self.register_buffer("base", np.zeros((*weight.shape[:-2], n, n), weight.dtype))

    def forward(self, x: Any) -> Any:
        """Return the matrix; where there is a base, it is the base turned."""
        wide = x.shape[-2] < x.shape[-1]
        x = np.swapaxes(x, -1, -2) if wide else x
        q = _reflected(x) if self.orthogonal_map == "householder" else self._turned(x)
        q = self.base.detach() @ q if self.use_trivialization else q
        return np.swapaxes(q, -1, -2) if wide else q

    def _turned(self, x: Any) -> Any:
        """Return the first columns of exp(A), or of its rational likeness, for the skew-symmetric part A."""
        n, k = x.shape[-2:]
        x = np.tril(x)
        if n != k:
            x = np.concatenate([x, np.zeros((*x.shape[:-1], n - k), x.dtype)], axis=-1)
        a = x - np.swapaxes(x, -1, -2)
        if self.orthogonal_map == "matrix_exp":
            return matrix_exp(a)[..., :k]
        unit = np.eye(n, dtype=x.dtype)
        return np.linalg.solve(unit - 0.5 * a, unit + 0.5 * a)[..., :k]

    def right_inverse(self, weight: Any) -> Any:
        """Return what gives the orthogonal matrix `weight`; with a base, that is made orthonormal first."""
        q = np.asarray(raw(weight))
        if q.shape != self._shape:
            raise ValueError(
                lesson("orthogonal(module)", f"wants a weight of shape {self._shape}", f"{q.shape}")
            )
        wide = q.shape[-2] < q.shape[-1]
        q = np.swapaxes(q, -1, -2) if wide else q
        if self.use_trivialization:
            assign(self.base, _completed(q).astype(q.dtype))
            found = np.zeros_like(q)
            each = np.arange(q.shape[-1])
            found[..., each, each] = -1
        elif self.orthogonal_map == "householder":
            found = _reflections(q)
        else:
            called = f"orthogonal(orthogonal_map={self.orthogonal_map!r}, use_trivialization=False)"
            wanted = "has no inverse, so a weight cannot be set"
            raise NotImplementedError(lesson(called, wanted, hint="use_trivialization=True"))
        return np.swapaxes(found, -1, -2) if wide else found


def _reflected(x: Any) -> Any:
    """Return the first columns of the product of reflections whose vectors lie below x's diagonal.

    I - V T^-1 V^T, with T the upper part of V^T V and half its diagonal: all reflections at once. Source:
    Joffrain et al., "Accumulating Householder transformations, revisited", 2006.
    """
    k = x.shape[-1]
    unit = np.eye(*x.shape[-2:], dtype=x.dtype)
    below = np.tril(x, -1)
    v = below + unit
    half = 0.5 * (1 + (below * below).sum(axis=-2))
    t = np.triu(np.swapaxes(v, -1, -2) @ v, 1) + np.eye(k, dtype=x.dtype) * half[..., None, :]
    q = unit - v @ np.linalg.solve(t, np.swapaxes(v[..., :k, :], -1, -2))
    signs = np.trunc(np.diagonal(x, axis1=-2, axis2=-1))  # 1 or -1; no gradient passes
    return q * signs[..., None, :]


def _reflections(q: Any) -> Any:
    """Return what `_reflected` makes `q` of: LAPACK's vectors, with R's signs on the diagonal."""
    vectors, factors = np.linalg.qr(q, mode="raw")
    found = np.swapaxes(vectors, -1, -2).copy()
    each = np.arange(q.shape[-1])
    signs = np.sign(found[..., each, each])
    found[..., each, each] = np.where(factors == 0, -signs, signs)
    return found


def _completed(q: Any) -> Any:
    """Return a square orthogonal matrix that begins with the columns of `q`, made orthonormal first."""
    n, k = q.shape[-2:]
    more = random.normal((*q.shape[:-2], n, n - k)).numpy() if n > k else np.zeros((*q.shape[:-1], 0))
    found, r = np.linalg.qr(np.concatenate([q.astype(np.float64), more], axis=-1))
    each = np.arange(n)
    return found * np.where(r[..., each, each] < 0, -1.0, 1.0)[..., None, :]


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> M:
    """Keep the rows or columns of a weight orthonormal, whichever there are fewer of; return the module.

    The last two axes are matrices. `orthogonal_map` is "matrix_exp" (of a skew-symmetric matrix; chosen for
    square ones), "cayley" (its rational likeness) or "householder" (a product of reflections; chosen
    otherwise). With `use_trivialization` the map turns a fixed base, the weight as it was, made orthogonal.
    Source: Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", 2019. Raises
    ValueError for a weight of one axis and for an unknown map.

    >>> from clearprop import nn
    >>> w = orthogonal(nn.Linear(4, 3).double()).weight.value
    >>> bool(np.allclose(w @ w.T, np.eye(3)))
    True
    """
    weight = _of("orthogonal(module)", module, name)
    if weight.ndim < 2:
        raise ValueError(lesson("orthogonal(module)", "wants a weight of two or more axes", describe(weight)))
    square = weight.shape[-1] == weight.shape[-2]
    chosen = orthogonal_map or ("matrix_exp" if square else "householder")
    if chosen not in MAPS:
        raise ValueError(lesson("orthogonal(orthogonal_map=)", f"is one of {', '.join(MAPS)}", f"{chosen!r}"))
    made = Orthogonal(weight, chosen, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
