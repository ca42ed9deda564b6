"""`clearprop draw`: the graph of an expression as text in the terminal, or as an SVG, PNG, HTML or text
file.
"""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from pathlib import Path

from clearprop.cli.bounds import within
from clearprop.cli.helping import Paragraphs
from clearprop.cli.outputs import force
from clearprop.cli.step import coloured, drawable, expression_of, spoken_language, typed
from clearprop.errors import InputError, lesson

EPILOG = """\
The expression is written as for `clearprop step`. Without a file the drawing is printed.

  clearprop draw "(a + b) * b**3" a=7 b=3
  clearprop draw "(a + b) * b**3" a=7 b=3 -o graph.svg
  clearprop draw "mean((X @ w - y)**2)" "X=[[1,2],[3,4],[5,6]]" w=[1,-1] y=[0,1,2] -o graph.html --open
"""
ENDINGS = (".svg", ".png", ".html", ".txt")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.formatter_class = Paragraphs
    parser.epilog = EPILOG
    typed(parser, 'what to draw, in quotes: "(a + b) * b**3"; - is standard input')
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write to FILE; its ending says how: .svg .png .html .txt"
    )
    parser.add_argument("--forward", action="store_true", help="draw the values only, before backward()")
    parser.add_argument(
        "--inputs", choices=("auto", "left", "near"), default="auto", help="where inputs stand"
    )
    spoken_language(parser)
    parser.add_argument("--width", type=int, metavar="N", help="columns of the text (the terminal's)")
    parser.add_argument("--open", action="store_true", help="open the file that was written")
    force(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write the drawing."""
    from clearprop.errors import GradientError
    from clearprop.see.drawing.draw import draw
    from clearprop.typed.expression import assignments

    within(args, {"width": (8, 10**6)})
    if args.open and not args.output:
        raise InputError(lesson("--open", "wants a file to open", hint="-o graph.svg --open"))
    if args.output and Path(args.output).suffix.lower() not in ENDINGS:
        raise InputError(
            lesson(
                "-o " + args.output, f"writes {' '.join(ENDINGS)}", hint=f"-o {Path(args.output).stem}.svg"
            )
        )
    output = expression_of(args).graph(assignments(args.values))
    if not args.forward:
        try:
            output.backward()
        except GradientError as error:
            raise InputError(f"{error}\n  --forward draws it without gradients.") from error
    drawing = draw(output, inputs=args.inputs, title=args.expression, language=args.language)
    if not args.output:
        print(drawing.to_text(args.width, colour=coloured(), ascii=not drawable()))
        return 0
    try:
        path = drawing.save(args.output, overwrite=args.force)
    except ImportError as error:
        raise InputError(lesson(f"-o {args.output}", "cannot be written", str(error))) from error
    print(f"{path}: {len(drawing.layout.boxes)} boxes, {len(drawing.layout.edges)} arrows", file=sys.stderr)
    if args.open:
        webbrowser.open(Path(os.path.abspath(path)).as_uri())
    return 0
