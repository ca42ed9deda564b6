"""What a step writes into arrays of its own by `out=`, `np.copyto` and their kin is what NumPy writes."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors


def made_by(f):
    """A function that hands `f` an array of its own, and returns that with what `f` gives."""

    def step(x):
        z = x * 1.0
        return f(x, z), z

    return step


WRITTEN = {
    "out": lambda x, z: np.add(x, z, out=z),
    "out by position": lambda x, z: np.tanh(z, z),
    "out in a tuple": lambda x, z: np.exp(x, out=(z,)),
    "out of what is written": lambda x, z: np.multiply(z, z + 1, out=z),
    "out where": lambda x, z: np.sqrt(abs(x), out=z, where=x > 0),
    "out spread": lambda x, z: np.add(x[0], 1, out=z),
    "out of a clip": lambda x, z: z.clip(0, 2, out=z),
    "its name": lambda x, z: np.add(x, 1, out=z) is z,
    "copyto": lambda x, z: np.copyto(z, x[0]),
    "copyto where": lambda x, z: np.copyto(z, 0.0, where=x > 2),
    "putmask": lambda x, z: np.putmask(z, x > 2, 10 * x),
    "fill": lambda x, z: z.fill(np.sum(x)),
    "diagonal": lambda x, z: np.fill_diagonal(z, 5.0),
    "sort": lambda x, z: z.sort(),
    "sort down": lambda x, z: z.sort(axis=0),
    "flat": lambda x, z: [z.flat[1], z.flat[:2], len(z.flat), sum(z.flat)],
    "flat set": lambda x, z: z.flat.__setitem__(1, 9.0),
    "flat slice": lambda x, z: z.flat.__setitem__(slice(2), x.flat[2:4]),
    "masked": lambda x, z: z.__setitem__(x > 2, 5 * x[x > 2]),
    "masked rows": lambda x, z: z.__setitem__(x[:, 0] > 1, x[0]),
    "masked number": lambda x, z: z.__setitem__(x[:, 0] > 1, 7.0),
    "masked rows of many": lambda x, z: z.__setitem__(x[:, 0] > 1, 2 * x[x[:, 0] > 1]),
    "float32": lambda x, z: np.add(x, 1, out=z.astype(np.float32)),
}


def masked_in_place(x):
    z = x * 1.0
    z[x > 2] += 1
    z[z > 2] *= x[z > 2]
    return z


def whole_numbers(x):
    n = (2 * x).astype(int)
    k, m = n.copy(), n.copy()
    n[0] = x[1]
    n[n > 2] = 1.7 * x[n > 2]
    k.fill(2.7)
    np.copyto(m, x / 3, casting="unsafe")
    return n, k, m, np.multiply(x, 1.5, out=(x > 0).astype(int), casting="unsafe")


def into_one_like_it(x):
    total, other, ones = np.zeros_like(x), np.full_like(x, 2.0), np.ones_like(x)
    total[1:] = x[:1]
    total[0] += np.divide(x[1], x[0], out=other[0].copy(), where=x[0] != 0)
    other *= x
    return total, other, ones, np.sqrt(abs(x), out=np.empty_like(x)), np.meshgrid(x[0], x[1], copy=False)


def flattened(found):
    for y in found if isinstance(found, (list, tuple)) else [found]:
        yield from flattened(y) if isinstance(y, (list, tuple)) else [y]


@pytest.mark.parametrize("executor", available_executors())
def test_what_is_written_is_what_numpy_writes(executor):
    steps = [*map(made_by, WRITTEN.values()), masked_in_place, whole_numbers, into_one_like_it]
    names = [*WRITTEN, "in place", "whole numbers", "like it"]

    def step(x):
        return [f(x) for f in steps]

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for x in (np.array([[1.0, 5, 3], [4, 0.5, -1]]), np.array([[-1.0, 2, 7], [3, 3, 2.5]]), -np.ones((2, 3))):
        for name, got, wanted in zip(names, compiled(x), step(x), strict=True):
            for a, b in zip(flattened(got), flattened(wanted), strict=True):
                assert (type(a), np.shape(a)) == (type(b), np.shape(b)), name
                assert getattr(a, "dtype", None) == getattr(b, "dtype", None), name
                np.testing.assert_allclose(a if b is not None else 0, b if b is not None else 0, err_msg=name)


UNFIT = {
    "out": lambda x: np.multiply(x, 1.5, out=x.astype(int)),
    "copyto": lambda x: np.copyto(x.astype(int), x),
    "copyto of a number": lambda x: np.copyto(x.astype(int), 1.5),
    "safely": lambda x: np.copyto(x.astype(np.float32), x, casting="safe"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_numpy_does_not_cast_is_not_cast(name):
    for f in (UNFIT[name], clearprop.compile(UNFIT[name])):
        with pytest.raises(TypeError, match="cast"):
            f(np.ones(3))


def into_an_argument(x):
    np.add(x, 1, out=x)


def into_a_view(x):
    z = x * 1.0
    row = z[0]
    np.copyto(row, 1.0)


def of_another_dtype(x):
    np.sum(x, axis=0, out=np.zeros_like(x[0], dtype=np.float32))


def over_and_over(x):
    z = x * 1.0
    np.putmask(z, z > 0, x[0])


@pytest.mark.parametrize("f", [into_an_argument, into_a_view, of_another_dtype, over_and_over])
def test_what_others_see_or_no_store_does_is_refused(f):
    with pytest.raises(RecordingError, match=r"(?s)changes an array in place.*test_writing.*\n  Try "):
        clearprop.compile(f)(np.ones((2, 3)))
