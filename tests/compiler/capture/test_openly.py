"""Objects in reach whose own code raises, or says what they are not: a step that does not ask them runs."""

import types
import weakref

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]


def fails(*args, **keywords):
    raise OSError("not now")


def odd(base=object, **names):
    """Return an object of a class whose names are these."""
    kind = type("Odd", (base,), {"__module__": __name__, **names})
    found = kind.__new__(kind, *(["5"] if base in (str, int, float) else [[1.0]] if base is tuple else []))
    if base is dict:
        dict.__setitem__(found, "a", 2.0)
    if base is list:
        list.append(found, 2.0)
    if base is set:
        set.add(found, 2.0)
    return found


def gone():
    return weakref.proxy(odd())


METHODS = (
    "__getattr__",
    "__getattribute__",
    "__eq__",
    "__len__",
    "__iter__",
    "__bool__",
    "__repr__",
    "__array__",
)
PROPERTIES = ("__class__", "structure", "shape", "value", "_fields", "__dataclass_fields__", "bookkeeping")
OWN = ("__iter__", "__len__", "__eq__", "__getitem__", "__repr__", "__bool__", "keys", "values", "items")
THINGS = {
    **{name: (lambda name=name: odd(**{name: fails, "__hash__": lambda x: 1})) for name in METHODS},
    "__hash__": lambda: odd(__hash__=fails),
    **{f"the property {name}": (lambda name=name: odd(**{name: property(fails)})) for name in PROPERTIES},
    "slots": lambda: odd(__slots__=("a",), __getattr__=fails),
    "a module that is none": lambda: odd(__module__=5),
    "a structure of its own": lambda: odd(structure=fails),
    **{
        f"{base.__name__}.{name}": (
            lambda base=base, name=name: odd(base, **{name: fails, "__hash__": object.__hash__})
        )
        for base in (dict, list, set, tuple, str, int, float)
        for name in OWN
    },
    **{
        f"it says that it is a {kind.__name__}": (lambda kind=kind: odd(__class__=property(lambda x: kind)))
        for kind in (
            dict,
            list,
            tuple,
            set,
            float,
            np.ndarray,
            Tensor,
            type,
            types.FunctionType,
            bytearray,
            memoryview,
        )
    },
    "a proxy of what has gone": gone,
}


def of_attribute(o):
    return lambda y: y * 2 if o.x is not None else y


def of_entry(o):
    return lambda y: y * 2 if o[0] is not None else y


PLACES = {
    "a variable": lambda x: (lambda y: y * 2 if x is not None else y, ()),
    "an argument": lambda x: (lambda y, x: y * 2 if x is not None else y, (x,)),
    "an attribute": lambda x: (of_attribute(types.SimpleNamespace(x=x)), ()),
    "in a list": lambda x: (of_entry([x]), ()),
    "a default": lambda x: (lambda y, x=x: y * 2 if x is not None else y, ()),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", THINGS)
def test_its_code_is_not_run(name, place, executor):
    f, more = PLACES[place](THINGS[name]())
    step = clearprop.compile(f, executor=executor)
    for k in range(4):
        np.testing.assert_array_equal(step(np.ones(2) + k, *more), np.full(2, 2.0 + 2 * k))


@pytest.mark.parametrize("base", [dict, list, set, int, str])
def test_another_in_its_place_is_noticed(base, executor):
    holder = types.SimpleNamespace(
        x=odd(base, __iter__=fails, __eq__=fails, __hash__=object.__hash__), by=2.0
    )
    step = clearprop.compile(lambda y: y * holder.by if holder.x is not None else y, executor=executor)
    for k in range(4):
        holder.x = odd(base, __iter__=fails, __eq__=fails, __hash__=object.__hash__)
        holder.by = float(k)
        assert step(np.ones(1)) == k


def test_entries_behind_an_iteration_of_its_own_are_watched(executor):
    held = odd(dict, values=fails, keys=fails, __iter__=fails)
    names = odd(list, __iter__=fails)
    step = clearprop.compile(
        lambda y: y * held["a"] + list.__getitem__(names, 0), executor=executor, prove="never"
    )
    for k in range(5):
        dict.__setitem__(held, "a", float(k))
        list.__setitem__(names, 0, float(k))
        assert step(np.ones(1)) == 2 * k


def test_attributes_that_only_its_own_code_tells_are_refused_where_that_fails(executor):
    held = odd(__dict__=property(fails))
    step = clearprop.compile(lambda y: y * 2 if held is not None else y, executor=executor)
    with pytest.raises(
        RecordingError, match=r"a Odd whose __dict__ raises OSError \(not now\)(.|\n)*Try passing"
    ):
        step(np.ones(1))
    forgiving = clearprop.compile(
        lambda y: y * 2 if held is not None else y, executor=executor, fallback=True
    )
    assert forgiving(np.ones(1)) == 2.0


def test_a_method_that_is_called_structure_is_a_users_own(executor):
    class Molecule:
        scale = 1.0

        def structure(self):
            raise OSError("a file is read here")

    held = Molecule()
    step = clearprop.compile(lambda y: y * held.scale, executor=executor, prove="never")
    for k in range(4):
        held.scale = float(k)
        assert step(np.ones(1)) == k


def test_what_a_proxy_stands_for_is_watched(executor):
    thing = type("Thing", (), {"scale": 1.0})()
    held = weakref.proxy(thing)
    step = clearprop.compile(lambda y: y * held.scale, executor=executor, prove="never")
    for k in range(4):
        thing.scale = float(k)
        assert step(np.ones(1)) == k


def test_a_module_with_such_an_attribute_trains(executor):
    model = nn.Linear(2, 1)
    model.note = odd(__eq__=fails, __len__=fails, __bool__=fails, __iter__=fails)
    step = clearprop.compile(lambda x: np.sum(model(x)), executor=executor)
    for _ in range(3):
        np.testing.assert_allclose(step(np.ones((3, 2))).value, np.sum(model(np.ones((3, 2)))).value)
