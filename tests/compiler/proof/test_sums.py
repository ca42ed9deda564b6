"""Sums are right in any order of their terms: no proof fails on them, and none overlooks a fault."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler.proof.prove import ProofError
from clearprop.compiler.step import CompiledStep, available_executors

EXECUTORS = available_executors()
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SUMS = {
    "dot": lambda x: x @ x[::-1],
    "columns": lambda x: x.reshape(-1, 5).T @ x[: x.size // 5],
    "rows": lambda x: x.reshape(5, -1) @ x[: x.size // 5],
    "gram": lambda x: x.reshape(-1, 5).T @ x.reshape(-1, 5),
    "einsum": lambda x: np.einsum("ij,ij->j", x.reshape(-1, 5), x.reshape(-1, 5)),
    "einsum to a number": lambda x: np.einsum("ij,ij->", x.reshape(-1, 5), x.reshape(-1, 5)),
    "sum": np.sum,
    "sum of columns": lambda x: np.sum(x.reshape(-1, 5), axis=0),
    "sum of rows": lambda x: np.sum(x.reshape(5, -1), axis=1),
    "mean": np.mean,
    "mean of columns": lambda x: np.mean(x.reshape(-1, 5), axis=0),
    "centred": lambda x: np.sum(x - np.mean(x)),
    "norm": np.linalg.norm,
    "norm by dot": lambda x: np.sqrt(x @ x),
    "unit": lambda x: x / np.linalg.norm(x),
    "cumsum": np.cumsum,
    "cumsum of columns": lambda x: np.cumsum(x.reshape(-1, 5), axis=0),
    "std": np.std,
    "std of columns": lambda x: np.std(x.reshape(-1, 5), axis=0),
    "var": np.var,
    "var of columns": lambda x: np.var(x.reshape(-1, 5), axis=0),
    "logsumexp": clearprop.logsumexp,
    "softmax": lambda x: clearprop.softmax(x, axis=-1),
    "prod": lambda x: np.prod(1 + x / x.size),
    "error": lambda x: np.mean((x - x[::-1]) ** 2),
    "standard": lambda x: (x - np.mean(x)) / (np.std(x) + 1e-3),
    "sine of a sum": lambda x: np.sin(np.sum(x)),
}
DATA = {
    "equal": lambda rng, n: np.full(n, 0.1),
    "thirds": lambda rng, n: np.full(n, 1 / 3),
    "drawn": lambda rng, n: rng.random(n),
    "sorted": lambda rng, n: np.sort(rng.standard_normal(n)),
    "cancelling": lambda rng, n: np.resize(np.concatenate([a := 10 * rng.standard_normal(n // 2), -a]), n),
    "alternating": lambda rng, n: 0.1 * (-1.0) ** np.arange(n),
    "of all sizes": lambda rng, n: rng.standard_normal(n) * 10.0 ** rng.uniform(-4, 4, n),
}


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", SUMS)
def test_no_proof_fails_on_a_right_sum(name, dtype, executor):
    for n in (10, 1000, 50_000):
        step = clearprop.compile(SUMS[name], executor=executor, prove="always")
        for make in DATA.values():
            x = make(np.random.default_rng(n), n).astype(dtype)
            step(x), step(x)

        assert step.proofs >= len(DATA)


FAULTS = {
    "a term is left out": (1000, lambda x, z: z - x[0]),
    "a term is added twice": (1000, lambda x, z: z + x[-1]),
    "one percent more": (50_000, lambda x, z: z * z.dtype.type(1.01)),
}
WHOLE = {
    "sum": np.sum,
    "mean of all times their number": lambda x: np.mean(x) * x.size,
    "dot": lambda x: x @ (x * 0 + 1),
}


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WHOLE)
def test_a_wrong_plan_is_found(name, fault, dtype, executor, monkeypatch):
    (n, spoilt), right = FAULTS[fault], CompiledStep.outputs

    def outputs(self, variant, arrays, tensors):
        return tuple(np.asarray(spoilt(arrays[0], z))[()] for z in right(self, variant, arrays, tensors))

    for kind in ("equal", "thirds", "drawn"):
        x = DATA[kind](np.random.default_rng(n), n).astype(dtype)
        step = clearprop.compile(WHOLE[name], executor=executor, prove="always")
        step(x)
        with monkeypatch.context() as patched:
            patched.setattr(CompiledStep, "outputs", outputs)
            with pytest.raises(ProofError):
                step(x)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", ["sum of columns", "einsum", "std of columns", "var of columns"])
def test_a_plan_whose_sums_of_float16_stand_still_is_found(name, executor, monkeypatch):
    """What a function loses by calling NumPy, a plan may keep; what the plan loses is a fault of it."""
    x = np.full((10_000, 5), 0.1, np.float16, "F")

    def lost(self, variant, arrays, tensors):
        with np.errstate(all="ignore"):
            return (SUMS[name](np.ascontiguousarray(arrays[0])),)  # down rows NumPy adds in float16

    step = clearprop.compile(SUMS[name], executor=executor, prove="always")
    step(x), step(x)
    monkeypatch.setattr(CompiledStep, "outputs", lost)
    with pytest.raises(ProofError):
        step(x)
