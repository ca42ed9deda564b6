"""Model files of tables: what older versions wrote is read to the same predictions, and all kinds travel."""

from pathlib import Path

import numpy as np
import pytest

from clearprop import nn
from clearprop.data import read_table
from clearprop.data.columns import Category, Date, Number, Text
from clearprop.data.dates import Form
from clearprop.data.dress import Dress
from clearprop.data.goals import Classes, Count, Quantity
from clearprop.data.tables import Table
from clearprop.errors import InputError
from clearprop.train import TableModel
from clearprop.train.picture_model import PictureModel

MODELS = Path(__file__).parent / "models"
ROWS = {
    "size": ["2.041", "-2.556", ""],
    "color": ["red", "blue", "NA"],
    "kind": ["big", "small", "small"],
    "price": ["12.041", "7.444", "9.784"],
}
# What the version that wrote the files predicted.
CLASSES = ["0.504112", "0.616136", "0.536531"]
NUMBERS = [9.94174396, 9.911929, 10.0116309]


def test_files_of_format_one_keep_their_predictions():
    table = Table("t.csv", ROWS)
    classes = TableModel.load(MODELS / "format_1_classes.safetensors").predictions(table)
    numbers = TableModel.load(MODELS / "format_1_number.safetensors").predictions(table)

    assert classes["probability small"] == CLASSES
    np.testing.assert_allclose([float(x) for x in numbers["predicted price"]], NUMBERS, rtol=1e-6)


class Own(nn.Module):
    def __init__(self, input_shape, outputs):
        super().__init__()
        self.last = nn.Linear(64, outputs)

    def forward(self, x):
        return self.last(x.reshape(len(x), -1))


def test_files_of_format_two_keep_their_predictions():
    pixels = (np.arange(128) * 7 % 256).astype(np.uint8).reshape(2, 1, 8, 8)
    nested = PictureModel.load(MODELS / "format_2_pictures.safetensors").probabilities(pixels)
    own = PictureModel.load(MODELS / "format_2_own.safetensors", Own).probabilities(pixels)

    np.testing.assert_allclose(nested, [[0.651968, 0.348032], [0.736333, 0.263667]], atol=2e-5)
    np.testing.assert_allclose(own, [[0.63713, 0.36287], [0.292021, 0.707979]], atol=2e-5)
    with pytest.raises(InputError, match=r"small\.py:Own"):  # a label, which is never imported
        PictureModel.load(MODELS / "format_2_own.safetensors")


COLUMNS = [
    Number("n", 1.0, 2.0, 3.0, Dress(decimal=",", thousands=".", currency="€")),
    Date("d", Form("numbers", day_first=True), {"elapsed": (19000.0, 300.0), "hour": (12.0, 6.0)}),
    Category("c", ("a", None), ("rare", "rarer"), folded=True),
    Text("t", 8),
]


@pytest.mark.parametrize("target", [
    Classes("y", ("p", "q")), Quantity("y", 1.0, 2.0, Dress(percent=True)), Count("y", 4.0, 2.0),
])  # fmt: skip
def test_every_kind_of_column_and_target_travels(tmp_path, target):
    width = sum(column.width for column in COLUMNS)
    outputs = 2 if isinstance(target, Classes) else 1
    spelling = {"decimal": ",", "missing": ["gone"], "day_first": True}
    model = TableModel(nn.Sequential(nn.Linear(width, outputs)), COLUMNS, target, {"reading": spelling})
    model.save(tmp_path / "m")
    again = TableModel.load(tmp_path / "m")

    assert (again.columns, again.target) == (COLUMNS, target)
    (tmp_path / "t.csv").write_text("n;d;c;t\n1.234,5 €;31/12/2023 10:00;RARER;some words\ngone;;new;\n")
    table = again.read(tmp_path / "t.csv")
    assert again.predictions(table) == model.predictions(table)
    assert COLUMNS[0].values(table).tolist()[0] == 1234.5
    assert np.isnan(COLUMNS[0].values(table)[1])


def test_an_encoding_that_was_named_is_tried_where_the_file_is_not_utf_8(tmp_path):
    about = {"reading": {"encoding": "latin-1"}}
    model = TableModel(nn.Sequential(nn.Linear(1, 1)), [], Quantity("y", 0.0, 1.0), about)
    for encoding in ("latin-1", "utf-8"):
        (tmp_path / "t.csv").write_bytes("ort,n\nZürich,1\n".encode(encoding))
        assert model.read(tmp_path / "t.csv").columns["ort"] == ["Zürich"]
    (tmp_path / "t.csv").write_bytes("ort,n\nZürich,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="encoded as utf-8"):
        read_table(tmp_path / "t.csv")
