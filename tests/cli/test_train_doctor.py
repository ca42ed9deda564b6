"""clearprop train: the doctor looks on request, and by itself after a training that went badly."""

from __future__ import annotations

import pytest

from clearprop.cli import main


@pytest.fixture
def table(tmp_path):
    """A small table with a rule that can be learned."""
    lines = [f"{i % 7 / 7:.3f},{i % 5 / 5:.3f},{'yes' if i % 7 > i % 5 else 'no'}" for i in range(120)]
    path = tmp_path / "table.csv"
    path.write_text("a,b,answer\n" + "\n".join(lines) + "\n")
    return path


def train(table, *options):
    return main(["train", str(table), "--target", "answer", "--output", str(table.parent / "out"), *options])


def test_on_request_the_doctor_looks_before_training(table, capsys):
    status = train(table, "--epochs", "3", "--doctor")
    text = capsys.readouterr().out

    assert status == 0
    assert "doctor: Sequential" in text
    assert "No finding" in text
    assert text.index("doctor:") < text.index("epoch 1/3")


def test_without_a_reason_the_doctor_is_silent(table, capsys):
    train(table, "--epochs", "5")

    assert "doctor" not in capsys.readouterr().out


def test_after_a_training_that_went_badly_the_doctor_says_why(table, capsys):
    status = train(table, "--epochs", "4", "--lr", "1e-9")
    text = capsys.readouterr().out

    assert status == 0
    assert "The training went badly." in text
    assert "learning rate too low at lr=1e-09" in text


def test_after_a_loss_that_became_nan_the_doctor_says_why(table, capsys):
    status = train(table, "--epochs", "40", "--lr", "1e6", "--optimizer", "sgd", "--plain")
    seen = capsys.readouterr()

    assert status in (0, 2)
    assert "learning rate too high at lr=1e+06" in seen.out
