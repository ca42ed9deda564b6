"""While a step is recorded its arrays answer as arrays do: same branches, same results, same types."""

import contextlib
import copy
import functools
import pickle

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, optim
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors
from clearprop.record import read

pytestmark = pytest.mark.by_turns("executor")


@pytest.fixture(params=available_executors())
def executor(request):
    return request.param


def same(got, wanted):
    assert type(got) is type(wanted)
    if isinstance(wanted, (tuple, list)):
        for a, b in zip(got, wanted, strict=True):
            same(a, b)
        return
    if isinstance(wanted, Tensor):
        got, wanted = got.detach().numpy(), wanted.detach().numpy()
    assert got.dtype == wanted.dtype if hasattr(wanted, "dtype") else True
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def _asks(question):
    return lambda x: x * 2.0 + 1.0 if question(x) else x - 5.0


@functools.singledispatch
def _dispatched(x):
    return x - 100.0


@_dispatched.register
def _(x: np.ndarray):
    return x * 3.0


def _matched(x):
    match x:
        case np.ndarray():
            return x * 7.0
        case float():
            return x * 11.0
    return x


QUESTIONS = {
    "isinstance of ndarray": _asks(lambda x: isinstance(x, np.ndarray)),
    "isinstance of Tensor": _asks(lambda x: isinstance(x, Tensor)),
    "isinstance of either": _asks(lambda x: isinstance(x, (Tensor, list))),
    "issubclass of its class": _asks(lambda x: issubclass(x.__class__, np.ndarray)),
    "its class": _asks(lambda x: x.__class__ is np.ndarray),
    "isinstance of float": _asks(lambda x: isinstance(x, float)),
    "isinstance of generic": _asks(lambda x: isinstance(x, np.generic)),
    "isinstance of np.float64": _asks(lambda x: isinstance(x, np.float64)),
    "of what is computed": _asks(lambda x: isinstance(np.sum(x), float)),
    "of a row": _asks(lambda x: isinstance(np.atleast_1d(x)[0], float)),
    "np.isscalar": _asks(np.isscalar),
    "np.ndim": _asks(lambda x: np.ndim(x) == 1),
    "np.shape": _asks(lambda x: np.shape(x) == (3,)),
    "np.size": _asks(lambda x: np.size(x) == 3),
    "dtype": _asks(lambda x: x.dtype.type is np.float64),
    "issubdtype": _asks(lambda x: np.issubdtype(x.dtype, np.floating)),
    "nbytes": _asks(lambda x: x.nbytes == 24 and x.itemsize == 8),
    "a Tensor's value": _asks(lambda x: hasattr(x, "value")),
    "a Tensor's requires_grad": _asks(lambda x: getattr(x, "requires_grad", False)),
    "a Tensor's detach": _asks(lambda x: callable(getattr(x, "detach", None))),
    "a Tensor's grad": _asks(lambda x: hasattr(x, "grad")),
    "an attribute nobody has": _asks(lambda x: hasattr(x, "cuda")),
    "singledispatch": _dispatched,
    "match": _matched,
}


@pytest.mark.parametrize("x", [np.arange(3.0), np.float64(2.0), np.array(4.0), np.arange(3)], ids=repr)
@pytest.mark.parametrize("question", QUESTIONS)
def test_arrays_answer_questions_as_in_an_eager_run(question, x, executor):
    f = QUESTIONS[question]
    compiled = clearprop.compile(f, executor=executor)

    for k in range(3):
        same(compiled(x + k), f(x + k))


def test_numbers_and_arrays_without_axes_have_plans_of_their_own(executor):
    f = _asks(lambda x: isinstance(x, np.ndarray))
    compiled = clearprop.compile(f, executor=executor)

    for x in (np.float64(1.0), np.array(1.0), np.float64(2.0), np.array(2.0)):
        same(compiled(x), f(x))


def test_read_contents_and_gradients_are_arrays(executor):
    w = Tensor([1.0, 2.0])

    def step(x):
        w.grad = None
        loss = np.sum(w * x) ** 2
        kinds = [isinstance(loss, Tensor), isinstance(read(w), np.ndarray)]
        loss.backward()
        kinds += [isinstance(w.grad, np.ndarray), isinstance(np.sum(w.grad), float)]
        return loss, w.grad, read(w), np.linalg.norm(w.grad), np.sum(w.grad), w, x, 1.0 * np.array(kinds)

    compiled = clearprop.compile(step, executor=executor)
    for k in range(3):
        same(compiled(np.arange(2.0) + k), step(np.arange(2.0) + k))


def test_ops_of_several_outputs_give_arrays_for_arrays(executor):
    def f(x):
        first, second = np.split(x, 2)
        return first + 1.0, isinstance(first, np.ndarray) * second, divmod(x, 2.0)

    compiled = clearprop.compile(f, executor=executor)
    for k in range(3):
        same(compiled(np.arange(4.0) + k), f(np.arange(4.0) + k))


LACKING = {
    "hasattr": lambda x: x if hasattr(x, "strides") else -x,
    "getattr": lambda x: x if getattr(x, "tobytes", None) else -x,
    "callable": lambda x: x if callable(getattr(x, "tolist", None)) else -x,
    "flags": lambda x: x if x.flags.writeable else -x,
    "partition": lambda x: x.partition(1),
    "resize": lambda x: x.resize((1,)),
    "of a number": lambda x: x[0].is_integer(),
    "tolist": lambda x: np.float64(sum(x.tolist())),
    "base": lambda x: x if x.base is None else -x,
}


@pytest.mark.parametrize("caught", ["", "an except", "a bare except", "a suppress"])
@pytest.mark.parametrize("name", LACKING)
def test_what_stands_for_an_array_refuses_what_it_cannot_answer(name, caught, executor):
    f = LACKING[name]
    guarded = {"": f, "an except": _excepting(f), "a bare except": _bare(f), "a suppress": _suppressing(f)}
    compiled = clearprop.compile(guarded[caught], executor=executor)

    with pytest.raises(
        RecordingError, match=r"(?s)cannot ask an? (array|number) for \..*test_stand_ins.py:.*Try "
    ):
        compiled(np.arange(3.0))


METHODS = {
    "clip": lambda x: [x.clip(min=0), x.clip(max=2), x.clip(0, 2, out=None), x.clip(min=0, max=2)],
    "round": lambda x: [x.round(1), x.round(decimals=1, out=None), np.sum(x).round(1)],
    "dtype": lambda x: [x.sum(axis=0, dtype=np.float32), x.mean(0, np.float32), x.prod(1, np.float32)],
    "keepdims by position": lambda x: [x.sum(0, None, None, True), x.max(0, None, True), x.argmax(1, None)],
    "initial": lambda x: [x.sum(initial=3.0), x.max(0, initial=2.0), x.min(axis=1, where=x > 0, initial=9.0)],
    "where": lambda x: [x.sum(where=x > 0), x.mean(where=x > 0)],
    "ddof by position": lambda x: [x.std(0, None, None, 1), x.var(0, np.float64)],
    "order": lambda x: [x.flatten("F"), x.ravel("F"), x.reshape((3, 2), order="F"), x.copy("F")],
    "sorting": lambda x: [x.argsort(0, "stable"), x.argsort(kind="stable"), x.argpartition(1).shape],
    "places": lambda x: [x.take([0, 9], mode="clip"), x[0].searchsorted(2.0)],
    "chosen": lambda x: [(x > 0).astype(int).choose([x, 2 * x])],
    "running": lambda x: [x.cumsum(axis=1, dtype=np.float32), x.cumprod(0)],
    "of no number": lambda x: [x == None, x != None, x == "a", np.sum(x) == None],  # noqa: E711
    "attributes": lambda x: [hasattr(x, name) for name in ("register_hook", "_repr_html_", "grad", "shape")],
}  # fmt: skip


def test_methods_take_what_those_of_arrays_take(executor):
    def step(x):
        return {name: f(x) for name, f in METHODS.items()}

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for k in range(3):
        x = np.array([[1.0, -2.0, 3.0], [3.0, 4.0, -1.0]]) + k
        got = compiled(x)
        for name, wanted in step(x).items():
            for a, b in zip(got[name], wanted, strict=True):
                assert type(a) is type(b), name
                assert getattr(a, "dtype", None) == getattr(b, "dtype", None), name
                np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=name)


def matched(x):
    match x:
        case [first, *rest]:
            return first, len(rest)
        case np.ndarray(ndim=2):
            return x * 2


def test_a_match_takes_the_branch_of_arrays(executor):
    compiled = clearprop.compile(matched, executor=executor, prove="never")
    for k in range(3):
        same(compiled(np.ones((2, 3)) * k), matched(np.ones((2, 3)) * k))


ODD = {"in": lambda x: 3.0 in x, "pickled": pickle.dumps, "item": lambda x: x.item(0)}


@pytest.mark.parametrize("name", ODD)
def test_what_an_array_does_and_no_plan_is_refused(name):
    with pytest.raises(RecordingError, match=r"(?s)a recorded step cannot.*\n  Try "):
        clearprop.compile(ODD[name])(np.ones((2, 3)))


def test_an_array_is_not_rounded_by_python():
    with pytest.raises(TypeError, match="__round__"):
        clearprop.compile(lambda x: round(x, 1))(np.ones(2))


def _excepting(f):
    def guarded(x):
        try:
            return f(x)
        except Exception:
            return x * 100.0

    return guarded


def _bare(f):
    def guarded(x):
        try:
            return f(x)
        except:  # noqa: E722
            return x * 100.0

    return guarded


def _suppressing(f):
    def guarded(x):
        result = x * 100.0
        with contextlib.suppress(BaseException):
            result = f(x)
        return result

    return guarded


SWALLOWED = {
    "float": lambda x, t: float(t),
    "a branch": lambda x, t: 1.0 if np.sum(x) > 2 else -1.0,
    "an item": lambda x, t: np.sum(x).item(),
    "asarray": lambda x, t: np.asarray(x).sum(),
    "text": lambda x, t: len(str(x)),
    "a formatted text": lambda x, t: len(f"{np.sum(x)}"),
    "a formatted number": lambda x, t: len(f"{np.sum(x):.3f}"),
    "a Tensor's text": lambda x, t: len(f"{t}"),
    "no rule": lambda x, t: np.histogram(x)[0][0],
    "no rule for a method": lambda x, t: np.add.at(x, [0], 1.0),
    "copyto": lambda x, t: np.copyto(x, 0.0),
    "put": lambda x, t: np.put(x, [0], 1.0),
    "out": lambda x, t: np.add(x, 1.0, out=np.ones(3)),
    "an entry set": lambda x, t: x.__setitem__(0, 3.0),
}


@pytest.mark.parametrize("caught", [_excepting, _bare, _suppressing], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", SWALLOWED)
def test_a_refusal_that_the_step_catches_is_raised_at_its_end(name, caught, executor):
    t = Tensor([1.0, 2.0, 3.0])
    f = caught(lambda x: x * SWALLOWED[name](x, t))

    with pytest.raises(RecordingError, match=r"test_stand_ins.py:\d+"):
        clearprop.compile(f, executor=executor)(np.arange(3.0))
    np.testing.assert_array_equal(t.value, [1.0, 2.0, 3.0])


def _accumulated(x):
    total = x * 0.0
    for k in range(3):
        total += x * k
    total -= np.mean(x)
    total *= 2
    total /= 3.0
    total **= 2
    return total


def _aliases(x):
    y = x * 1.0
    z = y
    y += 1.0
    return y, z, z * y


def _copied_first(x):
    y, z, a, b = x.copy(), copy.copy(x), copy.deepcopy(x), np.copy(x)
    y *= 2.0
    z -= 1.0
    a += b
    b *= a
    return x, y, z, a, b


def _remade(x):
    y = x.reshape(3, 1) * 1.0
    flat = y.ravel()
    del y
    flat += 1.0
    return flat


def _whole_numbers(x):
    n = x.astype(np.int64)
    n //= 2
    n <<= 1
    n |= 1
    n ^= 3
    n &= 7
    n %= 5
    return n


def _narrow(x):
    y = x.astype(np.float32)
    y *= x
    return y


def _numbers(x):
    total, largest = np.sum(x), np.max(x)
    before = total
    total += 1.0
    largest *= 2
    return before, total, largest


def _by_product(x):
    y = np.outer(x, x)
    y @= np.ones((3, 3))
    return y


IN_PLACE = [_accumulated, _aliases, _copied_first, _remade, _whole_numbers, _narrow, _numbers, _by_product]


@pytest.mark.parametrize("f", IN_PLACE, ids=lambda f: f.__name__)
def test_what_is_computed_may_be_changed_in_place(f, executor):
    compiled = clearprop.compile(f, executor=executor)

    for k in range(3):
        x = np.arange(3.0) + k
        same(compiled(x), f(x.copy()))
        np.testing.assert_array_equal(x, np.arange(3.0) + k)


@pytest.mark.parametrize("cleared", [True, False])
@pytest.mark.parametrize("way", ["name", "attribute"])
def test_gradients_are_scaled_in_place(way, cleared, executor):
    def trained(wrap):
        p, q = Tensor([1.0, 2.0]), Tensor([1.0, 2.0])
        optimizer = optim.SGD([p, q], lr=0.5)

        def step(x):
            if cleared:
                optimizer.zero_grad()
            np.sum((p + q) * x).backward()  # one gradient arrives at both
            if way == "name":
                g = p.grad
                g *= 0.25
            else:
                p.grad *= 0.25
            optimizer.step()

        step = wrap(step)
        for k in range(5):
            step(np.arange(2.0) + k)
        return p.value, q.value, p.grad, q.grad

    same(trained(lambda f: clearprop.compile(f, executor=executor)), trained(lambda f: f))


W = Tensor([1.0, 2.0, 3.0], name="W")


def _change(x):
    x -= np.mean(x)
    return x


def _with_view(x):
    y = x * 1.0
    view = y[1:]
    y *= 2.0
    return y, view


def _a_view(x):
    y = x * 1.0
    view = y.reshape(3, 1)
    view *= 2.0
    return y


def _parts_of(x):
    y = x * 1.0
    first, _ = np.split(y, [1])
    first *= 2.0
    return y


def _contents(x):
    w = read(W)
    w *= x
    return W


def _assigned(x):
    y = x * 1.0
    clearprop.assign(W, y)
    y *= 2.0
    return W


def _enlarging(x):
    y = np.sum(x, keepdims=True)
    y += x
    return y


def _fraction(x):
    n = x.astype(np.int64)
    n /= 2
    return n


def _dropping_the_gradient(x):
    y = x * 1.0
    y *= W
    return y


REFUSED = [_change, _with_view, _a_view, _parts_of, _contents, _assigned, _enlarging, _fraction]


@pytest.mark.parametrize("f", [*REFUSED, _dropping_the_gradient], ids=lambda f: f.__name__)
def test_what_others_see_is_not_changed_in_place(f, executor):
    compiled, x, before = clearprop.compile(f, executor=executor), np.arange(3.0), W._value

    with pytest.raises(RecordingError, match=r"test_stand_ins.py:\d+"):
        compiled(x)
    np.testing.assert_array_equal(x, np.arange(3.0))
    assert W._value is before


def test_a_copy_that_is_returned_is_not_the_callers_array(executor):
    compiled = clearprop.compile(lambda x: (x, x.copy(), np.copy(x)), executor=executor)

    for x in (np.ones(3), np.ones(3) * 2):
        same_one, first, second = compiled(x)
        assert same_one is x
        assert not np.shares_memory(first, x)
        assert not np.shares_memory(second, x)
        np.testing.assert_array_equal(first, x)


# --- numbers of an optimizer: floats of Python's in an eager run --------------------------------------------
RATES = {
    "times a Tensor": lambda o, w, x: o.lr * w,
    "times an array": lambda o, w, x: o.lr * x,
    "times whole numbers": lambda o, w, x: np.arange(3) * o.lr,
    "times one of NumPy's": lambda o, w, x: np.float32(2) * o.lr,
    "with itself": lambda o, w, x: (1 - o.lr**2 / 3 + o.lr) * w,
    "negated": lambda o, w, x: abs(-o.lr),
    "rounded": lambda o, w, x: round(o.lr, 1),
    "changed": lambda o, w, x: sum([o.lr, o.lr, 1]),
    "of a ufunc": lambda o, w, x: np.sqrt(o.lr) * x,
    "where": lambda o, w, x: np.where(w > 0, o.lr, w),
    "maximum": lambda o, w, x: np.maximum(w, o.lr),
    "by its class": lambda o, w, x: w * (2 if isinstance(o.lr, float) and np.isscalar(o.lr) else 1),
    "compared": lambda o, w, x: [o.lr > 0.6, o.lr <= 0.6, o.lr == 0.5, o.lr != 0.5],
    "times a comparison": lambda o, w, x: 0.5 * (o.lr > 0.6) * w,
    "comparisons counted": lambda o, w, x: ((o.lr > 0.3) + (o.lr > 0.6)) * np.arange(3),
    "a comparison times an array": lambda o, w, x: (o.lr > 0.6) * np.arange(3) + (o.lr > 0.6) * x,
    "a comparison of arrays too": lambda o, w, x: (w > 0) & (o.lr > 0.6),
    "where of a comparison": lambda o, w, x: np.where(o.lr > 0.6, w, x),
    "a comparison negated": lambda o, w, x: [-(o.lr > 0.6), 1 - (o.lr > 0.6)],
    "comparisons joined and counted": lambda o, w, x: (
        w * (((o.lr > 0.3) & (o.lr < 0.8)) + ((o.lr > 0.3) | (o.lr > 0.6)) + ((o.lr > 0.3) ^ True))
    ),
    "a joined comparison negated": lambda o, w, x: -((o.lr > 0.3) ^ (o.lr > 0.6)) * w,
    "the bits of a comparison": lambda o, w, x: [~(o.lr > 0.6) * w, ((o.lr > 0.3) << 3) * w],
    "in a stack": lambda o, w, x: np.stack([o.lr, w[0]]),
    "in a row": lambda o, w, x: np.hstack([o.lr, x]),
    "in a sum by letters": lambda o, w, x: np.einsum("i,->i", x, o.lr),
    "clipped by": lambda o, w, x: np.clip(w, -o.lr, o.lr),
    "a comparison by its class": lambda o, w, x: w * (2 if isinstance(o.lr > 0.6, bool) else 1),
    "by an attribute": lambda o, w, x: w * (2 if hasattr(o.lr, "shape") else 1),
    "in a dict": lambda o, w, x: {"lr": o.lr, "group": o.param_groups[0]["lr"]},
    "of a group": lambda o, w, x: [g["lr"] * p for g in o.param_groups for p in g["params"]],
    "one of two": lambda o, w, x: o.param_groups[0]["betas"][1] * w,
}


def kinds(x):
    """The classes and contents of a result, in a form that compares."""
    if isinstance(x, (list, dict)):
        return [kinds(y) for y in (x.values() if isinstance(x, dict) else x)]
    held = x.value if isinstance(x, Tensor) else x
    return type(x), getattr(held, "dtype", None), np.asarray(held, float).round(6).tolist()


@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")
@pytest.mark.parametrize("use", RATES)
def test_the_numbers_of_an_optimizer_are_as_weak_as_floats_and_read_at_each_call(use, executor):
    w = Tensor(np.float32([-1, 0.5, 2]))
    optimizer = optim.Adam([w], lr=0.25)
    compiled = clearprop.compile(lambda x: RATES[use](optimizer, w, x), executor=executor, prove="never")
    for k in range(4):
        optimizer.lr = 0.25 * (k + 1)
        optimizer.param_groups[0]["betas"] = (0.9, 0.5 + 0.1 * k)
        x = np.full(3, k, np.float32)

        assert kinds(compiled(x)) == kinds(RATES[use](optimizer, w, x))


@pytest.mark.parametrize(
    "asked",
    [
        lambda r: r.is_integer(),
        lambda r: f"{r}",
        float,
        lambda r: 1 if r > 0.1 else 2,
        lambda r: max(r, 0.1),
        np.float32,
    ],
)
def test_what_would_be_this_calls_learning_rate_for_ever_is_refused(asked):
    optimizer = optim.SGD([Tensor(np.ones(3))], lr=0.25)
    with pytest.raises(RecordingError, match=r"(?s)a recorded step cannot ask.*At .*Try "):
        clearprop.compile(lambda: asked(optimizer.lr))()


W = Tensor([1.0, -2.0, 3.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[W > 0],
        lambda x: x[W.argmax()],
        lambda x: x[None][0, np.argsort(W)].sum(),
        lambda x: np.take(x, np.argsort(W)),
        lambda x: np.sum(x[(x < W) | (x > 0)]),
        lambda x: clearprop.asarray(x) * 2,
        lambda x: clearprop.from_numpy(x, requires_grad=False) * x,
    ],
)
def test_an_array_looked_up_by_a_tensor_is_an_array_and_a_leaf_over_one_a_tensor(f, executor):
    step = clearprop.compile(f, executor=executor, prove="never")
    for x in (np.array([3.0, 1.0, 2.0]), np.array([-1.0, 5.0, 4.0])):
        same(step(x), f(x))


def test_a_leaf_over_an_array_has_a_gradient(executor):
    def slope(x):
        t = clearprop.from_numpy(x)
        (t * t).sum().backward()
        return t.grad

    step = clearprop.compile(slope, executor=executor, prove="never")
    for x in (np.array([3.0, 1.0]), np.array([-1.0, 5.0])):
        same(step(x), 2 * x)
