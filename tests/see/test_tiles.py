"""What a notebook shows of a large Tensor."""

import re

import numpy as np
import pytest

from clearprop import Tensor, compile
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.see.tiles import tiles


def cells(shown, row):
    return re.findall(r"<td[^>]*>([^<]*)</td>", shown.split("<tr>")[row])


def test_the_quantiles_are_those_of_the_finite_entries():
    a = np.arange(101.0)
    a[7] = np.nan
    shown = tiles(Tensor(a))

    finite = np.delete(np.arange(101.0), 7)
    name, *points = cells(shown, 2)
    assert name == "value"
    assert [float(p) for p in points[:7]] == pytest.approx(
        np.quantile(finite, [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1]), rel=5e-3
    )
    assert points[-2:] == ["1", "1"]  # zeros, not finite


def test_a_gradient_stands_beside_its_value():
    w = Tensor(np.arange(30.0).reshape(5, 6), name="w")
    (w * w).sum().backward()
    shown = tiles(w)

    assert shown.count("<img") == 2
    assert "gradient: 5 x 6" in shown
    assert cells(shown, 3)[7] == "58"


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((100,), "1 x 100, squares are means"),
        ((7, 3), "7 x 3"),
        ((3, 5, 5), "3 tiles of 5 x 5"),
        ((32, 16, 5, 5), "48 of 512 tiles of 5 x 5"),
        ((2, 2, 2, 40, 5), "8 tiles of 40 x 5, squares are means"),
        ((1, 1, 30), "1 tiles of 1 x 30, squares are means"),
    ],
)
def test_each_number_of_axes_is_shown(shape, said):
    assert f"value: {said}" in tiles(Tensor(np.random.default_rng(0).normal(size=shape)))


@pytest.mark.parametrize("a", [1.0, np.ones(3), np.empty((0, 4)), np.ones(30, complex), np.array("text")])
def test_what_is_small_or_no_number_is_left_to_its_text(a):
    t = Tensor(a) if np.asarray(a).dtype.kind in "fc" else None

    assert t is None or t._repr_html_() is None


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16", "uint8"])
def test_other_kinds_of_numbers(dtype):
    shown = tiles(Tensor(np.arange(64).reshape(8, 8).astype(dtype), requires_grad=False))

    assert f"{dtype}, 64 entries, needs no gradient" in shown


def test_a_million_entries_stay_small():
    assert len(tiles(Tensor(np.random.default_rng(0).normal(size=(64, 128, 11, 12))))) < 60_000


@pytest.mark.filterwarnings("error")
def test_magnitudes_whose_squares_overflow():
    a = np.concatenate([np.full(10, -1e308), np.zeros(10), np.full(10, 1e308)])
    shown = cells(tiles(Tensor(a)), 2)

    assert shown[1:8] == ["-1e308", "-1e308", "-1e308", "0", "1e308", "1e308", "1e308"]
    assert shown[8:10] == ["0", "8.16e307"]


def test_of_very_many_entries_those_of_every_column_are_seen():
    a = np.zeros((1_000_000, 2))
    a[:, 1] = 5.0
    shown = cells(tiles(Tensor(a, requires_grad=False)), 2)

    assert shown[0] == "value, of 1 in 3 entries"
    assert (shown[1], shown[7], shown[8]) == ("0", "5", "2.5")


def test_a_recorded_tensor_is_not_shown_as_the_first_call_has_it():
    w = Tensor(np.ones((50, 50)))
    for shown in (lambda x: (w * x)._repr_html_(), lambda x: w._repr_html_()):
        with pytest.raises(RecordingError, match=r"cannot ask for str\(t\)"):
            compile(shown)(np.ones((50, 50)))
