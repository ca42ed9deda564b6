"""Attention as ONNX: one operator since opset 23, its formula before, and read from files of others."""

import numpy as np
import pytest

import clearprop.nn.functional as F
from clearprop import Tensor, nn, tree

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from clearprop.interop.onnx import load_onnx  # noqa: E402
from clearprop.interop.onnx.writing import onnx_model  # noqa: E402

attend = F.scaled_dot_product_attention
DRAW = np.random.default_rng(0)
HEADS = DRAW.normal(size=(4, 2, 5, 8)).astype(np.float32)
X = HEADS[:, 0]
SOME = np.ones((5, 5), bool)
SOME[0] = False  # the first row may look at nothing
UP = np.triu(np.full((5, 5), -np.inf, np.float32), 1)


class Model(nn.Module):
    """Layers that attend, and what a function makes of them."""

    def __init__(self, f):
        super().__init__()
        self.f = f
        self.inner, self.time_first = (
            nn.MultiheadAttention(8, 2, batch_first=True),
            nn.MultiheadAttention(8, 2),
        )
        self.deep = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)

    def forward(self, x):
        return self.f(self, x)


CASES = {
    "layer": (lambda m, x: m.inner(x, x, x)[0], X),
    "without weights": (lambda m, x: m.inner(x, x, x, need_weights=False)[0], X),
    "padding": (lambda m, x: m.inner(x, x, x, key_padding_mask=x[:, :, 0] > 1)[0], X),
    "time first": (lambda m, x: m.time_first(x, x, x)[0], X),
    "transformer": (lambda m, x: m.deep(x), X),
    "causal transformer": (lambda m, x: m.deep(x, UP), X),
    "three axes": (lambda m, x: attend(x, x * 2, x + 1), X),
    "of any length": (lambda m, x: attend(x, x * 2, x + 1, is_causal=True), X[0]),
    "causal": (lambda m, x: attend(x, x * 2, x + 1, is_causal=True), HEADS),
    "boolean mask": (lambda m, x: attend(x, x * 2, x + 1, SOME), HEADS),
    "added mask": (lambda m, x: attend(x, x * 2, x + 1, np.where(SOME, 0.0, -1.0)), HEADS),
    "one row for all": (lambda m, x: attend(x, x * 2, x + 1, SOME[:1] | SOME[1:2]), HEADS),
    "mask that is computed": (lambda m, x: attend(x, x, x, x[..., :5]), HEADS),
    "scale": (lambda m, x: attend(x, x, x, scale=0.1), HEADS),
    "groups": (lambda m, x: attend(np.concatenate([x, x], axis=1), x, x, enable_gqa=True), HEADS),
}
BY_FORMULA = {
    "weights that are seen": (lambda m, x: m.inner(x, x, x), X),
    "one batch of keys": (lambda m, x: attend(x, HEADS[:1], HEADS[:1]), HEADS),
    "five axes": (lambda m, x: attend(x, x, x), HEADS[:, None]),
}


def numbers(found):
    return [np.asarray(getattr(z, "value", z)) for z in tree.leaves(found)]


@pytest.mark.parametrize("opset", [18, 23, 25])
@pytest.mark.parametrize("name", [*CASES, *BY_FORMULA])
def test_an_attention_is_its_operator_where_there_is_one_and_its_formula_before(name, opset):
    f, example = (CASES | BY_FORMULA)[name]
    model = Model(f).eval()
    if opset < 23 and name == "of any length":
        return  # its mask is an array that follows the length
    file = onnx_model(model, example, opset=opset)
    session = runtime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    again, kinds = load_onnx(file.SerializeToString()), [n.op_type for n in file.graph.node]

    times = 0 if opset < 23 or name in BY_FORMULA else 2 if "transformer" in name else 1
    assert kinds.count("Attention") == times
    for n in (4, 1, 7):
        x = DRAW.normal(size=(n, *example.shape[1:])).astype(np.float32)
        wanted, read = (numbers(m(x)) for m in (model, again))
        for a, b, c in zip(session.run(None, {"input": x}), read, wanted, strict=True):
            np.testing.assert_allclose(a, c, rtol=1e-4, atol=2e-6, strict=True)
            np.testing.assert_allclose(b, c, rtol=1e-4, atol=2e-6, strict=True)


def test_dropout_is_not_lost_in_an_operator():
    with pytest.raises(NotImplementedError, match="random_uniform"):
        onnx_model(lambda x: attend(x, x, x, None, 0.5), HEADS, opset=23)


def test_a_long_attention_is_written_as_a_short_one():
    x = DRAW.normal(size=(1, 600, 4)).astype(np.float32)
    for opset, kind in {18: "Softmax", 23: "Attention"}.items():
        file = onnx_model(lambda x: attend(x, x, x), x, opset=opset)
        assert kind in [n.op_type for n in file.graph.node]
        session = runtime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, {"input": x})[0], attend(x, x, x), rtol=1e-4, atol=1e-5)


def test_an_attention_that_was_read_has_the_gradients_of_ours():
    file = onnx_model(lambda x: attend(x, x * 2, x + 1, SOME), HEADS, opset=23)
    ours, theirs = Tensor(HEADS), Tensor(HEADS)
    (attend(ours, ours * 2, ours + 1, SOME) ** 2).sum().backward()
    (load_onnx(file.SerializeToString())(theirs) ** 2).sum().backward()

    np.testing.assert_allclose(theirs.grad, ours.grad, rtol=1e-4, atol=1e-5)
