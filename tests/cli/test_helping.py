"""The commands' help, what misspelt words are answered with, completion, and functions with a prefix."""

import os
import shutil
import subprocess

import pytest

from clearprop.cli import COMMANDS, main, parser_of
from clearprop.cli.completion import SHELLS
from clearprop.typed.expression import parse


@pytest.mark.parametrize("argv", [[], ["help"], ["--help"]])
def test_help_is_no_error_and_has_an_example_for_each_command(argv, capsys):
    try:
        status = main(argv)
    except SystemExit as end:  # argparse's own way out
        status = end.code
    assert status == 0
    shown = capsys.readouterr().out

    for name, (purpose, example) in COMMANDS.items():
        assert name in shown
        assert purpose.split("'")[0] in shown
        assert example in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["help", name])

    assert ended.value.code == 0
    assert f"usage: clearprop {name}" in capsys.readouterr().out


def test_many_options_are_told_in_groups_and_not_in_the_line_of_usage(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = capsys.readouterr().out

    assert shown.startswith("usage: clearprop train [options] DATA\n\n")
    assert "--search N" in shown


MISSPELT = [
    (["trian", "t.csv"], "train"),
    (["lectur"], "lecture"),
    (["train", "t.csv", "--targt", "y"], "--target"),
    (["step", "x*x", "x=1", "--algoritm=tree"], "--algorithm"),
    (["step", "x*x", "x=1", "--algorithm", "topologicl"], "topological"),
    (["completion", "bsh"], "bash"),
    (["play", "iris", "--output", "x.html"], "--html"),
    (["play", "iris", "-o", "x.html"], "--html"),
    (["draw", "a", "a=1", "--html", "x.html"], "--output"),
]


@pytest.mark.parametrize(("argv", "meant"), MISSPELT)
def test_a_misspelt_word_is_answered_with_the_nearest(argv, meant, capsys):
    with pytest.raises(SystemExit) as ended:
        main(argv)

    assert ended.value.code == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


def test_a_word_that_is_like_none_is_answered_with_none(capsys):
    with pytest.raises(SystemExit):
        main(["qqqqqq"])

    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_every_command_and_option(shell, capsys):
    assert main(["completion", shell]) == 0
    lines = capsys.readouterr().out

    for name in COMMANDS:
        assert name in lines
    assert "algorithm" in lines
    assert "topological" in lines


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(tmp_path, capsys):
    main(["completion", "bash"])
    (tmp_path / "lines").write_text(capsys.readouterr().out)

    def completed(*words):
        asked = (
            f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _clearprop; echo ${{COMPREPLY[@]}}"
        )
        command = f"source {tmp_path / 'lines'}; {asked}"
        return subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=True
        ).stdout.split()

    assert completed("clearprop", "le") == ["lecture"]
    assert completed("clearprop", "step", "--alg") == ["--algorithm"]
    assert completed("clearprop", "step", "--algorithm", "t") == ["tree", "topological"]
    assert completed("clearprop", "completion", '""') == ["bash", "zsh", "fish"]
    assert completed("clearprop", "lecture", "or") == ["order"]
    assert "digits" in completed("clearprop", "train", "di")


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("le", ["lecture"]),
        ("step --alg", ["--algorithm"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("train dig", ["digits"]),
    ],
)
def test_fish_completes(typed, words, tmp_path, capsys):
    main(["completion", "fish"])
    (tmp_path / "lines").write_text(capsys.readouterr().out)

    command = ["fish", "-c", f"source {tmp_path / 'lines'}; complete -C 'clearprop {typed}'"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    assert sorted(line.split("\t")[0] for line in said.splitlines()) == sorted(words)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh_takes_the_lines(tmp_path, capsys):
    main(["completion", "zsh"])
    (tmp_path / "lines").write_text(capsys.readouterr().out)

    asked = "source lines; print $_comps[clearprop]"  # of a shell in which nothing completes so far
    said = subprocess.run(
        ["zsh", "-f", "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)},
    )

    assert said.stderr == ""
    assert said.stdout.split()[0] == "_bash_complete"


@pytest.mark.parametrize("prefix", ["np.", "numpy.", "clearprop.", "cp."])
def test_a_function_may_have_its_package_in_front(prefix):
    import numpy as np

    assert parse(f"{prefix}exp(x) + {prefix}sum(x)").graph({"x": np.float64(1.0)}).item() == np.exp(1.0) + 1.0


def test_other_attributes_are_refused_as_before():
    from clearprop.errors import InputError

    for text in ("os.system(x)", "np.linalg.norm(x)", "x.exp()"):
        with pytest.raises(InputError):
            parse(text)


@pytest.mark.parametrize("columns", ["40", "60", "100"])
def test_prose_is_filled_to_the_terminal_and_examples_stay_whole(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        main(["step", "--help"])
    lines = capsys.readouterr().out.splitlines()

    assert '  clearprop step "(a + b) * b**3" a=7 b=3' in lines
    prose = lines[lines.index("") :]
    start = next(i for i, line in enumerate(prose) if line.startswith("The expression may use"))
    paragraph = prose[start : prose.index("", start)]
    assert all(len(line) <= int(columns) for line in paragraph)
    assert len(paragraph) >= 2


def test_a_misspelt_option_is_answered_by_its_command(capsys):
    with pytest.raises(SystemExit):
        main(["step", "x**2", "x=3", "--jsn"])

    said = capsys.readouterr().err
    assert said.startswith("usage: clearprop step ")
    assert "clearprop step: error: unrecognized arguments: --jsn\n  Did you mean --json?" in said


def test_options_that_may_be_repeated_say_so():
    for name in COMMANDS:
        for action in parser_of(name)._actions:
            if type(action).__name__ == "_AppendAction":
                assert "(may be repeated)" in action.help
