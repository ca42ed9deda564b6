"""Layers as the operators that ONNX has for them, and files of every version of its operators."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, tree

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from clearprop.interop.onnx import load_onnx, save_onnx  # noqa: E402
from clearprop.interop.onnx.writing import onnx_model  # noqa: E402

DRAW = np.random.default_rng(0)
VERSIONS = [17, 18, 20, 21, 23, 25]
LAYERS = {
    "Gelu": (20, nn.GELU, (6,)),
    "Gelu with tanh": (20, lambda: nn.GELU("tanh"), (6,)),
    "Selu": (17, nn.SELU, (6,)),
    "Celu": (17, lambda: nn.CELU(0.7), (6,)),
    "Softsign": (17, nn.Softsign, (6,)),
    "HardSwish": (17, nn.Hardswish, (6,)),
    "its formula, which every runtime has": (99, nn.SiLU, (6,)),
    "GroupNormalization": (21, lambda: nn.GroupNorm(2, 6), (6, 5)),
    "RMSNormalization": (23, lambda: nn.RMSNorm(6), (4, 6)),
    "RMSNormalization over two axes": (23, lambda: nn.RMSNorm((4, 6), eps=1e-3), (4, 6)),
    "InstanceNormalization": (17, lambda: nn.InstanceNorm2d(3, affine=True), (3, 5, 4)),
    "InstanceNormalization without weights": (17, lambda: nn.InstanceNorm1d(3), (3, 5)),
    "its formula, of groups": (99, lambda: nn.GroupNorm(2, 6, affine=False), (6, 5)),
    "its formula, of rows": (99, lambda: nn.GroupNorm(2, 6), (6,)),
    "its formula, of running statistics": (
        99,
        lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        (3, 5, 4),
    ),
}


def kinds_that_run(model, example, opset):
    """Check the file on onnxruntime and read again; return its operators."""
    file = onnx_model(model, example, opset=opset)
    assert file.opset_import[0].version == opset
    session = runtime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    again = load_onnx(file.SerializeToString())
    for n in (4, 1):
        x = DRAW.normal(size=(n, *example.shape[1:])).astype(np.float32)
        wanted, read = (
            [np.asarray(getattr(z, "value", z)) for z in tree.leaves(f(x))] for f in (model, again)
        )
        for a, b, c in zip(session.run(None, {"input": x}), read, wanted, strict=True):
            np.testing.assert_allclose(a, c, rtol=2e-4, atol=5e-6)
            np.testing.assert_allclose(b, c, rtol=2e-4, atol=5e-6)
    return [node.op_type for node in file.graph.node]


@pytest.mark.parametrize("opset", VERSIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_one_operator_from_the_version_on_that_has_it(name, opset):
    since, make, shape = LAYERS[name]
    clearprop.manual_seed(0)
    model = nn.Sequential(make(), nn.Identity()).eval()
    for p in model.parameters():
        clearprop.assign(p, p.value + DRAW.normal(size=p.shape).astype(np.float32))
    found = kinds_that_run(model, DRAW.normal(size=(4, *shape)).astype(np.float32), opset)

    assert (found[0] == name.split(" ")[0] and len(found) == 2) is (opset >= since)


REDUCTIONS = [
    lambda x: (
        np.mean(x, axis=1),
        np.max(x, axis=(1, 2)),
        np.min(x, axis=-1, keepdims=True),
        np.sum(x, axis=1),
    ),
    lambda x: (
        np.var(x, axis=1),
        np.std(x, axis=(1, 2), ddof=1),
        np.prod(x, axis=2),
        clearprop.logsumexp(x, axis=1),
    ),
    lambda x: (
        (x > 0).all(axis=1),
        (x > 0).any(axis=(1, 2)),
        np.linalg.norm(x, axis=1),
        np.repeat(x, 3, axis=1),
    ),
    lambda x: (
        np.repeat(x, 2, axis=-1),
        np.repeat(x[:, 0, 0], 2),
        np.argmax(x, axis=1),
        np.cumsum(x, axis=2),
    ),
]


@pytest.mark.parametrize("opset", VERSIONS)
@pytest.mark.parametrize("f", REDUCTIONS, ids=range(len(REDUCTIONS)))
def test_reductions_are_written_as_each_version_has_them(f, opset):
    assert kinds_that_run(f, DRAW.normal(size=(4, 3, 5)).astype(np.float32), opset)


@pytest.mark.parametrize("opset", [17, 25])
def test_whole_networks_are_written_for_the_oldest_and_the_newest(opset):
    clearprop.manual_seed(1)
    pictures = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.GroupNorm(2, 4),
        nn.SiLU(), nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    words = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
    for model, shape in {pictures: (3, 8, 8), words: (5, 8), nn.LSTM(8, 3, batch_first=True): (5, 8)}.items():
        if isinstance(model, nn.LSTM):
            model = nn.Sequential(model, Outputs())
        assert kinds_that_run(model.eval(), DRAW.normal(size=(4, *shape)).astype(np.float32), opset)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
def test_pictures_of_other_sizes_are_products_or_entries(mode):
    x = DRAW.normal(size=(4, 3, 5, 4)).astype(np.float32)
    for how in ({"scale_factor": 2}, {"size": (3, 7)}):
        found = kinds_that_run(lambda x, how=how: nn.functional.interpolate(x, mode=mode, **how), x, 18)
        whole = "nearest" in mode or (mode == "area" and "scale_factor" in how)
        assert ("Gather" if whole else "MatMul") in found


class Outputs(nn.Module):
    """The outputs of a recurrent layer without its states."""

    def forward(self, found):
        return found[0]


def test_a_version_that_is_not_written_is_refused(tmp_path):
    for opset in (9, 16, 99):
        with pytest.raises(ValueError, match=r"versions 17 to \d\d.*\d+.\n.*opset=18"):
            save_onnx(tmp_path / "m.onnx", nn.Linear(2, 2), np.ones((1, 2), np.float32), opset=opset)
