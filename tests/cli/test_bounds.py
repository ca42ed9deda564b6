"""Every option that takes a number: what makes no sense is refused, by its name and what it may be."""

import pytest

from clearprop.cli import main, parser_of

STEP, DRAW = ["step", "a*b", "a=7", "b=3"], ["draw", "a*b", "a=7", "b=3"]


def refused(arguments, capsys):
    try:
        status = main([str(word) for word in arguments])
    except SystemExit as end:  # argparse's way out
        status = end.code
    assert status == 2
    return capsys.readouterr().err


@pytest.fixture
def homework(tmp_path):
    (tmp_path / "nodes.py").write_text("class Multiply: pass\n")
    return ["check", tmp_path]


@pytest.mark.parametrize(
    ("command", "option", "value", "says"),
    [
        (STEP, "--digits", "0", "--digits: wants a number of 1 or more: 0.\n  Try --digits 1."),
        (STEP, "--digits", "-1", "--digits: wants a number of 1 or more: -1."),
        (STEP, "--digits", "18", "--digits: is 17 at most: 18.\n  Try --digits 17."),
        (STEP, "--digits", "nan", "--digits: wants a whole number: 'nan'."),
        (["lecture", "dag"], "--digits", "0", "--digits: wants a number of 1 or more: 0."),
        (DRAW, "--width", "0", "--width: wants a number of 8 or more: 0."),
        (DRAW, "--width", "-1", "--width: wants a number of 8 or more: -1."),
        (DRAW, "--width", "1.5", "--width: wants a whole number: '1.5'."),
    ],
)
def test_what_makes_no_sense_is_refused(command, option, value, says, capsys):
    assert says in refused([*command, option, value], capsys)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--jobs", "0"], "--jobs: wants a number of 1 or more: 0."),
        (["--jobs", "-1"], "--jobs: wants a number of 1 or more: -1."),
        (["--jobs", "nan"], "--jobs: wants a whole number: 'nan'."),
        (["--timeout", "0"], "--timeout: wants a number of 0.001 or more: 0."),
        (["--timeout", "nan"], "--timeout: wants a number of 0.001 or more: nan."),
        (["--timeout", "inf"], "--timeout: is 1e+06 at most: inf."),
        (["--points", "-2", "--gradescope", "r.json"], "--points: wants a number of 0.001 or more: -2."),
        (["--points", "5"], "--points: is what Gradescope is told: no --gradescope.\n  Try --gradescope"),
        (["--points", "5", "--json", "-"], "--points: is what Gradescope is told: no --gradescope."),
    ],
)
def test_a_class_is_not_graded_by_numbers_without_sense(homework, given, says, capsys):
    assert says in refused([*homework, *given], capsys)


@pytest.mark.parametrize(
    "command", ["train", "play", "explain", "export", "step", "check", "draw", "lecture"]
)
def test_no_option_takes_a_word_for_a_number(command, capsys):
    numbers = [a for a in parser_of(command)._actions if a.type in (int, float)]
    for action in numbers:
        said = refused([command, "x", "y", action.option_strings[-1], "many"], capsys)
        kind = "a whole number" if action.type is int else "a number"
        assert f"{action.option_strings[-1]}: wants {kind}: 'many'" in said
