"""Every optimizer's state goes to PyTorch and comes from there: both then take the same steps."""

import numpy as np
import pytest
from tests.parity.trajectory import unrounded

from clearprop import Tensor, optim

torch = pytest.importorskip("torch")
SHRUNK = {"weight_decay": 0.1, "maximize": True}
ROWS = [
    *(("SGD", o) for o in ({}, {"momentum": 0.9, "nesterov": True})),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, **SHRUNK}),
    ("Adam", {"decoupled_weight_decay": True, **SHRUNK}),
    *(("Adam", o) for o in ({}, {"amsgrad": True, "betas": (0.8, 0.9)})),
    *((name, o) for name in ("AdamW", "NAdam", "RAdam", "Adamax", "Adadelta") for o in ({}, SHRUNK)),
    *(("Adagrad", o) for o in ({}, {"lr_decay": 0.1, "initial_accumulator_value": 0.3, **SHRUNK})),
    *(("RMSprop", o) for o in ({}, {"centered": True, "momentum": 0.9, **SHRUNK})),
    *(("Rprop", o) for o in ({}, {"etas": (0.4, 1.3), "step_sizes": (1e-3, 1), "maximize": True})),
    *(("ASGD", o) for o in ({}, {"lambd": 0.1, "alpha": 0.5, "t0": 3, **SHRUNK})),
    *(("Adafactor", o) for o in ({}, {"eps": (1e-5, 1e-2), "d": 2.0, "beta2_decay": -0.5, **SHRUNK})),
    *(("Muon", o) for o in ({}, {"ns_steps": 3, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"})),
    *(("SparseAdam", o) for o in ({}, {"betas": (0.8, 0.9), "maximize": True})),
    *(("LBFGS", {"max_iter": 4, **o}) for o in ({}, {"line_search_fn": "strong_wolfe", "history_size": 3})),
]  # fmt: skip
SINGLE = {"NAdam", "RAdam", "ASGD"}  # PyTorch keeps numbers of theirs in float32
rng = np.random.default_rng(0)


def stepped(name, library, params, optimizer, gradients):
    """Take a step of either library's optimizer."""
    ours = library is optim
    if name == "LBFGS":

        def closure():
            optimizer.zero_grad()
            loss = sum(((p - 1) ** 4 + p * p).sum() for p in params)
            loss.backward()
            return loss

        optimizer.step(closure)
        return
    for p, g in zip(params, gradients, strict=True):
        there = torch.tensor(g)
        p.grad = g.copy() if ours else there.to_sparse() if name == "SparseAdam" else there
    with unrounded():
        optimizer.step()


def pair(name, options, values):
    """Return parameters and optimizer of both libraries."""
    mine = [Tensor(np.array(x), requires_grad=True) for x in values]
    theirs = [torch.tensor(np.array(x), requires_grad=True) for x in values]
    return (optim, mine, getattr(optim, name)(mine, **options)), (
        torch.optim,
        theirs,
        getattr(torch.optim, name)(theirs, **options),
    )


def as_torch(state):
    """Return our state with PyTorch's arrays in it."""

    def array(x):
        if isinstance(x, list):
            return list(map(array, x))
        return torch.as_tensor(np.asarray(x)) if isinstance(x, (np.ndarray, np.generic)) else x

    found = {i: {k: array(x) for k, x in memory.items()} for i, memory in state["state"].items()}
    return {"state": found, "param_groups": state["param_groups"]}


@pytest.mark.parametrize(("name", "options"), ROWS, ids=lambda o: o if isinstance(o, str) else "-".join(o))
def test_both_ways(name, options):
    options = {"lr": 0.05, **options}
    shapes = [(4, 3), (2, 5)] if name in ("Muon", "SparseAdam") else [(4, 3), (3,)]
    draws = [[rng.normal(size=s) for s in shapes] for _ in range(7)]
    sides = pair(name, options, draws[0])
    for gradients in draws[1:4]:
        for side in sides:
            stepped(name, *side, gradients)
    values = [p.detach().numpy().copy() for p in sides[1][1]]
    kind = {k: options[k] for k in ("decoupled_weight_decay",) if k in options}
    mine, theirs = pair(name, {"lr": 0.9, **kind}, values)

    mine[2].load_state_dict(sides[1][2].state_dict())
    theirs[2].load_state_dict(as_torch(sides[0][2].state_dict()))

    wanted = sides[1][2].state_dict()["param_groups"][0]
    for found in (mine[2].state_dict()["param_groups"][0], theirs[2].state_dict()["param_groups"][0]):
        assert {k: found.get(k) for k in wanted} == wanted
        assert {k: type(found[k]) for k in ("eps", "ns_steps", "max_iter") if k in wanted} == {
            k: type(wanted[k]) for k in ("eps", "ns_steps", "max_iter") if k in wanted
        }
    for gradients in draws[4:]:
        for side in (sides[1], mine, theirs):
            stepped(name, *side, gradients)
    near = 1e-6 if name in SINGLE else 1e-9
    for p, q, right in zip(mine[1], theirs[1], sides[1][1], strict=True):
        for found in (p.value, q.detach().numpy()):
            np.testing.assert_allclose(found, right.detach().numpy(), rtol=near, atol=near)


def test_adafactors_eps_of_none_is_of_each_parameters_dtype():
    """PyTorch takes that of the first parameter for all that follow; alone each has its own."""
    together = [Tensor(np.ones(2, dtype)) for dtype in (np.float32, np.float64)]
    mine = optim.Adafactor(together, lr=0.1)
    alone = [torch.ones(2, dtype=t) for t in (torch.float32, torch.float64)]
    for p, q in zip(together, alone, strict=True):
        p.grad, q.grad = np.full(2, 1e-9, p.dtype), torch.full((2,), 1e-9, dtype=q.dtype)

    mine.step()
    for q in alone:
        torch.optim.Adafactor([q], lr=0.1).step()

    assert mine.param_groups[0]["eps"] == (None, 1e-3)
    for p, q in zip(together, alone, strict=True):
        np.testing.assert_allclose(p.value, q.numpy(), rtol=1e-6)


def test_the_memory_of_lbfgs_is_no_view_of_pytorchs():
    (*_, mine), (library, params, theirs) = pair("LBFGS", {"max_iter": 4}, [np.arange(3.0)])
    for _ in range(2):
        stepped("LBFGS", library, params, theirs, ())
    mine.load_state_dict(theirs.state_dict())
    kept = mine.memory["prev_flat_grad"].copy()

    stepped("LBFGS", library, params, theirs, ())

    assert np.array_equal(mine.memory["prev_flat_grad"], kept)
