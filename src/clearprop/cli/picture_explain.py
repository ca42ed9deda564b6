"""`clearprop explain MODEL` for pictures: which places of one speak for its class, and which against it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.cli.picture_predict import pictures_read
from clearprop.data.tables import nearest
from clearprop.errors import InputError, lesson
from clearprop.train.importance import pixel_contributions
from clearprop.train.picture_model import PictureModel

Array = npt.NDArray[Any]

GRID = 12
"""So many places at most are shown along each side."""
MARKS = ("--", "- ", "  ", "+ ", "++")


def explain_pictures(args: argparse.Namespace, own: Callable[..., Any] | None) -> int:
    """Print what each place of a picture adds to the prediction; return 0."""
    for name in ("delimiter", "encoding", "decimal", "missing", "dates"):
        if getattr(args, name):
            raise InputError(lesson(f"--{name}", "is for tables", f"{args.model} is a model of pictures"))
    model = PictureModel.load(args.model, own)
    name, image = _chosen(args, model)
    if args.label is not None and args.label not in model.classes:
        hint = nearest(args.label, model.classes)
        raise InputError(lesson("--label", "wants a class of the model", repr(args.label), hint=hint))
    shares = model.probabilities(image[None])
    said = model.classes[int(model.chosen(shares)[0])]
    label = said if args.label is None else args.label
    pixels, here, mean = pixel_contributions(model, image, model.classes.index(label))
    probabilities = dict(zip(model.classes, shares[0].tolist(), strict=True))
    if args.json:
        found = {"picture": name, "predicted": said, "label": label, "probabilities": probabilities}
        print(json.dumps(found | {"mean": mean, "prediction": here, "contributions": pixels.tolist()}))
        return 0
    told = sorted(probabilities.items(), key=lambda pair: -pair[1])[:4]
    print(f"{name}: {said} ({', '.join(f'{label} {share:.4f}' for label, share in told)})\n")
    print("\n".join(_lines(pixels, label, here, mean)))
    return 0


def _chosen(args: argparse.Namespace, model: PictureModel) -> tuple[str, Array]:
    """Return the picture that `--row` counts to, and its name."""
    seen = 0
    for names, images in pictures_read([args.table], model):
        if args.row - 1 < seen + len(names) and args.row >= 1:
            return names[args.row - 1 - seen], images[args.row - 1 - seen]
        seen += len(names)
    raise InputError(lesson("--row", f"wants a picture from 1 to {seen:,}", str(args.row)))


def _lines(pixels: Array, label: str, here: float, mean: float) -> list[str]:
    """Return the picture's places as signs, and what they add up to."""
    height, width = pixels.shape
    down, across = (np.linspace(0, n, min(n, GRID) + 1).round().astype(int) for n in (height, width))
    places = np.add.reduceat(np.add.reduceat(pixels, down[:-1], axis=0), across[:-1], axis=1)
    largest = float(np.abs(places).max()) or 1.0
    signs = np.sign(places) * ((np.abs(places) > largest / 6).astype(int) + (np.abs(places) > largest / 2))
    for_it, against = places[places > 0].sum(), places[places < 0].sum()
    lines = ["  " + "".join(MARKS[int(sign) + 2] for sign in row).rstrip() for row in signs]
    lines += ["", f"  {'the mean picture':<28}  {mean:>+10.4f}"]
    lines += [f"  {'places that speak for it':<28}  {for_it:>+10.4f}"]
    lines += [f"  {'places that speak against it':<28}  {against:>+10.4f}"]
    lines += [f"  {'this picture':<28}  {here:>+10.4f}", ""]
    size = f"{height / len(signs):.3g} x {width / len(signs[0]):.3g} pixels"
    unit = f"in units of the logit of {label!r}, less the mean of all classes', by integrated gradients"
    return [*lines, f"each sign is a place of about {size}, ++ and -- from half of the largest on; {unit}"]
