"""Writes each kind of file where files cannot grow; prints as JSON what each attempt left behind."""

import contextlib
import io
import json
import resource
import sys
from pathlib import Path

import numpy as np

from clearprop import Tensor, nn
from clearprop.cli import main
from clearprop.interop.onnx import save_onnx
from clearprop.interop.pytorch import save_pt
from clearprop.interop.safetensors import save_safetensors
from clearprop.see import draw, trace
from clearprop.train import TableModel, save_checkpoint

sys.dont_write_bytecode = True  # what is imported under the limit would stay in __pycache__, cut off


def command(*words):
    return lambda path: main([str(path) if word == "@" else word for word in words])


def told(write):
    """Return a writer in Python as a command: its error is printed, and the status is 2."""

    def run(path):
        try:
            write(path)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 2
        return 0

    return run


def cases(model, table):
    network = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 1))
    x = np.zeros((2, 3), np.float32)
    product = ["(a + b) * b**3", "a=7", "b=3"]
    weights = {name: np.asarray(p) for name, p in network.state_dict().items()}
    output = np.tanh(Tensor(2.0) * Tensor(3.0))
    output.backward()
    return {
        "predictions.csv": command("predict", model, table, "--output", "@", "--force"),
        "appended.csv": command("predict", model, table, "--append", "--output", "@", "--force"),
        "model.mjs": command("export", model, "--js", "@"),
        "table.onnx": command("export", model, "--onnx", "@"),
        "weights_beside.py": command("export", model, "--py", "@"),
        "weights_inside.py": command("export", model, "--py", "@", "--inside"),
        "object.o": command("export", model, "--object", "@"),
        "drawn.html": command("draw", *product, "-o", "@"),
        "drawn.svg": command("draw", *product, "-o", "@"),
        "drawn.txt": command("draw", *product, "-o", "@"),
        "steps.html": command("step", *product, "--html", "@"),
        "chosen.html": command("step", *product, "--choose", "@"),
        "check.json": command("check", *product, "--json", "@"),
        "lecture": command("lecture", "dag", "--html", "@", "--force"),
        "course.ipynb": command("lecture", "--notebook", "@"),
        "play.html": command("play", "iris", "--html", "@"),
        "trained": command("train", table, "--target", "c", "--epochs", "1", "--output", "@"),
        "network.onnx": told(lambda path: save_onnx(path, network, x, overwrite=True)),
        "weights.safetensors": told(lambda path: save_safetensors(path, weights)),
        "weights.pt": told(lambda path: save_pt(path, weights)),
        "state.ckpt": told(lambda path: save_checkpoint(path, {"weights": weights}, overwrite=True)),
        "loaded.safetensors": told(lambda path: TableModel.load(model).save(path)),
        "drawing.html": told(lambda path: draw(output).save(path)),
        "trace.html": told(lambda path: trace(output).save(path)),
    }


def files(folder):
    """Return what is below a folder, hidden files too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def attempt(run, path, size):
    """Run a writer where no file can have more bytes; return its status and what it said."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
        try:
            status = run(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return status, said.getvalue()


def tried(name, run, folder):
    """Yield what three attempts came to: a first one, and two where the files are there already."""
    path, limit = folder / name, 40
    for n in range(3):
        before = files(folder)
        status, said = attempt(run, path, limit)
        yield {"status": status, "said": said, "same": files(folder) == before}
        if n == 0:
            status, said = attempt(run, path, None)
            assert status == 0, said
            limit = max(len(made) for key, made in files(folder).items() if key not in before) - 1


if __name__ == "__main__":
    model, table, folder = sys.argv[1:]
    found = {name: list(tried(name, run, Path(folder))) for name, run in cases(model, table).items()}
    print(json.dumps(found))
