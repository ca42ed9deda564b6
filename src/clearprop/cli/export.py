"""`clearprop export`: a trained model for programs that have no clearprop."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.cli.bounds import within
from clearprop.cli.helping import Paragraphs
from clearprop.cli.outputs import apart, force
from clearprop.cli.predict import own_network, own_option
from clearprop.errors import InputError, lesson

Shape = tuple[int, ...]
EPILOG = """\
An ONNX file has an input for each column of the table and an output for each column of the predictions. A
NumPy file has predict(columns): predictions for columns by name, as they stand in a file.
Of a model of pictures all files have predict(x): probabilities of the classes for pixels from 0 to 255.
Other files have predict(x): outputs for rows of encoded inputs. A JavaScript module of a table whose
columns are all numbers has encode(cells) too. A NumPy file has its weights beside it, in a file of the same
name that ends in .npz, or inside of it with --inside. An object has a C header beside it; its function is
called as the file is, model(x), or by --name, so that several go into one program.

  clearprop export out/houses/model.safetensors --py model.py
  clearprop export out/houses/model.safetensors --onnx model.onnx
  clearprop export out/houses/model.safetensors --js model.mjs
  clearprop export out/houses/model.safetensors --object model.o --target thumb
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.formatter_class = Paragraphs
    parser.epilog = EPILOG
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model file that `clearprop train` wrote")
    for name, (_, _, told) in FORMATS.items():
        add(f"--{name}", metavar="FILE", help=told)
    own_option(parser)
    add("--inside", action="store_true", help="with --py: the weights inside of the file, as text")
    add("--rows", type=int, default=1, metavar="N", help="with --object: how many rows a call takes (1)")
    add("--name", metavar="NAME", help="with --object: what C calls the function (as the file is called)")
    add(
        "--target",
        default="native",
        metavar="M",
        help="with --object: native, x86_64, aarch64, thumb, riscv32",
    )
    force(parser)


def run(args: argparse.Namespace) -> int:
    """Write what is asked for; return 0."""
    from clearprop.cli.networks import own_file
    from clearprop.interop.model_file import load_model
    from clearprop.train import picture_model, table_model

    def sizes(about: Any) -> Any:
        return (picture_model if "pictures" in about else table_model).sizes(about)

    files = {name: getattr(args, name) for name in FORMATS if getattr(args, name) is not None}
    if not files:
        options = ", ".join(f"--{name}" for name in FORMATS)
        raise InputError(
            lesson("clearprop export", "wants to know as what", f"none of {options}", hint="--py model.py")
        )
    written = {f"--{name}": path for name, path in files.items()}
    if args.py and not args.inside:
        written["the weights of --py"] = str(Path(args.py).with_suffix(".npz"))
    if args.object:
        written["the header of --object"] = str(Path(args.object).with_suffix(".h"))
    if args.name is not None and not args.object:
        raise InputError(lesson("--name", "is for an object", "no --object", hint="--object model.o"))
    within(args, {"rows": (1, 10**6)})
    apart({"MODEL": args.model, "--model": own_file(args.own)}, written)
    for name, path in files.items():
        endings = FORMATS[name][0]
        if Path(path).suffix not in endings:
            wanted = f"wants a name that ends in {' or '.join(endings)}"
            raise InputError(lesson(f"--{name}", wanted, repr(path), hint=f"model{endings[0]}"))
    args.build = None if args.own is None else own_network(args.own)
    of_own = None if args.build is None else lambda about: args.build(*sizes(about))
    network, about = load_model(args.model, of_own)
    own = "pictures" in about or ("columns" in about and args.build is not None)
    shape = tuple(sizes(about)[0]) if own else (_width(args.model, network),)
    try:
        for name, path in files.items():
            FORMATS[name][1](network, shape, about, args)
            size = Path(path).stat().st_size
            print(f"{path}: {' x '.join(map(str, shape))} inputs, {size / 1000:.0f} kB")
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from error
    return 0


def _width(path: str, network: Any) -> int:
    first = next((layer for layer in network.modules() if hasattr(layer, "in_features")), None)
    if first is None:
        wanted = "wants a network with a layer that says how many inputs it takes"
        raise InputError(lesson(f"exporting {path}", wanted, f"none of {type(network).__name__} does"))
    return int(first.in_features)


def _shipped(network: Any, about: Any, args: argparse.Namespace, flat: bool = False) -> tuple[Any, str]:
    """Return what a file computes, and what its first lines say of it."""
    name = Path(args.model).name
    if "pictures" not in about:
        return network, f"the network of {name}, which takes encoded rows."
    from clearprop.shipping.picture import WholePictureModel
    from clearprop.train.picture_model import PictureModel

    classes = ", ".join(about["pictures"]["classes"])
    told = f"{name}: pixels from 0 to 255 in, probabilities out, of the classes {classes}."
    return WholePictureModel(PictureModel.load(args.model, args.build), flat), told


# --- formats ------------------------------------------------------------------------------------------------
def _script(network: Any, shape: Shape, about: Any, args: argparse.Namespace) -> None:
    from clearprop.files import whole_file
    from clearprop.play.module import model_module

    whole, _ = _shipped(network, about, args, flat=True)
    text = model_module(whole, math.prod(shape), about)
    with whole_file(args.js, ours=None if args.force else _is_ours) as file:
        file.write(text.encode())


def _is_ours(begins: bytes) -> bool:
    return begins.startswith(b"// A program that clearprop recorded")


def _plain(network: Any, shape: Shape, about: Any, args: argparse.Namespace) -> None:
    from clearprop.shipping import numpy_module
    from clearprop.shipping.table import save_table
    from clearprop.train.table_model import TableModel

    if "columns" in about:
        save_table(args.py, TableModel.load(args.model, args.build), inside=args.inside, overwrite=args.force)
        return
    whole, told = _shipped(network, about, args)
    made = numpy_module(whole, np.zeros((2, *shape), np.float32), about=told)
    made.save(args.py, inside=args.inside, overwrite=args.force)


def _onnx(network: Any, shape: Shape, about: Any, args: argparse.Namespace) -> None:
    from clearprop.interop.onnx import save_onnx
    from clearprop.shipping.table_onnx import save_table_onnx
    from clearprop.train.table_model import TableModel

    try:
        if "columns" in about:
            save_table_onnx(args.onnx, TableModel.load(args.model, args.build), overwrite=args.force)
            return
        given = np.zeros((2, *shape), np.float32)
        save_onnx(args.onnx, _shipped(network, about, args)[0], given, overwrite=args.force)
    except NotImplementedError as error:
        raise InputError(str(error)) from error
    except ImportError as error:
        hint = 'pip install "clearprop[onnx]"'
        raise InputError(lesson("--onnx", "wants the package onnx", str(error), hint=hint)) from error


def _native(network: Any, shape: Shape, about: Any, args: argparse.Namespace) -> None:
    from clearprop.shipping.native import native_object, word_of

    whole, told = _shipped(network, about, args)
    given = np.zeros((args.rows, *shape), np.float32)
    name = word_of(args.object) if args.name is None else args.name
    made = native_object(whole, given, name=name, target=args.target, about=told)
    made.save(args.object, overwrite=args.force)


Writer = Callable[[Any, Shape, Any, argparse.Namespace], None]

FORMATS: dict[str, tuple[tuple[str, ...], Writer, str]] = {
    "js": ((".mjs", ".js"), _script, "write a JavaScript module: model.mjs"),
    "onnx": ((".onnx",), _onnx, "write an ONNX file with an input for each column: model.onnx"),
    "py": ((".py",), _plain, "write a plain NumPy file, which needs no clearprop: model.py"),
    "object": ((".o", ".obj"), _native, "write an object file and a C header, which need nothing: model.o"),
}
"""By option: the endings of a file's name, what writes it, what the help says."""
