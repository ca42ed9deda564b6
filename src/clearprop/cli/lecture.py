"""`clearprop lecture`: the lecture's graphs, box for box, as text or as pages; and a course made of them."""

from __future__ import annotations

import argparse
import difflib
import sys
import webbrowser
from pathlib import Path

from clearprop.cli.bounds import within
from clearprop.cli.helping import Paragraphs
from clearprop.cli.outputs import force
from clearprop.cli.step import DIGITS, save, show, shown
from clearprop.errors import InputError, lesson
from clearprop.typed.lecture import EXAMPLES, Example

GRAPHS = "graphs"  # the name for all of the examples

EPILOG = """\
  clearprop lecture                      lists the examples
  clearprop lecture dag                  steps through one of them
  clearprop lecture dag --html           writes its page, dag.html
  clearprop lecture --html DIR           writes a course of pages: lessons, quizzes, exercises, a handout
  clearprop lecture --notebook FILE      writes the course as a notebook
  clearprop lecture --html DIR --language de
  clearprop lecture graphs --html        writes the pages of all examples and their index
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.formatter_class = Paragraphs
    parser.epilog = EPILOG
    parser.add_argument("name", nargs="?", help="an example, or graphs for all; without one they are listed")
    shown(parser)
    parser.add_argument(
        "--html", nargs="?", const="", metavar="DIR", help="write a page, or without a name the course"
    )
    parser.add_argument("--notebook", metavar="FILE", help="write the course as a Jupyter notebook")
    parser.add_argument("--output", metavar="DIR", help="where pages go, if not after --html")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    force(parser)


def run(args: argparse.Namespace) -> int:
    """List the examples, print one, or write pages."""
    from clearprop.see.step.steps import trace

    within(args, DIGITS)
    every = args.name == GRAPHS
    chosen = [found(args.name)] if args.name and not every else [*EXAMPLES.values()]
    if args.output is not None and (other := args.html or args.notebook):
        raise InputError(lesson("--output", "says again where files go", f"{args.output}, after {other}"))
    if args.notebook:
        if args.name:
            raise InputError(lesson("--notebook", "has the whole course", f"lecture {args.name}"))
        return _notebook(args)
    if args.html is None and args.output is None and not args.open:
        if args.name and not every:
            print(f"{chosen[0].expression}   {chosen[0].shows}\n")
            show(trace(chosen[0].graph(), algorithm=args.algorithm, language=args.language), args.digits)
        else:
            listing()
        return 0
    folder = Path(args.html or args.output or ".")
    if not args.name:
        return _course(args, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(lesson("--output", "is no folder", str(error.strerror), where=str(folder))) from None
    for example in chosen:
        save(
            trace(example.graph(), algorithm=args.algorithm, language=args.language),
            folder / f"{example.name}.html",
            args.force,
        )
        print(f"wrote {folder / example.name}.html")
    first = folder / f"{chosen[0].name}.html"
    if every:
        from clearprop.see.gallery import save_index

        first = save_index(folder, args.force)
        print(f"wrote {first}")
    if args.open:
        webbrowser.open(first.resolve().as_uri())
    return 0


def _course(args: argparse.Namespace, folder: Path) -> int:
    from clearprop.lessons.course import course

    try:
        folder.mkdir(parents=True, exist_ok=True)  # before the work of making the pages
        made = course(folder, args.language, args.force)
    except InputError:
        raise
    except OSError as error:
        raise InputError(lesson("--html", "is no folder", str(error.strerror), where=str(folder))) from None
    print(f"wrote {len(made)} files; begin with {made[0]}")
    if args.open:
        webbrowser.open(made[0].resolve().as_uri())
    return 0


def _notebook(args: argparse.Namespace) -> int:
    from clearprop.lessons.course import notebook

    try:
        path = notebook(args.notebook, args.language, args.force)
    except InputError:
        raise
    except OSError as error:
        raise InputError(lesson("--notebook", "cannot be written", str(error.strerror))) from None
    print(f"wrote {path}")
    return 0


def found(name: str) -> Example:
    """Return the example of that name, or say which there are."""
    if name in EXAMPLES:
        return EXAMPLES[name]
    close = difflib.get_close_matches(name, EXAMPLES, n=1)
    hint = f"clearprop lecture {close[0]}" if close else "clearprop lecture, which lists them"
    raise InputError(lesson(f"lecture {name}", "there is no such example", ", ".join(EXAMPLES), hint=hint))


def listing() -> None:
    """Print every example with what it computes and its gradients."""
    from clearprop.see.numbers import written
    from clearprop.see.step.steps import trace

    for example in EXAMPLES.values():
        given = " ".join(f"{name}={plain(value)}" for name, value in example.values.items())
        steps = trace(example.graph())
        grads = {steps.names[node]: grad for node, grad in steps.grads.items()}
        sums = ", ".join(f"d{name} = {written(grads[name])}" for name in example.values)
        print(f"{example.name}\n    {example.expression}   {given}\n    {sums}\n    {example.shows}")
    sys.stdout.write("\nclearprop lecture NAME steps through one of them; with --html on a page.\n")


def plain(value: object) -> str:
    """A value as it is typed on the command line."""
    return str(value).replace(" ", "")
