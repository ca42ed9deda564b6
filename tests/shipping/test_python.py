"""A model as a plain NumPy file: a process without clearprop computes what the model does."""

import numpy as np
import pytest
from tests.compiler.engines.plain.alone import alone, same
from tests.shipping.nets import Sentence, floats, training

import clearprop
from clearprop import nn
from clearprop.cli import main
from clearprop.errors import InputError
from clearprop.interop.model_file import load_model, save_model
from clearprop.play.module import model_module
from clearprop.shipping import numpy_module, save_numpy


def words(n):
    return np.random.default_rng(1).integers(0, 11, (n, 6))


def block():
    return nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3)), lambda n: floats(n, 4)),
    "norm": (lambda: nn.Sequential(nn.LayerNorm(4), nn.Softplus(), nn.Softmax(-1)), lambda n: floats(n, 4)),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4, 3),
        ),
        lambda n: floats(n, 1, 7, 7),
    ),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), lambda n: floats(n, 4)),
    "lstm": (lambda: Sentence(nn.LSTM(8, 8, batch_first=True)), words),
    "gru": (lambda: Sentence(nn.GRU(8, 8, batch_first=True)), words),
    "transformer": (lambda: Sentence(block()), words),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Each model, its inputs of several lengths, and what a process without clearprop computes."""
    clearprop.manual_seed(0)
    built = {name: (make(), [given(n) for n in (3, 1, 8)]) for name, (make, given) in MODELS.items()}
    files = [(numpy_module(m, xs[0]), [[x] for x in xs]) for m, xs in built.values()]
    results = alone(tmp_path_factory.mktemp("models"), files)
    return {name: (*both, r) for (name, both), (r, _) in zip(built.items(), results, strict=True)}


@pytest.mark.parametrize("name", MODELS)
def test_a_module_computes_there_what_it_does_here_for_any_number_of_rows(found, name):
    model, xs, results = found[name]
    model.eval()

    assert not isinstance(results, str), results
    for x, result in zip(xs, results, strict=True):
        same(result, model(x).value, name)


def test_the_file_is_to_be_read():
    made = numpy_module(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), floats(5, 2))

    assert made.function == "\n".join(
        [
            '@np.errstate(all="ignore")  # infinities and NaN are part of the mathematics',
            "def predict(x):",
            '    """Return the output.',
            "",
            "    Takes",
            "        x: (n, 2) float32",
            "    and returns",
            "        (n, 3) float32",
            '    """',
            '    x = np.asarray(x).astype("float32", casting="same_kind")',
            "    n = x.shape[0] if x.ndim else 0",
            "    if x.shape != (n, 2):",
            '        raise ValueError(f"x is to be of shape {(n, 2)}, not {x.shape}")',
            '    return np.maximum(x @ weights["0.weight"].T + weights["0.bias"], 0.0)',
        ]
    )


def test_a_training_step_trains_there_as_here(tmp_path):
    clearprop.manual_seed(0)
    model, train, x, y = training()
    train(x, y)
    file = numpy_module(train, x, y, dynamic=False)  # runs the step: what follows is from here on
    wanted = [train(x, y).value for _ in range(5)]
    ((results, weights),) = alone(tmp_path, [(file, [[x, y]] * 5)])

    same(results, wanted, "losses")
    for name, p in model.named_parameters():
        same(weights[p.name], p.value, name)


def test_loops_stay_loops(tmp_path):
    w = floats(3, 3, dtype=np.float64)

    def last(x):
        carry, out = clearprop.scan(
            lambda h, x: ((z := np.tanh(h @ w + x)), z * 2), np.zeros((x.shape[0], 3)), x.swapaxes(0, 1)
        )
        return carry, out

    x = floats(2, 5, 3, dtype=np.float64)
    file = numpy_module(last, x)
    ((results, _),) = alone(tmp_path, [(file, [[x], [x[:1]]])])

    assert "for i in range(5)" in file.function
    for got, given in zip(results, (x, x[:1]), strict=True):
        for a, b in zip(got, last(given), strict=True):
            same(a, b.value if hasattr(b, "value") else b, "scan")


def test_several_inputs_and_outputs_and_numbers_that_nobody_names(tmp_path):
    def both(a, b):
        return a * b + 2.5, np.where(a > b, a, -b), (a - b).sum(axis=1)

    a, b = floats(4, 3), floats(4, 3, seed=1)
    file = numpy_module(both, a, b)
    ((results, _),) = alone(tmp_path, [(file, [[a, b], [a[:0], b[:0]], [a.tolist(), b.tolist()]])])

    assert not file.arrays
    assert file.name == "both"
    for got, xs in zip(results, ((a, b), (a[:0], b[:0]), (a, b)), strict=True):
        for x, z in zip(got, both(*xs), strict=True):
            same(x, z, "both")


def test_weights_may_be_inside(tmp_path):
    model = nn.Linear(3, 2)
    x = floats(4, 3)
    save_numpy(tmp_path / "model.py", model, x, inside=True)
    space = {}
    exec((tmp_path / "model.py").read_text(), space)

    assert [p.name for p in tmp_path.iterdir()] == ["model.py"]
    same(space["predict"](x), model(x).value, "inside")
    with pytest.raises(ValueError, match=r"shape \(2, 3\), not \(2, 4\)"):
        space["predict"](floats(2, 4))
    with pytest.raises(TypeError, match="Cannot cast"):
        space["predict"](x + 1j)


def test_what_is_not_plain_numpy_is_refused_by_name_all_at_once():
    import threading

    lock = threading.Lock()
    mine, other = (
        clearprop.define(name, "opaque", lambda g, z, x: g)(lambda x: np.sort(x) * lock.locked())
        for name in ("locked", "unlocked")
    )

    with pytest.raises(TypeError, match=r"no translation to plain NumPy: locked .*, unlocked"):
        numpy_module(lambda x: mine(x) + other(x), floats(2))


@pytest.mark.parametrize(
    ("f", "xs", "error", "told"),
    [
        (lambda x: x - x.mean(axis=0), [floats(4, 3)], ValueError, "depends on the length of the first axis"),
        (
            lambda x: x + np.arange(x.shape[0])[:, None] + np.zeros(40),
            [floats(4, 40)],
            ValueError,
            "length of the first axis",
        ),
        (lambda x, y: x @ y, [floats(4, 3), floats(3, 2)], ValueError, "a first axis of one length"),
        (lambda x: x[:8] * 2, [floats(4, 3)], ValueError, "length of the first axis"),
        (lambda x: x[-16:] * 2, [floats(4, 3)], ValueError, "length of the first axis"),
        (lambda x: x * (2 if len(x) < 10 else 3), [floats(4, 3)], ValueError, "length of the first axis"),
        (lambda x: x * (2 if len(x) > 100 else 3), [floats(4, 3)], ValueError, "length of the first axis"),
        (
            lambda x: x * (2 if len(x) > 30 else 3),
            [floats(40, 30000)],
            ValueError,
            "length of the first axis",
        ),
        (lambda x: x * (2 if len(x) % 4 else 3), [floats(4, 3)], ValueError, "length of the first axis"),
        (lambda x: x * (2 if len(x) == 1 else 3), [floats(4, 3)], ValueError, "one row has a way of its own"),
        (lambda x: x if len(x) == 1 else x[:, :2] * 1, [floats(4, 3)], ValueError, "one row has a way"),
        (lambda x: 3, [floats(4, 3)], TypeError, "results are computed from its inputs"),
        (lambda x: x, [floats(4, 3)], TypeError, "results are computed from its inputs"),
        (lambda: 3, [], TypeError, "an example of each input"),
    ],
)
def test_what_cannot_be_is_refused(f, xs, error, told):
    with pytest.raises(error, match=told):
        numpy_module(f, *xs)


def test_what_reads_otherwise_for_one_row_and_is_the_same_is_written(tmp_path):
    fs = [lambda x: np.einsum("ni,nj->nij", x, x), lambda x: x.T * 2, lambda x: x[-1] * 2]
    xs = [floats(n, 3) for n in (4, 1, 2, 9)]
    found = alone(tmp_path, [(numpy_module(f, xs[0]), [[x] for x in xs]) for f in fs])

    for f, (results, _) in zip(fs, found, strict=True):
        for x, result in zip(xs, results, strict=True):
            same(result, f(x), "rows")


def test_exactly_these_shapes_may_be_asked_for(tmp_path):
    def centred(x):
        return x - x.mean(axis=0)

    x = floats(4, 3)
    ((results, _),) = alone(tmp_path, [(numpy_module(centred, x, dynamic=False), [[x]])])

    same(results[0], centred(x), "centred")


def test_a_file_that_is_somebodys_stays(tmp_path):
    (tmp_path / "model.py").write_text("mine")
    with pytest.raises(InputError, match="another file"):
        save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2))
    save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2), overwrite=True)
    save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2))
    with pytest.raises(ValueError, match="the name of a module"):
        save_numpy(tmp_path / "my-model.py", nn.Linear(2, 1), floats(2, 2))


@pytest.mark.parametrize("name", ["class", "my model", "weights", "np", "n"])
def test_a_name_that_no_function_of_the_file_can_have_is_refused(name):
    with pytest.raises(ValueError, match="wants the name of a function"):
        numpy_module(nn.Linear(2, 1), floats(2, 2), name=name)


def test_arrays_of_that_name_that_are_somebodys_stay(tmp_path):
    np.savez(tmp_path / "model.npz", mine=np.ones(3))
    with pytest.raises(InputError, match="another file"):
        save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]
    save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2), inside=True)
    with pytest.raises(InputError, match="another file"):
        save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2))
    assert list(np.load(tmp_path / "model.npz")) == ["mine"]
    save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2), overwrite=True)
    save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2))

    before = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "model.py").write_text("mine")
    with pytest.raises(InputError, match="another file"):
        save_numpy(tmp_path / "model.py", nn.Linear(2, 1), floats(2, 2))
    assert (tmp_path / "model.npz").read_bytes() == before


def test_a_layer_that_stood_still_stands_still_afterwards():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[1].eval()
    numpy_module(model, floats(2, 2))
    model_module(model, 2)

    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_what_is_said_of_a_file_breaks_it_not():
    said = 'of "a"""b", C:\\new\\x'
    text = numpy_module(nn.ReLU(), floats(2, 2), about=said).text()
    space = {}
    exec(text, space)

    assert said.replace('"""', "'''") in space["__doc__"]


@pytest.mark.parametrize("inside", [[], ["--inside"]])
def test_the_command_writes_what_train_wrote(tmp_path, capsys, monkeypatch, inside):
    monkeypatch.chdir(tmp_path)
    save_model("m.safetensors", nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))

    assert main(["export", "m.safetensors", "--py", "model.py", *inside]) == 0
    assert "model.py: 3 inputs" in capsys.readouterr().out
    monkeypatch.syspath_prepend(str(tmp_path))
    space = {"__file__": str(tmp_path / "model.py")}
    exec((tmp_path / "model.py").read_text(), space)
    x = floats(5, 3)
    same(space["predict"](x), load_model("m.safetensors")[0](x).value, "command")
    assert (tmp_path / "model.npz").exists() is not bool(inside)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--py", "m.txt"], "ends in .py"),
        ([], "wants to know as what"),
        (["--py", "there.py"], "another file"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, capsys, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    save_model("m.safetensors", nn.Sequential(nn.Linear(2, 1)))
    (tmp_path / "there.py").write_text("mine")

    assert main(["export", "m.safetensors", *options]) == 2
    assert told in capsys.readouterr().err
    assert (tmp_path / "there.py").read_text() == "mine"


def test_the_file_of_an_own_network_is_not_written_over(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("m.safetensors", nn.Sequential(nn.Linear(2, 1)))
    (tmp_path / "net.py").write_text("mine")

    given = ["export", "m.safetensors", "--model", "net.py:build", "--py", "net.py", "--force"]
    assert main(given) == 2
    assert "would be written over it" in capsys.readouterr().err
    assert (tmp_path / "net.py").read_text() == "mine"


@pytest.mark.parametrize("digits", range(1, 17))
def test_where_a_statement_ends_does_not_follow_the_number_of_rows(digits):
    factor = float(f"1.{'3' * digits}")

    def f(x):
        y = np.tanh(x * factor * 0.25 + 0.125) * factor + 0.125
        return np.tanh(y.reshape(len(x) * 4, 2) * 0.5)

    assert "reshape((4 * n, 2))" in numpy_module(f, np.ones((2, 8))).text()
