"""Optimizers as formulas, learning-rate schedules, and gradient clipping, with PyTorch's names."""

from typing import TYPE_CHECKING, Any

from clearprop import hints
from clearprop.clipping import clip_grad_norm_, clip_grad_value_
from clearprop.optim.adagrad import Adadelta, Adagrad
from clearprop.optim.adam import Adam, AdamW
from clearprop.optim.averaged import ASGD, Rprop
from clearprop.optim.cycles import CosineAnnealingWarmRestarts, CyclicLR
from clearprop.optim.factored import Adafactor, Muon
from clearprop.optim.lbfgs import LBFGS
from clearprop.optim.moments import Adamax, Lion, NAdam, RAdam
from clearprop.optim.one_cycle import OneCycleLR
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.plateau import ReduceLROnPlateau
from clearprop.optim.rmsprop import RMSprop
from clearprop.optim.schedule import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    StepLR,
    WarmupCosineLR,
)
from clearprop.optim.sequential import ChainedScheduler, SequentialLR
from clearprop.optim.sgd import SGD
from clearprop.optim.sparse import SparseAdam
from clearprop.optim.swa import SWALR

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "SWALR",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "Lion",
    "MultiStepLR",
    "MultiplicativeLR",
    "Muon",
    "NAdam",
    "OneCycleLR",
    "Optimizer",
    "PolynomialLR",
    "RAdam",
    "RMSprop",
    "ReduceLROnPlateau",
    "Rprop",
    "Schedule",
    "SequentialLR",
    "SparseAdam",
    "StepLR",
    "WarmupCosineLR",
    "clip_grad_norm_",
    "clip_grad_value_",
]

if not TYPE_CHECKING:  # a type checker is to find a name that is not here

    def __getattr__(name: str) -> Any:
        raise hints.unknown(__name__, name, __all__)
