"""The manual's table of boundaries: each row eager and compiled, to second order, in both precisions."""

import re
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor, compile, grad
from clearprop.compiler.step import available_executors

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "boundaries.md"
ROW = re.compile(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))
NUMBERS = {"inf": np.inf, "nan": np.nan}


def inputs(at, dtype):
    pairs = (part.split(" = ") for part in at.split(";"))
    return {name.strip(): np.array(eval(text, NUMBERS), dtype) for name, text in pairs}


def functions(expression, names):
    """The function, its first derivatives by each variable, and the second by the same one."""
    f = eval(f"lambda {', '.join(names)}: {expression}", {"np": np, "cp": cp})

    def first(i):
        return grad(lambda *xs: np.sum(f(*xs)), argnums=i)

    def second(i):
        return grad(lambda *xs: np.sum(first(i)(*xs)), argnums=i)

    every = range(len(names))
    return f, [first(i) for i in every], [second(i) for i in every]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.by_turns("mode")
@pytest.mark.parametrize("mode", ["eager", *available_executors()])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} at {row[1]}")
def test_a_row_of_the_table(row, mode):
    expression, at, value, first, second, why = row
    assert why
    for dtype, rtol in (("f8", 1e-5), ("f4", 1e-4)):
        xs = inputs(at, dtype)
        f, firsts, seconds = functions(expression, [*xs])
        wanted = [value, *first.split("; "), *second.split("; ")]
        with np.errstate(all="ignore"):
            for g, text in zip([f, *firsts, *seconds], wanted, strict=True):
                lifted = [Tensor(x) for x in xs.values()] if g is f and mode == "eager" else xs.values()
                agree(g if mode == "eager" else compile(g, executor=mode), lifted, text, rtol, dtype)


def agree(function, xs, wanted, rtol, dtype):
    if wanted.endswith("Error"):
        with pytest.raises(getattr(np.linalg, wanted)):
            function(*xs)
        return
    found = function(*xs)
    found = np.asarray(found.value if isinstance(found, Tensor) else found)
    right = np.array(eval(wanted, NUMBERS), float)
    if dtype == "f4":  # its own largest number stands where float64 has its own
        right = np.where(right > 1e300, np.where(np.isinf(right), right, np.finfo("f4").max), right)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, right, rtol=rtol, atol=1e-30)


def test_the_table_has_every_kind_of_boundary():
    text = PAGE.read_text(encoding="utf-8")

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Kinks", "Ties", "Edges of a domain", "Infinity and NaN", "Nothing, and one of something",
    ]  # fmt: skip
    assert len(ROWS) == len(re.findall(r"^\| `", text, re.MULTILINE)) >= 70
