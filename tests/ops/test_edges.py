"""Where ops meet odd inputs: lists, empty arrays, no axes, infinite gradients, unusual arguments."""

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor, compile, grad
from clearprop.registry import ops

inf = np.inf
PAIR = np.array([1.0, 2.0])
HOLLOW = np.zeros((0, 2))


def gradients(f, *arrays):
    tensors = [Tensor(a) for a in arrays]
    z = f(*tensors)
    z.backward(np.ones(z.shape))
    return [t.grad for t in tensors]


def gradient(f, x):
    return gradients(f, x)[0]


# fmt: off
LISTS = [
    ("t / list",     lambda x: x / [1, 2],                           [1.0, 0.5]),
    ("t ** list",    lambda x: x ** [1, 2],                          [1.0, 4.0]),
    ("t @ list",     lambda x: x @ [3, 4],                           [3.0, 4.0]),
    ("list @ t",     lambda x: [[1, 2], [3, 4]] @ x,                 [4.0, 6.0]),
    ("list * t",     lambda x: [3, 4] * x,                           [3.0, 4.0]),
    ("tuple - t",    lambda x: (3, 4) - x,                           [-1.0, -1.0]),
    ("maximum",      lambda x: np.maximum(x, [3, 0]),                [0.0, 1.0]),
    ("where",        lambda x: np.where([True, False], x, [0, 0]),   [1.0, 0.0]),
    ("concatenate",  lambda x: np.concatenate([[5], x]),             [1.0, 1.0]),
    ("stack",        lambda x: np.stack([[1, 2], x, x]),             [2.0, 2.0]),
    ("vstack",       lambda x: np.vstack([x, [1, 2]]),               [1.0, 1.0]),
    ("dot",          lambda x: np.dot([3, 4], x),                    [3.0, 4.0]),
    ("outer",        lambda x: np.outer([3, 4], x),                  [7.0, 7.0]),
    ("einsum",       lambda x: np.einsum("i,i", [3, 4], x),          [3.0, 4.0]),
]


@pytest.mark.parametrize(("f", "wanted"), [t[1:] for t in LISTS], ids=[t[0] for t in LISTS])
def test_lists_and_tuples_count_as_arrays(f, wanted):
    assert gradient(f, PAIR).tolist() == wanted

    x = Tensor(PAIR)
    f(x).backward(np.ones(f(x).shape), create_graph=True)
    assert x.grad.value.tolist() == wanted


EMPTY = [
    ("sum",           lambda x: np.sum(x, axis=0),                np.zeros((0, 2))),
    ("prod",          lambda x: np.prod(x, axis=0),               np.zeros((0, 2))),
    ("prod of all",   np.prod,                                    np.zeros(0)),
    ("mean",          lambda x: np.mean(x, axis=1),               HOLLOW),
    ("max",           lambda x: np.max(x, axis=1),                HOLLOW),
    ("softmax",       cp.softmax,                                 HOLLOW),
    ("logsumexp",     lambda x: cp.logsumexp(x, axis=1),          HOLLOW),
    ("matmul, inner", lambda x: np.zeros((5, 0)) @ x,             np.zeros(0)),
    ("matmul, batch", lambda x: np.zeros((2, 5, 0)) @ x,          np.zeros((0, 3))),
    ("matmul, rows",  lambda x: np.zeros((0, 3)) @ x,             np.zeros(3)),
    ("no index",      lambda x: x[[]],                            PAIR),
    ("concatenate",   lambda x: np.concatenate([x, x]),           HOLLOW),
    ("outer",         lambda x: np.outer(x, x),                   np.zeros(0)),
]


@pytest.mark.parametrize(("f", "x"), [t[1:] for t in EMPTY], ids=[t[0] for t in EMPTY])
def test_arrays_without_entries(f, x):
    got = gradient(f, x)

    assert got.shape == x.shape
    assert not np.any(got)


INFINITE = [  # sqrt has an infinite derivative at 0: who was not chosen still receives exactly 0
    ("relu",     lambda x: np.sqrt(cp.relu(x)),                [-1.0, 4.0], [0.0, 0.25]),
    ("maximum",  lambda x: np.sqrt(np.maximum(x, 0)),          [-1.0, 4.0], [0.0, 0.25]),
    ("minimum",  lambda x: np.sqrt(np.minimum(x, [0, 9])),     [1.0, 4.0],  [0.0, 0.25]),
    ("clip",     lambda x: np.sqrt(np.clip(x, 0, 9)),          [-1.0, 4.0], [0.0, 0.25]),
    ("max",      lambda x: np.sqrt(np.max(x)),                 [-1.0, 0.0], [0.0, inf]),
    ("min",      lambda x: np.sqrt(np.min(x)),                 [1.0, 0.0],  [0.0, inf]),
    ("getitem",  lambda x: np.sqrt(x[1]),                      [-1.0, 0.0], [0.0, inf]),
    ("overflow", lambda x: np.where(x < 1e9, x**3, 0),         [2.0, 1e200], [12.0, 0.0]),
]
# fmt: on


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("f", "x", "wanted"), [t[1:] for t in INFINITE], ids=[t[0] for t in INFINITE])
def test_an_infinite_gradient_reaches_the_chosen_alone(f, x, wanted):
    assert gradient(f, x).tolist() == wanted


def test_second_derivatives_through_a_choice():
    x = np.array([-1.0, 2.0])
    for f in (cp.relu, lambda t: np.maximum(t, 0), lambda t: np.clip(t, 0, 9)):
        curved = cp.grad(lambda t, f=f: np.sum(f(t) ** 3))

        assert cp.grad(lambda t, g=curved: np.sum(g(t)))(x).tolist() == [0.0, 12.0]


@pytest.mark.parametrize(
    "index", [((0, 0, 1),), range(2), [0, 0], np.array([0, 0]), True, (Ellipsis, [1, 1])]
)
def test_an_entry_picked_twice_receives_both_gradients(index):
    counts = np.zeros(2)
    np.add.at(counts, index, 1.0)

    assert gradient(lambda x: x[index], PAIR).tolist() == counts.tolist()


@pytest.mark.parametrize("name", ["sum", "max", "min", "prod"])  # for the mean, NumPy refuses it
def test_a_number_may_be_reduced_along_its_axis_that_is_not_there(name):
    assert gradient(lambda x: getattr(np, name)(x, axis=-1), 3.0) == 1.0


def test_unusual_arguments_of_shape_functions():
    square = np.ones((2, 2))

    assert gradient(lambda x: np.concatenate([x, x], axis=None), square).tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert gradient(lambda x: np.roll(x, [1], axis=[0])[0], PAIR).tolist() == [0.0, 1.0]
    assert gradient(lambda x: np.tile(x, np.int64(3)), PAIR).tolist() == [3.0, 3.0]
    assert gradient(lambda x: np.hstack([x, x]), 2.0) == 2.0
    assert np.clip(Tensor([1, 2, 3], requires_grad=False), 2, None).dtype == np.int64


def test_clip_with_its_ends_crossed_is_the_upper_end():
    assert gradients(np.clip, 0.5, 2.0, 1.0) == [0.0, 0.0, 1.0]


def test_norms_at_zero_and_of_order_zero():
    zero = np.zeros(2)

    for order in (1, 1.5, 2, 3, inf):
        assert gradient(lambda x, p=order: np.linalg.norm(x, p), zero).tolist() == [0.0, 0.0]
    assert np.linalg.norm(Tensor([0.0, 3.0]), 0).value == 1.0


def test_a_product_of_one_infinite_entry():
    assert gradient(np.prod, [inf]).tolist() == [1.0]


def test_what_stands_for_dtype_in_numpy_is_not_taken_for_keepdims():
    with pytest.raises(TypeError, match=r"Cannot interpret 'True' as a data type"):
        np.sum(Tensor(PAIR), 0, True)


def test_sorted_ties_share_the_gradient_equally():
    x = np.array([1.0, 1.0, 0.0, 2.0])
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    assert gradient(lambda t: np.sort(t) * weights, x).tolist() == [2.5, 2.5, 1.0, 4.0]
    assert gradient(np.median, np.array([1.0, 1.0, 1.0])).tolist() == pytest.approx([1 / 3] * 3)


def test_a_singular_matrix_has_the_cofactor_matrix():
    got = gradient(np.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]))
    np.testing.assert_allclose(got, [[4.0, -2.0], [-2.0, 1.0]], atol=1e-14)
    assert not np.any(gradient(np.linalg.det, np.zeros((3, 3))))


def test_derivatives_at_the_far_ends_of_the_range():
    assert gradient(np.arccosh, 1e200) == 1e-200
    assert gradient(lambda y: np.arctan2(y, 1e-200), 1e-200) == pytest.approx(5e199, rel=1e-15)
    assert gradient(lambda x: np.power(x, np.array(0.1)), 1e300) == pytest.approx(1e-271, rel=1e-15)


@pytest.mark.parametrize("compiled", [False, "numpy", "llvm"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((0,), -1), ((2, 0), 1), ((2, 0), 0), ((0, 3), 0), ((2, 0, 3), 1)]
)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.filterwarnings("error")
def test_softmax_of_no_entries_is_pytorchs(name, shape, axis, compiled):
    torch = pytest.importorskip("torch")
    if compiled == "llvm":
        pytest.importorskip("llvmlite")
    f = ops[name]

    def both(x):
        return f(x, axis=axis), grad(lambda y: np.sum(f(y, axis=axis)))(x)

    value, d = (compile(both, executor=compiled) if compiled else both)(np.ones(shape, np.float32))

    wanted = getattr(torch, name)(torch.ones(shape), axis).numpy()
    assert np.array_equal(np.asarray(value), wanted)
    assert value.dtype == wanted.dtype
    assert (d.shape, d.dtype) == (shape, np.float32)


@pytest.mark.parametrize("axis", [(), (0, 1, 2), (0, 2), None])
def test_a_norm_of_float16_takes_any_axes(axis):
    x = np.arange(1, 9).reshape(2, 2, 2).astype(np.float16)
    found = ops["norm"](x, axis=axis, keepdims=True)

    assert found.dtype == np.float16
    wanted = np.sqrt(np.sum(x.astype(float) ** 2, axis=axis, keepdims=True))
    np.testing.assert_array_equal(found, wanted.astype(np.float16))
