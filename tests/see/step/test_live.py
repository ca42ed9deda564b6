"""Arrays on the stepping page: changed entry by entry there, with the numbers that Python finds for them."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, trace
from clearprop.see.step.live import Fixed, live_of
from clearprop.see.step.page import _lanes

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
W, B = RNG.normal(size=(3, 2)), np.array([0.5, -1.0])


def network(dtype=np.float64, **changed):
    """The loss of a layer, whose hidden value is used twice."""
    given = {"X": X, "W": W, "b": B, "y": Y} | changed
    leaves = {
        k: Tensor(np.asarray(x, dtype), name=k, requires_grad=k in ("W", "b")) for k, x in given.items()
    }
    h = np.tanh(leaves["X"] @ leaves["W"] + leaves["b"])
    return (((h * h - leaves["y"]) ** 2).mean() + (h * h).sum() * 0.1), leaves


def type_into(page, field, words):
    page.fill(f"#{field}", str(words))
    if field == "place":
        page.press(f"#{field}", "Enter")


def choose(page, name, place):
    page.select_option("#array", label=name)
    type_into(page, "place", place)


def held(page):
    """Every value and gradient that the page holds, by the node's number, for each lane."""
    return page.evaluate(
        "Object.entries(lanes).map(([name, lane]) => [name, [...lane.arrays].map(([n, g]) => "
        "[n, [...arrayOf[n]], [...g]])])"
    )


def agrees(page, output, rtol):
    for algorithm, found in held(page):
        steps = trace(output, algorithm=algorithm)
        assert len(found) == len(steps.grads)
        for n, value, gradient in found:
            node = steps.order[n]
            np.testing.assert_allclose(value, np.ravel(node._value), rtol=rtol, atol=rtol)
            np.testing.assert_allclose(gradient, np.ravel(steps.grads[node]), rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_a_changed_entry_gives_what_python_gives_in_every_lane(visit, dtype, rtol):
    page = visit(trace(network(dtype)[0]), width=1400, height=900)
    agrees(page, network(dtype)[0], rtol)

    choose(page, "W", "2, 1")
    type_into(page, "entry-value", 2.5)
    changed = W.copy()
    changed[2, 1] = 2.5
    agrees(page, network(dtype, W=changed)[0], rtol)

    choose(page, "y", "[-1, 0]")
    page.evaluate(
        "{const s = element('entry-slide'); s.value = s.max; s.dispatchEvent(new Event('input')); }"
    )
    slid = float(page.input_value("#entry-value"))
    labels = Y.copy()
    labels[3, 0] = slid
    agrees(page, network(dtype, W=changed, y=labels)[0], rtol)

    choose(page, "X", "0 0")
    for how, filled in (("zeros", np.zeros((4, 3))), ("ones", np.ones((4, 3)))):
        page.select_option("#preset", how)
        agrees(page, network(dtype, W=changed, y=labels, X=filled)[0], rtol)
    page.click("#reset")
    agrees(page, network(dtype)[0], rtol)


def test_a_chosen_entry_is_taken_apart_and_what_is_missing_is_said(visit):
    output, leaves = network()
    steps = trace(output)
    page = visit(steps, width=1400, height=900)
    last = next(step for step in steps if step.input is leaves["W"])
    page.evaluate(f"clearprop.go({last.number + 1})")
    assert page.locator("#chain li").all_text_contents() == list(last.chain)

    choose(page, "W", "0, 1")
    line = page.locator("#chain li").nth(1).text_content()
    g, gradient = last.g, float(np.asarray(last.total)[0, 1])
    assert line.startswith("W.grad[0, 1]: ")
    assert line.endswith(f"= {gradient:.6g}")
    assert line.count("\N{MULTIPLICATION SIGN}") == 4
    assert f"{X[1, 0]:.6g}" in line
    assert f"{g[1, 1]:.6g}" in line
    assert page.text_content("#entry-says") == f"W[0, 1] = {W[0, 1]:.6g}, W.grad[0, 1] = {gradient:.6g}"
    page.click("#tile", position={"x": 20, "y": 50})
    assert page.input_value("#place") == "2, 0"
    page.keyboard.press("ArrowUp")
    assert page.input_value("#place") == "1, 0"

    page.fill("#entry-value", "")
    assert page.text_content("#missing") == f"W[1, 0] has no number: the drawing still shows {W[1, 0]:.6g}."
    type_into(page, "place", "3, 0")
    assert page.text_content("#missing") == "W has the shape (3, 2): its last entry is 2, 1."
    type_into(page, "place", "2, 1")
    assert page.is_hidden("#missing")

    page.select_option("#preset", "random")
    first = page.evaluate("[...live.arrays[leafOf.get(entries.n)]]")
    page.fill("#seed", "7")
    other = page.evaluate("[...live.arrays[leafOf.get(entries.n)]]")
    page.fill("#seed", "0")
    assert page.evaluate("[...live.arrays[leafOf.get(entries.n)]]") == first != other
    page.select_option("#preset", "given")
    agrees(page, output, 1e-12)


def test_axes_before_the_last_two_are_leafed_through_and_indices_stay_indices(visit):
    pictures = Tensor(RNG.normal(size=(2, 3, 5, 5)).astype("f"), name="x", requires_grad=False)
    rows = Tensor(np.array([1, 3]), name="rows", requires_grad=False)
    clearprop.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5))
    table = Tensor(RNG.normal(size=(6, 5)).astype("f"), name="table")
    output = (model(pictures) * table[rows]).sum()
    page = visit(trace(output, model=model), width=1400, height=900)

    choose(page, "x", "1, 2, 4, 3")
    assert page.locator("#slices input").count() == 2
    assert page.locator("#slices input").nth(1).input_value() == "2"
    page.locator("#slices input").nth(1).fill("0")
    page.locator("#slices input").nth(1).blur()
    assert page.input_value("#place") == "1, 0, 4, 3"
    assert page.text_content("#entry-says").startswith(f"x[1, 0, 4, 3] = {pictures.value[1, 0, 4, 3]:.6g}")

    choose(page, "rows", "0")
    type_into(page, "entry-value", 7)
    assert (
        page.text_content("#missing") == "rows[0] takes whole numbers from 1 to 3, as those that Python had."
    )
    type_into(page, "entry-value", 3)
    agrees(page, (model(pictures) * table[Tensor(np.array([3, 3]), requires_grad=False)]).sum(), 2e-4)


def test_arrays_that_are_no_tensors_take_part_as_they_are(visit):
    def made(b):
        return ((X @ Tensor(W, name="W") + Tensor(b, name="b") - Y) ** 2).mean()

    page = visit(trace(made(B)), width=1400, height=900)
    choose(page, "b", "1")
    type_into(page, "entry-value", 4)

    agrees(page, made(np.array([0.5, 4.0])), 1e-12)


def bent(x):
    """Squares where two comparisons hold, one of them of a computed value; its own branch elsewhere."""
    doubled = x * 2.0
    return np.where((doubled > 1) & (x < 3), doubled**2, -x).sum() + (x * (x >= 0)).sum()


def test_comparisons_follow_what_is_changed(visit):
    given = np.array([1.0, -2.0, 4.0])
    page = visit(trace(bent(Tensor(given, name="x"))), width=1400, height=900)
    agrees(page, bent(Tensor(given, name="x")), 1e-12)
    assert "Kept as Python made it" not in page.text_content("body")

    for place, value in enumerate((-1.0, 2.0, 0.2)):
        choose(page, "x", place)
        type_into(page, "entry-value", value)
        given[place] = value
        agrees(page, bent(Tensor(given, name="x")), 1e-12)


def test_plain_arrays_are_changed_like_any_other(visit):
    def made(X, Y):
        return ((X @ Tensor(W, name="W") - Y) ** 2).mean()

    page = visit(trace(made(X, Y), names={"rows": X, "goals": Y}), width=1400, height=900)
    agrees(page, made(X, Y), 1e-12)
    changed, goals = X.copy(), Y.copy()
    changed[1, 2], goals[3, 1] = 4.0, -7.0
    for name, place, value in (("rows", "1, 2", 4), ("goals", "3, 1", -7)):
        choose(page, name, place)
        assert page.text_content("#entry-says").startswith(f"{name}[{place}] = ")
        type_into(page, "entry-value", value)
    agrees(page, made(changed, goals), 1e-12)

    choose(page, "W", "0, 1")
    page.keyboard.press("End")
    page.evaluate("clearprop.go(clearprop.length())")
    line = page.locator("#chain li", has_text="W.grad[0, 1]: ").text_content()
    assert f"{changed[3, 0]:.6g}" in line
    page.click("#reset")
    agrees(page, made(X, Y), 1e-12)


def test_a_label_is_changed_within_its_classes_and_the_loss_follows(visit):
    scores, labels = RNG.normal(size=(4, 3)), np.array([0, 2, 1, 1])
    given = Tensor(scores, name="scores")
    page = visit(trace(clearprop.nn.functional.cross_entropy(given, labels)), width=1400, height=900)
    names = page.locator("#array option").all_text_contents()
    [name] = [
        n for n in names if page.evaluate("(n) => entries && n", n) and n.startswith(("index", "labels"))
    ][:1]
    choose(page, name, "1, 0")
    type_into(page, "entry-value", 0)

    now = clearprop.nn.functional.cross_entropy(given, np.array([0, 0, 1, 1]))
    agrees(page, now, 1e-12)


@pytest.mark.parametrize(
    ("made", "listed"),
    [
        (lambda x: np.where(x - 1.0 > 0, x, -x).sum(), "c"),  # what was compared is gone
        (lambda x: (x * (x.value > 0)).sum(), "data"),
        (lambda x: x[np.argsort(x.value)][0] + x.sum(), "data"),
    ],
)
def test_what_cannot_follow_is_said(visit, made, listed):
    page = visit(trace(made(Tensor([1.0, -2.0, 3.0], name="x"))))

    assert f"Kept as Python made it, whatever else is changed: {listed}." in page.text_content("body")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda x: x.sum(), None),
        (lambda x: long_chain(x), "at most 1,000 nodes"),
        (lambda x: hooked(x), "A hook in Python"),
        (lambda x: np.abs(Tensor(np.ones(2) * 1j, name="z") * 2.0).sum() + x.sum(), "real numbers"),
    ],
)
def test_what_a_page_cannot_compute_is_said(made, why):
    lanes = _lanes(trace(made(Tensor(np.arange(6.0), name="x"))))
    if why is None:
        assert live_of(lanes).told["leaves"] == [0]
        return
    with pytest.raises(Fixed, match=why):
        live_of(lanes)
    assert why in lanes[-1].to_html()


def long_chain(x):
    for _ in range(1_100):
        x = x * 1.01
    return x.sum()


def hooked(x):
    y = x * 2.0
    y.register_hook(lambda g: g * 3.0)
    return y.sum()
