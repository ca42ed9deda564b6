"""torchvision's networks: names and shapes of its state dicts, and the numbers that PyTorch has for them."""

import numpy as np
import pytest

import clearprop.torch as ours
from clearprop.torch.vision import models

theirs = pytest.importorskip("torch")
F = theirs.nn.functional


def block(state, at, x, stride, wide):
    """A residual block of a state dict, computed by PyTorch's functions."""

    def normed(z, name):
        parts = (state[f"{at}.{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(z, *parts)

    z = x
    for i in range(1, 4 if wide else 3):
        w = state[f"{at}.conv{i}.weight"]
        step = stride if i == (2 if wide else 1) else 1
        z = normed(F.conv2d(z, w, stride=step, padding=w.shape[-1] // 2), f"bn{i}")
        z = F.relu(z) if i < (3 if wide else 2) else z
    if f"{at}.downsample.0.weight" in state:
        x = normed(F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=stride), "downsample.1")
    return F.relu(z + x)


def residual(state, x, wide):
    parts = (state[f"bn1.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    x = F.relu(F.batch_norm(F.conv2d(x, state["conv1.weight"], stride=2, padding=3), *parts))
    x = F.max_pool2d(x, 3, 2, 1)
    for k in range(1, 5):
        count = len({name.split(".")[1] for name in state if name.startswith(f"layer{k}.")})
        for i in range(count):
            x = block(state, f"layer{k}.{i}", x, 2 if k > 1 and not i else 1, wide)
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize(
    ("name", "wide", "count"), [("resnet18", False, 11_689_512), ("resnet50", True, 25_557_032)]
)
def test_a_residual_network_is_torchvisions(name, wide, count):
    ours.manual_seed(0)
    model = models.get_model(name).eval()
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    state = {k: theirs.from_numpy(np.array(v.numpy())) for k, v in model.state_dict().items()}

    assert sum(p.numel() for p in model.parameters()) == count
    wanted = residual(state, theirs.from_numpy(x), wide).numpy()
    np.testing.assert_allclose(model(ours.from_numpy(x)).detach().numpy(), wanted, rtol=2e-3, atol=2e-4)


def test_a_frozen_network_with_a_new_last_layer_trains_that_alone():
    model = models.resnet18()
    for p in model.parameters():
        p.requires_grad = False
    model.fc = ours.nn.Linear(model.fc.in_features, 2)
    ours.nn.functional.cross_entropy(model(ours.randn(2, 3, 32, 32)), ours.tensor([0, 1])).backward()

    assert [name for name, p in model.named_parameters() if p.grad is not None] == ["fc.weight", "fc.bias"]


def test_stacks_of_convolutions_have_torchvisions_names():
    model = models.alexnet(num_classes=3)
    assert sum(p.numel() for p in model.parameters()) == 57_016_131  # of 1,000 classes 61,100,840
    assert [name for name in model.state_dict() if name.startswith("features")][2::2] == [
        "features.3.weight", "features.6.weight", "features.8.weight", "features.10.weight"
    ]  # fmt: skip
    features = models._of_vgg(models._A, True)
    assert [type(m).__name__ for m in features][:4] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert sum(p.numel() for p in models._of_vgg(models._D, False).parameters()) == 14_714_688


def test_weights_that_would_have_to_be_fetched_are_refused():
    for how in (
        {"weights": models.ResNet18_Weights.DEFAULT},
        {"pretrained": True},
        {"weights": "IMAGENET1K_V1"},
    ):
        with pytest.raises(NotImplementedError, match=r"(?s)fetches nothing.*load_state_dict.*resnet18\.pth"):
            models.resnet18(**how)
    with pytest.raises(AttributeError, match=r"(?s)efficientnet_b0.*resnet18"):
        _ = models.efficientnet_b0
    assert models.list_models()[:1] == ["alexnet"]
