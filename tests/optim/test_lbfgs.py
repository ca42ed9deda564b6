"""L-BFGS beside PyTorch's, and what no other optimizer's tests ask: Muon, Lion, closures."""

import numpy as np
import pytest

from clearprop import Tensor, compile, nn, optim
from clearprop.optim.factored import orthogonalised


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


START = np.array([-1.2, 1.0, -0.5, 0.8])
WAYS = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 7},
    {"lr": 1e-3},
    {"lr": 0.01, "history_size": 2, "max_iter": 4},
    {"line_search_fn": "strong_wolfe", "max_eval": 6, "lr": 0.5},
]


def closure_of(optimizer, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("options", WAYS)
def test_steps_as_pytorchs(options):
    torch = pytest.importorskip("torch")
    x, y = Tensor(START), torch.tensor(START, requires_grad=True)
    ours, theirs = optim.LBFGS([x], **options), torch.optim.LBFGS([y], **options)
    for _ in range(6):
        a = ours.step(closure_of(ours, lambda: rosenbrock(x)))
        b = theirs.step(closure_of(theirs, lambda: rosenbrock(y)))
        assert np.isclose(float(a), b.item(), rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(x.value, y.detach().numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("options", WAYS[:3])
def test_a_stopped_training_goes_on(options):
    straight, halves = Tensor(START), Tensor(START)
    first = optim.LBFGS([straight], **options)
    for _ in range(4):
        first.step(closure_of(first, lambda: rosenbrock(straight)))
    second = optim.LBFGS([halves], **options)
    for _ in range(2):
        second.step(closure_of(second, lambda: rosenbrock(halves)))
    third = optim.LBFGS([halves])
    third.load_state_dict(second.state_dict())
    for _ in range(2):
        third.step(closure_of(third, lambda: rosenbrock(halves)))
    np.testing.assert_array_equal(halves.value, straight.value)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_a_compiled_closure(executor):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    y = (x @ np.array([1.0, -2.0, 0.5], np.float32))[:, None] + 3
    model = nn.Linear(3, 1)
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    closure = compile(closure_of(optimizer, lambda: ((model(x) - y) ** 2).mean()), executor=executor)
    for _ in range(3):
        loss = optimizer.step(closure)
    assert float(loss) < 1e-9


def test_a_recorded_lbfgs_is_refused():
    w = Tensor([1.0, 2.0])
    optimizer = optim.LBFGS([w])
    step = compile(lambda: optimizer.step(closure_of(optimizer, lambda: (w**2).sum())))
    with pytest.raises(RuntimeError, match="compile the closure"):
        step()
    with pytest.raises(ValueError, match="wants a closure"):
        optimizer.step()


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_closure_is_called_first_and_its_loss_returned(name):
    w = Tensor([3.0])
    optimizer = getattr(optim, name)([w], lr=0.1)
    assert optimizer.step(closure_of(optimizer, lambda: (w**2).sum())) == 9.0
    assert w.value[0] < 3.0


@pytest.mark.parametrize(
    "options", [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw", "lr": 0.02}]
)
@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_muon_is_pytorchs_but_for_its_rounding(options, shape):
    """PyTorch multiplies in bfloat16, which keeps three digits."""
    torch = pytest.importorskip("torch")
    start, rng = np.random.default_rng(0).normal(size=shape).astype(np.float32), np.random.default_rng(1)
    p, q = Tensor(start), torch.tensor(start)
    ours, theirs = optim.Muon([p], **options), torch.optim.Muon([q], **options)
    for _ in range(20):
        p.grad = rng.normal(size=shape).astype(np.float32)
        q.grad = torch.tensor(p.grad)
        ours.step()
        theirs.step()
    moved = np.abs(q.numpy() - start).max()
    assert np.abs(p.value - q.numpy()).max() < 0.03 * moved


def test_muon_takes_windows_as_columns_and_refuses_vectors():
    p = Tensor(np.random.default_rng(0).normal(size=(4, 3, 2, 2)))
    optimizer = optim.Muon([p], weight_decay=0.0, lr=1.0, nesterov=False)
    before = p.value.copy()
    p.grad = np.random.default_rng(1).normal(size=p.shape)
    optimizer.step()
    singular = np.linalg.svd((before - p.value).reshape(4, 12), compute_uv=False)
    assert np.all((singular > 0.6) & (singular < 1.3))
    with pytest.raises(ValueError, match="wants matrices"):
        optim.Muon([Tensor([1.0, 2.0])])


def test_orthogonalised_keeps_the_directions():
    x = np.random.default_rng(0).normal(size=(5, 3))
    u, _, v = np.linalg.svd(x, full_matrices=False)
    found = u.T @ orthogonalised(x, (3.4445, -4.775, 2.0315), 1e-7, 5) @ v.T
    np.testing.assert_allclose(found - np.diag(np.diag(found)), 0, atol=1e-12)
    assert np.all((np.diag(found) > 0.6) & (np.diag(found) < 1.3))


def test_lion_by_hand():
    w = Tensor([1.0, -1.0])
    optimizer = optim.Lion([w], lr=0.1, betas=(0.5, 0.75), weight_decay=0.1)
    w.grad = np.array([2.0, -4.0])
    optimizer.step()
    np.testing.assert_allclose(w.value, [0.89, -0.89])
    w.grad = np.array([-0.4, 4.0])  # the mean is (0.5, -1): the signs of (0.05, 1.5)
    optimizer.step()
    np.testing.assert_allclose(w.value, [0.89 * 0.99 - 0.1, -0.89 * 0.99 - 0.1])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda w: optim.Adadelta([w], rho=1.5), "wants 0 to 1"),
        (lambda w: optim.Adagrad([w], lr_decay=-1.0), "0 or more"),
        (lambda w: optim.Rprop([w], etas=(1.2, 0.5)), "below and above 1"),
        (lambda w: optim.Adafactor([w], beta2_decay=0.5), "wants -inf to 0"),
        (lambda w: optim.NAdam([w], momentum_decay=-1.0), "0 or more"),
        (lambda w: optim.LBFGS([w], line_search_fn="armijo"), "'strong_wolfe'"),
        (lambda w: optim.Muon([w], adjust_lr_fn="none"), "'match_rms_adamw'"),
    ],
)
def test_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make(Tensor(np.ones((2, 2))))
