"""The report of a training: one page without a network, which says what the terminal said."""

import json
import re
from argparse import Namespace
from html.parser import HTMLParser

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.cli.card import _layer
from clearprop.cli.division import divided
from clearprop.nn import Linear, Tanh
from clearprop.train import TableModel
from clearprop.train.charts import confusion_matrix


def rows(path, kind="rare", count=400):
    """Write a table of which few rows are `rare`, or of which a number is to be predicted."""
    rng = np.random.default_rng(0)
    lines = ["size,<b>town,price,answer"]
    for _ in range(count):
        size, town = rng.normal(), rng.integers(0, 3)
        score = size + 0.5 * town
        answer = f"{score:.3f}" if kind == "number" else ("rare" if score > 1.6 else "usual")
        lines.append(f"{size:.3f},t&{town},{rng.normal():.3f},{answer}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


QUICK = ["--epochs", "12", "--hidden", "16", "--members", "2", "--compile", "no", "--quiet"]


def train(*args):
    return main(["train", *map(str, args)])


class Tags(HTMLParser):
    """Checks that what is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "br", "hr"):
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("kind", ["rare", "number"])
@pytest.mark.parametrize("plain", [[], ["--plain"]])
def test_the_page_is_whole_and_says_what_was_found(tmp_path, kind, plain):
    options = [option for option in QUICK if option not in ("--members", "2")] if plain else QUICK
    table = rows(tmp_path / "t.csv", kind)
    assert train(table, "--target", "answer", "--output", tmp_path / "o", *options, *plain) == 0
    page = (tmp_path / "o" / "report.html").read_text()
    tags = Tags()
    tags.feed(page)

    assert (tags.open, tags.links) == ([], ["data:,"])  # a browser would ask for an icon
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    for said in (
        "&lt;b&gt;town",
        "How well",
        "What mattered",
        "The network",
        "clearprop train",
        "--target answer",
    ):
        assert said in page
    assert str(tmp_path / "o") not in page
    result = TableModel.load(tmp_path / "o" / "model.safetensors").about["test"]
    for name, value in result.items():
        assert f"<div>{name}<b>{value:.4g}</b></div>" in page


def test_what_two_classes_are_told_by(tmp_path, capsys):
    table = rows(tmp_path / "t.csv")
    assert train(table, "--target", "answer", "--threshold", "0.2", "--output", tmp_path / "o", *QUICK) == 0
    model = TableModel.load(tmp_path / "o" / "model.safetensors")
    assert model.about["threshold"] == {"class": "rare", "from": 0.2}
    assert {"accuracy", "log-loss", "Brier", "ROC-AUC", "average precision", "F1 of rare"} == set(
        model.about["test"]
    )

    found = model.predictions(model.read(table))
    said = [float(share) >= 0.2 for share in found["probability rare"]]
    assert [name == "rare" for name in found["predicted answer"]] == said
    assert 0.05 < model.about["temperature"] < 20


def test_weights_of_classes_say_the_rare_one_more_often_with_its_own_probability(tmp_path):
    table = rows(tmp_path / "t.csv")
    said, means = [], []
    for name, weights in (
        ("a", []),
        ("b", ["--class-weight", "balanced"]),
        ("c", ["--class-weight", "rare=20"]),
    ):
        assert train(table, "--target", "answer", "--output", tmp_path / name, *weights, *QUICK) == 0
        model = TableModel.load(tmp_path / name / "model.safetensors")
        shares = model.probabilities(model.read(table))
        means.append(shares[:, 0].mean())
        said.append(np.mean(model.chosen(shares) == 0))
        again = tmp_path / "again.safetensors"
        model.save(again)
        assert again.read_bytes() == (tmp_path / name / "model.safetensors").read_bytes()
    occurs = (tmp_path / "t.csv").read_text().count("rare") / 400
    assert said[0] < said[1] <= said[2]
    assert means == pytest.approx([occurs] * 3, abs=0.06)


@pytest.mark.parametrize("weights", ["rare=0.02", "usual=30", "rare=500"])
def test_what_few_epochs_have_not_learned_of_the_weights_is_not_taken_off(tmp_path, weights):
    table, out = rows(tmp_path / "t.csv"), tmp_path / "o"
    few = [*QUICK, "--epochs", "1", "--lr", "0.0001"]
    assert train(table, "--target", "answer", "--output", out, "--class-weight", weights, *few) == 0
    model = TableModel.load(out / "model.safetensors")
    occurs = (tmp_path / "t.csv").read_text().count("rare") / 400
    said = model.probabilities(model.read(table))[:, 0].mean()
    assert said == pytest.approx(occurs, abs=0.06)
    assert model.about["learned weights"] != model.about["class weights"]


def test_nine_of_ten_errors_lie_within_what_is_said(tmp_path):
    assert (
        train(rows(tmp_path / "t.csv", "number"), "--target", "answer", "--output", tmp_path / "o", *QUICK)
        == 0
    )
    about = TableModel.load(tmp_path / "o" / "model.safetensors").about
    assert about["within"] > 0
    assert 0.75 < about["test"]["coverage"] <= 1


@pytest.mark.parametrize(("kind", "options", "message"), [
    ("rare", ["--threshold", "2"], "--threshold: wants f1 or a probability between 0 and 1: '2'"),
    ("rare", ["--threshold", "nan"], "--threshold: wants f1 or a probability"),
    ("rare", ["--threshold", "f1", "--validation-split", "0"], "--threshold: wants validation rows"),
    ("number", ["--threshold", "0.3"], "--threshold: is of a target of two classes"),
    ("number", ["--class-weight", "balanced"], "--class-weight: is of classes: 'answer' is a number"),
    ("rare", ["--class-weight", "rar=2"], "Try 'rare'"),
    ("rare", ["--class-weight", "rare=-2"], "--class-weight: wants numbers of 0 or more: 'rare=-2'"),
    ("rare", ["--class-weight", "rare=2,rare=3"], "wants one weight for each class: 'rare' twice"),
    ("rare", ["--class-weight", "rare=0,usual=0"], "wants a weight above 0 for a class that occurs"),
    ("rare", ["--class-weight", "rare"], "--class-weight: wants balanced or NAME=NUMBER"),
    ("rare", ["--plain", "--members", "3"], "--members: is not of a plain network"),
])  # fmt: skip
def test_what_cannot_be_is_refused_before_the_training(tmp_path, capsys, kind, options, message):
    table = rows(tmp_path / "t.csv", kind)
    assert train(table, "--target", "answer", "--output", tmp_path / "o", "--epochs", "2", *options) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "epoch 1" not in captured.out
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(("kind", "loss", "unit"), [
    ("rare", [], "the class's logit, less the mean of all"),
    ("number", ["--loss", "quantile"], "the network's output for the quantile 0.5"),
    ("number", [], "the network's output"),
])  # fmt: skip
def test_contributions_are_in_units_that_are_said(tmp_path, capsys, kind, loss, unit):
    table = rows(tmp_path / "t.csv", kind)
    assert train(table, "--target", "answer", "--output", tmp_path / "o", *QUICK, *loss) == 0
    capsys.readouterr()
    assert main(["explain", str(tmp_path / "o" / "model.safetensors"), table]) == 0
    assert capsys.readouterr().out.endswith(f"in units of {unit}, by integrated gradients\n")


def test_what_weights_of_classes_do_is_said(tmp_path, capsys):
    table = rows(tmp_path / "t.csv")
    options = [option for option in QUICK if option != "--quiet"]
    for more, told in (([], False), (["--class-weight", "balanced"], True)):
        made = [table, "--target", "answer", "--output", tmp_path / "o", *options, *more, "--force"]
        assert train(*made) == 0
        assert ("whose probability times its weight is the largest" in capsys.readouterr().out) == told
        page = (tmp_path / "o" / "report.html").read_text()
        assert ("whose probability times its weight is the largest" in page) == told


@pytest.mark.parametrize("kind", ["rare", "number"])
def test_a_prediction_is_taken_apart(tmp_path, capsys, kind):
    table = rows(tmp_path / "t.csv", kind)
    assert train(table, "--target", "answer", "--output", tmp_path / "o", *QUICK) == 0
    capsys.readouterr()
    model = str(tmp_path / "o" / "model.safetensors")
    assert main(["explain", model, table, "--row", "7"]) == 0
    out = capsys.readouterr().out
    numbers = {
        name: float(value) for name, value in re.findall(r"^  (\S.*?)  .*?([+-]\d+\.\d{4})", out, re.M)
    }

    assert out.startswith("row 7: predicted answer ")
    parts = sum(numbers[name] for name in ("size", "<b>town", "price"))
    assert numbers["a typical row"] + parts == pytest.approx(numbers["this row"], abs=0.05)
    for options, message in (
        (["--row", "0"], "--row: wants a row from 1 to 400: 0"),
        (["--row", "401"], "--row: wants a row from 1 to 400: 401"),
        (["--label", "none"], "--label: wants a class of 'answer': 'none'"),
    ):
        assert main(["explain", model, table, *options]) == 2
        assert message in capsys.readouterr().err
    assert main(["explain", model, table, "--row", "2", "--json"]) == 0
    assert '"contributions"' in capsys.readouterr().out


def test_what_a_layer_says_is_cut_before_it_is_escaped():
    class Odd(Linear):
        def extra_repr(self):
            return "&" * 100

    assert ">" + "&amp;" * 80 + "</td>" in _layer(Odd(2, 3))
    assert '<td class="number">9</td>' in _layer(Odd(2, 3))
    assert _layer(Tanh()).endswith('<td class="number"></td></tr>')


def test_the_report_of_two_classes_shows_recall_precision_and_the_surest_mistakes(tmp_path):
    table, out = rows(tmp_path / "t.csv"), tmp_path / "o"
    assert train(table, "--target", "answer", "--output", out, "--test-split", "0.5", *QUICK) == 0
    page = (out / "report.html").read_text()
    model = TableModel.load(out / "model.safetensors")
    read = model.read(table)
    counts = np.array(re.findall(r'<td class="number(?: hit)?">(\d+)</td>', page), int)[:4].reshape(2, 2)

    assert counts.sum() == model.about["rows"][2]
    assert np.trace(counts) / counts.sum() == pytest.approx(model.about["test"]["accuracy"])
    for i, name in enumerate(("rare", "usual")):
        recall = f"{100 * counts[i, i] / counts[i].sum():.0f}\u00a0%"
        assert re.search(rf"<th>{name}</th>(<td[^>]*>\d+</td>){{2}}<td[^>]*>{recall}</td>", page)
    assert f"would be right in {100 * counts.sum(axis=1).max() / counts.sum():.1f} %" in page
    assert "Of rare: how much of it is found" in page
    worst = re.findall(r"<tr>(?:<td[^>]*>([^<]*)</td>)(?:<td[^>]*>([^<]*)</td>)(?:<td[^>]*>([^<]*)</td>)"
                       r"(?:<td[^>]*>(0\.\d+)</td>)</tr>", page)  # fmt: skip
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert 1 <= len(worst) <= 8
    for line, true, said, share in worst:
        assert lines[int(line) - 1].endswith(true)
        assert true != said
        shares = model.probabilities(read.rows([int(line) - 2]))
        assert float(share) == pytest.approx(shares[0].max(), abs=2e-3)
    assert [float(row[3]) for row in worst] == sorted((float(row[3]) for row in worst), reverse=True)


def test_the_report_of_a_number_shows_the_rows_that_are_furthest_off(tmp_path):
    table, out = rows(tmp_path / "t.csv", "number"), tmp_path / "o"
    assert train(table, "--target", "answer", "--output", out, *QUICK) == 0
    page = (out / "report.html").read_text()
    cell = r'<td class="number">([-.\de]+)</td>'
    worst = re.findall(r'<td class="number">(\d+)</td>' + 3 * cell, page)
    assert len(worst) == 8
    for _, true, said, off in worst:
        assert abs(float(true) - float(said)) == pytest.approx(float(off), rel=0.02, abs=0.02)
    assert "Always the same number" in page


def test_pixels_that_are_scaled_together_are_not_said_to_have_one_mean(tmp_path):
    pytest.importorskip("sklearn")
    assert main(["train", "digits", "--plain", "--epochs", "1", "--output", str(tmp_path / "out")]) == 0

    page = (tmp_path / "out" / "report.html").read_text()
    assert "median 0, learned as (x - 4.883) / 6.02" in page
    assert "mean 4.883" not in page


def weighed(path):
    """Write a table of which rows weigh 0 to 3, and return it with the weights by line."""
    rng = np.random.default_rng(2)
    lines, weights = ["size,weight,kind,price"], {}
    for i in range(500):
        size, weight = rng.normal(), int(rng.integers(0, 4))
        weights[i + 2] = weight
        price = size + 0.3 * rng.normal()
        lines.append(f"{size:.3f},{weight},{'rare' if price > 1 else 'usual'},{price:.3f}")
    path.write_text("\n".join(lines) + "\n")
    return str(path), weights


def test_the_report_says_what_counts_rows_and_what_weighs_them(tmp_path, capsys):
    table, _ = weighed(tmp_path / "t.csv")
    made = [table, "--target", "kind", "--ignore", "price", "--sample-weight", "weight"]
    loud = [option for option in QUICK if option != "--quiet"]
    assert train(*made, "--output", tmp_path / "o", *loud) == 0
    out, page = capsys.readouterr().out, (tmp_path / "o" / "report.html").read_text()
    args = Namespace(validation_split=0.1, test_split=0.2, seed=0, group=None, time=None)
    model = TableModel.load(tmp_path / "o" / "model.safetensors")
    read = model.read(table)
    target = model.target.encode(read)
    test = divided(args, read, None, target)[2]
    said = model.chosen(model.probabilities(read.rows(test)))
    weights = read.numbers("weight")[0][test]
    by_weight = confusion_matrix(target[test], said, 2, weights)
    counts = np.array(re.findall(r'<td class="number(?: hit)?">(\d+)</td>', page), int)[:4].reshape(2, 2)

    np.testing.assert_array_equal(counts, confusion_matrix(target[test], said, 2))
    assert "Rows are counted; every share weighs them." in page
    assert "the table counts rows; what stands below weighs them" in out
    recall = f"{100 * by_weight[0, 0] / by_weight[0].sum():.0f}\u00a0%"
    assert re.search(rf"<th>rare</th>(<td[^>]*>\d+</td>){{2}}<td[^>]*>{recall}</td>", page)
    usual = 100 * by_weight.sum(axis=1).max() / by_weight.sum()
    assert f"would be right in {usual:.1f} %" in page


@pytest.mark.parametrize("loss", [[], ["--loss", "quantile", "--quantiles", "0.1,0.8"]])
def test_the_report_of_a_number_shows_what_is_left_over(tmp_path, loss):
    table, _ = weighed(tmp_path / "t.csv")
    made = [table, "--target", "price", "--ignore", "kind", "--sample-weight", "weight"]
    assert train(*made, "--output", tmp_path / "o", *QUICK, *loss) == 0
    page = (tmp_path / "o" / "report.html").read_text()
    about = TableModel.load(tmp_path / "o" / "model.safetensors").about
    told = f"{100 * about['test']['coverage']:.1f} %"

    assert "What is true less what was predicted" in page
    if loss:
        assert f"{told} lie from the lowest to the highest, 70 % are to be." in page
        heights = [float(y) for y in re.findall(r'cy="([\d.]+)" r="5"', page)]
        spans = [(206 - y) / 182 for y in heights]  # from the axis at 206 up to 24
        assert spans == pytest.approx([about["test"][f"below {q}"] for q in (0.1, 0.8)], abs=0.001)
    else:
        assert f"Nine of ten validation rows lie between the dashed lines, {told} of these." in page


@pytest.mark.parametrize("kind", ["rare", "number"])
def test_each_figure_of_the_report_has_a_name(tmp_path, kind):
    table = rows(tmp_path / "t.csv", kind)
    assert train(table, "--target", "answer", "--output", tmp_path / "o", *QUICK) == 0
    page = (tmp_path / "o" / "report.html").read_text()
    names = re.findall(r'<figure aria-labelledby="([^"]+)">', page)

    assert len(names) == page.count("<figure") == len(set(names)) >= 6
    for name in names:
        assert re.search(rf'<figcaption id="{name}">[^<]+</figcaption>', page)
    pictures = re.findall("<svg [^>]*>", page)
    assert len(pictures) == len(names) + 1
    assert all('role="img"' in picture and 'aria-label="' in picture for picture in pictures)


def test_the_rarer_of_two_classes_is_one_in_all_folds(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{'ab'[int(x + 0.02 > 0)]}" for x in rng.normal(size=120)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(lines) + "\n")
    for more in ([], ["--stream"]):
        made = ["--target", "y", "--output", tmp_path / "o", "--folds", "6", "--json", "--force", *more]
        assert train(tmp_path / "t.csv", *made, *QUICK) == 0
        repeats = json.loads(capsys.readouterr().out)["repeats"]
        assert [name for name in repeats if name.startswith("F1")] == ["F1 of a"]
        assert len(repeats["F1 of a"]) == 6


@pytest.mark.parametrize("kind", ["number", "class"])
def test_rows_that_count_for_nothing_are_no_mistakes_and_no_measure(tmp_path, capsys, kind):
    rng = np.random.default_rng(4)
    lines = ["size,noise,weight,answer"]
    for i in range(600):
        size, noise, weight = rng.normal(), rng.normal(), i % 2
        answer = 2 * size + 0.2 * rng.normal() if weight else 50 + 40 * noise
        lines.append(f"{size:.3f},{noise:.3f},{weight},{answer if kind == 'number' else answer > 0}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    made = [tmp_path / "t.csv", "--target", "answer", "--sample-weight", "weight", "--output", tmp_path / "o"]
    assert train(*made, "--plain", "--hidden", "16", "--epochs", "60", "--compile", "no") == 0
    page, out = (tmp_path / "o" / "report.html").read_text(), capsys.readouterr().out
    worst = page.split("The worst mistakes")[1].split("</section>")[0]
    mattered = page.split("What mattered")[1].split("</section>")[0]
    first = [re.findall(r"<text[^>]*>(size|noise)<", figure) for figure in mattered.split("<figure")[1:]]

    assert all(int(line) % 2 for line in re.findall(r'<tr><td class="number">(\d+)<', worst))
    assert first[0][0] == "size"
    if kind == "number":
        told = re.search(r"always the mean, RMSE ([\d.]+)", out)
        assert float(told[1]) < 3
        assert f"would be off by {told[1]} (RMSE)" in page
