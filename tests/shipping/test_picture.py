"""A model of pictures in other programs' hands: pixels in, probabilities out, the same as `predict` says."""

import importlib
import json
import subprocess

import numpy as np
import pytest
from tests.compiler.engines.js.node import needs_node

import clearprop
from clearprop.cli import main
from clearprop.shipping.picture import WholePictureModel
from clearprop.train.networks import lenet
from clearprop.train.picture_model import PictureModel

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8)).astype(np.uint8)


@pytest.fixture
def model(tmp_path):
    clearprop.manual_seed(0)
    made = PictureModel(
        lenet((1, 8, 8), 4), ("a", "b", "c", "d"), (1, 8, 8), [0.3], [0.2], {"temperature": 0.5}
    )
    made.save(tmp_path / "model.safetensors")
    return made


def export(tmp_path, *options):
    assert main(["export", str(tmp_path / "model.safetensors"), *options]) == 0


def test_the_whole_model_takes_pixels_and_gives_probabilities(model):
    expected = model.probabilities(PIXELS)
    x = PIXELS.astype(np.float32)
    with clearprop.no_grad():
        shown = WholePictureModel(model)(x)
        flat = WholePictureModel(model, flat=True)(x.reshape(3, -1))

    np.testing.assert_allclose(np.asarray(shown), expected, rtol=2e-5)
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(flat))
    np.testing.assert_allclose(expected.sum(axis=1), 1)


def test_a_numpy_file_gives_what_the_model_gives(model, tmp_path, monkeypatch):
    export(tmp_path, "--py", str(tmp_path / "shipped.py"))
    monkeypatch.syspath_prepend(tmp_path)
    shipped = importlib.import_module("shipped")

    found = shipped.predict(PIXELS.astype(np.float32))
    np.testing.assert_allclose(found, model.probabilities(PIXELS), rtol=2e-5)
    assert "of the classes a, b, c, d" in shipped.__doc__


@needs_node
def test_a_javascript_module_gives_what_the_model_gives(model, tmp_path):
    export(tmp_path, "--js", str(tmp_path / "shipped.mjs"))
    code = (
        f'import {{predict}} from "{(tmp_path / "shipped.mjs").as_posix()}";'
        f"console.log(JSON.stringify([...predict({json.dumps(PIXELS.ravel().tolist())})]));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, text=True, check=True
    )

    found = np.reshape(json.loads(done.stdout), (3, 4))
    np.testing.assert_allclose(found, model.probabilities(PIXELS), rtol=2e-5)


def test_an_onnx_file_gives_what_the_model_gives(model, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    export(tmp_path, "--onnx", str(tmp_path / "shipped.onnx"))
    session = runtime.InferenceSession(str(tmp_path / "shipped.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: PIXELS.astype(np.float32)})

    np.testing.assert_allclose(found, model.probabilities(PIXELS), rtol=2e-5)
