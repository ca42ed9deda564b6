"""What `fit` can be asked for besides: weights, clipping, accumulation, averages, logs, time."""

import copy
import json

import numpy as np
import pytest

import clearprop
from clearprop import data, nn, optim, train
from clearprop.errors import InputError
from clearprop.train.curves import drawn, save_curves


def regression(rows=64):
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    return x, (x[:, :1] - x[:, 1:2] ** 2).astype(np.float32)


def network(outputs=1, seed=0):
    clearprop.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, outputs))


def fit(model, loss, pair, **options):
    options = {"progress": False, "compile": False, "seed": 0} | options
    options.setdefault("optimizer", optim.SGD(model.parameters(), lr=0.1))
    return train.fit(model, loss, pair, **options)


def same(one, other, tolerance=0.0):
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


def by_hand(model, pair, loss, size=16, clip=None):
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for start in range(0, len(pair[0]), size):
        optimizer.zero_grad()
        loss(model, slice(start, start + size)).backward()
        if clip is not None:
            optim.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()


WAYS = [False, pytest.param(True, id="compiled")]


def ordered(pair, size=16):
    return data.DataLoader(pair, size)


@pytest.mark.parametrize("compile", WAYS)
def test_accumulated_batches_are_one_large_one(compile):
    if compile:
        pytest.importorskip("llvmlite")
    pair, one, other = regression(72), network(), network()
    fit(one, "mse", ordered(pair, 8), accumulate=2, epochs=2, compile=compile)
    fit(other, "mse", ordered(pair, 16), epochs=2)

    same(one, other, 2e-6)


@pytest.mark.parametrize("compile", WAYS)
def test_gradients_are_clipped(compile):
    if compile:
        pytest.importorskip("llvmlite")
    pair, one, other = regression(), network(), network()
    fit(one, "mse", ordered(pair), clip_norm=0.05, epochs=1, compile=compile)
    by_hand(other, pair, lambda m, s: nn.MSELoss()(m(pair[0][s]), pair[1][s]), clip=0.05)

    same(one, other, 2e-6)


@pytest.mark.parametrize("compile", WAYS)
def test_a_row_of_weight_two_is_two_rows(compile):
    if compile:
        pytest.importorskip("llvmlite")
    x, y = regression()
    weights = np.arange(64) % 3
    one, other = network(), network()
    fit(one, "mse", (x, y), sample_weight=weights, batch_size=64, epochs=3, compile=compile)
    fit(other, "mse", (x.repeat(weights, 0), y.repeat(weights, 0)), batch_size=64, epochs=3)

    same(one, other, 2e-5)


@pytest.mark.parametrize("scale", [1e-44, 1e-36, 1e30, 1e60])
def test_weights_of_rows_count_alike_at_any_scale(scale):
    one, other = network(), network()
    fit(one, "mse", regression(), sample_weight=np.arange(64) % 3, epochs=2)
    fit(other, "mse", regression(), sample_weight=(np.arange(64) % 3) * scale, epochs=2)

    same(one, other, 2e-6)


@pytest.mark.parametrize("given", [{0: 1, 1: 3}, [1.0, 3.0]])
@pytest.mark.parametrize("compile", WAYS)
def test_weights_of_classes_are_the_loss_s_own(given, compile):
    if compile:
        pytest.importorskip("llvmlite")
    x, _ = regression()
    y = (x[:, 0] > 0.8).astype(np.int64)
    one, other = network(2), network(2)
    fit(one, "cross_entropy", (x, y), class_weight=given, epochs=2, compile=compile)
    fit(other, nn.CrossEntropyLoss(weight=np.array([1, 3], np.float32)), (x, y), epochs=2)

    same(one, other, 1e-5)


@pytest.mark.parametrize("compile", WAYS)
@pytest.mark.parametrize("loss", ["plain", "weighed"])
def test_rows_of_weight_1_change_nothing_where_a_loss_leaves_out_or_weighs_classes(loss, compile):
    if compile:
        pytest.importorskip("llvmlite")
    x, _ = regression()
    y = np.where(np.arange(64) % 3, (x[:, 0] > 0.8).astype(np.int64), -100)
    given = nn.CrossEntropyLoss(weight=np.array([1, 3], np.float32) if loss == "weighed" else None)
    one, other = network(2), network(2)
    weighed = fit(one, given, (x, y), sample_weight=np.ones(64), epochs=2, compile=compile)
    plain = fit(other, given, (x, y), epochs=2)

    same(one, other, 1e-5)
    assert weighed.rows[-1]["loss"] == pytest.approx(plain.rows[-1]["loss"], rel=1e-5)


def test_a_weighted_loss_is_no_mean_over_rows_of_batches():
    x, _ = regression()
    y = (x[:, 0] > 0.8).astype(np.int64)
    loss = train.Weighted(nn.CrossEntropyLoss(), classes=np.array([1.0, 3.0]))

    with pytest.raises(ValueError, match="wants a loss that is the mean over rows"):
        train.evaluate(network(2), loss, (x, y), batch_size=5, stream=True)


def test_balanced_weights_count_every_class_alike():
    x, _ = regression()
    y = (x[:, 0] > 0.8).astype(np.int64)
    counts = np.bincount(y)
    one, other = network(2), network(2)
    fit(one, "cross_entropy", (x, y), class_weight="balanced", epochs=1)
    fit(other, "cross_entropy", (x, y), class_weight=64 / (2 * counts), epochs=1)

    same(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": [1.0]}, "a weight of 0 or more for each of 2 classes"),
        ({"class_weight": "even"}, 'wants "balanced"'),
        ({"class_weight": {0: -1.0}}, "a weight of 0 or more"),
        ({"sample_weight": np.ones(3)}, "a weight of 0 or more for each of 64 rows"),
        ({"sample_weight": np.zeros(64)}, "one of them above 0"),
        ({"sample_weight": -np.ones(64)}, "a weight of 0 or more"),
        ({"accumulate": 0}, r"fit\(accumulate=\): wants a number above 0"),
        ({"clip_norm": 0}, r"fit\(clip_norm=\): wants a number above 0"),
        ({"max_time": -1}, r"fit\(max_time=\)"),
        ({"validate_every": 1.5}, r"fit\(validate_every=\)"),
        ({"ema": 1.0}, r"fit\(ema=\)"),
        ({"swa": 0}, r"fit\(swa=\)"),
        ({"ema": 0.9, "swa": 1}, "wants one of the two"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    x, _ = regression()
    with pytest.raises(ValueError, match=message):
        fit(network(2), "cross_entropy", (x, (x[:, 0] > 0).astype(int)), **options)


def test_a_loss_s_name_is_checked_and_weights_want_one_with_rows():
    pair = regression()
    with pytest.raises(ValueError, match="no loss of that name: 'l2'"):
        fit(network(), "l2", pair)
    with pytest.raises(TypeError, match="wants a loss with a reduction"):
        fit(network(), lambda z, y: np.mean((z - y) ** 2), pair, sample_weight=np.ones(64))


def test_the_exponential_average_is_its_formula_and_is_what_is_measured():
    pair, model = regression(), network()
    mean = [np.array(p.value) for p in model.parameters()]
    plain = copy.deepcopy(model)

    class Follow(train.Callback):
        def step_done(self, run):
            share = 1 - min(0.5, run.step / (9 + run.step))
            for m, p in zip(mean, run.model.parameters(), strict=True):
                m += share * (p.value - m)

    history = fit(model, "mse", pair, validation=pair, ema=0.5, epochs=3, callbacks=[Follow()])
    fit(plain, "mse", pair, epochs=3)

    for m, p in zip(mean, model.parameters(), strict=True):
        np.testing.assert_allclose(p.value, m, rtol=1e-6)
    assert history["val_loss"][-1] == pytest.approx(train.evaluate(model, "mse", pair)["loss"])
    assert not np.array_equal(plain[0].weight.value, model[0].weight.value)


def test_swa_is_the_mean_of_the_last_epochs():
    pair, model, found = regression(), network(), []
    fit(model, "mse", pair, swa=3, epochs=5, callbacks=[lambda run: found.append(run.model.state_dict())])

    for name, array in model.state_dict().items():
        np.testing.assert_allclose(array, np.mean([s[name] for s in found[2:]], axis=0), rtol=1e-5, atol=1e-7)


def test_the_time_ends_a_run_and_resuming_goes_on_exactly(tmp_path):
    pair = regression()
    whole, late = network(), network()
    fit(whole, "mse", pair, epochs=3)
    history = fit(late, "mse", pair, epochs=3, max_time=1e-9, checkpoint=tmp_path / "run", batch_size=16)
    other, again = network(), network()
    fit(other, "mse", pair, epochs=3, batch_size=16)
    fit(again, "mse", pair, epochs=3, batch_size=16, checkpoint=tmp_path / "run", resume=True)

    assert (history.ended, len(history)) == ("out of time", 1)
    same(other, again)


def test_measures_within_an_epoch():
    history = fit(network(), "mse", regression(), validation=regression(), validate_every=3, batch_size=16)

    assert [row["step"] for row in history.within] == list(range(3, 41, 3))
    assert {"step", "val_loss"} == set(history.within[0])


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(3, 2), nn.Linear(1, 2)

    def forward(self, x, z):
        both = self.one(x) + self.other(z)
        return both[:, :1], both[:, 1:]


@pytest.mark.parametrize("compile", WAYS)
def test_several_inputs_and_outputs(compile):
    if compile:
        pytest.importorskip("llvmlite")
    x, y = regression()
    mse = nn.MSELoss()

    def loss(outputs, targets):
        return mse(outputs[0], targets[0]) + mse(outputs[1], targets[1])

    model = Sum()
    pair = ((x, y), (y, 2 * y))
    history = fit(model, loss, pair, validation=pair, epochs=30, compile=compile, checkpoint=None)
    first, second = train.predict(model, (x, y), batch_size=10)

    assert history["val_loss"][-1] < history["val_loss"][0] / 4
    np.testing.assert_allclose(second, 2 * y, atol=0.5)
    assert first.shape == (64, 1)


def test_probabilities():
    x, _ = regression()
    one = train.predict_proba(network(1), x)
    three = train.predict_proba(network(3), x)

    np.testing.assert_allclose(one[:, 1], 1 / (1 + np.exp(-train.predict(network(1), x)[:, 0])), rtol=1e-5)
    assert (one.shape, three.shape) == ((64, 2), (64, 3))


def test_a_schedule_by_step_and_by_epoch_and_by_what_is_watched():
    rates = {}
    for each, make in {
        "step": lambda o: optim.StepLR(o, 1, gamma=0.5),
        "epoch": lambda o: optim.StepLR(o, 1, gamma=0.5),
        "plateau": lambda o: optim.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=10.0),
    }.items():
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=1e-3)
        schedule = train.Scheduled(make(optimizer), "step" if each == "step" else "epoch")
        fit(model, "mse", regression(), optimizer=optimizer, epochs=3, batch_size=32, callbacks=[schedule])
        rates[each] = optimizer.lr

    assert rates["step"] == pytest.approx(1e-3 / 2**6)
    assert rates["epoch"] == pytest.approx(1e-3 / 2**3)
    assert rates["plateau"] < 1e-3


def test_a_resumed_run_goes_on_with_its_callbacks(tmp_path):
    def run(epochs, **options):
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        schedule = train.Scheduled(optim.StepLR(optimizer, 2, gamma=0.1))
        fit(model, "mse", regression(), optimizer=optimizer, epochs=epochs, callbacks=[schedule], **options)
        return model, optimizer.lr

    whole, rate = run(5)
    run(3, checkpoint=tmp_path / "run")
    resumed, again = run(5, resume=tmp_path / "run")

    same(whole, resumed)
    assert rate == again
    with pytest.raises(InputError, match="there is no such file"):
        run(5, resume=tmp_path / "other")
    with pytest.raises(InputError, match="callbacks and averages"):
        fit(network(), "mse", regression(), resume=tmp_path / "run")


def test_early_stopping_checkpoints_and_logs(tmp_path):
    class Worse(train.Callback):
        def epoch_done(self, run):
            run.history.rows[-1]["loss"] = float(run.epoch != 2)

    watchers = [
        Worse(), train.EarlyStopping("loss", 2), train.Checkpoint(tmp_path / "e{epoch}", watch="loss"),
        train.CSVLog(tmp_path / "log.csv"), train.JSONLog(tmp_path / "log.json"),
    ]  # fmt: skip
    history = fit(network(), "mse", regression(), epochs=9, callbacks=watchers)
    lines = [json.loads(line) for line in (tmp_path / "log.json").read_text().splitlines()]

    assert (len(history), history.ended) == (4, "stopped by a callback")
    assert sorted(p.name for p in tmp_path.glob("e*")) == ["e1", "e2"]
    assert train.load_checkpoint(tmp_path / "e2")["epoch"] == 2
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert (tmp_path / "log.csv").read_text().count("\n") == 5
    with pytest.raises(ValueError, match="wants one of the epoch's numbers: 'acc'"):
        fit(network(), "mse", regression(), callbacks=[train.EarlyStopping("acc")])


def test_tensorboard_has_the_curves(tmp_path):
    pytest.importorskip("tensorboardX")
    fit(network(), "mse", regression(), epochs=2, callbacks=[train.TensorBoard(tmp_path / "tb")])

    assert [p.stat().st_size > 100 for p in (tmp_path / "tb").iterdir()] == [True]


def test_without_tensorboardx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(InputError, match="pip install tensorboardx"):
        train.TensorBoard("x")


def test_a_last_smaller_batch_has_no_plan_of_its_own():
    pytest.importorskip("llvmlite")
    model = network()
    step = train.training_step(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), True)
    x, y = regression(40)
    for _ in range(4):
        for start in (0, 16, 32):
            step(x[start : start + 16], y[start : start + 16])

    assert step.explain().startswith("4 smaller batches were run as they are written")
    by = network()
    plain = train.training_step(by, nn.MSELoss(), optim.SGD(by.parameters(), lr=0.1), False)
    for _ in range(4):
        for start in (0, 16, 32):
            plain(x[start : start + 16], y[start : start + 16])
    same(model, by, 1e-6)


def test_a_history_draws_itself_and_becomes_a_frame():
    history = fit(network(), "mse", regression(), validation=regression(), epochs=3)
    assert "<th>val_loss</th>" in history._repr_html_()
    pytest.importorskip("matplotlib").use("agg")
    assert [line.get_label() for line in history.plot().lines] == ["loss", "val_loss"]
    pandas = pytest.importorskip("pandas")
    assert history.to_pandas().index.tolist() == [1, 2, 3]
    assert isinstance(history.to_pandas(), pandas.DataFrame)


@pytest.mark.parametrize("title", ["caf\udce9.csv", "a$_$b.csv"])
def test_a_picture_of_the_curves_has_any_file_s_name(tmp_path, title):
    pytest.importorskip("matplotlib").use("agg")
    save_curves(tmp_path / "curves.png", fit(network(), "mse", regression(), epochs=1), title)

    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.by_turns("spread")
@pytest.mark.parametrize("size", [1e-12, 1.23e-4, 1.0, 12345.6, 1e7, 1e30])
@pytest.mark.parametrize("spread", [1.0001, 3.0, 1e6])
def test_the_numbers_beside_the_curves_are_whole(size, spread):
    pytest.importorskip("matplotlib").use("agg")
    history = train.History()
    for k in range(4):
        loss = size * spread ** (1 - k / 3)
        row = {"loss": loss, "val_loss": 1.1 * loss, "rmse": loss, "r2": -size * spread}
        history.add(row, seconds=0.1)
    figure = drawn(history, "a title")
    renderer = figure.canvas.get_renderer()

    for axes in figure.axes:
        seen = axes.get_tightbbox(renderer)
        assert figure.bbox.x0 <= seen.x0
        assert figure.bbox.y0 <= seen.y0
        assert seen.x1 <= figure.bbox.x1
        assert seen.y1 <= figure.texts[0].get_window_extent(renderer).y0
    first, second = (axes.get_tightbbox(renderer) for axes in figure.axes)
    assert first.x1 <= second.x0


LOGS = {
    "csv": train.CSVLog,
    "json": train.JSONLog,
    "checkpoint": train.Checkpoint,
    "best": lambda path, **options: train.Checkpoint(path, watch="loss", **options),
}


@pytest.mark.parametrize("log", LOGS)
def test_a_log_replaces_its_own_files_alone(tmp_path, log):
    path = tmp_path / "mydata.csv"
    path.write_text("name,age\nAda,36\n")
    with pytest.raises(InputError, match="replaces only what clearprop wrote"):
        fit(network(), "mse", regression(), callbacks=[LOGS[log](path)])
    assert path.read_text() == "name,age\nAda,36\n"

    for options in ({"overwrite": True}, {}):
        fit(network(), "mse", regression(), epochs=2, callbacks=[LOGS[log](path, **options)])
        assert b"Ada" not in path.read_bytes()


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("name", ["run", "run.previous", "link"])
def test_a_log_never_takes_the_run_s_own_checkpoint(tmp_path, log, name):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    watcher = LOGS[log](tmp_path / name, overwrite=True)
    with pytest.raises(InputError, match="wants a file of its own"):
        fit(network(), "mse", regression(), checkpoint=tmp_path / "run", callbacks=[watcher])


def test_a_name_that_is_made_up_later_is_checked_then(tmp_path):
    (tmp_path / "e1").write_text("mine")
    for pattern, options in {"e{epoch}": {}, "r{epoch}": {"checkpoint": tmp_path / "r1"}}.items():
        with pytest.raises(InputError, match=r"wrote there before|a file of its own"):
            fit(network(), "mse", regression(), callbacks=[train.Checkpoint(tmp_path / pattern)], **options)
    assert (tmp_path / "e1").read_text() == "mine"


@pytest.mark.parametrize("options", [{"ema": 0.9}, {"swa": 1}])
def test_a_checkpoint_has_the_weights_that_its_row_is_of(tmp_path, options):
    pair, other = regression(), network()
    saved = train.Checkpoint(tmp_path / "best", watch="val_loss")
    fit(network(), "mse", pair, validation=pair, epochs=4, callbacks=[saved], **options)
    kept = train.load_checkpoint(tmp_path / "best")
    other.load_state_dict(kept["model"])

    assert train.evaluate(other, "mse", pair)["loss"] == pytest.approx(kept["row"]["val_loss"], rel=1e-6)


def test_logs_after_a_resume_have_every_curve_and_step(tmp_path):
    def run(epochs, metrics, **options):
        logs = [train.CSVLog(tmp_path / "log.csv"), train.JSONLog(tmp_path / "log.json")]
        return fit(
            network(), "mse", regression(), batch_size=16, epochs=epochs, metrics=metrics,
            callbacks=logs, checkpoint=tmp_path / "run", **options,
        )  # fmt: skip

    run(1, ["mae"])
    run(2, [], resume=True)
    history = run(3, ["r2"], resume=True)
    table = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()]
    lines = [json.loads(line) for line in (tmp_path / "log.json").read_text().splitlines()]

    assert table[0] == ["epoch", "loss", "mae", "r2"]
    assert [[cell != "" for cell in line[2:]] for line in table[1:]] == [[1, 0], [0, 0], [0, 1]]
    assert np.isnan(history["mae"]).tolist() == [False, True, True]
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 4), (2, 8), (3, 12)]
    assert "nan" in history._repr_html_()


@pytest.mark.parametrize("given", [train.CSVLog, 3, "log.csv"])
def test_what_is_no_callback_is_refused(given):
    with pytest.raises(TypeError, match="wants callbacks and functions of the run"):
        fit(network(), "mse", regression(), callbacks=[given])


def test_numbers_of_numpy_are_numbers():
    one, other = network(), network()
    fit(one, "mse", regression(), clip_norm=np.float32(0.5), epochs=1, accumulate=np.int64(2))
    fit(other, "mse", regression(), clip_norm=0.5, epochs=1, accumulate=2)
    same(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": True},
        {"swa": 1.5},
        {"swa": True},
        {"ema": "much"},
        {"patience": float("nan")},
        {"patience": 1.5},
        {"patience": True},
        {"accumulate": 2.0},
        {"clip_norm": float("nan")},
        {"max_time": True},
    ],
)
def test_numbers_that_count_nothing_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=rf"fit\({name}=\): wants"):
        fit(network(), "mse", regression(), **options)


@pytest.mark.parametrize(
    "make", [train.EarlyStopping, lambda patience: train.Checkpoint("x", every=patience)]
)
@pytest.mark.parametrize(
    ("count", "wanted"),
    [(0, "1 epoch or more"), *((x, r"\w+ as a whole number") for x in (1.5, float("nan"), True))],
)
def test_callbacks_count_whole_epochs(make, count, wanted):
    with pytest.raises(ValueError, match=f"wants {wanted}: {count}"):
        make(patience=count)


@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_weights_that_are_not_finite_are_named(wrong):
    with pytest.raises(ValueError, match=r"fit\(sample_weight=\): .*: 2 weights are not finite"):
        fit(network(), "mse", regression(), sample_weight=np.r_[np.ones(62), wrong, wrong])


def test_words_of_other_libraries_are_answered():
    with pytest.raises(TypeError, match="Try epochs=, in place of epoch="):
        fit(network(), "mse", regression(), epoch=3)
    with pytest.raises(TypeError, match="Try validation=, in place of validation_data="):
        fit(network(), "mse", regression(), validation_data=3)
    with pytest.raises(TypeError, match="Try watch=, in place of monitor="):
        train.EarlyStopping(monitor="val_loss")


def test_rows_of_a_loader_are_weighted_as_those_of_a_pair():
    pair, weights = regression(), np.arange(64.0)
    one, other = network(), network()
    loader = data.DataLoader(pair, 16, shuffle=True, seed=0)
    rows = [
        fit(model, "mse", given, sample_weight=weights, batch_size=16, epochs=2, metrics=["mae"]).rows
        for model, given in ((one, loader), (other, pair))
    ]

    same(one, other)
    assert rows[0] == rows[1]


class Emptied(data.IterableDataset):
    """Rows that can be gone through a number of times, and then no more."""

    def __init__(self, times):
        self.times = times

    def __iter__(self):
        self.times -= 1
        x, y = regression()
        return iter(list(zip(x, y, strict=True)) if self.times >= 0 else [])


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (0, "a batch or more in every epoch: the loader gave none in epoch 1"),
        (1, "next epoch: wants a Emptied that can be gone through again"),
    ],
)
def test_an_epoch_without_a_batch_is_explained(times, said):
    with pytest.raises(ValueError, match=said):
        fit(network(), "mse", data.DataLoader(Emptied(times), 16), epochs=3)


def test_a_name_of_curves_that_are_not_there_and_weights_that_are_words_are_explained(tmp_path):
    with pytest.raises(ValueError, match=r"wants a path of \{epoch\} and \{loss\}: .*val_acc"):
        fit(network(), "mse", regression(), callbacks=[train.Checkpoint(tmp_path / "m{val_acc}")])
    with pytest.raises(ValueError, match="wants a number for each of 64 rows: 'balanced'"):
        fit(network(), "mse", regression(), sample_weight="balanced")
