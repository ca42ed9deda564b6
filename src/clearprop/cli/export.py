"""`clearprop export`: a trained model for programs that have no Python."""

from __future__ import annotations

import argparse
from pathlib import Path

from clearprop.cli.helping import Paragraphs
from clearprop.cli.outputs import apart, force
from clearprop.errors import InputError, lesson

EPILOG = """\
The module exports predict(x): outputs for rows of encoded inputs, one row after the other. A table whose
columns are all numbers has encode(cells) too.

  clearprop export out/houses/model.safetensors --js model.mjs
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.formatter_class = Paragraphs
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="a model file that `clearprop train` wrote")
    parser.add_argument("--js", metavar="FILE", required=True, help="write a JavaScript module: model.mjs")
    force(parser)


def run(args: argparse.Namespace) -> int:
    """Write the module; return 0."""
    from clearprop.files import whole_file
    from clearprop.interop.model_file import load_model
    from clearprop.play.module import model_module

    apart({"MODEL": args.model}, {"--js": args.js})
    if Path(args.js).suffix not in (".mjs", ".js"):
        raise InputError(
            lesson("--js", "wants a name that ends in .mjs or .js", repr(args.js), hint="model.mjs")
        )
    network, about = load_model(args.model)
    first = next((layer for layer in network if hasattr(layer, "in_features")), None)
    if first is None:
        wanted = "wants a network with a layer that says how many inputs it takes"
        raise InputError(lesson(f"exporting {args.model}", wanted, f"{type(network[0]).__name__} first"))
    try:
        text = model_module(network, int(first.in_features), about)
    except TypeError as error:
        raise InputError(str(error)) from error
    with whole_file(args.js, ours=None if args.force else _is_ours) as file:
        file.write(text.encode())
    print(f"{args.js}: {first.in_features} inputs, {len(text) / 1000:.0f} kB")
    return 0


def _is_ours(begins: bytes) -> bool:
    return begins.startswith(b"// A program that clearprop recorded")
