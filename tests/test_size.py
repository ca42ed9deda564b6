"""The meter of sizes: what it measures, and that a new file is no denser than it may be."""

import importlib.util
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STOOD = 479  # files denser than nine tokens a line when the rule came, 30 November 2026


@pytest.fixture(scope="module")
def meter():
    spec = importlib.util.spec_from_file_location("size_tool", ROOT / "tools" / "size.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["size_tool"] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["size_tool"]


def test_a_line_is_code_and_a_token_is_pythons(meter):
    assert meter.measured('"What it is."\n\n# why\nx = (1,\n     2)\n') == meter.Size(2, 7)


@pytest.mark.parametrize(
    ("tokens", "allowed", "said"),
    [
        (90, {}, None),
        (91, {}, "a new file has 9"),
        (91, {"a.py": "a table"}, None),
        (91, {"a.py": 10}, None),
        (101, {"a.py": 10}, "allows it 10"),
        (90, {"a.py": 10}, "take it out"),
        (90, {"a.py": "a table"}, "take it out"),
        (90, {"b.py": 10}, "and not there"),
    ],
)
def test_a_dense_file_is_named_with_its_reason(meter, tokens, allowed, said):
    found = meter.crowded({"a.py": meter.Size(10, tokens)}, allowed)

    assert (found == []) if said is None else (len(found) == 1 and said in found[0])


def test_only_a_file_that_stood_before_the_rule_is_excused_without_a_reason():
    """A new dense file cannot pass by a number: there are no more of those than there were."""
    allowed = tomllib.loads((ROOT / "tools" / "dense.toml").read_text())

    assert sum(isinstance(may, int) for may in allowed.values()) <= STOOD
    assert all(len(may) > 20 for may in allowed.values() if isinstance(may, str))
