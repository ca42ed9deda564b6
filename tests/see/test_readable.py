"""Text that folds, verdicts and tables, as a notebook gets them."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.data import DataLoader, read_table
from clearprop.see.readable import foldable, judged


class Tags(HTMLParser):
    """Checks that tags are closed in order, and collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("img", "br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(shown):
    tags = Tags()
    tags.feed(shown)
    assert tags.open == []
    return " ".join(tags.text)


def test_deeper_lines_fold_below_the_line_above_them():
    shown = foldable("step\n  pieces:\n    one\n    two <b>\n  buffers")

    assert shown.count("<details") == 2
    assert shown.count("<details open") == 1
    assert re.search(r"<summary>pieces:</summary>.*one.*two &lt;b&gt;.*</details>.*buffers", shown)
    assert "two <b>" in read(shown)


def test_columns_stay_below_each_other():
    shown = foldable("title\n      h  slope\n   0.25    2.0\n   0.50    1.9")

    assert "<div>   h  slope</div>" in shown
    assert "<div>0.25    2.0</div>" in shown


@pytest.mark.parametrize("verdict", ["right", "WRONG", "cannot tell"])
def test_a_verdict_is_a_word_and_not_a_colour_alone(verdict):
    assert verdict in read(judged(verdict, "3 compared"))


X = np.random.default_rng(0).normal(size=(8, 3))


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def halved(a):
    return clearprop.stop_gradient(a)[0] * a[1]


def explained():
    step = clearprop.compile(lambda a: np.sum(np.tanh(a)), executor="numpy")
    step(X)
    return step.explain()


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("right", lambda: clearprop.gradcheck(lambda a: np.sum(a**2), X)),
        ("WRONG", lambda: clearprop.gradcheck(halved, np.ones(2), raise_on_failure=False)),
        ("right", lambda: clearprop.check_model(np.mean(net()(X) ** 2))),
        ("slope", lambda: clearprop.taylor_check(lambda a: np.sum(a**3), X[0])),
        ("digits", lambda: clearprop.trust(np.mean(net()(X) ** 2))),
        ("column", lambda: clearprop.doctor(net(), (1000 * X, X[:, :1]))),
        ("weight_decay", lambda: optim.Adam(net().parameters())),
        ("calls", explained),
        ("entries", lambda: Tensor(X)),
    ],
)
def test_every_result_shows_itself_in_a_notebook(word, result):
    shown = result()._repr_html_()

    assert word in read(shown)
    assert len(shown) < 20_000


def test_a_table_shows_its_first_rows_and_columns(tmp_path):
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"c{i}" for i in range(30)) + "\n" + ("x<y" + ",1" * 29 + "\n") * 50)
    shown = read_table(str(wide))._repr_html_()

    assert "c19" in shown
    assert "c20" not in shown
    assert "... 10 more" in shown
    assert "50 rows of 30 columns" in read(shown)
    assert shown.count("x&lt;y") == 6


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda o: o, "SGD(2 parameters, lr=0.1,"),
        (lambda o: optim.StepLR(o, 3), "StepLR(0 steps counted, lr 0.1)"),
        (lambda o: optim.ReduceLROnPlateau(o), "ReduceLROnPlateau(0 steps counted, lr 0.1)"),
        (lambda o: optim.ChainedScheduler([optim.StepLR(o, 3)]), "ChainedScheduler(lr 0.1)"),
        (lambda o: DataLoader((np.ones((5, 2)),), 2), "DataLoader(TensorDataset: 5 samples, 3 batches, "),
        (lambda o: DataLoader(iter([1]), 2), "DataLoader(list_iterator: batches of 2)"),
        (lambda o: clearprop.compile(np.tanh, executor="numpy"), "<compiled tanh: executor numpy, not ca"),
    ],
)  # fmt: skip
def test_the_text_at_a_prompt_says_what_it_is(made, text):
    net = nn.Linear(3, 1)

    assert repr(made(optim.SGD(net.parameters(), lr=0.1))).startswith(text)
