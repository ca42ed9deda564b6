"""A program for a process of its own: trainings on one device and on meshes of eight, compared.

Prints a line of JSON for each row: the largest differences of losses and of parameters.
"""

import json
import sys

import jax
import numpy as np

import clearprop
from clearprop import nn, optim
from clearprop.nn import functional as F
from clearprop.parallel import mesh

SIZE, HEADS, LENGTH = 16, 2, 8


class Block(nn.Module):
    """Attention and a network, as in a GPT."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(SIZE), nn.LayerNorm(SIZE)
        self.three, self.out = nn.Linear(SIZE, 3 * SIZE), nn.Linear(SIZE, SIZE)
        self.net = nn.Sequential(nn.Linear(SIZE, 4 * SIZE), nn.GELU(), nn.Linear(4 * SIZE, SIZE))

    def forward(self, x):
        n, length = x.shape[:2]
        parts = self.three(self.first(x)).reshape(n, length, 3, HEADS, SIZE // HEADS)
        q, k, v = (np.swapaxes(parts[:, :, i], 1, 2) for i in range(3))
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(np.swapaxes(found, 1, 2).reshape(n, length, SIZE))
        return x + self.net(self.second(x))


def gpt():
    return nn.Sequential(nn.Embedding(20, SIZE), Block(), Block(), nn.LayerNorm(SIZE), nn.Linear(SIZE, 20))


def perceptron():
    return nn.Sequential(nn.Linear(12, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, 4))


def batches(kind, rows=16):
    rng = np.random.default_rng(0)
    for _ in range(5):
        if kind is gpt:
            x = rng.integers(0, 20, (rows, LENGTH))
            yield x, np.roll(x, -1, axis=1)
        else:
            yield rng.standard_normal((rows, 12)), rng.integers(0, 4, rows)


MLP = {"*.net.0.weight": 0, "*.net.0.bias": 0, "*.net.2.weight": 1}
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
}


def trained(kind, dtype, optimizer, on=None, cuts=None, rows=16, prove="never", executor="xla", **where):
    clearprop.manual_seed(0)
    model = kind().to(dtype)
    opt = OPTIMIZERS[optimizer](model.parameters())
    if cuts:
        on.split(model, cuts, optimizer=opt)

    def step(x, y):
        opt.zero_grad()
        z = model(x)
        loss = F.cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1))
        loss.backward()
        opt.step()
        return loss

    run = clearprop.compile(step, executor=executor, mesh=on, prove=prove, **where) if executor else step
    losses = [float(run(x.astype(dtype) if x.dtype.kind == "f" else x, y)) for x, y in batches(kind, rows)]
    return losses, model, opt, run


def row(name, kind, dtype, optimizer, on, cuts=None, **options):
    wanted, plain, _, _ = trained(kind, dtype, optimizer, executor=None, rows=options.get("rows", 16))
    losses, model, opt, run = trained(kind, dtype, optimizer, on, cuts, **options)
    with jax.enable_x64(True):
        text = run._shown().executable.lowered.compile().as_text()
    weight = model[1].net[0].weight if kind is gpt else model[0].weight
    moment = next(t for name, t in opt.state[weight].items() if t.ndim)
    pieces = {}
    for label, t in (("weight", weight), ("memory", moment)):
        array = clearprop.away.there(t, "_value")
        if array is not None and on is None:
            assert {d.id for d in array.devices()} == {5}
        pieces[label] = None if array is None else list(array.addressable_shards[0].data.shape)
    a, b = model.state_dict(), plain.state_dict()
    print(
        json.dumps(
            {
                "row": name,
                "losses": float(np.abs(np.subtract(losses, wanted)).max()),
                "state": max(float(np.abs(np.asarray(a[k]) - np.asarray(b[k])).max()) for k in a),
                "all_reduce": text.count(" all-reduce("),
                "all_gather": text.count(" all-gather("),
                **pieces,
            }
        ),
        flush=True,
    )


def main():
    assert len(jax.devices()) == 8
    rows = {
        "perceptron, 8": (perceptron, "f8", "adamw", lambda: mesh(data=8)),
        "perceptron, float32": (perceptron, "f4", "sgd", lambda: mesh(data=8)),
        "perceptron, proved": (perceptron, "f8", "sgd", lambda: mesh(data=4), None, {"prove": "always"}),
        "perceptron, odd rows": (perceptron, "f8", "adamw", lambda: mesh(data=8), None, {"rows": 13}),
        "perceptron, another device": (perceptron, "f8", "adamw", lambda: None, None, {"device": "cpu:5"}),
        "perceptron, not donated": (
            perceptron,
            "f8",
            "adamw",
            lambda: mesh(data=8),
            None,
            {"donate": False},
        ),
        "gpt, 8": (gpt, "f8", "adamw", lambda: mesh(data=8)),
        "gpt, 4 x 2": (gpt, "f8", "adamw", lambda: mesh(data=4, model=2), MLP),
        "gpt, 4 x 2, qkv": (
            gpt,
            "f8",
            "sgd",
            lambda: mesh(data=4, model=2),
            {"*.three.weight": 0, "*.three.bias": 0},
        ),
    }
    for name in sys.argv[1:] or rows:
        kind, dtype, optimizer, on, *rest = rows[name]
        cuts, options = (*rest, None, {})[:2] if len(rest) < 2 else rest
        row(name, kind, np.dtype(dtype), optimizer, on(), cuts, **(options or {}))


if __name__ == "__main__":
    main()
