"""A table's model as an ONNX file: a runtime predicts what `clearprop predict` does, a column an input."""

import numpy as np
import pytest
from tests.shipping.test_table import CASES, QUICK, rows, table

from clearprop.cli import main
from clearprop.train import TableModel

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
LEFT = ("day", "year", "note")  # dates and texts
TEXT = ("town", "kind", "owns")


def trained(folder, name, *more):
    """Train a model without columns that ONNX cannot read."""
    kind, options = CASES[name]
    data = table(folder / f"{name}.csv", kind, rows())
    told = [word for column in LEFT for word in ("--ignore", column)] if not more else []
    made = [data, "--target", "y", *told, "--missing", "-999", "--output", str(folder / name), *more]
    assert main(["train", *made, *QUICK, *options]) == 0
    return str(folder / name / "model.safetensors")


def typed(columns):
    """Return the columns as ONNX takes them."""
    plain = {
        "size": [np.nan if x == "n/a" else float(x) for x in columns["size"]],
        "price": [float(x.replace("$", "").replace(",", "")) for x in columns["price"]],
        "share": [float(x.split()[0]) / 100 for x in columns["share"]],
        "left": [float(x) for x in columns["left"]],
    }
    found = {name: np.array(values, np.float64) for name, values in plain.items()}
    return found | {name: np.array([x.strip() for x in columns[name]], object) for name in TEXT}


@pytest.mark.parametrize("name", CASES)
def test_predictions_are_those_of_the_command(tmp_path, name):
    path = trained(tmp_path, name)
    assert main(["export", path, "--onnx", str(tmp_path / "m.onnx")]) == 0
    fresh = rows(1)
    fresh["town"][3], fresh["owns"][4], fresh["kind"][5], fresh["owns"][6] = (
        "never seen",
        "YeS",
        "  a ",
        "NaN",
    )
    model = TableModel.load(path)
    wanted = model.predictions(model.read(table(tmp_path / "new.csv", CASES[name][0], fresh)))
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    given = {i.name: typed(fresh)[i.name] for i in session.get_inputs()}
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True))

    assert list(found) == list(wanted)
    assert {i.type for i in session.get_inputs()} == {"tensor(double)", "tensor(string)"}
    for label, column in wanted.items():
        if found[label].dtype == object:
            assert found[label].tolist() == column
        else:
            np.testing.assert_allclose(found[label], np.array(column, float), rtol=2e-5, atol=2e-5)
    none = session.run(None, {name: values[:1] for name, values in given.items()})
    assert none[0].shape == (1,)


def test_columns_that_onnx_cannot_read_are_named(tmp_path, capsys):
    path = trained(tmp_path, "plain", "--column", "note=text", "--column", "year=date")
    capsys.readouterr()
    assert main(["export", path, "--onnx", str(tmp_path / "m.onnx")]) == 2
    err = capsys.readouterr().err
    assert "these columns cannot be read in ONNX: 'day' (date), 'year' (date), 'note' (text)" in err
    assert "Try --py" in err
    assert not (tmp_path / "m.onnx").exists()


def test_no_other_file_is_replaced(tmp_path, capsys):
    path = trained(tmp_path, "plain")
    (tmp_path / "m.onnx").write_text("my notes")
    assert main(["export", path, "--onnx", str(tmp_path / "m.onnx")]) == 2
    assert (tmp_path / "m.onnx").read_text() == "my notes"
    assert main(["export", path, "--onnx", str(tmp_path / "m.onnx"), "--force"]) == 0
