"""Writes the pages of the examples: what each does and promises, the graph of its first loss, its code.

`python docs/examples.py` writes them into docs/examples, which git ignores; the manual's build calls it. The
graph is that of the script itself: it runs, not compiled, until it first goes backward, and what it would go
back through is drawn. A script that needs a package that is not there has a page without a picture.

What a script prints stands on its page as well. Whole runs take minutes, so that `python docs/examples.py
--record [NAME ...]` runs them and keeps their words in docs/outputs, beside a digest of the script that said
them: a test fails where a script has changed since.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parent / "examples"
OUTPUTS = HERE / "outputs"
_PICTURED = 60  # boxes, up to which the graph stands on the page itself
INDEX = """\
# Examples

Each is one script that runs offline in less than two minutes, prints what it has reached, and fails where
that is less than it promises: `python examples/lenet.py`. The drawings are made by running them. Three are
written in PyTorch's words, each beside a twin that differs in its imports alone.

```{toctree}
:maxdepth: 1

"""


class Drawn(BaseException):
    """Ends a script that has gone as far as is wanted; no handler of its own takes it for an error."""


def write(folder: Path) -> None:
    """Write a page for every example, and the page that lists them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    scripts = sorted(SCRIPTS.glob("*.py")) + twins()

    def written(script: Path) -> None:
        name = str(script.relative_to(SCRIPTS))
        subprocess.run([sys.executable, __file__, name, str(folder)], check=True, env=_environment())

    with ThreadPoolExecutor(2) as pool:  # each is a process of its own
        list(pool.map(written, scripts))
    names = "\n".join(map(stem, scripts))
    (folder / "index.md").write_text(f"{INDEX}{names}\n```\n", encoding="utf-8")


def twins() -> list[Path]:
    """Return the scripts in PyTorch's words, of which each has a twin that differs in its imports alone."""
    return [s for s in sorted((SCRIPTS / "twins").glob("*.py")) if not s.stem.endswith("_torch")]


def stem(script: Path) -> str:
    """Return the name of a script's page."""
    return f"twin-{script.stem}" if script.parent.name == "twins" else script.stem


def _environment() -> dict[str, str]:
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "CLEARPROP_THREADS": "1"}


def page(script: Path, folder: Path) -> None:
    """Write the page of one example, and beside it the page of its graph."""
    code = script.read_text(encoding="utf-8")
    tree = ast.parse(code)
    title, _, text = (ast.get_docstring(tree) or "").partition("\n\n")
    rest = "\n".join(code.splitlines()[tree.body[0].end_lineno or 0 :]).strip()
    title, _, usage = title.replace("\n", " ").rpartition(": ")
    where = script.parent.relative_to(SCRIPTS.parent)
    parts = [f"# {title}\n\n`python {where}/{usage.rstrip('.')}`\n", text]
    found = first_graph(script)
    if isinstance(found, str):
        parts.append(f"*{found}*")
    else:
        graph = f"{stem(script)}-graph.html"
        (folder / graph).write_text(found.to_html(), encoding="utf-8")
        words = "The graph of its first loss"
        if len(found.layout.boxes) <= _PICTURED:
            found.save(folder / f"{stem(script)}.svg")
            parts.append(f"![{words}, every array as a small picture]({stem(script)}.svg)")
        parts.append(f'<a href="{graph}">{words}, to open and search</a>')
    if (said := recorded(script)) is not None:
        parts.append(f"What it prints:\n\n```text\n{said}\n```")
    parts.append(f"```python\n{rest}\n```")
    (folder / f"{stem(script)}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def digest(script: Path) -> str:
    """Return what stands for the text of a script beside what it has printed."""
    return hashlib.sha256(script.read_bytes()).hexdigest()[:16]


def recorded(script: Path) -> str | None:
    """Return what this very script has printed, None where no run of it has been recorded."""
    kept = OUTPUTS / f"{stem(script)}.txt"
    if not kept.exists():
        return None
    of, _, said = kept.read_text(encoding="utf-8").partition("\n")
    return said.strip("\n") if of == digest(script) else None


def record(script: Path) -> None:
    """Run a script whole, in a folder of its own, and keep what it prints; one that fails ends this one."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, script], cwd=folder, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise SystemExit(f"{script.name} has failed:\n{done.stdout}{done.stderr}")
    OUTPUTS.mkdir(exist_ok=True)
    kept = OUTPUTS / f"{stem(script)}.txt"
    kept.write_text(f"{digest(script)}\n{done.stdout}", encoding="utf-8")
    print(f"{script.name}: {time.perf_counter() - begin:.0f} s")


def first_graph(script: Path) -> Any:
    """Run a script until it first goes backward; return the drawing of that graph, or why there is none."""
    import clearprop
    from clearprop.tensor import Tensor

    def as_it_is(function: Any = None, **options: Any) -> Any:
        return (lambda f: f) if function is None else function

    def backward(output: Tensor, *args: Any, **options: Any) -> None:
        raise Drawn(clearprop.draw(output))

    clearprop.compile, Tensor.backward = as_it_is, backward  # type: ignore[assignment,method-assign]
    sys.argv = [script.name]
    sys.path.insert(0, str(script.parent))
    try:
        runpy.run_path(str(script), run_name="__main__")
    except Drawn as drawn:
        return drawn.args[0]
    except ImportError as missing:
        return f"There is no drawing: {missing}."
    return "There is no drawing: the script never goes backward by itself."


def main() -> None:
    """Write all pages, one page into a folder, or record what scripts print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("one", nargs="*", help="a script's name, and the folder that gets its page")
    parser.add_argument("--record", nargs="*", metavar="NAME", help="run these scripts, or all, whole")
    options = parser.parse_args()
    if options.record is not None:
        for name in options.record or sorted(script.name for script in SCRIPTS.glob("*.py")):
            record(SCRIPTS / name)
    elif options.one:
        script, folder = options.one
        page(SCRIPTS / script, Path(folder))
    else:
        write(HERE / "examples")
        print("wrote", HERE / "examples")


if __name__ == "__main__":
    main()
