"""Tensors of a step that XLA runs: their arrays stay on the device and come when somebody reads them."""

import copy
import gc
import pickle
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, away, nn, no_grad, optim
from clearprop.train import load_checkpoint, save_checkpoint

pytest.importorskip("jax")

X = np.linspace(-1, 1, 40).reshape(10, 4)
Y = np.arange(10) % 3


def training(executor="xla", dtype=np.float64, **options):
    """A model, its optimizer and a step, with dropout and an embedding's gather."""
    clearprop.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3))
    model = model.double() if dtype is np.float64 else model
    opt = optim.Adam(model.parameters(), lr=0.02)

    def step(x, y):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    return model, opt, clearprop.compile(step, executor=executor, **options) if executor else step


def after(n, executor="xla", **options):
    model, opt, step = training(executor, **options)
    for _ in range(n):
        loss = step(X, Y)
    return model, opt, step, loss


def close(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(
            np.asarray(a[name]), np.asarray(b[name]), rtol=1e-9, atol=1e-12, err_msg=name
        )


def there(t):
    return away.is_there(t, "_value")


def test_what_a_step_changes_stays_there_until_it_is_read():
    model, opt, step, loss = after(4, prove="never")
    weight = model[0].weight

    assert there(weight)
    assert there(loss)
    assert away.is_there(weight, "grad")
    assert (weight.shape, weight.dtype, weight.ndim, weight.size) == ((8, 4), np.dtype("f8"), 2, 32)
    assert there(weight), "shape and dtype are known without it"
    assert isinstance(weight, nn.Parameter)

    value = weight.value

    assert not there(weight)
    assert type(value) is np.ndarray
    assert float(loss) > 0
    step(X, Y)
    assert there(weight)
    wanted = after(5, None)[0].state_dict()
    close(model.state_dict(), wanted)
    assert float(opt.state[weight]["step"]) == 5


def test_an_array_that_was_read_is_the_readers_and_does_not_move_with_the_next_step():
    model, _, step, _ = after(3)
    held = model[0].weight.value
    kept, grad = held.copy(), model[0].weight.grad
    gradient = grad.copy()
    for _ in range(3):
        step(X, Y)

    np.testing.assert_array_equal(held, kept)
    np.testing.assert_array_equal(grad, gradient)
    assert np.abs(model[0].weight.value - kept).max() > 0.01


def test_arrays_of_the_caller_are_copied_not_shared():
    _, _, step = training(prove="never")
    x = X.copy()
    for _ in range(3):
        loss = step(x, Y)
        x[:] = 7.0  # before the loss has been waited for
        got = float(loss)
        x[:] = X
    assert got == pytest.approx(float(after(3, None)[3]), rel=1e-9)


WRITES = {
    "a new value": lambda t: setattr(t, "value", np.ones(t.shape)),
    "in place": lambda t: t.__setitem__(0, 1.5),
    "subtracting": lambda t: t.__isub__(0.25),
    "assign": lambda t: clearprop.assign(t, np.full(t.shape, 0.5)),
    "value -=": lambda t: exec("t.value -= 0.5", {"t": t}),
}


@pytest.mark.parametrize("write", WRITES, ids=lambda w: w)
@pytest.mark.parametrize("read_first", [False, True])
def test_a_write_in_between_is_seen_by_the_next_step(write, read_first):
    def trained(executor):
        model, _, step, _ = after(3, executor)
        if read_first:
            model[3].bias.value.sum()
        with no_grad():
            WRITES[write](model[3].bias)
        for _ in range(2):
            step(X, Y)
        return model.state_dict()

    close(trained("xla"), trained(None))


def test_a_write_into_an_array_that_was_read_is_refused():
    model = after(3)[0]

    with pytest.raises(ValueError, match="read-only"):
        model[0].weight.value[0] = 1.0


def test_an_array_in_which_the_caller_writes_is_sent_at_each_call():
    shared = np.ones(3)
    w = clearprop.from_numpy(shared)
    step = clearprop.compile(lambda x: (w * x).sum(), executor="xla", prove="never")
    found = []
    for i in range(4):
        shared[:] = i
        found.append(float(step(np.ones(3))))

    assert found == [0.0, 3.0, 6.0, 9.0]


def test_what_is_only_read_goes_there_once():
    w = Tensor(np.arange(3.0))
    step = clearprop.compile(lambda x: (w * x).sum(), executor="xla", prove="never")
    step(np.ones(3))
    gc.collect()  # what recorded it holds the array too
    step(np.ones(3))

    assert there(w)
    assert float(step(np.ones(3))) == 3.0
    w.value = np.ones(3)
    assert float(step(np.ones(3))) == 3.0
    w.value = np.zeros(3)
    assert float(step(np.ones(3))) == 0.0


@pytest.mark.parametrize("of", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_and_pickles_are_ordinary_tensors(of):
    model, _, _, loss = after(4, prove="never")
    twin, leaf = of(model), of(loss.detach())

    close(twin.state_dict(), model.state_dict())
    assert type(twin[0].weight) is nn.Parameter
    assert type(leaf) is Tensor
    loss = after(4, prove="never")[3].detach()
    assert type(copy.copy(loss)) is Tensor
    assert float(copy.copy(loss)) == float(loss)


def test_a_graph_whose_leaf_has_gone_there_since_is_copied():
    w = Tensor(np.arange(3.0))
    y = (w * w).sum()
    step = clearprop.compile(lambda x: (w * x).sum(), executor="xla", prove="never")
    y.values, before = tuple(y.values), w.value.copy()
    step(np.ones(3))
    z = copy.deepcopy(y)
    z.backward()
    y.backward()

    np.testing.assert_array_equal(w.grad, 2 * before)


def test_a_checkpoint_resumes_to_the_same_numbers_elsewhere(tmp_path):
    model, opt, step, _ = after(4)
    save_checkpoint(tmp_path / "c", {"model": model.state_dict(), "optimizer": opt.state_dict()})
    other, other_opt, other_step = training("numpy")
    kept = load_checkpoint(tmp_path / "c")
    other.load_state_dict(kept["model"])
    other_opt.load_state_dict(kept["optimizer"])
    state = clearprop.get_rng_state()
    step(X, Y)
    clearprop.set_rng_state(state)
    other_step(X, Y)

    close(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("between", [None, "numpy", "llvm"])
def test_steps_of_several_executors_take_turns_on_the_same_tensors(between):
    if between == "llvm":
        pytest.importorskip("llvmlite")
    model, _, far = training("xla", prove="never")
    near = clearprop.compile(far.function, executor=between, prove="never") if between else far.function
    for i in range(24):
        (far if i % 3 == 2 else near)(X, Y)
    for _ in range(12):  # near enough in a row for its quick call, then one elsewhere, then it again
        near(X, Y)
    far(X, Y)
    near(X, Y)

    close(model.state_dict(), after(38, None)[0].state_dict())


@pytest.mark.parametrize("options", [{"prove": "always"}, {"verify": True}, {"fallback": True}])
def test_proofs_and_replays_read_what_lies_there(options):
    model = after(5, **options)[0]

    close(model.state_dict(), after(5, None)[0].state_dict())


def test_two_steps_share_tensors_and_one_result_is_another_ones_state():
    w = Tensor(np.ones(3))

    def add(x):
        with no_grad():
            clearprop.assign(w, clearprop.record.read(w) + x)
        return w.detach() * 1, w.detach() * 1

    def show():
        return w.detach() * 1

    run = clearprop.compile(add, executor="xla", prove="never")
    look = clearprop.compile(show, executor="xla", prove="never")
    seen = []
    for i in range(4):
        seen += [run(np.full(3, i)), look()]

    assert [float(np.asarray(x).sum()) for pair in seen[::2] for x in pair] == [3, 3, 6, 6, 12, 12, 21, 21]
    assert [float(np.asarray(x).sum()) for x in seen[1::2]] == [3, 6, 12, 21]


def test_a_result_may_be_read_late_and_by_several_threads():
    _, _, step = training(prove="never")
    losses = [step(X, Y) for _ in range(6)]
    found = [[None] * 6 for _ in range(4)]

    def read(mine):
        for i, loss in enumerate(losses):
            mine[i] = float(loss)

    threads = [threading.Thread(target=read, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eager = training(None)[2]
    wanted = [float(eager(X, Y)) for _ in range(6)]

    for mine in found:
        np.testing.assert_allclose(mine, wanted, rtol=1e-9)


def test_nothing_is_kept_of_tensors_that_are_gone():
    clearprop.get_rng_state()
    gc.collect()
    before = len(away._THERE)
    model, opt, step, loss = after(3, prove="never")
    assert len(away._THERE) > before
    del model, opt, step, loss
    clearprop.get_rng_state()
    gc.collect()

    assert len(away._THERE) == before


def test_an_attribute_that_is_not_there_is_said_as_ever():
    loss = after(3, prove="never")[3]

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        loss.nothing
    with pytest.raises(AttributeError, match=r"view"):
        loss.view(3)


def test_numbers_of_an_optimizer_are_read_and_changed_as_ever():
    model, opt, step, _ = after(3, prove="never")
    opt.lr = 0.5
    step(X, Y)

    assert opt.lr == 0.5
    wanted, eager_opt, eager, _ = after(3, None)
    eager_opt.lr = 0.5
    eager(X, Y)
    close(model.state_dict(), wanted.state_dict())


def test_float32_stays_float32_and_empty_and_single_entries_work():
    model = after(4, dtype=np.float32)[0]
    assert model[0].weight.value.dtype == np.float32
    w = Tensor(np.ones((0, 3)))
    one = Tensor(np.ones(1, np.float32))
    step = clearprop.compile(lambda x: (w.sum() + one * x).sum(), executor="xla")
    for _ in range(3):
        z = step(np.ones(1, np.float32))

    assert z.value == 1.0
    assert w.value.shape == (0, 3)


# --- which device, and what is given away -------------------------------------------------------------------
@pytest.mark.parametrize("options", [{"device": "cpu"}, {"device": "cpu:0"}, {"donate": False}])
def test_options_of_devices_change_no_number(options):
    wanted, _, _, loss = after(4)
    model, _, step, found = after(4, prove="never", **options)

    assert there(model[0].weight)
    close(model.state_dict(), wanted.state_dict())
    assert float(found) == float(loss)
    assert pickle.loads(pickle.dumps(step.where)) == step.where


def test_what_is_not_donated_stays_as_it_was():
    for donate in (True, False):
        model, _, step, _ = after(4, prove="never", donate=donate)
        before = away.there(model[0].weight, "_value")
        copied = np.array(before)
        step(X, Y)

        assert before.is_deleted() is donate
        if not donate:
            np.testing.assert_array_equal(np.asarray(before), copied)


def test_an_index_out_of_bounds_assigns_nothing_without_donation_too():
    table = nn.Embedding(5, 3)
    opt = optim.SGD(table.parameters(), lr=0.1)

    def step(i):
        opt.zero_grad()
        loss = np.sum(table(i) ** 2)
        loss.backward()
        opt.step()
        return loss

    run = clearprop.compile(step, executor="xla", donate=False)
    run(np.array([1, 2]))
    before = table.weight.value.copy()
    with pytest.raises(IndexError):
        run(np.array([1, 7]))
    np.testing.assert_array_equal(table.weight.value, before)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (
            {"device": "gpu"},
            ValueError,
            r"no such device here.*'gpu'(.|\n)*Here are cpu:0(.|\n)*Try device='cpu'",
        ),
        ({"device": "tpu:0"}, ValueError, "no such device here"),
        ({"device": "cpu:9"}, ValueError, "no such device here"),
        ({"device": "cpu:"}, ValueError, "no such device here"),
        ({"device": "cpu:-1"}, ValueError, "no such device here"),
        ({"device": ""}, ValueError, "no such device here"),
        ({"device": "abacus"}, ValueError, "no such device here"),
        ({"device": 0}, TypeError, "wants the name of a device"),
        ({"donate": 1}, TypeError, "wants True or False"),
        ({"device": "cpu", "executor": "numpy"}, ValueError, "for executor='xla'.*device='cpu'"),
        ({"device": "cpu", "executor": "auto"}, ValueError, "for executor='xla'"),
        ({"donate": False, "executor": "auto"}, ValueError, "for executor='xla'.*donate=False"),
        ({"device": "cpu", "mesh": clearprop.parallel.mesh(data=1)}, ValueError, "a device or a mesh"),
        ({"mesh": 3}, TypeError, "wants a mesh"),
    ],
)
def test_options_of_devices_that_cannot_be_are_refused_at_once(options, error, told):
    with pytest.raises(error, match=told):
        clearprop.compile(lambda x: x, **{"executor": "xla"} | options)


def test_an_array_of_jaxs_passes_as_it_is():
    jax = pytest.importorskip("jax")
    step = clearprop.compile(lambda o, x: x * np.asarray(o), executor="numpy")
    for value in (1.0, 2.0):
        np.testing.assert_array_equal(step(jax.numpy.full(2, value), np.ones(2)), [value, value])


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_an_array_of_jaxs_in_lent_memory_is_looked_at(executor):
    jax = pytest.importorskip("jax")
    lent = np.zeros(1040, np.float32)
    start = -lent.ctypes.data % 64 // 4
    lent = lent[start : start + 1000]  # aligned, so that it is not copied
    held = SimpleNamespace(array=jax.dlpack.from_dlpack(lent))
    step = clearprop.compile(lambda x: x * held.array[0].item(), executor=executor, prove="never")
    for value in (7.0, 1.0):
        lent[0] = value
        np.testing.assert_array_equal(step(np.ones(2)), [value, value])
