"""What a stranger would try who distrusts a recording: each call gives what the function gives, or is refused.

A step asks for types, keeps caches, counts, picks by masks, is called with arguments of other kinds: the table
`ASKED` has steps without surroundings, `WORLDS` those whose owner changes something between the calls.
"""

import collections
import functools
import itertools
import math
import operator
import random
import types

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, assign, grad, nn, no_grad, optim, value_and_grad
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors
from clearprop.record import read

A = np.array
X = [A([1.0, 2, 3, 4]), A([1.0, 2, 3, 4]), A([-1.0, 5, -3, 2]), A([9.0, -9, -9, -9]), A([-1.0, 5, -3, 2])]


def with_errors(x):
    with np.errstate(divide="raise"):
        return 1 / (x - 5)


# fmt: off
PICKED = {  # p is x[x > 0]: of other sizes from call to call
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": lambda p: p.min(), "prod": np.prod, "std": np.std, "var": np.var,
    "norm": np.linalg.norm, "length": len, "size": lambda p: p.size, "shape": lambda p: p.shape[0], "itself": lambda p: p,
    "twice": lambda p: 2 * p, "sort": np.sort, "cumsum": np.cumsum, "first": lambda p: p[0], "last": lambda p: p[-1],
    "but the first": lambda p: np.sum(p[1:]), "median": np.median, "dot": lambda p: p @ p, "product": lambda p: np.sum(p * p),
    "again": lambda p: np.sum(p[p > 2]), "argmax": np.argmax, "any": lambda p: np.any(p > 3), "all": lambda p: np.all(p > 1),
    "average": np.average, "logsumexp": lambda p: clearprop.logsumexp(p), "softmax": lambda p: clearprop.softmax(p),
    "outer": lambda p: np.outer(p, p), "stack": lambda p: np.stack([p, p]), "list": list, "loop": lambda p: sum(v * v for v in p),
    "range": lambda p: sum(range(len(p))), "zeros": lambda p: np.zeros(len(p)), "diff": np.diff, "roll": lambda p: np.roll(p, 1),
    "pad": lambda p: np.pad(p, 1), "einsum": lambda p: np.einsum("i,i->", p, p), "inner": lambda p: np.inner(p, p),
    "flipped": lambda p: np.sum(p * p[::-1]), "divided": lambda p: np.sum(p) / len(p), "ones": np.ones_like,
    "concatenate": lambda p: np.concatenate([p, p]), "histogram": lambda p: np.histogram(p)[0], "initial": lambda p: np.max(p, initial=0.0),
}
ASKED = {
    "isinstance": lambda x: np.sum(x) if isinstance(x, np.ndarray) else 0, "a number": lambda x: isinstance(np.sum(x), float) + np.sum(x),
    "its class": lambda x: x.__class__.__name__, "hasattr": lambda x: hasattr(x, "backward") or hasattr(x, "tolist"),
    "isscalar": lambda x: np.isscalar(x) + 2 * np.isscalar(np.sum(x)) + np.sum(x), "sum of a generator": lambda x: sum(v for v in x),
    "unpacked": lambda x: operator.mul(*x[:2]), "enumerate": lambda x: [i * v for i, v in enumerate(x)], "min": min, "sorted": sorted,
    "in": lambda x: 5.0 in x, "any": lambda x: any(x > 4), "int": lambda x: int(x[0]), "sqrt": lambda x: math.sqrt(x[0] ** 2),
    "divmod": lambda x: divmod(x, 3), "hash": lambda x: hash(x[0]) % 7, "a key": lambda x: {1.0: 5, -1.0: 7, 9.0: 8}[x[0]] * x,
    "a set": lambda x: len({x[0], x[1]}) * x, "f-string": lambda x: f"{np.sum(x):.2f}", "percent": lambda x: "%.2f" % np.sum(x),  # noqa: UP031
    "bytes": lambda x: x.tobytes(), "map": lambda x: list(map(np.tanh, x)), "reduce": lambda x: functools.reduce(operator.mul, x),
    "accumulate": lambda x: list(itertools.accumulate(x)), "set an entry": lambda x: np.zeros(4).__setitem__(0, x[0]),
    "fromiter": lambda x: np.fromiter((v for v in x), float), "np.array": lambda x: A([x[0], x[1]]), "nonzero": np.nonzero, "unique": np.unique,
    "where": lambda x: np.where(x > 0), "compress": lambda x: np.compress(x > 0, x), "repeat": lambda x: np.repeat(x, A([1, 0, 2, 1])),
    "argwhere": lambda x: np.argwhere(x > 0), "flatnonzero": lambda x: np.flatnonzero(x > 0), "extract": lambda x: np.extract(x > 0, x),
    "bincount": lambda x: np.bincount((x > 0).astype(int)), "masked rows": lambda x: np.mean(np.outer(x, x)[x > 0], axis=0),
    "masked columns": lambda x: np.sum(np.outer(x, x)[:, x > 0]), "two masks": lambda x: np.sum(x[x > 0]) / np.sum(x[x < 9]),
    "masked 2-D": lambda x: np.sum(np.outer(x, x)[np.outer(x, x) > 0]), "not the mask": lambda x: np.sum(x[~(x > 0)]),
    "added in place": lambda x: operator.iadd(x, 1), "a part in place": lambda x: operator.imul((2 * x)[1:], 2), "out": lambda x: np.multiply(x, 2, out=np.empty(4)),
    "a generator": lambda x: (v for v in [x]), "a set as result": lambda x: {1, 2}, "a function": lambda x: lambda: x,
    "its argument": lambda x: x, "nested": lambda x: {"a": [x, (x * 2, None, "s", 3)], "b": {}}, "zip": lambda x: list(zip(x, x)),  # noqa: B905
    "random": lambda x: x * random.random(), "third derivative": lambda x: grad(grad(grad(lambda v: np.sum(np.sin(v * x)))))(0.3),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x > 2], [np.negative, np.sqrt, 7]), "piecewise of numbers": lambda x: np.piecewise(x, [np.sign(x) + 1], [np.exp]),
    "delete": lambda x: np.delete(x, (x > 0).astype(int)[:1]), "insert": lambda x: np.insert(x, (x > 0).astype(int)[:1], 5), "insert a value": lambda x: np.insert(x, 1, x[0]),
    "a list repeated": lambda x: x * len([0] * (x > 0).astype(int)[0]), "a word repeated": lambda x: x * len("ab" * np.sum(x > 0)), "a list times an array": lambda x: [1, 2, 3, 4] * x,
    "shares memory": lambda x: np.shares_memory(x, X[0]), "may share memory": lambda x: np.may_share_memory(X[0], x),
    "floating-point errors": with_errors,
    "gradients in a loop": lambda x: sum(grad(lambda z, i=i: np.sum(np.tanh(z * i)))(x) for i in range(1, 4)),
}
# fmt: on
ASKED |= {f"picked: {name}": lambda x, f=f: f(x[x > 0]) for name, f in PICKED.items()}
REFUSED = {
    "hasattr", "min", "sorted", "in", "any", "int", "sqrt", "hash", "a key", "a set", "f-string", "percent",
    "bytes", "set an entry", "fromiter", "np.array", "nonzero", "unique", "where",
    "argwhere", "flatnonzero", "bincount", "added in place", "out", "a generator",
    "a set as result", "a function", "random", "delete", "insert", "a list repeated", "a word repeated",
    "shares memory", "may share memory", "floating-point errors", "an_optimizers_state_that_is_loaded", "picked: histogram",
    "an_attribute_of_the_step_itself", "a_default_that_grows", "a_counter", "an_iterator",
    "a_state_that_is_an_array", "a_generator_of_numpy",
}  # fmt: skip
WORLDS = {}


def world(make):
    """Collect a function that returns a step and what its owner does before call `i`."""
    WORLDS[make.__name__] = make
    return make


@world
def a_cache_by_argument():
    held = types.SimpleNamespace(k=1.0)
    cached = functools.lru_cache(lambda k: 2 * k)
    return lambda x: x * cached(held.k), lambda i: setattr(held, "k", float(i))


@world
def an_attribute_of_the_step_itself():
    def step(x):
        step.calls = getattr(step, "calls", 0) + 1
        return x * step.calls

    return step, lambda i: None


@world
def a_default_that_grows():
    return lambda x, seen=[]: (seen.append(1), x * len(seen))[1], lambda i: None


@world
def a_counter():
    counts = collections.Counter()
    return lambda x: (counts.update("a"), x * counts["a"])[1], lambda i: None


@world
def an_array_of_objects():
    held = np.empty(2, object)
    held[:] = [[1.0], None]
    return lambda x: x * held[0][0], lambda i: held.__setitem__(0, [float(i)])


@world
def an_object_in_an_array():
    held = np.empty(1, object)
    held[0] = [1.0]
    return lambda x: x * held[0][0], lambda i: held[0].__setitem__(0, float(i))


@world
def bytes_seen_through_a_view():
    owner = bytearray(b"1")
    view = memoryview(owner)
    return lambda x: x * view[0], lambda i: owner.__setitem__(0, i)


@world
def an_iterator():
    numbers = itertools.count()
    return lambda x: x * next(numbers), lambda i: None


@world
def a_generator_of_numpy():
    rng = np.random.default_rng(0)
    return lambda x: x * rng.random(), lambda i: None


@world
def a_class_and_its_methods():
    class Scale:
        factor = 1.0

        def __call__(self, x):
            return x * self.factor

    scale = Scale()
    return scale, lambda i: setattr(Scale, "factor", float(i)) if i % 2 else setattr(scale, "factor", -1.0)


@world
def a_partial():
    factors = [1.0]
    return functools.partial(lambda f, x: x * f[0], factors), lambda i: factors.__setitem__(0, float(i))


@world
def a_layer_replaced():
    clearprop.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 2, dtype=np.float64), nn.Tanh())
    return lambda x: np.sum(model(x)), lambda i: setattr(model, "1", (nn.Tanh, nn.ReLU)[i % 2]())


@world
def a_state_that_is_a_tensor():
    state = Tensor(np.ones(4), requires_grad=False)

    def step(x):
        nonlocal state
        with no_grad():
            state *= 0.5
            state += x
        assign(state, read(state) + 1)
        return np.sum(state)

    return step, lambda i: None


@world
def a_state_that_is_an_array():
    state = np.ones(4)

    def step(x):
        nonlocal state
        state = 0.5 * state + x
        return state

    return step, lambda i: None


@world
def a_gradient_of_what_is_closed_over():
    w = Tensor(A([0.5, -0.3, 0.2, 0.1]))

    def step(x):
        w.grad = None
        same = value_and_grad(lambda z: np.sum(w))(x)[0]  # returns what it closed over
        loss = same * np.sum(grad(lambda z: np.sum(np.tanh(w * z)))(x)) + np.sum(
            grad(lambda v: np.sum(v * w))(w)
        )
        loss.backward()
        return loss, w.grad

    return step, lambda i: setattr(w, "requires_grad", True)


def two_nets():
    clearprop.manual_seed(0)
    return [nn.Linear(4, 2, dtype=np.float64) for _ in range(2)]


@world
def an_average_by_state_dicts():
    net, average = two_nets()

    def step(x):
        held, new = average.state_dict(), net.state_dict()
        average.load_state_dict({k: 0.5 * held[k] + new[k] for k in new})
        return np.sum(average(x))

    return step, lambda i: assign(net.weight, np.full((2, 4), float(i)))


@world
def weights_copied_and_put_back():
    net, _ = two_nets()

    def step(x):
        held = net.state_dict()
        with no_grad():
            net.weight *= 2
        twice = np.sum(net(x))
        net.load_state_dict(held)
        return twice, np.sum(net(x)), held

    return step, lambda i: assign(net.weight, np.full((2, 4), float(i)))


@world
def an_optimizers_state_that_is_returned():
    net, _ = two_nets()
    optimizer = optim.Adam(net.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        np.sum(net(x) ** 2).backward()
        optimizer.step()
        return optimizer.state_dict()["state"][0]

    return step, lambda i: None


@world
def an_optimizers_state_that_is_loaded():
    net, _ = two_nets()
    optimizer = optim.Adam(net.parameters(), lr=0.1)

    def step(x):
        held = optimizer.state_dict()
        optimizer.load_state_dict(held)
        return np.sum(net(x))

    return step, lambda i: None


@world
def a_mask_of_the_owner():
    mask = A([True, True, False, False])
    return lambda x: np.sum(x[mask] ** 2), lambda i: mask.__setitem__(2, bool(i % 2))


@world
def gradients_through_a_mask():
    w = Tensor(A([0.5, -0.3, 0.2, 0.1]))

    def step(x):
        w.grad = None
        loss = np.mean((w * x)[x > 0] ** 2)
        loss.backward()
        return loss, w.grad

    return step, lambda i: None


def content(x):
    """A result as classes and numbers."""
    if isinstance(x, (list, tuple)):
        return type(x), [content(v) for v in x]
    if isinstance(x, dict):
        return type(x), [(k, content(v)) for k, v in x.items()]
    held = x.value if isinstance(x, Tensor) else x
    if isinstance(held, (np.ndarray, np.generic, float)):
        kind = (
            "array" if isinstance(held, (np.ndarray, np.generic)) and not isinstance(x, Tensor) else type(x)
        )
        return (
            kind,
            np.shape(held),
            getattr(held, "dtype", float),
            np.asarray(held).astype(float).round(6).tolist(),
        )
    return type(x), repr(x)


def compare(make, executor):
    """Tell whether a call is refused, with the way out; until then each gives what the function gives."""
    step, between = make()
    mirror, other = make()
    compiled = clearprop.compile(mirror, executor=executor, prove="never")
    for i, x in enumerate(X):
        between(i)
        other(i)
        wanted = content(step(x.copy()))
        try:
            got = compiled(x.copy())
        except RecordingError as refused:
            return "\n  Try " in str(refused)
        assert content(got) == wanted
    return False


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", ASKED)
def test_a_step_is_what_it_says_or_is_refused(name, executor):
    assert compare(lambda: (ASKED[name], lambda i: None), executor) == (name in REFUSED)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", WORLDS)
def test_what_an_owner_changes_is_seen_or_refused(name, executor):
    assert compare(WORLDS[name], executor) == (name in REFUSED)
