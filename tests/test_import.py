"""Importing clearprop brings NumPy and the core, nothing else."""

import subprocess
import sys


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_importing_clearprop_loads_no_subpackage_and_no_optional_package():
    loaded = modules_after("import clearprop") - modules_after("import numpy")
    foreign = {name for name in loaded if name.split(".")[0] not in ("clearprop", *sys.stdlib_module_names)}

    assert foreign == set()
    for name in ("nn", "optim", "data", "train", "see", "check", "compiler", "cli"):
        assert f"clearprop.{name}" not in loaded


def test_subpackages_come_when_they_are_asked_for():
    assert "clearprop.nn" in modules_after("import clearprop; clearprop.nn")
