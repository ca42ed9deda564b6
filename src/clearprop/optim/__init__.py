"""Optimizers as formulas, learning-rate schedules, and gradient clipping, with PyTorch's names."""

from clearprop.optim.adagrad import Adadelta, Adagrad
from clearprop.optim.adam import Adam, AdamW
from clearprop.optim.averaged import ASGD, Rprop
from clearprop.optim.clip import clip_grad_norm_, clip_grad_value_
from clearprop.optim.factored import Adafactor, Muon
from clearprop.optim.lbfgs import LBFGS
from clearprop.optim.moments import Adamax, Lion, NAdam, RAdam
from clearprop.optim.one_cycle import OneCycleLR
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.plateau import ReduceLROnPlateau
from clearprop.optim.rmsprop import RMSprop
from clearprop.optim.schedule import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    Schedule,
    StepLR,
    WarmupCosineLR,
)
from clearprop.optim.sequential import SequentialLR
from clearprop.optim.sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "Lion",
    "MultiStepLR",
    "Muon",
    "NAdam",
    "OneCycleLR",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "ReduceLROnPlateau",
    "Rprop",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "WarmupCosineLR",
    "clip_grad_norm_",
    "clip_grad_value_",
]
