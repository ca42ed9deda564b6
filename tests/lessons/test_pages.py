"""The lessons in a real browser: silent, offline; a quiz of three digits, keys, a telephone, print."""

import itertools

import pytest
from tests.browsing import rest

from clearprop.lessons import course
from clearprop.lessons.findings import FOUND
from clearprop.lessons.texts import ORDER

SIZES = {"wide": (1280, 800), "middle": (800, 900), "narrow": (390, 800)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("course")
    course(made)
    return made


@pytest.fixture
def visit(browser, folder):
    """Open a lesson from its file with the network off; any console message or request is a failure."""
    contexts, complaints = [], []

    def opened(name, size="wide", address="", **options):
        width, height = SIZES[size]
        context = browser.new_context(offline=True, viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda r: complaints.append(r.url) if r.url[:5] not in ("file:", "data:") else None
        )
        page.goto((folder / f"{name}.html").as_uri() + address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


LOOKED_AT = [(name, size) for name in [*ORDER, "index", "handout"] if name not in FOUND for size in SIZES]
LOOKED_AT += zip(FOUND, itertools.cycle(SIZES))  # which are alike but for their words and curves


@pytest.mark.parametrize(("name", "size"), LOOKED_AT)
def test_a_page_is_silent_and_fits(visit, name, size):
    page = visit(name, size, color_scheme="dark" if size == "middle" else "light")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select, a')].filter(e => !(e.ariaLabel || "
        "e.textContent.trim() || e.closest('label')?.textContent.trim() || "
        "e.getAttribute('aria-labelledby'))).length"
    )
    assert nameless == 0


def asked(page, answer):
    page.fill("#quiz-answer", answer)
    page.press("#quiz-answer", "Enter")
    return page.text_content("#quiz-said")


def test_the_quiz_takes_three_digits_and_refuses_what_is_wrong(visit):
    page = visit("neuron")
    page.select_option("#quiz-level", "1")
    for _ in range(4):
        page.click("#quiz-next")
    right = page.evaluate("clearprop.quiz.answer()")
    assert page.evaluate("clearprop.at()") == page.evaluate("clearprop.quiz.now.step")

    assert asked(page, f"{1.01 * right:.6g}").startswith("Not yet")
    assert asked(page, f"{-right:.3g}").startswith("Not yet")
    assert page.locator("#quiz-chain li").count() == 0
    assert asked(page, f"{right:.3g}") == "Right."
    assert page.text_content("#quiz-chain li").startswith("a = tanh")
    assert page.text_content("#quiz-score") == "1 of 3 right"


@pytest.mark.parametrize(("level", "first"), [("1", "10"), ("2", "27"), ("3", "27")])
def test_each_level_asks_and_explains_with_its_own_chain(visit, level, first):
    page = visit("dag")
    page.select_option("#quiz-level", level)

    assert asked(page, first) == "Right."
    assert page.locator("#quiz-chain li").count() >= 1
    chain = page.text_content("#quiz-chain")
    assert first in chain


def test_a_whole_gradient_is_explained_by_all_that_arrived(visit):
    page = visit("dag")
    page.select_option("#quiz-level", "3")
    page.click("#quiz-next")

    assert page.text_content("#quiz-asks") == "What is the whole gradient of b?"
    page.click("#quiz-show")
    assert page.text_content("#quiz-said") == "It is 297."
    assert "b.grad = 270 + 27 = 297" in page.text_content("#quiz-chain")


def test_other_numbers_have_other_answers_and_looking_is_noticed(visit):
    page = visit("tree")
    page.select_option("#quiz-level", "1")
    page.click("#quiz-other")
    right = page.evaluate("clearprop.quiz.answer()")
    assert right == page.evaluate("clearprop.story.nodes[0].value + clearprop.story.nodes[1].value")
    page.click("#forward")
    assert asked(page, str(right)) == "Right, though the drawing had shown it already."
    assert asked(page, "") != "Type a number."  # answered: Enter goes to the next question
    assert asked(page, "") == "Type a number."


def test_the_wrong_algorithm_stands_beside_the_right_one(visit):
    page = visit("dag")
    page.keyboard.press("End")

    assert page.is_visible("#lane-tree")
    assert page.is_visible("#lane-topological")
    assert "b.grad = 270, should be 297" in page.text_content("#verdict-tree")


def test_slides_go_by_keys_and_on_to_the_next_lesson(visit):
    page = visit("graph")
    page.keyboard.press("f")
    shown = "[...document.querySelectorAll('.slide')].filter(s => s.offsetParent).length"
    assert page.evaluate(shown) == 1
    assert page.is_visible("h1")
    page.keyboard.press("PageDown")
    assert page.evaluate(shown) == 1
    assert page.is_visible("#stage-topological")
    page.keyboard.press("ArrowRight")
    assert page.text_content("#count") == "step 1 of 9"
    page.keyboard.press("PageUp")
    assert page.is_visible("h1")
    page.keyboard.press("Escape")
    assert page.evaluate(shown) > 1
    page.keyboard.press("f")
    for _ in range(4):
        page.keyboard.press("PageDown")
    page.wait_for_url("**/forward.html*")
    assert page.evaluate(shown) == 1


def test_notes_stand_in_a_window_of_their_own_and_follow_the_slides(visit):
    page = visit("graph")
    with page.expect_popup() as opening:
        page.keyboard.press("n")
    notes = opening.value
    assert notes.text_content("h1") == page.text_content("h1")
    assert "Slide 1 of" in notes.text_content("body")
    page.keyboard.press("f")
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowRight")
    notes.wait_for_function("document.body.textContent.includes('Add computes c from a and b.')")
    assert page.locator("video, audio").count() == 0


def test_the_quiz_keeps_nothing_and_its_answers_are_not_to_be_heard(visit):
    page = visit("dag")
    page.select_option("#quiz-level", "3")
    page.click("#quiz-next")

    heard = page.evaluate(
        "[...document.querySelectorAll('.quiz, .quiz *, .stage *')].flatMap((e) => "
        "[e.ariaLabel, e.title, e.children.length ? '' : e.textContent]).join(' ')"
    )
    assert "297" not in heard
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


@pytest.mark.parametrize("name", ["attention", "batch-norm", "adam", "lstm"])
def test_a_drawing_of_a_lesson_can_be_read(visit, name):
    page = visit(name)

    assert page.evaluate("clearprop.stage.view.k") * 12.5 >= 9  # the names of boxes, and numbers


def test_print_has_a_picture_of_every_step_and_no_controls(visit):
    page = visit("dag")
    page.select_option("#algorithm", "topological")
    rest(page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    figures = page.locator("#series figure")
    assert figures.count() == 9
    assert figures.last.locator("svg").count() == 1
    assert "b had 270; the sum is 297." in figures.last.text_content()
    controls = "[...document.querySelectorAll('button, input, select')].filter(e => e.offsetParent).length"
    assert page.evaluate(controls) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert figures.count() == 0
    assert page.text_content("#count") == "step 0 of 9"


def test_numerical_gradients_follow_the_inputs(visit):
    page = visit("numerical")
    page.select_option("#numerical-input", label="b")
    rows = page.locator("#numerical tr")

    assert "de/db = 297" in page.text_content("#numerical")
    assert abs(float(rows.nth(3).locator("td").nth(1).text_content()) - 297) < 1e-5
    page.fill(".inputs input[data-node='1']", "1")
    assert "de/db = 25" in page.text_content("#numerical")


def test_gradient_descent_goes_down_in_the_page(visit):
    page = visit("training")
    before = page.evaluate("clearprop.story.nodes.at(-1).value")
    for _ in range(3):
        page.click("text=Ten steps")

    assert page.evaluate("clearprop.story.nodes.at(-1).value") < 1e-3 * before
    assert page.text_content("#descent-said").startswith("After 30 steps the loss is ")
    page.click("text=Start again")
    assert page.evaluate("clearprop.story.nodes.at(-1).value") == pytest.approx(before)


def test_a_broken_training_can_be_watched(visit):
    page = visit("rate")
    page.fill("#curves-step", "2")
    assert page.text_content("#curves-said").startswith("step 2: as it is ")
    points = page.get_attribute("#curves polyline.one", "points")
    assert len(points.split()) == 2
    assert "learning rate too high" in page.text_content("pre.doctor")


@pytest.mark.parametrize("size", SIZES)
def test_two_drawings_do_not_lie_over_each_other(visit, size):
    page = visit("dag", size)
    shown = [stage for stage in page.locator(".stage").all() if stage.is_visible()]
    first, second = (stage.bounding_box() for stage in shown)

    below = first["y"] + first["height"] <= second["y"]
    assert below or first["x"] + first["width"] <= second["x"]
