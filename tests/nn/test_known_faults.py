"""Values that layers and losses elsewhere once had wrong, eager and compiled: by hand, or in closed form."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, compile, nn
from clearprop.nn import functional as F

NAN, INF = np.nan, np.inf


def column(*numbers):
    return np.array(numbers, float)[:, None]


def slope(f, *fixed):
    """Return the gradient of the sum of f by its first argument, as a function."""

    def gradient(x):
        t = Tensor(x)
        f(t, *fixed).sum().backward()
        return t.grad

    return gradient


def both(f):
    """Return the value and the gradient, as a function."""

    def found(x):
        t = Tensor(x)
        z = f(t)
        z.sum().backward()
        return z, t.grad

    return found


GRID = np.arange(42.0).reshape(1, 1, 6, 7)
ROWS, OFFSETS = np.array([0, 1, 2]), np.array([0, 2, 2, 3])
TABLE = column(-1, -2, -3)
LOGITS = np.array([[1.0, 2.0], [3.0, 4.0]])
IGNORED = np.array([-100, -100])
SEEN = np.array([[True, False], [False, False]])
KEYS, VALUES = np.array([[0.5, 1], [-1, 2]]), np.array([[1.0, 2], [3, 5]])
THREE = np.log([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.25, 0.5, 0.25]])[:, None]
KEPT = np.array([3] * 769 + [1])


def alone(text, zero=False):
    return lambda x: F.ctc_loss(
        clearprop.log_softmax(x, -1), text, [2], [2], reduction="sum", zero_infinity=zero
    )


DOUBLED = np.array([[1, 1]])
CASES = [
    (
        "a window wholly outside",
        lambda x: F.max_pool2d(x, 1, 2, 0, ceil_mode=True),
        GRID,
        GRID[:, :, ::2, ::2],
    ),
    (
        "a window that starts in the margin",
        lambda x: F.max_pool1d(x, 2, 2, 1, ceil_mode=True),
        -np.arange(1.0, 6)[None, None],
        [[[-1.0, -2, -4]]],
    ),
    (
        "NaN among the largest",
        lambda x: F.max_pool1d(x, 2, 2),
        np.array([[[1, NAN, 2, 3, NAN, NAN]]]),
        [[[NAN, 3, NAN]]],
    ),
    (
        "a window of zeros under a norm",
        slope(lambda x: F.lp_pool1d(x, 2, 2)),
        np.array([[[0.0, 0, 3, 4]]]),
        [[[0, 0, 0.6, 0.8]]],
    ),
    (
        "the odd zero of an even kernel is on the right",
        lambda x: F.conv1d(x, np.array([[[1.0, 10]]]), padding="same"),
        np.array([[[1.0, 2, 3, 4]]]),
        [[[21.0, 32, 43, 4]]],
    ),
    (
        "groups of several channels of one pixel",
        lambda x: F.group_norm(x, 2),
        np.array([1.0, 3, 10, 20]).reshape(1, 4, 1, 1),
        np.array(
            [-1 / np.sqrt(1 + 1e-5), 1 / np.sqrt(1 + 1e-5), -5 / np.sqrt(25 + 1e-5), 5 / np.sqrt(25 + 1e-5)]
        ).reshape(1, 4, 1, 1),
    ),
    (
        "eps of the computed type",
        lambda x: F.rms_norm(x, (2,)),
        np.array([[3e-9, 4e-9]]),
        np.array([[3e-9, 4e-9]]) / np.sqrt(12.5e-18 + np.finfo(float).eps),
    ),
    (
        "one entry has no spread, however large its weight",
        lambda x: F.layer_norm(x, (1,), np.array([1e17]), np.array([-1.0]), 0.1),
        np.array([[-3.0]]),
        [[-1.0]],
    ),
    (
        "eps inside the root",
        slope(lambda x: F.layer_norm(x, (3,)) * np.array([[1.0, 0, 0]])),
        np.full((1, 3), 2.0),
        np.array([[2.0, -1, -1]]) / 3 / np.sqrt(1e-5),
    ),
    (
        "a constant row far from 0",
        lambda x: F.layer_norm(x, (4,)),
        np.full((1, 4), 1234.5678, np.float32),
        np.zeros((1, 4), np.float32),
    ),
    (
        "a row that varies by little far from 0",
        lambda x: F.layer_norm(x, (4,)),
        (80000 + np.arange(4.0, dtype=np.float32))[None],
        (np.arange(4.0, dtype=np.float32) - 1.5)[None] / np.float32(np.sqrt(1.25 + 1e-5)),
    ),
    (
        "the padding row of many lookups",
        slope(lambda w: F.embedding(KEPT, w, padding_idx=-1)),
        np.ones((4, 2)),
        [[0.0, 0], [1, 1], [0, 0], [0, 0]],
    ),
    (
        "the mean of an empty bag",
        lambda w: F.embedding_bag(ROWS, w, OFFSETS, mode="mean"),
        TABLE,
        column(-1.5, 0, -3, 0),
    ),
    (
        "the largest of an empty bag",
        lambda w: F.embedding_bag(ROWS, w, OFFSETS, mode="max"),
        TABLE,
        column(-1, 0, -3, 0),
    ),
    (
        "the sum of an empty bag",
        lambda w: F.embedding_bag(ROWS, w, OFFSETS, mode="sum"),
        TABLE,
        column(-3, 0, -3, 0),
    ),
    (
        "gradients by how often a row was read",
        slope(lambda w: F.embedding(np.array([1, 1, 1, 2]), w, scale_grad_by_freq=True) * column(1, 2, 6, 5)),
        np.zeros((3, 1)),
        column(0, 3, 5),
    ),
    (
        "a query that may look at nothing",
        both(lambda q: F.scaled_dot_product_attention(q, KEYS, VALUES, attn_mask=SEEN)),
        np.array([[1.0, 2], [3, 4]]),
        ([[1.0, 2], [0, 0]], np.zeros((2, 2))),
    ),
    (
        "causal begins at the first key",
        lambda q: F.scaled_dot_product_attention(
            q,
            np.array([[1.0, 0], [0, 1], [1, 1]]),
            np.array([[1.0, 2], [10, 20], [100, 200]]),
            is_causal=True,
        ),
        np.array([[1.0, 0]]),
        [[1.0, 2]],
    ),
    (
        "all targets ignored, added up",
        both(lambda x: F.cross_entropy(x, IGNORED, reduction="sum")),
        LOGITS,
        (0.0, np.zeros((2, 2))),
    ),
    (
        "all targets ignored, one by one",
        lambda x: F.cross_entropy(x, IGNORED, reduction="none"),
        LOGITS,
        [0, 0],
    ),
    (
        "all targets ignored, on average",
        both(lambda x: F.cross_entropy(x, IGNORED)),
        LOGITS,
        (NAN, np.zeros((2, 2))),
    ),
    ("a text longer than its frames allow", alone(DOUBLED), np.zeros((2, 1, 3)), INF),
    (
        "that, left out",
        both(alone(DOUBLED, zero=True)),
        np.zeros((2, 1, 3)),
        (0.0, np.zeros((2, 1, 3))),
    ),
    (
        "a target probability of 0",
        both(lambda x: F.kl_div(x, np.array([[0, 0.4, 0.6]]), reduction="batchmean")),
        np.log([[0.2, 0.3, 0.5]]),
        (0.4 * np.log(4 / 3) + 0.6 * np.log(1.2), [[0, -0.4, -0.6]]),
    ),
    (
        "eps is a floor of the variance",
        lambda v: F.gaussian_nll_loss(np.zeros(2), np.zeros(2), v, eps=1.0, reduction="none"),
        np.array([4.0, 0.25]),
        [np.log(4) / 2, 0],
    ),
    (
        "the whole of a Gaussian's density",
        lambda v: F.gaussian_nll_loss(np.zeros(2), np.zeros(2), v, full=True, eps=1.0, reduction="none"),
        np.array([4.0, 0.25]),
        np.array([np.log(4), 0]) / 2 + np.log(2 * np.pi) / 2,
    ),
    (
        "a probability that is very small",
        slope(lambda x: F.binary_cross_entropy(clearprop.sigmoid(x), np.ones(3), reduction="sum")),
        np.array([-50.0, -10, -300]),
        -1 / (1 + np.exp([-50.0, -10, -300])),
    ),
    (
        "a probability just below 1",
        slope(lambda p: F.binary_cross_entropy(p, np.zeros(1), reduction="sum")),
        np.array([1 - 2.0**-53]),
        [2.0**53],
    ),
    (
        "a logit far on the wrong side of a label",
        both(lambda x: F.multilabel_soft_margin_loss(x, np.ones((1, 2)))),
        np.array([[-50.0, 800]]),
        (25.0, [[-0.5, 0]]),
    ),
    (
        "an anchor that is its positive",
        slope(lambda a: F.triplet_margin_loss(a, np.array([[1.0, 2]]), np.array([[4.0, 6]]), margin=10.0)),
        np.array([[1.0, 2]]),
        np.array([[3, 4]]) / 5 + 1 / np.sqrt(2),
    ),
    (
        "a class that is masked by its logit",
        both(lambda x: F.cross_entropy(x, np.array([0]))),
        np.array([[0.0, 0, -INF]]),
        (np.log(2), [[-0.5, 0.5, 0]]),
    ),
    (
        "no rows, added up",
        lambda x: F.cross_entropy(x, np.zeros(0, int), reduction="sum"),
        np.zeros((0, 3)),
        0.0,
    ),
]


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
@pytest.mark.parametrize(("f", "x", "wanted"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_right_value(f, x, wanted, executor):
    found = (compile(f, executor=executor) if executor else f)(x)
    found, wanted = (v if isinstance(v, tuple) else (v,) for v in (found, wanted))
    rtol = 1e-5 if x.dtype == np.float32 else 1e-7
    for a, b in zip(found, wanted, strict=True):
        a = a.value if isinstance(a, Tensor) else a
        np.testing.assert_allclose(a, np.asarray(b), rtol=rtol, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.BatchNorm1d(2)(np.array([[1.0, 2.0]])), "more than one number per channel"),
        (lambda: F.group_norm(np.ones((1, 6, 4)), 4), "in 4 groups of one size"),
        (lambda: F.max_pool1d(np.ones((1, 1, 4)), 3, 3, padding=2), "padding of at most 1"),
        (
            lambda: F.cross_entropy(np.zeros((1, 3)), np.array([-4]), ignore_index=-1, reduction="none"),
            "classes from 0 to 2",
        ),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_derivative_of_ctc_is_the_plain_one():
    """By differences: a class that no way of reading passes has 0."""
    x = Tensor(THREE)
    F.ctc_loss(x, np.array([[1]]), [3], [1], reduction="sum").backward()

    np.testing.assert_allclose(x.grad[0, 0], [-14 / 29, -15 / 29, 0], rtol=1e-7)
    assert np.all(x.grad[:, 0, 2] == 0)


def test_unpooling_one_place_twice():
    v = Tensor(np.array([[[7.0, 5.0]]]))
    y = F.max_unpool1d(v, np.array([[[1, 1]]]), 3, 1, output_size=[4])
    y.sum().backward()

    assert np.array_equal(y.value, [[[0, 5, 0, 0]]])
    assert np.array_equal(v.grad, [[[0, 1]]])


def test_output_size_counts_the_dilation():
    layer = nn.ConvTranspose1d(1, 1, 3, stride=2, dilation=2, bias=False)
    layer.load_state_dict({"weight": np.array([[[1.0, 10, 100]]])})
    y = layer(np.array([[[1.0, 2, 3, 4]]]), output_size=[12])

    assert np.array_equal(y.value, [[[1, 0, 12, 0, 123, 0, 234, 0, 340, 0, 400, 0]]])


def test_running_variance_is_the_unbiased_one():
    layer = nn.BatchNorm1d(1).double()
    y = layer(column(1, 2, 4))

    np.testing.assert_allclose(y.value, (column(1, 2, 4) - 7 / 3) / np.sqrt(14 / 9 + 1e-5))
    np.testing.assert_allclose(layer.running_mean.value, [0.7 / 3])
    np.testing.assert_allclose(layer.running_var.value, [0.9 + 0.1 * 7 / 3])
    tracked = layer.state_dict()["num_batches_tracked"]
    assert (tracked.shape, tracked.dtype, tracked) == ((), np.int64, 1)


def test_no_momentum_is_the_plain_mean_of_all_batches():
    layer = nn.BatchNorm1d(1, momentum=None).double()
    for low in (0, 3, 10):
        layer(column(low, low + (4 if low == 10 else 2)))

    np.testing.assert_allclose(layer.running_mean.value, [17 / 3])
    np.testing.assert_allclose(layer.running_var.value, [4])


def test_max_norm_shortens_the_rows_that_were_read():
    w = Tensor(np.array([[3.0, 4], [6, 8], [0.3, 0.4]]))
    y = F.embedding(np.array([0, 0, 2]), w, max_norm=1.0)

    np.testing.assert_allclose(y.value, [[0.6, 0.8], [0.6, 0.8], [0.3, 0.4]], atol=1e-6)
    np.testing.assert_allclose(w.value, [[0.6, 0.8], [6, 8], [0.3, 0.4]], atol=1e-6)


def test_the_way_back_begins_at_the_last_step_of_each_sequence():
    layer = nn.RNN(1, 1, bidirectional=True, batch_first=True).double()
    numbers = {"weight_ih": [[0.7]], "weight_hh": [[-0.4]], "bias_ih": [0.1], "bias_hh": [0.2]}
    layer.load_state_dict(
        {f"{k}_l0{side}": np.array(v) for side in ("", "_reverse") for k, v in numbers.items()}
    )
    x = np.array([[1.0, 0.5, -1], [2, 9, 9]])[:, :, None]
    packed, h = layer(nn.pack_padded_sequence(x, [3, 1], batch_first=True))
    y, _ = nn.pad_packed_sequence(packed, batch_first=True)

    def after(h, x):
        return np.tanh(0.7 * x - 0.4 * h + 0.3)

    last, only = after(0, -1), after(0, 2)
    middle = after(last, 0.5)
    np.testing.assert_allclose(y.value[0, :, 1], [after(middle, 1), middle, last])
    np.testing.assert_allclose(y.value[1], [[only, only], [0, 0], [0, 0]])
    np.testing.assert_allclose(h.value[:, 1, 0], [only, only])


def test_projections_act_in_every_step():
    layer = nn.LSTM(1, 3, proj_size=2)
    shapes = {k: v.shape for k, v in layer.state_dict().items()}
    assert (shapes["weight_hh_l0"], shapes["weight_hr_l0"]) == ((12, 2), (2, 3))
    y, (h, c) = layer(np.ones((5, 4, 1), np.float32))
    assert (y.shape, h.shape, c.shape) == ((5, 4, 2), (1, 4, 2), (1, 4, 3))


def test_batch_first_leaves_the_states_as_they_are():
    y, (h, c) = nn.LSTM(2, 3, num_layers=2, batch_first=True)(np.ones((5, 4, 2), np.float32))
    assert (y.shape, h.shape, c.shape) == ((5, 4, 3), (2, 5, 3), (2, 5, 3))


def one_head():
    layer = nn.MultiheadAttention(2, 1, batch_first=True).double()
    state = {"in_proj_weight": np.tile(np.eye(2), (3, 1)), "out_proj.weight": np.eye(2)}
    layer.load_state_dict(state, strict=False)
    return layer


@pytest.mark.parametrize("causal", [False, True])
def test_asking_for_weights_changes_no_output(causal):
    x, hidden = np.arange(6.0).reshape(1, 3, 2) / 5, np.triu(np.ones((3, 3), bool), 1)
    found = [
        one_head()(x, x, x, attn_mask=hidden, is_causal=causal, need_weights=asked)[0].value
        for asked in (True, False)
    ]
    assert np.array_equal(found[0][0, 0], x[0, 0])
    np.testing.assert_allclose(*found)


def test_a_mask_of_attention_keeps_and_one_of_heads_drops():
    q, k = np.array([[1.0, 0]]), np.array([[1.0, 0], [0, 1]])
    v, marked = np.array([[1.0, 2], [10, 20]]), np.array([[True, False]])
    three = q[None], k[None], v[None]

    assert np.array_equal(F.scaled_dot_product_attention(q, k, v, attn_mask=marked), [[1, 2]])
    assert np.array_equal(one_head()(*three, attn_mask=marked)[0].value, [[[10, 20]]])
    assert np.array_equal(one_head()(*three, key_padding_mask=marked)[0].value, [[[10, 20]]])


def test_an_encoder_gives_as_many_steps_as_it_got():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(2, 2, 4, batch_first=True), 1).eval()
    padded = np.array([[False, False, True, True], [False, True, True, True]])
    y = encoder(np.ones((2, 4, 2), np.float32), src_key_padding_mask=padded)
    assert y.shape == (2, 4, 2)
    assert np.isfinite(y.value[~padded]).all()


def test_layers_of_an_encoder_begin_alike_and_share_nothing():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(2, 1, 4), 2)
    first, second = (layer.linear1.weight for layer in encoder.layers)
    assert np.array_equal(first.value, second.value)
    assert first is not second
    assert not np.shares_memory(first.value, second.value)


@pytest.mark.parametrize("value", [np.array([1 + 2j]), [1j], np.array(["a"])])
def test_a_parameter_is_of_real_numbers(value):
    with pytest.raises((TypeError, ValueError)):
        nn.Parameter(value)


def test_no_imaginary_part_is_dropped():
    p = Tensor([1.0])
    with pytest.raises(TypeError, match="wants real numbers"):
        clearprop.assign(p, np.array([3 + 4j]))
    p.grad = np.array([3 + 4j])
    with pytest.raises(TypeError, match="wants real numbers"):
        clearprop.optim.SGD([p], lr=0.1).step()
    assert p.value == [1.0]


# --- what others got wrong: rows that are not read, causality, heads, projections, Adafactor ----------------
@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
def test_a_row_without_a_gradient_moves_by_its_momentum_and_under_sparse_adam_stays(executor):
    """Adam remembers; with dense gradients that is the algorithm. w after g = 1 and then g = 0."""
    for name, wanted in (
        ("Adam", [-0.09999999900000009, -0.16700582346581144]),
        ("SparseAdam", [-0.1, -0.1]),
    ):
        w = Tensor(np.zeros((2, 1)))
        optimizer = getattr(clearprop.optim, name)([w], lr=0.1)

        def step(g, w=w, optimizer=optimizer):
            w.grad = g
            optimizer.step()

        run = clearprop.compile(step, executor=executor) if executor else step
        found = []
        for g in (1.0, 0.0):
            run(np.array([[g], [1.0]]))
            found.append(w.value[0, 0])
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("need_weights", [True, False])
def test_what_is_causal_does_not_depend_on_whether_weights_are_asked_for(need_weights):
    model = nn.MultiheadAttention(2, 1, batch_first=True).double()
    model.load_state_dict({
        "in_proj_weight": np.vstack([np.eye(2)] * 3), "in_proj_bias": np.zeros(6),
        "out_proj.weight": np.eye(2), "out_proj.bias": np.zeros(2),
    })  # fmt: skip
    x, hidden = np.arange(6.0).reshape(1, 3, 2) / 5, np.triu(np.ones((3, 3), bool), 1)
    y, weights = model(x, x, x, attn_mask=hidden, is_causal=True, need_weights=need_weights)
    rows = [0.22809720582016443, 0.5302106924685189]
    np.testing.assert_allclose(y.value[0], [[0.0, 0.2], *([r, r + 0.2] for r in rows)], rtol=1e-12)
    assert (weights is not None) == need_weights


def test_heads_of_a_batch_are_not_spliced_into_time():
    rng = np.random.default_rng(0)
    model, x = nn.MultiheadAttention(4, 2, batch_first=True).double(), rng.normal(size=(2, 3, 4))
    w = model.in_proj_weight.value.reshape(3, 4, 4)
    parts = []
    for head in (slice(0, 2), slice(2, 4)):
        q, k, v = (x @ w[i][head].T for i in range(3))
        scores = np.exp(q @ np.swapaxes(k, 1, 2) / np.sqrt(2))
        parts.append(scores / scores.sum(axis=2, keepdims=True) @ v)
    wanted = np.concatenate(parts, axis=2) @ model.out_proj.weight.value.T
    np.testing.assert_allclose(model(x, x, x)[0].value, wanted, rtol=1e-10)


def test_a_projection_acts_at_every_step_and_the_cell_keeps_its_size():
    rng = np.random.default_rng(0)
    model, x = nn.LSTM(1, 3, proj_size=2).double(), np.array([[1.0], [-1.0], [0.5]])
    shapes = {
        "weight_ih_l0": (12, 1),
        "weight_hh_l0": (12, 2),
        "bias_ih_l0": 12,
        "bias_hh_l0": 12,
        "weight_hr_l0": (2, 3),
    }
    given = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    model.load_state_dict(given)
    h, c, wanted = np.zeros(2), np.zeros(3), []
    for row in x:
        z = (
            given["weight_ih_l0"] @ row
            + given["bias_ih_l0"]
            + given["weight_hh_l0"] @ h
            + given["bias_hh_l0"]
        )
        i, f, g, o = (z[3 * n : 3 * n + 3] for n in range(4))
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = given["weight_hr_l0"] @ (o * np.tanh(c))
        wanted.append(h)
    y, (last, cell) = model(x)
    np.testing.assert_allclose(y.value, wanted, rtol=1e-12)
    np.testing.assert_allclose(wanted[0], [-0.3856203347807372, -0.0006556465063907765], rtol=1e-9)
    assert (last.shape, cell.shape) == ((1, 2), (1, 3))


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
def test_adafactor_by_hand(executor):
    """eps[1] floors the parameter's scale, and the step is min(lr, 1 / sqrt(t)) times that scale."""
    w = Tensor([[0.1, -0.2], [0.3, 0.4]])
    optimizer = clearprop.optim.Adafactor([w], lr=0.01)

    def step(g):
        w.grad = g
        optimizer.step()

    run = clearprop.compile(step, executor=executor) if executor else step
    wanted = [
        [[0.09856161009554386, -0.20406838102172487], [0.29694871423370633, 0.4014383899044562]],
        [[0.09756996678063211, -0.2012330320282344], [0.2944422824915217, 0.3996467656856996]],
    ]
    for g, value in zip(([[1.0, 2.0], [3.0, -1.0]], [[0.5, -1.0], [2.0, 1.0]]), wanted, strict=True):
        run(np.array(g))
        np.testing.assert_allclose(w.value, value, rtol=1e-9)


def test_the_second_derivative_of_a_tiny_probability_overflows_in_float32_and_of_logits_does_not():
    """y / p^2 is beyond float32 below p = 1e-19; the loss of logits has no such edge, as the guide says."""
    for dtype, finite in ((np.float32, False), (np.float64, True)):
        x = Tensor(np.array([-50.0], dtype))
        nn.BCELoss()(clearprop.sigmoid(x), np.ones(1, dtype)).backward(create_graph=True)
        slope, x.grad = x.grad, None
        slope.sum().backward()
        assert bool(np.isfinite(x.grad).all()) == finite
        x = Tensor(np.array([-50.0], dtype))
        nn.BCEWithLogitsLoss()(x, np.ones(1, dtype)).backward(create_graph=True)
        slope, x.grad = x.grad, None
        slope.sum().backward()
        np.testing.assert_allclose(x.grad, np.exp(-50.0), rtol=1e-5)
