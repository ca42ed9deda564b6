"""Whole networks, each written once of names that both libraries have: `build(library)` makes one of either.

A network's call gives its loss. Arrays are joined, summed and turned by NumPy's names, which PyTorch has too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RNG = np.random.default_rng(11)


@dataclass(frozen=True)
class Library:
    """A library's layers, its functions of arrays, and one whose name differs."""

    nn: Any
    xp: Any
    pick: Callable[[Any, Any, int], Any]


def unet(library: Library, upsampled: bool = False, channels: int = 4) -> Any:
    """Return a net that goes down twice and up again, with skips: by transposed convolutions, or resizing."""
    nn, xp, F = library.nn, library.xp, library.nn.functional

    def block(i: int, o: int) -> Any:
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())

    def up(i: int, o: int) -> Any:
        if not upsampled:
            return nn.ConvTranspose2d(i, o, 2, 2)
        resized = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        return nn.Sequential(resized, nn.Conv2d(i, o, 3, padding=1))

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            c = channels
            self.down = nn.ModuleList([block(3, c), block(c, 2 * c), block(2 * c, 4 * c)])
            self.up = nn.ModuleList([up(4 * c, 2 * c), up(2 * c, c)])
            self.after = nn.ModuleList([block(4 * c, 2 * c), block(2 * c, c)])
            self.pool, self.scores = nn.MaxPool2d(2), nn.Conv2d(c, 3, 1)

        def forward(self, x: Any, classes: Any) -> Any:
            skips = []
            for k, layer in enumerate(self.down):
                x = layer(self.pool(x) if k else x)
                skips.append(x)
            skips.pop()
            for rise, layer in zip(self.up, self.after, strict=True):
                x = layer(xp.concatenate([skips.pop(), rise(x)], 1))
            return F.cross_entropy(self.scores(x), classes)

    return Net()


def translator(library: Library) -> Any:
    """Return an encoder and a decoder of attention: padded sources, targets that see what is before them."""
    nn, F = library.nn, library.nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = nn.Embedding(9, 8, padding_idx=0), nn.Embedding(7, 8)
            self.net = nn.Transformer(8, 2, 1, 1, 12, dropout=0.0, batch_first=True)
            self.scores = nn.Linear(8, 7)

        def forward(self, source: Any, target: Any, later: Any) -> Any:
            empty = source == 0
            options = {"src_key_padding_mask": empty, "memory_key_padding_mask": empty}
            z = self.net(self.source(source), self.target(target[:, :-1]), tgt_mask=later, **options)
            return F.cross_entropy(self.scores(z).reshape(-1, 7), target[:, 1:].reshape(-1))

    return Net()


def attending(library: Library) -> Any:
    """Return a GRU that reads, and a cell in a Python loop that writes, looking at what was read."""
    nn, xp, F = library.nn, library.xp, library.nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = nn.Embedding(9, 5), nn.Embedding(7, 5)
            self.reader, self.writer = nn.GRU(5, 4, batch_first=True, bidirectional=True), nn.GRUCell(13, 8)
            self.query, self.key, self.score = nn.Linear(8, 6), nn.Linear(8, 6, bias=False), nn.Linear(6, 1)
            self.words = nn.Linear(16, 7)

        def forward(self, source: Any, target: Any) -> Any:
            read, last = self.reader(self.source(source))
            h, keys, scores = xp.concatenate([last[0], last[1]], 1), self.key(read), []
            for t in range(target.shape[1] - 1):
                energy = self.score(xp.tanh(keys + self.query(h)[:, None]))[..., 0]
                seen = (F.softmax(energy, 1)[:, None] @ read)[:, 0]
                h = self.writer(xp.concatenate([self.target(target[:, t]), seen], 1), h)
                scores.append(self.words(xp.concatenate([h, seen], 1)))
            found = xp.stack(scores, 1).reshape(-1, 7)
            return F.cross_entropy(found, target[:, 1:].reshape(-1))

    return Net()


def waves(library: Library) -> Any:
    """Return a WaveNet: causal convolutions of dilation 1, 2, 4, a gate in each, skips that are summed."""
    nn, xp, F = library.nn, library.xp, library.nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv1d(1, 4, 1)
            self.gates = nn.ModuleList([nn.Conv1d(4, 8, 2, dilation=2**k) for k in range(3)])
            self.joins = nn.ModuleList([nn.Conv1d(4, 4, 1) for _ in range(3)])
            self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(4, 6, 1), nn.ReLU(), nn.Conv1d(6, 5, 1))

        def forward(self, x: Any, classes: Any) -> Any:
            x, skips = self.first(x), 0.0
            for k, (gate, join) in enumerate(zip(self.gates, self.joins, strict=True)):
                z = gate(F.pad(x, (2**k, 0)))
                z = join(xp.tanh(z[:, :4]) * F.sigmoid(z[:, 4:]))
                x, skips = x + z, skips + z
            return F.cross_entropy(self.last(skips), classes)

    return Net()


def experts(library: Library) -> Any:
    """Return a mixture of four nets, of which each row is given to its best two, and a loss of balance."""
    nn, xp, F = library.nn, library.xp, library.nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.router = nn.Linear(6, 4)
            nets = [nn.Sequential(nn.Linear(6, 8), nn.SiLU(), nn.Linear(8, 3)) for _ in range(4)]
            self.nets = nn.ModuleList(nets)

        def forward(self, x: Any, y: Any) -> Any:
            shares = F.softmax(self.router(x), -1)
            which = xp.argsort(-shares, -1)[:, :2]
            best = library.pick(shares, which, -1)
            best = best / xp.sum(best, -1, keepdims=True)
            given = xp.stack([net(x) for net in self.nets], 1)
            chosen = library.pick(given, which[:, :, None], 1)
            often = (F.one_hot(which, 4).sum(1) / 2 + 0 * shares.detach()).mean(0)
            balance = 4 * (often * shares.mean(0)).sum()
            return (((best[..., None] * chosen).sum(1) - y) ** 2).mean() + 0.01 * balance

    return Net()


def weather(library: Library) -> Any:
    """Return a ConvLSTM: a recurrent cell whose products are convolutions, over a few small frames."""
    nn, xp, F = library.nn, library.xp, library.nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.gates, self.frame = nn.Conv2d(1 + 3, 12, 3, padding=1), nn.Conv2d(3, 1, 1)
            self.peephole = nn.Parameter(0.1 + 0 * self.gates.weight[:3, :1, 0, 0].detach().reshape(3, 1, 1))

        def forward(self, frames: Any) -> Any:
            h = c = xp.broadcast_to(0 * frames[:, 0], (len(frames), 3, *frames.shape[3:]))
            loss = 0.0
            for t in range(frames.shape[1] - 1):
                z = self.gates(xp.concatenate([frames[:, t], h], 1))
                i, f, o, g = (z[:, k : k + 3] for k in range(0, 12, 3))
                c = F.sigmoid(f + self.peephole * c) * c + F.sigmoid(i) * xp.tanh(g)
                h = F.sigmoid(o) * xp.tanh(c)
                loss = loss + ((self.frame(h) - frames[:, t + 1]) ** 2).mean()
            return loss

    return Net()


def twins(library: Library) -> Any:
    """Return one net for three inputs, and the loss of triplets: like is nearer than unlike."""
    nn, F = library.nn, library.nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(5, 8), nn.PReLU(), nn.LayerNorm(8), nn.Linear(8, 4))
            self.loss = nn.TripletMarginLoss(margin=0.5, swap=True)

        def forward(self, anchor: Any, like: Any, unlike: Any) -> Any:
            marks = [F.normalize(self.net(x), dim=-1) for x in (anchor, like, unlike)]
            return self.loss(*marks)

    return Net()


def tape(library: Library) -> Any:
    """Return a controller with a memory of eight rows, which it reads and writes by likeness and by shifts."""
    nn, xp, F = library.nn, library.xp, library.nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTMCell(3 + 4, 10), nn.Linear(10, 3 * 4 + 1 + 1 + 3)
            self.begin, self.out = nn.Embedding(8, 4), nn.Linear(10 + 4, 3)

        def forward(self, x: Any, y: Any) -> Any:
            memory = xp.broadcast_to(self.begin.weight, (x.shape[1], 8, 4))
            read, at, state, loss = memory[:, 0], F.softmax(memory[:, :, 0], -1), None, 0.0
            for t in range(x.shape[0]):
                state = self.cell(xp.concatenate([x[t], read], 1), state)
                z = self.head(state[0])
                key, add, erase, gate = (
                    z[:, :4],
                    xp.tanh(z[:, 4:8]),
                    F.sigmoid(z[:, 8:12]),
                    F.sigmoid(z[:, 12:13]),
                )
                like = F.softplus(z[:, 13:14]) * F.cosine_similarity(key[:, None], memory, dim=-1)
                at = gate * F.softmax(like, -1) + (1 - gate) * at
                moved = xp.stack([xp.roll(at, k, 1) for k in (-1, 0, 1)], -1)
                at = (moved * F.softmax(z[:, None, 14:], -1)).sum(-1)
                memory = memory * (1 - xp.einsum("bn,bm->bnm", at, erase))
                memory = memory + xp.einsum("bn,bm->bnm", at, add)
                read = xp.einsum("bn,bnm->bm", at, memory)
                found = self.out(xp.concatenate([state[0], read], 1))
                loss = loss + F.binary_cross_entropy_with_logits(found, y[t])
            return loss

    return Net()


def capsules(library: Library) -> Any:
    """Return capsules whose votes are routed three times by agreement; only the last turn has a gradient."""
    nn, xp, F = library.nn, library.xp, library.nn.functional

    def squashed(z: Any) -> Any:
        square = xp.sum(z**2, -1, keepdims=True)
        return square / (1 + square) * z / xp.sqrt(square + 1e-9)

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 8, 3, stride=2)
            weights = self.first.weight.detach().reshape(1, 72)[:, :48] + xp.zeros((18, 1))
            self.votes = nn.Parameter(weights.reshape(18, 3, 4, 4))

        def forward(self, x: Any, classes: Any) -> Any:
            z = squashed(self.first(x).reshape(-1, 18, 4))
            votes = xp.einsum("bid,ijde->bije", z, self.votes)
            held, routes = votes.detach(), votes.detach().sum(-1) * 0
            for _ in range(2):
                found = squashed((F.softmax(routes, -1)[..., None] * held).sum(1))
                routes = routes + (held * found[:, None]).sum(-1)
            found = squashed((F.softmax(routes, -1)[..., None] * votes).sum(1))
            lengths = xp.sqrt((found**2).sum(-1))
            wanted = F.one_hot(classes, 3)
            near, far = F.relu(0.9 - lengths) ** 2, F.relu(lengths - 0.1) ** 2
            return (wanted * near + 0.5 * (1 - wanted) * far).sum(-1).mean()

    return Net()


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape)


def words(kinds: int, *shape: int) -> Any:
    return RNG.integers(1, kinds, shape)


SOURCE = words(9, 3, 5)
SOURCE[0, 3:], SOURCE[2, 4:] = 0, 0
LATER = np.triu(np.ones((4, 4), bool), 1)

NETWORKS: dict[str, tuple[Callable[[Library], Any], tuple[Any, ...]]] = {
    "U-Net, transposed": (unet, (drawn(2, 3, 8, 8), words(3, 2, 8, 8))),
    "U-Net, upsampled": (lambda library: unet(library, upsampled=True), (drawn(2, 3, 8, 8), words(3, 2, 8, 8))),
    "encoder and decoder": (translator, (SOURCE, words(7, 3, 5), LATER)),
    "GRU with attention": (attending, (words(9, 3, 5), words(7, 3, 5))),
    "WaveNet": (waves, (drawn(2, 1, 16), words(5, 2, 16))),
    "mixture of experts": (experts, (drawn(10, 6), drawn(10, 3))),
    "ConvLSTM": (weather, (drawn(2, 4, 1, 5, 5),)),
    "twins": (twins, (drawn(6, 5), drawn(6, 5), drawn(6, 5))),
    "tape": (tape, (drawn(5, 2, 3), (drawn(5, 2, 3) > 0) * 1.0)),
    "capsules": (capsules, (drawn(3, 1, 7, 8), words(3, 3))),
}  # fmt: skip
