"""float16: sums, squares and the steps of optimizers are computed in float32, and rounded once."""

import numpy as np
import pytest

import clearprop.nn.functional as F
from clearprop import Tensor, compile, grad, logsumexp, manual_seed, nn, optim, softmax
from clearprop.compiler.step import available_executors

X = np.random.default_rng(0).normal(size=(8, 300)).astype(np.float16)


OPTIMIZERS = [
    ("SGD", {"lr": 1e-4, "momentum": 0.9}),
    *(
        (name, {"lr": 0.01})
        for name in ("Adam", "AdamW", "NAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta")
    ),
    ("RAdam", {"lr": 1e-4}),
    *((name, {"lr": 0.01}) for name in ("Rprop", "Adafactor", "Lion", "SparseAdam", "Muon")),
    ("ASGD", {"lr": 1e-4}),
]
SIZES = (1e-5, 300, 3000, 1, 1e-4)  # squares of the second and third are infinite in float16, of others 0


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", ["", *available_executors()])
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_steps_are_those_of_float32_whatever_the_size_of_gradients(name, options, executor):
    """What is remembered is float32, so neither squares nor an eps are lost; each step is rounded once."""
    gradient, found = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float16), []
    for dtype in (np.float16, np.float32):
        w = Tensor(np.ones((3, 4), dtype), requires_grad=True)
        optimizer = getattr(optim, name)([w], **options)

        def step(g, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            (w * g).sum().backward()
            optimizer.step()

        run = compile(step, executor=executor) if executor else step
        for size in SIZES:
            run((gradient * np.float16(size)).astype(dtype))
        assert w.dtype == dtype
        assert {x.dtype for k, x in optimizer.state[w].items() if k != "step"} <= {np.dtype(np.float32)}
        found.append(w.value)
    moved = np.abs(found[1] - 1).max()

    assert moved > 0
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=0.004 * max(1, moved))


@pytest.mark.parametrize("name", ["Adam", "SGD", "Adafactor"])
def test_a_state_goes_through_a_dict_and_to_pytorch(name):
    options = {"lr": 0.01} | ({"momentum": 0.9} if name == "SGD" else {})
    w = Tensor(np.ones((3, 4), np.float16))
    optimizer = getattr(optim, name)([w], **options)
    w.grad = np.full((3, 4), 300, np.float16)
    optimizer.step()
    again = Tensor(w.value)
    other = getattr(optim, name)([again], **options)
    other.load_state_dict(optimizer.state_dict())
    for t, o in ((w, optimizer), (again, other)):
        t.grad = np.full((3, 4), 2, np.float16)
        o.step()
    np.testing.assert_array_equal(w.value, again.value)
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Parameter(torch.ones(3, 4, dtype=torch.float16))
    there = getattr(torch.optim, name)([theirs], **options)
    state = {
        k: {n: torch.tensor(x) for n, x in v.items()} for k, v in optimizer.state_dict()["state"].items()
    }
    there.load_state_dict({"state": state, "param_groups": there.state_dict()["param_groups"]})
    theirs.grad = torch.full((3, 4), 2, dtype=torch.float16)
    there.step()
    assert torch.isfinite(theirs).all()


def test_an_eps_that_float32_rounds_to_0_is_refused():
    for dtype in (np.float16, np.float32):
        w = Tensor(np.ones((3, 4), dtype))
        for eps in [(1e-60, 1e-3), (1e-3, 1e-60)]:
            with pytest.raises(
                ValueError, match=r"float32 rounds this to 0.*\n.*At .*\n.*eps=\(1e-30, 1e-3\)"
            ):
                optim.Adafactor([w], eps=eps)
        optimizer = optim.Adam([w], eps=1e-4)
        other = optim.Adam([Tensor(np.ones((3, 4)))], eps=1e-60).state_dict()
        for change in (
            lambda optimizer=optimizer: optimizer.param_groups[0].__setitem__("eps", 1e-60),
            lambda optimizer=optimizer, other=other: optimizer.load_state_dict(other),
        ):
            with pytest.raises(ValueError, match="float32 rounds this to 0"):
                change()
            assert optimizer.param_groups[0]["eps"] == 1e-4


@pytest.mark.parametrize("compiled", [None, *available_executors()])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad"])
def test_a_model_that_was_converted_since_goes_on(name, compiled):
    other, model = Tensor(np.ones(2, np.float32), requires_grad=True), nn.Linear(2, 2)
    optimizer = getattr(optim, name)([{"params": [other]}, {"params": list(model.parameters())}])

    def step(x):
        optimizer.zero_grad()
        ((model(x) * 0).sum() + other.sum()).backward()
        optimizer.step()

    run = compile(step, executor=compiled) if compiled else step
    x = np.ones((3, 2), np.float32)
    run(x)
    model.to("float16")
    run(x.astype(np.float16))
    assert all(np.isfinite(p.value).all() and p.dtype == np.float16 for p in model.parameters())
    run(x.astype(np.float16))
    assert np.isfinite(other.value).all()


@pytest.mark.parametrize("size", [300, 3000, 1e-4])
def test_clipping_knows_norms_beyond_float16s_squares(size):
    for of in ([(3, 4)], [(3,), (2, 2)]):
        parameters = [Tensor(np.ones(shape, np.float16)) for shape in of]
        for p in parameters:
            p.grad = np.full(p.shape, size, np.float16)
        count = sum(p.size for p in parameters)
        before = parameters[0].grad[0]
        norm = nn.utils.clip_grad_norm_(parameters, 1.0)
        np.testing.assert_allclose(norm, np.float16(size) * count**0.5, rtol=1e-3)
        expected = count**-0.5 if size > 1 else before
        np.testing.assert_allclose(parameters[0].grad[0], expected, rtol=2e-3)
        assert parameters[0].grad.dtype == np.float16


def test_lbfgs_multiplies_gradients_in_float32():
    found = []
    for dtype in (np.float16, np.float32):
        w, curvature = Tensor(np.array([1, 2, 3], dtype)), np.array([600, 1, 0.01], dtype)
        optimizer = optim.LBFGS([w], lr=0.5, max_iter=5)

        def closure(w=w, curvature=curvature, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (curvature * w * w).sum() * w.dtype.type(0.5)
            loss.backward()
            return loss

        for _ in range(5):
            optimizer.step(closure)
        found.append(w.value)
    np.testing.assert_allclose(found[0], found[1], rtol=5e-3, atol=1e-5)


NORMAL = {
    "layer_norm": lambda x: F.layer_norm(x, (5,)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "group_norm": lambda x: F.group_norm(x, 3),
    "instance_norm": lambda x: F.instance_norm(x=x),
    "rms_norm": lambda x: F.rms_norm(x, 5, eps=1e-12),
    "normalize": lambda x: F.normalize(x, dim=-1),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x[::-1], dim=1, eps=1e-12),
    "pairwise_distance": lambda x: F.pairwise_distance(a=x, b=x[::-1]),
    "pdist": lambda x: F.pdist(x.reshape(4, -1)),
    "local_response_norm": lambda x: F.local_response_norm(x, 2),
    "lp_pool2d": lambda x: F.lp_pool2d(x, 2.0, 2),
    "norm": lambda x: np.linalg.norm(x, axis=-1),
    "norm of order 3": lambda x: np.linalg.norm(x, 3, axis=-1),
    "norm of a matrix": lambda x: np.linalg.norm(x, axis=(-2, -1)),
    "std": lambda x: np.std(x, axis=-1),
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
}


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", ["", *available_executors()])
@pytest.mark.parametrize("size", [1, 300, 3000, 1e-3])
@pytest.mark.parametrize("name", NORMAL)
def test_what_divides_by_a_length_or_a_deviation_is_that_of_float32(name, size, executor):
    random = np.random.default_rng(0)
    x = (random.normal(size=(4, 6, 5, 5)) * size).astype(np.float16)
    up = random.normal(size=NORMAL[name](x.astype(np.float32)).shape)
    found = []
    for dtype in (np.float16, np.float32):

        def both(x, dtype=dtype):
            t = Tensor(x, requires_grad=True)
            z = NORMAL[name](t)
            z.backward(up.astype(dtype))
            return z, t.grad

        run = compile(both, executor=executor) if executor else both
        found.append([np.asarray(y.value if isinstance(y, Tensor) else y) for y in run(x.astype(dtype))])
    for short, long in zip(*found, strict=True):
        assert short.dtype == np.float16
        np.testing.assert_allclose(short, long.astype(np.float16), rtol=0, atol=4e-3 * np.abs(long).max())


@pytest.mark.parametrize("shape", [(3, 4), (3,)])
@pytest.mark.parametrize("eps", [(1e-4, 1e-3), (1e-3, 1e-3), (None, 1e-3)])
def test_adafactor_steps_in_float16_whatever_the_size_of_gradients(eps, shape):
    grouped = optim.Adafactor([{"params": [Tensor(np.ones(shape, np.float16))], "eps": eps}])
    for optimizer in (optim.Adafactor([Tensor(np.ones(shape, np.float16))], eps=eps), grouped):
        (w,) = optimizer.param_groups[0].params
        for size in (0, 1e-4, 0.01, 1, 30):
            w.grad = np.full(shape, size, np.float16)
            before = w.value
            optimizer.step()
            assert np.all(w.value < before if size > 1e-3 else np.isfinite(w.value))


def test_muon_takes_a_small_gradient_for_what_it_is():
    steps = []
    for dtype in (np.float16, np.float32):
        w = Tensor(np.ones((3, 4), dtype))
        w.grad = (np.random.default_rng(0).normal(size=(3, 4)) * 1e-4).astype(np.float16).astype(dtype)
        optim.Muon([w], lr=0.1, weight_decay=0.0).step()
        steps.append(w.value - 1)
    np.testing.assert_allclose(*steps, atol=2e-3)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
def test_a_net_in_float16_follows_the_one_in_float32(executor):
    losses = {}
    for dtype in (np.float16, np.float32):
        manual_seed(0)
        model = nn.Sequential(nn.Linear(300, 40), nn.LayerNorm(40), nn.ReLU(), nn.Linear(40, 1)).to(dtype)
        optimizer = optim.SGD(model.parameters(), lr=0.01)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step, executor=executor) if executor else step
        losses[dtype] = [float(run(X.astype(dtype))) for _ in range(6)]
        assert model[0].weight.dtype == dtype
    np.testing.assert_allclose(losses[np.float16], losses[np.float32], rtol=0.05, atol=2e-3)


def test_long_sums_are_taken_in_float32():
    layer = nn.Linear(5000, 1).to(np.float16)
    layer.load_state_dict({"weight": np.ones((1, 5000)), "bias": np.zeros(1)})
    assert layer(np.ones((1, 5000), np.float16)).value == 5000  # in float16 it would stop at 2048


TENTHS = np.full((5000, 3), 0.1, np.float16)
LAYOUTS = {
    "rows": TENTHS,
    "columns": np.asfortranarray(TENTHS),
    "steps": np.full((10_000, 6), 0.1, np.float16)[::2, ::2],
    "backwards": np.asfortranarray(TENTHS)[::-1, ::-1],
}
SUMS = {
    "sum": (lambda x: np.sum(x, axis=0), 500),
    "of a transpose": (lambda x: np.sum(x.T, axis=1), 500),
    "of all": (lambda x: np.sum(x), 1500),
    "of a product": (lambda x: np.sum(x * 1, axis=0), 500),
    "mean": (lambda x: np.mean(x, axis=0), 0.1),
    "average": (lambda x: np.average(x, axis=0, weights=np.ones(5000, np.float16)), 0.1),
    "var": (lambda x: np.var(x, axis=0), 0),
    "std": (lambda x: np.std(x, axis=0), 0),
    "norm": (lambda x: np.linalg.norm(x, axis=0), 7.07),
    "norm of order 1": (lambda x: np.linalg.norm(x, 1, axis=0), 500),
    "norm of order 3": (lambda x: np.linalg.norm(x, 3, axis=0), 1.7105),
    "nansum": (lambda x: np.nansum(x, axis=0), 500),
    "einsum": (lambda x: np.einsum("ij,ij->j", x, x), 50),
    "logsumexp": (lambda x: logsumexp(x, axis=0), 8.617),
    "softmax": (lambda x: softmax(x, axis=0) * 5000, 1),
    "gradient of what is repeated": (lambda x: grad(lambda b: np.sum(x + b))(np.ones(3, np.float16)), 5000),
    "gradient of what is scaled": (lambda x: grad(lambda w: np.sum(x * w))(np.ones(3, np.float16)), 500),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_float16_do_not_depend_on_how_an_array_lies(name, layout):
    f, right = SUMS[name]
    x = LAYOUTS[layout]

    np.testing.assert_allclose(np.asarray(f(Tensor(x, requires_grad=False))), right, rtol=2e-3, atol=1e-5)
    for executor in available_executors():
        step = compile(f, executor=executor, prove="always")
        for _ in range(3):
            np.testing.assert_allclose(step(x), right, rtol=2e-3, atol=1e-5)


def test_bfloat16_is_refused():
    short = pytest.importorskip("ml_dtypes").bfloat16
    with pytest.raises(TypeError, match="wants a floating-point dtype: bfloat16"):
        nn.Linear(2, 3).to(short)
    with pytest.raises(TypeError, match="numbers: dtype bfloat16"):
        Tensor(np.ones(2, short))


def test_arguments_of_float16_are_those_of_the_function():
    """Too many, or one given twice, were dropped where float16 is computed in float32."""
    x = np.ones(3, np.float16)
    assert nn.functional.cosine_similarity(b=x, a=x, dim=0).dtype == np.float16
    with pytest.raises(TypeError, match="3 were given"):
        nn.functional.gelu(x, "none", 3)
    with pytest.raises(TypeError, match="multiple values"):
        nn.functional.gelu(x, x=x)
