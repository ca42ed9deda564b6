"""Every optimizer: equal to PyTorch's over 100 steps, resumable to the bit, and careful with its options."""

import copy

import numpy as np
import pytest
from tests.parity.trajectory import MATRICES
from tests.parity.trajectory import OPTIMIZERS as CASES

from clearprop import Tensor, compile, nn, optim
from clearprop.compiler.step import available_executors
from clearprop.optim.adam import adam
from clearprop.optim.sgd import sgd

SINGLE = ("NAdam", "ASGD")  # PyTorch keeps their numbers of no axes in float32
SHAPES = [(4, 3), (4,), (), (1, 2, 2)]


def gradients(dtype, steps=100):
    rng = np.random.default_rng(0)
    return [[rng.normal(size=s).astype(dtype) * 10.0 ** (i % 3 - 1) for s in SHAPES] for i in range(steps)]


def starts(dtype):
    rng = np.random.default_rng(1)
    return [rng.normal(size=s).astype(dtype) for s in SHAPES]


def run(optimizer, params, grads):
    for step in grads:
        for p, g in zip(params, step, strict=True):
            p.grad = g
        optimizer.step()


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_pytorch_over_100_steps(name, options, dtype):
    torch = pytest.importorskip("torch")
    ours, theirs = [Tensor(x) for x in starts(dtype)], [torch.tensor(x) for x in starts(dtype)]
    optimizer, reference = (
        getattr(optim, name)(ours, **options),
        getattr(torch.optim, name)(theirs, **options),
    )

    for step in gradients(dtype):
        for p, q, g in zip(ours, theirs, step, strict=True):
            p.grad, q.grad = g, torch.tensor(g)
        optimizer.step()
        reference.step()

    for p, q in zip(ours, theirs, strict=True):
        assert p.dtype == dtype
        scale = np.abs(q.numpy()).max() + 1
        eps = np.finfo(np.float32 if name in SINGLE else dtype).eps
        np.testing.assert_allclose(p.value, q.numpy(), rtol=0, atol=200 * eps * scale)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_stopped_training_goes_on_to_the_same_bits(name, options):
    grads, make = gradients(np.float32, 20), getattr(optim, name)
    straight = [Tensor(x) for x in starts(np.float32)]
    run(make(straight, **options), straight, grads)

    params = [Tensor(x) for x in starts(np.float32)]
    first = make(params, **options)
    run(first, params, grads[:9])
    saved, values = first.state_dict(), [np.array(p.value) for p in params]
    run(first, params, grads[9:])  # the saved copies stay what they were
    resumed = [Tensor(x) for x in values]
    second = make(resumed, lr=123.0)
    second.load_state_dict(saved)
    run(second, resumed, grads[9:])

    for p, q, r in zip(straight, params, resumed, strict=True):
        assert np.array_equal(p.value, q.value)
        assert np.array_equal(p.value, r.value)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_training_stopped_in_pytorch_goes_on_here(name, options):
    torch = pytest.importorskip("torch")
    grads = gradients(np.float64, 20)
    theirs = [torch.tensor(x) for x in starts(np.float64)]
    reference = getattr(torch.optim, name)(theirs, **options)

    def run_theirs(steps):
        for step in steps:
            for q, g in zip(theirs, step, strict=True):
                q.grad = torch.tensor(g)
            reference.step()

    run_theirs(grads[:9])
    ours = [Tensor(q.numpy().copy()) for q in theirs]
    optimizer = getattr(optim, name)(ours)
    optimizer.load_state_dict(reference.state_dict())
    run(optimizer, ours, grads[9:])
    run_theirs(grads[9:])

    for p, q in zip(ours, theirs, strict=True):
        tolerance = 1e-6 if name in SINGLE else 1e-12
        np.testing.assert_allclose(p.value, q.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize(("name", "options"), [*CASES, *MATRICES])
def test_compiled_from_its_first_step(name, options, executor):
    """What is remembered begins inside the recorded call; a new lr is the recorded program's too."""
    grads, results = gradients(np.float64, 8), []
    matrices = name == "Muon"
    for compiled in (False, True):
        params = [Tensor(x) for x in starts(np.float64) if x.ndim > 1 or not matrices]
        optimizer = getattr(optim, name)(params, **options)

        def step(*gs, params=params, optimizer=optimizer):
            for p, g in zip(params, gs, strict=True):
                p.grad = g
            optimizer.step()

        run_step = compile(step, executor=executor) if compiled else step
        for i, gs in enumerate(grads):
            if i == 4:
                optimizer.lr = 0.02
            run_step(*[g for g in gs if g.ndim > 1 or not matrices])
        results.append([p.value for p in params])
    for expected, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
def test_rounds_that_change_are_recorded_again(executor):
    eager, recorded = (Tensor(np.arange(6.0).reshape(2, 3) + 1) for _ in range(2))
    muons = [optim.Muon([p], lr=0.1) for p in (eager, recorded)]

    def step(p, muon):
        muon.zero_grad()
        np.sum(p * p * p).backward()
        muon.step()

    compiled = compile(lambda: step(recorded, muons[1]), executor=executor)
    for rounds in (5, 5, 1, 5):
        for muon in muons:
            muon.param_groups[0]["ns_steps"] = rounds
        step(eager, muons[0])
        compiled()
        np.testing.assert_allclose(recorded.value, eager.value, rtol=1e-9)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_nothing_is_written_into_an_array_that_others_hold(name, options):
    params = [Tensor(x) for x in starts(np.float64)]
    grads = gradients(np.float64, 3)
    before = [[p.value for p in params], copy.deepcopy([p.value for p in params]), copy.deepcopy(grads)]

    run(getattr(optim, name)(params, **options), params, grads)

    for held, kept in zip(before[0], before[1], strict=True):
        assert np.array_equal(held, kept)
    for step, kept in zip(grads, before[2], strict=True):
        assert all(np.array_equal(g, k) for g, k in zip(step, kept, strict=True))


def of_formula(name, options, dtype):
    """An optimizer's formula, arrays that it takes, and its numbers."""
    params = [Tensor(starts(dtype)[0])]
    optimizer = getattr(optim, name)(params, **options)
    group = optimizer.param_groups[0]
    slots = optimizer.remembered(group, params[0])
    shapes = [(4, 3), (4, 3), *(np.shape(optimizer.start(name, group, params[0])) for name in slots)]
    arrays = [np.full(shape, 0.5 + i, dtype) for i, shape in enumerate(shapes)]
    return (
        type(optimizer).formula,
        arrays,
        group.read() | ({"step": 3.0} if optimizer.counts(group) else {}),
    )


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_formula_keeps_the_dtype_of_the_arrays(name, options):
    formula, arrays, numbers = of_formula(name, options, np.float32)

    plain, graph = formula(*arrays, **numbers), formula(*map(Tensor, arrays), **numbers)

    assert len(plain) == len(graph) == len(arrays) - 1
    for x, y, before in zip(plain, graph, [arrays[0], *arrays[2:]], strict=True):
        assert np.shape(x) == np.shape(y) == before.shape
        assert not before.shape or (isinstance(y, Tensor) and x.dtype == y.dtype == np.float32)
        np.testing.assert_allclose(x, np.asarray(getattr(y, "value", y)), rtol=3e-7)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_formula_makes_a_graph_of_tensors_by_its_numbers_too(name, options):
    formula, arrays, numbers = of_formula(name, options, np.float64)

    def lifted(x):
        return (
            tuple(map(lifted, x)) if isinstance(x, tuple) else Tensor(x) if isinstance(x, float) and x else x
        )

    plain = formula(*arrays, **numbers)
    graph = formula(*map(Tensor, arrays), **{key: lifted(x) for key, x in numbers.items()})

    for x, y in zip(plain, graph, strict=True):
        assert isinstance(y, Tensor)
        np.testing.assert_allclose(x, y.value, rtol=1e-14)


def test_a_parameter_without_a_gradient_stays_and_does_not_count_the_step():
    torch = pytest.importorskip("torch")
    ours, theirs = (
        [Tensor([1.0]), Tensor([2.0])],
        [torch.tensor([1.0]).double(), torch.tensor([2.0]).double()],
    )
    optimizer, reference = optim.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    pattern = [(1, 1), (1, 0), (0, 1), (1, 1), (0, 0), (1, 1)]
    for step, seen in enumerate(pattern):
        for p, q, has in zip(ours, theirs, seen, strict=True):
            p.grad = np.array([step + 1.0]) if has else None
            q.grad = torch.tensor([step + 1.0]).double() if has else None
        optimizer.step()
        reference.step()

    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.value, q.numpy(), rtol=1e-14)
    assert [float(s["step"].value) for s in optimizer.state.values()] == [4.0, 4.0]


def test_parameters_that_step_together_share_one_counter():
    params = [Tensor([1.0]), Tensor([2.0])]
    optimizer = optim.Adam(params)
    run(optimizer, params, [[np.ones(1), np.ones(1)]])
    assert optimizer.state[params[0]]["step"] is optimizer.state[params[1]]["step"]


def test_groups_have_options_of_their_own():
    torch = pytest.importorskip("torch")
    x = np.array([1.0, -2.0])
    ours, theirs = [Tensor(x), Tensor(x)], [torch.tensor(x), torch.tensor(x)]

    def grouped(p):
        return [{"params": [p[0]], "lr": 0.5}, {"params": p[1], "momentum": 0.9}]

    optimizer, reference = optim.SGD(grouped(ours), lr=0.1), torch.optim.SGD(grouped(theirs), lr=0.1)
    for _ in range(3):
        for p, q in zip(ours, theirs, strict=True):
            p.grad, q.grad = np.ones(2), torch.ones(2).double()
        optimizer.step()
        reference.step()

    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.value, q.numpy(), rtol=1e-15)


def test_the_learning_rate_is_a_property_held_in_a_tensor():
    w = Tensor([1.0])
    optimizer = optim.SGD([w], lr=0.5)
    held = optimizer.param_groups[0].tensor("lr")
    optimizer.lr = 0.25
    w.grad = np.ones(1)
    optimizer.step()

    assert optimizer.lr == optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0].tensor("lr") is held
    assert w.value == 0.75


def test_different_learning_rates_have_no_common_one():
    optimizer = optim.SGD([{"params": [Tensor(1.0)], "lr": 0.5}, {"params": [Tensor(1.0)]}], lr=0.1)
    with pytest.raises(ValueError, match=r"the groups have different learning rates: 0.5, 0.1"):
        _ = optimizer.lr


def test_zero_grad_forgets():
    w = Tensor(1.0)
    (w * 2).backward()
    optim.SGD([w]).zero_grad()
    assert w.grad is None


def test_a_gradient_that_is_a_tensor_is_used_by_its_value():
    w = Tensor([2.0])
    (w**2).sum().backward(create_graph=True)
    optim.SGD([w], lr=0.25).step()
    assert w.value == 1.0
    assert w.op is None


def test_setting_a_term_from_nothing_changes_the_structure():
    optimizer = optim.SGD([Tensor(1.0)], lr=0.1)
    before = optimizer.structure()
    optimizer.lr = 0.2
    assert optimizer.structure() == before
    optimizer.param_groups[0]["momentum"] = 0.9
    assert optimizer.structure() != before


def test_momentum_set_later_starts_from_zero():
    w = Tensor([1.0])
    optimizer = optim.SGD([w], lr=0.5)
    run(optimizer, [w], [[np.ones(1)]])
    optimizer.param_groups[0]["momentum"] = 0.5
    run(optimizer, [w], [[np.ones(1)], [np.ones(1)]])
    assert w.value == 1.0 - 0.5 - 0.5 - 0.75


def test_loading_keeps_the_tensors_that_a_recorded_step_knows():
    w = Tensor([1.0])
    optimizer = optim.Adam([w])
    run(optimizer, [w], [[np.ones(1)]])
    saved, known = optimizer.state_dict(), dict(optimizer.state[w])
    run(optimizer, [w], [[np.ones(1)]])
    optimizer.load_state_dict(saved)
    assert {name: id(t) for name, t in optimizer.state[w].items()} == {
        name: id(t) for name, t in known.items()
    }
    assert optimizer.state[w]["step"].value == 1


def test_a_model_and_its_optimizer_can_be_copied_together():
    model = nn.Sequential(nn.Linear(2, 1))
    optimizer = optim.Adam(model.parameters())
    model(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    model_copy, optimizer_copy = copy.deepcopy((model, optimizer))
    model.zero_grad()
    model_copy(np.ones((1, 2), np.float32)).sum().backward()
    optimizer_copy.step()
    assert not np.array_equal(model[0].weight.value, model_copy[0].weight.value)
    assert next(iter(optimizer_copy.state)) is model_copy[0].weight


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: optim.SGD([]),
            ValueError,
            "SGD(params): wants parameters: none.",
        ),
        (lambda: optim.SGD([np.ones(2)]), TypeError, "SGD(params): wants Tensors that were not computed"),
        (
            lambda: optim.SGD([Tensor(1.0) * 2]),
            TypeError,
            "SGD(params): wants Tensors that were not computed: () float64",
        ),
        (
            lambda: optim.Adam([Tensor(1.0)], lr=-1.0),
            ValueError,
            "Adam(lr=): wants a number of 0 or more: -1.0.",
        ),
        (
            lambda: optim.Adam([Tensor(1.0)], lr=float("nan")),
            ValueError,
            "Adam(lr=): wants a number of 0 or more: nan.",
        ),
        (
            lambda: optim.AdamW([Tensor(1.0)], betas=(0.9, 1.0)),
            ValueError,
            "AdamW(betas=): wants two numbers from 0 to below 1: (0.9, 1.0).",
        ),
        (
            lambda: optim.SGD([Tensor(1.0)], nesterov=True),
            ValueError,
            "SGD(nesterov=True): wants a momentum and no dampening: momentum=0.0, dampening=0.0.",
        ),
        (
            lambda: optim.SGD([{"params": [Tensor(1.0)], "beta": 1.0}]),
            TypeError,
            "SGD(params): takes the options lr, momentum, dampening, weight_decay, nesterov, maximize: beta.",
        ),
    ],
)
def test_bad_options_are_explained(make, error, text):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).startswith(text)
    assert f"\n  At {__file__}:" in str(caught.value)
    assert "\n  Try " in str(caught.value)


def test_a_parameter_given_twice_is_refused():
    w = Tensor(1.0, name="w")
    with pytest.raises(ValueError, match=r"SGD\(params\): wants each parameter once: 'w' \(\) float64"):
        optim.SGD([w, w])


def test_a_state_of_other_shapes_is_refused_whole():
    big, small = Tensor(np.ones((2, 3)), name="w"), Tensor(np.ones(2))
    saver, loader = optim.Adam([big]), optim.Adam([small], lr=0.5)
    run(saver, [big], [[np.ones((2, 3))]])
    with pytest.raises(ValueError, match="Nothing was loaded") as caught:
        loader.load_state_dict(saver.state_dict())
    assert "wants arrays of the parameter's shape (2,): exp_avg is (2, 3)" in str(caught.value)
    assert loader.lr == 0.5
    with pytest.raises(ValueError, match=r"wants groups of \[2\] parameters: \[1\]"):
        optim.Adam([Tensor(1.0), Tensor(1.0)]).load_state_dict(saver.state_dict())


def test_formulas_can_be_called_with_plain_arrays():
    p, m, v = adam(np.zeros(2), np.array([1.0, -1.0]), np.zeros(2), np.zeros(2), step=1.0, lr=0.5)
    np.testing.assert_allclose(p, [-0.5, 0.5], rtol=1e-7)
    assert (m.tolist(), np.round(v, 6).tolist()) == (
        [0.09999999999999998, -0.09999999999999998],
        [0.001, 0.001],
    )
    assert sgd(np.zeros(1), np.ones(1), lr=0.5, weight_decay=3.0)[0] == -0.5


def test_centered_rmsprop_survives_equal_gradients_that_round_below_zero():
    g = np.random.default_rng(0).uniform(1e-3, 10, size=2000).astype(np.float32)
    w = Tensor(np.zeros_like(g))
    optimizer = optim.RMSprop([w], lr=1e-3, centered=True)
    run(optimizer, [w], [[g]] * 2000)

    memory = optimizer.state[w]
    assert (memory["square_avg"].value - memory["grad_avg"].value ** 2 < 0).any()
    assert np.isfinite(w.value).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda w: optim.Adam([w], betas=(0.9,)),
            r"Adam\(betas=\): wants two numbers from 0 to below 1: \(0.9,\)",
        ),
        (lambda w: optim.RMSprop([w], alpha=-1.0), r"RMSprop\(alpha=\): wants a number of 0 or more: -1.0"),
    ],
)
def test_numbers_that_fail_in_the_first_step_are_refused_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make(Tensor(1.0))


def test_parameters_may_come_with_their_names():
    model = nn.Linear(3, 2)

    for params in (model.named_parameters(), [{"params": model.named_parameters()}]):
        assert optim.SGD(params, lr=0.1).param_groups[0]["params"] == list(model.parameters())
