"""Writes the pages of the examples: what each does and promises, the graph of its first loss, its code.

`python docs/examples.py` writes them into docs/examples, which git ignores; the manual's build calls it. The
graph is that of the script itself: it runs, not compiled, until it first goes backward, and what it would go
back through is drawn. A script that needs a package that is not there has a page without a picture.
"""

from __future__ import annotations

import ast
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parent / "examples"
_PICTURED = 60  # boxes, up to which the graph stands on the page itself
INDEX = """\
# Examples

Each is one script that runs offline in less than two minutes, prints what it has reached, and fails where
that is less than it promises: `python examples/lenet.py`. The drawings are made by running them.

```{toctree}
:maxdepth: 1

"""


class Drawn(BaseException):
    """Ends a script that has gone as far as is wanted; no handler of its own takes it for an error."""


def write(folder: Path) -> None:
    """Write a page for every example, and the page that lists them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    scripts = sorted(SCRIPTS.glob("*.py"))
    for script in scripts:
        subprocess.run([sys.executable, __file__, script.name, str(folder)], check=True, env=_environment())
    names = "\n".join(script.stem for script in scripts)
    (folder / "index.md").write_text(f"{INDEX}{names}\n```\n", encoding="utf-8")


def _environment() -> dict[str, str]:
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "CLEARPROP_THREADS": "1"}


def page(script: Path, folder: Path) -> None:
    """Write the page of one example, and beside it the page of its graph."""
    code = script.read_text(encoding="utf-8")
    tree = ast.parse(code)
    title, _, text = (ast.get_docstring(tree) or "").partition("\n\n")
    rest = "\n".join(code.splitlines()[tree.body[0].end_lineno or 0 :]).strip()
    title, _, usage = title.replace("\n", " ").rpartition(": ")
    parts = [f"# {title}\n\n`python examples/{usage.rstrip('.')}`\n", text]
    found = first_graph(script)
    if isinstance(found, str):
        parts.append(f"*{found}*")
    else:
        graph = f"{script.stem}-graph.html"
        (folder / graph).write_text(found.to_html(), encoding="utf-8")
        words = "The graph of its first loss"
        if len(found.layout.boxes) <= _PICTURED:
            found.save(folder / f"{script.stem}.svg")
            parts.append(f"![{words}, every array as a small picture]({script.stem}.svg)")
        parts.append(f'<a href="{graph}">{words}, to open and search</a>')
    parts.append(f"```python\n{rest}\n```")
    (folder / f"{script.stem}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


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


if __name__ == "__main__":
    if len(sys.argv) > 2:
        page(SCRIPTS / sys.argv[1], Path(sys.argv[2]))
    else:
        write(HERE / "examples")
        print("wrote", HERE / "examples")
