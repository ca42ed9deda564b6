"""`clearprop predict MODEL` for pictures: files, folders, files of many, and one on standard input."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.cli.outputs import apart, read_below
from clearprop.data.picture_files import Decoder
from clearprop.data.picture_sets import is_packed, pictures_alone
from clearprop.data.pictures import pictures_below
from clearprop.data.tables import counted
from clearprop.errors import InputError, lesson
from clearprop.files import whole_file
from clearprop.marks import header
from clearprop.train.picture_model import PictureModel

Array = npt.NDArray[Any]


def predict_pictures(args: argparse.Namespace, own: Callable[..., Any] | None) -> int:
    """Write a row for every picture: its name, the class, the probability of each class; return 0."""
    from clearprop.cli.networks import own_file

    outputs = {"--output": args.output}
    read: dict[str, Any] = {"the model": args.model, "--model": own_file(args.own)}
    for number, path in enumerate(args.files):
        read |= {f"the pictures {number}": None if path == "-" else path} | read_below(path, outputs)
    apart(read, outputs)
    for name in ("delimiter", "encoding", "decimal", "missing", "dates", "append"):
        if getattr(args, name):
            raise InputError(lesson(f"--{name}", "is for tables", f"{args.model} is a model of pictures"))
    model = PictureModel.load(args.model, own)
    names: list[str] = []
    found = [np.zeros((0, len(model.classes)))]
    for some, images in pictures_read(args.files, model):
        names += some
        found.append(model.probabilities(images))
    shares = np.concatenate(found)
    said = [model.classes[i] for i in model.chosen(shares)]
    columns = ["picture", "predicted class", *(f"probability {name}" for name in model.classes)]
    rows = [
        [name, label, *(f"{x:.6f}" for x in row)]
        for name, label, row in zip(names, said, shares, strict=True)
    ]
    if args.output is None:
        _write(sys.stdout, columns, rows)
        return 0
    ours = None if args.force else header(columns)
    spelled = {"encoding": "utf-8", "errors": "backslashreplace"}  # a file's name may hold any bytes
    with whole_file(args.output, "w", ours, newline="", **spelled) as file:
        _write(file, columns, rows)
    print(f"wrote {args.output}: {counted(len(rows), 'prediction')}")
    return 0


def _write(file: Any, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def pictures_read(paths: Sequence[str], model: PictureModel) -> Iterator[tuple[list[str], Array]]:
    """Yield the names of some pictures and themselves, as the model reads them: never all of a folder."""
    decoder = Decoder(model.shape)
    if list(paths).count("-") > 1:
        raise InputError(
            lesson("predict", "reads standard input once", f"- is given {list(paths).count('-')} times")
        )
    for path in paths:
        if path != "-" and is_packed(path):
            tops = dict(model.tops)
            images = decoder.refitted(pictures_alone(path, tops))
            for kind in tops.keys() - model.tops.keys():
                told = f"the model does not say what white is in pixels of {kind}"
                print(f"note: {path}: {told}; by the brightest here it is {tops[kind]:g}", file=sys.stderr)
            yield [f"{path}[{i}]" for i in range(len(images))], images
            continue
        files = [path] if path == "-" or not Path(path).is_dir() else pictures_below(path)
        if not files:
            raise InputError(lesson(f"reading {path}", "wants pictures in the folder", "there are none"))
        for low in range(0, len(files), 256):
            some = files[low : low + 256]
            yield some, np.stack([_one(decoder, file) for file in some])


def _one(decoder: Decoder, file: str) -> Array:
    called = f"reading {'standard input' if file == '-' else file}"
    if file != "-" and not Path(file).exists():
        raise InputError(lesson(called, "there is no such file"))
    try:
        return decoder.read(sys.stdin.buffer.read() if file == "-" else file)
    except InputError as error:
        raise InputError(lesson(called, "wants a picture that can be read", str(error))) from error
