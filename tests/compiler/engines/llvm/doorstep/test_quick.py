"""The quick call: on every version it is there, and whatever moves one of its conditions turns it off."""

import collections
import gc
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop
from clearprop import Tensor, nn, optim, structure

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.doorstep import objects
from clearprop.compiler.engines.llvm.doorstep.conditions import Conditions
from clearprop.compiler.step import CompiledStep


@pytest.fixture(autouse=True)
def _unproved(monkeypatch):
    """A call that proves is no quick one: which calls these are is test_prove's."""
    monkeypatch.setenv("CLEARPROP_PROVE", "never")


described = pytest.mark.skipif(
    sys.implementation.name != "cpython" or sys.version_info[:2] not in objects.VERSIONS,
    reason="the ordinary checks decide here",
)
rate = 1.0
unset = None
asked = np.zeros(5000, bool)
HERE = 100  # a step looks at some entries of a large array, and not at this one: it would notice


class Ordinary(Exception):
    """What the ordinary way is replaced by where a test asks whether it is taken."""


@pytest.fixture(autouse=True)
def ordinary_way(monkeypatch):
    """Let the ordinary way of a step raise Ordinary while `asked[HERE]`."""
    own = CompiledStep.ordinary

    def ordinary(self, *args, **kwargs):
        if asked[HERE]:
            raise Ordinary
        return own(self, *args, **kwargs)

    monkeypatch.setattr(CompiledStep, "ordinary", ordinary)


class Settings:
    """What a user's step may look at: attributes, a class attribute, containers."""

    kind = "settings"

    def __init__(self):
        self.scale, self.shift, self.last = 2.0, 1.0, None
        self.sizes = [1.0, 2.0]
        self.table = {"a": 1.0, "b": 2.0}
        self.parts = {"x", "y"}


class Slotted:
    """Something without a `__dict__`."""

    __slots__ = ("power",)

    def __init__(self):
        self.power = 2


class Training:
    """A step that looks at all of these."""

    def __init__(self):
        clearprop.manual_seed(0)
        self.model = nn.Linear(4, 2)
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)
        self.settings, self.slotted = settings_, slotted = Settings(), Slotted()
        self.factor = 1.0
        self.x = np.random.default_rng(0).standard_normal((3, 4)).astype("f4")

        def step(x):
            self.optimizer.zero_grad()
            z = self.model(x) * settings_.scale * rate * settings_.sizes[0] * settings_.table["a"]
            loss = np.mean((z if unset is None else z + 1) ** slotted.power) * self.factor
            loss.backward()
            self.optimizer.step()
            return loss

        self.eager, self.step = step, clearprop.compile(step, executor="llvm")
        for _ in range(4):
            self.step(self.x)

    def quick(self):
        """Whether the quick call does the next step (or would)."""
        return self.does(self.x)

    def does(self, *args, quick=None):
        """Whether the quick call does the step for these arguments."""
        quick = quick or self.step.latest.quick
        asked[HERE] = True
        try:
            return quick is not None and quick(*args) is not None
        except Ordinary:
            return False
        finally:
            asked[HERE] = False


@pytest.fixture
def training():
    yield Training()
    globals().update(rate=1.0, unset=None)
    Settings.kind = "settings"


@described
def test_this_interpreter_is_read(training):
    assert objects.readable()
    assert training.quick()


def change_variable(t):
    globals()["rate"] = 3.0


def change_and_back_to_equal(t):
    globals()["rate"] = float("1.0")


def delete_variable(t):
    del globals()["unset"]


def attribute(t):
    t.settings.scale = 5.0


def new_attribute(t):
    t.settings.new = 1


def deleted_attribute(t):
    del t.settings.shift


def attributes_in_another_order(t):
    shift = t.settings.shift
    del t.settings.shift
    t.settings.shift = shift


def attributes_emptied(t):
    vars(t.settings).clear()


def class_attribute(t):
    Settings.kind = "other"


def slot_of_an_object(t):
    t.slotted.power = 4


def list_entry(t):
    t.settings.sizes[0] = 4.0


def list_longer(t):
    t.settings.sizes.append(1.0)


def list_emptied(t):
    t.settings.sizes.clear()


def dict_entry(t):
    t.settings.table["a"] = 9.0


def dict_longer(t):
    t.settings.table |= {str(i): i for i in range(50)}


def dict_shorter(t):
    del t.settings.table["b"]


def dict_with_another_key(t):
    t.settings.table["c"] = t.settings.table.pop("b")


def set_larger(t):
    t.settings.parts.add("z")


def set_smaller(t):
    t.settings.parts.remove("y")


def set_with_another(t):
    t.settings.parts.remove("y")
    t.settings.parts.add("z")


def dict_in_another_order(t):
    t.settings.table["a"] = t.settings.table.pop("a")


def option(t):
    t.optimizer.param_groups[0]["weight_decay"] = 0.3


def frozen(t):
    t.model.weight.requires_grad = False


def mode_switched(t):
    t.model.eval()


def assigned(t):
    clearprop.assign(t.model.weight, np.ones((2, 4), "f4"))


def held(t):
    t.held = t.model.weight.value


def gradient_held(t):
    t.held = t.model.weight.grad


def gradient_gone(t):
    t.model.weight.grad = None


def rate_as_an_array(t):
    t.optimizer.param_groups[0]["lr"] = 0.5
    state = next(x for x in t.step.latest.recording.store.numbers if x.data.slot == "value")
    state.data.tensor._value = np.asarray(state.data.tensor._value)


CHANGES = [x for x in list(globals().values()) if isinstance(x, types.FunctionType) and x.__name__ != "given"]
CHANGES = CHANGES[CHANGES.index(change_variable) :]


@described
@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_a_change_turns_it_off(change, training):
    assert training.quick()

    change(training)

    assert not training.quick()


ARGUMENTS = {
    "another dtype": lambda x: (x.astype("f8"),),
    "another shape": lambda x: (x[:2],),
    "another order": lambda x: (np.asfortranarray(x),),
    "more axes": lambda x: (x[None],),
    "a Tensor": lambda x: (Tensor(x),),
    "a list": lambda x: (x.tolist(),),
    "a subclass": lambda x: (x.view(np.matrix),),
    "two": lambda x: (x, x),
    "none": lambda x: (),
}


@described
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("other", ARGUMENTS)
def test_other_arguments_are_not_for_it(other, training):
    assert not training.does(*ARGUMENTS[other](training.x))


@described
def test_what_stays_is_as_in_eager_mode():
    quick, eager = Training(), Training()
    losses = [(float(quick.step(quick.x)), float(eager.eager(eager.x))) for _ in range(20)]

    assert quick.quick()
    np.testing.assert_allclose(*np.array(losses).T, rtol=1e-5)


@described
def test_an_object_at_the_address_of_a_freed_one_is_not_taken_for_it(training):
    training.settings.scale = float("2.0")
    for _ in range(9):
        training.step(training.x)
    assert training.quick()
    before = id(training.settings.scale)
    training.settings.scale = float("2.0")  # equal: checked the ordinary way, and the old one is let go
    training.step(training.x)
    others = [float("7.0") for _ in range(5000)]

    assert before not in map(id, others)
    for other in others:
        training.settings.scale = other
        assert not training.quick()


@described
def test_arrays_that_moved_are_noticed_by_every_variant_of_the_plan(training):
    quick = training.step.latest.quick
    held = training.model.weight.value
    training.step(training.x)  # goes on with another array
    del held
    gc.collect()

    assert not training.does(training.x, quick=quick)


@described
def test_under_no_grad_there_is_none():
    step = clearprop.compile(lambda x: x * 2, executor="llvm")
    with clearprop.no_grad():
        for _ in range(5):
            step(np.ones(3))

        assert step.latest.quick is None


@described
def test_true_and_false_are_returned_like_any_object(training):
    before = sys.getrefcount(True), sys.getrefcount(False)
    for _ in range(1000):
        training.quick()
        training.does()

    assert abs(sys.getrefcount(True) - before[0]) < 100
    assert abs(sys.getrefcount(False) - before[1]) < 100


def test_elsewhere_the_ordinary_checks_decide(monkeypatch):
    monkeypatch.setattr("clearprop.compiler.engines.llvm.doorstep.quick.readable", lambda: False)
    t = Training()

    assert t.step.latest.quick is None
    assert float(t.step(t.x)) > 0


@pytest.mark.parametrize("what", ["implementation", "version", "threads"])
def test_an_interpreter_that_is_not_described_is_not_read(what, monkeypatch):
    objects.readable.cache_clear()
    objects.arrays_readable.cache_clear()
    if what == "implementation":
        monkeypatch.setattr(sys, "implementation", types.SimpleNamespace(name="pypy"))
    elif what == "version":
        monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    else:
        monkeypatch.setattr(objects.sysconfig, "get_config_var", lambda name: name == "Py_GIL_DISABLED")

    assert not objects.readable()
    assert objects.arrays_readable() is (what == "version")
    assert objects.checks().startswith("in Python, a few microseconds more")
    if what == "version":
        assert "of CPython 3.11, 3.12, 3.13, not of cpython 3.99" in objects.checks()
    objects.readable.cache_clear()
    objects.arrays_readable.cache_clear()


@described
@pytest.mark.parametrize(("executor", "where"), [("llvm", "in native code"), ("numpy", "in Python")])
def test_explain_says_where_conditions_are_checked(executor, where):
    step = clearprop.compile(lambda x: np.sum(np.tanh(x)), executor=executor)
    step(np.ones(4, np.float32))

    assert f"  conditions of a call are checked {where}\n" in step.explain()


# --- dicts --------------------------------------------------------------------------------------------------
@described
@given(
    st.lists(st.tuples(st.sampled_from(["set", "delete", "last"]), st.integers(0, 40)), max_size=120),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_entries_lie_where_they_are_said_to(changes, text):
    table = {}
    for what, number in changes:
        key = str(number) if text else number
        if what == "set":
            table[key] = object()
        elif what == "delete":
            table.pop(key, None)
        elif table:
            table.popitem()

        found = objects.Entries(id(table), table)

        assert [objects.word(a) for a in found.values.values()] == [id(v) for v in table.values()]
        assert [objects.word(a) for a in found.keys.values()] == [id(k) for k in table]
        assert not found.order or list(table) == list(found.keys)


@described
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh")), max_size=60))
@settings(max_examples=200, deadline=None)
def test_attributes_lie_where_they_are_said_to(changes):
    thing = types.SimpleNamespace()
    mine = Settings()
    for x in (thing, mine):
        for put, name in changes:
            if put:
                setattr(x, name, object())
            elif hasattr(x, name):
                delattr(x, name)

            found = objects.Entries(objects.viewed(vars(x).values()), vars(x))

            assert [objects.word(a) for a in found.values.values()] == [id(v) for v in vars(x).values()]


@described
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=120))
@settings(max_examples=200, deadline=None)
def test_members_lie_where_they_are_said_to(changes):
    items, all_items = set(), [object() for _ in range(61)]
    for add, number in changes:
        items.add(all_items[number]) if add else items.discard(all_items[number])

        found = objects.members(items)[3:]

        assert [objects.word(a) for a in found] == list(map(id, items))


@described
def test_a_dict_whose_order_is_its_own_is_left_to_the_ordinary_checks(training):
    training.step.latest.guard.iterables.append(collections.OrderedDict(a=1).values())

    with pytest.raises(LookupError):
        Conditions(training.step.latest)


@described
def test_a_change_anywhere_is_a_word_too(training):
    assert training.quick()
    structure.changed()

    assert not training.quick()
    training.step(training.x)  # nothing that matters to the step has changed
    for _ in range(300):
        training.step(training.x)
    assert training.quick()
