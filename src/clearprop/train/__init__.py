"""Training: `fit`, its history, metrics, callbacks and checkpoints."""

from clearprop.train.averaged_model import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)
from clearprop.train.callbacks import Callback, Run
from clearprop.train.checkpoint import load_checkpoint, save_checkpoint
from clearprop.train.evaluation import evaluate, predict, predict_proba
from clearprop.train.fitting import NonFiniteLossError, fit
from clearprop.train.history import History
from clearprop.train.metrics import accuracy, mae, r2, rmse
from clearprop.train.step import training_step
from clearprop.train.table_model import TableModel
from clearprop.train.watchers import Checkpoint, CSVLog, EarlyStopping, JSONLog, Scheduled, TensorBoard
from clearprop.train.weighting import Weighted, class_weights, loss_of

__all__ = [
    "AveragedModel",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "JSONLog",
    "NonFiniteLossError",
    "Run",
    "Scheduled",
    "TableModel",
    "TensorBoard",
    "Weighted",
    "accuracy",
    "class_weights",
    "evaluate",
    "fit",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "load_checkpoint",
    "loss_of",
    "mae",
    "predict",
    "predict_proba",
    "r2",
    "rmse",
    "save_checkpoint",
    "training_step",
    "update_bn",
]
