"""Loops and choices as ONNX: operators whose bodies are graphs, run by onnxruntime, read again."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, tree
from clearprop.loops import cond, fori_loop, scan, while_loop

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from clearprop.interop.onnx import load_onnx, save_onnx  # noqa: E402
from clearprop.interop.onnx.writing import onnx_model  # noqa: E402

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
THREE = np.arange(3, dtype=np.float32)


class Model(nn.Module):
    """Some layers, and what a function makes of them."""

    def __init__(self, f):
        super().__init__()
        clearprop.manual_seed(0)
        self.f, self.one, self.two, self.norm = f, nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.walk = nn.GRU(3, 3, batch_first=True)

    def forward(self, x):
        return self.f(self, x)


def kinds(graph):
    """Return the operators of a graph, and by name those of the graphs within."""
    inner = [a.g for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return [n.op_type for n in graph.node] + [f"in {k.split(' ')[-1]}" for g in inner for k in kinds(g)]


def numbers(found):
    return [np.asarray(getattr(z, "value", z)) for z in tree.leaves(found)]


def same(model, example, lengths=(4, 1, 7)):
    """Check the file on onnxruntime and read again, for batches of several lengths; return its operators."""
    file = onnx_model(model, example)
    onnx.checker.check_model(file, full_check=True)
    session = runtime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    again = load_onnx(file.SerializeToString())
    for n in lengths:
        for sign in (1, -1):
            x = np.abs(np.random.default_rng(n).normal(size=(n, *example.shape[1:])))
            x = (sign * x).astype(np.float32)
            wanted = numbers(model(x))
            for found in (session.run(None, {"input": x}), numbers(again(x))):
                for a, b in zip(found, wanted, strict=True):
                    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5, strict=True)
    return kinds(file.graph)


def nested(m, x):
    y = m.one(x)
    deep = lambda: cond(np.max(x) > 1, lambda: m.two(y), lambda: m.norm(y) * 2)  # noqa: E731
    return cond(np.sum(x) > 0, deep, lambda: x * y)


def used_outside(m, x):
    y = m.one(x)
    z = np.tanh(y)
    return cond(np.sum(x) > 0, lambda: (z, y * 2), lambda: (m.two(z), x)), z


def one_result_of_two(m, x):
    return cond(np.sum(x) > 0, lambda: (x * 2, x + 1), lambda: (x * 3, np.ones(3, np.float32)[None] + x))[1]


def walked(m, x):
    out, last = m.walk(np.stack([x, x * 2], axis=1))
    return cond(np.sum(x) > 0, lambda: out[:, 0], lambda: last[0])


def walked_and_kept(m, x):
    out, last = m.walk(np.stack([x, x * 2], axis=1))
    return cond(np.sum(x) > 0, lambda: out[:, 0], lambda: x), last


CHOICES = [
    nested, used_outside, one_result_of_two, walked, walked_and_kept,
    lambda m, x: cond(np.sum(x) > 0, lambda: np.ones(3, np.float32), lambda: x[0]) + x,
    lambda m, x: cond(np.sum(x) > 0, lambda: x, lambda: -x),
    lambda m, x: cond(np.sum(x) > 0, lambda: scan(lambda c, e: (m.one(c) + e, c), x, THREE)[0], lambda: x),
]  # fmt: skip


@pytest.mark.parametrize("f", CHOICES)
def test_a_choice_is_an_if_with_its_branches_inside(f):
    found = same(Model(f).eval(), X)

    assert "If" in found
    assert "Where" not in found


def test_what_one_branch_needs_alone_is_computed_inside_of_it():
    f = lambda x: cond(np.sum(x) > 0, lambda: np.tanh(x) * 2, lambda: x @ W - 1)  # noqa: E731

    assert kinds(onnx_model(f, X).graph)[:4] == ["ReduceSum", "Cast", "Cast", "Greater"]
    assert {"in Tanh", "in MatMul"} <= set(kinds(onnx_model(f, X).graph))


def inner_loops(m, x):
    return scan(lambda c, e: scan(lambda d, f: (np.tanh(d * f + e), d), c, THREE[:2]), x, THREE)


def loop_after_loop(m, x):
    last, rows = scan(lambda c, e: (c + e, c * e), np.zeros(3, np.float32), x)
    return scan(lambda c, e: (c - e, c * e), last, rows, reverse=True)


def both_kinds(m, x):
    return scan(lambda c, e: (c + e, c > 1), x, THREE)


SCANS = [
    inner_loops, loop_after_loop, both_kinds,
    lambda m, x: scan(lambda c, e: (np.tanh(c @ W + e), c * 2), np.zeros(3, np.float32), x),
    lambda m, x: scan(lambda c, e: (np.tanh(c @ W + e), c * 2), np.zeros(3, np.float32), x, reverse=True),
    lambda m, x: scan(lambda c, e: (np.tanh(m.one(c) + e * x), c.sum(axis=1)), x * 0, THREE),
    lambda m, x: scan(lambda c, e: (np.tanh(c * e + x), c), x, THREE, mask=THREE != 1),
    lambda m, x: scan(lambda c, e: (cond(np.sum(c) > e, lambda: m.one(c), lambda: c * 2), c), x, THREE),
    lambda m, x: scan(lambda c, e: (np.tanh(c + e), c), x, np.arange(8, dtype=np.float32), checkpoint=True),
    lambda m, x: fori_loop(0, 4, lambda i, c: c * np.float32(0.5) + x * i.astype(np.float32), x),
]  # fmt: skip


@pytest.mark.parametrize("f", SCANS)
def test_a_walk_along_arrays_is_a_scan_whose_body_is_written_once(f):
    found = same(Model(f).eval(), X)

    assert found.count("Scan") in (1, 2, 3)
    assert found.count("in Tanh") <= 2


def turns(m, x):
    def body(carry):
        return carry[0] + 1, m.one(carry[1]) * 3 + 1

    return while_loop(lambda c: np.sum(np.abs(c[1])) < 50, body, (0.0, x), bound=20)


LOOPS = [
    turns,
    lambda m, x: while_loop(lambda c: np.max(np.abs(c)) < 100, lambda c: c * 2, x, bound=12),
    lambda m, x: scan(lambda c, _: (c * 2 + 1, c), x, length=3),
    lambda m, x: scan(lambda c, _: (c * 2 + 1, c), x, length=3, reverse=True),
    lambda m, x: scan(lambda c, _: (c * np.float32(0.5), np.float32(4)), x, length=3),
    lambda m, x: scan(lambda c, _: (c / 2 + m.one(x).sum(), c), x[0], length=x.shape[0], reverse=True),
]  # fmt: skip


@pytest.mark.parametrize("f", LOOPS)
def test_turns_without_arrays_are_a_loop(f):
    assert "Loop" in same(Model(f).eval(), X)


def test_a_loop_that_does_not_end_within_its_bound_is_nan_in_the_file_too(tmp_path):
    f = lambda x: while_loop(lambda c: np.max(c) < 100, lambda c: c * 2, x, bound=5)  # noqa: E731
    save_onnx(tmp_path / "f.onnx", f, X)
    session = runtime.InferenceSession(str(tmp_path / "f.onnx"), providers=["CPUExecutionProvider"])

    (early,) = session.run(None, {"input": np.full((2, 3), 0.1, np.float32)})
    assert np.isnan(early).all()
    (ends,) = session.run(None, {"input": np.full((2, 3), 50, np.float32)})
    np.testing.assert_array_equal(ends, np.full((2, 3), 100))


LAYERS = {
    "RNN": lambda: nn.RNN(3, 5, nonlinearity="relu"),
    "LSTM": lambda: nn.LSTM(3, 5, 2, bidirectional=True),
    "GRU": lambda: nn.GRU(3, 5),
    "Scan": lambda: nn.LSTM(3, 5, proj_size=2),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_recurrent_layer_with_time_first_takes_sequences_of_any_length(kind):
    x = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)

    assert kind in same(LAYERS[kind](), x)


def test_a_loop_over_what_has_no_operator_is_refused_by_its_name(tmp_path):
    f = lambda x: scan(lambda c, e: (np.arctan2(c, 2.0), c), x, THREE)  # noqa: E731

    with pytest.raises(NotImplementedError, match="not in ONNX: arctan2"):
        save_onnx(tmp_path / "f.onnx", f, X)


def test_a_loop_that_was_read_again_has_the_same_gradients():
    model = Model(lambda m, x: scan(lambda c, e: (np.tanh(m.one(c) + e * x), None), x * 0, THREE)[0])
    again = load_onnx(onnx_model(model, X).SerializeToString())
    given = Tensor(X), Tensor(X)
    for f, x in zip((model, again), given, strict=True):
        f(x).sum().backward()

    np.testing.assert_allclose(given[1].grad, given[0].grad, atol=1e-6)
