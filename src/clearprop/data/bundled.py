"""The real data sets that scikit-learn brings along, as tables: no download, the same for everybody."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson

BUNDLED = {
    "digits": "digit",
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
}
"""The names of the data sets and of the column each is about."""


def bundled_table(name: str) -> tuple[Table, str]:
    """Return a data set by name and the name of its target.

    `digits` (1,797 handwritten digits of 8 by 8 pixels), `iris`, `wine`, `breast_cancer` are classifications,
    `diabetes` (442 patients) a regression. Raises InputError where scikit-learn is not installed.
    """
    datasets = _datasets(name)
    raw = {"scaled": False} if name == "diabetes" else {}  # years and mg/dl rather than scaled numbers
    found = getattr(datasets, f"load_{name}")(**raw)
    columns = {
        str(column): [repr(value) for value in values]
        for column, values in zip(found.feature_names, found.data.T.tolist(), strict=True)
    }
    target = BUNDLED[name]
    names = getattr(found, "target_names", None)
    columns[target] = [str(value if names is None else names[value]) for value in found.target.tolist()]
    return Table(name, columns, list(range(2, len(found.target) + 2))), target


def bundled_pictures() -> tuple[Any, Any, tuple[str, ...], None, list[str], list[str]]:
    """Return the handwritten digits as pictures, uint8 of (1797, 1, 8, 8), with their labels and classes."""
    found = _datasets("digits").load_digits()
    images = np.round(found.images[:, None] * (255 / 16)).astype(np.uint8)
    names = [f"digits[{i}]" for i in range(len(images))]
    return images, found.target.astype(np.int64), tuple("0123456789"), None, names, []


def _datasets(name: str) -> Any:
    try:
        return importlib.import_module("sklearn.datasets")
    except ImportError as error:
        wanted, got = "needs scikit-learn, which brings the data", "it is not installed"
        hint = "pip install 'clearprop[train]' (or pip install scikit-learn)"
        raise InputError(lesson(f"the data set {name!r}", wanted, got, hint=hint)) from error
