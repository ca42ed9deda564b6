"""The native way into a step: what it gives is as Python would have made it, and belongs to the caller."""

import sys

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler.step import CompiledStep

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.doorstep import objects

pytestmark = pytest.mark.skipif(not objects.readable(), reason="the ordinary checks decide here")
X = np.random.default_rng(0).standard_normal((5, 4)).astype("f4")


def trained(result=lambda loss: loss):
    """A step of Adam, called until it has a quick call."""
    clearprop.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    def step(x):
        optimizer.zero_grad()
        loss = np.mean(np.tanh(model(x)) ** 2)
        loss.backward()
        optimizer.step()
        return result(loss)

    step = clearprop.compile(step, executor="llvm", prove="geometric")
    step.model, step.optimizer = model, optimizer
    for _ in range(4):
        step(X)
    return step


def kinds(step):
    """The ways into the plan that there are."""
    return set(step.latest.recording.executable.entrances)


def test_a_tensor_is_made_with_all_its_attributes():
    step = trained()
    made, ordinary = step(X), step.ordinary(X)

    assert kinds(step) == {"tensor"}
    names = [name for name in Tensor.__slots__ if name not in ("__weakref__", "_value", "family")]
    assert not hasattr(made, "family")  # which views alone have
    assert [getattr(made, name) for name in names] == [getattr(ordinary, name) for name in names]
    assert type(made.value) is type(ordinary.value)
    assert float(made) > float(ordinary) > 0


def test_each_result_is_the_callers_own():
    double = clearprop.compile(lambda x: np.tanh(x) * 2, executor="llvm")
    results = [double(X + k) for k in range(6)]

    assert kinds(double) == {"array"}
    for k, z in enumerate(results):
        np.testing.assert_allclose(z, np.tanh(X + k) * 2, rtol=1e-5)
        assert z.flags.owndata


def test_two_results_are_put_together_in_python():
    step = trained(lambda loss: (loss, loss * 2))

    first, second = step(X)

    assert kinds(step) == {"done"}
    assert float(second) == pytest.approx(2 * float(first))


def test_a_number_that_somebody_holds_is_not_overwritten():
    step = trained()
    counter = next(s.tensor for s in step.latest.recording.executable.assigned)
    held = counter.value
    before = float(held)
    step(X)

    assert float(held) == before
    assert float(counter.value) == before + 1
    del held
    step(X)
    assert float(counter.value) == before + 2


def test_named_arguments_and_a_wrong_number_of_them_go_the_ordinary_way():
    step = trained()

    assert float(step(x=X)) > 0
    assert float(step(X)) > 0
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        step()


def test_an_index_out_of_bounds_changes_nothing_and_leaks_nothing():
    w = Tensor(np.arange(6.0))

    @clearprop.compile(executor="llvm")
    def step(i):
        w.grad = None
        loss = np.sum(w[i] ** 2)
        loss.backward()
        clearprop.assign(w, clearprop.record.read(w) - 0.1 * w.grad)
        return loss

    good, bad = np.array([0, 3]), np.array([0, 6])
    for _ in range(5):
        step(good)
    before = w.value.copy()
    with pytest.raises(IndexError, match="out of bounds"):
        step(bad)

    np.testing.assert_array_equal(w.value, before)
    assert float(step(good)) > 0


def test_what_a_result_refers_to_is_counted():
    step = trained()
    step(X)
    things = (None, (), False, np.dtype("f4"))
    before = list(map(sys.getrefcount, things))
    for _ in range(500):
        step(X)

    assert all(abs(sys.getrefcount(x) - n) < 100 for x, n in zip(things, before, strict=True))


def test_every_step_has_calls_of_its_own():
    one, other = trained(), clearprop.compile(lambda x: x + 1, executor="llvm")
    for _ in range(4):
        z = other(X)

    np.testing.assert_array_equal(z, X + 1)
    assert float(one(X)) > 0
    assert isinstance(one, CompiledStep)
    assert isinstance(other, CompiledStep)
    assert type(one) is not type(other)


def test_steps_of_one_form_share_the_code_of_their_way_in_and_nothing_else():
    """Its text says no address: what it names is found anew for each."""
    one, other = trained(), trained()
    texts = [step.latest.recording.executable.entrances["tensor"].code.text for step in (one, other)]
    assert texts[0] == texts[1]
    assert "inttoptr" not in texts[0]

    losses = [float(one(X)) for _ in range(3)]
    assert float(other(X)) == losses[0]  # which has learned two steps less by now
    assert losses[2] < losses[1] < losses[0]
