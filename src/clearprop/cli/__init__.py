"""The command line: `clearprop COMMAND ...`; one file per command, imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from clearprop import __version__
from clearprop.errors import InputError

# Each module has `arguments(parser)` and `run(args) -> int`; a table, so that `clearprop step` never imports
# training.
COMMANDS = {
    "train": "train a network on a CSV table or on the handwritten digits",
    "predict": "write a trained model's predictions for a CSV table",
    "step": "step through the backward pass of an expression",
    "check": "compare an expression's gradients with numerical ones",
    "draw": "draw the graph of an expression",
    "lecture": "the lecture's graphs, box for box",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 a check failed, 2 the input cannot be used."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="clearprop", description="Backpropagation in the clear.")
    parser.add_argument("--version", action="version", version=f"clearprop {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        if argv[:1] == [name]:
            importlib.import_module(f"clearprop.cli.{name}").arguments(command)
    args = parser.parse_args(argv)
    try:
        return int(importlib.import_module(f"clearprop.cli.{args.command}").run(args))
    except InputError as error:
        print(f"clearprop {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"clearprop {args.command}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (`| head`) has gone
        sys.stderr.close()
        return 0
