"""The mutation test of every rule, on a few ops here; `python tests/check/mutations.py` runs them all."""

import pytest
from tests.check.mutations import FAULTS, main, mutate


@pytest.mark.parametrize("name", ["tanh", "multiply", "max", "getitem", "add_at"])
def test_every_kind_of_fault_is_found_and_pinned_on_its_op(name):
    rows = list(mutate([name]))

    assert len(rows) == len(FAULTS) >= 15
    assert sum(row.injected for row in rows) >= 10
    assert [m for row in rows for m in row.missed] == []


def test_the_table_is_printed(capsys):
    assert main(["sqrt"]) == 0

    said = capsys.readouterr().out
    assert "False alarms on sound rules, float64 and float32: 0" in said
    assert "one entry wrong by 0.1 %" in said
