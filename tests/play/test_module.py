"""A trained model as a module: Node predicts what the model does."""

import json

import numpy as np
import pytest
from tests.compiler.engines.js.node import needs_node, run

from clearprop import nn
from clearprop.cli import main
from clearprop.data import read_table
from clearprop.data.columns import Number, encode
from clearprop.interop.model_file import load_model, save_model
from clearprop.play.module import model_module

ASK = """
import * as model from "./model.mjs";
import {readFileSync} from "node:fs";
const {predict, encode} = model;
const rows = JSON.parse(readFileSync(0, "utf8"));
const given = encode ? rows.flatMap((r) => encode(r.map((v) => v === null ? NaN : v))) : rows.flat();
let error = "";
try { predict([1, 2, 3, 4, 5, 6, 7]); } catch (e) { error = e.message; }
console.log(JSON.stringify([[...predict(Float32Array.from(given))], error]));
"""


@needs_node
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_a_model_predicts_the_same(tmp_path, rows):
    model = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 2), nn.Softmax(1)).eval()
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    (tmp_path / "model.mjs").write_text(model_module(model, 3))
    got, error = json.loads(run(tmp_path, ASK, json.dumps(x.tolist())))

    np.testing.assert_allclose(got, model(x).value.ravel(), rtol=1e-6)
    assert error == "rows of 3 numbers, not 7 numbers"


@needs_node
@pytest.mark.parametrize("lines", ["1,2\n3,\n-4,90\n", "1.5,2\n2,3\n7,-1\n"])
def test_a_table_of_numbers_is_encoded_as_train_encodes_it(tmp_path, lines):
    (tmp_path / "t.csv").write_text("a,b\n" + lines)
    columns = [Number("a", 2.0, 1.0, 3.0, spread=0.5), Number("b", 5.0, 4.0, 2.0, spread=1.5, gaps=True)]
    x = encode(read_table(tmp_path / "t.csv"), columns)
    network = nn.Sequential(nn.Linear(5, 2))
    told = {"columns": [column.spec() for column in columns]}
    (tmp_path / "model.mjs").write_text(model_module(network, 5, told))
    cells = [[float(c) if c else None for c in line.split(",")] for line in lines.split()]
    got, _ = json.loads(run(tmp_path, ASK.replace("4, 5, 6, 7]", "4, 5, 6, 7, 8, 9]"), json.dumps(cells)))

    np.testing.assert_allclose(got, network(x).value.ravel(), rtol=1e-5)


def test_columns_that_are_more_than_numbers_are_encoded_by_nobody():
    told = {"columns": [{"name": "k", "kind": "category", "values": ["u", "v"]}]}

    assert "function encode" not in model_module(nn.Linear(2, 1), 2, told)


@needs_node
def test_the_command_exports_what_train_wrote(tmp_path, capsys):
    columns = [{"name": n, "kind": "number", "median": 5.0, "mean": 4.0, "scale": 2.0} for n in "ab"]
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    save_model(tmp_path / "m.safetensors", model, {"columns": columns, "target": {"kind": "number"}})

    assert main(["export", str(tmp_path / "m.safetensors"), "--js", str(tmp_path / "model.mjs")]) == 0
    assert "2 inputs" in capsys.readouterr().out
    cells = [[1.0, 2.0], [None, -3.0]]
    got, _ = json.loads(run(tmp_path, ASK, json.dumps(cells)))
    x = np.array([[1.0, 2.0], [5.0, -3.0]], np.float32)
    found, _ = load_model(tmp_path / "m.safetensors")
    np.testing.assert_allclose(got, found((x - 4) / 2).value.ravel(), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--js", "m.txt"], "ends in .mjs"), (["--js", "there.mjs"], "another file"), ([], "--js")],
)
def test_what_makes_no_sense_is_refused(tmp_path, capsys, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    save_model("m.safetensors", nn.Sequential(nn.Linear(2, 1)))
    (tmp_path / "there.mjs").write_text("mine")
    try:
        status = main(["export", "m.safetensors", *options])
    except SystemExit as ended:
        status = ended.code

    assert status == 2
    assert told in capsys.readouterr().err
    assert (tmp_path / "there.mjs").read_text() == "mine"


@pytest.mark.parametrize("width", [0, -1, True, 2.0])
def test_a_width_is_a_number_of_inputs(width):
    with pytest.raises(ValueError, match="number of inputs"):
        model_module(nn.Linear(2, 1), width)


class After(nn.Module):
    def __init__(self, after):
        super().__init__()
        self.inner, self.after = nn.Linear(3, 2), after

    def forward(self, x):
        return self.after(self.inner(x))


@pytest.mark.parametrize(
    "after",
    [
        lambda x: x - x.mean(axis=0),
        lambda x: x * (2 if len(x) > 8 else 3),
        lambda x: x * (2 if len(x) > 100 else 3),
        lambda x: x * (2 if len(x) == 1 else 3),
        lambda x: x.sum(axis=0),
    ],
)
def test_a_network_whose_rows_look_at_each_other_is_refused(after):
    with pytest.raises(ValueError, match="the same alone and among others"):
        model_module(After(after), 3)


@pytest.mark.parametrize("after", [lambda x: x.sum(axis=1), lambda x: x, lambda x: x - x.mean(1, True)])
def test_a_network_that_makes_each_row_by_itself_is_written(after):
    assert "predict" in model_module(After(after), 3)
