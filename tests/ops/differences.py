"""Numerical second derivatives, for tests of rules that are derived twice."""


def mixed_difference(f, x, u, v, t=1e-3):
    """Return the second derivative of f at x along u and v, from four values."""
    return sum(i * j * f(x + t * (i * u + j * v)) for i in (-1, 1) for j in (-1, 1)) / (4 * t * t)
