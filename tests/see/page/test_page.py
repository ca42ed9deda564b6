"""The pages of whole graphs in a real browser: what can be counted of what a reader sees and does."""

import functools
import io
import json
import re

import numpy as np
import pytest
from tests.browsing import rest
from tests.see.page.test_tree import blocks, random_graph, scalars

import clearprop
from clearprop import Tensor, draw, nn
from clearprop.errors import InputError
from clearprop.see.step.captions import SLOT
from clearprop.see.words import DRAWING


@functools.cache
def large() -> clearprop.see.Drawing:
    """Two thousand numbers."""
    output = scalars(24)
    output.backward()
    return draw(output)


class Attention(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(size, size) for _ in range(4))

    def forward(self, x):
        weights = clearprop.softmax(self.q(x) @ np.transpose(self.k(x), (0, 2, 1)) / 4.0, axis=-1)
        return self.o(weights @ self.v(x))


class Layer(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.before, self.attention, self.after = nn.LayerNorm(size), Attention(size), nn.LayerNorm(size)
        self.up, self.down = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x):
        x = x + self.attention(self.before(x))
        return x + self.down(np.tanh(self.up(self.after(x))))


def transformer() -> tuple[Tensor, nn.Module]:
    """The loss and the model of a transformer of twelve layers."""
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Sequential(*[Layer(16) for _ in range(12)]), nn.LayerNorm(16), nn.Linear(16, 11))
    x = np.random.default_rng(0).normal(size=(2, 6, 16)).astype(np.float32)
    y = np.arange(12) % 11
    return nn.CrossEntropyLoss()(net(x).reshape(12, 11), y), net


@functools.cache
def deep() -> clearprop.see.Drawing:
    loss, net = transformer()
    loss.backward()
    return draw(loss, net)


@functools.cache
def residual() -> clearprop.see.Drawing:
    loss, net = blocks(20)
    loss.backward()
    return draw(loss, net)


@functools.cache
def small() -> clearprop.see.Drawing:
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    e = (a + b) * b**3
    e.backward()
    return draw(e)


@functools.cache
def tangled() -> clearprop.see.Drawing:
    output = random_graph(600)
    output.backward()
    return draw(output)


@functools.cache
def joined() -> clearprop.see.Drawing:
    """A thousand arrays that become one."""
    x = Tensor(np.random.default_rng(0).normal(size=10), name="x")
    output = np.stack([np.sin(x[i % 10] * (i + 1)) for i in range(1000)])
    output.sum().backward()
    return draw(output)


@functools.cache
def named() -> clearprop.see.Drawing:
    """Names that are long, wide, or mark-up."""
    long = "the_learning_rate_of_the_second_part_of_the_encoder_before_it_was_warmed_up"
    names = (
        long,
        "\u5b66\u4e60\u7387" * 12,
        "\N{FOX FACE} fox",
        "<b>bold</b><script>alert(1)</script>&amp;\"'",
    )
    a, b, c, d = (Tensor(n + 1.5, name=name) for n, name in enumerate(names))
    output = (a * b + c) * d * np.exp(-d) + b
    output.backward()
    return draw(output)


@functools.cache
def hundreds() -> clearprop.see.Drawing:
    """Three hundred numbers."""
    output = scalars(8)
    output.backward()
    return draw(output)


GRAPHS = {
    "large": large,
    "hundreds": hundreds,
    "joined": joined,
    "named": named,
    "deep": deep,
    "residual": residual,
    "small": small,
    "tangled": tangled,
}


ALIKE = """value grad mask index Sequential Linear Relu Dropout SVG PNG float bool int out net
    Matmul weight bias in log softmax Log all Operation op axis where"""


def find(page, path):
    return page.evaluate_handle("(path) => probes.group(path)", path)


def corner(page, group):
    return page.evaluate("(g) => clearprop.stage.onScreen(g)", group)


# --- the first view -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", GRAPHS)
def test_the_first_view_is_readable_and_whole(visit, name):
    page = visit(GRAPHS[name]())

    boxes = page.evaluate("probes.rectangles()")
    width, height = page.evaluate("[clearprop.stage.width, clearprop.stage.height]")
    assert 5 <= len(boxes) <= 60
    assert all(x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height for x0, y0, x1, y1 in boxes)
    sizes = page.evaluate("probes.textSizes()")
    assert min(sizes) >= 9
    assert page.evaluate("clearprop.stage.tree.groups().filter((g) => g.loss && g.open).length") == 0


@pytest.mark.parametrize("name", GRAPHS)
def test_the_first_view_can_be_read_on_a_telephone(visit, name):
    page = visit(GRAPHS[name](), width=390, height=844)

    assert all(x0 >= 0 and x1 <= 390 for x0, _, x1, _ in page.evaluate("probes.rectangles()"))
    sizes = page.evaluate("probes.textSizes()")
    assert len(sizes) >= 5
    assert min(sizes) >= 9
    assert page.evaluate("probes.textsOutside()") == []


def arrays() -> Tensor:
    """A small network of arrays that no group folds, with names as long as people give them."""
    rng = np.random.default_rng(0)
    rows = Tensor(rng.normal(size=(4, 3)), name="rows")
    hidden, readout = (Tensor(rng.normal(size=s), name=f"W{s[1]}") for s in [(3, 5), (5, 2)])
    loss = ((np.tanh(rows @ hidden + Tensor(rng.normal(size=5), name="bias")) @ readout) ** 2).mean()
    loss.backward()
    return loss


WIDTHS = (360, 390, 480, 640, 768, 900, 1024, 1200, 1366, 1536, 1920)


def read_at(page, width, again=True):
    """The size of the smallest text in a window of this width, and the corner of the first box."""
    page.set_viewport_size({"width": width, "height": 800})
    if again:
        page.evaluate("history.replaceState(null, '', location.pathname)")
        page.reload()
        page.wait_for_function("window.clearprop")
    rest(page)
    assert page.evaluate("probes.textsOutside()") == []
    first = "[...probes.rectangles()].sort((a, b) => a[0] + a[1] - b[0] - b[1])[0].slice(0, 2)"
    sizes = page.evaluate("probes.textSizes()")
    assert len(sizes) >= 5
    return min(sizes), *page.evaluate(first)


@pytest.mark.parametrize("make", [draw, clearprop.trace])
def test_what_nothing_folds_can_be_read_at_every_width(visit, make):
    page = visit(make(arrays()))
    assert page.evaluate("clearprop.stage.tree.groups().length") == 1

    for again in (True, False):
        for width in WIDTHS:
            size, x, y = read_at(page, width, again)
            height = page.evaluate("clearprop.stage.height")
            assert size >= 9
            assert 0 <= x < width / 2
            assert 0 <= y < height - 20
    page.evaluate("clearprop.stage.fit(true)")
    width, height = page.evaluate("[clearprop.stage.width, clearprop.stage.height]")
    assert all(
        x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height
        for x0, y0, x1, y1 in page.evaluate("probes.rectangles()")
    )


@pytest.mark.parametrize("name", ["deep", "hundreds", "named"])
def test_the_first_view_can_be_read_at_every_width(visit, name):
    page = visit(GRAPHS[name]())

    assert min(read_at(page, width)[0] for width in WIDTHS) >= 9


@pytest.mark.parametrize(("name", "most"), [("deep", 600_000), ("large", 500_000), ("small", 90_000)])
def test_a_page_is_one_small_file_without_addresses(name, most):
    page = GRAPHS[name]().to_html()

    assert len(page.encode()) <= most
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_a_long_name_is_cut_in_the_drawing_and_whole_beside_it(visit):
    page = visit(named())
    page.fill("#find", "warmed_up")
    page.keyboard.press("Enter")

    assert (
        page.locator("text.title:has-text('the_learning_rate_of_the_seco')").text_content().count("\u2026")
        == 1
    )
    assert page.text_content("#panel h2").endswith("encoder_before_it_was_warmed_up")
    assert "<script>alert(1)</script>" in page.evaluate("probes.words()")
    assert (
        page.evaluate("columns('\u5b66a\N{FOX FACE}') + clipped('\u5b66'.repeat(9), 9)")
        == "5\u5b66\u5b66\u2026\u5b66"
    )


@pytest.mark.parametrize("name", ["large", "deep"])
def test_the_first_view_has_few_elements(visit, name):
    assert visit(GRAPHS[name]()).evaluate("document.querySelectorAll('*').length") <= 500


@pytest.mark.parametrize("name", ["large", "deep", "tangled", "residual"])
@pytest.mark.parametrize("depth", [1, 2, 9])
def test_no_boxes_overlap_however_deep_it_is_open(visit, name, depth):
    page = visit(GRAPHS[name]())
    page.evaluate("(d) => clearprop.stage.openTo(d)", depth)

    assert page.evaluate("probes.overlaps()") == []


@pytest.mark.parametrize("name", GRAPHS)
def test_no_text_leaves_its_box(visit, name):
    page = visit(GRAPHS[name]())

    assert page.evaluate("probes.textsOutside()") == []


# --- zoom and place -----------------------------------------------------------------------------------------
def test_the_wheel_zooms_about_the_pointer(visit):
    page = visit(large())
    page.mouse.move(500, 400)
    under = "(point) => probes.under(point)"
    before, scale = page.evaluate(under, [500, 400]), page.evaluate("clearprop.stage.view.k")

    page.mouse.wheel(0, -300)
    page.wait_for_function("(k) => clearprop.stage.view.k > k", arg=scale)
    after, scale = page.evaluate(under, [500, 400]), page.evaluate("clearprop.stage.view.k")

    assert np.hypot(after[0] - before[0], after[1] - before[1]) * scale < 1


def test_drag_moves_and_the_keys_zoom_fit_and_pan(visit):
    page = visit(large())
    view = "({ ...clearprop.stage.view })"
    before = page.evaluate(view)
    page.mouse.move(700, 740)
    page.mouse.down()
    page.mouse.move(760, 700, steps=4)
    page.mouse.up()
    moved = page.evaluate(view)
    assert (moved["x"] - before["x"], moved["y"] - before["y"]) == pytest.approx((60, -40), abs=1)

    page.focus("#stage")
    page.keyboard.press("+")
    assert page.evaluate(view)["k"] == pytest.approx(moved["k"] * 1.25)
    page.keyboard.press("-")
    page.keyboard.press("1")
    assert page.evaluate(view)["k"] == pytest.approx(1)
    x = page.evaluate(view)["x"]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(view)["x"] == pytest.approx(x + 60)
    page.keyboard.press("0")
    assert page.evaluate(view) == pytest.approx(before)


def test_two_fingers_pinch(visit):
    page = visit(deep(), width=390, height=800, has_touch=True, is_mobile=True)
    before = page.evaluate("clearprop.stage.view.k")
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *places):
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (150, 400), (250, 400))
    for spread in range(10, 60, 10):
        fingers("touchMove", (150 - spread, 400), (250 + spread, 400))
    fingers("touchEnd")
    rest(page)

    assert page.evaluate("clearprop.stage.view.k") == pytest.approx(2 * before, rel=0.05)


@pytest.mark.parametrize("width", [390, 1024, 1600])
@pytest.mark.parametrize("name", ["small", "deep"])
def test_nothing_is_cut_off_at_any_width(visit, name, width):
    page = visit(GRAPHS[name](), width=width)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight + 1")
    assert all(x0 >= 0 and x1 <= width for x0, _, x1, _ in page.evaluate("probes.rectangles()"))


def test_the_overview_shows_where_one_is_and_leads_elsewhere(visit):
    page = visit(large())
    assert not page.is_visible(".overview")
    page.evaluate("clearprop.stage.zoom(6)")
    rest(page)
    assert page.is_visible(".overview")
    place = page.locator(".overview").bounding_box()

    page.mouse.click(place["x"] + 5, place["y"] + 5)
    rest(page)
    x0, _, x1, _ = page.evaluate("clearprop.stage.window()")
    assert x0 < 60 < x1 or x0 < 0
    page.mouse.move(place["x"] + 5, place["y"] + 5)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 5, place["y"] + place["height"] - 5)
    page.mouse.up()
    assert page.evaluate("clearprop.stage.window()")[0] > x0


# --- opening ------------------------------------------------------------------------------------------------
def test_a_click_opens_a_module_in_place_and_another_closes_it(visit):
    page = visit(deep())
    run = find(page, "net.0")
    boxes = page.evaluate("clearprop.stage.tree.shownBoxes.length")
    before = corner(page, run)
    where = page.locator("#stage").bounding_box()

    page.mouse.click(where["x"] + before[0] + 40, where["y"] + before[1] + 12)
    rest(page)
    assert page.evaluate("(g) => g.open", run)
    assert page.evaluate("clearprop.stage.tree.shownBoxes.length") == boxes + 12
    assert np.abs(np.subtract(corner(page, run), before)).max() < 1
    page.mouse.click(where["x"] + before[0] + 40, where["y"] + before[1] + 12)
    assert not page.evaluate("(g) => g.open", run)
    assert np.abs(np.subtract(corner(page, run), before)).max() < 1


def test_a_module_is_opened_and_closed_with_the_keyboard_and_keeps_the_focus(visit):
    page = visit(deep())
    name = page.evaluate("probes.group('net.0').id")
    page.focus(f"#cp-{name}")
    page.keyboard.press("Enter")
    rest(page)

    assert page.evaluate("document.activeElement.id") == f"cp-{name}"
    assert page.get_attribute(f"#cp-{name}", "aria-expanded") == "true"


def test_close_all_and_open_to_depth(visit):
    page = visit(deep())
    page.click("#close-all")
    assert page.evaluate("clearprop.stage.tree.groups().filter((g) => g.open).length") == 1
    page.select_option("#depth", "2")
    assert page.evaluate("clearprop.stage.tree.groups().every((g) => g.open === g.depth <= 2)")


def test_one_module_is_shown_alone_with_what_comes_in(visit):
    page = visit(deep())
    page.evaluate("clearprop.stage.reveal(probes.group('net.0.3.attention'))")
    page.click("#panel button:text('Enter')")
    rest(page)

    assert page.locator("#way strong").text_content() == "net.0.3.attention"
    assert page.locator("g[id^=cp-stub]").count() == 1
    page.click("#way button:text('Everything')")
    assert page.text_content("#way strong") == "Everything"


def test_equal_layers_are_one_box_that_lists_them_and_leads_to_one(visit):
    page = visit(deep())
    assert "12 \N{MULTIPLICATION SIGN} Layer" in page.evaluate("fullHead(probes.group('net.0'))")
    page.evaluate("clearprop.stage.choose(probes.group('net.0'))")
    page.fill("#panel input", "7")
    page.keyboard.press("Enter")
    rest(page)

    assert page.evaluate("fullName(clearprop.stage.chosen)") == "net.0.7"


def test_what_draw_is_told_to_open_is_open():
    loss, net = blocks(4)
    told = json.loads(
        re.search(r'id="graph">(.*?)</script>', draw(loss, net, depth=2, expand="0.1").to_html())[1]
    )

    assert (told["depth"], told["expand"]) == (2, ["0.1"])


# --- finding and following ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "finds"),
    [
        ("net.0.7.attention.q.weight", "net.0.7.attention.q.weight"),
        ("softmax", "Softmax"),
        ("(64, 16)", "net.0.0.up.weight"),
    ],
)
def test_search_finds_ops_paths_and_shapes_and_opens_the_way(visit, words, finds):
    page = visit(deep())
    page.keyboard.press("/")
    page.keyboard.type(words)
    assert finds in page.locator("#hits li").first.text_content()
    page.keyboard.press("Enter")
    rest(page)

    [(x0, y0, x1, y1)] = page.evaluate("probes.rectangles((box) => box === clearprop.stage.chosen)")
    width, height = page.evaluate("[clearprop.stage.width, clearprop.stage.height]")
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    assert page.evaluate("clearprop.stage.view.k") == 1
    assert page.evaluate("clearprop.stage.shows") == "elements"


def test_search_and_fit_work_on_a_telephone(visit):
    page = visit(deep(), width=390, height=844, has_touch=True, is_mobile=True)
    page.tap("#find")
    page.keyboard.type("softmax")
    hits = page.locator("#hits").bounding_box()
    assert hits["x"] >= 0
    assert hits["x"] + hits["width"] <= 390
    page.locator("#hits li").first.tap()
    rest(page)
    [(x0, _, x1, _)] = page.evaluate("probes.rectangles((box) => box === clearprop.stage.chosen)")
    assert 0 <= x0 < x1 <= 390
    page.tap("#fit")
    rest(page)
    assert all(x0 >= 0 and x1 <= 390 for x0, _, x1, _ in page.evaluate("probes.rectangles()"))


def test_a_german_page_has_no_english_word(visit):
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), *[nn.Linear(8, 8) for _ in range(5)])
    out = nn.CrossEntropyLoss()(net(np.ones((6, 4), "f4")), np.arange(6) % 3)
    heard = {}
    for language in ("en", "de"):
        page = visit(draw(out, net, names={"net": net, "out": out}, language=language))
        found = [page.evaluate("probes.words()")]
        assert page.get_attribute("html", "lang") == language
        for chosen in ("boxes().find((b) => b.op)", "groups()[1]", "groups().find((g) => g.sealed)"):
            page.evaluate(f"clearprop.stage.reveal(clearprop.stage.tree.{chosen})")
            found.append(page.evaluate("probes.words()"))
        for typed in ("e", "nowhere"):
            page.fill("#find", typed)
            found.append(page.evaluate("probes.words()"))
        heard[language] = set(re.findall(r"[^\W\d_]{2,}", " ".join(found)))

    assert len(heard["de"]) > 80
    assert {"Schließen", "Schicht", "weitere", "Von", "Nach"} <= heard["de"]
    assert " ".join(sorted(heard["en"] & heard["de"] - set(ALIKE.split()))) == ""


@pytest.mark.parametrize("language", [language for language in DRAWING if language != "en"])
def test_every_language_has_every_word_with_the_same_slots(language):
    table, english = DRAWING[language], DRAWING["en"]

    assert table.keys() == english.keys()
    for key, words in english.items():
        assert sorted(SLOT.findall(table[key])) == sorted(SLOT.findall(words)), key
        assert table[key] != words, key


def test_a_language_that_nobody_speaks_here_is_refused():
    with pytest.raises(InputError, match="is one of en, de"):
        draw(Tensor(1.0, name="a") * 2, language="xx")


@pytest.mark.parametrize("name", ["deep", "hundreds"])
def test_tab_reaches_every_visible_box_of_a_large_graph(visit, name):
    page = visit(GRAPHS[name]())
    boxes = set(page.evaluate("clearprop.stage.tree.shownBoxes.map((box) => `cp-${box.id}`)"))
    reached = set()
    for _ in range(len(boxes) + 30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))

    assert boxes <= reached


def test_a_search_that_finds_nothing_says_so(visit):
    page = visit(small())
    page.fill("#find", "nowhere")

    assert page.text_content("#hits") == "Nothing is called that."


def test_a_chosen_box_lights_its_arrows_both_ways_and_lists_its_neighbours(visit):
    page = visit(small())
    page.click("#cp-n2")

    assert page.locator(".edge.active").count() == 3  # from a and b, and to the product
    assert page.locator("#panel ul").nth(0).locator("button").all_text_contents() == ["a", "b"]
    page.click("#panel ul >> nth=1 >> button")
    assert page.evaluate("clearprop.stage.chosen.id") == "n4"
    page.click("#panel .close")
    assert page.locator(".edge.active").count() == 0


def test_every_arrow_of_a_box_is_lit_as_far_as_it_is_in_sight(visit):
    page = visit(deep())
    page.evaluate("clearprop.stage.openTo(9)")

    assert page.evaluate("probes.torn()") == []


# --- what is kept and saved ---------------------------------------------------------------------------------
def test_the_address_restores_what_was_seen(visit):
    first = visit(deep())
    first.evaluate("clearprop.stage.reveal(probes.group('net.0.5'))")
    first.evaluate("clearprop.stage.zoom(1.3)")
    zoom = "new URLSearchParams(location.hash.slice(1)).get('zoom')"
    first.wait_for_function(f"location.hash.includes('box=') && {zoom} === clearprop.stage.view.k.toFixed(4)")
    state = "probes.state()"
    before, address = first.evaluate(state), first.evaluate("location.hash")

    after = visit(deep(), address=address).evaluate(state)

    assert after[0] == pytest.approx(before[0], abs=1e-3)
    assert after[1] == pytest.approx(before[1], abs=1.5)
    assert after[2:] == before[2:]


def test_what_is_seen_is_saved_as_svg_and_png(visit, tmp_path):
    page = visit(small())
    with page.expect_download() as saving:
        page.click("#save-svg")
    text = saving.value.path().read_text()
    with page.expect_download() as saving:
        page.click("#save-png")

    assert text.startswith("<svg")
    assert "grad=270+27=297" in text
    assert "var(" not in text
    assert saving.value.path().read_bytes().startswith(b"\x89PNG")
    assert saving.value.suggested_filename.endswith(".png")


# --- two ways of drawing ------------------------------------------------------------------------------------
LOOKS = [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}]


@pytest.mark.parametrize("looks", LOOKS, ids=lambda looks: next(iter(looks.values())))
def test_canvas_and_elements_show_the_same(visit, looks):
    Image = pytest.importorskip("PIL.Image")
    page = visit(small(), **looks)
    rest(page)
    elements = page.locator("#stage").screenshot()
    page.evaluate(
        "(() => { const s = clearprop.stage; s.moving = true; s.frame(); clearTimeout(s.resting); })()"
    )
    assert page.evaluate("clearprop.stage.shows") == "canvas"
    canvas = page.locator("#stage").screenshot()

    a, b = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float) for data in (elements, canvas))
    assert a.shape == b.shape
    assert np.abs(a - b).max(axis=2).mean() < 2.5  # edges of letters are smoothed differently
    assert (np.abs(a - b).max(axis=2) > 100).mean() < 0.004


def test_light_and_dark_differ_and_a_change_is_followed(visit):
    page = visit(small(), color_scheme="light")
    light = page.evaluate("clearprop.stage.colours.paper")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("(c) => clearprop.stage.colours.paper !== c", arg=light)


def test_tab_reaches_every_box_and_a_screen_reader_hears_it(visit):
    page = visit(small())
    heard = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        heard.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))

    assert {"a, value=7, grad=27", "b, value=3, grad=270+27=297", "Multiply e, value=270, grad=1"} <= heard


def test_a_screen_reader_hears_the_boxes_also_while_the_canvas_is_shown(visit):
    page = visit(large())
    page.evaluate("clearprop.stage.openTo(9)")
    rest(page)

    assert page.evaluate("clearprop.stage.shows") == "canvas"
    assert "value=" in " ".join(page.locator(".stage .silent button").all_text_contents())


def test_names_and_titles_cannot_break_the_page(visit):
    x = Tensor(2.0, name="</script><img src=x onerror=alert(1)>&\"'")
    page = visit(draw(x * x, title="<b>"))

    assert page.locator("img, b").count() == 0
    assert "</script><img" in page.locator(".stage text").first.text_content()


def test_a_single_leaf_can_be_shown(visit):
    page = visit(draw(Tensor(2.0, name="x")))

    assert page.locator(".stage .box").count() == 1


def test_nan_is_marked(visit):
    page = visit(draw(Tensor(np.nan, name="x") * 2.0))

    assert page.locator(".stage .box.alarm").count() == 2


def test_a_graph_of_the_lecture_stands_in_the_columns_of_the_slides(visit):
    page = visit(small())
    assert page.locator(".heading").all_text_contents() == ["Input", "Intermediate", "Output"]
    middle = page.evaluate("clearprop.stage.tree.headings.map((heading) => heading.x)")
    boxes = page.evaluate("clearprop.stage.tree.shownBoxes.map((b) => b.x + b.w / 2)")
    assert middle == pytest.approx([boxes[0], boxes[2], boxes[4]], abs=2)
    assert visit(deep()).locator(".heading").count() == 0


def test_on_a_telephone_a_tall_graph_is_as_large_as_it_can_be_read(visit):
    y = Tensor(np.ones((3, 2)), name="x")
    for _ in range(7):
        y = np.tanh(y * 0.5)
    page = visit(draw(y.sum()), width=390, height=844)
    at = "clearprop.stage.tree.shownBoxes.map(box => clearprop.stage.onScreen(box)[1])"

    assert page.evaluate("clearprop.stage.view.k") * 10.5 >= 9
    assert 0 <= min(page.evaluate(at)) < 40
    page.click("#fit")
    assert max(page.evaluate(at)) < page.evaluate("clearprop.stage.height")
