"""Charts of characters: what they show, and that nothing breaks them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.train.charts import ascii_only, confusion_matrix, confusion_table, line_chart, scatter

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=40)


@given(first=NUMBERS, second=NUMBERS, width=st.integers(24, 100), height=st.integers(2, 20))
def test_any_curves_fit_into_their_frame(first, second, width, height):
    text = line_chart({"loss": first, "val_loss": second}, width=width, height=height)

    if np.isfinite([*first, *second]).sum() < 2:
        assert text == ""
        return
    lines = text.splitlines()
    assert len(lines) == height + 3
    assert all(len(line) <= width for line in lines[:-1])


def test_two_curves_are_told_apart():
    text = line_chart({"loss": [4, 3, 2], "val_loss": [5, 4.5, 4]}, width=30, height=4)

    assert "loss ─, val_loss • by epoch" in text
    assert "•" in text.splitlines()[0]
    assert "─" in text.splitlines()[3]


def test_zeros_and_narrow_ranges_are_linear():
    assert "logarithmic" not in line_chart({"loss": [1.0, 0.0]})
    assert "logarithmic" not in line_chart({"loss": [1.0, 0.9]})
    assert "logarithmic" in line_chart({"loss": [1.0, 0.01]})


def test_a_curve_turns_where_it_goes_up_and_down():
    assert line_chart({"loss": [1.0, 1.0, 3.0, 3.0, 2.0]}, width=30, height=3).splitlines()[:3] == [
        "    3 ┤          ╭─────────╮",
        "    2 ┤       ╭──╯         ╰──",
        "    1 ┤───────╯",
    ]


def test_a_flat_curve_is_drawn():
    assert "─" in line_chart({"loss": [1.0, 1.0, 1.0]}, height=3)


def test_everything_has_an_ascii_form():
    drawn = [
        line_chart({"loss": [9, 1, 5, 1], "val": [8, 2, 9, 3]}),
        scatter(np.arange(9), np.arange(9) ** 2),
        confusion_table(np.eye(3, dtype=int), ["a", "b", "a name that is far too long"]),
    ]

    assert all("?" not in ascii_only(text) for text in drawn)


def test_a_class_without_rows_has_no_recall():
    text = confusion_table(confusion_matrix(np.array([0, 0]), np.array([0, 0]), 2), ["a", "b"])

    assert text.splitlines() == [
        "      predicted",
        "true    a    b   recall",
        "a       2    ·  100.0 %",
        "b       ·    ·        -",
        "      100    -   precision in %",
    ]


def test_too_many_classes_show_their_worst_mistakes():
    counts = np.eye(40, dtype=int) * 9
    counts[3, 7], counts[5, 1] = 4, 2

    assert confusion_table(counts, [f"c{i}" for i in range(40)]).splitlines() == [
        "40 classes; the most frequent mistakes:",
        "    4  c3 → c7",
        "    2  c5 → c1",
    ]
    assert confusion_table(np.eye(40, dtype=int), [str(i) for i in range(40)]) == "no mistakes"


@pytest.mark.parametrize("true", [[1.0, 2.0, 3.0], [5.0], [2.0, 2.0]])
def test_a_scatter_shows_every_row_inside_its_frame(true):
    text = scatter(np.array(true), np.array(true), width=40, height=6)

    assert all(len(line) <= 40 for line in text.splitlines())
    assert text.count("·") + 2 * text.count("•") == len(true)
