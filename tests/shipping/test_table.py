"""A table's model as a plain file: a process without clearprop predicts what `clearprop predict` does."""

import csv
import datetime

import numpy as np
import pytest
from tests.compiler.engines.plain.alone import alone
from tests.unpainted import unpainted

from clearprop.cli import main
from clearprop.shipping import table_module
from clearprop.train import TableModel

ROWS = 160
QUICK = ["--epochs", "3", "--hidden", "8", "--compile", "no", "--quiet"]


def rows(seed=0):
    """Return columns of every kind as text, with gaps."""
    rng = np.random.default_rng(seed)
    size, town = rng.normal(size=ROWS), rng.integers(0, 30, ROWS)
    day = rng.integers(0, 700, ROWS)
    begun = datetime.date(2023, 1, 1)
    columns = {
        "size": [f"{x:.4f}" if i % 9 else "n/a" for i, x in enumerate(size)],
        "price": [f"${1000 + 900 * x:,.2f}" for x in rng.uniform(size=ROWS)],
        "share": [f"{x:.1f} %" for x in rng.uniform(0, 90, ROWS)],
        "left": [f"{x:.2f}" if i % 7 else "-999" for i, x in enumerate(rng.normal(size=ROWS))],
        "town": [f"town {i}" if i % 11 else "" for i in town],
        "kind": ["ab c"[i % 4] for i in range(ROWS)],
        "owns": ["Yes" if i % 3 else "no" for i in range(ROWS)],
        "day": [(begun + datetime.timedelta(int(d))).strftime("%d/%m/%Y") for d in day],
        "year": [str(1990 + int(d) % 30) for d in day],
        "note": [f"good {'old' if i % 2 else 'new'} thing of {i}" for i in range(ROWS)],
    }
    score = size + 0.05 * town + (np.arange(ROWS) % 3) + 0.1 * rng.normal(size=ROWS)
    return columns | {"y": score}


def table(path, kind, columns):
    """Write the columns, with what is to be predicted."""
    score = columns["y"]
    y = {
        "number": lambda: [f"{x:.3f}" for x in score],
        "count": lambda: [str(int(np.exp(x / 2))) for x in score],
        "classes": lambda: ["high 'n' dry" if x > 1.8 else 'lo"w\\' for x in score],
        "three": lambda: [str(int(np.clip(x, 0, 2))) for x in score],
    }[kind]()
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*({**columns, "y": y}).values(), strict=True))
    return str(path)


CASES = {
    "number": ("number", []),
    "plain": ("number", ["--plain"]),
    "weighed": ("three", ["--class-weight", "0=5,2=0.5"]),
    "weighed for an epoch": (
        "three",
        ["--class-weight", "0=50,2=0.01", "--epochs", "1", "--validation-split", "0.3"],
    ),
    "quantiles": ("number", ["--loss", "quantile"]),
    "count": ("count", ["--loss", "poisson", "--task", "regression"]),
    "classes": ("classes", []),
    "threshold": ("classes", ["--threshold", "f1"]),
    "three": ("three", ["--task", "classification", "--pieces", "0"]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Each model, new rows for it, and what a process without clearprop predicts for them."""
    folder, models, files = tmp_path_factory.mktemp("shipped"), {}, []
    fresh = rows(1)
    fresh["town"][3], fresh["kind"][5] = "a town never seen", "  a "
    for name, (kind, more) in CASES.items():
        data = table(folder / f"{name}.csv", kind, rows())
        told = [
            "--column",
            "note=text",
            "--column",
            "year=date",
            "--missing",
            "-999",
            "--output",
            str(folder / name),
        ]
        with unpainted():
            assert main(["train", data, "--target", "y", *told, *QUICK, *more]) == 0
        model = TableModel.load(folder / name / "model.safetensors")
        models[name] = model, model.read(table(folder / "new.csv", kind, fresh))
        files.append((table_module(model), [(fresh,), ({k: fresh[k] for k in reversed(fresh)},)]))
    return models, dict(zip(CASES, alone(folder, files), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_predictions_are_those_of_the_command(made, name):
    models, alone_found = made
    model, fresh = models[name]
    assert ("learned weights" in model.about) or name != "weighed for an epoch"
    (found, reordered), _ = alone_found[name]
    wanted = model.predictions(fresh)

    assert list(found) == list(wanted)
    for label, column in wanted.items():
        np.testing.assert_array_equal(found[label], reordered[label])
        if found[label].dtype.kind == "U":
            assert found[label].tolist() == column
        else:
            np.testing.assert_allclose(found[label], np.array(column, float), rtol=2e-5, atol=2e-5)


def loaded(made, name, folder):
    """Import a file that was written."""
    import importlib.util

    file = table_module(made[0][name][0])
    file.save(folder / "shipped.py", inside=True, overwrite=True)
    spec = importlib.util.spec_from_file_location("shipped", folder / "shipped.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_numbers_truths_and_moments_may_be_what_they_are(made, tmp_path):
    module, text = loaded(made, "number", tmp_path), rows(2)
    typed = dict(text)
    typed["size"] = np.array([np.nan if x == "n/a" else float(x) for x in text["size"]])
    typed["left"] = [float(x) for x in text["left"]]
    typed["price"] = [float(x.replace("$", "").replace(",", "")) for x in text["price"]]
    typed["year"] = np.array([int(x) for x in text["year"]])
    typed["day"] = [datetime.datetime.strptime(x, "%d/%m/%Y") for x in text["day"]]
    one, two = module.predict(text)["predicted y"], module.predict(typed)["predicted y"]
    np.testing.assert_array_equal(one, two)
    typed["day"] = np.array(typed["day"], "datetime64[s]")
    np.testing.assert_array_equal(one, module.predict(typed)["predicted y"])
    assert module.predict({name: [] for name in text})["predicted y"].shape == (0,)


@pytest.mark.parametrize(("change", "message"), [
    ({"size": None}, "columns that are not there: 'size'"),
    ({"size": "big"}, "column 'size' wants numbers, and row 1 has 'big'"),
    ({"share": 12.0}, "column 'share' wants numbers, and row 1 has '12'"),
    ({"day": "soon"}, "column 'day' wants dates .*, and row 1 has 'soon'"),
    ({"year": "then"}, "column 'year' wants numbers"),
])  # fmt: skip
def test_columns_that_are_not_there_and_cells_of_another_kind(made, tmp_path, change, message):
    (name, cell), columns = next(iter(change.items())), rows(2)
    columns[name] = [cell, *columns[name][1:]]
    if cell is None:
        del columns[name]
    with pytest.raises(ValueError, match=message):
        loaded(made, "number", tmp_path).predict(columns)


@pytest.mark.parametrize("cells", ["12", b"12", 12, None, {"0": 12}, np.float64(12), np.ones((2, 2))])
def test_what_is_no_list_of_cells_is_refused(made, tmp_path, cells):
    with pytest.raises(ValueError, match="column 'size' wants a list with a cell for each row"):
        loaded(made, "number", tmp_path).predict({**rows(2), "size": cells})


def test_long_whole_numbers_are_words_as_they_are():
    from clearprop.shipping.cells import words_of

    assert words_of([2**53 + 1, np.int64(2**53 + 1), 7, True], []) == [str(2**53 + 1)] * 2 + ["7", "true"]


def test_the_command_writes_it_the_same_each_time(made, tmp_path, capsys):
    model = made[0]["three"][0]
    model.save(tmp_path / "model.safetensors")
    assert (
        main(["export", str(tmp_path / "model.safetensors"), "--py", str(tmp_path / "m.py"), "--inside"]) == 0
    )
    text = (tmp_path / "m.py").read_text(encoding="utf-8")
    assert "def predict(columns):" in text
    assert "clearprop" not in text.partition("\n")[2]
    assert text == table_module(model).text()
    assert table_module(model).text() == table_module(model).text()


OWN = """
from clearprop import nn

class build(nn.Module):
    def __init__(self, input_shape, outputs):
        super().__init__()
        self.last, self.first = nn.Linear(8, outputs), nn.Linear(input_shape[0], 8)

    def forward(self, x):
        return self.last(self.first(x))
"""


def test_a_network_of_ones_own_takes_what_its_columns_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(OWN)
    lines = [f"{i % 7},{i % 5},{i % 7 + i % 5}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *lines]))
    own = ["--model", "net.py:build"]
    quick = ["--epochs", "1", "--compile", "no", "--quiet", "--target", "y", "--output", "o"]

    assert main(["train", "t.csv", *own, *quick]) == 0
    assert main(["export", "o/model.safetensors", *own, "--js", "m.mjs"]) == 0
    assert "m.mjs: 2 inputs" in capsys.readouterr().out
