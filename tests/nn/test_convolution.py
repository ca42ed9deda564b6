"""Convolution, pooling, margins and resampling: what they refuse, how they start, cases others got wrong."""

import numpy as np
import pytest

from clearprop import Tensor, compile, draw, gradcheck, manual_seed, nn, optim, trace
from clearprop.nn import functional as F

NAN, INF = np.nan, np.inf


# --- cases that reports of faults of other libraries have collected -----------------------------------------
@pytest.mark.parametrize(
    ("x", "args", "expected"),
    [  # a window must begin within the array or its left margin, and a margin is never the largest
        (
            np.arange(42.0).reshape(6, 7),
            (1, 2, 0, 1, True),
            [[0, 2, 4, 6], [14, 16, 18, 20], [28, 30, 32, 34]],
        ),
        ([[-1.0, -2, -3, -4, -5]], ((1, 2), 2, (0, 1), 1, True), [[-1.0, -2, -4]]),
        ([[-1.0, -2, -3, -4, -5]], ((1, 2), 2, (0, 1), 1, False), [[-1.0, -2, -4]]),
        ([[-5.0, -7.0]], ((1, 2), 1, (0, 1)), [[-5.0, -5.0, -7.0]]),
        ([[1.0, NAN, 2, 3, NAN, NAN]], ((1, 2),), [[NAN, 3, NAN]]),
        ([[-INF, -INF, INF, NAN]], ((1, 2),), [[-INF, NAN]]),
        ([[7.0]], ((1, 2), 1, (0, 1), (1, 2)), [[-INF]]),  # two margins and nothing between
    ],
)
def test_the_largest_of_each_window(x, args, expected):
    z = F.max_pool2d(np.array(x)[None, None], *args)

    np.testing.assert_array_equal(z[0, 0], expected)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_the_largest_of_whole_numbers_keeps_their_dtype(dtype):
    z, where = F.max_pool1d(np.array([[[3, 1, 0, 2]]], dtype), 2, return_indices=True)

    assert (z.dtype, z.tolist(), where.tolist()) == (dtype, [[[3, 2]]], [[[0, 3]]])


def test_a_window_of_zeros_has_norm_zero_and_gradient_zero():
    x = Tensor([[[0.0, 0.0, 3.0, 4.0]]])
    F.lp_pool1d(x, 2, 2).sum().backward()

    np.testing.assert_allclose(x.grad, [[[0.0, 0.0, 0.6, 0.8]]], rtol=1e-15)


@pytest.mark.parametrize("groups", [1, 2, 24])
def test_the_last_row_and_column_reach_a_depthwise_kernel(groups):
    w = Tensor(np.ones((24, 24 // groups, 3, 3)))
    F.conv2d(np.ones((1, 24, 6, 6)), w, stride=2, padding=1, groups=groups).sum().backward()

    expected = np.array([[4.0, 6, 6], [6, 9, 9], [6, 9, 9]])
    np.testing.assert_array_equal(w.grad, np.broadcast_to(expected, w.shape))


def test_an_output_size_chooses_the_output_padding_with_the_dilation_in_mind():
    layer = nn.ConvTranspose1d(1, 1, 3, stride=2, dilation=2, bias=False).double()
    layer.load_state_dict({"weight": [[[1.0, 10.0, 100.0]]]})
    x = np.array([[[1.0, 2.0, 3.0, 4.0]]])

    z = layer(x, output_size=[12])
    np.testing.assert_array_equal(z.value[0, 0], [1, 0, 12, 0, 123, 0, 234, 0, 340, 0, 400, 0])
    assert layer(x, output_size=(1, 1, 11)).shape == (1, 1, 11)
    with pytest.raises(ValueError, match=r"wants an output_size from \(11,\) to \(12,\): \(13,\)"):
        layer(x, output_size=(13,))


@pytest.mark.parametrize(
    ("kernel", "dilation", "expected"),
    [
        ([1.0, 10], 1, [21, 32, 43, 4]),
        ([1.0, 10], 2, [20, 31, 42, 3]),
        ([1.0, 10, 100, 0], 1, [210, 321, 432, 43]),
    ],
)
def test_same_with_an_even_kernel_has_the_odd_zero_on_the_right(kernel, dilation, expected):
    z = F.conv1d(np.array([[[1.0, 2, 3, 4]]]), np.array([[kernel]]), padding="same", dilation=dilation)

    np.testing.assert_array_equal(z[0, 0], expected)


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
def test_of_entries_with_one_place_the_last_is_written_and_receives_the_gradient(executor):
    def step(v):
        v = Tensor(v)
        y = F.max_unpool1d(v, np.array([[[1, 1, 3]]]), 3, 1, output_size=[5])
        (y * np.arange(1.0, 6.0)).sum().backward()
        return y, v.grad

    y, slope = (compile(step, executor=executor) if executor else step)(np.array([[[7.0, 5.0, 2.0]]]))
    np.testing.assert_array_equal(y.numpy(), [[[0, 5, 0, 2, 0]]])
    np.testing.assert_array_equal(slope, [[[0, 2, 4]]])


# --- refused, each in five parts ----------------------------------------------------------------------------
ONES = {n: np.ones((2, 4, *(5,) * n)) for n in (1, 2, 3)}
KERNEL = np.ones((6, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.Conv2d(3, 8, 0), r"Conv2d\(...\): wants kernel_size as a whole number, 1 or more, or 2 of them: 0"),
        (lambda: nn.Conv2d(3, 8, 3, stride=0), "wants stride as a whole number, 1 or more"),
        (lambda: nn.Conv2d(3, 8, 3, padding=-1), "wants padding as a whole number, 0 or more"),
        (lambda: nn.Conv2d(3, 8, (3, 3, 3)), "or 2 of them"),
        (lambda: nn.Conv2d(0, 8, 3), "wants in_channels as a whole number, 1 or more"),
        (lambda: nn.Conv2d(3, 8, 3, groups=2), "wants in_channels that can be cut into 2 groups: 3"),
        (lambda: nn.Conv2d(4, 7, 3, groups=2), "wants out_channels that can be cut into 2 groups: 7"),
        (lambda: nn.Conv2d(4, 4, 3, groups=0), "cut into 0 groups"),
        (lambda: nn.Conv2d(3, 8, 3, padding="full"), "wants padding as numbers, 'valid' or 'same': 'full'"),
        (lambda: nn.Conv2d(3, 8, 3, padding="same", stride=2), 'wants stride 1 for padding="same"'),
        (lambda: nn.Conv2d(3, 8, 3, padding_mode="mirror"), "wants a padding_mode of zeros, reflect, replicate, circular"),
        (lambda: nn.ConvTranspose2d(3, 8, 3, padding_mode="reflect"), "has margins of zeros alone"),
        (lambda: nn.Conv2d(3, 8, 3)(ONES[2]), r"wants 3 channels along axis 1 of x: x is \(2, 4, 5, 5\)"),
        (lambda: nn.Conv2d(5, 8, 3)(np.ones((2, 6, 6, 5))), r"Try x.transpose\(0, 3, 1, 2\), for channels come first"),
        (lambda: nn.Conv2d(4, 8, 3)(ONES[1][0]), r"wants x of shape \(batch, channels, height, width\)"),
        (lambda: nn.Conv2d(1, 8, 3)(np.ones((5, 5))), r"Try x\[:, None\] for images of one channel"),
        (lambda: nn.Conv2d(4, 8, 6)(ONES[2]), r"no smaller than the kernel, \(6, 6\): \(5, 5\)"),
        (lambda: nn.Conv2d(4, 8, 3, dilation=3)(ONES[2]), r"no smaller than the kernel, \(7, 7\)"),
        (lambda: F.conv2d(ONES[2], KERNEL[0]), "wants a weight of 4 axes"),
        (lambda: F.conv2d(ONES[2], KERNEL, np.ones(5)), "wants a bias for each of 6 units"),
        (lambda: F.conv2d(ONES[2], np.ones((5, 2, 3, 3)), groups=2), "that can be cut into groups: 4 and 5 into 2"),
        (lambda: F.conv_transpose2d(ONES[2], np.ones((4, 2, 3, 3)), output_padding=1), "wants output_padding below the stride"),
        (lambda: F.conv_transpose1d(ONES[1], np.ones((4, 2, 1)), padding=3), "wants a result with entries"),
        (lambda: F.max_pool1d(np.ones((1, 1, 4)), 3, 3, padding=2), "wants padding of at most 1, half the window"),
        (lambda: F.avg_pool2d(ONES[2], 2, padding=2), "wants padding of at most 1, half the window"),
        (lambda: F.max_pool2d(ONES[2], 6), "wants x, with its margins, no smaller than the window, 6: 5"),
        (lambda: F.max_pool2d(ONES[2], 2, 0), "wants stride as a whole number, 1 or more"),
        (lambda: F.avg_pool2d(ONES[2], 2, divisor_override=0), "wants a divisor_override other than 0"),
        (lambda: F.lp_pool2d(ONES[2], 0, 2), "wants a norm_type above 0 and finite"),
        (lambda: F.adaptive_avg_pool2d(ONES[2], (1, 2, 3)), "wants output_size as a whole number, 0 or more, or 2 of them"),
        (lambda: F.max_unpool1d(np.ones((1, 1, 2)), np.array([[[0, 4]]]), 2), "wants places from 0 to 3: 4"),
        (lambda: F.max_unpool1d(np.ones((1, 1, 2)), np.array([[[0, -1]]]), 2), "wants places from 0 to 3: -1"),
        (lambda: F.max_unpool1d(np.ones((1, 1, 2)), np.array([[[0]]]), 2), "wants a whole number for each entry of x"),
        (lambda: F.max_unpool1d(np.ones((1, 1, 2)), np.array([[[0, 1]]]), 2, output_size=[7]), "less than a stride"),
        (lambda: F.fractional_max_pool2d(ONES[2], 2), "wants output_size or output_ratio"),
        (lambda: F.fractional_max_pool2d(ONES[2], 3, 4), r"wants room for \(4, 4\) windows of \(3, 3\)"),
        (lambda: F.pad(ONES[1], (1,)), r"wants \(before, after\) for each padded axis"),
        (lambda: F.pad(ONES[1], (1, 1), "mirror"), "wants a mode of constant, reflect, replicate, circular"),
        (lambda: F.pad(ONES[1], (5, 0), "reflect"), "wants margins of at most 4 along axis 2, which has 5 entries"),
        (lambda: F.pad(ONES[1], (6, 0), "circular"), "wants margins of at most 5 along axis 2"),
        (lambda: F.pad(ONES[1], (-3, -3)), "wants more entries along axis 2 than are cut off"),
        (lambda: nn.ZeroPad2d((1, 2, 3)), "wants one number, or 4"),
        (lambda: nn.ReflectionPad2d(1)(np.ones((5, 5))), r"wants \(batch, channels, height, width\), or no batch"),
        (lambda: F.unfold(ONES[3], 2), r"wants x of shape \(batch, channels, height, width\)"),
        (lambda: F.unfold(ONES[2], 6), "a window reaches over 6 entries, axis 2 has 5"),
        (lambda: F.fold(np.ones((1, 4, 3)), (2, 3), 2), r"wants \(batch, channels \* 4, 2 windows\)"),
        (lambda: F.interpolate(ONES[2], 3, mode="linear"), "wants a mode for 2 axes: nearest"),
        (lambda: F.interpolate(ONES[2]), "wants size or scale_factor"),
        (lambda: F.interpolate(ONES[2], 3, 2.0), "wants size or scale_factor"),
        (lambda: F.interpolate(ONES[2], scale_factor=-1.0), "wants a scale_factor above 0"),
        (lambda: F.interpolate(ONES[2], 3, align_corners=True), "has no align_corners"),
        (lambda: F.interpolate(ONES[2], 3, antialias=True), "has no antialias"),
        (lambda: F.grid_sample(ONES[2], np.ones((2, 3, 3, 3))), "as many places for each as it has lengths"),
        (lambda: F.grid_sample(ONES[3], np.ones((2, 3, 3, 3, 3)), "bicubic"), "bicubic for two axes"),
        (lambda: F.grid_sample(ONES[2], np.ones((2, 3, 3, 2)), padding_mode="wrap"), "wants a padding_mode of zeros, border"),
        (lambda: F.affine_grid(np.ones((2, 3, 3)), (2, 1, 4, 4)), r"wants theta of shape \(2, 2, 3\)"),
        (lambda: F.pixel_shuffle(np.ones((1, 6, 2, 2)), 2), "with a multiple of 4 channels"),
        (lambda: F.pixel_unshuffle(np.ones((1, 6, 3, 2)), 2), "multiples of 2"),
        (lambda: F.channel_shuffle(np.ones((1, 6, 3)), 4), "wants a multiple of 4 channels"),
    ],
)  # fmt: skip
def test_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize("size", [2.5, "3", None, True, [1.5, 2]])
def test_a_size_is_a_whole_number(size):
    with pytest.raises((TypeError, ValueError), match="wants kernel_size as a whole number"):
        nn.MaxPool2d(size)(ONES[2])


# --- the rest -----------------------------------------------------------------------------------------------
def test_weights_start_where_pytorchs_do():
    manual_seed(0)
    for layer, fan in ((nn.Conv2d(8, 64, 3, groups=2), 36), (nn.ConvTranspose1d(8, 64, 4), 256)):
        for numbers in (layer.weight.value, layer.bias.value):
            assert abs(numbers).max() <= 1 / np.sqrt(fan)
            assert numbers.std() == pytest.approx(1 / np.sqrt(3 * fan), rel=0.25)


def test_a_layer_shows_what_it_was_made_with():
    shown = repr(nn.Conv2d(3, 8, 3, 2, 1, bias=False))

    assert shown.startswith("Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)")
    assert repr(nn.MaxPool2d(2)).startswith("MaxPool2d(kernel_size=2, stride=2, padding=0")


@pytest.mark.parametrize("batch", [0, 1])
def test_a_batch_may_be_empty(batch):
    x = Tensor(np.ones((batch, 4, 6, 6), np.float32))
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )
    z = model(x)
    z.backward(np.ones(z.shape, np.float32))

    assert z.shape == (batch, 32)
    assert x.grad.shape == x.shape
    assert model[0].weight.grad.shape == (8, 4, 3, 3)


def test_arrays_that_are_not_contiguous_and_of_another_dtype():
    x = np.random.default_rng(0).normal(size=(7, 6, 3, 2))
    turned = x.transpose(3, 2, 1, 0)[..., ::-1]
    layer = nn.Conv2d(3, 4, 3)

    np.testing.assert_allclose(
        layer(turned).value, layer(np.ascontiguousarray(turned, np.float32)).value, rtol=1e-5
    )
    assert layer(turned).dtype == np.float32


def test_second_order_of_places_and_entries_together():
    rng = np.random.default_rng(1)
    x, grid = rng.normal(size=(1, 2, 3, 4)), rng.uniform(-0.9, 0.9, (1, 1, 3, 2))
    for mode, channels in (("bilinear", 2), ("bicubic", 1)):
        x = x[:, :channels]
        assert gradcheck(lambda x, g, mode=mode: F.grid_sample(x, g, mode), x, grid, order=2).ok


def net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
    )  # fmt: skip


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_a_small_net_trains_alike_eager_and_compiled(executor):
    x = np.random.default_rng(0).normal(size=(8, 1, 8, 8)).astype(np.float32)
    y = np.arange(8) % 3
    losses = []
    for compiled in (False, True):
        manual_seed(0)
        model = net()
        optimizer = optim.AdamW(model.parameters(), lr=0.01)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step, executor=executor) if compiled else step
        losses.append([float(run(x, y)) for _ in range(12)])

    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-4)
    assert losses[0][-1] < 0.6 * losses[0][0]


def test_a_small_net_is_drawn_and_stepped():
    manual_seed(0)
    model = net()
    loss = F.cross_entropy(model(np.ones((2, 1, 8, 8), np.float32)), np.array([0, 2]))
    drawn, stepped = draw(loss).to_text(200), trace(loss).to_text()

    assert "Convolution frame=3x3 margin 1x1" in drawn
    assert "Window max frame=2x2 step 2x2" in drawn
    assert "convolution_kernel(" in stepped
    assert "winners_share(" in stepped


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool])
def test_whole_numbers_are_resized_and_pooled_as_numbers(kind):
    x = (np.arange(2 * 5 * 5).reshape(1, 2, 5, 5) % 7).astype(kind)
    for f in (
        lambda x: F.interpolate(x, size=(7, 8), mode="bilinear"),
        lambda x: F.interpolate(x, size=(7, 8), mode="bicubic"),
        lambda x: F.interpolate(x, size=(3, 3), mode="bilinear", antialias=True),
        lambda x: F.interpolate(x, size=(3, 3), mode="area"),
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    ):
        np.testing.assert_allclose(f(x), f(x.astype(np.float64)))
    assert F.interpolate(x, scale_factor=2).dtype == kind
