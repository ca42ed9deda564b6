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
        *) COMPREPLY=($(compgen -f -- "$word")) ;;
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
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return head + _BASH.format(commands=" ".join(COMMANDS), values="\n".join(asked), options="\n".join(lines))


def fish() -> str:
    """Return the lines for fish."""
    from clearprop.cli import COMMANDS, parser_of
    from clearprop.cli.helping import options

    lines = []
    for command, (purpose, _) in COMMANDS.items():
        lines.append(
            f"complete -c clearprop -n __fish_use_subcommand -f -a {command} -d '{_quoted(purpose)}'"
        )
        for name, text, words in options(parser_of(command)):
            given = f" -x -a '{' '.join(words)}'" if words else ""
            within = f"-n '__fish_seen_subcommand_from {command}'"
            lines.append(f"complete -c clearprop {within} -l {name[2:]}{given} -d '{_quoted(text)}'")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "").replace("'", "")
