"""Writes the reference from the library itself: `python docs/reference.py`, which the manual's build calls.

A page for each room of the library, an entry for each public name: how it is called, what its docstring says,
and where it has one, its curve. The ops stand in a table for each chapter, with their derivatives made by
running the rules. The pages lie in docs/reference, which git ignores.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import curves

import clearprop
from clearprop.op import Op
from clearprop.registry import ops

HERE = Path(__file__).resolve().parent
ADDRESS = re.compile(r" at 0x[0-9a-f]+")

# page: its title, the modules whose names it holds, and a sentence
PAGES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "core": (
        "Tensors and gradients",
        (
            "clearprop.tensor",
            "clearprop.op",
            "clearprop.backward",
            "clearprop.graph",
            "clearprop.modes",
            "clearprop.record",
            "clearprop.leaves",
            "clearprop.updates",
            "clearprop.define",
            "clearprop.facts",
            "clearprop.errors",
            "clearprop.orders",
            "clearprop.lines",
            "clearprop.ops.random",
            "clearprop.ops.shape",
        ),
        "The two nouns, and what walks over them.",
    ),
    "transforms": (
        "Transformations",
        ("clearprop.transforms",),
        "A function goes in, another function comes out.",
    ),
    "tree": ("Trees", ("clearprop.tree",), "Nested containers of arrays."),
    "loops": ("Loops", ("clearprop.loops",), "Loops and choices as ops: one body, any number of turns."),
    "see": ("Seeing", ("clearprop.see",), "Draw a graph, step through it, ask why a number is what it is."),
    "check": (
        "Checking",
        ("clearprop.check", "clearprop.diagnosis", "clearprop.homework"),
        "Is this gradient right, and why does a model not learn?",
    ),
    "compile": ("Compiling", ("clearprop.compiler",), "A whole training step as one program."),
    "nn": (
        "Layers and losses",
        ("clearprop.nn",),
        "Building blocks with PyTorch's names, shapes and numbers.",
    ),
    "functional": (
        "Functions of networks",
        ("clearprop.nn.functional",),
        "What the layers compute, as functions.",
    ),
    "init": ("Initialisers", ("clearprop.nn.init",), "How parameters start."),
    "network-tools": (
        "Tools of networks",
        ("clearprop.nn.utils",),
        "Clipping, parametrizations, pruning, packed sequences.",
    ),
    "optim": (
        "Optimizers and schedules",
        ("clearprop.optim",),
        "Each a formula, with PyTorch's names and numbers.",
    ),
    "train": ("Training", ("clearprop.train",), "The loop around a step: epochs, callbacks, checkpoints."),
    "data": ("Data", ("clearprop.data",), "Tables, datasets, loaders and samplers."),
    "parallel": (
        "Several devices and processes",
        ("clearprop.parallel",),
        "Meshes of devices through XLA, processes through MPI.",
    ),
    "play": ("The playground", ("clearprop.play",), "A page that trains your own model."),
    "interop": ("Files and other libraries", ("clearprop.interop",), "Models and weights, in and out."),
    "sklearn": ("Estimators", ("clearprop.sklearn",), "scikit-learn's contract around networks."),
    "scipy": (
        "SciPy's names",
        (
            "clearprop.scipy.special",
            "clearprop.scipy.linalg",
            "clearprop.scipy.stats",
            "clearprop.scipy.signal",
            "clearprop.scipy.optimize",
            "clearprop.scipy.integrate",
            "clearprop.scipy.interpolate",
            "clearprop.scipy.sparse",
        ),
        "Functions that SciPy does not hand to a Tensor.",
    ),
}

FIRST = ("clearprop.ops.elementwise", "clearprop.ops.reduce", "clearprop.ops.shape", "clearprop.ops.linalg")
LABELS: set[str] = set()
"""The targets of links that one build has written."""
TABLE = "| op | what it is | derivative |\n|---|---|---|"
ABOVE = ("core", "transforms", "see", "check", "compile")
NAMED_ABOVE = tuple(f"{module}." for name in ABOVE for module in PAGES[name][1])


def write(folder: Path) -> None:
    """Write every page anew into a folder, with their pictures."""
    LABELS.clear()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "curves").mkdir(parents=True)
    pages = {name: page(name, folder) for name in PAGES}
    pages["ops"] = chapters(folder)
    pages["coverage"] = covered()
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    listed = "\n".join(["core", "ops", *(name for name in PAGES if name != "core")])
    about = f"Every public name of clearprop {clearprop.__version__}, written from the library itself."
    lead = f"# Reference\n\n{about}\n\n"
    toc = f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    (folder / "index.md").write_text(lead + toc, encoding="utf-8")


def page(name: str, folder: Path) -> str:
    """Return one page of the reference as Markdown."""
    title, modules, about = PAGES[name]
    parts = [f"# {title}\n\n{about}\n"]
    for module in modules:
        try:
            space = importlib.import_module(module)
        except ImportError:  # an optional package, or a chapter that is not there
            continue
        for label, thing in public(space):
            parts.append(entry(label, thing, folder))
    return "\n".join(parts)


def public(space: Any) -> list[tuple[str, Any]]:
    """Return the public names of a module with what they are: its `__all__`, or what it defines itself.

    Of the rooms whose names the package itself has (`clearprop.grad`), only these are public.
    """
    names = getattr(space, "__all__", None)
    inside = f"{space.__name__}.".startswith(NAMED_ABOVE)
    found = []
    for name in sorted(names or dir(space), key=str.lower):
        thing = getattr(space, name, None)
        home = getattr(thing, "__module__", None) or ""
        own = home.startswith("clearprop" if names else space.__name__) and callable(thing)
        shown = name in clearprop.__all__ if inside else not name.startswith("_")
        if own and shown and thing.__doc__ and not isinstance(thing, Op):
            found.append((spelled(space.__name__, name, thing), thing))
    return found


def spelled(module: str, name: str, thing: Any) -> str:
    """Return how a person writes a name: `clearprop.grad` where the package itself has it."""
    above = name in clearprop.__all__ and getattr(clearprop, name) is thing
    return f"clearprop.{name}" if above else f"{module}.{name}"


def entry(label: str, thing: Any, folder: Path) -> str:
    """Return what stands under one name."""
    name = label.rpartition(".")[2]
    taken = label.lower() in LABELS  # targets of links know no capitals: `mesh` and `Mesh`
    LABELS.add(label.lower())
    lines = [
        f"## {name}\n" if taken else f"({label})=\n## {name}\n",
        code(f"{label}{signature(thing)}"),
        prose(thing.__doc__),
    ]
    curve = curves.of(label, thing, folder / "curves")
    if curve:
        lines.append(f"![{curve.alt}](curves/{curve.file})\n")
    if inspect.isclass(thing):
        lines += [member(f"{name}.{m}", f) for m, f in sorted(vars(thing).items()) if is_method(m, f)]
    return "\n".join(lines)


def is_method(name: str, thing: Any) -> bool:
    usual = name in ("forward", "extra_repr")  # which every layer has, and nobody calls
    return not name.startswith("_") and not usual and inspect.isfunction(thing) and bool(thing.__doc__)


def member(label: str, thing: Any) -> str:
    return f"### {label}\n\n{code(f'{label}{signature(thing)}')}\n{prose(thing.__doc__)}"


def signature(thing: Any) -> str:
    """Return how something is called, without the types, which the editor shows."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name != "self"]
    text = ADDRESS.sub("", str(found.replace(parameters=plain, return_annotation=found.empty)))
    text = re.sub(
        r"<class '(?:\w+\.)*(\w+)'>",
        r"\1",
        text.replace("<class 'numpy.", "<class 'np.").replace("np.", "np_"),
    )
    return text.replace("np_", "np.").replace("<factory>", "...")


def code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: examples are fenced, and nothing in it is markup by chance."""
    blocks, found = re.split(r"\n\s*\n", inspect.cleandoc(docstring or "")), []
    for block in blocks:
        if block.lstrip().startswith(">>>"):
            found.append(f"```pycon\n{textwrap.dedent(block)}\n```")
        elif block.startswith("    "):
            found.append(f"```text\n{textwrap.dedent(block)}\n```")
        else:
            found.append(escaped(block))
    return "\n\n".join(found) + "\n"


def escaped(text: str) -> str:
    """Return text in which only code in backticks and lists are markup."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*_<>\[\]{}|$#~])", r"\\\1", p) for p in parts)


def chapters(folder: Path) -> str:
    """Return the page of all ops: a table a chapter, with the derivatives that running the rules gives."""
    by_chapter: dict[str, list[str]] = {}
    for name, op in sorted(ops.items()):
        if name not in clearprop.__all__:  # a word of the compiler's or of a layer's own
            continue
        by_chapter.setdefault(getattr(op, "__module__", None) or "clearprop.ops", []).append(name)
    parts = [
        "# Ops\n\nAn op is a formula with the rule of its gradient. In the derivatives x and y are the "
        "inputs, z is the output and g the gradient that arrives at it. NumPy's functions are these ops "
        "when they meet a Tensor.\n"
    ]
    for module, names in sorted(by_chapter.items(), key=lambda pair: (pair[0] not in FIRST, pair[0])):
        chapter = importlib.import_module(module)
        about = (inspect.getdoc(chapter) or "").partition("\n\n")[0].replace("\n", " ")
        parts.append(f"## {module.rpartition('.')[2]}\n\n{escaped(about)}\n\n{TABLE}")
        parts += [row(name) for name in names]
        parts.append("\n" + gallery(names, folder))
    return "\n".join(parts) + "\n"


def row(name: str) -> str:
    about = (ops[name].__doc__ or "").partition("\n")[0].replace("\n", " ").strip()
    return f"| `{name}{signature(ops[name])}` | {cell(escaped(about))} | {cell(rule(name))} |"


def cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def rule(name: str) -> str:
    """Return the derivatives of an op as mathematics; nothing where its rule asks for an op's attributes."""
    try:
        found = str(clearprop.derivative(name)).partition(": ")[2]
    except Exception:  # a rule that cannot be run on symbols says so on its own page
        return ""
    return f"`{found}`" if found and "\n" not in found and len(found) < 160 else ""


def covered() -> str:
    """Return what of NumPy and SciPy answers a Tensor, found by calling each function."""
    ended = subprocess.run(
        [sys.executable, "-m", "clearprop.coverage"], capture_output=True, text=True, check=True
    )
    lead = (
        "# What is covered\n\nMade by calling every function with Tensors, eager and inside a "
        "compiled step: `python -m clearprop.coverage` prints it. `--torch` does the same for PyTorch's "
        "names, where PyTorch is installed to compare with.\n\n"
    )
    return f"{lead}```text\n{ended.stdout}```\n"


def gallery(names: Iterable[str], folder: Path) -> str:
    """Return the curves of a chapter's functions of one number."""
    found = [curves.of(f"clearprop.{name}", ops[name], folder / "curves") for name in names]
    return "\n".join(f"![{curve.alt}](curves/{curve.file})" for curve in found if curve) + "\n"


if __name__ == "__main__":
    write(HERE / "reference")
    print("wrote", HERE / "reference")
