"""Stores into arrays that a compiled step has computed: NumPy's numbers at each call, or a refusal."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler.capture.refusals import RecordingError

X = np.array([0.7, 1.3, 1.9])


def boundaries(x):
    u = np.outer(x, x)
    for _ in range(3):
        u[0, :] = u[1, :]  # a view of itself, which has no name
        u[:, -1] = 0.0
        u[1:-1, 1:-1] += 0.25 * (u[2:, 1:-1] - u[:-2, 1:-1])
        u[u > 3] = 3.0
    return u


def totals(x):
    total, count, number = np.zeros(3), np.zeros(3, np.float32), np.zeros(())
    for k in range(4):
        total += x**k
        count += x
        number += x[k % 3]
    total[1:] *= number
    return total, count, number * 2


def seen_through_every_name(x):
    y = x * 2.0
    z = y
    y[[0, 0, 2]] = [1.0, 2.0, 3.0]
    y[1] += y[2]
    first = y[0]
    y[0] = 9.0
    return z, y + first


@pytest.mark.parametrize("f", [boundaries, totals, seen_through_every_name])
@pytest.mark.parametrize("prove", ["never", "geometric", "always"])
def test_stores_are_done_as_numpy_does_them(f, prove):
    compiled = clearprop.compile(f, prove=prove)
    for k in range(1, 5):
        found, want = compiled(X * k), f(X * k)
        for a, b in zip(found, want, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-6)


KEPT = np.zeros(3)


def into_an_argument(x):
    x[0] = 5.0
    return x.sum()


def into_what_a_view_shows(x):
    y = x * 2.0
    v = y[1:]
    y[2] = 5.0
    return v.sum()


def through_a_view(x):
    y = x * 2.0
    v = y[1:]
    v[0] = 5.0
    return y.sum()


def of_a_named_view(x):
    y = x * 2.0
    v = y[:-1]
    y[1:] = v
    return v.sum()


def into_a_real_part(x):
    y = x * 1j
    y.real[1] = 3.0
    return abs(y).sum()


def into_an_array_of_two_names(x):
    y = np.zeros(3)
    z = y
    y += x
    return z.sum()


def into_an_array_in_reach(x):
    global KEPT
    KEPT += x
    return KEPT.sum()


@pytest.mark.parametrize(
    "f",
    [
        into_an_argument,
        into_what_a_view_shows,
        through_a_view,
        of_a_named_view,
        into_a_real_part,
        into_an_array_of_two_names,
        into_an_array_in_reach,
    ],
)
def test_what_others_would_see_is_refused(f):
    with pytest.raises(RecordingError, match=r"At .*test_stores.py"):
        clearprop.compile(f)(X.copy())
    np.testing.assert_array_equal(KEPT, np.zeros(3))
