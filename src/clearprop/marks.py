"""How clearprop tells the files that it wrote from those of others: by a mark in their first bytes.

| file         | mark                                                                          |
|--------------|-------------------------------------------------------------------------------|
| .html        | `<meta name="generator" content="clearprop">`                                 |
| .svg         | the class `clearprop` of its first element                                    |
| .png         | `Software: clearprop` among its texts                                         |
| .gif         | the comment `clearprop`                                                       |
| .txt         | the boxes of a drawing, or the first line of the steps                        |
| grades       | the first key or header of grades, of a class or an expression: JSON, CSV       |
| .ipynb       | `"generator": "clearprop"` among its metadata, which stand first              |
| .safetensors | the metadata's `clearprop.checksum` or `format`; a model replaces models only |
| history.csv  | a header that begins with `epoch,` and a loss                                 |
| log.json     | a first line that begins with `{"epoch": ` and has `"seconds": `              |
| .pt          | a zip archive that holds `data.pkl`, as PyTorch's files do: either's          |
| .onnx        | the fields of a version and a producer, with which ONNX files begin           |
| predictions  | the very header that is about to be written                                   |

An empty file is nobody's. A file that a person has edited keeps its mark: what is told apart is whose file it
is, not whether it is as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_GENERATOR = b'<meta name="generator" content="clearprop">'
_STEPS = tuple(
    line.encode()  # the first lines of a trace, in each language
    for line in ("Forward, from the inputs to the output", "Vorwärts, von den Eingängen zum Ausgang")
)
_GRADES = (
    b'{\n "clearprop": "grades"',
    b'{\n "clearprop": "check"',
    b'{\n "extra_data": {\n  "generator": "clearprop"',
    b"submission,score,seconds,error",
)
_BOXES = tuple(corner.encode() for corner in "╭╔┌")


def html(begins: bytes) -> bool:
    """Tell whether a page is of clearprop."""
    return _GENERATOR in begins


def svg(begins: bytes) -> bool:
    """Tell whether a picture is of clearprop."""
    return begins.startswith(b"<svg ") and b'class="clearprop"' in begins.partition(b">")[0]


def png(begins: bytes) -> bool:
    """Tell whether an image is of clearprop."""
    return begins.startswith(b"\x89PNG\r\n") and b"Software\0clearprop" in begins


def gif(begins: bytes) -> bool:
    """Tell whether a moving picture is of clearprop."""
    return begins.startswith(b"GIF8") and b"clearprop" in begins


def text(begins: bytes) -> bool:
    """Tell whether a text is a drawing or a list of steps."""
    return begins.startswith(_STEPS) or any(b in begins for b in _BOXES)


def grades(begins: bytes) -> bool:
    """Tell whether a file has the grades of a class, or what was found of an expression."""
    return begins.startswith(_GRADES)


def notebook(begins: bytes) -> bool:
    """Tell whether a notebook is of clearprop, and as it was written."""
    return begins.startswith(b"{") and b'"generator": "clearprop"' in begins


def history(begins: bytes) -> bool:
    """Tell whether a table is the history of a training run."""
    return re.match(rb"epoch,(val_)?loss\b|epoch\n", begins) is not None


def log(begins: bytes) -> bool:
    """Tell whether a file is the log of a training run, a JSON object for each epoch."""
    return begins.startswith(b'{"epoch": ') and b'"seconds": ' in begins.partition(b"\n")[0]


def pt(begins: bytes) -> bool:
    """Tell whether a file is one of PyTorch's, written by it or by clearprop."""
    return begins.startswith(b"PK\x03\x04") and b"/data.pkl" in begins[:300]


def onnx(begins: bytes) -> bool:
    """Tell whether a file is an ONNX file, whoever wrote it: fields `ir_version` and `producer_name`."""
    return begins[:1] == b"\x08" and begins[2:3] == b"\x12"


def header(names: Iterable[str]) -> Callable[[bytes], bool]:
    """Return what tells whether a table has just these columns."""
    wanted = list(names)

    def is_ours(begins: bytes) -> bool:
        import csv

        lines = begins.decode("utf-8", "replace").splitlines()
        return next(csv.reader(lines), None) == wanted

    return is_ours


def safetensors(format: str = "") -> Callable[[bytes], bool]:
    """Return what tells whether a safetensors file is of clearprop and of the same kind.

    `format` is the metadata's: "clearprop model 1" and "clearprop model 2" are of one kind, and weights alone
    have none.
    """
    kind = format.rpartition(" ")[0].encode() if format.startswith("clearprop ") else b""

    def is_ours(begins: bytes) -> bool:
        found = re.search(rb'"format":"(clearprop \w+)', begins)
        signed = b'"clearprop.checksum":' in begins or found is not None
        return begins[8:9] == b"{" and signed and (found[1] if found else b"") == kind

    return is_ours


BY_ENDING = {".html": html, ".svg": svg, ".png": png, ".txt": text, ".ipynb": notebook, ".gif": gif}
