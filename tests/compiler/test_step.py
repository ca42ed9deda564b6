"""A compiled step is the step: Tensors, gradients, modes and errors are as after an eager one."""

import threading

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, assign, grad, nn, optim, value_and_grad
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors
from clearprop.record import read

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]


def training(model, optimizer, loss_fn):
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def network(kind="adam", dropout=0.0, seed=0):
    clearprop.manual_seed(seed)
    layers = [nn.Linear(6, 8), nn.Tanh(), *([nn.Dropout(dropout)] if dropout else []), nn.Linear(8, 3)]
    model = nn.Sequential(*layers)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    if kind == "adam":
        optimizer = optim.Adam(model.parameters(), lr=0.01)
    return model, optimizer, training(model, optimizer, nn.CrossEntropyLoss())


def batches(n=6, size=16, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((size, 6)).astype("f4"), rng.integers(0, 3, size)) for _ in range(n)]


def same(model, other, gradients=True):
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(p.value, q.value, rtol=2e-5, atol=2e-7)
        if gradients:
            np.testing.assert_allclose(p.grad, q.grad, rtol=2e-4, atol=2e-7)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_training_compiled_is_training(kind, executor):
    model, _, step = network(kind)
    other, _, eager = network(kind)
    compiled = clearprop.compile(step, executor=executor)
    for x, y in batches():
        loss, wanted = compiled(x, y), eager(x, y)
        assert isinstance(loss, Tensor)
        np.testing.assert_allclose(loss.value, wanted.value, rtol=2e-5)
        same(model, other)


def test_dropout_draws_the_bits_that_eager_draws(executor):
    model, _, step = network(dropout=0.5)
    other, _, eager = network(dropout=0.5)
    compiled = clearprop.compile(step, executor=executor)
    clearprop.manual_seed(7)
    losses = [float(compiled(x, y).value) for x, y in batches()]
    clearprop.manual_seed(7)
    wanted = [float(eager(x, y).value) for x, y in batches()]

    np.testing.assert_allclose(losses, wanted, rtol=2e-5)
    assert len(set(losses)) == len(losses)
    same(model, other)


def test_the_learning_rate_may_change_without_a_new_recording(executor):
    model, optimizer, step = network()
    other, beside, eager = network()
    compiled = clearprop.compile(step, executor=executor)
    for i, (x, y) in enumerate(batches(8)):
        optimizer.lr = beside.lr = 0.01 / (1 + i)
        compiled(x, y)
        eager(x, y)
    same(model, other)
    assert compiled.recordings <= 2


def test_weights_loaded_between_calls_are_used(executor):
    model, _, step = network()
    other, _, eager = network()
    compiled = clearprop.compile(step, executor=executor)
    data = batches()
    for x, y in data:
        compiled(x, y)
        eager(x, y)
    saved = network(seed=3)[0].state_dict()
    model.load_state_dict(saved)
    other.load_state_dict(saved)
    for x, y in data:
        compiled(x, y)
        eager(x, y)
    same(model, other)


def test_a_smaller_last_batch_gets_its_own_plan(executor):
    model, _, step = network()
    other, _, eager = network()
    compiled = clearprop.compile(step, executor=executor)
    for x, y in [*batches(3), *batches(2, size=5), *batches(2)]:
        compiled(x, y)
        eager(x, y)
    same(model, other)
    assert len(compiled.plans) == 2


def test_only_so_many_plans_are_kept(executor):
    double = clearprop.compile(lambda x: x * 2, executor=executor, limit=3)
    for n in range(1, 8):
        assert double(np.ones(n)).tolist() == [2.0] * n
    assert len(double.plans) == 3


def test_switching_dropout_off_is_noticed(executor):
    model, _, _ = network(dropout=0.5)
    predict = clearprop.compile(lambda x: model(x), executor=executor)
    x = batches()[0][0]
    first = [predict(x).value for _ in range(3)]
    model.eval()
    second = [predict(x).value for _ in range(3)]

    assert not np.array_equal(first[0], first[1])
    np.testing.assert_allclose(second[0], model(x).value, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(second[1], second[2])


def test_freezing_a_layer_is_noticed(executor):
    model, _, step = network("sgd")
    other, _, eager = network("sgd")
    compiled = clearprop.compile(step, executor=executor)
    for i, (x, y) in enumerate(batches()):
        for net in (model, other):
            net[0].weight.requires_grad = i % 3 != 0
        compiled(x, y)
        eager(x, y)
        same(model, other, gradients=False)


def test_a_layer_that_is_replaced_is_noticed(executor):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(6, 3)

        def forward(self, x):
            return self.inner(x)

    model = Net()
    predict = clearprop.compile(lambda x: model(x), executor=executor)
    x = batches()[0][0]
    predict(x), predict(x)
    model.inner = nn.Linear(6, 3)

    np.testing.assert_allclose(predict(x).value, model(x).value, rtol=1e-5, atol=1e-7)


def test_a_python_number_that_changes_is_noticed(executor):
    settings = {"scale": 2.0}
    f = clearprop.compile(lambda x: x * settings["scale"], executor=executor)
    for scale in (2.0, 2.0, 3.0, 3.0, 2.0):
        settings["scale"] = scale
        assert f(np.ones(2)).tolist() == [scale, scale]


# --- gradients that stay ------------------------------------------------------------------------------------
def test_gradients_accumulate_across_calls_where_nothing_clears_them(executor):
    w, v = Tensor([1.0, 2.0], name="w"), Tensor([1.0, 2.0])

    def step(w, x):
        loss = np.sum(w * w * x)
        loss.backward()
        return loss

    compiled = clearprop.compile(lambda x: step(w, x), executor=executor)
    for n in range(1, 6):
        x = np.full(2, float(n))
        compiled(x)
        step(v, x)
        np.testing.assert_allclose(w.grad, v.grad)
    w.grad = v.grad = None
    for n in range(1, 4):
        compiled(np.full(2, float(n)))
        step(v, np.full(2, float(n)))
        np.testing.assert_allclose(w.grad, v.grad)


def test_a_gradient_that_somebody_keeps_is_not_overwritten(executor):
    model, _, step = network()
    compiled = clearprop.compile(step, executor=executor)
    kept = []
    for x, y in batches():
        compiled(x, y)
        p = model[0].weight
        kept.append((p.value, p.value.copy(), p.grad, p.grad.copy(), p.value[0], p.value[0].copy()))
    for value, then, g, g_then, row, row_then in kept:
        np.testing.assert_array_equal(value, then)
        np.testing.assert_array_equal(g, g_then)
        np.testing.assert_array_equal(row, row_then)


def test_a_gradient_kept_while_the_tensor_forgets_it_is_not_overwritten(executor):
    model, optimizer, step = network()
    compiled = clearprop.compile(step, executor=executor)
    kept = []
    for x, y in batches():
        compiled(x, y)
        g = model[0].weight.grad
        kept.append((g, g.copy()))
        optimizer.zero_grad()
    for g, then in kept:
        np.testing.assert_array_equal(g, then)


def test_a_graph_made_between_calls_keeps_the_values_it_was_computed_from(executor):
    model, _, step = network()
    compiled = clearprop.compile(step, executor=executor)
    data = batches()
    compiled(*data[0]), compiled(*data[0])
    loss = model(data[1][0]).sum()
    wanted = model[0].weight.value.copy()
    compiled(*data[1])
    inside = [x for node in clearprop.topological_order(loss) for x in node.values if np.shape(x) == (8, 6)]

    np.testing.assert_array_equal(inside[0], wanted)


def test_results_and_arguments_belong_to_the_caller(executor):
    f = clearprop.compile(lambda x: (x * 2, x, x.T, x + 1), executor=executor)
    x = np.arange(6.0).reshape(2, 3)
    first = f(x)
    copies = [np.array(z) for z in first]
    for k in range(3):
        f(x + k)
    for z, then in zip(first, copies, strict=True):
        np.testing.assert_array_equal(z, then)
    assert first[1] is x
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(2, 3))


# --- more than one update -----------------------------------------------------------------------------------
def test_several_updates_in_one_step(executor):
    def three(model, optimizer, loss_fn):
        def step(x, y):
            for _ in range(3):
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
            return loss

        return step

    loss_fn = nn.CrossEntropyLoss()
    model, optimizer, _ = network()
    other, beside, _ = network()
    compiled = clearprop.compile(three(model, optimizer, loss_fn), executor=executor)
    eager = three(other, beside, loss_fn)
    for x, y in batches():
        np.testing.assert_allclose(compiled(x, y).value, eager(x, y).value, rtol=1e-4)
    same(model, other)


def test_two_tensors_may_swap_their_contents(executor):
    a, b = Tensor([1.0, 2.0], requires_grad=False), Tensor([3.0, 4.0], requires_grad=False)

    @clearprop.compile(executor=executor)
    def swap(x):
        old = read(a) * 1.0
        first, second = read(b), read(a)
        assign(a, first)
        assign(b, second * 1.0)
        return old + x

    for n in range(4):
        before = a.value.copy(), b.value.copy()
        swap(np.zeros(2))
        np.testing.assert_array_equal(a.value, before[1])
        np.testing.assert_array_equal(b.value, before[0], err_msg=str(n))


# --- functions ----------------------------------------------------------------------------------------------
def test_pure_functions_give_arrays_for_arrays(executor):
    f = lambda x: np.sum(np.sin(x) * x)  # noqa: E731
    x = np.linspace(0, 1, 5)
    for function in (f, grad(f), value_and_grad(f), grad(lambda x: np.sum(grad(f)(x) ** 2))):
        compiled = clearprop.compile(function, executor=executor)
        for k in range(3):
            got, wanted = compiled(x + k), function(x + k)
            got, wanted = (v if isinstance(v, tuple) else (v,) for v in (got, wanted))
            for z, w in zip(got, wanted, strict=True):
                assert type(z) is type(w)
                np.testing.assert_allclose(z, w, rtol=1e-12)


def test_arguments_may_be_nested_and_named(executor):
    @clearprop.compile(executor=executor)
    def f(pair, *, options, power=2):
        return {"sum": pair[0] + pair[1]["b"] * options["scale"], "power": pair[0] ** power}

    for k in (1.0, 2.0):
        got = f((np.full(2, k), {"b": np.ones(2)}), options={"scale": np.float64(k)}, power=3)
        assert got["sum"].tolist() == [2 * k, 2 * k]
        assert got["power"].tolist() == [k**3, k**3]


def test_a_tensor_argument_gets_its_gradient(executor):
    @clearprop.compile(executor=executor)
    def step(w, x):
        loss = np.sum(w * x)
        loss.backward()
        return loss

    for k in range(1, 4):
        w = Tensor([1.0, 2.0])
        step(w, np.full(2, float(k)))
        assert w.grad.tolist() == [k, k]


def test_integers_and_other_dtypes_have_plans_of_their_own(executor):
    f = clearprop.compile(lambda x: x + x // 2, executor=executor)
    for dtype in (np.int32, np.float32, np.float64, np.int64):
        for _ in range(2):
            got = f(np.arange(4).astype(dtype))
            assert got.dtype == (np.arange(4).astype(dtype) + np.arange(4).astype(dtype) // 2).dtype
            assert got.tolist() == [0, 1, 3, 4]


def test_nan_and_infinity_come_out_as_in_eager(executor):
    def f(x):
        z = np.log(x) * np.where(x > 0, np.sqrt(x), 0) / (x - 1)
        return z, np.isnan(z), np.isinf(z), np.exp(np.log(x)), np.max(z), np.maximum(z, x)

    compiled = clearprop.compile(f, executor=executor)
    x = np.array([-1.0, 0.0, 1.0, 2.0, np.inf, np.nan, 1e308, -np.inf])
    with np.errstate(all="ignore"):
        for _ in range(3):
            for z, w in zip(compiled(x), f(x), strict=True):
                np.testing.assert_allclose(z, w, rtol=1e-12)


def test_a_method_can_be_compiled(executor):
    class Trainer:
        def __init__(self):
            self.w = Tensor([1.0, 2.0])

        @clearprop.compile(executor=executor)
        def loss(self, x):
            return np.sum(self.w * x)

    trainer = Trainer()
    for k in (1.0, 2.0):
        assert trainer.loss(np.full(2, k)).value == 3 * k


def test_an_argument_may_be_wrapped_in_a_tensor(executor):
    w = Tensor([1.0, 2.0])

    @clearprop.compile(executor=executor)
    def step(x, n):
        w.grad = None
        x, n = Tensor(x), Tensor(n, requires_grad=False)
        loss = np.sum(x * w * n)
        loss.backward()
        return loss, x.grad

    for k in range(1, 4):
        loss, g = step(np.full(2, float(k)), np.arange(2) + k)
        assert loss.value == k * (k + 2 * (k + 1))
        assert g.tolist() == [k, 2.0 * (k + 1)]
        assert w.grad.tolist() == [k * k, k * (k + 1)]


def test_clipping_belongs_to_the_step(executor):
    def clipped(model, optimizer, loss_fn):
        def step(x, y):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            norm = optim.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            return loss, norm

        return step

    loss_fn = nn.CrossEntropyLoss()
    model, optimizer, _ = network("sgd")
    other, beside, _ = network("sgd")
    compiled = clearprop.compile(clipped(model, optimizer, loss_fn), executor=executor)
    eager = clipped(other, beside, loss_fn)
    for x, y in batches():
        (_, norm), (_, wanted) = compiled(x, y), eager(x, y)
        np.testing.assert_allclose(np.asarray(getattr(norm, "value", norm)), wanted, rtol=1e-5)
    same(model, other)


def test_threads_may_share_a_compiled_function(executor):
    f = clearprop.compile(lambda x: (x * 2 + 1).sum(axis=0), executor=executor)
    wrong = []

    def work(k):
        x = np.full((50, 20), float(k))
        for _ in range(50):
            if not (f(x) == 50 * (2 * k + 1)).all():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_step_under_observation_runs_as_it_is(executor):
    f = clearprop.compile(
        lambda x: clearprop.compile(lambda y: y * 2, executor=executor)(x) + 1, executor=executor
    )
    for k in range(3):
        assert f(np.full(2, float(k))).tolist() == [2 * k + 1, 2 * k + 1]


def test_the_second_call_settles_on_one_plan(executor):
    _, _, step = network()
    compiled = clearprop.compile(step, executor=executor)
    for x, y in batches():
        compiled(x, y)

    assert compiled.recordings == 2  # the first found no gradients, the second some: both cleared
    assert [len(variants) for variants in compiled.plans.values()] == [1]


def test_the_plan_can_be_read(executor):
    _, _, step = network()
    compiled = clearprop.compile(step, executor=executor)
    with pytest.raises(RuntimeError, match="has no plan yet"):
        compiled.source()
    for x, y in batches():
        compiled(x, y)

    assert "dot(x0, " in compiled.source()
    text = compiled.explain()
    assert f"executor {executor}" in text
    assert "product" in text
    assert "one entry a row: one-hot" in text
    if executor == "llvm":
        assert "define " in compiled.llvm_ir()
    else:
        with pytest.raises(RuntimeError, match="the plan runs on NumPy"):
            compiled.llvm_ir()


# --- what is refused ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("use", "asked"),
    [
        (lambda t: 1 if t > 3 else 0, "bool(t)"),
        (lambda t: float(t), "float(t)"),
        (lambda t: t.item(), "item()"),
        (lambda t: t.value, "value"),
        (lambda t: t.numpy(), "value"),
        (lambda t: int(t), "int(t)"),
        (lambda t: np.asarray(t.detach()), "np.asarray(t)"),
        (lambda t: f"{t:.3f}", "format(t)"),
    ],
)
def test_python_values_are_refused_with_the_line_and_the_way_out(use, asked, executor):
    w = Tensor([1.0, 2.0], name="w")

    def step(x):
        assign(w, read(w) * 2.0)
        use((w * x).sum())
        return w * 1

    with pytest.raises(RecordingError) as caught:
        clearprop.compile(step, executor=executor)(np.ones(2))

    text = str(caught.value)
    assert f"cannot ask for {asked}" in text
    assert "test_step.py:" in text
    assert "Try " in text
    assert w.value.tolist() == [1.0, 2.0]


def test_an_error_while_recording_leaves_everything_as_it_was(executor):
    model, optimizer, _ = network()
    before = model.state_dict()

    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        raise KeyError("stop")

    with pytest.raises(KeyError):
        clearprop.compile(step, executor=executor)(batches()[0][0])

    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert all(p.grad is None for p in model.parameters())


def test_with_fallback_a_refused_step_runs_as_it_is(executor):
    f = clearprop.compile(lambda x: x * 2 if (x > 0).all() else x, executor=executor, fallback=True)

    for k in (1.0, -1.0, 1.0):
        assert f(np.array([k])).tolist() == [2.0 if k > 0 else -1.0]
    with pytest.raises(RuntimeError, match="runs eagerly"):
        f.explain()


def test_counting_in_python_is_refused(executor):
    class Counter:
        count = 0

    counter = Counter()
    counter.count = 0

    def step(x):
        counter.count += 1
        return x * counter.count

    with pytest.raises(RecordingError, match=r"the step changes Counter\['count'\] from 0 to 1"):
        clearprop.compile(step, executor=executor)(np.ones(2))


def test_collecting_in_a_list_is_refused(executor):
    seen = []

    def step(x):
        seen.append(x)
        return x * 2

    with pytest.raises(RecordingError, match="the step makes a list of 0 entries 1 long"):
        clearprop.compile(step, executor=executor)(np.ones(2))


def test_numpys_random_numbers_are_refused(executor):
    rng = np.random.default_rng(0)

    with pytest.raises(RecordingError, match="would be the same at each call"):
        clearprop.compile(lambda x: x + rng.standard_normal(2), executor=executor)(np.ones(2))


def test_an_unknown_executor_is_named(executor):
    with pytest.raises(ValueError, match="executor is one of auto, numpy, llvm, xla: 'fast'"):
        clearprop.compile(lambda x: x, executor="fast")


def test_rows_along_a_middle_axis_and_sums_along_the_first_in_one_step(executor):
    rng = np.random.default_rng(0)
    x, y = Tensor(rng.normal(size=(2, 3, 4))), Tensor(rng.normal(size=(1, 3, 4)))

    def step():
        x.grad = y.grad = None
        loss = np.sum(np.tanh(x - x.mean(axis=1, keepdims=True) + y))
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor)
    for _ in range(3):
        compiled()
    found = x.grad, y.grad
    step()

    np.testing.assert_allclose(found[0], x.grad, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[1], y.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("look", [lambda w: w, lambda w: w.T, lambda w: w[::-1], lambda w: w[1, 0]])
@pytest.mark.parametrize("new", [lambda w: w + 1.0, lambda w: np.flip(w, 0), lambda w: w.T.reshape(3, 2)])
def test_old_contents_that_are_returned_are_the_old_ones(look, new, executor):
    w, eager = Tensor(np.arange(6.0).reshape(3, 2)), np.arange(6.0).reshape(3, 2)

    def step():
        before = read(w)
        assign(w, new(before))
        return look(before)

    compiled = clearprop.compile(step, executor=executor)
    for _ in range(4):
        np.testing.assert_array_equal(compiled(), look(eager))
        eager = new(eager)
        np.testing.assert_array_equal(w.value, eager)


RESULTS = {
    "two scalars": (lambda x: np.sort(x)[0], lambda x: np.sort(x)[-1]),
    "an array and a scalar": (np.sort, lambda x: np.sort(x)[-1]),
    "arrays of two shapes": (lambda x: np.sort(x)[:2], lambda x: np.sort(x)[None, :]),
}


@pytest.mark.parametrize("results", RESULTS)
def test_an_op_for_each_result_belongs_to_the_step(results, executor):
    first, second = (
        clearprop.define(f"result_{i}", "opaque", arity=1)(forward)
        for i, forward in enumerate(RESULTS[results])
    )

    def step(x):
        z = np.tanh(x)
        return second(z) - first(z).sum(), first(z) * 2.0

    compiled = clearprop.compile(step, executor=executor)
    for x in np.random.default_rng(0).normal(size=(3, 4)):
        for got, wanted in zip(compiled(x), step(x), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert "result_0" in compiled.explain()
    assert "result_1" in compiled.explain()
    del clearprop.registry.ops["result_0"], clearprop.registry.ops["result_1"]


CUTS = {
    "64 parts": (64, 0),
    "two halves of the columns": (2, 1),
    "at places": ([1, 5], 0),
    "past the end": ([3, 500], -1),
    "overlapping": ([40, 20], 0),
}


@pytest.mark.parametrize("cut", CUTS)
def test_the_gradients_of_pieces_are_joined(cut, executor):
    sections, axis = CUTS[cut]
    w = Tensor(np.random.default_rng(0).normal(size=(64, 6)))

    def step():
        w.grad = None
        loss = sum(
            ((i + 1) * np.tanh(piece) ** 2).sum() for i, piece in enumerate(np.split(w, sections, axis))
        )
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor)
    for _ in range(3):
        compiled()
    found = w.grad
    step()

    np.testing.assert_allclose(found, w.grad, rtol=1e-12)
    assert "scatter" not in compiled.explain()


def test_explain_tells_what_its_executor_runs(executor):
    _, _, step = network()
    compiled = clearprop.compile(step, executor=executor)
    for x, y in batches():
        compiled(x, y)
    executable, text = compiled.latest.recording.executable, compiled.explain()

    assert f"{len(executable.groups)} pieces:" in text
    assert text.count("product (") == sum(group.kind == "product" for group in executable.groups)
    assert f"states updated in place: {executable.plan.in_place}, by a copy: 0" in text
    assert executable.plan.in_place == len(executable.slots)


SLOPES = {
    "tanh": lambda x: np.sum(np.tanh(x) * x),
    "a product": lambda x: np.sum(np.sin(x[:, None] * x[None, :])),
    "a norm": lambda x: np.linalg.norm(x + 2.0) ** 3,
    "softmax": lambda x: clearprop.logsumexp(x) * np.prod(x),
    "chosen": lambda x: np.sum(np.where(x > 0, x**3, np.exp(x))),
    "a quotient": lambda x: np.mean(x**2) / (1.0 + np.sum(x**4)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SLOPES)
def test_compiled_gradients_are_those_of_eager_mode_to_second_order(name, dtype, executor):
    f = SLOPES[name]
    first = clearprop.grad(f)
    second = clearprop.grad(lambda x: np.sum(first(x) ** 2))
    for slope in (first, second):
        compiled = clearprop.compile(slope, executor=executor, prove="always")
        for k in range(3):
            x = np.random.default_rng(k).normal(size=4).astype(dtype)
            got, right = compiled(x), slope(x)

            assert type(got) is type(right)
            assert got.dtype == right.dtype == dtype
            np.testing.assert_allclose(got, right, rtol=500 * np.finfo(dtype).eps)
