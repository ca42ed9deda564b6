"""Random programs that work in place: what NumPy computes and central differences, or a refusal."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, jvp, vmap
from clearprop.errors import taught

X = np.array([0.7, 1.3, 1.9])
INDICES = ("0", "1", "-1", "1:", "::-1", "[0, 2]", "...", "np.array([True, False, True])")
LENGTHS = dict(zip(INDICES, (0, 0, 0, 2, 3, 2, 3, 2), strict=True))
VIEWS = (
    "m[0]",
    "m[:, 1]",
    "m.T[2]",
    "np.diagonal(m)",
    "m.reshape(-1)[3:6]",
    "np.flip(m, 0)[1]",
    "m.sum(axis=0)",
)


class Program:
    """One program, a line at a time; `names` are its vectors."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.names = ["y"]
        self.lines = ["y = x * 2.0", "m = np.outer(x, x + 1.0)", "o = SimpleNamespace(a=x * 3.0)"]
        kinds = (self.update, self.entry, self.view, self.matrix, self.owner, self.loop, self.function)
        for _ in range(self.draw.randint(3, 8)):
            self.draw.choice(kinds)()

    def text(self):
        """Return the source of the program as a function of `x`."""
        shown = [f"(np.array([1.0, {k + 2}.0, 0.5]) * {v}).sum()" for k, v in enumerate([*self.names, "o.a"])]
        result = " + ".join([*shown, "(np.arange(9.0).reshape(3, 3) * m).sum()"])
        return "\n    ".join(["def f(x):", *self.lines, f"return {result}"])

    def name(self):
        return self.draw.choice(self.names)

    def number(self):
        return self.draw.choice(("0.5", "x[1]", f"{self.name()}[0]", f"{self.name()}.sum()"))

    def sign(self):
        return self.draw.choice(("=", "+=", "-=", "*=", "/="))

    def vector(self, length):
        v = self.draw.choice((*self.names, "x"))
        whole = {0: self.number(), 2: f"{v}[:2]", 3: v}
        return self.draw.choice((whole[length], self.number()))

    def update(self):
        self.lines.append(f"{self.name()} {self.draw.choice(('+=', '*='))} {self.vector(3)}")

    def entry(self):
        i = self.draw.choice(INDICES)
        self.lines.append(f"{self.name()}[{i}] {self.sign()} {self.vector(LENGTHS[i])}")

    def view(self):
        v = f"v{len(self.lines)}"
        shown = self.draw.choice(
            (*VIEWS, self.name(), f"{self.name()}[::-1]", f"{self.name()} * {self.number()}")
        )
        self.lines.append(f"{v} = {shown}")
        self.names.append(v)

    def matrix(self):
        part = self.draw.choice(("m[0]", "m[1, 1:]", "m[:, 0]", "m.T[1]", "m[0][1:]", "m[...]"))
        self.lines.append(f"{part} {self.sign()} {self.number()}")

    def owner(self):
        self.lines.append(f"o.a {self.draw.choice(('+=', '*='))} {self.vector(3)}")

    def loop(self):
        v = self.name()
        self.lines += ["for i in range(1, 3):", f"    {v}[i] {self.sign()} {v}[i - 1] * {self.number()}"]

    def function(self):
        g, i = f"g{len(self.lines)}", self.draw.choice(INDICES)
        body = self.draw.choice((f"u[{i}] {self.sign()} 0.5", "u *= 2.0", "u = u * 2.0; u += 1.0"))
        given = self.draw.choice((self.name(), f"{self.name()} * 1.0"))
        self.lines += [f"def {g}(u):", f"    {body}", "    return u", f"w = {g}({given})", f"v{g} = w * w"]
        self.names.append(f"v{g}")


def done_by_numpy(f, x):
    try:
        f(x.copy())
    except ValueError:  # a diagonal is read-only
        return False
    return True


def of_the_plan(f, x):
    """Return what a compiled step gives in its second call, of other numbers than those that it recorded."""
    step = clearprop.compile(f)
    step(x * 2.0)
    return step(x)


def asked(f, x):
    """Yield how `f` is run, what it gives, and what NumPy does."""
    value = float(f(x.copy()))
    slopes = np.array([(f(x + e) - f(x - e)) / 2e-5 for e in 1e-5 * np.eye(3)], float)
    both = np.stack([x, x])
    yield "grad", lambda: grad(f)(x), slopes
    yield "vmap", lambda: vmap(f)(both)[1], value
    yield "vmap(grad)", lambda: vmap(grad(f))(both)[1], slopes
    yield "jvp", lambda: jvp(f, (x,), (np.ones(3),))[1], slopes.sum()
    yield "value", lambda: f(Tensor(x)).value, value
    yield "compiled value", lambda: of_the_plan(f, x), value
    yield "compile", lambda: of_the_plan(grad(f), x), slopes


pytestmark = pytest.mark.usefixtures("small_heap")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("first", range(0, 60, 10))
def test_a_program_gives_numpys_numbers_or_is_refused(first):
    right = 0
    for seed in range(first, first + 10):
        text = Program(seed).text()
        space = {"np": np, "SimpleNamespace": SimpleNamespace}
        exec(text, space)
        if not done_by_numpy(space["f"], X):
            continue
        for name, run, want in asked(space["f"], X):
            try:
                found = run()
            except Exception as error:
                if not taught(error):
                    raise AssertionError(f"{name} of program {seed}:\n{text}") from error
                continue
            right += 1
            size = 1e-4 * max(1.0, np.abs(want).max())
            assert np.allclose(found, want, atol=size, equal_nan=True), f"{name} of program {seed}:\n{text}"

    assert right > 10  # most are done: a refusal of everything would be no answer
