"""What a page is made of: models that are taken, and what is refused in plain words."""

import json
import shlex

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim
from clearprop.cli import main
from clearprop.errors import InputError
from clearprop.play.playground import playground

X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def parts(outputs=2, **options):
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, outputs))
    return model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1, **options)


def told(path):
    text = path.read_text()
    start = text.index('id="told">') + len('id="told">')
    return json.loads(text[start : text.index("</script>", start)])


def test_the_random_state_stays_as_it_was(tmp_path):
    clearprop.manual_seed(11)
    before = clearprop.get_rng_state()
    playground(*parts(), X, Y, tmp_path / "p.html")

    np.testing.assert_array_equal(clearprop.get_rng_state() - [0, 4], before)  # the model's own four draws


def test_a_trained_model_and_its_memory_go_on_where_they_are(tmp_path):
    model, loss, optimizer = parts(momentum=0.9)
    for _ in range(5):
        optimizer.zero_grad()
        loss(model(X), Y).backward()
        optimizer.step()
    found = told(playground(model, loss, optimizer, X, Y, tmp_path / "p.html"))
    memory = next(s for s in found["states"] if s["name"].endswith("momentum_buffer"))

    assert memory["data"]


@pytest.mark.parametrize(
    ("model", "loss", "y"),
    [
        (lambda: nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 1)), nn.MSELoss, X[:, :1] * 2),
        (lambda: nn.Sequential(nn.Linear(2, 1)), nn.BCEWithLogitsLoss, (X[:, :1] > 0).astype(np.float32)),
        (lambda: nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)), nn.MSELoss, X[:, 1:]),
        (lambda: nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 3)), nn.CrossEntropyLoss, Y),
    ],
)
@pytest.mark.by_turns("optimizer")
@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, optim.RMSprop, optim.Adagrad])
def test_models_losses_and_optimizers(tmp_path, model, loss, y, optimizer):
    made = model()
    found = told(playground(made, loss(), optimizer(made.parameters(), lr=0.01), X, y, tmp_path / "p.html"))

    assert "refused" not in found
    assert len(found["losses"]) == 5
    assert found["drawn"] >= 0
    assert found["rates"][0] >= 0


def test_an_image_model_within_the_budget(tmp_path):
    images = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2))
    found = told(
        playground(
            net, nn.CrossEntropyLoss(), optim.Adam(net.parameters()), images, Y[:40], tmp_path / "p.html"
        )
    )

    assert "refused" not in found
    assert found["names"] == []


def test_a_step_beyond_the_budget_is_refused_with_its_size(tmp_path):
    net = nn.Sequential(nn.Linear(2, 3000), nn.ReLU(), nn.Linear(3000, 3000), nn.Linear(3000, 2))
    with pytest.raises(ValueError, match=r"at most 200 million operations a step: [\d,]+ million"):
        playground(net, nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=0.1), X, Y, tmp_path / "p.html")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"y": Y[:-1]}, "wants a row of y for each of X"),
        ({"X": X[:1], "y": Y[:1]}, "wants a row of y for each of X"),
        ({"X": X[:0], "y": Y[:0]}, "wants a row of y for each of X"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 49}, "from 1 to the 48 rows"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"test": 1.0}, "test"),
        ({"X": np.zeros((3_000_000, 3), np.float32), "y": np.zeros(3_000_000, int)}, "at most 32 MB"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, change, told):
    model, loss, optimizer = parts()
    given = {"X": X, "y": Y} | change
    with pytest.raises(ValueError, match=told):
        playground(model, loss, optimizer, given.pop("X"), given.pop("y"), tmp_path / "p.html", **given)

    assert not (tmp_path / "p.html").exists()


def test_losses_that_are_no_numbers_are_told_as_words(tmp_path):
    x = X.copy()
    x[:] = np.nan
    found = told(playground(*parts(), x, Y, tmp_path / "p.html"))

    assert found["losses"] == ["~nan"] * 5
    assert found["medians"] == ["~nan"] * 2


@pytest.mark.parametrize(
    ("loss", "squashed"),
    [
        (nn.BCEWithLogitsLoss(), True),
        (nn.functional.binary_cross_entropy_with_logits, True),
        (nn.MSELoss(), False),
        (nn.BCELoss(), False),
        (lambda out, y: ((out - y) ** 2).mean(), False),
    ],
)
def test_outputs_are_probabilities_unless_the_loss_takes_logits(tmp_path, loss, squashed):
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    found = told(playground(model, loss, optimizer, X, Y[:, None].astype(np.float32), tmp_path / "p.html"))

    assert found["squash"] is squashed


def test_an_optimizer_of_another_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="of the model's parameters"):
        playground(parts()[0], nn.CrossEntropyLoss(), parts()[2], X, Y, tmp_path / "p.html")
    with pytest.raises(TypeError, match="wants an optimizer"):
        playground(parts()[0], nn.CrossEntropyLoss(), "sgd", X, Y, tmp_path / "p.html")


def test_a_file_of_somebody_elses_stays(tmp_path):
    (tmp_path / "p.html").write_text("mine")
    with pytest.raises(InputError, match="another file"):
        playground(*parts(), X, Y, tmp_path / "p.html", overwrite=False)

    assert (tmp_path / "p.html").read_text() == "mine"


def test_a_model_without_reset_parameters_keeps_its_weights_under_every_seed(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(np.ones((2, 2), np.float32))

        def forward(self, x):
            return x @ self.w

    model = Own()
    found = told(
        playground(
            model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), X, Y, tmp_path / "p.html"
        )
    )

    assert found["drawn"] == -1


@pytest.mark.parametrize(
    ("lines", "names", "dropped"),
    [
        (
            "a,b,c\n"
            + "".join(f"{i * 37 % 53 / 10},{i * i % 7},{'no' if i % 3 else 'yes'}\n" for i in range(60)),
            ["a", "b"],
            True,
        ),
        (
            "a,k,c\n" + "".join(f"{i * 37 % 53 / 10},{'uv'[i % 2]},{i * 0.5}\n" for i in range(60)),
            ["a", "k=u", "k=v"],
            False,
        ),
    ],
)
def test_the_command_makes_a_page_of_a_table(tmp_path, capsys, lines, names, dropped):
    (tmp_path / "t.csv").write_text(lines)
    page = tmp_path / "p.html"
    told_ = ["play", str(tmp_path / "t.csv"), "--target", "c", "--hidden", "4", "--html", str(page)]

    assert main(told_) == 0
    assert "48 rows to learn from" in capsys.readouterr().out
    found = told(page)
    assert found["names"] == names
    assert found["dropped"] is dropped
    assert found["target"] == "c"
    assert shlex.split(found["command"])[2:] == [str(tmp_path / "t.csv"), "--target", "c", "--hidden", "16,8"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--html", "p.txt"], "ends in .html"),
        (["--hidden", "x"], "--hidden"),
        (["--test-split", "2"], "--test-split"),
        (["--batch-size", "0"], "--batch-size"),
        (["--target", "zz"], "zz"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(tmp_path, capsys, options, told, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,c\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))

    assert main(["play", "t.csv", *(["--target", "c"] if "--target" not in options else []), *options]) == 2
    assert told in capsys.readouterr().err


def test_the_command_speaks_german_and_begins_with_a_rate_that_works(tmp_path, capsys):
    page = tmp_path / "p.html"

    assert main(["play", "iris", "--hidden", "4", "--language", "de", "--html", str(page)]) == 0
    found = told(page)
    assert found["language"] == "de"
    assert found["words"]["train"] == "Lernen lassen"
    assert found["known"] == "known adam"
    assert found["telling"] == [2, 3]  # of iris, the petals
