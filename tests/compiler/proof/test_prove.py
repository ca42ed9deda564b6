"""A compiled step proves itself: when, what it compares, what it says, and that bits do not depend on it."""

import itertools
import threading
import types

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, assign, nn, optim
from clearprop.compiler import RecordingError
from clearprop.compiler.capture.culprits import changes, checksum, likely_lines, picture
from clearprop.compiler.proof.prove import DEFAULT, ProofError, turns_left
from clearprop.compiler.proof.tolerance import FEW, roundings, surely_close
from clearprop.compiler.step import available_executors
from clearprop.modes import mode
from clearprop.record import read

on_each = pytest.mark.parametrize("executor", available_executors())


def training(executor, prove, dropout=0.0, **options):
    clearprop.manual_seed(0)
    layers = [nn.Linear(6, 8), nn.Tanh(), *([nn.Dropout(dropout)] if dropout else []), nn.Linear(8, 3)]
    model = nn.Sequential(*layers)
    optimizer, loss_fn = optim.Adam(model.parameters(), lr=0.01), nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, clearprop.compile(step, executor=executor, prove=prove, **options)


def batches(n):
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((16, 6)).astype("f4"), rng.integers(0, 3, 16)) for _ in range(n)]


def scaled(executor="auto", prove="always", **options):
    """A step with one state, and the state."""
    w = Tensor(np.array([1.0, 2.0]), "w")

    def step(x):
        w.grad = None
        loss = np.sum((w * x) ** 2)
        loss.backward()
        assign(w, read(w) - 0.01 * w.grad)
        return loss

    return w, clearprop.compile(step, executor=executor, prove=prove, **options)


def spoil(step, change):
    """Let the plan do something else besides: `change` is given its outputs, and returns others."""
    recording = step.latest.recording
    run = recording.run
    recording.run = lambda arrays, tensors: change(run(arrays, tensors))


# --- when ---------------------------------------------------------------------------------------------------
@on_each
@pytest.mark.parametrize(
    ("prove", "wanted"),
    [("geometric", [2, 3, 5, 9, 17, 33]), ("always", list(range(2, 41))), ("never", [])],
)
def test_the_calls_of_a_plan_that_are_proved(executor, prove, wanted):
    step = clearprop.compile(lambda x: np.sum(x * x), executor=executor, prove=prove)
    x, proved = np.ones(3), []
    for call in range(1, 41):
        before = step.proofs
        step(x)
        proved += [call] * (step.proofs - before)

    assert proved == wanted


def test_each_plan_is_proved_for_itself():
    step = clearprop.compile(lambda x: np.sum(x * x), prove="geometric")
    for n in (2, 3, 2, 3, 2, 3):
        step(np.ones(n))

    assert step.proofs == 4


def test_the_gaps_double():
    assert [turns_left("geometric", n) for n in range(6)] == [0, 0, 1, 3, 7, 15]


def test_the_environment_says_when_where_the_call_does_not(monkeypatch):
    monkeypatch.setenv("CLEARPROP_PROVE", "always")
    assert clearprop.compile(lambda x: x).prove == "always"
    assert clearprop.compile(lambda x: x, prove="never").prove == "never"

    monkeypatch.delenv("CLEARPROP_PROVE")
    assert clearprop.compile(lambda x: x).prove == DEFAULT
    with pytest.raises(ValueError, match="prove is one of geometric, always, never"):
        clearprop.compile(lambda x: x, prove="sometimes")


# --- agreement ----------------------------------------------------------------------------------------------
@on_each
def test_bits_do_not_depend_on_proving(executor):
    found = []
    for prove in ("never", "geometric", "always"):
        model, optimizer, step = training(executor, prove, dropout=0.3)
        losses = [float(step(x, y).value) for x, y in batches(20)]
        arrays = [a for p in model.parameters() for a in (p.value, p.grad)]
        arrays += [t.value for p in model.parameters() for t in optimizer.state[p].values()]
        found.append((losses, [np.array(a).tobytes() for a in arrays]))

    assert found[0] == found[1] == found[2]


@on_each
def test_the_arrays_of_the_plan_stay_where_they_are(executor):
    model, _, step = training(executor, "always")
    data = batches(12)
    for x, y in data[:6]:
        step(x, y)
    places = [p.value.ctypes.data for p in model.parameters()]
    moves = int(step.latest.recording.store.moves[0])
    for x, y in data[6:]:
        step(x, y)

    assert step.proofs == 10
    assert [p.value.ctypes.data for p in model.parameters()] == places
    assert int(step.latest.recording.store.moves[0]) == moves


@on_each
def test_steps_in_steps_are_the_functions_while_one_is_proved(executor):
    w = Tensor(np.ones(3))
    inner = clearprop.compile(lambda x: np.sum(w * x), executor=executor, prove="always")
    outer = clearprop.compile(lambda x: inner(x) * 2, executor=executor, prove="always")
    for k in range(4):
        inner(np.full(3, k))
        assert outer(np.full(3, float(k))).value == 6 * k

    assert not mode.as_written


@on_each
def test_two_threads_may_call_a_step_that_is_proved_at_each_call(executor):
    w, step = scaled(executor)
    step(np.zeros(2))
    failed = []

    def run():
        try:
            for _ in range(40):
                step(np.zeros(2))
        except Exception as error:  # shown by the assertion
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()

    assert not failed
    np.testing.assert_array_equal(w.value, [1.0, 2.0])


@on_each
def test_every_call_of_two_threads_counts(executor):
    total = Tensor(np.zeros(4), requires_grad=False)

    def add(x):
        assign(total, read(total) + x)

    step = clearprop.compile(add, executor=executor, prove="geometric")
    step(np.ones(4))

    def run():
        for _ in range(300):
            step(np.ones(4))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()

    np.testing.assert_array_equal(total.value, np.full(4, 601.0))


@on_each
def test_a_step_that_raises_does_so_in_a_proof_too(executor):
    w = Tensor(np.arange(3.0))

    def step(k):
        assign(w, read(w) + 1)
        return np.sum(w[k])

    compiled = clearprop.compile(step, executor=executor, prove="always")
    compiled(np.array([0, 1]))
    compiled(np.array([0, 2]))
    before = w.value.copy()
    with pytest.raises(IndexError):
        compiled(np.array([0, 3]))

    np.testing.assert_array_equal(w.value, before)
    compiled(np.array([0, 1]))
    np.testing.assert_array_equal(w.value, before + 1)


def test_a_tensor_of_another_shape_means_another_plan():
    scale = Tensor(np.ones(3), requires_grad=False)
    step = clearprop.compile(lambda x: np.sum(x * scale), prove="always")
    step(np.ones(3))
    step(np.ones(3))
    scale._value = np.full(1, 2.0)

    assert step(np.ones(3)).value == 6


def test_where_there_is_no_room_for_the_function_the_plan_counts():
    def step(x):
        if mode.as_written:
            raise MemoryError
        return np.sum(x)

    compiled = clearprop.compile(step, prove="always")

    assert [compiled(np.full(2, float(k))) for k in range(3)] == [0, 2, 4]


def test_what_another_thread_does_meanwhile_is_no_difference():
    done = []

    def step(x):
        if mode.as_written and not done:  # once only, as another thread would
            done.append(x)
        return np.sum(x)

    compiled = clearprop.compile(step, prove="always")

    assert [compiled(np.full(2, float(k))) for k in range(3)] == [0, 2, 4]
    assert len(done) == 1


@on_each
def test_a_tensor_that_each_call_makes_is_not_the_recording_s(executor):
    def inside(v):
        x = Tensor(3.0)
        (v * x**2).backward(create_graph=True)
        return x.grad * v

    compiled = clearprop.compile(clearprop.grad(inside), executor=executor, prove="always")

    for k in (1.0, 2.0, 3.0, 4.0):
        np.testing.assert_allclose(float(compiled(np.float64(k))), 12 * k)


# --- rounding -----------------------------------------------------------------------------------------------
@on_each
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_bias_whose_gradient_is_rounding_is_no_fault(executor, dtype):
    """Before a normalisation a bias does nothing: Adam makes full steps of what is left of its gradient."""
    clearprop.manual_seed(0)
    dead, w = Tensor(np.zeros(8, dtype)), Tensor(np.linspace(-1, 1, 40).reshape(5, 8).astype(dtype))
    optimizer = optim.Adam([dead, w], lr=0.01)

    def step(x, y):
        optimizer.zero_grad()
        h = x @ w + dead
        h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)
        loss = np.mean((np.sum(np.tanh(h), 1) - y) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    compiled = clearprop.compile(step, executor=executor, prove="always")
    rng = np.random.default_rng(1)
    for _ in range(8):
        compiled(rng.normal(size=(16, 5)).astype(dtype), rng.normal(size=16).astype(dtype))


@on_each
def test_the_sign_of_a_gradient_that_is_zero_is_no_fault(executor):
    w = Tensor(np.linspace(-1, 1, 12).reshape(3, 4))

    def step(x):
        w.grad = None
        p = clearprop.softmax(x @ w)
        loss = np.sum(p * p.sum(1, keepdims=True))  # the sum is 1: its gradient is rounding
        (loss - np.sum(p)).backward()
        assign(w, read(w) - 0.01 * np.sign(w.grad))
        return loss

    compiled = clearprop.compile(step, executor=executor, prove="always")
    rng = np.random.default_rng(0)
    for _ in range(6):
        compiled(rng.normal(size=(8, 3)))


@on_each
@pytest.mark.parametrize("name", ["w", "result"])
@pytest.mark.parametrize(("relative", "dtype"), [(1e-4, "f4"), (1e-11, "f8")])
def test_a_small_fault_is_found_all_the_same(executor, name, relative, dtype):
    w = Tensor(np.linspace(0.5, 1, 6).astype(dtype), "w")
    optimizer = optim.Adam([w], lr=0.01)

    def step(x):
        optimizer.zero_grad()
        loss = np.mean(np.tanh(x @ w) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    compiled = clearprop.compile(step, executor=executor, prove="always")
    x = np.random.default_rng(0).normal(size=(10, 6)).astype(dtype)
    for _ in range(4):
        compiled(x)

    def wrong(outputs):
        if name == "result":
            return tuple((z * (1 + relative)).astype(dtype)[()] for z in outputs)
        w._value[3] += 0.01 * relative  # of an update of 0.01
        return outputs

    spoil(compiled, wrong)
    with pytest.raises(ProofError, match=f"the plan does not do what the function does: .*{name}"):
        compiled(x)


# --- differences --------------------------------------------------------------------------------------------
FAULTS = {
    "the result": (lambda w: lambda z: (z[0] * 1.5,), "the result: the function gives .*, the plan"),
    "a value": (lambda w: lambda z: (w._value.__imul__(1.1), z)[1], "w: the function gives"),
    "a gradient": (lambda w: lambda z: (w.grad.__imul__(1.1), z)[1], r"w\.grad: the function gives"),
    "no gradient": (lambda w: lambda z: (setattr(w, "grad", None), z)[1], r"w\.grad: .* the plan None"),
    "a NaN": (lambda w: lambda z: (w._value.fill(np.nan), z)[1], "w: .* the plan nan"),
    "another dtype": (lambda w: lambda z: (z[0].astype("f4"),), r"\(\) float64, the plan \(\) float32"),
}


@on_each
@pytest.mark.parametrize("fault", FAULTS)
def test_what_differs_is_said_and_undone(executor, fault):
    change, said = FAULTS[fault]
    w, step = scaled(executor)
    for _ in range(3):
        step(np.array([1.0, 3.0]))
    value, grad = w.value.copy(), w.grad.copy()
    spoil(step, change(w))
    with pytest.raises(ProofError, match=said):
        step(np.array([1.0, 3.0]))

    np.testing.assert_array_equal(w.value, value)
    np.testing.assert_array_equal(w.grad, grad)
    assert step(np.array([1.0, 3.0])).value == np.sum((value * [1.0, 3.0]) ** 2)  # recorded again


def test_what_the_function_reads_from_outside_is_found(tmp_path):
    file = tmp_path / "scale.npy"
    np.save(file, 1.0)
    step = clearprop.compile(lambda x: np.sum(x) * np.load(file), prove="always")
    step(np.ones(2))
    step(np.ones(2))
    np.save(file, 4.0)
    with pytest.raises(ProofError, match=r"the function gives 8.0, the plan 2.0(.|\n)*\(load\)"):
        step(np.ones(2))


def test_an_error_that_only_the_function_raises_is_found(tmp_path):
    file = tmp_path / "a file"

    def step(x):
        if file.exists():
            raise KeyError("no")
        return np.sum(x)

    compiled = clearprop.compile(step, prove="always")
    compiled(np.ones(2))
    file.touch()
    with pytest.raises(ProofError, match="the function raises KeyError: 'no', the plan nothing"):
        compiled(np.ones(2))


def test_a_function_that_gives_two_results_is_told_apart():
    def step(x):
        return np.sum(x * np.random.default_rng().normal(size=3))

    compiled = clearprop.compile(step, prove="always")
    compiled(np.ones(3))
    with pytest.raises(ProofError, match="Run twice from the same state, the function itself gives two"):
        compiled(np.ones(3))


def test_what_has_changed_since_the_recording_is_named(monkeypatch):
    settings = types.SimpleNamespace(_scale=1.0)
    step = clearprop.compile(lambda x: np.sum(x) * settings._scale, prove="always")
    step(np.ones(2))
    monkeypatch.setattr(step.latest.guard, "holds", lambda: True)  # as if it could not be seen
    settings._scale = 10.0
    with pytest.raises(ProofError, match=r"have changed: settings._scale 1.0 -> 10.0"):
        step(np.ones(2))


def test_an_array_that_the_function_changes_is_named():
    counted = np.zeros(3)

    def step(x):
        if mode.as_written:
            counted[0] += 1
        return np.sum(x)

    compiled = clearprop.compile(step, prove="always")
    compiled(np.ones(2))
    with pytest.raises(ProofError, match=r"an array within reach, \(3,\) float64: the function changes"):
        compiled(np.ones(2))


def _counts(things):
    things["counter"] += 1


def _appends(things):
    things["list"].append(1)


def _fills(things):
    things["array"][0] += 1


def _replaces(things):
    things["list"] = [things["list"]]


def _draws(things):
    things["generator"].random()


@pytest.mark.parametrize(
    ("late", "meanwhile"),
    [
        *itertools.product((_counts, _appends, _fills, _draws), (None, _counts, _appends, _fills, _replaces)),
        (_replaces, None),
    ],
)
def test_what_a_step_begins_to_change_late_is_found_by_a_later_proof(late, meanwhile, tmp_path):
    things = {"counter": 0, "list": [], "array": np.zeros(2), "generator": np.random.default_rng(0)}
    file = tmp_path / "a file"

    def step(x):
        if file.exists():
            late(things)
        return x * 2.0

    compiled = clearprop.compile(step, prove="always")
    for _ in range(5):
        compiled(np.ones(3))
        if meanwhile is not None:
            meanwhile(things)
    file.touch()
    with pytest.raises(RecordingError):  # a ProofError, where nothing else has changed
        compiled(np.ones(3))


def test_random_numbers_that_the_function_draws_are_found():
    def step(x):
        if mode.as_written:
            np.random.random()  # noqa: NPY002
        return np.sum(x)

    compiled = clearprop.compile(step, prove="always")
    compiled(np.ones(2))
    with pytest.raises(ProofError, match="random numbers"):
        compiled(np.ones(2))


# --- going on with the function itself ----------------------------------------------------------------------
def test_with_fallback_the_function_counts_and_it_is_said_once():
    w, step = scaled(fallback=True)
    plain, eager = scaled()
    x = np.array([1.0, 3.0])
    for _ in range(3):
        step(x), eager.function(x)
    spoil(step, lambda z: (z[0] * 2,))
    with pytest.warns(RuntimeWarning, match="The run goes on with the function's own result") as said:
        loss = step(x)
    assert len(said) == 1
    np.testing.assert_allclose(loss.value, eager.function(x).value)
    for _ in range(3):  # without a word
        step(x), eager.function(x)

    np.testing.assert_allclose(w.value, plain.value)
    assert "the plan does not do what the function does" in step.disproved


def test_with_fallback_a_plan_is_made_anew_where_something_has_changed(monkeypatch):
    settings = types.SimpleNamespace(_scale=1.0)
    step = clearprop.compile(lambda x: np.sum(x) * settings._scale, prove="always", fallback=True)
    step(np.ones(2))
    monkeypatch.setattr(step.latest.guard, "holds", lambda: True)
    settings._scale = 10.0
    with pytest.warns(RuntimeWarning, match="settings._scale"):
        assert step(np.ones(2)) == 20
    assert step(np.ones(2)) == 20

    assert step.recordings == 2
    assert not step.refusals


@pytest.mark.parametrize("how", ["auto", True])
def test_a_difference_does_not_end_a_training_run(how, monkeypatch):
    from clearprop import train
    from clearprop.compiler.capture.recording import Recording

    monkeypatch.setenv("CLEARPROP_PROVE", "geometric")
    run = Recording.run
    monkeypatch.setattr(Recording, "run", lambda self, *given: tuple(z * 2 for z in run(self, *given)))
    x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(-1, 1)
    histories = []
    for compiled in (how, False):
        clearprop.manual_seed(0)
        model = nn.Linear(1, 1)
        data, loss = (x, 3 * x), nn.MSELoss()
        if compiled:
            with pytest.warns(RuntimeWarning, match="The run goes on"):
                histories.append(train.fit(model, loss, data, epochs=4, compile=how, progress=False))
        else:
            histories.append(train.fit(model, loss, data, epochs=4, compile=False, progress=False))

    np.testing.assert_allclose(histories[0]["loss"][1:], histories[1]["loss"][1:], rtol=1e-5)


def test_explain_tells_of_proofs():
    _, step = scaled(prove="geometric")
    for _ in range(6):
        step(np.ones(2))

    assert "proved by 3 call(s)" in step.explain()
    assert "prove='geometric'" in step.explain()


# --- causes -------------------------------------------------------------------------------------------------
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self._scale, self.table, self.items = 1.0, np.zeros(4), [1, 2]


def test_a_picture_shows_changes_by_name():
    layer, bias = Layer(), 1.0

    def step(x):
        return x * layer._scale + bias

    old = picture(step)
    layer._scale, bias = 2.0, 3.0
    layer.table[1] = 5
    layer.items.append(3)

    found = changes(old, picture(step))
    assert set(found) == {
        "layer._scale 1.0 -> 2.0",
        "bias 1.0 -> 3.0",
        "the contents of layer.table",
        "layer.items, 2 -> 3 entries",
    }


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_array_is_looked_at_in_part(order):
    x = np.zeros((3000, 1000), order=order)
    before = checksum(x)
    x[1000:1020] = 1

    assert checksum(x) != before
    assert checksum(x[::2, ::3]) == checksum(x[::2, ::3].copy())
    assert checksum(np.array([None, 1], dtype=object)) == 0


def test_lines_that_a_recording_may_see_otherwise_are_found():
    def helper(x):
        try:
            x[0] = 1
        except ValueError:
            return -x
        return x

    def step(x):
        return helper(x) if hasattr(x, "strides") else x

    found = [line.split(" ", 1)[1] for line in likely_lines(step)]
    assert "asks for a type (hasattr)" in found
    assert "stores into an array or a container" in found
    assert "catches exceptions" in found


@np.errstate(all="ignore")
def test_a_quick_look_says_close_only_where_the_long_one_does():
    rng = np.random.default_rng(0)
    seen = set()
    for dtype in ("f2", "f4", "f8"):
        eps = np.finfo(dtype).eps
        for exponent in rng.uniform(-2, 6, 300):
            old, a = (rng.normal(size=5).astype(dtype) for _ in range(2))
            b = a + (rng.normal(size=5) * eps * 2.0**exponent).astype(dtype)
            for before in (None, old, a + (eps * a)):
                quick = surely_close(a, b, before)
                seen.add(quick)

                assert not quick or roundings(a, b, before) <= FEW * 1.01
    assert seen == {True, False}
    for odd in (np.inf, -np.inf, np.nan):
        for a, b in ((odd, 1.0), (1.0, odd), (odd, -odd), (odd, odd)):
            for old in (None, np.zeros(2), np.array([odd, 0.0])):
                assert not surely_close(np.array([a, 1.0]), np.array([b, 2.0]), old)
        assert not surely_close(np.array([1.0, 1.0]), np.array([1.0, 2.0]), np.array([odd, 1.0]))
    assert not surely_close(np.ones(2), np.ones(2, np.float32))
    assert not surely_close(np.ones(2), np.ones(1))
