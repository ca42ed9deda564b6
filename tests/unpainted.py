"""Runs of `clearprop train` whose curves nobody looks at: a figure is made whole and not painted."""

import contextlib
import io

import numpy as np
import pytest


@contextlib.contextmanager
def unpainted():
    """Save each figure as a white dot: to lay it out and paint it is two thirds of a short run."""
    figure, image = pytest.importorskip("matplotlib.figure"), pytest.importorskip("PIL.Image")
    png = pytest.importorskip("PIL.PngImagePlugin")

    def save(made, file, **told):
        for axes in made.axes:
            assert axes.lines
            for line in axes.lines:
                assert np.isfinite(line.get_xydata()).all()
        said = png.PngInfo()
        for name, text in told.get("metadata", {}).items():
            said.add_text(name, text)
        dot = io.BytesIO()
        image.new("RGB", (1, 1), "white").save(dot, "png", pnginfo=said)
        file.write(dot.getvalue())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure.Figure, "savefig", save)
        yield
