"""ONNX's recurrent layers, resizing and control flow, read from files: numbers, gradients, compiled."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn
from clearprop.loops.scan import scan

onnx = pytest.importorskip("onnx")

from clearprop.interop.onnx import load_onnx  # noqa: E402
from clearprop.interop.onnx.resizing import shares  # noqa: E402
from clearprop.interop.onnx.sequences import _functions  # noqa: E402

make = onnx.helper.make_node
F32, I64, TRUTH = 1, 7, 9


def info(name, kind=F32, shape=None):
    return onnx.helper.make_tensor_value_info(name, kind, shape or [])


def graph(nodes, inputs, outputs, **arrays):
    held = [onnx.numpy_helper.from_array(a, name) for name, a in arrays.items()]
    return onnx.helper.make_graph(nodes, "g", [info(*i) for i in inputs], [info(*o) for o in outputs], held)


def read(*given, **arrays):
    imports = [onnx.helper.make_opsetid("", 19)]
    model = onnx.helper.make_model(graph(*given, **arrays), opset_imports=imports, ir_version=8)
    return load_onnx(model.SerializeToString())


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


ORDERS = {"LSTM": (nn.LSTM, [0, 3, 1, 2]), "GRU": (nn.GRU, [1, 0, 2]), "RNN": (nn.RNN, [0])}
"""Our layers, and where ONNX's gates stand in theirs."""


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("kind", ORDERS)
def test_a_recurrent_layer_of_a_file_is_ours_with_its_gradients(kind, ways):
    clearprop.manual_seed(0)
    layer, order = ORDERS[kind]
    ours = layer(3, 4, bidirectional=ways == 2)
    suffixes = ["_l0", "_l0_reverse"][:ways]

    def turned(name):
        parts = [np.split(getattr(ours, name + s).value, len(order)) for s in suffixes]
        return np.stack([np.concatenate([p[k] for k in order]) for p in parts])

    arrays = {"W": turned("weight_ih"), "R": turned("weight_hh")}
    arrays["B"] = np.concatenate([turned("bias_ih"), turned("bias_hh")], axis=1)
    how = {"hidden_size": 4, "direction": ["forward", "bidirectional"][ways - 1]}
    how |= {"linear_before_reset": 1} if kind == "GRU" else {}
    nodes = [make(kind, ["x", "W", "R", "B"], ["y"], **how)]
    theirs = read(nodes, [("x", F32, [5, 2, 3])], [("y", F32, [5, ways, 2, 4])], **arrays)
    x = floats(5, 2, 3)
    wanted, got = ours(x)[0], theirs(x)

    np.testing.assert_allclose(np.moveaxis(got.value, 1, 2).reshape(5, 2, -1), wanted.value, atol=1e-6)
    (wanted**2).sum().backward()
    (got**2).sum().backward()
    gradient = np.split(ours.weight_ih_l0.grad, len(order))
    np.testing.assert_allclose(theirs.W.grad[0], np.concatenate([gradient[k] for k in order]), atol=1e-5)


def test_an_activation_that_is_not_known_is_refused():
    nodes = [make("RNN", ["x", "W", "R"], ["y"], hidden_size=1, activations=["ScaledTanh"])]
    arrays = {"W": floats(1, 1, 1), "R": floats(1, 1, 1)}
    model = read(nodes, [("x", F32, [2, 1, 1])], [("y", F32, None)], **arrays)

    with pytest.raises(NotImplementedError, match="activations: scaledtanh"):
        model(floats(2, 1, 1))


def test_numbers_of_activations_go_to_those_that_take_one():
    """The sigmoid and the tanh take none, so the first number is the leaky ReLU's, the next the ELU's."""
    given = {"activations": ["Sigmoid", "LeakyRelu", "Tanh", "HardSigmoid", "Elu", "Tanh"]}
    given |= {"activation_alpha": [0.3, 0.1, 2.0], "activation_beta": [0.7]}
    x = np.float32([-1.0])
    found = [float(np.asarray(f(x))[0]) for f in _functions(given, "LSTM", (), 2)]

    wanted = [1 / (1 + np.e), -0.3, np.tanh(-1), 0.6, 2 * np.expm1(-1), np.tanh(-1)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_shares_are_those_of_a_kernel():
    np.testing.assert_array_equal(
        shares({}, np.array([0.0, 0.25, 1.0]), 2, 2.0, "linear"), [[1, 0], [0.75, 0.25], [0, 1]]
    )
    for mode in ("linear", "cubic"):
        for how in ({}, {"antialias": 1}, {"exclude_outside": 1}):
            np.testing.assert_allclose(shares(how, np.linspace(-0.5, 4.5, 7), 5, 0.4, mode).sum(axis=1), 1)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int32])
def test_whole_numbers_are_resized_as_numbers(kind):
    x = np.array([[[0, 100, 7, 120]]], kind)
    for how, wanted in {0: [0, 25, 75, 76, 30, 35, 91, 120], 1: [0, 25, 75, 77, 30, 35, 92, 120]}.items():
        nodes = [make("Resize", ["x", "", "s"], ["y"], mode="linear", antialias=how)]
        s = np.float32([1, 1, 2])
        kinds = {np.uint8: 2, np.int8: 3, np.int32: 6}[kind]
        model = read(nodes, [("x", kinds, [1, 1, 4])], [("y", kinds, None)], s=s)
        y = np.asarray(model(x))
        np.testing.assert_array_equal(y[0, 0], wanted)
        assert y.dtype == kind
    nodes = [make("Resize", ["x", "", "s"], ["y"], mode="cubic")]
    y = read(nodes, [("x", 2, [1, 1, 4])], [("y", 2, None)], s=s)(np.array([[[0, 255, 0, 255]]], np.uint8))
    assert y.min() == 0
    assert y.max() == 255


def test_a_resize_of_no_pictures_is_none():
    nodes = [make("Resize", ["x", "", "", "z"], ["y"], mode="linear")]
    model = read(nodes, [("x", F32, [0, 2])], [("y", F32, None)], z=np.int64([0, 5]))
    assert model(floats(0, 2)).shape == (0, 5)


def test_a_resize_passes_gradients():
    nodes = [make("Resize", ["x", "", "s"], ["y"], mode="linear")]
    s = np.array([1, 1, 2], np.float32)
    model = read(nodes, [("x", F32, [1, 1, 4])], [("y", F32, None)], s=s)
    x = Tensor(floats(1, 1, 4))
    y = model(x)
    y.sum().backward()

    np.testing.assert_allclose(
        y.value, nn.functional.interpolate(x.value, scale_factor=2, mode="linear"), atol=1e-6
    )
    np.testing.assert_allclose(x.grad, np.full((1, 1, 4), 2), atol=1e-6)


def choice():
    yes = graph([make("Mul", ["x", "two"], ["a"])], [], [("a", F32, None)], two=np.float32(2)[None])
    no = graph([make("Neg", ["x"], ["b"])], [], [("b", F32, None)])
    nodes = [
        make("ReduceSum", ["x"], ["s"], keepdims=0),
        make("Greater", ["s", "zero"], ["c"]),
        make("If", ["c"], ["y"], then_branch=yes, else_branch=no),
    ]
    return read(nodes, [("x", F32, [3])], [("y", F32, [3])], zero=np.float32(0))


@pytest.mark.parametrize("executor", ["eager", "numpy", "llvm"])
def test_a_choice_takes_one_branch_at_each_call(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    model = choice()
    f = model if executor == "eager" else clearprop.compile(lambda x: model(x), executor=executor)
    for x in (np.ones(3, np.float32), -np.ones(3, np.float32), np.float32([1, 2, -4])) * 2:
        x = Tensor(x, requires_grad=False)
        wanted = x.value * 2 if x.value.sum() > 0 else -x.value
        np.testing.assert_array_equal(np.asarray(getattr(f(x), "value", f(x))), wanted)


def test_a_loop_repeats_its_body_and_passes_gradients():
    body = graph(
        [make("Mul", ["h", "w"], ["h2"]), make("Identity", ["c"], ["c2"]), make("Identity", ["h2"], ["out"])],
        [("i", I64, []), ("c", TRUTH, []), ("h", F32, [2])],
        [("c2", TRUTH, []), ("h2", F32, [2]), ("out", F32, [2])],
    )
    nodes = [make("Loop", ["n", "", "x"], ["last", "all"], body=body)]
    arrays = {"n": np.int64(3), "w": np.float32([2.0, 0.5])}
    model = read(nodes, [("x", F32, [2])], [("last", F32, None), ("all", F32, None)], **arrays)
    last, kept = model(np.float32([1, 1]))
    last.sum().backward()

    np.testing.assert_allclose(last.value, [8, 0.125])
    np.testing.assert_allclose(kept.value, [[2, 0.5], [4, 0.25], [8, 0.125]])
    np.testing.assert_allclose(model.w.grad, 3 * model.w.value**2)


@pytest.mark.parametrize(("most", "go_on"), [(0, True), (3, False)])
def test_a_loop_of_no_turns_collects_nothing(most, go_on):
    body = graph(
        [make("Add", ["h", "h"], ["h2"]), make("Identity", ["c"], ["c2"]), make("Identity", ["h2"], ["out"])],
        [("i", I64, []), ("c", TRUTH, []), ("h", F32, [2])],
        [("c2", TRUTH, []), ("h2", F32, [2]), ("out", F32, [2])],
    )
    nodes = [make("Loop", ["n", "go", "x"], ["last", "all"], body=body)]
    arrays = {"n": np.int64(most), "go": np.asarray(go_on)}
    model = read(nodes, [("x", F32, [2])], [("last", F32, None), ("all", F32, None)], **arrays)
    last, kept = model(np.float32([1, 2]))

    np.testing.assert_array_equal(last, [1, 2])
    assert (kept.shape, kept.dtype) == ((0, 2), np.float32)


@pytest.mark.parametrize(("axis", "shape"), [(0, (0, 2)), (1, (2, 0)), (-1, (2, 0))])
def test_a_scan_of_no_turns_collects_nothing(axis, shape):
    body = graph(
        [make("Add", ["h", "e"], ["h2"]), make("Mul", ["h2", "h2"], ["out"])],
        [("h", F32, [2]), ("e", F32, [2])],
        [("h2", F32, [2]), ("out", F32, [2])],
    )
    how = {"num_scan_inputs": 1, "scan_output_axes": [axis]}
    nodes = [make("Scan", ["x", "xs"], ["last", "all"], body=body, **how)]
    model = read(nodes, [("x", F32, [2]), ("xs", F32, [0, 2])], [("last", F32, None), ("all", F32, None)])
    last, kept = model(np.float32([1, 2]), floats(0, 2))

    np.testing.assert_array_equal(last, [1, 2])
    assert kept.shape == shape


def test_a_sequence_of_no_steps_is_its_first_state():
    arrays = {"W": floats(1, 3, 2), "R": floats(1, 3, 3)}
    nodes = [make("RNN", ["x", "W", "R"], ["y", "last"], hidden_size=3)]
    model = read(nodes, [("x", F32, [0, 2, 2])], [("y", F32, None), ("last", F32, None)], **arrays)
    y, last = model(floats(0, 2, 2))

    assert (y.shape, last.shape) == ((0, 1, 2, 3), (1, 2, 3))


def test_a_scan_is_ours():
    body = graph(
        [make("Add", ["h", "e"], ["h2"]), make("Mul", ["h2", "h2"], ["out"])],
        [("h", F32, [2]), ("e", F32, [2])],
        [("h2", F32, [2]), ("out", F32, [2])],
    )
    nodes = [make("Scan", ["x", "xs"], ["last", "all"], body=body, num_scan_inputs=1)]
    model = read(nodes, [("x", F32, [2]), ("xs", F32, [4, 2])], [("last", F32, None), ("all", F32, None)])
    x, xs = floats(2), floats(4, 2, seed=1)
    wanted = scan(lambda h, e: (h + e, (h + e) ** 2), x, xs)

    for got, z in zip(model(x, xs), wanted, strict=True):
        np.testing.assert_allclose(got, np.asarray(getattr(z, "value", z)), rtol=1e-6)


def test_operators_inside_of_branches_are_refused_with_the_others():
    yes = graph([make("NonMaxSuppression", ["x", "x"], ["a"])], [], [("a", I64, None)])
    no = graph([make("DeformConv", ["x", "x", "x"], ["b"])], [], [("b", F32, None)])
    nodes = [make("If", ["c"], ["y"], then_branch=yes, else_branch=no), make("Bernoulli", ["x"], ["z"])]

    with pytest.raises(NotImplementedError, match="Bernoulli, DeformConv, NonMaxSuppression"):
        read(nodes, [("x", F32, [3]), ("c", TRUTH, [])], [("y", F32, None), ("z", F32, None)])
