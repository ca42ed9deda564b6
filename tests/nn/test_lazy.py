"""Lazy layers: nothing before the first call, the ordinary layer after it."""

import copy
import re

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, compile, nn

SHAPE = (2, 3, 5, 6, 7)
CASES = [("Linear", (4,), (2, 3)), ("Linear", (4,), (3,))]
CASES += [(f"{kind}{n}d", (4, 2), SHAPE[: 2 + n]) for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3)]
CASES += [(f"{kind}{n}d", (4, 2), SHAPE[1 : 2 + n]) for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3)]
CASES += [(f"{kind}{n}d", (), SHAPE[: 2 + n]) for kind in ("BatchNorm", "InstanceNorm") for n in (1, 2, 3)]
LEARNS = {"affine": True, "track_running_stats": True}  # what a lazy instance norm does, as in PyTorch
CASES += [("BatchNorm1d", (), (2, 3)), *((f"InstanceNorm{n}d", (), SHAPE[1 : 2 + n]) for n in (1, 2, 3))]


@pytest.mark.parametrize(("name", "args", "shape"), CASES)
def test_the_first_call_makes_the_ordinary_layer(name, args, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    lazy = getattr(nn, f"Lazy{name}")(*args)
    clearprop.manual_seed(0)
    y = lazy(x)
    clearprop.manual_seed(0)
    plain = getattr(nn, name)(3, *args, **(LEARNS if name.startswith("Instance") else {}))

    assert type(lazy) is type(plain)
    assert repr(lazy) == repr(plain)
    assert list(lazy.state_dict()) == list(plain.state_dict())
    assert np.array_equal(*(z.value if isinstance(z, Tensor) else z for z in (y, plain(x))))


def model():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: list(m.parameters()),
        lambda m: list(m[0].named_parameters()),
        lambda m: m.state_dict(),
        lambda m: m.double(),
        lambda m: clearprop.optim.SGD(m.parameters(), lr=0.1),
    ],
)
def test_what_is_not_there_cannot_be_asked_for(ask):
    lazy = model()
    with pytest.raises(RuntimeError, match=re.escape("one call of the model with data first")):
        ask(lazy)
    lazy(np.ones((1, 3, 5, 5), np.float32))
    ask(lazy)


def test_no_state_is_loaded_into_what_is_not_there():
    with pytest.raises(RuntimeError, match="one call of the model with data first"):
        model().load_state_dict({})


def test_shown_before_and_after():
    lazy = model()
    assert "LazyLinear(in_features=?, 2)" in repr(lazy)
    lazy(np.ones((1, 3, 5, 5), np.float32))
    assert "Linear(in_features=36, out_features=2" in repr(lazy)
    assert lazy.count_parameters() == 4 * 27 + 4 + 72 + 2


def test_mode_and_copies():
    lazy = model().eval()
    other = copy.deepcopy(lazy)
    other(np.ones((1, 3, 5, 5), np.float32))
    assert not other[0].training
    assert type(lazy[0]) is nn.LazyConv2d


def test_a_recorded_step_makes_nothing():
    lazy = model()
    with pytest.raises(RuntimeError, match="before the compiled step"):
        compile(lambda x: lazy(x))(np.ones((1, 3, 5, 5), np.float32))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.LazyLinear(2)(1.0), "wants an axis -1"),
        (lambda: nn.LazyConv1d(2, 1)(np.ones(3)), "wants an axis 1"),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
