"""Operators of ONNX that are made of others, read from files: gradients, and what its cases leave out."""

import numpy as np
import pytest

from clearprop import Tensor, gradcheck
from clearprop.errors import InputError
from clearprop.interop.onnx.fused import FUSED
from clearprop.interop.onnx.operators import OPERATORS

onnx = pytest.importorskip("onnx")

from clearprop.interop.onnx import load_onnx  # noqa: E402

DRAW = np.random.default_rng(0)
GIVEN = {"version": 28, "outputs": 1, "dtype": lambda code: np.dtype(np.float64)}


def floats(*shape):
    return DRAW.normal(size=shape)


PLACES = np.array([[0, 1, 2], [2, 0, 1]])
CASES = {
    "RotaryEmbedding": ({"num_heads": 2}, [floats(2, 3, 8), floats(4, 2), floats(4, 2), PLACES]),
    "RotaryEmbedding in pairs": (
        {"interleaved": 1, "rotary_embedding_dim": 4},
        [floats(2, 2, 3, 6), floats(2, 3, 2), floats(2, 3, 2)],
    ),
    "SwiGLU": ({"alpha": 1.5}, [floats(2, 3), floats(2, 3)]),
    "TensorScatter": ({"mode": "circular"}, [floats(2, 4, 3), floats(2, 2, 3), np.array([3, 1])]),
    "CausalConvWithState": (
        {"activation": "silu", "outputs": 2},
        [floats(2, 3, 4), floats(3, 1, 3), floats(3), floats(2, 3, 2)],
    ),
    "LinearAttention": (
        {"q_num_heads": 4, "kv_num_heads": 2, "outputs": 2},
        [
            floats(2, 3, 8),
            floats(2, 3, 4),
            floats(2, 3, 6),
            floats(2, 2, 2, 3),
            floats(2, 3, 2),
            floats(2, 3, 2),
        ],
    ),
    "CenterCropPad": ({"axes": [0, -1]}, [floats(4, 3), np.array([3, 6])]),
    "AffineGrid": ({}, [floats(2, 2, 3), np.array([2, 1, 3, 4])]),
    "GridSample": ({"align_corners": 1}, [floats(1, 2, 4, 5), 0.4 * floats(1, 2, 3, 2)]),
    "GridSample cubic": (
        {"mode": "cubic", "padding_mode": "border"},
        [floats(1, 2, 4, 5), 0.3 * floats(1, 2, 3, 2)],
    ),
    "Col2Im": ({"pads": [0, 1, 0, 1]}, [floats(1, 4, 6), np.array([3, 2]), np.array([2, 2])]),
    "MaxUnpool": (
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        [floats(1, 1, 2, 2), np.array([[[[5, 7], [13, 15]]]])],
    ),
    "GlobalLpPool": ({"p": 2}, [floats(1, 2, 3, 3)]),
    "DFT": ({"onesided": 1}, [floats(2, 5, 1)]),
    "DFT backwards": ({"inverse": 1}, [floats(2, 5, 2)]),
    "ScatterElements": (
        {"reduction": "mul", "axis": 1},
        [floats(2, 3), np.array([[0, 0], [2, 1]]), floats(2, 2)],
    ),
    "ScatterND": ({"reduction": "max"}, [floats(4), np.array([[0], [2], [2]]), floats(3)]),
    "Attention": (
        {"is_causal": 1, "softcap": 2.0, "q_num_heads": 2, "kv_num_heads": 1},
        [floats(2, 3, 4), floats(2, 3, 2), floats(2, 3, 2)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_that_is_made_of_others_has_gradients(name):
    how, given = CASES[name]
    at = [i for i, x in enumerate(given) if x.dtype.kind == "f"]

    def f(*xs):
        inputs = [xs[at.index(i)] if i in at else x for i, x in enumerate(given)]
        found = OPERATORS[name.split(" ")[0]](GIVEN | how, *inputs)
        found = found if isinstance(found, tuple) else (found,)
        return sum((z * np.cos(np.arange(float(z.size)).reshape(z.shape))).sum() for z in found)

    assert gradcheck(f, *(given[i] for i in at))


def test_a_cache_is_filled_in_each_example_from_its_own_place():
    found = FUSED["TensorScatter"](GIVEN, np.zeros((2, 4, 1)), np.ones((2, 2, 1)), np.array([1, 2]))

    np.testing.assert_array_equal(found[..., 0], [[0, 1, 1, 0], [0, 0, 1, 1]])


def test_different_entries_come_as_they_do_unless_they_are_sorted():
    x = np.array([3, 1, 3, 2])
    for how, wanted in {1: [1, 2, 3], 0: [3, 1, 2]}.items():
        y, first, which, count = FUSED["Unique"](GIVEN | {"sorted": how, "outputs": 4}, x)
        np.testing.assert_array_equal(y, wanted)
        np.testing.assert_array_equal(y[which], x)
        np.testing.assert_array_equal(x[first], y)
        assert count.sum() == 4


def test_the_places_of_maxima_are_those_that_an_unpooling_takes():
    x = Tensor(floats(2, 3, 5, 4))
    how = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 0, 0]}
    z, where = OPERATORS["MaxPool"](GIVEN | how | {"outputs": 2}, x)

    np.testing.assert_array_equal(x.value.reshape(-1)[where], z.value)
    again = OPERATORS["MaxUnpool"](GIVEN | how, z, where)
    np.testing.assert_array_equal(again.value.reshape(-1)[where.reshape(-1)], z.value.reshape(-1))


MISFITS = {
    "a rank": ("CenterCropPad", {"axes": [0, -1]}, [floats(1, 3), np.array(3)]),
    "a word": ("ScatterND", {"reduction": "nonsense"}, [floats(4), np.array([[1]]), floats(1)]),
    "another word": ("TensorScatter", {"mode": "nonsense"}, [floats(1, 3, 2), floats(1, 1, 2)]),
    "an activation": ("CausalConvWithState", {"activation": "relu"}, [floats(1, 1, 3), floats(1, 1, 2)]),
    "heads": ("Attention", {"q_num_heads": 2, "kv_num_heads": 0}, [floats(1, 2, 4)] * 3),
    "an axis": ("ScatterElements", {"axis": 7}, [floats(2, 2), np.array([[0]]), floats(1, 1)]),
    "updates": ("ScatterElements", {}, [floats(3, 3), np.array([[0]]), floats(1, 2)]),
    "updates of rows": ("ScatterND", {}, [floats(4, 3), np.array([[0, 1], [2, 2]]), floats(2, 3)]),
    "no gate": (
        "LinearAttention",
        {"q_num_heads": 1, "kv_num_heads": 1, "update_rule": "gated"},
        [floats(1, 2, 2), floats(1, 2, 2), floats(1, 2, 3)],
    ),
    "a batch": ("TensorScatter", {}, [floats(1, 3, 2), floats(2, 1, 2)]),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_an_operator_is_refused_in_one_class(name):
    kind, how, given = MISFITS[name]
    info = onnx.helper.make_tensor_value_info
    names = [f"x{i}" for i in range(len(given))]
    codes = [onnx.TensorProto.DOUBLE if x.dtype.kind == "f" else onnx.TensorProto.INT64 for x in given]
    outputs = ["y", "z"] if kind in ("CausalConvWithState", "LinearAttention") else ["y"]
    node = onnx.helper.make_node(kind, names, outputs, **how)
    inputs = [info(n, code, x.shape) for n, code, x in zip(names, codes, given, strict=True)]
    results = [info(n, onnx.TensorProto.DOUBLE, [None]) for n in outputs]
    sets = [onnx.helper.make_opsetid("", 27)]
    file = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", inputs, results), opset_imports=sets, ir_version=10
    )

    with pytest.raises(InputError, match=rf"(?s)ONNX {kind}.*Try"):
        load_onnx(file.SerializeToString())(*given)
