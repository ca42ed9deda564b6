"""Text drawings: boxes and arrows where they fit, rails where they do not."""

import re

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, draw
from clearprop.see.columns import columns
from clearprop.see.drawing.arrange import layout
from clearprop.see.drawing.text import rails, text


def lecture() -> Tensor:
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    e = (a + b) * b**3
    e.backward()
    return e


def test_the_lecture_as_boxes():
    expected = """
╭ a ──────────────╮    ┌ Add ──────────┐
│ value=7         │───▶│ value=10      │─╮
│ grad=27         │ ╭─▶│ grad=27       │ │  ╔ Multiply ═╗
╰─────────────────╯ │  └───────────────┘ ╰─▶║ value=270 ║
                    │                    ╭─▶║ grad=1    ║
╭ b ──────────────╮ │  ┌ Power b ** 3 ─┐ │  ╚═══════════╝
│ value=3         │─┴─▶│ value=27      │─╯
│ grad=270+27=297 │    │ grad=10       │
╰─────────────────╯    └───────────────┘"""

    assert text(layout(lecture()), width=100) == expected.lstrip("\n")


def test_the_lecture_as_rails():
    expected = """
●   a            value=7    grad=27
│ ● b            value=3    grad=270+27=297
●─┤ Add          value=10   grad=27
│ ● Power b ** 3 value=27   grad=10
●─╯ Multiply     value=270  grad=1"""

    assert text(layout(lecture()), width=30) == expected.lstrip("\n")


def test_a_rail_passes_under_another():
    a, b, c = (Tensor(v, name=n) for v, n in ((1.0, "a"), (2.0, "b"), (3.0, "c")))
    sum_of_all = (a + c) * b + a * c

    lines = rails(layout(sum_of_all)).splitlines()

    assert lines[0].startswith("●")
    assert len(lines) == len(layout(sum_of_all).boxes)
    assert lines[-1].startswith("●")


def test_no_line_is_wider_than_asked_when_boxes_are_drawn():
    drawn = text(layout(lecture()), width=60)

    assert max(map(len, drawn.splitlines())) <= 60


def test_matrices_stand_beside_their_gradients():
    X = Tensor([[1.0, 2.0], [3.0, 4.0]], name="X")
    np.sum(X * X).backward()
    total = np.sum(X * X)

    drawn = text(layout(total), width=200)

    assert re.search(r"value │ grad *│", drawn)
    assert re.search(r"1  2  │ 2  4", drawn)


def test_colours_are_the_terminals_and_leave_the_widths_alone():
    plain = text(layout(lecture()), width=100)

    painted = text(layout(lecture()), width=100, colour=True)

    assert "\x1b[34m" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == plain


@pytest.mark.parametrize("width", [30, 100])
def test_ascii_serves_every_terminal(width):
    text(layout(lecture()), width=width, ascii=True).encode("ascii")


def test_a_long_graph_is_a_list():
    t = Tensor(1.0, name="t")
    for _ in range(300):
        t = t + 1

    lines = text(layout(t), width=100).splitlines()

    assert len(lines) == 301
    assert all(line.startswith("● ") for line in lines)


def test_one_tensor_alone_is_one_box():
    assert text(layout(Tensor(2.0, name="a")), width=80).splitlines()[0].startswith("╔ a ")


def wires_meet_boxes(drawn: str) -> bool:
    """Tell whether each arrow head stands right before a box."""
    return all(line[i + 1] in "│║┃┆" for line in drawn.splitlines() for i, c in enumerate(line) if c == "▶")


def test_every_arrow_ends_at_a_box():
    draw = np.random.default_rng(4)
    nodes = [Tensor(float(i), name=f"x{i}") for i in range(4)]
    for _ in range(12):
        i, j = draw.integers(len(nodes), size=2)
        nodes.append(nodes[i] + nodes[j] if i != j else np.tanh(nodes[i]))
    total = nodes[-1]
    for node in nodes[-6:-1]:
        total = total * node

    drawn = text(layout(total), width=10_000)

    assert "▶" in drawn
    assert wires_meet_boxes(drawn)


def test_a_narrow_terminal_gets_the_list_with_rails(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    a, b = Tensor(7.0), Tensor(3.0)
    shown = clearprop.draw((a + b) * b**3).to_text()

    assert max(map(len, shown.splitlines())) <= 40
    assert "●" in shown


def test_wide_letters_take_two_columns():
    b, c = Tensor(3.0, name="\u5b66\u4e60\u7387"), Tensor(1.5, name="\N{FOX FACE} fox e\u0301")
    e = b * c
    e.backward()
    shown = draw(e).to_text()

    frames = re.findall(r"^[\u256d\u2570].*?[\u256e\u256f]", shown, re.MULTILINE)
    assert len(frames) == 4
    assert len(set(map(columns, frames))) == 1  # the inputs are one column
    assert draw(e).layout.box_of(b).w >= 2 * 3 * 7.53 + 20
    assert [columns(line.split("value")[0]) for line in clearprop.trace(e).to_text().splitlines()[1:3]] == [
        16,
        16,
    ]


def test_complex_numbers_are_written_out():
    z = Tensor(np.array([1 + 2j, 3 - 1j]), name="z")
    o = np.abs(z * z).sum()
    o.backward()

    assert "value [1+2j, 3-1j]" in draw(o).to_text()
    assert ">1+2j<" in draw(o).to_svg()
    assert '"e":["1+2j","3-1j"]' in draw(o).to_html().replace(", ", ",").replace(": ", ":")
    many = Tensor(np.full((9, 9), 3 + 4j), name="many")
    assert "|z|: all 5" in draw(np.abs(many).sum()).to_text()
