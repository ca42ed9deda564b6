"""Optimizers as formulas, learning-rate schedules, and gradient clipping, with PyTorch's names."""

from clearprop.optim.adam import Adam, AdamW
from clearprop.optim.clip import clip_grad_norm_, clip_grad_value_
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
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "WarmupCosineLR",
    "clip_grad_norm_",
    "clip_grad_value_",
]
