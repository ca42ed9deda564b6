"""The history: curves by name, every digit in the file."""

import pytest

from clearprop.train import History


def test_the_file_holds_every_digit_and_no_time(tmp_path):
    history = History()
    history.add({"loss": 0.1 + 0.2, "val_loss": 1e-9}, seconds=3.0)
    history.add({"loss": float("nan"), "val_loss": 2}, seconds=4.0)
    history.to_csv(tmp_path / "h.csv")

    assert (tmp_path / "h.csv").read_text() == (
        "epoch,loss,val_loss\n1,0.30000000000000004,1e-09\n2,nan,2.0\n"
    )


def test_an_unknown_curve_names_the_known_ones():
    history = History()
    history.add({"loss": 1.0, "val_loss": 2.0}, seconds=0)

    with pytest.raises(KeyError, match="no curve 'los'; there are loss, val_loss"):
        history["los"]


def test_it_shows_where_it_stands():
    history = History()

    assert repr(history) == "History(0 epochs)"
    history.add({"loss": 1.0}, seconds=0)
    history.best_epoch, history.ended = 1, "stopped early"
    assert repr(history) == "History(1 epoch, loss 1, best epoch 1, stopped early)"
