"""Steps that XLA runs, beside the same steps written for JAX by hand: python benchmarks/xla.py [--rounds N].

A GPT of two layers (the example's, 16 texts of 64 characters) and a network of 784-512-512-10, both with Adam
in float32. By hand means as an expert writes it: products on folded rows, forward pass, gradients and update
in one `jit`, the old arrays donated. Both start from the same weights; that their losses agree is checked.
They take turns in one process, in rounds of ten steps, and each round is waited for.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import clearprop
from clearprop import nn, optim

RATE, STEPS = 1e-3, 10
CHARACTERS = 90
HERE = Path(__file__).parent


def folded(x: Any, p: dict[str, Any], name: str) -> Any:
    """A linear layer on rows: XLA on a CPU is slow at products of more than two axes."""
    rows = x.reshape(-1, x.shape[-1]) @ p[f"{name}.weight"].T + p[f"{name}.bias"]
    return rows.reshape(*x.shape[:-1], -1)


def normed(x: Any, p: dict[str, Any], name: str) -> Any:
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def entropy(z: Any, y: Any) -> Any:
    z = z.reshape(-1, z.shape[-1])
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y.reshape(-1, 1), axis=1))


def gpt_by_hand(p: dict[str, Any], x: Any, y: Any, heads: int) -> Any:
    n, length = x.shape
    h = p["letters.weight"][x] + p["places.weight"][:length]
    before = jnp.tril(jnp.ones((length, length), bool))
    for i in (0, 1):
        name = f"blocks.{i}"
        parts = folded(normed(h, p, f"{name}.first"), p, f"{name}.three").reshape(n, length, 3, heads, -1)
        q, k, v = (jnp.swapaxes(parts[:, :, j], 1, 2) for j in range(3))
        scores = jnp.where(before, q @ jnp.swapaxes(k, 2, 3) / np.float32(np.sqrt(q.shape[-1])), -jnp.inf)
        found = jnp.swapaxes(jax.nn.softmax(scores) @ v, 1, 2).reshape(h.shape)
        h = h + folded(found, p, f"{name}.out")
        wide = jax.nn.gelu(folded(normed(h, p, f"{name}.second"), p, f"{name}.net.0"), approximate=False)
        h = h + folded(wide, p, f"{name}.net.2")
    return entropy(folded(normed(h, p, "norm"), p, "scores"), y)


def net_by_hand(p: dict[str, Any], x: Any, y: Any) -> Any:
    for i in (0, 2):
        x = jax.nn.relu(folded(x, p, f"{i}"))
    return entropy(folded(x, p, "4"), y)


def by_hand(loss_of: Callable[..., Any], start: dict[str, Any]) -> Callable[..., Any]:
    """Adam around a loss, all of it in one `jit` whose arrays are donated."""
    params = {k: jnp.array(v) for k, v in start.items()}
    held = [
        params,
        jax.tree.map(jnp.zeros_like, params),
        jax.tree.map(jnp.zeros_like, params),
        jnp.float32(0),
    ]

    def update(params: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(params, x, y)
        t = t + 1
        m = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, m, g)
        v = jax.tree.map(lambda v, d: 0.999 * v + 0.001 * d * d, v, g)
        rate, root = RATE / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8), params, m, v)
        return params, m, v, t, loss

    jitted = jax.jit(update, donate_argnums=(0, 1, 2, 3))

    def step(x: Any, y: Any) -> Any:
        *held[:], loss = jitted(*held, x, y)
        return loss

    return step


def ours(model: Any, loss_of: Callable[..., Any], executor: str) -> Callable[..., Any]:
    optimizer = optim.Adam(model.parameters(), lr=RATE)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return clearprop.compile(step, executor=executor, prove="never")


def gpt() -> tuple[Any, Any, Any, Any]:
    spec = importlib.util.spec_from_file_location("gpt", HERE.parent / "examples" / "gpt.py")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(0)
    x = rng.integers(0, CHARACTERS, (module.BATCH, module.LENGTH))
    return (
        lambda: module.Writer(CHARACTERS),
        lambda z, y: nn.functional.cross_entropy(z.reshape(-1, CHARACTERS), y.reshape(-1)),
        lambda p, x, y: gpt_by_hand(p, x, y, module.HEADS),
        (x, np.roll(x, -1, axis=1)),
    )


def net() -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    sizes = (784, 512, 512, 10)
    data = rng.standard_normal((128, 784)).astype(np.float32), rng.integers(0, 10, 128)

    def make() -> Any:
        first, second, last = (nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)

    return make, nn.functional.cross_entropy, net_by_hand, data


def measured(row: Any, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a step of each contender, round by round, in turns."""
    make, loss_of, hand, (x, y) = row
    steps: dict[str, Callable[..., Any]] = {}
    for name in ("by hand", "xla", "llvm"):
        clearprop.manual_seed(0)
        model = make()
        steps[name] = by_hand(hand, model.state_dict()) if name == "by hand" else ours(model, loss_of, name)
    firsts = {name: [float(step(x, y)) for _ in range(4)] for name, step in steps.items()}
    for name, losses in firsts.items():
        if not np.allclose(losses, firsts["by hand"], rtol=1e-4):
            raise SystemExit(f"{name} has other losses than the step by hand: {firsts}")
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                loss = step(x, y)
            float(loss)
            times[name].append(1000 * (time.perf_counter() - start) / STEPS)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    print("| step | by hand, ms | xla, ms | by hand / xla | llvm, ms |\n|---|---|---|---|---|")
    for label, row in (("GPT, 16 x 64", gpt()), ("784-512-512-10, batch 128", net())):
        times = measured(row, rounds)
        least = {name: min(found) for name, found in times.items()}
        ratio = np.median(np.array(times["by hand"]) / np.array(times["xla"]))
        cells = f"{least['by hand']:.2f} | {least['xla']:.2f} | {ratio:.2f} | {least['llvm']:.2f}"
        print(f"| {label} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
