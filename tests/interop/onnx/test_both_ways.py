"""ONNX both ways: files that onnxruntime runs to the same numbers, files of others that run and train."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.errors import InputError

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from clearprop.interop.onnx import load_onnx, save_onnx  # noqa: E402

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 6)).astype(np.float32)
IMAGES = DRAW.normal(size=(2, 3, 8, 8)).astype(np.float32)
SEQUENCE = DRAW.normal(size=(2, 5, 8)).astype(np.float32)
WORDS = DRAW.integers(0, 7, (2, 4))


class Last(nn.Module):
    """The last output of a recurrent layer, mapped."""

    def __init__(self, kind):
        super().__init__()
        self.inner, self.head = kind(8, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.inner(x)[0][:, -1])


class Looking(nn.Module):
    """Attention of a sequence to itself, with its weights."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)


def dense():
    return nn.Sequential(
        nn.Linear(6, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 3, bias=False), nn.Softmax(dim=-1)
    )


def convolutional():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.LeakyReLU(0.1),
        nn.Conv2d(4, 4, 3, stride=2, groups=2, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 2),
    )  # fmt: skip


def normalised():
    return nn.Sequential(
        nn.LayerNorm(6),
        nn.GELU(),
        nn.Linear(6, 6),
        nn.Tanh(),
        nn.RMSNorm(6),
        nn.SiLU(),
        nn.ELU(),
        nn.Softplus(),
    )


def upward():
    return nn.Sequential(
        nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(), nn.AvgPool2d(2)
    )


def deep():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)


MODELS = {
    "dense": (dense, X),
    "convolutional": (convolutional, IMAGES),
    "normalised": (normalised, X),
    "upward": (upward, IMAGES),
    "embedding": (lambda: nn.Sequential(nn.Embedding(7, 5), nn.Linear(5, 3)), WORDS),
    "groups": (lambda: nn.Sequential(nn.GroupNorm(3, 3), nn.InstanceNorm2d(3)), IMAGES),
    "lstm": (lambda: Last(nn.LSTM), SEQUENCE),
    "gru": (lambda: Last(nn.GRU), SEQUENCE),
    "attention": (Looking, SEQUENCE),
    "transformer": (deep, SEQUENCE),
}
FUNCTIONS = {
    "where": lambda a: np.sum(np.where(a > 0, np.exp(a), a) ** 2, axis=1) / np.std(a, axis=1),
    "slices": lambda a: np.concatenate([a[:, 1:3], a[:, ::-1][:, :2], a[:, None, 0], a[..., -1:]], axis=1),
    "folded": lambda a: (
        np.matmul(a[:, :, None], a[:, None, :]).reshape(a.shape[0], -1).mean(axis=1, keepdims=True)
    ),
    "merged": lambda a: a.reshape(-1, 3)[:, :2].reshape(a.shape[0], -1),
    "einsum": lambda a: np.einsum("ij,kj->ik", a, np.ones((2, 6), np.float32)),
    "numbers": lambda a: (
        np.clip(a, -0.5, 0.5),
        np.log1p(np.abs(a)),
        np.cumsum(a, axis=1),
        a // 0.3,
        a % 0.3,
    ),
    "integers": lambda a: (
        np.argmax(a, axis=1),
        (a > 0).all(axis=1),
        (a > 0) & (a < 1),
        ~(a > 0),
        a.astype(int),
    ),
    "reductions": lambda a: (
        clearprop.logsumexp(a, axis=1),
        np.max(a, axis=1),
        np.prod(a, axis=1),
        np.var(a, axis=1),
    ),
    "turned": lambda a: (
        np.stack([a, a * 2], axis=1),
        np.pad(a, ((0, 0), (1, 2))),
        np.swapaxes(a[:, None], 1, 2),
        np.moveaxis(a[:, None, :, None], 1, -1),
    ),
    "gathered": lambda a: a[:, np.array([0, 2, 2])],
    "repeated": lambda a: (
        np.broadcast_to(a[:, None], (a.shape[0], 3, 6)) + np.zeros((a.shape[0], 1, 1), np.float32)
    ),
    "functions": lambda a: (
        np.hypot(a, 2) + np.logaddexp(a, 0) + np.cbrt(a) + np.exp2(a) + np.sinh(a) - np.round(a)
    ),
}


def listed(z):
    return [np.asarray(getattr(x, "value", x)) for x in (z if isinstance(z, tuple) else (z,))]


def same(path, f, x):
    """Compare the file, run by onnxruntime and read back, with the function, for batches of other lengths."""
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    back = load_onnx(path)
    for times in (1, 3):
        data = np.concatenate([x] * times)
        wanted = listed(f(data))
        found = session.run(None, {session.get_inputs()[0].name: data})
        again = listed(back(data))
        for a, b, c in zip(wanted, found, again, strict=True):
            np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5, strict=True)
            np.testing.assert_allclose(c, a, rtol=2e-4, atol=2e-5, strict=True)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_runs_elsewhere_to_the_same_numbers(name, tmp_path):
    clearprop.manual_seed(0)
    make, x = MODELS[name]
    model = make()
    save_onnx(tmp_path / "m.onnx", model, x)

    assert model.training
    same(tmp_path / "m.onnx", model.eval(), x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_elsewhere_to_the_same_numbers(name, tmp_path):
    save_onnx(tmp_path / "f.onnx", FUNCTIONS[name], X)

    same(tmp_path / "f.onnx", lambda x: FUNCTIONS[name](Tensor(x)), X)


def test_layers_are_single_operators_and_parameters_have_their_names(tmp_path):
    save_onnx(tmp_path / "m.onnx", convolutional(), IMAGES)
    graph = onnx.load(tmp_path / "m.onnx").graph
    kinds = [node.op_type for node in graph.node]

    layers = ["Conv", "BatchNormalization", "Relu", "MaxPool", "LeakyRelu", "Conv", "Gemm"]
    assert [k for k in kinds if k in layers] == layers
    assert {"0.weight", "0.bias", "1.running_mean", "8.weight"} <= {a.name for a in graph.initializer}
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_fixed_batch_is_written_as_it_is(tmp_path):
    save_onnx(tmp_path / "f.onnx", lambda a: a * np.arange(2.0)[:, None], X, dynamic=False)
    graph = onnx.load(tmp_path / "f.onnx").graph

    assert graph.input[0].type.tensor_type.shape.dim[0].dim_value == 2


RECURRENT = {
    "lstm": (nn.LSTM, {}), "gru": (nn.GRU, {}), "rnn": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}), "deep": (nn.LSTM, {"num_layers": 3}),
    "both": (nn.GRU, {"bidirectional": True, "num_layers": 2}),
    "bare": (nn.LSTM, {"bias": False, "bidirectional": True}),
    "dropped": (nn.RNN, {"num_layers": 2, "dropout": 0.5}),
}  # fmt: skip


class Walking(nn.Module):
    """A recurrent layer and what is taken of it."""

    def __init__(self, of, take, start=False):
        super().__init__()
        self.inner, self.take, self.start = of, take, start

    def forward(self, x):
        if not self.start:
            return self.take(self.inner(x))
        first = np.stack([x[:, 0, :4], x[:, 1, :4]])  # a state that is computed
        return self.take(self.inner(x, (first, first * 2) if self.inner.states > 1 else first))


def state_of(found):
    return found[1][1] if isinstance(found[1], tuple) else found[1]


TAKES = {
    "outputs": lambda found: found[0],
    "last": lambda found: found[0][:, -1],
    "state": state_of,
    "all": lambda found: (found[0] * 2, state_of(found)),
}


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_layer_is_an_operator_for_each_of_its_layers(kind, take, tmp_path):
    make, options = RECURRENT[kind]
    model = Walking(make(8, 4, batch_first=True, **options), TAKES[take])
    save_onnx(tmp_path / "m.onnx", model, SEQUENCE)
    kinds = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]

    assert kinds.count(make.__name__) == options.get("num_layers", 1)
    assert {"Sigmoid", "Tanh", "MatMul", "Gemm"}.isdisjoint(kinds)
    model.eval()
    if take == "state":  # whose second axis is the batch
        session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"input": np.concatenate([SEQUENCE] * 3)})
        np.testing.assert_allclose(found, model(np.concatenate([SEQUENCE] * 3)).value, rtol=2e-4, atol=1e-6)
    else:
        same(tmp_path / "m.onnx", model, SEQUENCE)


def test_results_in_tuples_within_tuples_are_outputs_in_order(tmp_path):
    layer = nn.LSTM(3, 4, 2, batch_first=True)
    x = np.random.default_rng(2).standard_normal((5, 6, 3)).astype(np.float32)
    save_onnx(tmp_path / "m.onnx", layer, x)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])

    assert [z.name for z in session.get_outputs()] == ["output", "output_1", "output_2"]
    for rows in (1, 5, 8):
        given = np.resize(x, (rows, 6, 3))
        h, (last, cell) = layer(given)
        for found, wanted in zip(session.run(None, {"input": given}), (h, last, cell), strict=True):
            np.testing.assert_allclose(found, wanted.value, atol=1e-6)


def test_a_result_that_is_none_is_no_output(tmp_path):
    save_onnx(tmp_path / "m.onnx", lambda x: (x * 2.0, None, (x + 1.0,)), np.ones((2, 3), np.float32))
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])

    assert len(session.get_outputs()) == 2
    with pytest.raises(TypeError, match="wants a function that returns results"):
        save_onnx(tmp_path / "none.onnx", lambda x: None, np.ones((2, 3), np.float32))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_layer_begins_from_a_state_that_is_given(kind, tmp_path):
    model = Walking(kind(8, 4, num_layers=2, batch_first=True), TAKES["outputs"], start=True)
    save_onnx(tmp_path / "m.onnx", model, SEQUENCE)

    same(tmp_path / "m.onnx", model.eval(), SEQUENCE)


def test_a_recurrent_layer_over_time_first_and_one_with_a_projection(tmp_path):
    def turned(kind, **options):
        inner = kind(8, 4, **options)
        return Walking(lambda x: inner(np.swapaxes(x, 0, 1)), TAKES["last"]), inner

    for options in ({}, {"proj_size": 2}):
        model, inner = turned(nn.LSTM, **options)
        model.held = inner
        save_onnx(tmp_path / "m.onnx", model, SEQUENCE, overwrite=True)
        kinds = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
        assert ("LSTM" in kinds) is not bool(options)  # a projection is written as its formula


class Reusing(nn.Module):
    """A recurrent layer in some ways that are no plain call of it."""

    def __init__(self, way):
        super().__init__()
        self.way, self.one, self.two = way, nn.GRU(8, 8, batch_first=True), nn.GRU(8, 8, batch_first=True)
        if way == "tied":
            self.two.weight_ih_l0 = self.one.weight_ih_l0
        if way == "hooked":
            self.one.register_forward_hook(lambda module, args, output: (output[0] * 2, output[1]))

    def forward(self, x):
        if self.way == "turned":
            return self.one(state=np.stack([x[:, 0]]), x=x)[0]
        if self.way == "computed":
            object.__setattr__(self.two, "weight_ih_l0", self.one.weight_ih_l0 * np.mean(x[:, :1, :1], 0))
        found = self.one(x)[0]
        return found if self.way == "hooked" else (self.one if self.way == "twice" else self.two)(found)[0]


@pytest.mark.parametrize("way", ["turned", "hooked", "twice", "tied"])
def test_a_recurrent_layer_that_is_called_again_hooked_or_by_keywords(way, tmp_path):
    model = Reusing(way)
    save_onnx(tmp_path / "m.onnx", model, SEQUENCE)

    same(tmp_path / "m.onnx", model.eval(), SEQUENCE)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_recurrent_layer_of_doubles_is_written_as_its_formula(kind, dtype, tmp_path):
    model = Walking(kind(8, 4, batch_first=True, dtype=dtype), TAKES["outputs"])
    save_onnx(tmp_path / "m.onnx", model, SEQUENCE.astype(np.float64))

    same(tmp_path / "m.onnx", model.eval(), SEQUENCE.astype(np.float64))


def test_weights_that_are_computed_from_what_comes_in_are_no_constants(tmp_path):
    model = Reusing("computed")
    save_onnx(tmp_path / "m.onnx", model, SEQUENCE, dynamic=False)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    other = SEQUENCE[::-1] * np.float32(1.5)

    (found,) = session.run(None, {"input": other})
    np.testing.assert_allclose(found, model(other).value, rtol=2e-4, atol=1e-6)


def test_what_was_read_trains_as_what_was_written(tmp_path):
    clearprop.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    save_onnx(tmp_path / "m.onnx", model, X)
    twin = load_onnx(tmp_path / "m.onnx")
    y = np.array([[1.0], [-1.0]], np.float32)
    for net in (model, twin):
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(X), y)
            loss.backward()
            optimizer.step()

    np.testing.assert_allclose(twin(X).value, model(X).value, rtol=1e-5)
    assert len(list(twin.parameters())) == 4


def test_a_step_with_a_model_that_was_read_compiles(tmp_path):
    save_onnx(tmp_path / "m.onnx", dense(), X)
    model = load_onnx(tmp_path / "m.onnx")
    step = clearprop.compile(lambda x: model(x))

    for _ in range(3):
        np.testing.assert_allclose(np.asarray(step(X)), model(X).value, rtol=1e-5)


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda a: np.sort(a, axis=1), NotImplementedError, "not in ONNX: sort"),
        (
            lambda a: nn.functional.dropout(a, 0.5, True),
            NotImplementedError,
            "random_uniform.*\n.*model.eval",
        ),
        (lambda a: np.sort(np.arctan2(a, 1.0), axis=1), NotImplementedError, "arctan2, sort"),
        (lambda a: a + np.arange(a.shape[0])[:, None], ValueError, "follows the length of the first axis"),
        (lambda a: 3.0, TypeError, "depend on its inputs"),
        (lambda a: a[np.array([True, False])], (NotImplementedError, ValueError, IndexError), ""),
        (lambda a: (a > 0).astype(int) & 3, NotImplementedError, "truth values"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_has_no_translation_is_refused_by_name(f, error, text, tmp_path):
    with pytest.raises(error, match=text):
        save_onnx(tmp_path / "f.onnx", f, X)
    assert not (tmp_path / "f.onnx").exists()


class Turning(nn.Module):
    """A layer, and after it what a function of the batch and its length makes of it."""

    def __init__(self, after):
        super().__init__()
        self.inner, self.after = nn.Linear(6, 3), after

    def forward(self, x):
        return self.after(self.inner(x))


BRANCHES = [
    lambda x: x * (2 if len(x) > 8 else 3),
    lambda x: x * (2 if len(x) > 100 else 3),
    lambda x: x * (2 if x.shape[0] % 4 else 3),
    lambda x: x * (2 if len(x) == 1 else 3),
    lambda x: np.exp(x) if len(x) > 8 else np.tanh(x),
    lambda x: x / len(x),
    lambda x: x * np.float32(x.shape[0]),
    lambda x: x[len(x) // 2],
    lambda x: np.var(x, axis=0, ddof=1),
    lambda x: x[: len(x) // 2],
    lambda x: x + np.arange(len(x), dtype=np.float32)[:, None],
]


@pytest.mark.parametrize("after", BRANCHES)
@pytest.mark.parametrize("rows", [1, 4, 40])
@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:invalid value")
def test_what_turns_by_the_length_of_the_batch_is_refused(after, rows, tmp_path):
    with pytest.raises(ValueError, match="the length of the first axis"):
        save_onnx(tmp_path / "m.onnx", Turning(after), np.ones((rows, 6), np.float32))
    assert not (tmp_path / "m.onnx").exists()

    save_onnx(tmp_path / "m.onnx", Turning(after), np.ones((rows, 6), np.float32), dynamic=False)


ALONG = [
    lambda x: x[:8] * 2, lambda x: x[::2], lambda x: x[-1], lambda x: x[None, 0], lambda x: x.sum(axis=0),
    lambda x: np.mean(x, axis=0), lambda x: np.std(x), lambda x: np.concatenate([x, x]), lambda x: x.T @ x,
    lambda x: x @ x.T, lambda x: np.reshape(x, -1), lambda x: np.cumsum(x, axis=0), lambda x: x[::-1],
    lambda x: x - x.max(axis=0), lambda x: np.argmax(x, axis=0), lambda x: np.stack([x, x], axis=0),
]  # fmt: skip


@pytest.mark.parametrize("after", ALONG)
def test_what_is_computed_along_the_batch_is_so_for_any_length(after, tmp_path):
    model = Turning(after)
    save_onnx(tmp_path / "m.onnx", model, X)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])

    for n in (1, 2, 7, 30):
        x = DRAW.normal(size=(n, 6)).astype(np.float32)
        (found,) = session.run(None, {"input": x})
        np.testing.assert_allclose(found, model(x).value, rtol=1e-4, atol=1e-5)


def test_operators_that_are_not_known_are_refused_all_at_once():
    make = onnx.helper.make_node
    nodes = [make("NonMaxSuppression", ["x", "x"], ["y"]), make("Foo", ["y"], ["z"], domain="mine")]
    ends = [onnx.helper.make_tensor_value_info(n, 1, [2]) for n in "xz"]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:])
    imports = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("mine", 1)]
    model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)

    with pytest.raises(NotImplementedError, match=r"NonMaxSuppression, mine\.Foo"):
        load_onnx(model.SerializeToString())


def test_what_is_no_file_of_onnx_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"not a model")

    with pytest.raises(ValueError, match="wants an ONNX file"):
        load_onnx(tmp_path / "a.onnx")
    with pytest.raises(ValueError, match="wants an ONNX file"):
        load_onnx(b"\x08")


def test_a_damaged_file_is_refused_or_read(tmp_path):
    save_onnx(tmp_path / "m.onnx", dense(), X)
    whole = (tmp_path / "m.onnx").read_bytes()
    for i in range(0, len(whole), 7):
        damaged = whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1 :]
        try:
            load_onnx(damaged)
        except (ValueError, NotImplementedError) as error:
            assert "load_onnx" in str(error) or "ONNX" in str(error)  # noqa: PT017


# --- the cases of ONNX itself -------------------------------------------------------------------------------
RIGHT = 1533  # of 1,884, those whose operators and dtypes are known; no other is answered wrongly


REFUSED = {
    "a graph of its own within an attention, in preview": "ai.onnx.preview.FlexAttention",
    "whole numbers in place of floats: nothing to train": (
        "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearMatMul QLinearConv ConvInteger "
        "MatMulInteger BitCast"
    ),
    "sequences and optional values, which no Tensor is": (
        "SequenceAt SequenceEmpty SequenceInsert SequenceLength SequenceMap SequenceConstruct "
        "SplitToSequence Optional OptionalHasElement OptionalGetElement"
    ),
    "text": (
        "StringSplit StringNormalizer StringConcat RegexFullMatch TfIdfVectorizer ai.onnx.ml.LabelEncoder"
    ),
    "pictures and sound as files have them": "ImageDecoder STFT MelWeightMatrix",
    "random at each run": "Bernoulli RandomUniformLike",
    "results whose number follows from values": "NonMaxSuppression",
    "places that are computed, of boxes and of kernels": "DeformConv RoiAlign",
    "classical models": "ai.onnx.ml.TreeEnsemble ai.onnx.ml.ArrayFeatureExtractor ai.onnx.ml.Binarizer",
}
"""Operators of ONNX's own cases that are not read, by the reason."""
OTHERWISE = (
    "wants real numbers that NumPy has", "draws no mask",
)  # fmt: skip
"""What is refused of operators that are read: dtypes of 8 bits and fewer, bfloat16, text; and these forms."""
reasons: set[str] = set()


def value(x):
    return onnx.numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else np.asarray(x)


def outcome(case):
    """`right`, `refused` (by name) or what is wrong."""
    try:
        model = load_onnx(case.model.SerializeToString())
        for inputs, outputs in case.data_sets:
            if any(isinstance(x, list) for x in (*inputs, *outputs)):
                return "refused"  # sequences of tensors
            for a, b in zip(listed(model(*map(value, inputs))), map(value, outputs), strict=False):
                rtol, atol = max(case.rtol, 1e-4), max(case.atol, 1e-6)
                np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, strict=True)
    except NotImplementedError as error:
        reasons.add(str(error).split("\n")[0].rstrip("."))
        return "refused"
    except ValueError as error:
        return "refused" if "load_onnx(path)" in str(error) else f"{case.name}: {error}"
    except Exception as error:  # whatever it is, it is no refusal
        return f"{case.name}: {type(error).__name__}: {error}"
    return "right"


def test_onnxs_own_cases_are_right_or_refused_by_name():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = [outcome(case) for case in collect_testcases(None)]

    assert [x for x in found if x not in ("right", "refused")] == []
    assert found.count("right") >= RIGHT
    unknown = {n for r in reasons if "not known: " in r for n in r.split("not known: ")[1].split(", ")}
    assert unknown == {name for names in REFUSED.values() for name in names.split()}
    assert [r for r in reasons if "not known: " not in r and not any(o in r for o in OTHERWISE)] == []


NOT_READ = {
    "sequences, which no Tensor is": [f"simple/test_sequence_model{i}" for i in range(1, 9)],
    "text": [
        f"simple/test_strnorm_model_{name}"
        for name in (
            "monday_casesensintive_lower",
            "monday_casesensintive_nochangecase",
            "monday_casesensintive_upper",
            "monday_empty_output",
            "monday_insensintive_upper_twodim",
            "nostopwords_nochangecase",
        )
    ],
    "gradients of a graph: ours are by `backward`": [
        "simple/test_gradient_of_add", "simple/test_gradient_of_add_and_mul"
    ],
}  # fmt: skip
"""Whole files beside ONNX's node cases that are refused, by the reason; `light` and `real` want a network."""


@pytest.mark.filterwarnings("ignore")
def test_onnxs_own_files_are_right_or_refused_by_name():
    root = Path(onnx.__file__).parent / "backend" / "test" / "data"
    cases = [p.parent for p in root.glob("*/*/model.onnx") if p.parent.parent.name not in ("node", "light")]
    refused = []
    for case in sorted(cases):
        try:
            model = load_onnx(case / "model.onnx")
        except NotImplementedError:
            refused.append(f"{case.parent.name}/{case.name}")
            continue
        for folder in case.glob("test_data_set*"):
            xs, wanted = ([entry(p) for p in numbered(folder, kind)] for kind in ("input", "output"))
            found = model(*xs)
            for a, b in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
                np.testing.assert_allclose(
                    getattr(a, "value", a), b, rtol=1e-3, atol=1e-5, err_msg=case.name, strict=True
                )

    assert len(cases) >= 140
    assert set(refused) == {name for names in NOT_READ.values() for name in names}


def numbered(folder, kind):
    return [folder / f"{kind}_{i}.pb" for i in range(len(list(folder.glob(f"{kind}_*.pb"))))]


def entry(path):
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


# --- files that PyTorch wrote -------------------------------------------------------------------------------
def residual(torch):
    """A small network with the parts of a ResNet."""

    class Block(torch.nn.Module):
        def __init__(self, a, b, stride):
            super().__init__()
            conv, norm = torch.nn.Conv2d, torch.nn.BatchNorm2d
            self.conv1, self.bn1 = conv(a, b, 3, stride, 1, bias=False), norm(b)
            self.conv2, self.bn2 = conv(b, b, 3, 1, 1, bias=False), norm(b)
            self.down = torch.nn.Sequential(conv(a, b, 1, stride, bias=False), norm(b))

        def forward(self, x):
            y = torch.relu(self.bn1(self.conv1(x)))
            return torch.relu(self.bn2(self.conv2(y)) + self.down(x))

    t = torch.nn
    return t.Sequential(
        t.Conv2d(3, 4, 7, 2, 3, bias=False), t.BatchNorm2d(4), t.ReLU(), t.MaxPool2d(3, 2, 1), Block(4, 4, 1),
        Block(4, 8, 2), t.AdaptiveAvgPool2d((1, 1)), t.Flatten(), t.Linear(8, 5),
    )  # fmt: skip


def gpt(torch):
    """Two blocks of a decoder that looks back."""
    t = torch.nn

    class Block(t.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = t.LayerNorm(8), t.LayerNorm(8)
            self.qkv, self.out = t.Linear(8, 24), t.Linear(8, 8)
            self.mlp = t.Sequential(t.Linear(8, 32), t.GELU(), t.Linear(32, 8))

        def forward(self, x):
            b, n, c = x.shape
            q, k, v = (p.view(b, n, 2, 4).transpose(1, 2) for p in self.qkv(self.ln1(x)).split(8, dim=2))
            scores = q @ k.transpose(-2, -1) / 2.0
            mask = torch.tril(torch.ones(n, n)).bool()
            weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)
            x = x + self.out((weights @ v).transpose(1, 2).reshape(b, n, c))
            return x + self.mlp(self.ln2(x))

    class Model(t.Module):
        def __init__(self):
            super().__init__()
            self.token, self.place = t.Embedding(7, 8), t.Embedding(4, 8)
            self.blocks, self.head = t.Sequential(Block(), Block()), t.Linear(8, 7, bias=False)

        def forward(self, x):
            return self.head(self.blocks(self.token(x) + self.place(torch.arange(x.shape[1]))))

    return Model()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "shape"), [(residual, (2, 3, 32, 32)), (gpt, (2, 4))])
def test_a_model_that_pytorch_wrote_gives_its_numbers_and_trains(make, shape, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    there = make(torch).eval()
    x = WORDS[:, :4] if len(shape) == 2 else DRAW.normal(size=shape).astype(np.float32)
    torch.onnx.export(
        there, (torch.from_numpy(x),), str(tmp_path / "m.onnx"), dynamo=True, external_data=False
    )
    here = load_onnx(tmp_path / "m.onnx")
    wanted = there(torch.from_numpy(x))

    np.testing.assert_allclose(here(x).value, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
    (wanted**2).mean().backward()
    loss = (here(x) ** 2).mean()
    loss.backward()
    if make is gpt:  # in the other the exporter has multiplied weights together
        norms = sorted(float(p.grad.norm()) for p in there.parameters() if p.grad is not None)
        found = sorted(float(np.linalg.norm(p.grad)) for p in here.parameters() if p.grad is not None)
        np.testing.assert_allclose(found[-5:], norms[-5:], rtol=1e-3)
    optimizer = optim.Adam(here.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        (here(x) ** 2).mean().backward()
        optimizer.step()
    assert float((here(x) ** 2).mean()) < float(loss)


def test_a_file_that_is_no_onnx_file_is_left_as_it_was(tmp_path):
    path, x = tmp_path / "mydata.csv", np.ones((2, 3), np.float32)
    path.write_text("name,age\nAda,36\n")
    with pytest.raises(InputError, match="replaces only what clearprop wrote there before"):
        save_onnx(path, nn.Linear(3, 1), x)
    assert path.read_text() == "name,age\nAda,36\n"
    for options in ({"overwrite": True}, {}):  # the second finds the first's
        save_onnx(path, nn.Linear(3, 1), x, **options)
        assert load_onnx(path)(x).shape == (2, 1)
