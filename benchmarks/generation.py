"""Words of a small GPT, one after the other, beside PyTorch: `python benchmarks/generation.py [--words N]`.

Four layers of 128 units, no gradients; each word is computed from itself and the keys and values of those
before it. clearprop's step is compiled: keys and values have a fixed room in buffers, to which the step
assigns, so that one plan serves every place. PyTorch's runs eagerly and joins the new ones to the old. Both
have the same weights and must write the same words. CPU time of one thread, the least of five texts.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from typing import Any

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "CLEARPROP_THREADS", "OMP_NUM_THREADS"), "1")

import numpy as np

import clearprop
from clearprop import nn
from clearprop.compiler.step import available_executors

try:
    import torch
except ImportError:
    torch = None

WORDS, WIDTH, HEADS, LAYERS, ROOM = 256, 128, 4, 4, 256


def layers(library: Any) -> dict[str, Any]:
    """The layers of one block, which have the same names and shapes in both libraries."""
    return {
        "before": library.LayerNorm(WIDTH),
        "three": library.Linear(WIDTH, 3 * WIDTH),
        "out": library.Linear(WIDTH, WIDTH),
        "between": library.LayerNorm(WIDTH),
        "wide": library.Linear(WIDTH, 4 * WIDTH),
        "narrow": library.Linear(4 * WIDTH, WIDTH),
    }


def tops(library: Any) -> dict[str, Any]:
    """The layers below and above the blocks."""
    return {
        "words": library.Embedding(WORDS, WIDTH),
        "places": library.Embedding(ROOM, WIDTH),
        "last": library.LayerNorm(WIDTH),
        "scores": library.Linear(WIDTH, WORDS, bias=False),
    }


class Block(nn.Module):
    """A layer that keeps the keys and values (heads, room, width) of the places so far."""

    def __init__(self) -> None:
        super().__init__()
        for name, layer in layers(nn).items():
            setattr(self, name, layer)
        for name in ("keys", "values"):
            empty = np.zeros((HEADS, ROOM, WIDTH // HEADS), np.float32)
            self.register_buffer(name, empty, persistent=False)

    def forward(self, x: Any, place: Any) -> Any:
        q, k, v = np.reshape(self.three(self.before(x)), (3, HEADS, WIDTH // HEADS))
        here = (np.arange(ROOM) == place)[:, None]
        keys, values = np.where(here, k[:, None], self.keys), np.where(here, v[:, None], self.values)
        clearprop.assign(self.keys, keys)
        clearprop.assign(self.values, values)
        scores = np.einsum("he,hpe->hp", q, keys) / np.float32(math.sqrt(WIDTH // HEADS))
        seen = nn.functional.softmax(np.where(np.arange(ROOM) <= place, scores, -np.inf), dim=-1)
        x = x + self.out(np.einsum("hp,hpe->he", seen, values).reshape(WIDTH))
        return x + self.narrow(nn.functional.gelu(self.wide(self.between(x))))


class Writer(nn.Module):
    """The whole model: a word and its place in, the likeliest next word out."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
        for name, layer in tops(nn).items():
            setattr(self, name, layer)

    def forward(self, word: Any, place: Any) -> Any:
        x = self.words(word) + self.places(place)
        for block in self.blocks:
            x = block(x, place)
        return np.argmax(self.scores(self.last(x)))


def ours(model: Writer, executor: str) -> Callable[[int], list[int]]:
    """Return what writes so many words by a compiled step."""

    @clearprop.compile(executor=executor, prove="never")
    def step(word: Any, place: Any) -> Any:
        with clearprop.no_grad():
            return model(word, place)

    def text(count: int) -> list[int]:
        word, found = np.array(1), []
        for place in range(count):
            word = step(np.asarray(word), np.array(place))
            found.append(int(word))
        return found

    return text


def theirs(model: Writer) -> Callable[[int], list[int]]:
    """Return the same in PyTorch, with the model's weights."""
    parts: Any = torch.nn.ModuleDict(tops(torch.nn))
    parts["blocks"] = torch.nn.ModuleList(torch.nn.ModuleDict(layers(torch.nn)) for _ in range(LAYERS))
    parts.load_state_dict({name: torch.from_numpy(x) for name, x in model.state_dict().items()})

    def block(b: Any, x: Any, held: Any) -> tuple[Any, Any]:
        q, k, v = b["three"](b["before"](x)).view(3, HEADS, 1, WIDTH // HEADS)
        k, v = (k, v) if held is None else (torch.cat([held[0], k], 1), torch.cat([held[1], v], 1))
        seen = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + b["out"](seen.reshape(WIDTH))
        return x + b["narrow"](torch.nn.functional.gelu(b["wide"](b["between"](x)))), (k, v)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def text(count: int) -> list[int]:
        word, held, found = torch.tensor(1), [None] * LAYERS, []
        for place in range(count):
            x = parts["words"](word) + parts["places"](torch.tensor(place))
            for i, b in enumerate(parts["blocks"]):
                x, held[i] = block(b, x, held[i])
            word = parts["scores"](parts["last"](x)).argmax()
            found.append(int(word))
        return found

    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=200)
    count = parser.parse_args().words
    clearprop.manual_seed(0)
    model = Writer().eval()
    writers = {f"clearprop {name}": ours(model, name) for name in available_executors()}
    if torch is not None:
        torch.set_num_threads(1)
        writers["PyTorch eager"] = theirs(model)
    texts = {name: write(count) for name, write in writers.items()}
    if len({tuple(text) for text in texts.values()}) > 1:
        raise SystemExit(f"they do not write the same words: {texts}")
    print("| contender | ms of CPU a word |\n|---|---|")
    for name, write in writers.items():
        times = []
        for _ in range(5):
            start = time.process_time()
            write(count)
            times.append(time.process_time() - start)
        print(f"| {name} | {1000 * min(times) / count:.3f} |", flush=True)


if __name__ == "__main__":
    main()
