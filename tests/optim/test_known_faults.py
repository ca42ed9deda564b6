"""Steps and rates that optimizers elsewhere once had wrong: by hand, or in closed form."""

import copy

import numpy as np
import pytest

from clearprop import Tensor, compile, nn, optim


def walk(make, gradients, start=0.0):
    """Return where a parameter is after each step."""
    p = Tensor(np.full(np.shape(gradients[0]), start))
    optimizer, found = make([p]), []
    for g in gradients:
        p.grad = np.asarray(g, float)
        optimizer.step()
        found.append(p.value.copy())
    return np.array(found)


def test_eps_is_added_to_the_corrected_root():
    found = walk(lambda p: optim.Adam(p, lr=0.1), [[1e-8], [1e-8]])
    np.testing.assert_allclose(found, [[-0.05], [-0.1]])


def test_a_row_that_was_not_read_still_moves_under_adam():
    found = walk(lambda p: optim.Adam(p, lr=0.1), [[1.0], [0.0]])
    mean, square = 0.09 / (1 - 0.81), 0.000999 / (1 - 0.999**2)
    np.testing.assert_allclose(found, [[-0.1], [-0.1 - 0.1 * mean / np.sqrt(square)]], rtol=1e-7)


def test_the_largest_gradient_so_far_may_be_0():
    assert np.allclose(walk(optim.Adamax, [[0.0, 2.0]]), [[0, -0.002]])


@pytest.mark.parametrize(("decoupled", "second"), [(False, 1.763157894736842), (True, 1.767894736842105)])
def test_decay_of_radam_goes_into_the_gradient_unless_it_is_decoupled(decoupled, second):
    found = walk(
        lambda p: optim.RAdam(p, lr=0.1, weight_decay=0.5, decoupled_weight_decay=decoupled),
        [[1.0], [-2.0]],
        2.0,
    )
    np.testing.assert_allclose(found.ravel(), [1.8, second])


@pytest.mark.parametrize("most", [1, 2, 3, 5, 9])
def test_a_line_search_asks_no_more_often_than_it_may(most):
    p, asked = Tensor([-1.2, 1.0]), []
    optimizer = optim.LBFGS([p], max_eval=most, line_search_fn="strong_wolfe")

    def closure():
        asked.append(1)
        optimizer.zero_grad()
        loss = 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2
        loss.backward()
        return loss

    optimizer.step(closure)
    assert len(asked) <= most + 1


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
def test_the_norm_of_nothing_is_0(norm_type):
    empty, full = Tensor(np.zeros(0)), Tensor([3.0])
    empty.grad, full.grad = np.zeros(0), np.array([3.0])

    assert optim.clip_grad_norm_([], 1.0, norm_type) == 0
    assert optim.clip_grad_norm_([empty], 1.0, norm_type) == 0
    np.testing.assert_allclose(optim.clip_grad_norm_([empty, full], 1.0, norm_type), 3)
    assert empty.grad.shape == (0,)
    np.testing.assert_allclose(full.grad, [1], rtol=1e-6)


@pytest.mark.parametrize("norm_type", [0.0, -1.0, -np.inf, np.nan])
def test_norms_of_powers_that_are_none(norm_type):
    with pytest.raises(ValueError, match="norm_type above 0"):
        optim.clip_grad_norm_([Tensor(1.0)], 1.0, norm_type)


def rates(make, steps, start=1.0):
    optimizer = optim.SGD([Tensor(1.0)], lr=start)
    schedule, found = make(optimizer), []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        schedule.step()
    return found


def test_a_cosine_goes_on_after_its_end():
    wanted = 0.1 + 0.9 * (1 + np.cos(np.pi * np.arange(11) / 4)) / 2
    np.testing.assert_allclose(rates(lambda o: optim.CosineAnnealingLR(o, 4, 0.1), 11), wanted)


def test_a_cosine_that_takes_over_begins_at_the_peak():
    def make(o):
        warm = optim.LinearLR(o, 0.25, total_iters=2)
        return optim.SequentialLR(o, [warm, optim.CosineAnnealingLR(o, 4)], [2])

    wanted = [0.25, 0.625, *((1 + np.cos(np.pi * np.arange(5) / 4)) / 2)]
    np.testing.assert_allclose(rates(make, 7), wanted, atol=1e-15)


@pytest.mark.parametrize("cut", range(9))
def test_a_chain_that_was_stopped_goes_on_as_if_it_had_not_been(cut):
    def fresh():
        o = optim.Adam([Tensor(1.0)], lr=1.0)
        parts = [optim.ConstantLR(o, 0.1, 20), optim.ExponentialLR(o, 0.9)]
        return o, optim.SequentialLR(o, parts, [3])

    (optimizer, schedule), found = fresh(), []
    for k in range(9):
        if k == cut:
            saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
            optimizer, schedule = fresh()
            optimizer.load_state_dict(saved[0])
            schedule.load_state_dict(saved[1])
        found.append(float(optimizer.param_groups[0]["lr"]))
        schedule.step()
    np.testing.assert_allclose(found, [0.1] * 3 + [0.9**k for k in range(6)])


@pytest.mark.parametrize("shape", [(7, 3), (7,), (7, 2, 2)])
@pytest.mark.parametrize("options", [{}, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "maximize": True}])
@pytest.mark.filterwarnings("ignore:Sparse invariant")
def test_sparse_adam_is_pytorchs(shape, options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p = Tensor(rng.normal(size=shape))
    q = torch.nn.Parameter(torch.tensor(p.value))
    ours, theirs = optim.SparseAdam([p], **options), torch.optim.SparseAdam([q], **options)
    for k in range(40):
        rows = np.unique(rng.integers(0, 6, k % 4 + 1))  # the last row is never read
        p.grad = np.zeros(shape)
        p.grad[rows] = some = rng.normal(size=(len(rows), *shape[1:]))
        q.grad = torch.sparse_coo_tensor(torch.tensor(rows)[None], torch.tensor(some), shape)
        last = p.value[6].copy()
        ours.step()
        theirs.step()
        assert np.array_equal(p.value[6], last)
    np.testing.assert_allclose(p.value, q.detach().numpy(), rtol=1e-12)

    state, other = (o.state_dict() for o in (ours, theirs))
    assert set(state["param_groups"][0]) >= set(other["param_groups"][0])
    for name, value in other["state"][0].items():
        np.testing.assert_allclose(state["state"][0][name], value, rtol=1e-12)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_sparse_adam_recorded(executor):
    tables = []
    for recorded in (False, True):
        table = nn.Embedding(6, 3)
        table.load_state_dict({"weight": np.arange(18.0).reshape(6, 3) / 7})
        optimizer = optim.SparseAdam(table.parameters(), lr=0.1)

        def step(rows, table=table, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (table(rows) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step, executor=executor) if recorded else step
        for rows in ([0, 1, 1], [2, 1, 0], [4, 4, 4]):
            run(np.array(rows))
        tables.append(table.weight.value)
    np.testing.assert_allclose(*tables, rtol=1e-5)
    assert np.array_equal(tables[0][5], np.arange(15, 18, dtype=np.float32) / np.float32(7))
