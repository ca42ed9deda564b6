"""Without axes an array is no number to NumPy: a compiled step gives whichever an eager run gives."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, assign
from clearprop.compiler.step import available_executors
from clearprop.record import read

VECTOR, MATRIX = np.array([1.5, 2.5, 3.5]), np.array([[2.0, 1.0], [0.5, 3.0]])
ARRAY, NUMBER, ONE = np.array(1.5), np.float64(1.5), np.array([[2.5]])
EITHER, ANY = (ARRAY, NUMBER), (ARRAY, NUMBER, VECTOR)


def scaled(x):
    y = x.copy()
    y *= 2.0
    return y


def moved(x):
    y = x + 0.0
    y += 1.0
    return y


CALLS = {
    "squeeze": (np.squeeze, (ONE, ARRAY, NUMBER)),
    "x.squeeze()": (lambda x: x.squeeze(), (ONE, ARRAY, NUMBER)),
    "x[0]": (lambda x: x[0], (VECTOR,)),
    "x[..., 0]": (lambda x: x[..., 0], (VECTOR,)),
    "x[()]": (lambda x: x[()], EITHER),
    "x[...]": (lambda x: x[...], EITHER),
    "x[0][...]": (lambda x: x[0][...], (VECTOR,)),
    "x[0, ..., 1]": (lambda x: x[0, ..., 1], (MATRIX,)),
    "where": (lambda x: np.where(x > 0, x, 2.0), EITHER),
    "broadcast_to": (lambda x: np.broadcast_to(x, ()), EITHER),
    "copy": (np.copy, EITHER),
    "x.copy()": (lambda x: x.copy(), EITHER),
    "x.T": (lambda x: x.T, EITHER),
    "transpose": (np.transpose, EITHER),
    "x.transpose()": (lambda x: x.transpose(), EITHER),
    "astype": (lambda x: x.astype(np.float32), EITHER),
    "to integers": (lambda x: x.astype(np.int64), EITHER),
    "reshape": (lambda x: np.reshape(x, ()), (ONE, *EITHER)),
    "x.reshape()": (lambda x: x.reshape(()), (ONE, *EITHER)),
    "sum": (np.sum, ANY),
    "x.sum()": (lambda x: x.sum(), ANY),
    "mean": (np.mean, ANY),
    "median": (np.median, ANY),
    "max": (np.max, ANY),
    "sum along an axis": (lambda x: np.sum(x, axis=0), (VECTOR,)),
    "sum that keeps axes": (lambda x: np.sum(x, keepdims=True), EITHER),
    "mean that keeps axes": (lambda x: np.mean(x, keepdims=True), EITHER),
    "average": (np.average, (VECTOR,)),
    "norm": (np.linalg.norm, (VECTOR,)),
    "det": (np.linalg.det, (MATRIX,)),
    "trace": (np.trace, (MATRIX,)),
    "x.trace()": (lambda x: x.trace(), (MATRIX,)),
    "einsum": (lambda x: np.einsum("i,i", x, x), (VECTOR,)),
    "einsum of none": (lambda x: np.einsum("->", x), EITHER),
    "tensordot": (lambda x: np.tensordot(x, x, 1), (VECTOR,)),
    "tensordot of two": (lambda x: np.tensordot(x, x, 2), (MATRIX,)),
    "dot": (lambda x: np.dot(x, x), ANY),
    "x.dot(x)": (lambda x: x.dot(x), (ARRAY, VECTOR)),
    "inner": (lambda x: np.inner(x, x), ANY),
    "x @ x": (lambda x: x @ x, (VECTOR,)),
    "x * 2": (lambda x: x * 2, EITHER),
    "-x": (lambda x: -x, EITHER),
    "+x": (lambda x: +x, EITHER),
    "exp": (np.exp, EITHER),
    "x > 1": (lambda x: x > 1, EITHER),
    "round": (lambda x: np.round(x, 1), EITHER),
    "x.round()": (lambda x: x.round(1), EITHER),
    "clip": (lambda x: np.clip(x, 0, 1), EITHER),
    "x.clip()": (lambda x: x.clip(0, 1), EITHER),
    "zeros_like": (lambda x: np.zeros_like(x) + x, EITHER),
    "take": (lambda x: np.take(x, 0), ANY),
    "x.take()": (lambda x: x.take(0), ANY),
    "flip": (np.flip, EITHER),
    "roll": (lambda x: np.roll(x, 1), EITHER),
    "moveaxis": (lambda x: np.moveaxis(x, [], []), (ARRAY,)),
    "stack": (lambda x: np.stack([x, x])[0], EITHER),
    "atleast_1d": (lambda x: np.atleast_1d(x)[..., 0], EITHER),
    "prod": (np.prod, ANY),
    "scaled in place": (scaled, EITHER),
    "moved in place": (moved, EITHER),
    "itself": (lambda x: x, EITHER),
    "masked": (lambda x: np.sum(x[x > 2]), (VECTOR,)),
    "asked": (lambda x: x + (10.0 if isinstance(np.squeeze(x), np.ndarray) else 20.0), (ONE, *EITHER)),
    "relu": (clearprop.relu, EITHER),
    "asked of a copy": (lambda x: x + (10.0 if isinstance(np.copy(x), np.ndarray) else 20.0), EITHER),
    "split": (lambda x: np.split(x, 3)[0].squeeze(), (VECTOR,)),
    "several": (lambda x: {"a": [x[..., 0], x[0]], "b": np.squeeze(x[:1])}, (VECTOR,)),
    "logsumexp": (clearprop.logsumexp, (VECTOR,)),
}
GRADIENTS = {
    "reshaped": lambda p: (p.reshape(1) ** 2).sum(),
    "an axis more": lambda p: (p[None] * 3.0).sum(),
    "repeated": lambda p: np.broadcast_to(p, (3,)).sum(),
    "p[...]": lambda p: p[...],
    "chosen": lambda p: np.where(p > 0, p, 0.0),
    "tensordot": lambda p: np.tensordot(p.reshape(1), np.ones(1), 1),
    "ravel": lambda p: p.ravel()[0],
    "turned over": lambda p: np.flip(p.reshape(1)).sum(),
    "roll": lambda p: np.roll(p, 1),
    "sum": np.sum,
    "max": np.max,
    "squeeze": lambda p: np.squeeze(p) * 2.0,
    "stack": lambda p: np.stack([p, p]).sum(),
    "both": lambda p: p.reshape(1).sum() + p * p,
    "T": lambda p: p.T,
}
CASES = [(name, i) for name, (_, xs) in CALLS.items() for i in range(len(xs))]


def kinds(x):
    """The types and dtypes of all that a result holds, and its numbers."""
    if isinstance(x, dict):
        return {k: kinds(y) for k, y in x.items()}
    if isinstance(x, (tuple, list)):
        return list(map(kinds, x))
    value = x.detach().value if isinstance(x, Tensor) else x
    inside = type(x._value) if isinstance(x, Tensor) else None
    return type(x), inside, value.dtype, np.asarray(value).tolist()


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize(("name", "i"), CASES)
def test_an_array_stays_one_and_a_number_too(name, i, executor):
    function, x = CALLS[name][0], CALLS[name][1][i]
    for given in (x, Tensor(x)) if name not in ("scaled in place", "x.trace()") else (x,):
        if isinstance(given, Tensor) and name in ("copy", "x.copy()", "moved in place"):
            continue
        compiled = clearprop.compile(function, executor=executor, prove="never")
        right = kinds(function(given))
        for _ in range(3):
            assert kinds(compiled(given)) == right


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", GRADIENTS)
def test_a_gradient_without_axes_is_a_number(name, executor):
    p, loss = Tensor(2.0), GRADIENTS[name]

    def step():
        p.grad = None
        z = loss(p)
        z.backward()
        assign(p, read(p) - 0.25 * p.grad)
        return z, p.grad

    assert kinds(step()[1])[0] is kinds(clearprop.grad(loss)(ARRAY))[0] is np.float64
    compiled = clearprop.compile(step, executor=executor, prove="never")
    of_arrays = clearprop.compile(clearprop.grad(loss), executor=executor, prove="never")
    for x in (ARRAY, NUMBER):
        assert kinds(of_arrays(x)) == kinds(clearprop.grad(loss)(x))
    for _ in range(3):
        p.value = 2.0
        right = kinds(step()), kinds(p.grad), kinds(p)
        p.value = 2.0

        assert (kinds(compiled()), kinds(p.grad), kinds(p)) == right


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
def test_views_of_a_number_that_is_another_at_each_call(executor):
    p, q = Tensor(2.0), Tensor(3.0)

    def step():
        assign(q, np.flip(read(p).reshape(1, 1))[0, 0])
        return (
            p[None],
            np.flip(p.reshape(1)),
            np.broadcast_to(p, (2, 3))[:, ::-1],
            np.flip(p.reshape(1)).sum(),
        )

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for k in range(4):
        p.value = 2.0 + k
        right = kinds(step())
        q.value = 0.0

        assert kinds(compiled()) == right
        assert q.value == 2.0 + k


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
def test_a_proof_tells_them_apart(executor, monkeypatch):
    made = clearprop.compile(lambda x: x[..., 0], executor=executor, prove="always")
    made(VECTOR)
    plan = made.latest
    monkeypatch.setattr(plan, "tree", lambda outputs, args, kwargs: outputs[0])

    with pytest.raises(RuntimeError, match="the function gives a ndarray, the plan a float64"):
        made(VECTOR)
