"""`fit`: it trains, validates, stops early, stops gently, and never keeps a weight that is not finite."""

import os
import re
import signal

import numpy as np
import pytest

import clearprop
from clearprop import data, nn, optim, train


def two_moons(rows=200, seed=0):
    generator = np.random.default_rng(seed)
    angle = generator.random(rows) * np.pi
    kind = np.arange(rows) % 2
    x = np.stack([np.cos(angle) * (1 - 2 * kind) + kind, np.sin(angle) * (1 - 2 * kind) + kind / 2], 1)
    return (x + generator.normal(scale=0.1, size=x.shape)).astype(np.float32), kind


def network(seed=0, dropout=0.0):
    clearprop.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 2))


def fit(model, *args, **options):
    options.setdefault("progress", False)
    options.setdefault("optimizer", optim.Adam(model.parameters(), lr=0.02))
    return train.fit(model, nn.CrossEntropyLoss(), *args, **options)


def test_a_network_learns_two_moons():
    model = network()
    history = fit(model, two_moons(), validation=two_moons(seed=1), epochs=30, metrics=["accuracy"])

    assert history.names == ["loss", "val_loss", "val_accuracy"]
    assert len(history) == len(history.seconds) == 30
    assert history.ended == "finished"
    assert history["val_accuracy"][-1] > 0.97
    assert history["loss"][-1] < history["loss"][0] / 4


def test_the_loss_is_what_the_batches_gave_weighted_by_their_rows():
    x, y = two_moons(10)
    loader = data.DataLoader((x, y), batch_size=4)
    model = network()
    seen = []

    class Watch(train.Callback):
        def step_done(self, run):
            seen.append(run.loss)

    history = fit(model, loader, epochs=1, callbacks=[Watch()])

    assert history["loss"] == [pytest.approx((4 * seen[0] + 4 * seen[1] + 2 * seen[2]) / 10)]


def test_it_is_the_loop_that_everybody_writes():
    x, y = two_moons(64)
    model, by_hand = network(), network()
    fit(model, data.DataLoader((x, y), batch_size=16), epochs=2, compile=False)
    optimizer, loss = optim.Adam(by_hand.parameters(), lr=0.02), nn.CrossEntropyLoss()
    for _ in range(2):
        for start in range(0, 64, 16):
            optimizer.zero_grad()
            loss(by_hand(x[start : start + 16]), y[start : start + 16]).backward()
            optimizer.step()

    same_weights(model, by_hand)


def same_weights(one, other):
    for (name, a), (_, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("options", [{"seed": 5}, {}])
def test_the_same_seed_gives_the_same_bits(options):
    runs = []
    for _ in range(2):
        model = network(seed=3, dropout=0.2)
        runs.append((model, fit(model, two_moons(), epochs=3, **options)))

    same_weights(runs[0][0], runs[1][0])
    assert runs[0][1].rows == runs[1][1].rows


def test_another_seed_gives_another_order():
    losses = [fit(network(), two_moons(), epochs=1, seed=seed)["loss"] for seed in (1, 2)]

    assert losses[0] != losses[1]


def test_early_stopping_keeps_the_best_epoch():
    x, y = two_moons(40)
    noise = np.random.default_rng(0).integers(0, 2, 40)
    model = network()
    states = []
    history = fit(
        model, (x, y), validation=(x, noise), epochs=50, patience=3,
        callbacks=[lambda run: states.append(run.model.state_dict())],
    )  # fmt: skip
    best = int(np.argmin(history["val_loss"]))

    assert history.ended == "stopped early"
    assert history.best_epoch == best + 1 == len(history) - 3
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, states[best][name])


def test_without_validation_metrics_and_patience_look_at_the_training_data():
    history = fit(network(), two_moons(), epochs=4, metrics=["accuracy"], patience=2)

    assert history.names == ["loss", "accuracy"]
    assert history.best_epoch == 1 + int(np.argmin(history["loss"]))


def test_a_callback_ends_the_run():
    history = fit(network(), two_moons(), epochs=50, callbacks=[lambda run: run.epoch == 4])

    assert (len(history), history.ended) == (4, "stopped by a callback")


def test_callbacks_are_told_in_order():
    told = []

    class Watch(train.Callback):
        def run_began(self, run):
            told.append(f"began {run.epochs} x {run.batches}")

        def step_done(self, run):
            told.append(f"step {run.step}")

        def epoch_done(self, run):
            told.append(f"epoch {run.epoch}")

        def run_ended(self, run):
            told.append(f"ended {run.history.ended}")

    fit(network(), two_moons(20), epochs=2, batch_size=10, callbacks=[Watch()])

    steps = ["step 1", "step 2", "epoch 1", "step 3", "step 4", "epoch 2"]
    assert told == ["began 2 x 2", *steps, "ended finished"]


def test_dropout_drops_in_training_and_not_in_evaluation():
    model = network(dropout=0.5)
    modes = []

    class Spy(nn.Module):
        def forward(self, x):
            modes.append(self.training)
            return x

    spied = nn.Sequential(Spy(), model)
    fit(spied, two_moons(20), validation=two_moons(20), epochs=1, batch_size=20, compile=False)

    assert modes == [True, False]
    assert spied.training


def test_ctrl_c_stops_at_the_end_of_a_batch_and_keeps_what_was_learned():
    before = signal.getsignal(signal.SIGINT)
    start, model = network(), network()

    class Press(train.Callback):
        def step_done(self, run):
            if run.step == 9:
                os.kill(os.getpid(), signal.SIGINT)

    history = fit(model, two_moons(), epochs=5, batch_size=32, callbacks=[Press()])

    assert history.ended == "interrupted"
    assert len(history) == 2  # seven batches and two of the next epoch
    assert not np.array_equal(start[0].weight.value, model[0].weight.value)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_stops_at_once():
    class Press(train.Callback):
        def step_done(self, run):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("went on")

    with pytest.raises(KeyboardInterrupt):
        fit(network(), two_moons(), callbacks=[Press()])


def test_a_nan_in_the_data_stops_the_run_and_puts_the_good_weights_back():
    x, y = two_moons(40)
    x[25, 0] = np.nan
    model, good = network(), []

    class Keep(train.Callback):
        def step_done(self, run):
            good.append(run.model.state_dict())

    loader = data.DataLoader((x, y), batch_size=10)
    with pytest.raises(train.NonFiniteLossError) as caught:
        fit(model, loader, epochs=3, callbacks=[Keep()])

    assert str(caught.value) == (
        "fit(...): wants a finite loss: it became nan at step 3 (epoch 1, batch 3 of 4).\n"
        "  The inputs of this batch hold 1 numbers that are not finite. "
        "The model has the last weights that gave a finite loss again.\n"
        "  Try data without NaN and inf."
    )
    assert (caught.value.step, caught.value.epoch, len(caught.value.history)) == (3, 1, 0)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, good[0][name])  # those before step 2, the last finite loss


def test_a_run_that_diverges_says_so_and_keeps_the_best_epoch():
    x, y = two_moons(64)
    model = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.05)

    def explode(run):
        if run.epoch == 2:
            run.optimizer.lr = 1e25

    with pytest.raises(train.NonFiniteLossError) as caught:
        train.fit(
            model, nn.MSELoss(), (x, y[:, None].astype(np.float32)), epochs=9, batch_size=16, patience=9,
            optimizer=optimizer, callbacks=[explode], progress=False,
        )  # fmt: skip

    assert "at step 1" in str(caught.value)
    assert "(epoch 3, batch " in str(caught.value)
    assert "The model has the weights of epoch 2, the best, again." in str(caught.value)
    assert "Try a smaller learning rate than 1e+25, or scaled inputs." in str(caught.value)
    assert caught.value.history.best_epoch == 2
    assert all(np.isfinite(array).all() for array in model.state_dict().values())


def test_mistakes_in_the_call_are_explained():
    model = network()
    x, y = two_moons(20)
    with pytest.raises(TypeError, match="fit\\(data=\\): wants a pair \\(inputs, targets\\): 3 things"):
        fit(model, (x, y, y))
    with pytest.raises(TypeError, match="each batch: wants a pair \\(inputs, targets\\): a ndarray"):
        fit(model, data.DataLoader(list(x)))
    with pytest.raises(ValueError, match="no metric of that name: 'acuracy'"):
        fit(model, (x, y), metrics=["acuracy"], epochs=1)
    with pytest.raises(ValueError, match="fit\\(patience=\\): wants at least 1 epoch, or None: 0"):
        fit(model, (x, y), patience=0)
    with pytest.raises(ValueError, match='compile=: wants True, False or "auto": 3'):
        fit(model, (x, y), compile=3)


def test_evaluate_agrees_on_pairs_and_on_loaders():
    model, pair = network(), two_moons(50)
    loss = nn.CrossEntropyLoss()
    whole = train.evaluate(model, loss, pair, ["accuracy"])

    assert train.evaluate(model, loss, data.DataLoader(pair, batch_size=7), ["accuracy"]) == pytest.approx(
        whole
    )
    assert train.evaluate(model, loss, pair, ["accuracy"], batch_size=7) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ((np.zeros((0, 2)), np.zeros(0, int)), {}, "at least one batch to learn from: 0 rows"),
        (
            data.DataLoader(two_moons(5), 9, drop_last=True),
            {},
            "5 rows in batches of 9.\n  Try drop_last=False",
        ),
        (two_moons(5), {"epochs": -1}, "epochs=): wants a whole number, 0 or more: -1"),
        (two_moons(5), {"epochs": 1.5}, "epochs=): wants a whole number, 0 or more: 1.5"),
        (
            two_moons(5),
            {"resume": True},
            "resume=True): wants to know the file to go on from.\n  Try checkpoint=",
        ),
        (
            two_moons(5),
            {"validation": (np.zeros((0, 2)), np.zeros(0, int))},
            "at least one row to measure on",
        ),
        (two_moons(5), {"optimizer": optim.SGD(nn.Linear(1, 1).parameters())}, "it has none of them"),
    ],
)
def test_a_run_of_nothing_is_refused(given, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(network(), given, **options)


@pytest.mark.parametrize("given", [(pair for pair in ()), [1, 2, 3]])
def test_what_is_no_data_is_refused(given):
    with pytest.raises(TypeError, match=r"fit\(data=\): wants a pair"):
        fit(network(), given)


def test_an_optimizer_s_name_is_no_optimizer():
    with pytest.raises(TypeError, match=r"wants an optimizer: 'adam'.\n  Try optim.Adam"):
        fit(network(), two_moons(), optimizer="adam")


def test_metrics_do_not_change_what_is_learned():
    weights = []
    for metrics in ([], ["accuracy"]):
        model = network(dropout=0.5)
        fit(model, data.DataLoader(two_moons(), 32, shuffle=True, seed=0), epochs=3, metrics=metrics)
        weights.append(model.state_dict())

    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_validation_is_a_pair_a_list_a_dataset_or_a_loader():
    x, y = two_moons(50)
    kinds = [(x, y), [x, y], data.TensorDataset(x, y), data.DataLoader((x, y), 7, shuffle=True, seed=0)]
    model = network()
    losses = [train.evaluate(model, nn.CrossEntropyLoss(), kind)["loss"] for kind in kinds]

    assert losses == pytest.approx([losses[0]] * 4, rel=1e-6)
