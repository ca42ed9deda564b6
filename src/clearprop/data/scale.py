"""`Standardizer`: columns with mean 0 and standard deviation 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearprop.errors import lesson


class Standardizer:
    """(x - mean) / scale for each column, with the mean and standard deviation of the data it was fitted to.

    A constant column has scale 1, so it becomes 0. Missing values (NaN) are left out of the statistics and
    stay NaN. Results have the dtype of the data, or float64 for integers.

    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> standardizer = Standardizer().fit(x)
    >>> standardizer.transform(x)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> standardizer.inverse(standardizer.transform(x))
    array([[1., 5.],
           [3., 5.]])
    """

    mean_: Any
    scale_: Any

    def fit(self, x: Any) -> Standardizer:
        """Take the mean and the standard deviation along the first axis; return this object.

        Raises ValueError for no rows, a column without any number, or infinite entries.
        """
        x = np.asarray(x)
        if x.ndim == 0 or len(x) == 0 or x.dtype.kind not in "fiub":
            raise ValueError(
                lesson("Standardizer.fit(x)", "wants one row or more of numbers", f"{x.shape} {x.dtype}")
            )
        x = x.astype(np.float64)
        known = ~np.isnan(x)
        counts = known.sum(axis=0)
        if np.isinf(x).any() or not np.all(counts):
            raise ValueError(
                lesson(
                    "Standardizer.fit(x)",
                    "wants finite numbers in every column",
                    "infinite entries" if np.isinf(x).any() else "a column of NaN",
                    hint="leaving those rows or columns out",
                )
            )
        # Scaled by the largest entry first, so that neither the sum nor a square overflows.
        largest = np.where(known, np.abs(x), 0).max(axis=0)
        unit = np.where(largest > 0, largest, 1.0)
        small = np.where(known, x / unit, 0)
        mean = small.sum(axis=0) / counts
        spread = np.sqrt((np.where(known, small - mean, 0) ** 2).sum(axis=0) / counts)
        # A column of one value repeated may show a spread of a few rounding errors.
        constant = spread <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        scale = spread * unit
        constant |= scale < np.finfo(np.float64).tiny  # too small to be divided by
        self.mean_, self.scale_ = mean * unit, np.where(constant, 1.0, scale)
        return self

    def transform(self, x: Any) -> Any:
        """Return (x - mean) / scale."""
        x = self._ready(x, "transform")
        return ((x - self.mean_) / self.scale_).astype(x.dtype if x.dtype.kind == "f" else np.float64)

    def inverse(self, x: Any) -> Any:
        """Return x scale + mean, what `transform` was given."""
        x = self._ready(x, "inverse")
        return (x * self.scale_ + self.mean_).astype(x.dtype if x.dtype.kind == "f" else np.float64)

    def fit_transform(self, x: Any) -> Any:
        """Fit to x and return it transformed."""
        return self.fit(x).transform(x)

    def state_dict(self) -> dict[str, Any]:
        """Return the means and scales, to be saved beside a model."""
        return {"mean": self.mean_.copy(), "scale": self.scale_.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the means and scales of a state dict."""
        self.mean_, self.scale_ = np.asarray(state["mean"]), np.asarray(state["scale"])

    def _ready(self, x: Any, asked: str) -> Any:
        called = f"Standardizer.{asked}(x)"
        if not hasattr(self, "mean_"):
            raise ValueError(lesson(called, "has not seen data yet", hint="standardizer.fit(x) first"))
        x = np.asarray(x)
        if x.shape[x.ndim - self.mean_.ndim :] != self.mean_.shape:
            raise ValueError(
                lesson(called, f"wants rows of shape {self.mean_.shape}, as in fit", f"x is {x.shape}")
            )
        return x
