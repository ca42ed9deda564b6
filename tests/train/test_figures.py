"""Pictures of a report: what is written in them can be read whole."""

import re

import pytest

from clearprop.train import figures

TEXT = re.compile(r'<text x="([\d.]+)" y="[\d.]+"(?: text-anchor="(\w+)")?>([^<]*)<')


@pytest.mark.parametrize("size", [1e-300, 1.234e-10, 0.00123, 1.0, 1234.5, 1032540.0, 9.99e6, 1.234e300])
def test_no_number_beside_an_axis_is_cut_off(size):
    """Of 1,030,000 the first digit lay half outside of the picture."""
    width = pytest.importorskip("matplotlib.textpath").TextPath
    numbers = [-9.99 * size, 0.5 * size, size]
    drawn = (
        figures.points(numbers, numbers, "true", "predicted"),
        figures.residuals(numbers, numbers, "predicted", "left over", size),
        figures.lines({"loss": numbers}, "epoch"),
    )

    for picture in drawn:
        found = TEXT.findall(picture)
        assert len(found) >= 8
        for x, anchor, text in found:
            wide = width((0, 0), text, size=11).get_extents().x1
            left = float(x) - {"": 0.0, "middle": 0.5, "end": 1.0}[anchor] * wide
            assert left >= 0, text
            assert left + wide <= figures.WIDTH, text
