"""`clearprop completion SHELL`: what a shell has to be told to complete commands and options."""

from __future__ import annotations

import argparse

from clearprop.cli.helping import Paragraphs

SHELLS = ("bash", "zsh", "fish")
EPILOG = """\
  clearprop completion bash >> ~/.bashrc
  clearprop completion zsh >> ~/.zshrc
  clearprop completion fish > ~/.config/fish/completions/clearprop.fish
"""
_ZSH = """\
(( ${+functions[compdef]} )) || { autoload -Uz compinit && compinit -i; }
autoload -U +X bashcompinit && bashcompinit
"""
_BASH = """\
_clearprop() {{
    local word=${{COMP_WORDS[COMP_CWORD]}}
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    esac
    case "$word" in
        -*) case "${{COMP_WORDS[1]}}" in
{options}
            esac ;;
        *) case "${{COMP_WORDS[1]}}" in
{names}
                *) COMPREPLY=($(compgen -f -- "$word")) ;;
            esac ;;
    esac
}}
complete -o filenames -F _clearprop clearprop
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.formatter_class = Paragraphs
    parser.epilog = EPILOG
    parser.add_argument("shell", choices=SHELLS, help="the shell that the lines are for")


def run(args: argparse.Namespace) -> int:
    """Print the lines."""
    print(fish() if args.shell == "fish" else bash(args.shell), end="")
    return 0


def bash(shell: str = "bash") -> str:
    """Return the lines for bash, which zsh understands after two of its own."""
    from clearprop.cli import COMMANDS, parser_of
    from clearprop.cli.helping import options

    values, lines = {}, []
    for command in COMMANDS:
        known = options(parser_of(command))
        names = " ".join(name for name, _, _ in known)
        lines.append(f'                {command}) COMPREPLY=($(compgen -W "{names}" -- "$word")) ;;')
        values.update({name: " ".join(words) for name, _, words in known if words})
    asked = [
        f'        {name}) COMPREPLY=($(compgen -W "{words}" -- "$word")); return ;;'
        for name, words in values.items()
    ]
    behind = []
    for command, (words, files) in _first_words().items():
        asked_for = f'{"-f " * files}-W "{" ".join(words)}"'
        behind.append(f'                {command}) COMPREPLY=($(compgen {asked_for} -- "$word")) ;;')
    head = _ZSH if shell == "zsh" else ""
    told = {"values": asked, "options": lines, "names": behind}
    return head + _BASH.format(commands=" ".join(COMMANDS), **{k: "\n".join(v) for k, v in told.items()})


def _first_words() -> dict[str, tuple[tuple[str, ...], bool]]:
    """Return what may be named behind a command, and whether files may be too."""
    from clearprop.cli.job import DATA_SETS
    from clearprop.typed.lecture import EXAMPLES

    known = {"train": (tuple(DATA_SETS), True), "play": (tuple(DATA_SETS), True)}
    return known | {"lecture": (("graphs", *EXAMPLES), False), "completion": (SHELLS, False)}


def fish() -> str:
    """Return the lines for fish."""
    from clearprop.cli import COMMANDS, parser_of
    from clearprop.cli.helping import options

    lines = []
    for command, (purpose, _) in COMMANDS.items():
        lines.append(
            f"complete -c clearprop -n __fish_use_subcommand -f -a {command} -d '{_quoted(purpose)}'"
        )
        for named, files in [_first_words()[command]] if command in _first_words() else []:
            alone = "" if files else " -f"
            within = f"-n '__fish_seen_subcommand_from {command}'"
            lines.append(f"complete -c clearprop {within}{alone} -a '{' '.join(named)}'")
        for name, text, words in options(parser_of(command)):
            given = f" -x -a '{' '.join(words)}'" if words else ""
            within = f"-n '__fish_seen_subcommand_from {command}'"
            lines.append(f"complete -c clearprop {within} -l {name[2:]}{given} -d '{_quoted(text)}'")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "").replace("'", "")
