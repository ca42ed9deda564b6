"""The stepping page in a real browser: offline, without a request, with the right numbers to the end."""

import functools
import re

import numpy as np
import pytest
from tests.browsing import rest
from tests.see.conftest import PROBES
from tests.see.page.test_page import transformer
from tests.see.page.test_tree import blocks, scalars

import clearprop
from clearprop import Tensor, nn, registry
from clearprop.ops.special import no_rule
from clearprop.see.numbers import written
from clearprop.see.step.page import _functions
from clearprop.see.step.script import script_of
from clearprop.see.step.steps import trace
from clearprop.typed import lecture
from clearprop.typed.expression import parse


@pytest.fixture
def visit(browser, tmp_path):
    """Open a trace's page from a file with the network off; any console message or request is a failure."""
    contexts, complaints = [], []

    def opened(steps, **options):
        path = steps.save(tmp_path / "steps.html")
        context = browser.new_context(offline=True, viewport={"width": 1200, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(path=PROBES)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda request: complaints.append(request.url) if request.url[:5] != "file:" else None
        )
        page.goto(path.as_uri())
        page.wait_for_function("window.clearprop && !clearprop.stage.moving")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [c for c in complaints if not c.startswith(("file:", "data:"))] == []


def example(name, **options):
    return trace(lecture.EXAMPLES[name].graph(), **options)


def shown(page, box, what="grad", lane="topological"):
    return page.text_content(f"#{lane}-{box}-{what}")


def test_stepping_forward_reaches_the_end_with_the_right_numbers(visit):
    page = visit(example("dag"))
    assert page.text_content("#count") == "step 0 of 9"
    assert shown(page, "n4", "value") == "value=?"
    assert shown(page, "n1") == "grad=?"

    said = []
    for _ in range(9):
        page.click("#forward")
        said.append(page.text_content("#said"))

    assert page.is_disabled("#forward")
    assert shown(page, "n4", "value") == "value=270"
    assert shown(page, "n1") == "grad=270+27=297"
    assert [shown(page, f"n{i}") for i in (0, 2, 3, 4)] == ["grad=27", "grad=27", "grad=10", "grad=1"]
    assert "b had 270; the sum is 297." in said[-1]
    assert page.text_content("#chain li.sum") == "b.grad = 270 + 27 = 297"


@pytest.mark.parametrize("name", list(lecture.EXAMPLES))
def test_every_example_says_what_python_says_at_every_step(visit, name):
    steps = example(name)
    page = visit(steps)

    for step in steps:
        page.click("#forward")
        assert page.text_content("#said").startswith(step.sentence)
        assert page.locator("#chain li").all_text_contents() == list(step.chain)
        assert page.locator("svg:visible .active").count() >= 1


def test_the_keyboard_does_all(visit):
    page = visit(example("dag"))

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.text_content("#count") == "step 2 of 9"
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#count") == "step 1 of 9"
    page.keyboard.press("End")
    assert shown(page, "n1") == "grad=270+27=297"
    page.keyboard.press("Home")
    assert page.text_content("#count") == "step 0 of 9"
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-pressed") == "false"


def test_every_control_can_be_reached_with_tab_and_has_a_name(visit):
    page = visit(example("dag"))
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))

    assert {"back", "forward", "play", "slider", "algorithm", "topological-n0", "reset"} <= {*reached, "back"}
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter(e => "
        "!(e.ariaLabel || e.textContent.trim() || e.closest('label')?.textContent.trim())).length"
    )
    assert nameless == 0


def test_a_box_chosen_by_keyboard_shows_what_arrived_there(visit):
    page = visit(example("dag"))
    page.keyboard.press("End")
    page.focus("#topological-n2")
    page.keyboard.press("Enter")

    assert page.text_content("#whose") == "Gradient of c"
    assert page.locator("#ledger td").all_text_contents() == [
        "from e",
        "1 \N{MULTIPLICATION SIGN} 27 = 27",
        "sum 27",
    ]


def test_the_slider_and_play_move_on(visit):
    page = visit(example("tree"))
    page.fill("#slider", "5")
    assert page.text_content("#count").startswith("step 5 of")
    page.clock.install()
    page.click("#play")
    page.clock.run_for(1500)
    assert page.text_content("#count").startswith("step 6 of")


def test_an_input_that_is_changed_changes_everything(visit):
    page = visit(example("dag"))
    page.keyboard.press("End")
    page.fill(".inputs input[data-node='1']", "-2")

    a, b = Tensor(7.0), Tensor(-2.0)
    e = (a + b) * b**3
    e.backward()
    assert shown(page, "n4", "value") == f"value={e.value:g}"
    assert shown(page, "n1") == f"grad=60+(-8)={b.grad:g}"
    assert page.text_content("#chain li.sum") == "b.grad = 60 + (-8) = 52"
    page.click("#reset")
    assert shown(page, "n1") == "grad=270+27=297"


@pytest.mark.parametrize(
    "name", [n for n, e in lecture.EXAMPLES.items() if n not in ("regression", "softmax")]
)
def test_recomputing_at_the_same_inputs_changes_nothing(visit, name):
    page = visit(example(name))
    look = "JSON.stringify([clearprop.story.nodes, clearprop.story.lanes], (k, x) => clearprop.text(x))"
    before = page.evaluate(look)
    page.evaluate("clearprop.recompute()")

    assert page.evaluate(look) == before


def test_a_graph_of_arrays_shows_the_numbers_of_its_gradients(visit):
    page = visit(example("regression"))

    assert page.input_value("#entry-value") == "1"
    page.keyboard.press("End")
    assert page.locator("#topological-n1-grad-picture text").all_text_contents() == ["-14.7", "-18.7"]


def test_pictures_of_gradients_wait_until_they_are_complete(visit):
    x = Tensor([1.0, 2.0], name="x")
    page = visit(trace(np.sum(x * x)))
    page.keyboard.press("End")
    assert page.is_visible("#topological-n0-grad-picture")
    page.keyboard.press("ArrowLeft")
    assert shown(page, "n0") == "grad 1/2"
    assert not page.is_visible("#topological-n0-grad-picture")


@pytest.mark.parametrize(
    ("name", "algorithm", "says"),
    [
        ("dag", "tree", "Wrong: b.grad = 270, should be 297. A node with several users keeps only"),
        ("order", "recursive", "Wrong: x.grad = 132, should be 120. What was passed on too early"),
        ("tree", "tree", "Every gradient is right here."),
    ],
)
def test_wrong_algorithms_stand_beside_the_right_one(visit, name, algorithm, says):
    page = visit(example(name, algorithm=algorithm))
    page.keyboard.press("End")

    assert page.is_visible(f"#lane-{algorithm}")
    assert page.is_visible("#lane-topological")
    assert page.text_content(f"#verdict-{algorithm}").startswith(says)
    assert (page.locator(f"#lane-{algorithm} .alarm").count() > 0) == says.startswith("Wrong")


def test_each_algorithm_shows_the_gradients_that_it_found(visit):
    w = Tensor([1.0, -2.0], name="w")
    page = visit(trace(np.sum(w**2) + np.sum(w), algorithm="tree"))
    page.keyboard.press("End")

    shows = {
        name: page.locator(f"#{name}-n0-grad-picture text").all_text_contents()
        for name in ("tree", "topological")
    }
    assert shows == {"tree": ["1", "1"], "topological": ["3", "-3"]}
    assert "w.grad = [1, 1], should be [3, -3]" in page.text_content("#verdict-tree")


def test_the_algorithm_can_be_chosen_on_the_page(visit):
    page = visit(example("order"))
    assert not page.is_visible("#lane-recursive")
    page.select_option("#algorithm", "recursive")
    page.keyboard.press("End")

    assert page.is_visible("#lane-recursive")
    assert shown(page, "n0", lane="recursive") == "grad=12+120=132"
    assert shown(page, "n0") == "grad=120"


def test_a_wrong_algorithm_is_judged_again_when_an_input_changes(visit):
    page = visit(example("dag", algorithm="tree"))
    page.keyboard.press("End")
    page.fill(".inputs input[data-node='1']", "0")

    assert page.text_content("#verdict-tree") == "Every gradient is right here."


def test_what_changes_is_told_to_a_screen_reader(visit):
    page = visit(example("dag"))

    assert page.get_attribute("#said", "aria-live") == "polite"
    assert page.locator(".lane[aria-label] .stage[role=group]").count() == 3
    assert page.get_attribute("#topological-n2", "aria-label") == "Add c, value=?, grad=?"
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#slider", "aria-valuetext") == "step 1 of 9"


def test_dark_and_light_differ_and_motion_can_be_switched_off(visit):
    light = visit(example("dag"), color_scheme="light", reduced_motion="reduce")
    background = "getComputedStyle(document.body).backgroundColor"
    light.keyboard.press("End")
    assert (
        light.evaluate("getComputedStyle(document.querySelector('.edge.back .way')).animationName") == "none"
    )

    assert visit(example("dag"), color_scheme="dark").evaluate(background) != light.evaluate(background)


def boxes_apart(page):
    """Return the pairs of boxes that overlap on the screen."""
    return page.evaluate(
        """() => { const r = [...document.querySelectorAll('svg:not([hidden]) .box .frame')]
            .filter(e => e.getClientRects().length).map(e => e.getBoundingClientRect());
          r.sort((a, b) => a.left - b.left); const found = [];
          for (let i = 0; i < r.length; i++)
            for (let j = i + 1; j < r.length && r[j].left < r[i].right - 0.5; j++)
              if (r[j].top < r[i].bottom - 0.5 && r[i].top < r[j].bottom - 0.5) found.push([i, j]);
          return [r.length, found.length]; }"""
    )


@pytest.mark.parametrize("nodes", [20, 200, 1000])
def test_no_boxes_overlap_at(visit, nodes):
    rng = np.random.default_rng(nodes)
    made = [Tensor(float(rng.normal()), name=f"x{i}") for i in range(4)]
    while len(made) < nodes:
        i, j = rng.integers(max(0, len(made) - 12), len(made), 2)
        made.append(np.tanh(made[i]) if i == j else made[i] * 0.5 + made[j])
    total = sum(made[-12:], start=made[-13])
    page = visit(trace(total))
    first = boxes_apart(page)
    page.evaluate("clearprop.stage.openTo(9)")

    assert 2 <= first[0] <= 60
    assert first[1] == 0
    assert page.evaluate("clearprop.stage.tree.shownBoxes.length") > nodes
    page.keyboard.press("End")
    assert page.text_content("#count").split()[1] == page.text_content("#count").split()[3]


def test_a_network_opens_and_steps(visit):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 64)).astype(np.float32)
    W, V = (
        Tensor(rng.normal(size=s).astype(np.float32), name=n) for n, s in [("W", (64, 32)), ("V", (32, 10))]
    )
    scores = clearprop.log_softmax(np.tanh(x @ W) @ V)
    page = visit(trace(-scores[np.arange(64), np.arange(64) % 10].mean()))
    page.keyboard.press("End")

    assert page.is_visible("#topological-n1-grad-picture")
    assert boxes_apart(page)[1] == 0


OPS = [
    op
    for op in registry.ops.values()
    if op.kind == "elementwise"
    and op.differentiable
    and (op.derivatives or op.facts.script or op.facts.domain)
    and "clearprop.ops.integrals" not in {getattr(rule, "__module__", "") for rule in op.derivatives}
]


# Integrals and series that no function of JavaScript computes.
_NO_FORMULA = """
    erf erfc ndtr gamma gammaln digamma zeta beta betaln erfinv erfcinv ndtri log_ndtr
    i0 i1 i0e i1e j0 j1 y0 y1 k0 k1 jv iv nextafter betainc betaincc betaincinv binom gammainc gammaincc
    gammainccinv gammaincinv rgamma stdtr poch digamma_rise
"""


def points(op):
    """Return a few points inside an op's domain, which is an interval for all inputs or one for each."""
    domain = op.facts.domain or (-2.0, 2.0)
    one = all(isinstance(end, (int, float)) for end in domain)
    domain = [interval or (0.0, 1.0) for interval in ((domain,) * op.arity if one else domain)]
    return [[low + t * (high - low) for low, high in domain] for t in (0.0, 0.1, 0.35, 0.7, 0.95)]


def test_every_scalar_op_is_recomputed_as_python_computes_it(browser):
    page, checked, missing = browser.new_page(), 0, set()
    for op in OPS:
        for point in points(op):
            rules = op.derivatives or (None,) * op.arity
            leaves = [
                Tensor(x, name=f"x{i}", requires_grad=rule is not no_rule)
                for i, (x, rule) in enumerate(zip(point, rules, strict=True))
            ]
            steps = trace(op(*leaves))
            script = script_of(steps.order)
            if script is None:
                missing.add(op.name)
                break
            value, sent = page.evaluate(
                f"() => {{ {_functions(script)}\n const v = {[float(n._value) for n in steps.order]};"
                "return [script.forward.at(-1)(v), Object.fromEntries(Object.entries(script.rules).map("
                "([key, [local, amount]]) => [key.split('-')[1], [local(v), amount(v, 3)]]))]; }"
            )
            np.testing.assert_allclose(value, float(steps.output.value), rtol=1e-12, err_msg=op.name)
            for step in steps:
                if step.kind == "backward":
                    numbers = [float(step.local), 3 * float(step.amount)]
                    np.testing.assert_allclose(sent[str(step.i)], numbers, rtol=1e-11, err_msg=op.name)
                    checked += 1
    page.close()

    assert checked > 150
    assert missing <= set(_NO_FORMULA.split())  # their pages can be stepped through, not recomputed


def test_an_op_of_the_users_own_can_be_recomputed_too(visit):
    bend = registry.ops.get("page_bend") or clearprop.elementwise(
        "page_bend", lambda x: x / (1 + np.abs(x)), lambda z, x: 1 / (1 + np.abs(x)) ** 2
    )
    page = visit(trace(bend(Tensor(3.0, name="x"))))
    page.keyboard.press("End")
    page.fill(".inputs input", "-1")

    assert shown(page, "n1", "value") == "value=-0.5"
    assert shown(page, "n0") == "grad=0.25"


def test_a_condition_is_part_of_what_is_recomputed(visit):
    page = visit(trace(parse("where(b > 0, b**2, -b)").graph({"b": 3.0})))
    page.keyboard.press("End")
    assert shown(page, "n0").endswith("=6")
    page.fill(".inputs input", "-4")

    assert shown(page, "n0").endswith("=-1")


def test_a_comparison_of_numbers_follows_what_is_changed(visit):
    b = Tensor(3.0, name="b")
    twice = b * 2
    page = visit(trace(np.where((twice > 4) & (b < 9), b**2, -b) + twice))
    page.keyboard.press("End")
    assert shown(page, "n0").endswith("=8")
    assert page.locator(".inputs input").count() == 1
    page.fill(".inputs input", "1")
    assert shown(page, "n0").endswith("=1")
    page.fill(".inputs input", "12")
    assert shown(page, "n0").endswith("=1")


def test_a_rule_that_looks_at_a_value_leaves_the_inputs_alone():
    from clearprop.op import Op

    odd = Op(
        "odd", lambda x: x * 1.0, kind="elementwise", derivatives=(lambda z, x: 1.0 if float(x) > 0 else 0.0,)
    )
    page = trace(odd(Tensor(3.0, name="x"))).to_html()

    assert "const script = null;" in page
    assert 'class="inputs"' not in page


def test_a_notebook_shows_the_page_in_a_frame(browser):
    frame = example("dag")._repr_html_()
    page = browser.new_page()
    page.set_content(f"<html><body>{frame}</body></html>")
    inner = page.frame_locator("iframe")
    inner.locator("#forward").click()

    assert inner.locator("#count").text_content() == "step 1 of 9"
    page.close()


def test_names_and_titles_cannot_break_the_page(visit):
    x = Tensor(2.0, name="</script><img src=x onerror=alert(1)>&\"'")
    page = visit(trace(x * x))
    page.keyboard.press("End")

    assert page.locator("img").count() == 0
    assert "</script><img" in page.text_content("#said")


def test_the_page_is_one_file_without_addresses():
    page = example("dag").to_html()

    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "src=" not in page
    assert len(page) < 129_000  # most of it is the script that all pages share


def test_a_graph_too_large_for_a_page_says_so():
    x = Tensor(1.0)
    for _ in range(10_001):
        x = x * 1.0

    with pytest.raises(ValueError, match="shows at most 20,000 steps: 20,003"):
        trace(x).to_html()


def test_the_page_writes_numbers_as_python_does(browser, tmp_path):
    rng = np.random.default_rng(0)
    numbers = [
        *(rng.normal(size=500) * 10.0 ** rng.integers(-12, 13, 500)),
        *range(-20, 20),
        1e5,
        999999.4,
        999999.6,
    ]
    numbers += [
        1e5,
        999999.4,
        999999.6,
        1e-4,
        0.000099999949,
        0.00012345678,
        123456.7,
        1e16,
        5e-324,
        1.7e308,
        -0.0,
        0.1 + 0.2,
    ]
    page = browser.new_page()
    page.goto(example("dag").save(tmp_path / "steps.html").as_uri())

    assert page.evaluate("x => x.map(clearprop.text)", [float(x) for x in numbers]) == [
        written(float(x)) for x in numbers
    ]
    assert page.evaluate("[NaN, Infinity, -Infinity].map(clearprop.text)") == ["nan", "inf", "-inf"]
    page.close()


EXPRESSIONS = [
    ("(a + b)/(a*b) - a**b", {"a": 1.5, "b": -0.5}, {"a": 1.0, "b": 0.0}),
    ("arctan(0.3/b) + relu(a)/b", {"a": 1.0, "b": 2.0}, {"a": -1.0, "b": 0.0}),
    ("softplus(a)*logsigmoid(b) + where(a > b, a**2, -b)", {"a": 1.0, "b": 2.0}, {"a": 30.0, "b": -40.0}),
    ("remainder(a, b) + maximum(a, b)*minimum(a, 2)", {"a": 1.0, "b": 2.0}, {"a": -1.5, "b": -1.5}),
    ("sqrt(a) + log(b) + arcsin(a)*hypot(a, b)", {"a": 0.5, "b": 2.0}, {"a": 0.0, "b": 0.0}),
    ("logaddexp(a, b)**2 / expm1(a - b)", {"a": 0.5, "b": 2.0}, {"a": 700.0, "b": -700.0}),
]


@pytest.mark.filterwarnings("ignore")  # the second values lie on edges, where Python warns
@pytest.mark.parametrize(("text", "first", "second"), EXPRESSIONS)
def test_a_page_made_at_some_inputs_recomputes_others_as_python_does(visit, text, first, second):
    page = visit(trace(parse(text).graph(first)))
    there = trace(parse(text).graph(second))
    for n, node in enumerate(there.order):
        if there.names[node] in second:
            page.evaluate("([n, x]) => clearprop.change(n, x)", [n, second[there.names[node]]])
    values = page.evaluate("clearprop.story.nodes.map(node => clearprop.text(node.value))")
    final = page.evaluate(
        "Object.entries(clearprop.story.lanes.topological.final).map(([n, g]) => [n, clearprop.text(g)])"
    )

    assert values == [written(float(node.value)) for node in there.order]
    assert dict(final) == {
        str(n): written(there.grads[x]) for n, x in enumerate(there.order) if x in there.grads
    }


# --- whole networks -----------------------------------------------------------------------------------------
@functools.cache
def large():
    return trace(scalars(24))


@functools.cache
def deep():
    loss, net = blocks(12)
    return trace(loss, model=net)


def test_a_closed_module_is_one_step_and_opening_it_inserts_its_own(visit):
    page = visit(deep())
    folded = int(page.get_attribute("#slider", "max"))
    assert folded <= 60
    page.click("#forward")
    assert page.text_content("#said").startswith(
        "net.0 12 \N{MULTIPLICATION SIGN} Block takes data and computes"
    )
    done = page.evaluate("clearprop.at()")

    page.evaluate("clearprop.stage.toggle(clearprop.stage.tree.groups().find((g) => g.path === 'net.0'))")

    assert int(page.get_attribute("#slider", "max")) == folded + 2 * 11
    assert page.evaluate("clearprop.at()") == done
    assert page.text_content("#count") == f"step 12 of {folded + 22}"
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#said").startswith("net.0.10 Block takes")


def test_a_closed_module_says_and_lights_only_what_gradients_reach(visit):
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    data, given = np.ones((6, 4), "f4"), Tensor(np.ones((6, 4), "f4"), name="given")
    loss = nn.CrossEntropyLoss()(net(given + data), np.arange(6) % 3)
    page = visit(trace(loss, model=net, names={"data": data, "net": net}))
    page.evaluate("clearprop.stage.openTo(0)")
    page.keyboard.press("End")
    page.evaluate("clearprop.go(clearprop.length() - 2)")

    assert page.text_content("#said").endswith("and arrives at c.")
    lit = "clearprop.stage.tree.arrows.filter((a) => (a.looks || '').includes('active back'))"
    assert page.evaluate(f"{lit}.map((a) => a.from.t)") == ["Add"]


def test_a_transformer_of_twelve_layers_is_few_steps_until_it_is_opened(visit):
    loss, net = transformer()
    page = visit(trace(loss, model=net))
    folded = int(page.get_attribute("#slider", "max"))
    assert folded <= 60
    page.click("#forward")
    done = page.evaluate("clearprop.at()")
    page.evaluate("clearprop.stage.openTo(9)")

    assert int(page.get_attribute("#slider", "max")) > folded
    assert page.evaluate("clearprop.at()") == done
    assert page.evaluate("clearprop.stage.tree.shownBoxes.length") > 100


ALIKE = """value grad mask index Sequential Linear Relu Dropout SVG PNG Home End Space float bool int out net
    Matmul sum Feld Python weight bias in log softmax Log Gradient was all de df matmul axis where"""


def test_a_german_page_has_no_english_word(visit):
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    x = np.ones((6, 4), "f4")
    out = nn.CrossEntropyLoss()(net(x), np.arange(6) % 3)
    heard = {}
    for language in ("en", "de"):
        page = visit(trace(out, model=net, names={"net": net, "out": out}, language=language))
        found = [page.evaluate("probes.words()")]
        for at in (1, 4, 9):
            opened = f"clearprop.stage.openTo({at}); clearprop.go(clearprop.length() - {at})"
            page.evaluate(opened + "; clearprop.stage.rest()")  # elements, and not the canvas of a move
            found.append(page.evaluate("probes.words()"))
        heard[language] = set(re.findall(r"[^\W\d_]{2,}", " ".join(found)))

    assert len(heard["de"]) > 80
    assert " ".join(sorted(heard["en"] & heard["de"] - set(ALIKE.split()))) == ""


def test_brackets_jump_by_layer(visit):
    page = visit(deep())
    page.keyboard.press("]")
    first = page.evaluate("clearprop.at()")
    page.keyboard.press("]")
    assert page.evaluate("clearprop.at()") > first > 0
    page.keyboard.press("[")
    assert page.evaluate("clearprop.at()") == first


def test_closing_a_module_never_shows_half_of_it(visit):
    page = visit(deep())
    group = "clearprop.stage.tree.groups().find((g) => g.path === 'net.0')"
    page.evaluate(f"clearprop.stage.toggle({group})")
    page.evaluate("clearprop.go(20)")
    page.evaluate(f"clearprop.stage.toggle({group})")

    assert page.evaluate(f"{group}.value") != "value=?"


@pytest.mark.parametrize("name", ["dag", "order", "regression"])
def test_arrows_point_back_while_gradients_go_back(visit, name):
    page = visit(example(name))
    start = next(step.number for step in example(name) if step.kind == "start")
    page.evaluate(f"clearprop.go({start + 1})")
    assert page.locator(".edge.faint").count() == page.locator(".edge").count()
    page.keyboard.press("End")

    heads = page.evaluate(
        "clearprop.stage.tree.arrows.map((a) => [headOf(a).split('l')[0], a.points[0].map(tenth).join(' ')])"
    )
    tracked = page.evaluate("clearprop.stage.tree.arrows.map((a) => (a.looks || '').includes('back'))")
    assert any(tracked)
    assert all(head == f"M{start}" for (head, start), back in zip(heads, tracked, strict=True) if back)


def test_a_step_redraws_only_what_it_changes(visit):
    page = visit(large())
    page.evaluate("clearprop.stage.openTo(9)")
    redrawn = page.evaluate(
        """() => { let count = 0; const { stage } = clearprop, own = stage.redraw;
        stage.redraw = (thing) => { count += 1; own.call(stage, thing); };
        clearprop.go(500); count = 0; clearprop.go(501); return count; }"""
    )

    assert 1 <= redrawn <= 60


def test_few_inputs_are_shown_and_a_chosen_one_gets_a_field(visit):
    page = visit(large())
    assert page.locator(".inputs input").count() == 12
    assert page.evaluate("document.documentElement.scrollHeight <= 2 * innerHeight")
    page.keyboard.press("/")
    page.keyboard.type("w1_3_5")
    page.keyboard.press("Enter")
    assert page.locator(".inputs label code").first.text_content() == "w1_3_5"
    page.keyboard.press("End")
    before = page.evaluate("clearprop.story.nodes.at(-1).value")
    page.locator(".inputs input").first.fill("3")
    assert page.evaluate("clearprop.story.nodes.at(-1).value") != before


def test_an_emptied_field_says_what_is_missing(visit):
    page = visit(example("dag"))
    page.fill(".inputs input[data-node='0']", "")
    assert page.text_content("#missing") == "a has no number: the drawing still shows 7."
    page.fill(".inputs input[data-node='0']", "2")
    assert not page.is_visible("#missing")


def test_no_number_of_an_input_is_cut(visit):
    page = visit(trace(Tensor(-0.123456789012345678, name="x") * Tensor(1e-300 / 3, name="y")))

    assert page.evaluate(
        "[...document.querySelectorAll('.inputs input')].every((e) => e.scrollWidth <= e.clientWidth)"
    )


def test_an_array_step_shows_one_entry_as_the_sum_that_it_is(visit):
    page = visit(example("regression"))
    page.keyboard.press("End")

    times = "\N{MULTIPLICATION SIGN}"
    assert page.locator("#chain li").all_text_contents()[1] == (
        f"w.grad[1]: (-0.666667) {times} 2 + (-1.33333) {times} 4 + (-2) {times} 6 = -18.6667"
    )


def test_the_step_is_in_the_address(visit):
    page = visit(example("dag"))
    page.evaluate("clearprop.go(7)")
    page.wait_for_function("location.hash.includes('step=7')")
    page.reload()
    page.wait_for_function("window.clearprop")

    assert page.text_content("#count") == "step 7 of 9"


@pytest.mark.parametrize("width", [390, 1024, 1600])
@pytest.mark.parametrize("make", [lambda: example("dag"), deep], ids=["dag", "deep"])
def test_nothing_is_cut_off_at_any_width(visit, make, width):
    page = visit(make())
    page.set_viewport_size({"width": width, "height": 800})
    rest(page)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= 2 * innerHeight")


def test_the_ways_of_gradients_are_seen_in_a_narrow_window_too(visit):
    page = visit(example("dag"))
    looks = "[...document.querySelectorAll('.stage .edge')].map((edge) => edge.getAttribute('class')).sort()"
    page.evaluate("clearprop.go(clearprop.length())")
    wide = page.evaluate(looks)
    page.set_viewport_size({"width": 390, "height": 800})
    rest(page)

    assert "edge active back" in wide
    assert page.evaluate(looks) == wide


def test_what_a_hook_makes_is_not_repeated_by_the_page_and_not_asked_for():
    h = Tensor(3.0, name="x") * 2
    with h.register_hook(lambda g: 10 * g):
        steps = trace(h * h, quiz=3)
        page = steps.to_html()

    assert "const script = null" in page
    assert "whole gradient of x?" in page
    assert "whole gradient of h?" not in page


def test_a_drawing_that_nothing_folds_has_the_height_to_be_read(visit):
    rng = np.random.default_rng(0)
    shapes = [(), (4,), (3, 4), (2, 3, 4), (2, 2, 3, 4), (2, 2, 2, 3, 4)]
    product, *rest = (Tensor(rng.normal(size=shape), name=f"x{len(shape)}") for shape in shapes)
    for x in rest:
        product = product * x
    page = visit(trace(product.sum()))
    path = page.url.split("#")[0]
    page.goto("about:blank")  # what was seen in another window is not what is asked for
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(path)
    page.wait_for_function("window.clearprop && !clearprop.stage.moving")

    assert min(page.evaluate("probes.textSizes()")) >= 9
    assert page.evaluate("document.documentElement.scrollHeight") <= 1600
    height = page.evaluate("clearprop.stage.height")
    page.set_viewport_size({"width": 1280, "height": 500})
    assert page.evaluate("clearprop.stage.height") <= height
