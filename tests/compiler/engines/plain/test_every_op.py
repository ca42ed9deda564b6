"""Every op of the registry, and its gradients, as plain NumPy: what it gives here, or refused by name."""

import numpy as np
import pytest
from tests.compiler.engines.plain.alone import alone, same
from tests.compiler.test_every_op import LIBRARY, WITH_RULES, integers, trials

import clearprop
from clearprop import value_and_grad
from clearprop.compiler.engines.plain import numpy_file
from clearprop.registry import ops

BY_SHAPE = {"gammainc_by_shape", "betainc_by_shape", "stdtr_by_degrees"}
BY_SHAPE |= {"log_gamma_density", "log_beta_density", "log_student_density"}
"""Integrals that ask SciPy for several functions on their way, which a plain file does not import."""

UNITS = {"cotdg": 256}
"""A plain file has SciPy's own cotangent, that of a rounded 90 - x degrees; ours is 1 / tandg(x)."""

REFUSED = {"max", "min", "argmax", "argmin", "in_domain", "off_kinks", *BY_SHAPE}
"""Of complex numbers, whose order is refused by asking who runs them; two look at numbers, and may raise."""


def written(f, xs):
    step = clearprop.compile(f, executor="numpy", prove="never")
    step(*xs)
    return numpy_file([step.latest.recording.program], one=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_op_gives_what_numpy_does_or_is_refused_by_name(dtype, tmp_path):
    files, wanted, refused = [], [], set()
    for op in LIBRARY if dtype is np.float64 else LIBRARY[::3]:
        for f, xs, label in trials(op, dtype):
            if integers(op, dtype):
                xs = tuple(np.asarray(np.abs(x) * 3).astype(np.int64)[()] for x in xs)
            try:
                files.append((written(f, xs), [[np.asarray(x) for x in xs]]))
                wanted.append((label, f(*xs)))
            except TypeError as error:
                if "have no translation to plain NumPy" not in str(error):
                    raise
                refused.add(op.name)

    assert refused <= REFUSED
    for (label, z), (results, _) in zip(wanted, alone(tmp_path, files), strict=True):
        assert not isinstance(results, str), f"{label}: {results}"
        for a, b in zip(results[0], z if isinstance(z, list) else [z], strict=True):
            same(a, getattr(b, "value", b), label)


@pytest.mark.filterwarnings("ignore")
def test_so_do_its_gradients(tmp_path):
    files, wanted, by_shape = [], [], set()
    for name in [n for n in WITH_RULES if n != "in_domain"]:
        for f, xs, label in trials(ops[name], np.float64)[::2]:  # of whose shapes each second one is enough
            places = tuple(i for i, x in enumerate(xs) if np.asarray(x).dtype.kind == "f")

            def total(*xs, f=f):
                z = f(*xs)
                parts = z if isinstance(z, list) else (z,)
                parts = [np.real(p) + np.imag(p) if p.dtype.kind == "c" else p for p in parts]
                return sum((p * p * 0.5 + p).sum() for p in parts)

            def both(*xs, places=places, total=total):
                value, gradients = value_and_grad(total, places)(
                    *xs
                )  # a zero that no input has a part in were no output
                return [value, *(g + 0 * xs[i] for g, i in zip(gradients, places, strict=True))]

            try:
                files.append((written(both, xs), [[np.asarray(x) for x in xs]]))
            except TypeError as error:
                named = str(error).partition("plain NumPy: ")[2]
                if not any(f"{refused} (" in named for refused in BY_SHAPE):
                    raise
                by_shape.add(name)
                continue
            wanted.append((name, label, both(*xs)))

    assert by_shape < set(WITH_RULES)
    assert len(by_shape) < 40  # of all with rules
    for (name, label, expected), (results, _) in zip(wanted, alone(tmp_path, files), strict=True):
        assert not isinstance(results, str), f"{label}: {results}"
        for a, b in zip(results[0], expected, strict=True):
            same(a, getattr(b, "value", b), label, UNITS.get(name, 64))
