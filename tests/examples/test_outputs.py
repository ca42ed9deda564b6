"""What the manual says that an example prints is what this very script has printed."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(script.stem for script in (ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def examples():
    spec = importlib.util.spec_from_file_location("pages_of_examples", ROOT / "docs" / "examples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_its_output_is_recorded_and_of_its_text(name, examples):
    said = examples.recorded(ROOT / "examples" / f"{name}.py")

    assert said, f"run: python docs/examples.py --record {name}.py"


def test_another_text_has_no_output_yet(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "OUTPUTS", tmp_path)
    script = tmp_path / "small.py"
    script.write_text("print('one')\nprint('two')\n", encoding="utf-8")
    assert examples.recorded(script) is None
    examples.record(script)
    assert examples.recorded(script) == "one\ntwo"
    script.write_text("print('three')\n", encoding="utf-8")
    assert examples.recorded(script) is None


def test_a_failing_script_leaves_no_output(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "OUTPUTS", tmp_path)
    script = tmp_path / "small.py"
    script.write_text("print('reached little')\nraise SystemExit(1)\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="reached little"):
        examples.record(script)
    assert not (tmp_path / "small.txt").exists()
