"""What a first call costs as programs grow: python benchmarks/compile_time.py [--largest 10000] [--cpu]

Prints, for chains, training steps of dense nets, unrolled loops and random graphs (`--only` one of them), the
seconds of the call that compiles at each size, with no machine code kept from earlier runs, and the exponent
with which the time grew over the last step of sizes (1 is linear). JAX's `jit` runs the same functions where
it is installed; `--seconds` ends a row that takes longer. With `--cpu` it is the processor's time, of all
threads, for use beside other programs.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import clearprop
from clearprop import Tensor

Case = Callable[[int, Any], tuple[Callable[..., Any], list[Any]]]


def chain(link: Callable[[Any, Any], Any]) -> Case:
    """`count` links one after the other, from eight numbers."""

    def case(count: int, np_: Any) -> tuple[Callable[..., Any], list[Any]]:
        def function(x: Any) -> Any:
            for _ in range(count):
                x = link(x, np_)
            return x

        return function, [np.linspace(0.2, 0.7, 8)]

    return case


def dense(count: int, np_: Any) -> tuple[Callable[..., Any], list[Any]]:
    """The loss of `count` layers, to be differentiated with respect to the weights."""

    def loss(x: Any, *weights: Any) -> Any:
        for w in weights:
            x = np_.tanh(x @ w)
        return np_.sum(x * x)

    return loss, [np.full((4, 8), 0.3), *(np.eye(8) for _ in range(count))]


def unrolled(count: int, np_: Any) -> tuple[Callable[..., Any], list[Any]]:
    """A recurrent net over `count` slices of its input, to be differentiated."""

    def loss(x: Any, w: Any) -> Any:
        h = np_.zeros((4, 8))
        for t in range(count):
            h = np_.tanh(x[:, t] + h @ w)
        return np_.sum(h * h)

    return loss, [np.full((4, count, 8), 0.3), np.eye(8)]


def random_graph(count: int, np_: Any) -> tuple[Callable[..., Any], list[Any]]:
    """`count` operations on earlier results, drawn with a fixed seed."""
    draw = np.random.RandomState(0)
    plan = [(draw.randint(0, i + 1), draw.randint(0, i + 1), draw.randint(3)) for i in range(count)]

    def function(x: Any) -> Any:
        found = [x]
        for i, j, kind in plan:
            a, b = found[i], found[j]
            found.append(np_.tanh(a + b) if kind == 0 else 0.5 * a * b if kind == 1 else a - 0.5 * b)
        return sum(found[-5:])

    return function, [np.linspace(0.2, 0.7, 8)]


CASES: dict[str, tuple[Case, bool]] = {  # and whether it is differentiated
    "chain 3.9x(1-x)": (chain(lambda x, np_: 3.9 * x * (1 - x)), False),
    "chain h/(1+exp(-h))": (chain(lambda h, np_: h / (1 + np_.exp(-h))), False),
    "chain h+tanh(h)": (chain(lambda h, np_: h + np_.tanh(h)), False),
    "chain of Newton steps": (chain(lambda x, np_: x - (x * x - 2) / (2 * x)), False),
    "dense, gradients": (dense, True),
    "unrolled, gradients": (unrolled, True),
    "random graph": (random_graph, False),
}


def first_call(
    case: Case, gradients: bool, count: int, who: str, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the seconds until the first compiled result is there."""
    if who == "jax":
        jax, jnp = importlib.import_module("jax"), importlib.import_module("jax.numpy")
        function, arrays = case(count, jnp)
        arguments = tuple(range(1, len(arrays)))
        step = jax.jit(jax.value_and_grad(function, arguments) if gradients else function)
        begin = clock()
        jax.block_until_ready(step(*arrays))
        return clock() - begin
    function, arrays = case(count, np)
    if gradients:
        weights = [Tensor(w, name=f"w{i}") for i, w in enumerate(arrays[1:])]

        def trained(x: Any) -> Any:
            for w in weights:
                w.grad = None
            loss = function(x, *weights)
            loss.backward()
            return loss

        arrays = arrays[:1]
    compiled = clearprop.compile(trained if gradients else function, executor=who)
    begin = clock()
    compiled(*arrays)
    return clock() - begin


def main() -> None:
    os.environ["CLEARPROP_CACHE"] = "off"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--largest", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--who", default="", help="numpy, llvm or jax alone, or some with commas between")
    parser.add_argument("--cpu", action="store_true", help="the processor's time")
    given = parser.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    sizes = [n for n in (10, 30, 100, 300, 1000, 3000, 10000) if n <= given.largest]
    contenders = ["numpy", "llvm", *(["jax"] if importlib.util.find_spec("jax") else [])]
    contenders = [who for who in contenders if not given.who or who in given.who.split(",")]
    print(f"{'seconds of the first call':<24}{'':<8}" + "".join(f"{n:>9}" for n in sizes) + "  exponent")
    for name, (case, gradients) in CASES.items():
        if given.only not in name:
            continue
        for who in contenders:
            first_call(case, gradients, 2, who)  # what is imported and set up once
            times: list[float] = []
            for n in sizes:
                times.append(first_call(case, gradients, n, who, clock))
                if times[-1] > given.seconds:
                    break
            row = "".join(f"{t:9.3f}" for t in times).ljust(9 * len(sizes))
            step = sizes[len(times) - 1] / sizes[max(len(times) - 2, 0)]
            growth = math.log(times[-1] / times[-2], step) if len(times) > 1 else math.nan
            print(f"{name:<24}{who:<8}{row}{growth:10.2f}", flush=True)


if __name__ == "__main__":
    main()
