"""Tests of numpy.bundles: updates of one formula run side by side, and whose memory that is."""

import itertools

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim
from clearprop.compiler.plan.memory import LINE
from clearprop.compiler.step import available_executors
from clearprop.record import assign, read

SIZES = (5, 40, 7, 1)


def network(seed=0):
    numbers = np.random.default_rng(seed)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(SIZES)]
    model = nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])
    for p in model.parameters():
        assign(p, numbers.standard_normal(p.shape).astype(np.float32) / 3)
    return model


def batch(seed):
    numbers = np.random.default_rng(seed)
    return numbers.standard_normal((8, SIZES[0]), np.float32), numbers.standard_normal((8, 1), np.float32)


def training(optimizer_of, extra=None, clear_last=False, dtype="float32"):
    """Return two models, and functions that train one as it is and the other with the numpy executor."""
    models = network().to(dtype), network().to(dtype)
    steps = []
    for model in models:
        optimizer = optimizer_of(list(model.parameters()))

        def step(x, y, model=model, optimizer=optimizer):
            if not clear_last:
                optimizer.zero_grad()
            loss = np.mean((model(x) - y) ** 2)
            loss.backward()
            if extra is not None:
                extra(model, optimizer)
            optimizer.step()
            if clear_last:
                optimizer.zero_grad()
            return loss

        steps.append(step)
    return models, steps[0], clearprop.compile(steps[1], executor="numpy")


def assert_alike(models, rtol=1e-4):
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(q.value, p.value, rtol=rtol, atol=rtol / 100)


def loops(step):
    return [line for line in step.source().splitlines() if line.strip().startswith("for ")]


OPTIMIZERS = {
    "SGD": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda ps: optim.RMSprop(ps, lr=1e-3),
    "Adam": lambda ps: optim.Adam(ps, lr=1e-2, weight_decay=0.01),
    "AMSGrad": lambda ps: optim.Adam(ps, lr=1e-2, amsgrad=True),
    "AdamW": lambda ps: optim.AdamW(ps, lr=1e-2),
}


@pytest.mark.parametrize("clear_last", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_updates_all_parameters_in_one_go(name, clear_last):
    models, eager, compiled = training(OPTIMIZERS[name], clear_last=clear_last)

    for i in range(6):
        assert compiled(*batch(i)).item() == pytest.approx(eager(*batch(i)).item(), rel=1e-4)

    assert_alike(models)
    (loop,) = loops(compiled)
    assert "_and_5_more_part" in loop
    assert "6 updates of " in compiled.explain()


def test_parameters_with_other_numbers_are_other_updates():
    def groups(ps):
        return optim.Adam([{"params": ps[:4]}, {"params": ps[4:], "lr": 1e-3}], lr=1e-2)

    models, eager, compiled = training(groups)
    for i in range(4):
        eager(*batch(i)), compiled(*batch(i))

    assert_alike(models)
    assert len(loops(compiled)) == 2


def test_what_is_used_once_more_is_not_bundled():
    models, eager, compiled = training(
        OPTIMIZERS["SGD"], extra=lambda model, _: assign(model[0].bias, np.tanh(read(model[0].bias)))
    )
    for i in range(4):
        eager(*batch(i)), compiled(*batch(i))

    assert_alike(models)
    assert "_and_4_more_part" in loops(compiled)[0]


def test_a_step_that_looks_at_the_new_weights_sees_them():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @clearprop.compile(executor="numpy")
    def step(x, y):
        optimizer.zero_grad()
        np.mean((model(x) - y) ** 2).backward()
        optimizer.step()
        return np.mean((model(x) - y) ** 2)

    for i in range(3):
        loss = step(*batch(i))
        x, y = batch(i)
        assert loss.item() == pytest.approx(np.mean((model(x).value - y) ** 2), rel=1e-5)


def test_neighbours_begin_on_cache_lines_and_share_memory():
    models, _, compiled = training(OPTIMIZERS["Adam"])
    for i in range(3):
        compiled(*batch(i))

    arrays = [p._value for p in models[1].parameters()]
    assert all(a.ctypes.data % LINE == 0 and a.flags.c_contiguous for a in arrays)
    assert len({id(a.base) for a in arrays}) == 1
    assert len({id(p.grad.base) for p in models[1].parameters()}) == 1


@pytest.mark.parametrize("hold", [lambda p: p.value, lambda p: p.value[:1], lambda p: p.grad])
def test_what_somebody_holds_stays_while_its_neighbours_move_on(hold):
    models, eager, compiled = training(OPTIMIZERS["Adam"])
    for i in range(3):
        eager(*batch(i)), compiled(*batch(i))

    held = [hold(list(models[1].parameters())[k]) for k in (0, 3)]
    copies = [np.array(array) for array in held]
    for i in range(3, 6):
        eager(*batch(i)), compiled(*batch(i))

    for array, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert_alike(models)


def test_one_parameter_may_be_given_another_array():
    models, eager, compiled = training(OPTIMIZERS["momentum"])
    for i in range(6):
        if i == 3:
            for model in models:
                assign(model[2].weight, np.full((7, 40), 0.1, np.float32))
                model[0].bias.grad = None
        eager(*batch(i)), compiled(*batch(i))

    assert_alike(models)


def test_a_gradient_that_is_only_read_stays_where_it_is():
    tensors = [clearprop.Tensor(np.ones(n, np.float32)) for n in (3, 5)]
    for t in tensors:
        t.grad = np.full(t.shape, 2, np.float32)

    @clearprop.compile(executor="numpy")
    def step():
        for t in tensors:
            assign(t, read(t) - 0.5 * t.grad)

    grads = [t.grad for t in tensors]
    for _ in range(2):
        step()

    assert all(t.grad is g for t, g in zip(tensors, grads, strict=True))
    np.testing.assert_array_equal(tensors[1].value, np.full(5, -1, np.float32))


def test_a_step_that_fails_has_changed_nothing():
    tensors = [clearprop.Tensor(np.ones((n, n), np.float32)) for n in (2, 3)]

    @clearprop.compile(executor="numpy")
    def step(x):
        for t in tensors:
            assign(t, read(t) * 2.0 + 1.0)
        return np.linalg.inv(x)

    step(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        step(np.zeros((2, 2)))

    np.testing.assert_array_equal(tensors[0].value, np.full((2, 2), 3, np.float32))


def failing_pair(executor):
    """Return Tensors that a step writes only, Tensors that it reads too, and the step, which may fail."""
    ts, es = ([clearprop.Tensor(np.full((n, n), k, np.float32)) for n in (2, 3)] for k in (1, 3))

    @clearprop.compile(executor=executor)
    def step(x):
        for t, e in zip(ts, es, strict=True):
            assign(t, read(e) * 2.0 + 1.0)
            assign(e, read(e) * 1.5)
        return np.linalg.inv(x)

    for _ in range(3):
        step(np.eye(2))
    return ts, es, step


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("hold", ["read", "written only"])
def test_a_step_that_fails_after_its_arrays_moved_loses_nothing(hold, executor):
    ts, es, step = failing_pair(executor)
    before = [t.value.copy() for t in (*ts, *es)]

    held = (es if hold == "read" else ts)[0].value
    with pytest.raises(np.linalg.LinAlgError):
        step(np.zeros((2, 2)))
    for t, value in zip((*ts, *es), before, strict=True):
        np.testing.assert_array_equal(t.value, value)

    arrays = [t.value for t in (*ts, *es)]  # kept: later steps leave them alone
    for _ in range(2):
        step(np.eye(2))
    for array, value in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, value)
    np.testing.assert_array_equal(es[1].value, before[3] * 1.5**2)
    np.testing.assert_array_equal(ts[1].value, before[3] * 1.5 * 2 + 1)
    assert held.shape == (2, 2)


def test_what_is_kept_at_every_step_does_not_keep_its_neighbours():
    models, eager, compiled = training(OPTIMIZERS["Adam"])
    history = []
    for i in range(8):
        eager(*batch(i)), compiled(*batch(i))
        history.append(models[1][4].bias.value)

    assert_alike(models)
    assert history[-1].base is not models[1][0].weight.value.base
    assert "6 updates" not in compiled.explain()
    assert len({array.tobytes() for array in history}) == 8


def test_states_take_no_room_among_the_buffers():
    _, _, compiled = training(OPTIMIZERS["Adam"])
    for i in range(2):
        compiled(*batch(i))

    plan = compiled.latest.recording.executable.plan
    assert not [v for v in plan.offsets if v.kind == "state"]
    assert plan.total <= plan.unshared + LINE * len(plan.offsets)


def test_a_chain_that_cannot_be_bundled_leaves_the_others_alone():
    ts, ps, ms = ([clearprop.Tensor(np.full((n, n), k, np.float32)) for n in (2, 3)] for k in (1, 2, 3))

    @clearprop.compile(executor="numpy")
    def step():
        for t in ts:
            assign(t, read(t) * 0.5 + 1.0)
        for p, m in zip(ps, ms, strict=True):
            old = read(p)
            assign(p, old * 2.0)
            assign(m, read(m) + old)

    for _ in range(2):
        step()

    assert "2 updates of 13 entries" in step.explain()
    assert [t.value.flat[0] for t in (*ts, *ps, *ms)] == [1.75, 1.75, 8, 8, 9, 9]


def disturb(numbers, twins, held):
    """Do to both parameters what users do between steps; `held` are arrays that have to stay as they are."""
    plain, compiled = twins
    event = numbers.choice(["hold", "hold a view", "hold a gradient", "replace", "freeze", "clear", "let go"])
    if event == "hold":
        held.append((compiled.value, compiled.value.copy()))
    elif event == "hold a view":
        held.append((compiled.value.T[:1], compiled.value.T[:1].copy()))
    elif event == "hold a gradient" and compiled.grad is not None:
        held.append((compiled.grad, compiled.grad.copy()))
    elif event == "replace":
        value = numbers.standard_normal(plain.shape)
        for p in twins:
            assign(p, value.copy())
    elif event == "freeze":
        for p in twins:
            p.requires_grad = not p.requires_grad
    elif event == "clear":
        plain.grad = compiled.grad = None
    elif event == "let go":
        held.clear()


@pytest.mark.by_turns("clear_last")
@pytest.mark.parametrize("clear_last", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("seed", range(5))
def test_training_is_as_in_eager_mode_whatever_is_done_between_steps(name, clear_last, seed):
    """In float64, where rounding that twelve steps magnify is still far from any other difference."""
    numbers = np.random.default_rng(seed)
    models, eager, compiled = training(OPTIMIZERS[name], clear_last=clear_last, dtype="float64")
    held = []
    for i in range(12):
        rows = 8 if numbers.random() < 0.7 else 3  # plans for two shapes, on the same parameters
        x, y = (array[:rows].astype("float64") for array in batch(i))
        assert compiled(x, y).item() == pytest.approx(eager(x, y).item(), rel=1e-10)
        assert_alike(models, rtol=1e-10)
        for array, copy in held:
            np.testing.assert_array_equal(array, copy)
        pairs = list(zip(*(model.parameters() for model in models), strict=True))
        disturb(numbers, pairs[numbers.integers(1, len(pairs))], held)  # the first is never frozen
