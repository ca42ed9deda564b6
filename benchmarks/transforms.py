"""Transformations beside autograd, JAX and torch.func: python benchmarks/transforms.py [--rounds 7] [--cpu]

- `jacobian` of tanh(A x), 200 in, 200 out; `hessian` of sum(tanh(B x)^2), 100 parameters;
- `hvp` of Rosenbrock's function of 100,000 parameters;
- `examples`: one gradient for each of 256 examples of a 784-128-10 network, by `vmap` (autograd: by a loop).

Float32. Eager clearprop, clearprop compiled, autograd, JAX eager and jitted, torch.func. Rounds are
interleaved; printed are the median milliseconds, and how many times those of clearprop, eager and compiled, a
peer needs.
Results are compared with each other first. Peers that are not installed are left out.

With `--cpu` every library has one thread, and what counts is its CPU time, the least of all rounds: the other
programs of a busy machine have no part in it, which else cost those the most whose two threads wait for each
other.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

if CPU := "--cpu" in sys.argv:  # before NumPy and the peers count the cores
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np

rng = np.random.default_rng(0)
A = (rng.normal(size=(200, 200)) / 14).astype(np.float32)
B = (rng.normal(size=(100, 100)) / 10).astype(np.float32)
X, Z = rng.normal(size=200).astype(np.float32), rng.normal(size=100).astype(np.float32)
LONG, ALONG = (rng.normal(size=100_000).astype(np.float32) for _ in range(2))
SHAPES = ((784, 128), (128,), (128, 10), (10,))
WEIGHTS = tuple((rng.normal(size=s) / 20).astype(np.float32) for s in SHAPES)
IMAGES = rng.normal(size=(256, 784)).astype(np.float32)
TARGETS = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 256)]


class Functions:
    """The functions, written with the NumPy of a library."""

    def __init__(self, module: Any, convert: Callable[[Any], Any]) -> None:
        self.np = module
        self.A, self.B = convert(A), convert(B)
        self.given = {"jacobian": (convert(X),), "hessian": (convert(Z),)}
        self.given["hvp"] = convert(LONG), convert(ALONG)
        self.given["examples"] = (tuple(map(convert, WEIGHTS)), convert(IMAGES), convert(TARGETS))

    def jacobian(self, x: Any) -> Any:
        return self.np.tanh(self.A @ x)

    def hessian(self, x: Any) -> Any:
        return self.np.sum(self.np.tanh(self.B @ x) ** 2)

    def hvp(self, x: Any) -> Any:
        return self.np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def examples(self, weights: Any, x: Any, target: Any) -> Any:
        first, bias, second, last = weights
        scores = self.np.tanh(x @ first + bias) @ second + last
        return self.np.log(self.np.sum(self.np.exp(scores))) - self.np.sum(scores * target)


Runs = dict[str, Callable[[], Any]]


def ours() -> Runs:
    import clearprop
    from clearprop import grad, hessian, hvp, jacobian, vmap

    f = Functions(np, lambda x: x)
    made = {
        "jacobian": jacobian(f.jacobian),
        "hessian": hessian(f.hessian),
        "hvp": hvp(f.hvp),
        "examples": vmap(grad(f.examples), in_axes=(None, 0, 0)),
    }
    runs = {f"{name}/clearprop": bind(made[name], f.given[name]) for name in made}
    for name, function in made.items():
        compiled = clearprop.compile(lambda *args, function=function: function(*args), prove="never")
        runs[f"{name}/compiled"] = bind(compiled, f.given[name])
    return runs


def autograd() -> Runs:
    import autograd as library
    import autograd.numpy as anp

    f = Functions(anp, lambda x: x)
    slope = library.grad(f.examples)

    def examples(weights: Any, images: Any, targets: Any) -> Any:
        each = [slope(weights, x, t) for x, t in zip(images, targets, strict=True)]
        return tuple(np.stack(rows) for rows in zip(*each, strict=True))

    product = library.hessian_vector_product(f.hvp)
    made = {
        "jacobian": library.jacobian(f.jacobian),
        "hessian": library.hessian(f.hessian),
        "hvp": product,
        "examples": examples,
    }
    return {f"{name}/autograd": bind(made[name], f.given[name]) for name in made}


def jax() -> Runs:
    import jax as library
    import jax.numpy as jnp

    f = Functions(jnp, jnp.asarray)
    made = {
        "jacobian": library.jacrev(f.jacobian),
        "hessian": library.hessian(f.hessian),
        "hvp": lambda x, v: library.jvp(library.grad(f.hvp), (x,), (v,))[1],
        "examples": library.vmap(library.grad(f.examples), in_axes=(None, 0, 0)),
    }
    ready = library.block_until_ready
    runs = {f"{name}/JAX": bind(lambda *a, g=g: ready(g(*a)), f.given[name]) for name, g in made.items()}
    for name, g in made.items():
        fast = library.jit(g)
        runs[f"{name}/JAX jit"] = bind(lambda *a, g=fast: ready(g(*a)), f.given[name])
    return runs


def torch() -> Runs:
    import torch as library
    from torch.func import grad, hessian, jacrev, jvp, vmap

    f = Functions(library, library.from_numpy)
    made = {
        "jacobian": jacrev(f.jacobian),
        "hessian": hessian(f.hessian),
        "hvp": lambda x, v: jvp(grad(f.hvp), (x,), (v,))[1],
        "examples": vmap(grad(f.examples), in_dims=(None, 0, 0)),
    }
    return {f"{name}/torch.func": bind(made[name], f.given[name]) for name in made}


def bind(function: Callable[..., Any], given: Any) -> Callable[[], Any]:
    return lambda: function(*given)


def compared(runs: Runs) -> None:
    """Run everything twice, and raise AssertionError where a result is not ours."""
    known: dict[str, Any] = {}
    for name, run in runs.items():
        run()
        found = run()
        arrays = [np.asarray(x) for x in (found if isinstance(found, tuple) else (found,))]
        for a, b in zip(known.setdefault(name.split("/")[0], arrays), arrays, strict=True):
            np.testing.assert_allclose(b, a, rtol=2e-3, atol=2e-3 * np.abs(a).max(), err_msg=name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cpu", action="store_true", help="CPU time of one thread")
    rounds = parser.parse_args().rounds
    runs = ours()
    for name, peer in (("autograd", autograd), ("jax", jax), ("torch", torch)):
        if importlib.util.find_spec(name):
            runs |= peer()
    compared(runs)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    clock = time.process_time if CPU else time.perf_counter
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            taken[name].append(1e3 * (clock() - start))
    print(f"{'':<12}{'':<12}{'ms':>12}{'least ms':>12}{'/ eager':>9}{'/ compiled':>12}")
    middle = {name: (min if CPU else statistics.median)(times) for name, times in taken.items()}
    for name in sorted(runs, key=lambda n: (n.split("/")[0], [*runs].index(n))):
        what, who = name.split("/")
        eager, compiled = middle[f"{what}/clearprop"], middle[f"{what}/compiled"]
        ratios = f"{middle[name] / eager:>9.2f}{middle[name] / compiled:>12.2f}"
        print(f"{what:<12}{who:<12}{middle[name]:>12.2f}{min(taken[name]):>12.2f}{ratios}")


if __name__ == "__main__":
    main()
