"""Every two options of `clearprop train` together: right in what each promises, or refused by its name."""

import itertools
import json
import math

import numpy as np
import pytest
from tests.unpainted import unpainted

from clearprop.cli import main
from clearprop.train import TableModel

pytest.importorskip("sklearn")

ROWS = 140
NET = """from clearprop import nn

def build(input_shape, outputs):
    return nn.Sequential(nn.Linear(input_shape[0], 6), nn.Tanh(), nn.Linear(6, outputs))
"""
OPTIONS = {
    "--folds": ["--folds", "2"],
    "--seeds": ["--seeds", "2"],
    "--search": ["--search", "3"],
    "--group": ["--group", "person"],
    "--time": ["--time", "day"],
    "--loss": ["--loss", "quantile", "--quantiles", "0.1,0.5,0.9"],
    "--threshold": ["--threshold", "f1", "--validation-split", "0.2"],
    "--sample-weight": ["--sample-weight", "weight"],
    "--class-weight": ["--class-weight", "balanced"],
    "--stream": ["--stream"],
    "--resume": ["--resume", "--checkpoint"],
    "--plain": ["--plain"],
    "--model": ["--model"],
}
TOGETHER = {("--folds", "--search"), ("--folds", "--time"), ("--group", "--time"), ("--search", "--model")}
"""Pairs that are refused, whatever the table."""
OF_CLASSES, OF_NUMBERS = {"--threshold", "--class-weight"}, {"--loss"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    rows = {"classes": ["a,b,town,person,day,weight,y"], "number": ["a,b,town,person,day,weight,y"]}
    for i in range(ROWS):
        a, b = rng.normal(size=2)
        town, score = ("Oslo", "Rome", "Lima")[i % 3], a - b + (i % 3 == 1)
        start = f"{a:.4f},{b:.4f},{town},p{i // 4},2024-{1 + i // 28:02d}-{1 + i % 28:02d},{1 + i % 5}"
        rows["classes"].append(f"{start},{'rare' if score > 1.0 else 'usual'}")
        rows["number"].append(f"{start},{score:.4f}")
    for name, lines in rows.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "net.py").write_text(NET)
    return folder


@pytest.mark.parametrize("kind", ["classes", "number"])
@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(OPTIONS, 2)))
def test_two_options_are_right_together_or_refused(tables, tmp_path, capsys, one, other, kind):
    out, pair = tmp_path / "out", {one, other}
    words = ["train", str(tables / f"{kind}.csv"), "--target", "y", "--output", str(out), "--json"]
    words += ["--epochs", "1", "--compile", "no", *(["--hidden", "6"] if "--model" not in pair else [])]
    for option in (one, other):
        words += OPTIONS[option]
        words += [str(tmp_path / "run.safetensors")] if option == "--resume" else []
        words += [f"{tables / 'net.py'}:build"] if option == "--model" else []
    with unpainted():
        status = main(words)
    captured = capsys.readouterr()
    refused = (one, other) in TOGETHER or pair & (OF_NUMBERS if kind == "classes" else OF_CLASSES)
    if refused:
        assert status == 2
        assert captured.err.startswith("clearprop train: --")
        assert any(option in captured.err.partition(":")[2].partition(":")[0] for option in pair)
        assert not out.exists()
        return
    assert status == 0, captured.err
    kept(pair, kind, json.loads(captured.out), out, tables, tmp_path)


def kept(pair, kind, found, out, tables, folder):
    """Hold a run to what each of two options promises."""
    build = None
    if "--model" in pair:
        from clearprop import nn

        build = lambda shape, outputs: nn.Sequential(  # noqa: E731
            nn.Linear(shape[0], 6), nn.Tanh(), nn.Linear(6, outputs)
        )
    model = TableModel.load(out / "model.safetensors", build)
    table = model.read(str(tables / f"{kind}.csv"))
    outputs = model.outputs(table)
    assert outputs.shape == (ROWS, 2 if kind == "classes" else 3 if "--loss" in pair else 1)
    assert np.isfinite(outputs).all()
    assert all(math.isfinite(value) for value in found["test"].values())
    read = {column.name for column in model.columns}
    left_out = {"--group": "person", "--sample-weight": "weight"}
    assert all((name in read) == (option not in pair) for option, name in left_out.items())
    assert ("threshold" in model.about) == ("--threshold" in pair)
    assert ("class weights" in model.about) == ("--class-weight" in pair)
    assert model.about.get("loss") == ("quantile" if "--loss" in pair else None)
    assert ("search" in found) == ("--search" in pair)
    repeats = next(iter(found.get("repeats", {}).values()), [])
    runs = (2 if "--seeds" in pair else 1) * (2 if "--folds" in pair else 1)
    assert len(repeats) == (runs if pair & {"--seeds", "--folds"} else 0)
    assert (folder / "run.safetensors").exists() == ("--resume" in pair)
    assert not [path for path in folder.iterdir() if path.name.startswith(".rows")]
    says = " ".join(found["notes"])
    assert ("read in pieces" in says) == ("--stream" in pair)
