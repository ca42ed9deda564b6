"""The `xla` executor: an op that has a translation gives what it gives in eager mode, others are refused."""

import numpy as np
import pytest
from tests.compiler.test_every_op import LIBRARY, WITH_RULES, integers, ops, trials

import clearprop
from clearprop import Tensor, nn, optim, value_and_grad
from clearprop.compiler import RecordingError
from clearprop.compiler.engines.executors import available_executors

pytest.importorskip("jax")

from clearprop.compiler.engines.xla.special import THERE


def compiled(f):
    return clearprop.compile(f, executor="xla", prove="never")


def close(got, wanted, label):
    got, wanted = np.asarray(got), np.asarray(wanted)

    assert got.dtype == wanted.dtype, label
    assert got.shape == wanted.shape, label
    if wanted.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, wanted, err_msg=label)
        return
    unit = 400 * np.finfo(wanted.dtype).eps  # its functions round by some units more than ours
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=label)


def first_call(step, inputs):
    """Call a step; skip where it is refused by name, in the words of the executor."""
    try:
        return step(*inputs)
    except RecordingError as error:
        if "cannot run this step by XLA" not in str(error):
            raise
        pytest.skip(str(error).split("\n")[0][:110])


@pytest.mark.parametrize("name", [op.name for op in LIBRARY])
@pytest.mark.filterwarnings("ignore")
def test_the_value_of_every_op_is_that_of_eager(name):
    op, dtype = ops[name], np.float32
    for function, inputs, label in trials(op, dtype):
        if integers(op, dtype):
            inputs = tuple(np.asarray(np.abs(x) * 3).astype(np.int64)[()] for x in inputs)
        with np.errstate(all="ignore"):
            wanted = function(*inputs)
        step = compiled(function)
        first_call(step, inputs)
        got = step(*inputs)
        pairs = zip(got, wanted, strict=True) if isinstance(wanted, list) else [(got, wanted)]
        for z, w in pairs:
            close(z, w, label)


@pytest.mark.parametrize("name", WITH_RULES)
@pytest.mark.filterwarnings("ignore")
def test_the_gradients_of_every_op_are_those_of_eager(name):
    for function, inputs, label in trials(ops[name], np.float64):
        places = tuple(i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f")
        if not places:
            pytest.skip("its inputs are complex")

        def total(*xs, function=function):
            z = function(*xs)
            parts = z if isinstance(z, list) else (z,)
            parts = [np.real(p) + np.imag(p) if p.dtype.kind == "c" else p for p in parts]  # a real number
            return sum((p * p * 0.5 + p).sum() for p in parts)

        both = value_and_grad(total, places)
        wanted, gradients = both(*inputs)
        step = compiled(both)
        first_call(step, inputs)
        got, found = step(*inputs)
        close(got, wanted, label)
        for i, (g, w) in enumerate(zip(found, gradients, strict=True)):
            close(g, w, f"{label}, gradient {i}")


def network(seed):
    clearprop.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 3))


def losses(executor, optimizer, steps=6):
    """A training from the same start, with dropout: the draws are the same bits."""
    model = network(3)
    x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(10, 6)
    y = np.arange(10) % 3
    opt = optimizer(model.parameters())

    def step(x, y):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    run = step if executor is None else clearprop.compile(step, executor=executor)
    return [float(run(x, y)) for _ in range(steps)], model.state_dict()


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.01),
        lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    ],
)
def test_a_training_goes_as_it_goes_eagerly(optimizer):
    wanted, state = losses(None, optimizer)
    found, own = losses("xla", optimizer)

    np.testing.assert_allclose(found, wanted, rtol=2e-5)
    for name, value in state.items():
        np.testing.assert_allclose(own[name], value, rtol=1e-3, atol=1e-5)


def test_convolutions_and_recurrent_layers():
    clearprop.manual_seed(0)
    image = np.linspace(-1, 1, 2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2)
    )
    lstm = nn.LSTM(8, 4, batch_first=True)
    for f, x in ((net, image), (lambda x: lstm(x)[0], image[:, 0])):

        def total(x, f=f):
            return (f(x) ** 2).sum()

        both = value_and_grad(total)
        step = compiled(both)
        step(x)
        got, wanted = step(x), both(x)
        np.testing.assert_allclose(
            np.asarray(got[0]), np.asarray(getattr(wanted[0], "value", wanted[0])), rtol=1e-4
        )
        np.testing.assert_allclose(
            np.asarray(got[1]), np.asarray(getattr(wanted[1], "value", wanted[1])), rtol=1e-3, atol=1e-5
        )


class Attending(nn.Module):
    """A block of a language model: causal attention with dropout, over embedded letters."""

    def __init__(self):
        super().__init__()
        self.letters, self.attention = nn.Embedding(7, 16), nn.MultiheadAttention(16, 2, dropout=0.2)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 7)

    def forward(self, x):
        h = self.letters(x)
        mask = nn.Transformer.generate_square_subsequent_mask(len(x))
        y, _ = self.attention(h, h, h, attn_mask=mask, is_causal=True, need_weights=False)
        return self.head(self.norm(h + y)).reshape((-1, 7))


IMAGES = np.sin(np.arange(4 * 64.0).reshape(4, 1, 8, 8)).astype(np.float32)
LETTERS = np.arange(36).reshape(9, 4) * 5 % 7
NETS = {
    "pooling": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(3, 2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3)
        ),
        IMAGES,
        np.arange(4) % 3,
    ),
    "resampling": (
        lambda: nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(1, 2, 3, 2),
            nn.Flatten(),
            nn.Linear(98, 3),
        ),
        IMAGES,
        np.arange(4) % 3,
    ),
    "attention": (Attending, LETTERS, (LETTERS.reshape(-1) * 3 + 1) % 7),
}


@pytest.mark.parametrize("name", NETS)
def test_networks_of_every_kind_train_as_they_do_eagerly(name):
    make, x, y = NETS[name]

    def losses(executor):
        clearprop.manual_seed(5)
        model = make()
        opt = optim.AdamW(model.parameters(), lr=0.01)

        def step(x, y):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        run = step if executor is None else clearprop.compile(step, executor=executor)
        return [float(run(x, y)) for _ in range(5)]

    np.testing.assert_allclose(losses("xla"), losses(None), rtol=2e-5)


def test_an_index_out_of_bounds_is_an_error_and_assigns_nothing():
    w = Tensor(np.arange(4.0))

    def step(i):
        loss = w[i].sum()
        w.grad = None
        loss.backward()
        with clearprop.no_grad():
            w.value -= 0.1 * w.grad
        return loss

    run = compiled(step)
    run(np.array([0, 1]))
    run(np.array([0, -4]))
    before = w.value.copy()

    with pytest.raises(IndexError, match="nothing was assigned"):
        run(np.array([0, 4]))
    np.testing.assert_array_equal(w.value, before)


def test_it_is_used_by_its_name_alone_and_explains_itself():
    step = clearprop.compile(lambda x: np.tanh(x) * 2, executor="xla")
    for _ in range(3):
        step(np.ones(3))

    assert "xla" not in available_executors()
    assert "pieces" in step.explain()
    assert "stablehlo.tanh" in step._shown().executable.text


SPECIAL = [
    *THERE,
    "exp10",
    "erfcinv",
    "betaincc",
    "cosm1",
    "cospi",
    "sinpi",
    "digamma_rise",
    "exprel",
    "huber",
    "pseudo_huber",
]


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.filterwarnings("ignore")
def test_special_functions_run_there(name):
    pytest.importorskip("scipy")
    for function, inputs, label in trials(ops[name], np.float64):
        step = compiled(function)
        step(*inputs)
        np.testing.assert_allclose(step(*inputs), function(*inputs), rtol=1e-10, atol=1e-12, err_msg=label)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logarithm_of_gamma_is_right_beside_its_zeros_too(dtype):
    """XLA's own is off by 4e-4 of float32 there."""
    special = pytest.importorskip("scipy.special")
    beside = np.concatenate([np.geomspace(1e-9, 0.4, 30), -np.geomspace(1e-9, 0.4, 30)])
    x = np.concatenate([np.linspace(0.01, 30, 500), 1 + beside, 2 + beside, np.geomspace(1e-30, 1e30, 200)])
    x = x.astype(dtype)
    step = compiled(lambda x: ops["gammaln"](x))
    step(x)

    mp = pytest.importorskip("mpmath")  # SciPy's has seven digits there
    wanted = np.array([float(mp.loggamma(mp.mpf(float(v)))) for v in x])
    np.testing.assert_allclose(step(x), wanted, rtol=16 * np.finfo(dtype).eps, atol=0)

    edges = np.array([0, -1, -2.5, np.inf, np.nan, -0.5, -1e-5, -30.25, 1, 2], dtype)
    step = compiled(lambda x: ops["gammaln"](x))
    step(edges)
    np.testing.assert_allclose(
        step(edges), special.gammaln(edges), rtol=1e-5 if dtype == np.float32 else 1e-12
    )


def test_what_has_no_translation_is_refused_by_name():
    step = clearprop.compile(lambda x: np.linalg.qr(x)[1], executor="xla")

    with pytest.raises(RecordingError, match="cannot run this step by XLA"):
        step(np.eye(3))


def test_a_schedule_inside_of_a_step_is_refused_with_both_ways_out():
    model = clearprop.nn.Linear(3, 2)
    optimizer = clearprop.optim.SGD(model.parameters(), lr=0.1)
    schedule = clearprop.optim.StepLR(optimizer, 2, 0.5)

    def train(x):
        optimizer.zero_grad()
        loss = np.mean(model(x) ** 2)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    said = r"schedule.step\(\) after the compiled step, in the loop.\n  Try executor='numpy'"
    with pytest.raises(RecordingError, match=said):
        clearprop.compile(train, executor="xla")(np.ones((4, 3), np.float32))


ENDS = [
    0,
    1.7,
    -1.7,
    127.5,
    128,
    255.9,
    256,
    -129,
    4e4,
    -4e4,
    2.0**31,
    2.0**32 + 3,
    3e9,
    -3e9,
    2.0**63,
    2.0**64,
    1e30,
]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("wanted", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
@pytest.mark.parametrize("given", ["f2", "f4", "f8"])
def test_casts_beyond_the_range_are_numpys(given, wanted):
    x = np.array([*ENDS, np.nan, np.inf, -np.inf]).astype(given)
    x = x if wanted != "u4" else x[x >= 0]  # what NumPy makes of others depends on their place in the array
    step = clearprop.compile(lambda x: x.astype(wanted), executor="xla", prove="never")

    np.testing.assert_array_equal(step(x), x.astype(wanted))


def test_labels_are_looked_at_before_the_call_so_that_no_call_waits():
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3))
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(i, y):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(i), y)
        loss.backward()
        opt.step()
        return loss

    run = compiled(step)
    run(np.array([0, 6]), np.array([2, 0]))
    run(np.array([0, 6]), np.array([-100, 0]))  # the first of these rows is ignored
    bounds = run._shown().executable.bounds
    assert bounds.ahead
    assert not bounds.flags

    before = {name: value.copy() for name, value in model.state_dict().items()}
    for i, y in (([0, 7], [2, 0]), ([0, 6], [3, 0]), ([0, 6], [-1, 0])):
        with pytest.raises(IndexError, match="nothing was assigned"):
            run(np.array(i), np.array(y))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_an_index_that_the_step_computes_is_looked_at_there_unless_told_otherwise():
    w = Tensor(np.arange(4.0), requires_grad=False)

    def step(x):
        return w[np.argmax(x * w) + 2] * 1.0

    run = compiled(step)
    assert run(np.array([0.0, 1, 0, 0])) == run(np.array([0.0, 1, 0, 0])) == 3.0
    assert run._shown().executable.bounds.flags
    with pytest.raises(IndexError, match="out of bounds"):
        run(np.array([0.0, 0, 0, 1]))

    trusting = clearprop.compile(step, executor="xla", check_indices=False)
    trusting(np.array([0.0, 1, 0, 0]))
    assert not trusting._shown().executable.bounds.flags
    with pytest.raises(ValueError, match=r"check_indices=False(.|\n)*executor='xla'"):
        clearprop.compile(step, executor="numpy", check_indices=False)


COMPARISONS = [np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal]


@pytest.mark.parametrize("number", [-100, 256, 2**64])
@pytest.mark.parametrize("compare", COMPARISONS, ids=lambda f: f.__name__)
def test_integers_are_compared_with_numbers_that_their_dtype_lacks(compare, number):
    x = np.array([0, 255], np.uint8)
    step = compiled(lambda x: (compare(x, number), compare(number, x)))
    for found, wanted in zip(step(x), (compare(x, number), compare(number, x)), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint32, np.uint64])
def test_indices_computed_in_narrow_or_unsigned_integers(dtype):
    table, places = Tensor(np.arange(1000.0).reshape(500, 2)), Tensor(np.array([0.0, 3.0, 100.0]))

    def look_up(k):
        return table[(places.detach() * k).astype(dtype)] * 2

    step = compiled(look_up)
    for k in (1.0, 0.0):
        np.testing.assert_array_equal(step(np.float64(k)).value, look_up(np.float64(k)).value)
    if dtype in (np.uint32, np.uint64):
        with pytest.raises(IndexError):
            step(np.float64(5.0))


def test_labels_of_unsigned_integers():
    x, y = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 1, 2, 0], np.uint8)
    step = compiled(nn.functional.cross_entropy)
    np.testing.assert_allclose(step(x, y), nn.functional.cross_entropy(x, y), rtol=1e-12)
    with pytest.raises(IndexError):
        step(x, y + np.uint8(1))


@pytest.mark.parametrize("dtype", ["i1", "i8", "u4"])
def test_an_integer_over_zero_is_zero_as_numpy_has_it(dtype):
    x, y = np.array([7, 0, 9, 9], dtype), np.array([0, 0, 2, 3], dtype)
    step = clearprop.compile(lambda x, y: (x // y, x % y), executor="xla")
    with np.errstate(divide="ignore"):
        for _ in range(2):
            for got, wanted in zip(step(x, y), (x // y, x % y), strict=True):
                np.testing.assert_array_equal(got, wanted)
                assert got.dtype == wanted.dtype


def test_slopes_of_shares_by_their_place():
    special = pytest.importorskip("scipy.special")
    x = np.array([0.3, 2.0, 7.0])
    for f in (lambda x: special.gammainc(2.5, x), special.log_ndtr, lambda x: special.log_ndtr(-x)):
        slope = clearprop.grad(lambda x, f=f: np.sum(f(x)))
        np.testing.assert_allclose(compiled(slope)(x), slope(x), rtol=1e-12)
