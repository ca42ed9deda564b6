"""The command line: `clearprop COMMAND ...`; one file per command, imported only when it is called."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import sys
from collections.abc import Sequence

from clearprop import __version__
from clearprop.cli.helping import HelpfulParser, Paragraphs
from clearprop.ending import tidy_end
from clearprop.errors import InputError, lesson

# Each module has `arguments(parser)` and `run(args) -> int`; a table of purposes and examples, so that
# `clearprop step` never imports training.
COMMANDS = {
    "train": ("train a network on a CSV table or on the handwritten digits", "clearprop train digits"),
    "predict": ("write a trained model's predictions for a CSV table", "clearprop predict MODEL new.csv"),
    "export": (
        "write a trained model for programs without clearprop",
        "clearprop export MODEL --py model.py",
    ),
    "play": ("write a page that trains a network in the browser", "clearprop play iris --hidden 8,8"),
    "explain": ("what a model's prediction is made of", "clearprop explain MODEL new.csv --row 7"),
    "step": ("step through the backward pass of an expression", 'clearprop step "(a + b) * b**3" a=7 b=3'),
    "check": ("compare an expression's gradients with numerical ones", 'clearprop check "tanh(w*x)" w=1 x=2'),
    "draw": ("draw the graph of an expression", 'clearprop draw "(a + b) * b**3" a=7 b=3'),
    "lecture": ("the lecture's graphs, box for box", "clearprop lecture dag"),
    "docs": ("open the manual", "clearprop docs"),
    "completion": ("what a shell has to be told to complete commands", "clearprop completion bash"),
}

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
"""What a system says of a file that cannot grow; those of clearprop's own say so themselves."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 a check failed, 2 the input cannot be used."""
    argv = list(sys.argv[1:] if argv is None else argv)
    called = " ".join(["clearprop", *argv[:1]])
    try:
        with tidy_end():
            status = _run(argv)
        sys.stdout.flush()  # here: a full disk is told like all else
        return status
    except InputError as error:
        print(f"{called}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{called}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (`| head`) has gone
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in FULL:
            raise
        told = lesson(
            "standard output", (error.strerror or str(error)).lower(), "", "What is there is a part."
        )
        print(f"{called}: {told}", file=sys.stderr)
        sys.stdout = None  # nothing is left to be written when Python ends
        return 2


def _run(argv: list[str]) -> int:
    if argv[:1] == ["help"]:  # clearprop help step: clearprop step --help
        argv = [*argv[1:2], "--help"]
    parser = HelpfulParser(
        prog="clearprop",
        description="Backpropagation in the clear.",
        epilog="for example:\n" + "\n".join(f"  {example}" for _, example in COMMANDS.values()),
        formatter_class=Paragraphs,
    )
    parser.add_argument("--version", action="version", version=f"clearprop {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=HelpfulParser)
    chosen: argparse.ArgumentParser = parser
    for name, (purpose, _) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        if argv[:1] == [name]:
            importlib.import_module(f"clearprop.cli.{name}").arguments(command)
            chosen = command
    args, rest = parser.parse_known_args(argv)
    if rest:
        chosen.error(f"unrecognized arguments: {' '.join(rest)}")
    args.argv = argv
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # Letters of files' names and of cells that a terminal cannot hold are spelled out.
        sys.stdout.reconfigure(errors="backslashreplace")
    if args.command is None:
        parser.print_help()
        return 0
    return int(importlib.import_module(f"clearprop.cli.{args.command}").run(args))


def parser_of(command: str) -> argparse.ArgumentParser:
    """Return the parser of one command with all that it takes."""
    parser = HelpfulParser(prog=f"clearprop {command}")
    importlib.import_module(f"clearprop.cli.{command}").arguments(parser)
    return parser
