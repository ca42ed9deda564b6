"""Losses of numbers: what they are, that they are learned, and predictions in the target's own units."""

import numpy as np
import pytest

import clearprop
from clearprop.cli import main
from clearprop.data.goals import Count, Positive, Quantiles, Quantity, quantity
from clearprop.errors import InputError
from clearprop.train import TableModel, mae, measures, r2, rmse
from clearprop.train.objectives import GammaNLLLoss, QuantileLoss, checked_levels, followed

QUICK = ["--epochs", "25", "--hidden", "32", "--members", "2", "--lr", "0.01", "--compile", "no"]


def table(path, kind, rows=600, seed=0):
    """Write a column and a number that depends on it, with errors of the kind's own."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, rows)
    middle = np.exp(2 + x)
    y = {
        "poisson": lambda: rng.poisson(middle),
        "gamma": lambda: rng.gamma(4.0, middle / 4),
        "number": lambda: 1000 * x + 50 * rng.normal(size=rows) * (2 + x),
    }[kind]()
    lines = [f"{a:.5f},{b:.6g},{i % 3}" for i, (a, b) in enumerate(zip(x, y, strict=True))]
    path.write_text("\n".join(["x,y,w", *lines]) + "\n")
    return str(path), x, middle


def train(folder, data, *options):
    made = [data, "--target", "y", "--ignore", "w", "--output", str(folder / "o"), *QUICK, *options]
    assert main(["train", *made]) == 0
    return TableModel.load(folder / "o" / "model.safetensors")


def code(words):
    """Return the exit status, which argparse raises."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", [QuantileLoss((0.2, 0.5, 0.9)), GammaNLLLoss()])
def test_losses_are_what_they_say_and_have_right_gradients(loss, dtype, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)).astype(dtype), rng.uniform(0.1, 3, (7, 1)).astype(dtype)
    y = y if isinstance(loss, QuantileLoss) else np.repeat(y, 3, axis=1)
    q, d = np.array([0.2, 0.5, 0.9]), y.astype(float) - x
    each = np.where(d > 0, q * d, (q - 1) * d) if isinstance(loss, QuantileLoss) else y * np.exp(-x) + x
    slope = np.where(d > 0, -q, 1 - q) if isinstance(loss, QuantileLoss) else 1 - y * np.exp(-x)
    close = {"rtol": 1e-5 if dtype == np.float32 else 1e-12}

    value, grad = clearprop.compile(clearprop.value_and_grad(lambda x: loss(x, y)), executor=executor)(x)
    np.testing.assert_allclose(value, each.mean(), **close)
    np.testing.assert_allclose(grad, slope / 21, **close)
    assert grad.dtype == dtype
    if dtype == np.float64 and isinstance(loss, GammaNLLLoss):
        second = clearprop.grad(lambda x: np.sum(clearprop.grad(lambda x: loss(x, y))(x)))(x)
        np.testing.assert_allclose(second, y * np.exp(-x) / 21, **close)


@pytest.mark.parametrize("loss", [QuantileLoss((0.2, 0.5, 0.9)), GammaNLLLoss()])
@pytest.mark.parametrize(
    ("outputs", "targets"), [((3, 3), (3,)), ((5, 1), (5,)), ((4, 2), (4, 1)), ((3,), ())]
)
def test_rows_are_never_paired_with_other_rows(loss, outputs, targets):
    with pytest.raises(ValueError, match="wants"):
        loss(np.ones(outputs), np.ones(targets))


def test_quantiles_cover_what_they_say(tmp_path, capsys):
    data, *_ = table(tmp_path / "t.csv", "number", 2000)
    model = train(tmp_path, data, "--loss", "quantile", "--quantiles", "0.9,0.05,0.5")
    out = capsys.readouterr().out
    rows, *_ = table(tmp_path / "new.csv", "number", 4000, seed=1)
    fresh = model.read(rows)
    found = model.predictions(fresh)
    true = np.array(fresh.columns["y"], float)

    assert list(found) == ["predicted y", "quantile 0.05", "quantile 0.5", "quantile 0.9"]
    assert found["predicted y"] == found["quantile 0.5"]
    low, half, high = (np.array(found[name], float) for name in list(found)[1:])
    assert np.all((low <= half) & (half <= high))
    for share, column in ((0.05, low), (0.5, half), (0.9, high)):
        assert np.mean(true <= column) == pytest.approx(share, abs=0.05)
    assert r2(half, true) > 0.95
    assert "regression of the quantiles 0.05, 0.5, 0.9" in out
    assert "lie from the lowest to the highest, 85 % are to be" in out
    assert {"coverage", "below 0.05", "below 0.9", "pinball"} <= set(model.about["test"])


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
@pytest.mark.parametrize("plain", [True, False])
def test_expected_numbers_are_in_the_target_s_own_units(tmp_path, capsys, loss, plain):
    data, _, middle = table(tmp_path / "t.csv", loss)
    options = ["--plain", "--dropout", "0", "--epochs", "40", "--lr", "0.01"] if plain else []
    if plain:
        made = [data, "--target", "y", "--output", str(tmp_path / "o"), *options, "--hidden", "16"]
        assert main(["train", *made, "--ignore", "w", "--loss", loss, "--compile", "no"]) == 0
        model = TableModel.load(tmp_path / "o" / "model.safetensors")
    else:
        model = train(tmp_path, data, "--loss", loss)
    told = np.array(model.predictions(model.read(data))["predicted y"], float)

    assert r2(told, middle) > 0.9
    assert told.mean() == pytest.approx(middle.mean(), rel=0.1)
    assert f"{loss} deviance" in model.about["test"]
    curves = (tmp_path / "o" / "history.csv").read_text().splitlines()
    told_r2 = float(curves[-1].split(",")[curves[0].split(",").index("val_r2")])
    held = float(model.about["test"]["r2"])
    assert told_r2 == pytest.approx(held, abs=0.25)  # of numbers, not of their logarithms


@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_far_numbers_do_not_rule(tmp_path, loss):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 600)
    y = 10 * x + 0.1 * rng.normal(size=600)
    y[::20] = 1e6
    lines = [f"{a:.5f},{b:.6f},0" for a, b in zip(x, y, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y,w", *lines]) + "\n")
    model = train(tmp_path, str(tmp_path / "t.csv"), "--loss", loss)
    told = np.array(model.predictions(model.read(tmp_path / "t.csv"))["predicted y"], float)
    near = y < 1e5
    assert rmse(told[near], y[near]) < 1.5


@pytest.mark.parametrize(("column", "options", "message"), [
    ("-1 5 7 8", ["--loss", "poisson"], "--loss poisson: wants counts: numbers of 0 or more"),
    ("0 5.5 7 8", ["--loss", "gamma"], "--loss gamma: wants numbers above 0: '0' on line"),
    ("-2.5 5 7 8", ["--loss", "gamma"], "wants numbers above 0: '-2.5' on line"),
    ("1.5 5 7 8", ["--loss", "mape"], "mape"),
    ("1.5 5 7 8", ["--quantiles", "0.5"], "--quantiles: is of --loss quantile: --loss mse"),
    ("1.5 5 7 8", ["--loss", "quantile", "--quantiles", "0,0.5"], "wants shares between 0 and 1"),
    ("1.5 5 7 8", ["--loss", "quantile", "--quantiles", "0.5,.5"], "that differ: '0.5,.5'"),
    ("1.5 5 7 8", ["--loss", "quantile", "--quantiles", "half"], "wants shares"),
    ("1.5 5 7 8", ["--loss", "quantile", "--quantiles", ""], "wants shares"),
    ("a b a b", ["--loss", "gamma"], "--loss: is of a number, and the target has classes"),
    ("a b a b", ["--loss", "quantile"], "--loss: is of a number"),
])  # fmt: skip
@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_what_a_loss_cannot_learn_is_refused(tmp_path, capsys, column, options, message, more):
    cells = column.split() * 20
    lines = [f"{i % 7}.5,{cell}" for i, cell in enumerate(cells)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *lines]) + "\n")
    words = [str(tmp_path / "t.csv"), "--target", "y", "--output", str(tmp_path / "o"), *options, *more]
    assert code(["train", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_targets_are_kept_in_the_file_and_encoded_as_they_are_read():
    y = np.array([1.0, 2.0, 3.0, 10.0])
    scales = float(y.mean()), float(y.std())
    for loss, kind in (("mse", Quantity), ("poisson", Count), ("gamma", Positive), ("quantile", Quantiles)):
        target = quantity("y", y, scales, loss)
        assert type(target) is kind
        assert target.outputs == (3 if kind is Quantiles else 1)
    assert quantity("y", y, scales, "huber").mean == np.median(y)
    assert quantity("y", np.ones(4), (1.0, 1.0), "quantile").scale == 1.0
    crossed = quantity("y", y, scales, "quantile").quantiles(np.array([[1.0, 0.0, -1.0]]))
    assert np.all(np.diff(crossed) > 0)
    for wrong in ((), (0.0,), (1.0,), (0.5, 0.5), (np.nan,), "ab", 0.5):
        with pytest.raises(ValueError, match="shares between 0 and 1 that differ"):
            checked_levels("f", wrong)


def test_measures_by_weight_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, 60)
    again = np.repeat(np.arange(60), weights)
    true, told = rng.gamma(2.0, 1.0, 60), rng.gamma(2.0, 1.0, 60)
    scores, positive = rng.integers(0, 9, 60) / 8, rng.uniform(size=60) < 0.3
    logits, classes = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    quantiles = np.sort(rng.normal(size=(60, 2)), axis=1)

    for measure in (rmse, mae, r2, measures.poisson_deviance, measures.gamma_deviance):
        assert measure(told, true, weights) == pytest.approx(measure(told[again], true[again]))
    for measure in (measures.roc_auc, measures.average_precision, measures.best_threshold):
        assert measure(scores, positive, weights) == pytest.approx(measure(scores[again], positive[again]))
    for measure in (measures.brier, measures.log_loss):
        assert measure(shares, classes, weights) == pytest.approx(measure(shares[again], classes[again]))
    one = measures.pinball(quantiles, true, (0.1, 0.9), weights)
    assert one == pytest.approx(measures.pinball(quantiles[again], true[again], (0.1, 0.9)))
    target = quantity("y", true, (1.0, 1.0), "poisson")
    pair = (true[:, None], weights)
    said = followed(target, True)(np.log(told)[:, None], pair)
    assert said == pytest.approx(r2(told[again], true[again]))


def test_scikit_learn_has_the_same_deviances_and_areas():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    weights, true, told = rng.uniform(size=80), rng.gamma(2.0, 1.0, 80), rng.gamma(2.0, 1.0, 80)
    scores, positive = rng.integers(0, 9, 80) / 8, rng.uniform(size=80) < 0.3

    for ours, theirs in (
        (measures.poisson_deviance, metrics.mean_poisson_deviance),
        (measures.gamma_deviance, metrics.mean_gamma_deviance),
    ):
        assert ours(told, true, weights) == pytest.approx(theirs(true, told, sample_weight=weights))
    for ours, theirs in (
        (measures.roc_auc, metrics.roc_auc_score),
        (measures.average_precision, metrics.average_precision_score),
    ):
        assert ours(scores, positive, weights) == pytest.approx(
            theirs(positive, scores, sample_weight=weights)
        )
    loss = metrics.mean_pinball_loss(true, told, alpha=0.3, sample_weight=weights)
    assert measures.pinball(told[:, None], true, (0.3,), weights) == pytest.approx(loss)


def test_a_negative_number_far_down_a_stream_is_refused(tmp_path):
    target = quantity("y", np.array([1.0, 2.0]), (1.5, 0.5), "poisson")
    from clearprop.data import Table

    with pytest.raises(InputError, match="--loss poisson: wants counts"):
        target.encode(Table("t.csv", {"y": ["3", "-1"]}))
