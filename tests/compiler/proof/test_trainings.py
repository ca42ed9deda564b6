"""Thirty trainings as people write them, in both precisions and by each executor, proved at every call.

None may raise a false alarm: Adam makes full steps of gradients that are nothing but rounding, kinks flip,
noise is drawn inside, states are held and swapped. `CLEARPROP_PROGRAMS=600` trains as many as 40 steps each.
"""

import itertools
import os

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, assign, nn, optim
from clearprop.compiler.step import available_executors
from clearprop.ops import random
from clearprop.record import read

CALLS = 40 if int(os.environ.get("CLEARPROP_PROGRAMS", "60")) >= 600 else 5
ROWS, INPUTS, CLASSES = 24, 10, 4
TRAININGS = []


def training(make):
    """Collect a function of the dtype that returns a step, and what is done between steps or None."""
    TRAININGS.append(make)
    return make


def usual(loss_of, optimizer, between=None):
    """The four lines that everybody writes, around a loss."""

    def step(x, y, k):
        optimizer.zero_grad()
        loss = loss_of(x, y, k)
        loss.backward()
        optimizer.step()
        return loss

    return step, between


def dense(dtype, *sizes, activation=nn.Tanh):
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b, dtype=dtype), activation()]
    return nn.Sequential(*layers[:-1])


def parameter(dtype, *shape, scale=0.3, seed=0):
    return Tensor((scale * np.random.default_rng(seed).normal(size=shape)).astype(dtype))


@training
def linear_regression(dtype):
    w, b = parameter(dtype, INPUTS), parameter(dtype)

    def step(x, y, k):
        w.grad = b.grad = None
        loss = np.mean((x @ w + b - y) ** 2)
        loss.backward()
        for p in (w, b):
            assign(p, read(p) - 0.05 * p.grad)
        return loss

    return step, None


@training
def logistic_regression(dtype):
    w = parameter(dtype, INPUTS)
    loss_fn = nn.BCEWithLogitsLoss()
    return usual(lambda x, y, k: loss_fn(x @ w, (y > 0).astype(dtype)), optim.SGD([w], lr=0.5))


@training
def classifier_with_adam(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, CLASSES, activation=nn.ReLU), nn.CrossEntropyLoss()
    return usual(lambda x, y, k: loss_fn(model(x), k), optim.Adam(model.parameters(), lr=0.01))


@training
def regression_with_momentum(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, 1), nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return usual(lambda x, y, k: loss_fn(model(x), y[:, None]), optimizer)


@training
def decoupled_decay_and_gelu(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, 16, CLASSES, activation=nn.GELU), nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    return usual(lambda x, y, k: loss_fn(model(x), k), optimizer)


@training
def rmsprop_and_huber(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, 1, activation=nn.SiLU), nn.HuberLoss()
    return usual(lambda x, y, k: loss_fn(model(x), y[:, None]), optim.RMSprop(model.parameters(), lr=0.01))


@training
def absolute_error_at_its_kink(dtype):
    w = parameter(dtype, INPUTS, scale=0)
    return usual(lambda x, y, k: np.mean(np.abs(x @ w - np.round(y))), optim.Adam([w], lr=0.01))


@training
def dropout_at_two_places(dtype):
    model = nn.Sequential(
        nn.Linear(INPUTS, 16, dtype=dtype), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 16, dtype=dtype),
        nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, CLASSES, dtype=dtype),
    )  # fmt: skip
    loss_fn = nn.CrossEntropyLoss()
    return usual(lambda x, y, k: loss_fn(model(x), k), optim.Adam(model.parameters(), lr=0.01))


@training
def a_bias_that_normalisation_undoes(dtype):
    w, dead, out = parameter(dtype, INPUTS, 16), parameter(dtype, 16), parameter(dtype, 16)

    def loss(x, y, k):
        h = x @ w + dead
        h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)
        return np.mean((clearprop.relu(h) @ out - y) ** 2)

    return usual(loss, optim.Adam([w, dead, out], lr=0.01))


@training
def running_statistics(dtype):
    w, out = parameter(dtype, INPUTS, 16), parameter(dtype, 16)
    mean, var = (Tensor(np.full(16, v, dtype), requires_grad=False) for v in (0, 1))

    def loss(x, y, k):
        h = x @ w
        m, v = h.mean(0), h.var(0)
        assign(mean, 0.9 * read(mean) + 0.1 * m.detach())
        assign(var, 0.9 * read(var) + 0.1 * v.detach())
        return np.mean((np.tanh((h - m) / np.sqrt(v + 1e-5)) @ out - y) ** 2)

    return usual(loss, optim.Adam([w, out], lr=0.01))


@training
def layer_norm_and_residuals(dtype):
    ws = [parameter(dtype, INPUTS, INPUTS, seed=i) for i in range(3)]

    def loss(x, y, k):
        h = x
        for w in ws:
            n = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-5)
            h = h + np.tanh(n @ w)
        return np.mean((h.mean(1) - y) ** 2)

    return usual(loss, optim.Adam(ws, lr=0.01))


@training
def a_schedule_between_steps(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, 1), nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    schedule = optim.CosineAnnealingLR(optimizer, 50)
    return usual(lambda x, y, k: loss_fn(model(x), y[:, None]), optimizer, lambda i: schedule.step())


@training
def accumulated_gradients(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, CLASSES), nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def accumulate(x, y, k):
        loss = loss_fn(model(x), k) / 2
        loss.backward()
        return loss

    def between(i):
        if i % 2:
            optimizer.step()
            optimizer.zero_grad()

    return accumulate, between


@training
def clipped_gradients_and_metrics(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, CLASSES, activation=nn.ReLU), nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.5)

    def step(x, y, k):
        optimizer.zero_grad()
        scores = model(x)
        loss = loss_fn(scores, k)
        loss.backward()
        norm = optim.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        return {"loss": loss, "norm": norm, "accuracy": np.mean(np.argmax(scores, 1) == k), "scores": scores}

    return step, None


@training
def two_networks_against_each_other(dtype):
    maker, judge = dense(dtype, 3, 16, INPUTS), dense(dtype, INPUTS, 16, 1)
    makers, judges = (optim.Adam(m.parameters(), lr=0.01) for m in (maker, judge))
    loss_fn = nn.BCEWithLogitsLoss()
    ones, zeros = np.ones((ROWS, 1), dtype), np.zeros((ROWS, 1), dtype)

    def step(x, y, k):
        made = maker(random.uniform((ROWS, 3), dtype=dtype))
        judges.zero_grad()
        seen = loss_fn(judge(x), ones) + loss_fn(judge(made.detach()), zeros)
        seen.backward()
        judges.step()
        makers.zero_grad()
        fooled = loss_fn(judge(made), ones)
        fooled.backward()
        makers.step()
        return seen, fooled

    return step, None


@training
def autoencoder_with_noise_inside(dtype):
    down, up = dense(dtype, INPUTS, 16, 4), dense(dtype, 2, 16, INPUTS)

    def loss(x, y, k):
        h = down(x)
        mean, log_var = h[:, :2], h[:, 2:]
        z = mean + np.exp(log_var / 2) * (random.uniform((ROWS, 2), dtype=dtype) - 0.5)
        kl = -0.5 * np.mean(1 + log_var - mean**2 - np.exp(log_var))
        return np.mean((up(z) - x) ** 2) + 0.1 * kl

    return usual(loss, optim.Adam([*down.parameters(), *up.parameters()], lr=0.01))


@training
def attention_over_the_rows(dtype):
    q, k_, v = (parameter(dtype, INPUTS, 8, seed=i) for i in range(3))

    def loss(x, y, k):
        a = clearprop.softmax((x @ q) @ (x @ k_).T / np.sqrt(8), axis=-1)
        return np.mean((np.sum(a @ (x @ v), 1) - y) ** 2)

    return usual(loss, optim.Adam([q, k_, v], lr=0.01))


@training
def signs_of_gradients_that_are_zero(dtype):
    w, unused = parameter(dtype, INPUTS, CLASSES), parameter(dtype, CLASSES)

    def step(x, y, k):
        w.grad = unused.grad = None
        p = clearprop.softmax(x @ w + unused.mean())  # adding a number changes nothing but rounding
        loss = np.mean((np.sum(p * np.arange(CLASSES), 1) - y) ** 2)
        loss.backward()
        for t in (w, unused):
            assign(t, read(t) - 0.01 * np.sign(t.grad))
        return loss

    return step, None


@training
def recurrent_over_thirty_steps(dtype):
    w, u = parameter(dtype, 1, 8), parameter(dtype, 8, 8)

    def loss(x, y, k):
        h = np.zeros((ROWS, 8), dtype)
        for i in range(30):
            h = np.tanh(x[:, i % INPUTS, None] @ w + h @ u)
        return np.mean((np.sum(h, 1) - y) ** 2)

    return usual(loss, optim.Adam([w, u], lr=0.01))


@training
def gated_recurrence(dtype):
    w, u = parameter(dtype, 1, 24), parameter(dtype, 8, 24)

    def loss(x, y, k):
        h = np.zeros((ROWS, 8), dtype)
        for i in range(INPUTS):
            z = x[:, i, None] @ w + h @ u
            keep, new = clearprop.sigmoid(z[:, :8]), np.tanh(z[:, 8:16] * clearprop.sigmoid(z[:, 16:]))
            h = keep * h + (1 - keep) * new
        return np.mean((np.sum(h, 1) - y) ** 2)

    return usual(loss, optim.RMSprop([w, u], lr=0.01))


@training
def embeddings(dtype):
    table, out = parameter(dtype, CLASSES, 6), parameter(dtype, 6)
    return usual(lambda x, y, k: np.mean((table[k] @ out - y) ** 2), optim.Adam([table, out], lr=0.01))


@training
def smoothed_labels(dtype):
    model = dense(dtype, INPUTS, 16, CLASSES, activation=nn.LeakyReLU)
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)
    return usual(lambda x, y, k: loss_fn(model(x), k), optim.Adam(model.parameters(), lr=0.01))


@training
def contrast_between_rows(dtype):
    model = dense(dtype, INPUTS, 16, 8)

    def loss(x, y, k):
        z = model(x)
        z = z / np.sqrt(np.sum(z * z, 1, keepdims=True))
        return np.mean(-clearprop.log_softmax(5 * (z @ z.T), axis=1) * (k[:, None] == k[None, :]))

    return usual(loss, optim.Adam(model.parameters(), lr=0.01))


@training
def mixture_density(dtype):
    model = dense(dtype, INPUTS, 16, 9)

    def loss(x, y, k):
        h = model(x)
        weight, mean, log_s = clearprop.log_softmax(h[:, :3]), h[:, 3:6], h[:, 6:]
        inside = weight - log_s - 0.5 * ((y[:, None] - mean) * np.exp(-log_s)) ** 2
        return -np.mean(clearprop.logsumexp(inside, axis=1))

    return usual(loss, optim.Adam(model.parameters(), lr=0.01))


@training
def gaussian_process(dtype):
    logs = parameter(dtype, 3)

    def loss(x, y, k):
        size, length, noise = (np.exp(logs[i]) for i in range(3))
        away = np.sum((x[:, None, :] - x[None, :, :]) ** 2, -1)
        cov = size * np.exp(-away / (2 * length)) + (noise + 0.1) * np.eye(ROWS, dtype=dtype)
        return y @ np.linalg.solve(cov, y) + np.linalg.slogdet(cov)[1]

    return usual(loss, optim.Adam([logs], lr=0.05))


@training
def two_heads(dtype):
    trunk, a, b = dense(dtype, INPUTS, 16, 16), dense(dtype, 16, 1), dense(dtype, 16, CLASSES)
    optimizer = optim.Adam([*trunk.parameters(), *a.parameters(), *b.parameters()], lr=0.01)
    mse, ce = nn.MSELoss(), nn.CrossEntropyLoss()

    def step(x, y, k):
        optimizer.zero_grad()
        h = np.tanh(trunk(x))
        parts = {"value": mse(a(h), y[:, None]), "class": ce(b(h), k)}
        (parts["value"] + parts["class"]).backward()
        optimizer.step()
        return parts, [p.grad for p in a.parameters()]

    return step, None


@training
def averaged_weights(dtype):
    model, average = dense(dtype, INPUTS, 16, 1), dense(dtype, INPUTS, 16, 1)
    optimizer, loss_fn = optim.SGD(model.parameters(), lr=0.05, momentum=0.9), nn.MSELoss()

    def step(x, y, k):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y[:, None])
        loss.backward()
        optimizer.step()
        for p, q in zip(model.parameters(), average.parameters(), strict=True):
            assign(q, 0.9 * read(q) + 0.1 * read(p))
        return loss, average(x)

    return step, None


@training
def ten_layers(dtype):
    model, loss_fn = dense(dtype, INPUTS, *[8] * 9, CLASSES), nn.CrossEntropyLoss()
    return usual(lambda x, y, k: loss_fn(model(x), k), optim.Adam(model.parameters(), lr=0.01))


@training
def a_penalty_on_the_gradient(dtype):
    model = dense(dtype, INPUTS, 8, 1)

    def loss(x, y, k):
        slope = clearprop.grad(lambda z: np.sum(model(z)))(Tensor(x))
        return np.mean((model(x)[:, 0] - y) ** 2) + 0.1 * np.mean((np.sum(slope**2, 1) - 1) ** 2)

    return usual(loss, optim.Adam(model.parameters(), lr=0.01))


@training
def arrays_that_are_held_and_put_back(dtype):
    model, loss_fn = dense(dtype, INPUTS, 16, CLASSES), nn.CrossEntropyLoss()
    optimizer, held = optim.Adam(model.parameters(), lr=0.01), []

    def between(i):
        held.append([p.value for p in model.parameters()])
        if i % 3 == 2:
            for p, old in zip(model.parameters(), held[0], strict=True):
                assign(p, old)

    return usual(lambda x, y, k: loss_fn(model(x), k), optimizer, between)


@training
def modes_switched_between_steps(dtype):
    model = nn.Sequential(
        nn.Linear(INPUTS, 16, dtype=dtype), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, CLASSES, dtype=dtype)
    )
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    return usual(lambda x, y, k: loss_fn(model(x), k), optimizer, lambda i: model.train(i % 2 == 0))


@training
def counted_targets(dtype):
    """Poisson regression: the mean's logarithm, and a target of whole numbers."""
    model = dense(dtype, INPUTS, 16, 1, activation=nn.Softplus)

    def loss(x, y, k):
        rate = model(x)[:, 0]
        return np.mean(np.exp(rate) - k * rate)

    return usual(loss, optim.Adam(model.parameters(), lr=0.01))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("make", TRAININGS, ids=lambda make: make.__name__)
def test_a_training_that_is_right_is_never_called_wrong(make, dtype, executor):
    clearprop.manual_seed(0)
    dtype = np.dtype(dtype).type
    step, between = make(dtype)
    compiled = clearprop.compile(step, executor=executor, prove="always")
    rng = np.random.default_rng(1)
    for i in range(CALLS):
        x = rng.normal(size=(ROWS, INPUTS)).astype(dtype)
        compiled(x, rng.normal(size=ROWS).astype(dtype), rng.integers(0, CLASSES, ROWS))
        if between is not None:
            between(i)

    assert len(TRAININGS) >= 30
    assert compiled.proofs >= CALLS // 2 - 1
