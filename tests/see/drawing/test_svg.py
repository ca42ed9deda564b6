"""SVG: well formed, addressable by id, readable without eyes, in light and dark."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from clearprop import Tensor, draw, nn, trace
from clearprop.see.drawing.arrange import layout
from clearprop.see.drawing.boxes import note_of
from clearprop.see.drawing.pictures import colours, heat_png, picture
from clearprop.see.drawing.svg import DARK, LIGHT, describe, style, svg
from clearprop.see.numbers import brief, number, summary


@pytest.fixture
def lecture():
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    e = (a + b) * b**3
    e.name = "e"
    return e


def texts(drawn: str) -> dict[str, str]:
    root = ElementTree.fromstring(drawn)
    return {
        t.get("id"): "".join(t.itertext())
        for t in root.iter("{http://www.w3.org/2000/svg}text")
        if t.get("id")
    }


def test_boxes_say_what_the_slides_say(lecture):
    lecture.backward()

    shown = texts(svg(layout(lecture)))

    assert shown["cp-n0-title"] == "a"
    assert shown["cp-n0-value"] == "value=7"
    assert shown["cp-n1-grad"] == "grad=270+27=297"
    assert shown["cp-n2-title"] == "Add"
    assert shown["cp-n2-value"] == "value=10"
    assert shown["cp-n3-title"] == "Power b ** 3"
    assert shown["cp-n4-title"] == "Multiply e"
    assert shown["cp-n4-grad"] == "grad=1"


def test_a_gradient_that_is_not_known_yet_is_a_question_mark(lecture):
    assert {text for id, text in texts(svg(layout(lecture))).items() if id.endswith("-grad")} == {"grad=?"}


def test_every_box_and_arrow_has_an_id_of_its_own(lecture):
    drawn = layout(lecture)

    ids = re.findall(r'<g class="(?:box|edge)[^"]*" id="([^"]+)"', svg(drawn, prefix="left"))

    assert sorted(ids) == sorted(f"left-{thing.id}" for thing in (*drawn.boxes, *drawn.edges))


def test_texts_can_be_replaced_and_boxes_lit(lecture):
    drawn = svg(layout(lecture), texts={"n1": {"grad": "grad=0+270"}}, active=["n1", "n1-n3-0"], alarm=["n0"])

    assert texts(drawn)["cp-n1-grad"] == "grad=0+270"
    assert 'class="box input active" id="cp-n1"' in drawn
    assert 'class="edge active" id="cp-n1-n3-0"' in drawn
    assert 'class="box input alarm" id="cp-n0"' in drawn


def test_inputs_intermediates_and_the_output_have_colours_of_their_own(lecture):
    kinds = {box.title: box.kind for box in layout(lecture).boxes}

    assert kinds == {"a": "input", "b": "input", "Add": "middle", "Power": "middle", "Multiply": "output"}
    assert len({LIGHT[f"{kind}-fill"] for kind in ("input", "middle", "output", "constant", "module")}) == 5


def test_a_screen_reader_is_told_every_box_and_arrow(lecture):
    drawn = layout(lecture)

    words = describe(drawn)

    assert 'role="img" ' in svg(drawn)
    assert f'<desc id="cp-desc">{words}</desc>' in svg(drawn)
    assert words.startswith("5 boxes, 5 arrows. ")
    assert "Multiply e (output: value=270, grad=?), from Add and Power b ** 3." in words


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("kind", ["input", "middle", "output", "constant", "module"])
def test_text_is_readable_on_every_box(palette, kind):
    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(palette[one]), luminance(palette[other])))
        return (high + 0.05) / (low + 0.05)

    assert contrast("ink", f"{kind}-fill") >= 7.0  # WCAG 2, AAA
    assert contrast("soft", f"{kind}-fill") >= 4.5
    assert contrast(f"{kind}-edge", "paper") >= 3.0


def test_colours_are_variables_unless_a_theme_is_asked_for():
    assert "prefers-color-scheme:dark" in style()
    assert "var(--cp-ink)" in style()
    assert "var(" not in style("light")
    assert LIGHT["ink"] in style("light")
    assert DARK["ink"] in style("dark")


def test_names_are_escaped():
    drawn = svg(layout(Tensor(1.0, name="<b>&") * 2), title='"x" < y')

    ElementTree.fromstring(drawn)
    assert "<b>" not in drawn


def test_arrays_show_shape_dtype_and_a_picture():
    x = Tensor(np.arange(600.0).reshape(30, 20) - 300, name="x")
    y = np.mean(x * 2)
    y.backward()

    drawn = svg(layout(y))

    assert "(30, 20) float64" in drawn
    assert "value -300 … 299" in drawn
    assert 'id="cp-n0-value-picture"' in drawn
    assert "data:image/png;base64," in drawn


def test_small_arrays_show_their_numbers():
    X, w = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name="X"), Tensor([1.0, -1.0], name="w")
    loss = np.mean((X @ w - Tensor([0.0, 1.0, 2.0], name="y")) ** 2)
    loss.backward()

    drawn = layout(loss)

    w_box = next(box for box in drawn.boxes if box.title == "w")
    assert w_box.grad_picture.rows.tolist() == [pytest.approx([-44 / 3, -56 / 3])]
    assert ">-14.7</text>" in svg(drawn)
    assert ">-18.7</text>" in svg(drawn)


def test_a_large_array_is_summarised_in_little_room():
    x = Tensor(np.zeros((1000, 1000)) + np.arange(1000), name="x")

    assert len(svg(layout(x * 2))) < 12_000


def test_nan_and_infinity_are_called_by_name():
    assert summary(np.array([1.0, np.nan, np.inf, -np.inf])) == "1 NaN 2 inf"
    assert colours([[1.0, np.nan]]).tolist()[0][1] == [214, 0, 170]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (-1.5e-9, "-1.5e-9"),
        (1e22, "1e22"),
        (np.nan, "nan"),
        (np.inf, "inf"),
        (3, "3"),
        (2.5, "2.5"),
    ],
)
def test_numbers_are_short(value, words):
    assert number(value) == words


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 3)), "empty"),
        (np.array([True, False, True]), "2/3 T"),
        (np.array([2, 7]), "2 … 7"),
        (np.full((9, 9), 0.1), "all 0.1"),
        (np.array([-0.012345, 123456.0]), "-0.012 … 1.2e5"),
    ],
)
def test_arrays_are_summarised(array, words):
    assert summary(array) == words


@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (6,), (7,), (100,), (3, 2), (4, 5), (40, 3), (2, 3, 4, 5), (1, 64)]
)
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_arrays_of_any_shape_and_dtype_can_be_pictured(shape, dtype):
    array = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 3).astype(dtype)
    x = Tensor(array, name="x", requires_grad=False)
    found = picture(array)

    ElementTree.fromstring(svg(layout(x)))
    assert (found is None) == (array.size == 0 or array.ndim == 0)
    if found is not None:
        assert found.width <= 200
        assert found.height <= 90


def test_a_heat_map_is_a_png_of_squares():
    assert heat_png(np.eye(3)).startswith("data:image/png;base64,iVBORw0KGgo")


def test_briefs_fit_a_cell():
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=200) * 10.0 ** draw.integers(-12, 12, 200)

    assert max(len(brief(x)) for x in numbers) <= 9


def test_notes_show_numbers_attributes_and_repeats():
    a, b = Tensor(2.0, name="a"), Tensor([[1.0, 2.0]], name="b")

    assert note_of(2 * a, {}) == "2 * a"
    assert note_of(a * a, {}) == "a * a"
    assert note_of(a + 1.5, {id(a): "z"}) == "z + 1.5"
    assert note_of(b[0, 1:], {}) == "b[0, 1:]"
    assert note_of(b.sum(axis=0), {}) == "axis=0"
    assert note_of(b.clip(0, 1), {}) == "clip(b, 0, 1)"
    assert note_of(b + b.T, {}) == ""


def test_pieces_are_boxes_that_tell_their_slices():
    first, second = np.split(Tensor([1.0, 2.0, 3.0, 4.0], name="x"), 2)
    total = np.sum(first * second)
    total.backward()

    drawn = layout(total)

    pieces = [box.note for box in drawn.boxes if box.title == "Getitem"]
    assert pieces == ["x[0:2]", "x[2:4]"]
    ElementTree.fromstring(svg(drawn))


def test_a_nan_is_marked_where_it_is():
    x = Tensor([1.0, -1.0], name="x")
    with np.errstate(all="ignore"):
        total = np.sum(np.log(x) * 2)

    drawn = svg(layout(total))

    assert re.findall(r'class="box (\w+)( alarm)?"', drawn) == [
        ("input", ""),
        ("middle", " alarm"),
        ("middle", " alarm"),
        ("output", " alarm"),
    ]
    assert "value 1 NaN" in drawn or ">nan</text>" in drawn


def test_a_german_drawing_has_no_english_word(lecture):
    """What a screen reader is told, and what a notebook says that does not run its pages, among them."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    out = net(np.ones((1, 2), "f4")).sum()
    code = re.compile(r"<style>.*?</style>|\s(?!aria-label=|alt=)[\w:-]+=\"[^\"]*\"|</?\w+")
    heard = {}
    for language in ("en", "de"):
        steps = trace(lecture, language=language)
        drawings = draw(lecture, language=language), draw(out, net, language=language), steps
        said = [drawn.to_svg() for drawn in drawings] + [steps.to_svg(3)]
        said.append(re.split("<iframe|</iframe>", steps._repr_html_())[0])
        heard[language] = set(re.findall(r"[^\W\d_]{2,}", code.sub(" ", " ".join(said))))

    assert {"Kästen", "Eingang", "aus", "Rechengraph", "Zelle", "Parameter"} <= heard["de"]
    alike = {"grad", "value", "float", "net", "Linear", "out", "axis", "bias", "weight", "Tanh", "Sum"}
    assert heard["en"] & heard["de"] <= alike
