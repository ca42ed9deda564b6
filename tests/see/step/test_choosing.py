"""The page on which the reader chooses the order of a backward pass."""

import re

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.cli import main


@pytest.fixture
def page(browser, tmp_path):
    opened = []

    def show(output, names, **options):
        path = tmp_path / "choose.html"
        path.write_text(clearprop.trace(output, names=names, **options).to_choice(), encoding="utf-8")
        shown, errors = browser.new_page(), []
        shown.on("pageerror", lambda error: errors.append(str(error)))
        shown.on("request", lambda request: errors.append(request.url) if "http" in request.url[:4] else None)
        shown.goto(path.as_uri())
        opened.append((shown, errors))
        return shown

    yield show
    for shown, errors in opened:
        shown.close()
        assert errors == []


def lecture():
    a, b = Tensor(7.0), Tensor(3.0)
    c, d = a + b, b**3
    e = c * d
    return e, {"a": a, "b": b, "c": c, "d": d, "e": e}


def choose(page, *names):
    for name in names:
        page.get_by_role("group", name="Nodes").get_by_role("button", name=name, exact=True).click()


def test_a_node_may_come_when_all_its_users_have(page):
    shown = page(*lecture())
    assert shown.text_content("#left") == "5 orders still possible"

    choose(shown, "d")
    assert shown.text_content("#said").startswith("d cannot come yet: e uses it")
    choose(shown, "e", "d", "b")
    assert shown.text_content("#said").startswith("b cannot come yet: c uses it")
    assert shown.text_content("#left") == "2 orders still possible"
    choose(shown, "c", "b", "a")
    assert "this order is topological" in shown.text_content("#said")
    assert shown.text_content("#order") == "Your order: e, d, c, b, a"


def test_the_page_speaks_german(page):
    shown = page(*lecture(), language="de")
    assert shown.text_content("#left") == "5 Reihenfolgen sind noch möglich"
    assert shown.get_attribute("html", "lang") == "de"

    shown.get_by_role("group", name="Knoten").get_by_role("button", name="d", exact=True).click()
    assert shown.text_content("#said").startswith("d ist noch nicht dran: e benutzt es")
    for name in "edcba":
        shown.click(f'[data-node]:text-is("{name}")')
    assert "diese Reihenfolge ist topologisch" in shown.text_content("#said")
    assert shown.text_content("#order") == "Deine Reihenfolge: e, d, c, b, a"
    shown.click("#undo")
    assert shown.text_content("#said") == "Zurückgenommen."
    english = r"\b(the|and|of|order|node|next|take|start|it|which|gradient is)\b"
    assert not re.search(english, shown.inner_text("body"))


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_drawing_fits_the_window_and_fills_it(page, width):
    shown = page(*lecture())
    shown.set_viewport_size({"width": width, "height": 800})
    box = shown.locator(".drawing svg").bounding_box()

    assert box["x"] + box["width"] <= width
    assert box["width"] >= min(0.9 * width, 900)
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_gradients_are_those_of_the_pass(page):
    shown = page(*lecture())
    choose(shown, "e", "c")
    texts = shown.locator(".box text").all_text_contents()
    assert "grad=27" in texts
    assert "grad=?" not in texts[:2]

    choose(shown, "d")
    assert any(
        text in ("grad=27+270=297", "grad=270+27=297") for text in shown.locator("text").all_text_contents()
    )
    shown.click("#undo")
    assert not any("297" in text for text in shown.locator("text").all_text_contents())


def test_the_page_counts_as_python_does(page):
    rng = np.random.default_rng(3)
    for _ in range(3):
        nodes = [Tensor(1.5), Tensor(2.5)]
        for _ in range(7):
            i, k = rng.integers(len(nodes), size=2)
            nodes.append(nodes[i] * nodes[k] if rng.random() < 0.5 else nodes[i] + nodes[k])
        output = nodes[-1]
        expected = clearprop.count_orders(output)
        shown = page(output, None)

        assert shown.text_content("#left").split()[0] == f"{expected:,}"


def test_arrows_turn_round_where_a_gradient_goes_back(page):
    shown = page(*lecture())
    choose(shown, "e")
    heads = shown.eval_on_selector_all(
        ".edge", "all => all.map(e => [e.matches('.active'), e.querySelector('.head').getAttribute('d')])"
    )

    assert sorted(active for active, _ in heads) == [False, False, False, True, True]
    assert all(("l9 " in head) == active for active, head in heads)


def test_a_box_of_the_drawing_can_be_clicked(page):
    shown = page(*lecture())
    shown.locator(".box.output").click()

    assert shown.text_content("#order") == "Your order: e"


def test_arrays_are_chosen_too(page):
    X, w = Tensor(np.ones((3, 2))), Tensor(np.ones(2))
    shown = page(np.sum((X @ w) ** 2), None)
    for button in shown.locator("[data-node]").all():
        button.click()

    assert "this order is topological" in shown.text_content("#said")


def test_what_is_too_large_or_has_another_ending_is_refused(tmp_path, capsys):
    y = x = Tensor(1.0)
    for _ in range(70):
        y = y * x
    with pytest.raises(ValueError, match="a page of orders: shows at most 60 nodes"):
        clearprop.trace(y).to_choice()
    assert main(["step", "a*b", "a=1", "b=2", "--choose", str(tmp_path / "x.svg")]) == 2
    assert "wants a name that ends in .html" in capsys.readouterr().err


@pytest.mark.parametrize("algorithm", ["tree", "recursive"])
def test_a_pass_that_does_not_wait_is_no_page_of_orders(algorithm):
    c = Tensor(2.0) * 3
    with pytest.raises(ValueError, match="a page of orders: shows the topological pass"):
        clearprop.trace(c * c + c, algorithm=algorithm).to_choice()


def test_a_graph_with_hooks_is_no_page_of_orders():
    c = Tensor(2.0) * 3
    with c.register_hook(lambda g: 10 * g), pytest.raises(ValueError, match="there is a hook"):
        clearprop.trace(c * c).to_choice()


@pytest.mark.filterwarnings("error")
def test_complex_gradients_are_shown_whole():
    z = Tensor(1 + 2j, name="z")

    assert '"sends":[[0,"0.447214+0.894427j"' in clearprop.trace(np.abs(z)).to_choice()
