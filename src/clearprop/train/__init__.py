"""Training: `fit`, its history, metrics, callbacks and checkpoints."""

from clearprop.train.callbacks import Callback, Run
from clearprop.train.checkpoint import load_checkpoint, save_checkpoint
from clearprop.train.evaluation import evaluate, predict
from clearprop.train.fitting import NonFiniteLossError, fit
from clearprop.train.history import History
from clearprop.train.metrics import accuracy, mae, r2, rmse
from clearprop.train.step import training_step
from clearprop.train.table_model import TableModel

__all__ = [
    "Callback",
    "History",
    "NonFiniteLossError",
    "Run",
    "TableModel",
    "accuracy",
    "evaluate",
    "fit",
    "load_checkpoint",
    "mae",
    "predict",
    "r2",
    "rmse",
    "save_checkpoint",
    "training_step",
]
