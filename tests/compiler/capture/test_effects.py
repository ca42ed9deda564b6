"""What a step does besides computing: in every call as in an eager run, or refused at the first call."""

import array
import copy
import functools
import itertools
import random
import types
import warnings
from collections import Counter, defaultdict, deque

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]


class Held:
    """Has state of its own, and of its class."""

    __slots__ = ("calls",)
    total = 0


def effects():
    """Return what a step may change, by name: the change, and how to read what it has changed."""
    text, words_of_c = bytearray(b"ab"), array.array("d", [1.0])
    n, grid = np.zeros(1), np.arange(6.0).reshape(2, 3)
    numbers, words, calls = [1.0] * 9, {"calls": 1}, 1
    held, space, queue, seen = Held(), types.SimpleNamespace(calls=1), deque([1.0], maxlen=1), {1}
    count, defaults, generator = Counter(a=1), defaultdict(int, a=1), np.random.default_rng(0)
    held.calls, Held.total = 1, 1

    def nonlocal_counter():
        nonlocal calls
        calls += 1

    return {
        "an entry added to": (lambda: n.__setitem__(0, n[0] + 1), lambda: n[0]),
        "an array added to": (lambda: n.__iadd__(1), lambda: n[0]),
        "an entry of a row": (lambda: grid[1].__setitem__(2, 9.0), lambda: grid[1, 2]),
        "copyto": (lambda: np.copyto(n, 5.0), lambda: n[0]),
        "put": (lambda: np.put(grid, [0], 5.0), lambda: grid[0, 0]),
        "fill": (lambda: n.fill(5.0), lambda: n[0]),
        "sort": (lambda: grid[:, ::-1].sort(axis=1), lambda: grid[0, 0]),
        "flat": (lambda: grid.flat.__setitem__(0, 7.0), lambda: grid[0, 0]),
        "out": (lambda: np.add(grid, 1.0, out=grid), lambda: grid[0, 0]),
        "shuffle": (lambda: generator.shuffle(grid), lambda: str(generator.bit_generator.state)),
        "append": (lambda: numbers.append(2.0), lambda: len(numbers)),
        "extend": (lambda: numbers.extend([2.0]), lambda: len(numbers)),
        "pop": (lambda: numbers.pop(), lambda: len(numbers)),
        "an item": (lambda: numbers.__setitem__(0, 2.0), lambda: numbers[0]),
        "a dict's counter": (lambda: words.__setitem__("calls", words["calls"] + 1), lambda: words["calls"]),
        "a nonlocal counter": (nonlocal_counter, lambda: calls),
        "an attribute": (lambda: setattr(space, "calls", space.calls + 1), lambda: space.calls),
        "a slot": (lambda: setattr(held, "calls", held.calls + 1), lambda: held.calls),
        "a class's counter": (lambda: setattr(Held, "total", Held.total + 1), lambda: Held.total),
        "a queue": (lambda: queue.append(2.0), lambda: queue[0]),
        "a set": (lambda: seen.add(2), lambda: len(seen)),
        "a Counter": (lambda: count.update("a"), lambda: count["a"]),
        "a default": (lambda: defaults.__setitem__("a", defaults["a"] + 1), lambda: defaults["a"]),
        "a generator": (lambda: generator.random(), lambda: str(generator.bit_generator.state)),
        "a byte more": (lambda: text.append(1), lambda: bytes(text)),
        "a byte of it": (lambda: text.__setitem__(0, 1), lambda: bytes(text)),
        "a number of C's more": (lambda: words_of_c.append(2.0), lambda: words_of_c.tolist()),
        "a number of C's": (lambda: words_of_c.__setitem__(0, 5.0), lambda: words_of_c.tolist()),
        "NumPy's numbers": (np.random.rand, lambda: np.random.get_state()[2]),  # noqa: NPY002
        "Python's numbers": (lambda: random.random(), lambda: hash(random.getstate())),
    }


NAMES = sorted(effects())


@pytest.mark.parametrize("name", NAMES)
def test_a_change_that_later_calls_would_not_make_is_refused_at_the_first(name, executor):
    change, _ = effects()[name]

    def step(x):
        change()
        return np.sum(x)

    with pytest.raises(RecordingError):
        clearprop.compile(step, executor=executor)(np.arange(3.0))


@pytest.mark.parametrize("when", ["before a refusal", "after one that is caught", "and no other refusal"])
@pytest.mark.parametrize("name", NAMES)
def test_a_function_that_is_fallen_back_to_runs_once(name, when, executor):
    def after_three_calls(wrap):
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        change, look = effects()[name]

        def step(x):
            if when == "after one that is caught":
                try:
                    float(np.sum(x))
                except RecordingError:
                    change()
            change()
            if when == "before a refusal":
                float(np.sum(x))
            return np.sum(x)

        step = wrap(step)
        return [(step(np.arange(3.0) + k), look()) for k in range(3)]

    compiled = after_three_calls(lambda f: clearprop.compile(f, executor=executor, fallback=True))
    assert compiled == after_three_calls(lambda f: f)


def keeping(kept):
    """Return a step for each way to leave an array of a call where the step's owner finds it."""
    held, numbers, words, last = types.SimpleNamespace(a=None), [None], {}, None

    def in_a_variable(x):
        nonlocal last
        last = kept(x)

    return {
        "an attribute": lambda x: setattr(held, "a", kept(x)),
        "a list": lambda x: numbers.__setitem__(0, kept(x)),
        "a new key": lambda x: words.__setitem__("a", kept(x)),
        "a tuple": lambda x: setattr(held, "a", (1, [kept(x)])),
        "an object": lambda x: setattr(held, "a", types.SimpleNamespace(b={"c": kept(x)})),
        "a function": lambda x: setattr(held, "a", (lambda y: lambda: y)(kept(x))),
        "a partial": lambda x: setattr(held, "a", functools.partial(np.add, kept(x))),
        "a variable": in_a_variable,
    }


@pytest.mark.parametrize("kept", [lambda x: x, lambda x: x * 2, lambda x: x.mean()])
@pytest.mark.parametrize("place", keeping(None))
def test_an_array_of_a_call_is_left_nowhere(kept, place, executor):
    step = keeping(kept)[place]

    with pytest.raises(RecordingError, match=r"(?s)the step keeps a .* in .*: later calls would not.*Try "):
        clearprop.compile(lambda x: (step(x), x)[1], executor=executor)(np.arange(3.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: itertools.islice(itertools.count(), 9),
        lambda: itertools.chain([1, 2], [3]),
        lambda: itertools.product([1, 2], [3, 4]),
        lambda: itertools.permutations([1, 2, 3]),
        lambda: itertools.repeat(1, 9),
        lambda: itertools.accumulate([1, 2, 3]),
        lambda: reversed([1, 2, 3]),
        lambda: zip([1, 2], [3, 4], strict=True),
        lambda: iter("word"),
        lambda: (i for i in range(3)),
    ],
)
def test_an_iterator_is_not_taken_from(make, executor):
    iterator = make()

    def step(x):
        next(iterator)
        return np.sum(x)

    with pytest.raises(RecordingError, match="iterator"):
        clearprop.compile(step, executor=executor)(np.arange(3.0))


def test_a_file_is_not_read(tmp_path, executor):
    path = tmp_path / "numbers"
    path.write_text("1\n2\n3\n")
    with open(path) as file:

        def step(x):
            return np.sum(x) * float(file.readline())

        with pytest.raises(RecordingError, match=r"iterator|file"):
            clearprop.compile(step, executor=executor)(np.arange(3.0))


def test_a_step_that_prints_says_once_that_calls_do_not(capsys, executor):
    def step(x):
        print("shape", x.shape)
        return np.sum(x)

    compiled = clearprop.compile(step, executor=executor, prove="never")
    with pytest.warns(RuntimeWarning, match=r"(?s)the step prints.*test_effects.py:\d+.*Try "):
        compiled(np.arange(3.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(np.arange(3.0))
        compiled(np.arange(4.0))
    assert capsys.readouterr().out == "shape (3,)\nshape (4,)\n"


# --- Tensors that are passed twice, or made inside ----------------------------------------------------------
def test_a_tensor_that_is_passed_twice_is_one(executor):
    def step(s, t, both):
        np.sum(s * t + both["s"] ** 2).backward()
        assert s is t is both["s"]

    def gradient(step):
        t = Tensor([1.0, 2.0])
        for _ in range(4):
            t.grad = None
            step(t, t, {"s": t})
        return t.grad.tolist()

    assert gradient(clearprop.compile(step, executor=executor)) == gradient(step) == [4.0, 8.0]


@pytest.mark.parametrize("shared", ["itself", "a view", "overlapping"])
def test_arrays_that_share_memory_at_the_first_call_are_two(shared, executor):
    def k(x, y):
        s, t = Tensor(x), Tensor(y)
        return np.sum(10 * s + t), np.sum(x * 10 + y)

    whole, other = np.arange(4.0), np.arange(3.0) + 7.0
    first = whole[:3]
    second = {"itself": first, "a view": first[:], "overlapping": whole[1:]}[shared]
    compiled = clearprop.compile(k, executor=executor)
    for x, y in ((first, second), (first, other), (other, second), (other, other)):
        assert [float(v) for v in _plain(compiled(x, y))] == [float(v) for v in _plain(k(x, y))]


def _plain(values):
    return [v.detach().numpy() if isinstance(v, Tensor) else v for v in values]


def test_an_array_that_is_in_reach_and_passed_is_two(executor):
    held = np.arange(3.0)

    def f(x):
        return np.sum(Tensor(x) * 10 + Tensor(held))

    compiled = clearprop.compile(f, executor=executor)
    for x in (held, held + 1, held[:], held * 2):
        assert float(compiled(x).value) == float(f(x).value)


def _copies(model, optimizer):
    def step(x):
        old = copy.deepcopy(model)
        optimizer.zero_grad()
        loss = np.sum((model(x) - old(x).detach()) ** 2 + model(x))
        loss.backward()
        optimizer.step()
        return loss

    return step


def _copies_a_parameter(model, optimizer):
    def step(x):
        before = copy.deepcopy(model.weight)
        optimizer.zero_grad()
        loss = np.sum(model(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss, np.sum(model.weight - before)

    return step


def _makes_a_parameter(model, optimizer):
    def step(x):
        scale = nn.Parameter(np.full((1, 1), 3.0))
        optimizer.zero_grad()
        loss = np.sum((model(x) * scale) ** 2)
        loss.backward()
        clearprop.assign(scale, clearprop.record.read(scale) - 0.1 * scale.grad)
        optimizer.step()
        return loss, np.sum(scale * 1.0), scale.grad

    return step


def _makes_an_optimizer(model, optimizer):
    def step(x):
        inner = nn.Parameter(np.ones((1, 1)))
        own = optim.Adam([inner], lr=0.1)
        for _ in range(2):
            own.zero_grad()
            np.sum((inner * x - 2.0) ** 2).backward()
            own.step()
        optimizer.zero_grad()
        loss = np.sum(model(x) * inner)
        loss.backward()
        optimizer.step()
        return loss, np.sum(inner * 1.0)

    return step


def _optimizes_the_model_anew(model, optimizer):
    def step(x):
        own = optim.SGD(model.parameters(), lr=0.1)
        own.zero_grad()
        loss = np.sum(model(x) ** 2)
        loss.backward()
        own.step()
        return loss

    return step


def _optimizes_the_model_anew_with_memory(model, optimizer):
    def step(x):
        own = optim.Adam(model.parameters(), lr=0.1)
        own.zero_grad()
        loss = np.sum(model(x) ** 2)
        loss.backward()
        own.step()
        return loss

    return step


INSIDE = [
    _copies,
    _copies_a_parameter,
    _makes_a_parameter,
    _makes_an_optimizer,
    _optimizes_the_model_anew,
    _optimizes_the_model_anew_with_memory,
]


@pytest.mark.parametrize("make", INSIDE, ids=lambda f: f.__name__)
def test_what_a_step_makes_it_makes_in_each_call(make, executor):
    def run(wrap):
        model = nn.Linear(1, 1, bias=False)
        model.weight._value = np.ones((1, 1))
        step = wrap(make(model, optim.SGD(model.parameters(), lr=0.01)))
        found = []
        for k in range(5):
            result = step(np.ones((1, 1)) + 0.1 * k)
            found += _plain(result if isinstance(result, tuple) else (result,))
        return [*found, model.weight.value.copy()]

    for got, wanted in zip(
        run(lambda f: clearprop.compile(f, executor=executor)), run(lambda f: f), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_an_op_that_is_registered_again_is_the_new_one(executor):
    names = {"act": clearprop.elementwise("registered_again", lambda x: x, lambda z, x: 1)}
    old = names["act"]
    compiled = clearprop.compile(lambda x: np.sum(names["act"](x * 1.0)), executor=executor)

    assert [float(compiled(np.ones(2))) for _ in range(3)] == [2.0] * 3
    names["act"] = clearprop.elementwise("registered_again", lambda x: 10 * x, lambda z, x: 10)
    assert [float(compiled(np.ones(2))) for _ in range(3)] == [20.0] * 3
    with pytest.raises(RecordingError, match="registered again"):
        clearprop.compile(lambda x: old(x * 1.0), executor=executor)(np.ones(2))


@pytest.mark.parametrize("nested", [False, True])
def test_a_turn_of_a_loop_has_no_op_that_is_registered_again(nested, executor):
    """Its plan is made of names: that of the new op was run, 1159 for 16."""
    old = clearprop.elementwise("registered_in_turn", lambda x: x * 1.0, lambda z, x: 1)

    def turn(carry, y):
        if nested:
            return clearprop.scan(lambda c, k: (old(c) + k, None), carry, np.zeros((2, 2)))[0] + y, None
        return old(carry) + y, None

    def last(x):
        return np.sum(clearprop.scan(turn, x[0], x)[0])

    x = np.arange(6.0).reshape(3, 2)
    assert float(clearprop.compile(last, executor=executor)(x)) == 16.0
    clearprop.elementwise("registered_in_turn", lambda x: 10 * x, lambda z, x: 10)
    assert float(last(x)) == 16.0
    with pytest.raises(RecordingError, match="registered again"):
        clearprop.compile(last, executor=executor)(x)


@pytest.mark.parametrize("kept", ["a sum", "a list", "the last three", "the least"])
def test_what_is_kept_in_python_is_what_an_eager_run_keeps(kept, executor):
    def after_three_calls(wrap):
        held = types.SimpleNamespace(sum=0.0, list=[], last=deque(maxlen=3), least=np.float64(9))

        def step(x):
            z = np.sum(x)
            if kept == "a sum":
                held.sum = held.sum + z
            elif kept == "a list":
                held.list.append(z)
            elif kept == "the last three":
                held.last.append(z)
            else:
                held.least = np.minimum(held.least, z)
            return z

        step = wrap(step)
        for k in range(3):
            step(np.arange(3.0) - k)
        return [(type(x), x) for x in (held.sum, held.least, *held.list, *held.last)]

    compiled = after_three_calls(lambda f: clearprop.compile(f, executor=executor, fallback=True))
    assert compiled == after_three_calls(lambda f: f)


COUNTED = 0


def test_a_variable_that_the_step_changes_is_named(executor):
    around = 0

    def outside(x):
        global COUNTED
        COUNTED += 1
        return x * 2

    def enclosing(x):
        nonlocal around
        around += 1
        return x * 2

    for step, name in ((outside, "a global variable 'COUNTED'"), (enclosing, "the variable 'around'")):
        with pytest.raises(RecordingError, match=rf"changes {name}.* from \d to \d"):
            clearprop.compile(step, executor=executor)(np.ones(2))


def test_a_number_that_an_object_has_from_its_class_until_the_step_adds_to_it(executor):
    class Held:
        count, ready = 0, False

    class Made(Held):
        pass

    held, other, set_once = Held(), Made, Held()

    def adds(x):
        held.count += 1
        return x * held.count

    def adds_to_a_class(x):
        other.count += 1
        return x * other.count

    for step, name in ((adds, "Held"), (adds_to_a_class, "Made")):
        with pytest.raises(RecordingError, match=rf"changes {name}\['count'\] from 0 to 1"):
            clearprop.compile(step, executor=executor)(np.ones(2))

    def makes_ready(x):
        if not set_once.ready:
            set_once.ready = True
        return x * 2

    compiled = clearprop.compile(makes_ready, executor=executor)
    assert [list(compiled(np.ones(1))) for _ in range(3)] == [[2.0]] * 3
