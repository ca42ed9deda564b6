"""Windows beside loops over them: the view, its transpose, sums and maxima, and the block-wise products."""

import itertools
import tracemalloc

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from clearprop import Tensor, grad, gradcheck
from clearprop.ops import convolution as chapter
from clearprop.ops.window import Frame
from clearprop.registry import ops

rng = np.random.default_rng(0)

# Lengths and frames: overlapping, apart, dilated, with a rest, margins wider than a step.
FRAMES = [
    ((7,), Frame((3,), (1,), (1,), ((0, 0),))),
    ((7,), Frame((2,), (3,), (1,), ((0, 0),))),
    ((8,), Frame((3,), (2,), (2,), ((0, 0),))),
    ((5,), Frame((1,), (4,), (1,), ((0, 0),))),
    ((5,), Frame((3,), (2,), (1,), ((2, 3),))),
    ((1,), Frame((2,), (1,), (4,), ((2, 2),))),
    ((5, 6), Frame((2, 3), (2, 1), (1, 2), ((1, 0), (0, 2)))),
    ((3, 4, 3), Frame((2, 2, 1), (1, 2, 1), (2, 1, 1), ((0, 0), (1, 1), (0, 1)))),
]


def places(lengths, frame):
    """Yield every window, every offset in it and the entry there (None beyond the ends): plain loops."""
    counts = [
        len(range(0, n + a + b - d * (k - 1), s))
        for n, k, s, d, (a, b) in zip(
            lengths, frame.sizes, frame.steps, frame.dilations, frame.margins, strict=True
        )
    ]
    for window in np.ndindex(*counts):
        for offset in np.ndindex(*frame.sizes):
            at = tuple(
                i * s + k * d - m[0]
                for i, k, s, d, m in zip(
                    window, offset, frame.steps, frame.dilations, frame.margins, strict=True
                )
            )
            inside = all(0 <= a < n for a, n in zip(at, lengths, strict=True))
            yield window, offset, at if inside else None


@pytest.mark.parametrize(("lengths", "frame"), FRAMES, ids=str)
def test_every_tap_is_where_a_loop_finds_it(lengths, frame):
    number = np.arange(1, np.prod(lengths) + 1).reshape(lengths)
    counts = frame.counts(lengths)
    found = np.zeros((*counts, *frame.sizes), int)
    for tap in frame.taps(lengths, counts):
        found[(*tap.windows, *tap.offset)] = number[tap.entries]

    expected = np.zeros_like(found)
    for window, offset, at in places(lengths, frame):
        expected[(*window, *offset)] = 0 if at is None else number[at]

    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("lengths", "frame"), FRAMES, ids=str)
def test_sums_maxima_and_places_of_maxima(lengths, frame):
    x = rng.permutation(np.prod(lengths)).reshape(lengths).astype(float) - 5
    entries = {}
    for window, _, at in places(lengths, frame):
        entries.setdefault(window, []).extend([] if at is None else [(x[at], at)])

    sums, largest, where = (
        ops[name](x, frame=frame) for name in ("window_sum", "window_max", "window_argmax")
    )
    for window, seen in entries.items():
        assert sums[window] == sum(value for value, _ in seen)
        assert largest[window] == max((value for value, _ in seen), default=-np.inf)
        if seen:
            assert np.unravel_index(where[window], lengths) == max(seen)[1]


@pytest.mark.parametrize(("lengths", "frame"), FRAMES, ids=str)
@pytest.mark.parametrize(("groups", "units"), [(1, 6), (2, 6), (4, 4), (4, 8)])
def test_convolutions_are_the_sum_of_their_definition(monkeypatch, lengths, frame, groups, units):
    monkeypatch.setattr(chapter, "FEW", 1)  # many small blocks: of single rows
    monkeypatch.setattr(chapter, "MANY", 9)
    x, w = rng.normal(size=(3, 4, *lengths)), rng.normal(size=(units, 4 // groups, *frame.sizes))
    y = rng.normal(size=(3, units, *frame.counts(lengths)))
    expected = [np.zeros_like(a) for a in (y, x, w)]
    for window, offset, at in places(lengths, frame):
        if at is not None:
            for o, c in itertools.product(range(units), range(4 // groups)):
                inside = (slice(None), o // (units // groups) * (4 // groups) + c, *at)
                unit, weight = (slice(None), o, *window), (o, c, *offset)
                expected[0][unit] += x[inside] * w[weight]
                expected[1][inside] += y[unit] * w[weight]
                expected[2][weight] += y[unit] @ x[inside]

    how = {"frame": frame, "groups": groups}
    np.testing.assert_allclose(ops["convolution"](x, w, **how), expected[0], atol=1e-12)
    np.testing.assert_allclose(
        ops["transposed_convolution"](y, w, lengths=lengths, **how), expected[1], atol=1e-12
    )
    np.testing.assert_allclose(ops["convolution_kernel"](x, y, **how), expected[2], atol=1e-12)


def test_a_product_of_windows_takes_less_memory_than_twice_what_comes_in_and_goes_out():
    frame = Frame((3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)))
    for batch, channels, length in ((8, 32, 32), (1, 16, 96), (32, 64, 8)):
        x = np.ones((batch, channels, length, length), np.float32)
        w = np.ones((channels, channels, 3, 3), np.float32)
        how = {"lengths": (length, length), "frame": frame}
        for call in (
            lambda x=x, w=w: ops["convolution"](x, w, frame=frame),
            lambda x=x, w=w, how=how: ops["transposed_convolution"](x, w, **how),
            lambda x=x: ops["convolution_kernel"](x, x, frame=frame),
        ):
            tracemalloc.start()
            call()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 2 * (2 * x.nbytes)


def test_fold_is_the_transpose_of_windows_and_leaves_what_no_window_reaches_at_zero():
    how = {"axes": (1, 0), "steps": (4, 1), "dilations": (1, 2)}
    x = rng.normal(size=(6, 11))
    seen = ops["windows"](x, sizes=(3, 2), **how)
    y = rng.normal(size=seen.shape)
    back = ops["fold"](y, lengths=(11, 6), **how)

    assert not seen.flags.writeable
    assert np.sum(seen * y) == pytest.approx(np.sum(x * back))
    assert not back[:, 3].any()
    assert back.shape == x.shape


def test_windows_and_fold_say_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r"windows\(\(3,\) float64\): a window reaches over 5 entries, axis 0 has 3"
    ):
        ops["windows"](np.ones(3), axes=(0,), sizes=(3,), steps=(1,), dilations=(2,))
    with pytest.raises(
        ValueError, match=r"fold\(\(3, 2\) float64\): wants a length of 4 or more, not 2, for axis 0"
    ):
        ops["fold"](np.ones((3, 2)), axes=(0,), lengths=(2,), steps=(1,), dilations=(1,))


@pytest.mark.parametrize(
    ("shape", "window", "axis"), [((5,), 2, None), ((3, 4), (2, 2), (1, 0)), ((6,), (2, 3), (0, 0))]
)
def test_a_sliding_view_of_a_tensor_is_numpys_and_has_gradients_of_any_order(shape, window, axis):
    x = rng.normal(size=shape)
    np.testing.assert_array_equal(
        sliding_window_view(Tensor(x), window, axis).value, sliding_window_view(x, window, axis)
    )
    assert gradcheck(lambda x: np.sin(sliding_window_view(x, window, axis)), x, order=2).ok


def test_third_derivatives_of_a_convolution():
    frame = Frame((2,), (1,), (1,), ((1, 0),))
    w = Tensor([[[2.0, -1.0]]], requires_grad=False)

    def f(x):
        return np.sum(ops["convolution"](x.reshape((1, 1, 3)), w, frame=frame) ** 4)

    x = np.array([0.5, -1.0, 2.0])
    third = grad(lambda x: np.sum(grad(lambda x: np.sum(grad(f)(x)))(x)))(x)
    z, dz = (
        np.array([-0.5, 2.0, -4.0]),
        np.array([-1.0, 1.0, 1.0]),
    )  # z = 2 x[i-1] - x[i], dz its slope along (1, 1, 1)
    expected = 24 * z * dz**2
    np.testing.assert_allclose(
        third, np.array([-expected[0] + 2 * expected[1], -expected[1] + 2 * expected[2], -expected[2]])
    )


def test_a_maximum_keeps_nan_and_shares_among_equals():
    pairs = Frame((2,), (2,), (1,), ((0, 0),))
    x = Tensor([1.0, np.nan, 2.0, 2.0, 0.0, 3.0])
    z = ops["window_max"](x, frame=pairs)
    z.backward(np.array([1.0, 1.0, 1.0]))

    np.testing.assert_array_equal(z.value, [np.nan, 2.0, 3.0])
    np.testing.assert_array_equal(x.grad, [0.0, 1.0, 0.5, 0.5, 0.0, 1.0])
    np.testing.assert_array_equal(ops["window_argmax"](x.value, frame=pairs), [1, 2, 5])


def test_a_frame_says_itself_in_a_word():
    assert str(Frame((3, 3), (1, 1), (1, 1), ((0, 0), (0, 0)))) == "3x3"
    assert str(Frame((3,), (2,), (4,), ((1, 0),))) == "3 step 2 dilation 4 margin ((1, 0),)"
