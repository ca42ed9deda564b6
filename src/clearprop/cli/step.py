"""`clearprop step`: the graph of an expression with its values, then every step of the backward pass."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from clearprop.cli.as_json import as_json, steps_of
from clearprop.cli.bounds import within
from clearprop.cli.helping import Paragraphs
from clearprop.cli.outputs import apart, force
from clearprop.errors import InputError, lesson
from clearprop.see.step.captions import LANGUAGES
from clearprop.see.step.quiz import LEVELS
from clearprop.typed.expression import Expression, assignments, parse
from clearprop.typed.lecture import ALGORITHMS

if TYPE_CHECKING:
    from clearprop.see.step.steps import Trace

DIGITS = {"digits": (1, 17)}
"""How many digits may be shown: a float64 has no more."""

EPILOG = """\
The expression may use + - * / ** @, functions such as tanh, relu, log, sum, mean, softmax, x[1], X.T, and
names for its parts: "c = a + b; d = b**3; c*d". Nothing that is typed is run as code.

  clearprop step "(a + b) * b**3" a=7 b=3
  clearprop step "(a + b) * b**3" a=7 b=3 --algorithm tree
  clearprop step "mean((X @ w - y)**2)" "X=[[1,2],[3,4],[5,6]]" w=[1,-1] y=[0,1,2]
  clearprop step "(a + b) * b**3" a=7 b=3 --html steps.html --open
  clearprop step "(a + b) * b**3" a=7 b=3 --movie steps.gif
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.formatter_class = Paragraphs
    parser.epilog = EPILOG
    typed(parser, 'what to compute, in quotes: "(a + b) * b**3"; - is standard input')
    shown(parser)
    parser.add_argument("--html", metavar="FILE", help="write a page to step through, instead of text")
    parser.add_argument(
        "--movie",
        metavar="FILE",
        help="write a moving picture, steps.gif; without an ending a folder of PNGs",
    )
    parser.add_argument("--choose", metavar="FILE", help="write a page on which one chooses the next node")
    parser.add_argument("--json", action="store_true", help="print the nodes and steps as one JSON object")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--quiz", type=int, choices=LEVELS, default=0, help="the page asks for numbers, from this level on"
    )
    force(parser)


def typed(parser: argparse.ArgumentParser, what: str, *, needed: bool = True) -> None:
    """Add the expression and the values of its names."""
    parser._negative_number_matcher = re.compile("-[^-]")  # "-log(x)" is an expression, not an option
    parser.add_argument("expression", nargs=None if needed else "?", help=what)
    parser.add_argument("values", nargs="*", metavar="name=value", help="a=7, w=[1,-1] or X=[[1,2],[3,4]]")


def expression_of(args: argparse.Namespace) -> Expression:
    """Read the expression, from standard input where it is `-`; what may not be meant is said beside."""
    if args.expression == "-":
        args.expression = sys.stdin.read().strip()
    expression = parse(args.expression)
    for note in expression.notes():
        print(f"clearprop {args.command}: {note}", file=sys.stderr)
    return expression


def shown(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a pass is shown."""
    orders = [*ALGORITHMS]
    parser.add_argument(
        "--algorithm", choices=orders, default="topological", help="the backward pass to follow"
    )
    spoken_language(parser)
    parser.add_argument("--digits", type=int, default=6, metavar="N", help="significant digits shown (6)")


def spoken_language(parser: argparse.ArgumentParser) -> None:
    """Add the option for the language of what is said."""
    parser.add_argument("--language", choices=[*LANGUAGES], default="en", help="of the sentences (en)")


def run(args: argparse.Namespace) -> int:
    """Print the steps, or write the page."""
    from clearprop.see.step.steps import trace

    within(args, DIGITS)
    output = expression_of(args).graph(assignments(args.values))
    try:
        steps = trace(output, algorithm=args.algorithm, language=args.language, quiz=args.quiz)
    except (ArithmeticError, TypeError, ValueError) as error:  # a GradientError is the first of these
        raise InputError(str(error)) from error
    page = args.html or ("steps.html" if args.open else None)
    frames = args.movie and not Path(args.movie).suffix
    files = {"--html": page, "--choose": args.choose, "--movie": None if frames else args.movie}
    apart({}, files, {"--movie": args.movie if frames else None})
    if args.movie:
        movie(steps, Path(args.movie), args.force)
    if args.choose:
        choose(steps, Path(args.choose), args.force)
    if page:
        target = Path(page)
        save(steps, target, args.force)
        print(f"wrote {target}", file=sys.stderr if args.json else sys.stdout)
        if args.open:
            webbrowser.open(target.resolve().as_uri())
    if args.json:
        print(as_json({"expression": args.expression} | steps_of(steps)))
    elif not (page or args.movie or args.choose):
        show(steps, args.digits)
    return 0


def show(steps: Trace, digits: int) -> None:
    """Print a trace as the output can show it."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sys.stdout.write(steps.to_text(colour=coloured(), ascii=not drawable(), digits=digits, width=width))


def save(steps: Trace, path: Path, overwrite: bool) -> None:
    """Write a trace to a file; whatever is in the way is told plainly."""
    try:
        steps.save(path, overwrite)
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(str(error)) from error


def movie(steps: Trace, path: Path, overwrite: bool) -> None:
    """Write the steps as a GIF, or as PNGs into a folder."""
    from clearprop.see.step.movie import save_frames

    if path.suffix.lower() not in ("", ".gif"):
        raise InputError(
            lesson(f"--movie {path}", "wants a name that ends in .gif, or a folder", path.suffix)
        )
    try:
        if path.suffix:
            save(steps, path, overwrite)
        else:
            save_frames(steps, path, overwrite)
    except (ImportError, ValueError) as error:
        raise error if isinstance(error, InputError) else InputError(str(error)) from error
    print(f"wrote {path}")


def choose(steps: Trace, path: Path, overwrite: bool) -> None:
    """Write the page on which the reader chooses the order of the nodes."""
    from clearprop.see.drawing.draw import write

    if path.suffix.lower() != ".html":
        raise InputError(lesson(f"--choose {path}", "wants a name that ends in .html", path.suffix or "none"))
    try:
        write(path, steps.to_choice().encode(), overwrite)
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(str(error)) from error
    print(f"wrote {path}")


def coloured() -> bool:
    """Whether colours are wanted: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def drawable() -> bool:
    """Whether the output can show arrows and lines."""
    try:
        "─▶│\N{MULTIPLICATION SIGN}…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
