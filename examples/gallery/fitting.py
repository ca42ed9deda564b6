"""Plain NumPy: curves and tables fitted to data."""

import numpy as np


def least_squares(p, x, y):
    """A cubic through noisy points."""
    return np.mean((np.polyval(p, x) - y) ** 2)


def robust_regression(p, x, y, width=0.3):
    """A line that outliers do not pull: Huber's loss."""
    miss = np.abs(p["slope"] * x + p["offset"] - y)
    return np.sum(np.where(miss < width, 0.5 * miss**2, width * (miss - 0.5 * width)))


def logistic_regression(p, X, labels, penalty=0.1):
    """Two classes, labels -1 and 1, and a penalty on the weights."""
    margin = labels * (X @ p["w"] + p["b"])
    return np.sum(np.logaddexp(0.0, -margin)) + penalty * np.sum(p["w"] ** 2)


def poisson_regression(w, X, counts):
    """Counts whose logarithm is linear, without the constant of the likelihood."""
    log_rate = X @ w
    return np.sum(np.exp(log_rate) - counts * log_rate)


def ordinal_regression(p, x, grades):
    """Grades 0, 1, 2 that cut a hidden scale at two places, the second behind the first."""
    cuts = np.stack([p["first"], p["first"] + np.exp(p["log_gap"])])
    below = 1.0 / (1.0 + np.exp(-(cuts - p["slope"] * x[:, None])))
    shares = np.diff(below, axis=1, prepend=0.0, append=1.0)
    return -np.sum(np.log(np.take_along_axis(shares, grades[:, None], axis=1)))


def enzyme_kinetics(p, dose, rate):
    """Michaelis and Menten's saturation with Hill's exponent."""
    top, half, hill = np.exp(p)
    return np.sum((top * dose**hill / (half**hill + dose**hill) - rate) ** 2)


def calibration_curve(heights, places, readings, truth):
    """A calibration of straight pieces between knots, kept from bending too much."""
    return np.mean((np.interp(readings, places, heights) - truth) ** 2) + 1e-3 * np.sum(
        np.diff(heights, 2) ** 2
    )


def quantile_regression(p, x, y, share=0.8):
    """The line that a share of the points lies below: the pinball loss."""
    miss = y - (p[0] * x + p[1])
    return np.mean(np.maximum(share * miss, (share - 1.0) * miss))


def principal_components(stretch, X, rank=2):
    """What a few components of stretched columns leave out, by the singular values."""
    Z = X * np.exp(stretch - np.mean(stretch))
    s = np.linalg.svd(Z - np.mean(Z, axis=0), compute_uv=False)
    return np.sum(s[rank:] ** 2) / np.sum(s**2)


def matrix_factors(p, R, seen):
    """A table of ratings with holes, as the product of two thin matrices."""
    return np.sum(np.where(seen, p["users"] @ p["items"].T - R, 0.0) ** 2) + 0.01 * sum(
        np.sum(v**2) for v in p.values()
    )
