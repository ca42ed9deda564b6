"""Random training steps as source code: what people write around a loss, in every order a seed can think of.

`written(seed)` is the text of a module whose `made(dtype)` returns a step, the Tensors that it trains, and
what the owner of its surroundings does between two calls. A failure reports the text.
"""

import random

HEAD = """
import collections, dataclasses, types
from typing import NamedTuple
import numpy as np
import clearprop
from clearprop import Tensor, assign, grad, nn, no_grad, optim, value_and_grad
from clearprop.record import read

CONFIG = {"rate": 0.5, "parts": [0.1, 0.2]}
Pair = collections.namedtuple("Pair", "loss extra")

class Named(NamedTuple):
    loss: object
    extra: object

@dataclasses.dataclass
class Report:
    loss: object
    extra: object

class Slotted:
    __slots__ = ("k",)

class Kind:
    factor = 0.7

class Net(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.layer = nn.Linear(4, 4, dtype=dtype)
        self._scale, self.gain, self.table, self.parts = 1.0, 0.5, {"a": 0.3}, [0.1, 0.2]
    def forward(self, x):
        return np.tanh(self.layer(x)) * self._scale

class Curve:
    def __init__(self):
        self.power = 2.0
    @property
    def twice(self):
        return 2 * self.power
    def __call__(self, x):
        return np.sin(self.power * x)

def made(dtype):
    clearprop.manual_seed(0)
    rng = np.random.default_rng(1)
    w = Tensor(rng.uniform(-1, 1, 4).astype(dtype), "w")
    m = Tensor(rng.uniform(-0.5, 0.5, (4, 4)).astype(dtype), "m")
    average = Tensor(np.zeros(4, dtype), "average", requires_grad=False)
    net, box, slot, curve = Net(dtype), types.SimpleNamespace(scale=0.4, last=None), Slotted(), Curve()
    slot.k = 0.6
    buf = rng.uniform(-1, 1, 4).astype(dtype)
    leaves = [w, m, *net.parameters()]
    opt = {optimizer}
"""

# What a piece of code may use: {rows} is (n, 4), {row} (4,), {col} (n,), {number} has no axes.
PIECES = {
    "rows": (
        "np.tanh({rows} @ m)", "{rows} * {row}", "clearprop.relu({rows} + {row})", "net({rows})",
        "{rows} * {number}", "np.where({rows} > 0, {rows}, 0.1 * {rows})", "{rows} - {rows}.mean(0)",
        "grad(lambda z: np.sum(np.sin(z * {row})))({rows})", "np.tanh(m)[k]", "np.take(m, k, axis=0)", "buf * {rows}",
        "grad(lambda z: np.sum(net(z) * {row}))({rows})", "np.where(flag[:, None], {rows}, {row})",
        "curve({rows})", "np.tanh({rows}) / (1 + {col}[:, None] ** 2)",
        "np.tanh({rows} - ({rows}[flag] if np.isscalar({rows}) else {rows}).mean(0))",
    ),
    "row": (
        "{rows}.mean(0)", "np.tanh(np.sum({rows} * {col}[:, None], 0))", "w * {number}", "np.tanh(w)",
        "buf", "np.tanh({rows}[flag].sum(0))", "{rows}[flag].mean(0)", "np.max({rows}[flag], axis=0)",
        "grad(lambda z: np.sum(np.tanh({rows} * z)))({row})", "m[0] + m[:, 1]", "average + {row}",
        "np.tanh({col}[flag] @ {rows}[flag])", "buf[::-1]", "np.sort({row})", "read(w) * {number}",
    ),
    "col": (
        "np.tanh({rows} @ {row})", "{rows}.max(1)", "y", "np.sum({rows} ** 2, 1)", "{col} * {number}",
        "{rows}[np.arange(len(y)), k]", "np.where(flag, {col}, 0)", "y - {col}", "np.take({row}, k)",
        "value_and_grad(lambda z: np.sum(np.tanh(z * {number})))({col})[1]",
    ),
    "number": (
        "np.tanh(np.sum({row}))", "np.mean({col} ** 2)", "np.tanh(np.sum({col}[some]))", "np.mean({col}[flag])",
        "np.std({col}[flag])", "np.tanh(np.linalg.norm({rows}[flag]))", "np.tanh({col}[flag] @ {col}[flag])",
        "len(y[flag]) / 10", "y[some].size / 10", "{row}[0]", "net._scale", "net.gain", "net.table['a']",
        "net.parts[1]", "box.scale", "Kind.factor", "CONFIG['rate']", "CONFIG['parts'][0]", "slot.k",
        "grad(lambda v: v**2 * {number})(0.5)", "grad(grad(lambda v: np.sin(v * {number})))(0.3)",
        "value_and_grad(lambda v: v * np.tanh({number} * v))(0.7)[0]", "np.tanh(opt.lr * {number})",
        "np.min({col}[y > y.mean() - 1e-3])", "np.tanh(np.sum(np.sin({rows}[{rows} > 0.1])))",
        "grad(lambda v: np.sum(np.tanh(v * {rows})) * {number})(0.2) / 20", "curve.twice / 4",
        "grad(lambda v: {number} * grad(lambda u: u**3 * v)(v))(0.4)", "(0.25 if isinstance(x, np.ndarray) else 4)",
        "np.tanh(np.prod({row}[{row} > -2]))", "np.tanh(clearprop.logsumexp({rows}))", "getattr(box, 'other', 0.5)",
    ),
}  # fmt: skip
IN_PLACE = (
    "a *= 0.5",
    "a += 1",
    "a -= a.mean()",
    "a /= 1 + abs(a)",
    "np.multiply(a, 1, out=None)",
    "a **= 2",
)
UPDATES = (
    "w -= 0.1 * w.grad", "w -= opt.lr * w.grad", "w *= 0.99", "w[...] = 0.9 * w - 0.01 * w.grad", "w[1] = 0.25",
    "w[:2] = np.tanh(w[2:])", "w[0] = np.tanh(y[0])", "m += 0.01 * np.outer(w, w)", "m[1] = np.tanh(m[0])",
    "m[:, 2] = 0.5 * w", "w /= 1 + np.sum(w * w)", "average += 0.1 * (w - average)", "average[...] = np.tanh(w)",
    "m @= np.eye(4, dtype=dtype) * dtype(0.9)", "w[1:3] += 0.01", "m[0, 1] -= 0.1 * m.grad[0, 1]",
    "np.clip(w, -1, 1)", "w.value -= 0.01 * w.grad", "average.value = 0.5 * read(w)",
    "assign(average, 0.9 * read(average) + 0.1 * read(w))", "w.grad *= 0.5", "g = m.grad; g *= 0.5; m -= 0.1 * g",
)  # fmt: skip
OPTIMIZERS = (
    "optim.SGD(leaves, lr=0.05)", "optim.SGD(leaves, lr=0.05, momentum=0.9)", "optim.Adam(leaves, lr=0.01)",
    "optim.AdamW(leaves, lr=0.01, weight_decay=0.1)", "optim.RMSprop(leaves, lr=0.01)",
)  # fmt: skip
RESULTS = (
    "loss", "(loss, extra)", "[loss, extra]", "{{'loss': loss, 'extra': extra}}", "Pair(loss, extra)",
    "Named(loss, extra)", "Report(loss, extra)", "types.SimpleNamespace(loss=loss, extra=[extra, 1, 'a', None])",
    "collections.OrderedDict(loss=loss, extra=extra)", "None", "({{'g': w.grad}}, (loss, [w, x]))", "(loss, buf)",
    "(extra, loss, 3, 2.5, True)",
)  # fmt: skip
BETWEEN = (
    "buf[:] = np.sin(buf + {n})", "net._scale = {f}", "net.gain = {f}", "net.table['a'] = {f}", "net.parts[1] = {f}",
    "box.scale = {f}", "Kind.factor = {f}", "CONFIG['rate'] = {f}", "CONFIG['parts'][0] = {f}", "slot.k = {f}",
    "opt.lr = {f} / 20", "curve.power = {f}", "assign(w, np.cos({n} + np.arange(4)).astype(dtype))", "pass", "buf = dtype({f}) * buf",
    "box.other = {f}", "buf *= dtype({f})", "net.layer.bias.requires_grad = not net.layer.bias.requires_grad",
    "net.parts = [{f}, {f}]", "w.grad = None", "opt.param_groups[0]['lr'] = {f} / 20",
)  # fmt: skip
FIRST = {"rows": ["x"], "row": ["w"], "col": ["y"], "number": ["0.5"]}


def written(seed):
    """Return the text of a module with a step of this seed."""
    rng = random.Random(seed)
    lines = HEAD.replace("{optimizer}", rng.choice(OPTIMIZERS)).splitlines()
    lines += ["    def step(x, y, k, flag, some):", "        nonlocal w, m, average"]
    pool = {kind: list(names) for kind, names in FIRST.items()}
    for i in range(rng.randint(3, 9)):
        kind = rng.choice(sorted(PIECES))
        lines.append(f"        {kind}{i} = {piece(rng, kind, pool)}")
        pool[kind].append(f"{kind}{i}")
    if rng.random() < 0.4:
        lines += ["        a = x * 2", *(f"        {rng.choice(IN_PLACE)}" for _ in range(rng.randint(1, 3)))]
        pool["rows"].append("a")
    extra = rng.choice([name for names in pool.values() for name in names])
    parts = [
        rng.choice(pool["number"]),
        f"np.mean({rng.choice(pool['rows'])})",
        f"np.mean({pool['col'][-1]})",
    ]
    lines += [f"        extra = {extra}"]
    lines += [f"        loss = 0.01 * np.sum(w * w) + 0.01 * np.sum(m * m) + {' + '.join(parts)}"]
    lines += [f"        {line}" for line in training(rng)]
    lines += [f"        return {rng.choice(RESULTS).format()}", "    def between(turn):"]
    lines += ["        nonlocal buf"]
    for turn in range(1, 8):
        what = rng.choice(BETWEEN).format(n=turn, f=round(rng.uniform(0.2, 1.5), 2))
        lines += [f"        if turn == {turn}:", f"            {what}"]
    return "\n".join([*lines, "    return step, [*leaves, average], between", ""])


def piece(rng, kind, pool):
    """Return an expression of a kind, over what there is."""
    chosen = {name: rng.choice(names[-3:]) for name, names in pool.items()}
    return rng.choice(PIECES[kind]).format(**chosen)


def training(rng):
    """Return the lines that make gradients and use them."""
    how = rng.choice(("optimizer", "by hand", "both"))
    yield from ("opt.zero_grad()", "loss.backward()") if rng.random() < 0.8 else ("loss.backward()",)
    yield from ("opt.step()",) if how != "by hand" else ()
    if how != "optimizer":
        yield "with no_grad():"
        yield from (f"    {rng.choice(UPDATES)}" for _ in range(rng.randint(1, 3)))
