"""What a class is made with is looked at where it arrives: also in a subclass of somebody else's."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from clearprop import Tensor, data, nn, optim, train
from clearprop.arguments import ArgumentError
from clearprop.errors import taught

SGD = optim.SGD([Tensor(1.0)], lr=0.5)
MADE = {
    nn.BatchNorm1d: {"num_features": 4},
    nn.BatchNorm3d: {"num_features": 4},
    nn.Conv2d: {"in_channels": 3, "out_channels": 4, "kernel_size": 2},
    nn.CosineSimilarity: {},
    nn.CrossEntropyLoss: {},
    nn.Dropout: {},
    nn.Embedding: {"num_embeddings": 5, "embedding_dim": 2},
    nn.EmbeddingBag: {"num_embeddings": 5, "embedding_dim": 2},
    nn.Flatten: {},
    nn.GLU: {},
    nn.GroupNorm: {"num_groups": 2, "num_channels": 4},
    nn.InstanceNorm2d: {"num_features": 4},
    nn.LSTM: {"input_size": 2, "hidden_size": 3},
    nn.LayerNorm: {"normalized_shape": 4},
    nn.Linear: {"in_features": 2, "out_features": 3},
    nn.LocalResponseNorm: {"size": 3},
    nn.MultiheadAttention: {"embed_dim": 4, "num_heads": 2},
    nn.PixelShuffle: {"upscale_factor": 2},
    nn.Softmax: {},
    nn.TripletMarginLoss: {},
    nn.ZeroPad2d: {"padding": 1},
    optim.Adam: {"params": [Tensor(1.0)]},
    optim.CosineAnnealingLR: {"optimizer": SGD, "T_max": 3},
    optim.CyclicLR: {"optimizer": SGD, "base_lr": 0.1, "max_lr": 0.2},
    optim.ReduceLROnPlateau: {"optimizer": SGD},
    optim.WarmupCosineLR: {"optimizer": SGD, "warmup": 1, "total": 3},
    data.DataLoader: {"dataset": (np.ones((4, 2)),)},
    train.Checkpoint: {"path": "here"},
}
"""Classes of every kind, and what they cannot be made without."""


def handing_on(cls, given):
    """Return a subclass as a person writes it, which hands on what it was not given."""

    class Mine(cls):
        def __init__(self):
            super().__init__(**given)

    return Mine


def annotated(cls, *words):
    parameters = inspect.signature(cls.__init__).parameters.values()
    return [p.name for p in parameters if str(p.annotation) in words]


@pytest.mark.parametrize("cls", MADE, ids=lambda cls: cls.__name__)
def test_what_a_subclass_hands_on_is_refused_as_what_is_given_by_hand(cls):
    wrong = [(name, value) for name in annotated(cls, "int", "int | None") for value in (2.5, "2", [1])]
    wrong += [(name, value) for name in annotated(cls, "float", "float | None") for value in ("2", [1])]
    wrong += [(name, "no") for name in annotated(cls, "bool")]
    cls(**MADE[cls])

    for name, value in wrong:
        given = {**MADE[cls], name: value}
        with pytest.raises((TypeError, ValueError)) as by_hand:
            cls(**given)
        with pytest.raises((TypeError, ValueError)) as handed_on:
            handing_on(cls, given)()
        assert taught(by_hand.value), (name, value)
        assert taught(handed_on.value), (name, value)


def test_the_class_that_a_person_knows_is_named():
    with pytest.raises(ArgumentError, match=r"Conv2d\(in_channels=\): wants in_channels as a"):
        handing_on(nn.Conv2d, {"in_channels": 2.5, "out_channels": 4, "kernel_size": 2})()


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: nn.Linear(), r"Linear\(...\): takes in_features, out"),
        (
            lambda: handing_on(nn.Linear, {"in_features": 2})(),
            r"Linear\(...\): takes in_features, out",
        ),
        (lambda: handing_on(nn.Linear, {"in_featurs": 2})(), "Try in_features= in place of in_featurs="),
        (lambda: nn.BatchNorm1d(-1), r"BatchNorm1d\(-1\): negative dimensions are not allowed"),
        (lambda: nn.BatchNorm1d(3, dtype="float3"), r"BatchNorm1d\(3, 'float3'\): data type 'float3' not"),
        (lambda: nn.CircularPad2d(2.5), r"CircularPad2d\(2.5\)"),
    ],
)
def test_what_went_wrong_in_the_making_is_told_in_five_parts(made, text):
    with pytest.raises((TypeError, ValueError), match=text) as refused:
        made()
    assert taught(refused.value)


def test_what_a_function_of_the_users_raises_stays_as_it_is():
    with pytest.raises(ZeroDivisionError, match=r"^division by zero$"):
        optim.LambdaLR(SGD, lambda n: 1 / n)


class Mine(nn.Linear):
    """Of a file, as pickle wants it."""

    def __init__(self):
        super().__init__(2, 3)


def test_copies_are_made_of_nothing():
    for made in (Mine(), nn.Linear(2, 3), optim.StepLR(SGD, 2)):
        assert type(copy.deepcopy(made)) is type(pickle.loads(pickle.dumps(made))) is type(made)
    assert inspect.signature(nn.Linear).parameters.keys() >= {"in_features", "out_features"}
