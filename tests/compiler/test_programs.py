"""Random programs: nested reductions, broadcasting, views, shared subexpressions, compared node by node.

Each is run forward with all its nodes as outputs, so that the first wrong one is named, and as a training
step with only the loss and the gradients, so that loops fuse and buffers are shared.
`CLEARPROP_PROGRAMS=600 pytest tests/compiler/test_programs.py` tries that many of each with each executor
(2,400 in all); the default is a number that CI has time for.
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clearprop
from clearprop import Tensor
from clearprop.compiler.step import available_executors

PROGRAMS = int(os.environ.get("CLEARPROP_PROGRAMS", "100"))
RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

ONE = {
    "tanh": np.tanh,
    "exp of tanh": lambda x: np.exp(np.tanh(x)),
    "sigmoid": lambda x: clearprop.sigmoid(x),
    "relu": lambda x: clearprop.relu(x),
    "square of tanh": lambda x: np.tanh(x) ** 2,
    "sin": np.sin,
    "log": lambda x: np.log(1.5 + np.tanh(x)),
    "sqrt": lambda x: np.sqrt(x * x + 0.5),
    "negative": lambda x: -x,
    "twice": lambda x: x + x,
    "halved": lambda x: x / 4,
    "times a number": lambda x: 0.3 * x - 1,
    "erf": lambda x: clearprop.erf(x),
    "gelu": lambda x: x * clearprop.ndtr(x),
    "softplus": lambda x: clearprop.softplus(x),
    "absolute": lambda x: abs(x),
    "clipped": lambda x: np.clip(x, -0.5, 0.7),
    "mask": lambda x: np.where(x > 0, x, 0.1 * x),
    "comparison": lambda x: (x > 0.2) * x,
    "float": lambda x: x.astype(np.float64).astype(x.dtype),
}
TWO = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: np.tanh(x) * np.tanh(y),
    "divide": lambda x, y: x / (1.5 + np.tanh(y)),
    "maximum": np.maximum,
    "where": lambda x, y: np.where(x > y, x, y * 0.5),
    "hypot": np.hypot,
    "masked": lambda x, y: np.where(x > 0, np.log(np.where(x > 0, x, 1)), y),
}
REDUCED = {
    "sum": lambda x, axis, keep: x.sum(axis=axis, keepdims=keep) * 0.3,
    "mean": lambda x, axis, keep: x.mean(axis=axis, keepdims=keep),
    "max": lambda x, axis, keep: x.max(axis=axis, keepdims=keep),
    "min": lambda x, axis, keep: x.min(axis=axis, keepdims=keep),
    "var": lambda x, axis, keep: x.var(axis=axis, keepdims=keep) * 0.2,
    "logsumexp": lambda x, axis, keep: clearprop.logsumexp(x, axis=axis, keepdims=keep),
    "norm": lambda x, axis, keep: np.sqrt((x * x).sum(axis=axis, keepdims=keep) + 0.1),
}
ROWS = {
    "softmax": lambda x, axis: clearprop.softmax(x, axis=axis),
    "log_softmax": lambda x, axis: clearprop.log_softmax(x, axis=axis) * 0.2,
    "centred": lambda x, axis: x - x.mean(axis=axis, keepdims=True),
    "layer norm": lambda x, axis: (
        (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 0.1)
    ),
}
LENGTHS = (1, 2, 3, 5, 17)


@st.composite
def programs(draw):
    """A list of steps `(name, function, places of its inputs)` over inputs of drawn shapes."""
    ndim = draw(st.integers(1, 3))
    full = tuple(draw(st.sampled_from(LENGTHS)) for _ in range(ndim))
    shapes = [full]
    for _ in range(draw(st.integers(1, 2))):
        kept = tuple(n if draw(st.booleans()) else 1 for n in full)
        shapes.append(kept[draw(st.integers(0, ndim - 1)) :])
    dtype = draw(st.sampled_from(("f4", "f8")))
    seed = draw(st.integers(0, 999))
    rng = np.random.default_rng(seed)
    inputs = [rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes]
    values, steps = list(inputs), []
    for _ in range(draw(st.integers(2, 12))):
        name, function, places = draw(step_of(values))
        with np.errstate(all="ignore"):
            z = function(*(values[i] for i in places))
        if np.ndim(z) > 4 or np.size(z) > 5000:
            continue
        steps.append((name, function, places))
        values.append(z)
    return inputs, steps


@st.composite
def step_of(draw, values):
    i = draw(st.integers(0, len(values) - 1))
    x = values[i]
    families = ("one", "one", "two", "two", "two", "reduce", "row", "view", "product", "join", "join")
    family = draw(st.sampled_from(families))
    if family == "two":
        fitting = [j for j, y in enumerate(values) if broadcasts(x, y)]
        name = draw(st.sampled_from(sorted(TWO)))
        return name, TWO[name], (i, draw(st.sampled_from(fitting)))
    if family == "reduce" and np.ndim(x):
        axes = [None, *range(np.ndim(x)), *([(0, np.ndim(x) - 1)] if np.ndim(x) > 1 else [])]
        axis, keep = draw(st.sampled_from(axes)), draw(st.booleans())
        name = draw(st.sampled_from(sorted(REDUCED)))
        return f"{name} over {axis}", lambda x: REDUCED[name](x, axis, keep), (i,)
    if family == "row" and np.ndim(x):
        axis = draw(st.integers(0, np.ndim(x) - 1))
        name = draw(st.sampled_from(sorted(ROWS)))
        return f"{name} along {axis}", lambda x: ROWS[name](x, axis), (i,)
    if family == "view" and np.ndim(x):
        return draw(view_of(i, x))
    if family == "product" and np.ndim(x):
        fitting = [j for j, y in enumerate(values) if np.ndim(y) and multiplies(x, y)]
        if fitting:
            return "product", lambda x, y: x @ y * 0.3, (i, draw(st.sampled_from(fitting)))
        return "gram", lambda x: x @ np.swapaxes(x, -1, -2) * 0.2 if x.ndim > 1 else x @ x, (i,)
    if family == "join" and np.ndim(x):
        return draw(join_of(i, values))
    name = draw(st.sampled_from(sorted(ONE)))
    return name, ONE[name], (i,)


@st.composite
def join_of(draw, i, values):
    """Arrays side by side, and what is made of them: margins, turns, repetitions, products by label."""
    x = values[i]
    n = np.ndim(x)
    axis = draw(st.integers(-n, n - 1))
    kind = draw(st.sampled_from(("concatenate", "stack", "pad", "roll", "repeat", "einsum", "halves")))
    if kind == "concatenate":
        fitting = [j for j, y in enumerate(values) if joins(x, y, axis)]
        j = draw(st.sampled_from(fitting))
        return f"concatenate {axis}", lambda x, y: np.concatenate([y, x, y], axis=axis), (i, j)
    if kind == "stack":
        fitting = [j for j, y in enumerate(values) if np.shape(y) == x.shape]
        j = draw(st.sampled_from(fitting))
        return f"stack {axis}", lambda x, y: np.stack([x, y * 0.5], axis=axis), (i, j)
    if kind == "pad":
        widths = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(n))
        return f"pad {widths}", lambda x: np.pad(x, widths, constant_values=0.5), (i,)
    if kind == "roll":
        shift, along = draw(st.integers(-3, 3)), draw(st.sampled_from((None, axis)))
        return f"roll {shift} along {along}", lambda x: np.roll(x, shift, along), (i,)
    if kind == "repeat":
        times, along = draw(st.integers(1, 3)), draw(st.sampled_from((None, axis)))
        return f"repeat {times} along {along}", lambda x: np.repeat(x, times, along), (i,)
    if kind == "halves":
        k = draw(st.integers(0, x.shape[axis]))
        where = (slice(None),) * (axis % n)

        def swapped(x):
            return np.concatenate([x[(*where, slice(k, None))] * 0.5, x[(*where, slice(None, k))]], axis=axis)

        return f"the ends at {k} along {axis} swapped", swapped, (i,)
    labels = "abc"[:n] if n <= 3 else "abcd"
    j = draw(st.sampled_from([j for j, y in enumerate(values) if np.shape(y) == x.shape]))
    other = "".join(c if x.size > 64 or draw(st.booleans()) else c.upper() for c in labels)
    whole = "".join(dict.fromkeys(labels + other))
    output = "".join(draw(st.permutations([c for c in whole if draw(st.booleans())])))
    subscripts = f"{labels},{other}->{output}"
    return f"einsum {subscripts}", lambda x, y: np.einsum(subscripts, np.tanh(x), y) * 0.1, (i, j)


@st.composite
def view_of(draw, i, x):
    kind = draw(st.sampled_from(("transpose", "reshape", "slice", "flip", "expand", "repeat", "pick")))
    n = np.ndim(x)
    axis = draw(st.integers(0, n - 1))
    if kind == "transpose":
        axes = tuple(draw(st.permutations(range(n))))
        return f"transpose {axes}", lambda x: np.transpose(x, axes), (i,)
    if kind == "reshape":
        return "reshape", lambda x: x.reshape((-1, x.shape[-1]) if x.size else x.shape), (i,)
    if kind == "slice":
        start, step = draw(st.integers(0, x.shape[axis] - 1)), draw(st.sampled_from((1, 2, -1)))
        where = (slice(None),) * axis + (slice(start, None, step),)
        return f"slice {where}", lambda x: x[where], (i,)
    if kind == "flip":
        return f"flip {axis}", lambda x: np.flip(x, axis), (i,)
    if kind == "expand":
        return f"expand {axis}", lambda x: np.expand_dims(x, axis), (i,)
    if kind == "repeat":
        return "broadcast", lambda x: np.broadcast_to(x, (2, *x.shape)) * 1.0, (i,)
    places = np.array([0, x.shape[axis] - 1, 0])
    return f"pick along {axis}", lambda x: np.take(x, places, axis=axis), (i,)


def broadcasts(x, y):
    try:
        return np.size(np.broadcast(x, y)) <= 5000
    except ValueError:
        return False


def joins(x, y, axis):
    return np.ndim(y) == np.ndim(x) and np.delete(x.shape, axis).tolist() == np.delete(y.shape, axis).tolist()


def multiplies(x, y):
    try:
        return np.size(np.matmul(x, y)) <= 5000
    except ValueError:
        return False


def run(steps, inputs):
    values = list(inputs)
    for _, function, places in steps:
        values.append(function(*(values[i] for i in places)))
    return values


def agree(got, wanted, label, factor=1):
    got, wanted = np.asarray(got), np.asarray(wanted)

    assert got.shape == wanted.shape, label
    assert got.dtype == wanted.dtype, label
    if wanted.dtype.kind != "f":
        return np.testing.assert_array_equal(got, wanted, err_msg=label)
    unit = factor * 256 * np.finfo(wanted.dtype).eps  # a dozen steps, each rounded in its own order
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1)
    return np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=label)


@pytest.mark.parametrize("executor", available_executors())
@settings(max_examples=PROGRAMS, deadline=None, suppress_health_check=RELAXED, derandomize=True)
@given(program=programs())
def test_every_node_of_a_random_program_is_that_of_eager(executor, program):
    inputs, steps = program
    step = clearprop.compile(lambda *xs: run(steps, xs), executor=executor)
    with np.errstate(all="ignore"):
        wanted = run(steps, inputs)
        for _ in range(2):
            got = step(*inputs)
            for k, (z, w) in enumerate(zip(got[len(inputs) :], wanted[len(inputs) :], strict=True)):
                agree(z, w, f"node {k}: {steps[k][0]} of {steps}")


@pytest.mark.parametrize("executor", available_executors())
@settings(max_examples=PROGRAMS, deadline=None, suppress_health_check=RELAXED, derandomize=True)
@given(program=programs())
def test_the_gradients_of_a_random_program_are_those_of_eager(executor, program):
    inputs, steps = program
    leaves = [Tensor(x.copy()) for x in inputs]

    def step(*xs):
        for leaf in leaves:
            leaf.grad = None
        values = run(steps, [leaf * x for leaf, x in zip(leaves, xs, strict=True)])
        loss = sum(np.mean(np.tanh(v) * v) for v in values[-3:])
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor)
    new = [x[::-1].copy() for x in inputs]
    with np.errstate(all="ignore"):
        compiled(*inputs)
        compiled(*inputs)
        got = compiled(*new).value
        found = [leaf.grad for leaf in leaves]
        wanted = step(*new).value
    agree(got, wanted, f"loss of {steps}")
    for leaf, g in zip(leaves, found, strict=True):
        if leaf.grad is None:
            assert g is None
        else:
            agree(g, leaf.grad, f"gradient of {steps}", factor=8)
