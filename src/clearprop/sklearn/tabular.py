"""`TabularClassifier` and `TabularRegressor`: the network for tables as estimators, DataFrames in."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import (  # type: ignore[import-untyped]
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from clearprop import nn, train
from clearprop.data import Table
from clearprop.data.cells import Numbers, Spelling, Words
from clearprop.data.columns import Category, Column, encode, learn_columns
from clearprop.data.goals import QUANTITIES, Classes, Count, Quantiles, Quantity, Target, quantity
from clearprop.data.inspection import Reading, guessed
from clearprop.data.reading.frames import from_frame, is_frame
from clearprop.data.split import split_indices
from clearprop.errors import lesson
from clearprop.ops import random
from clearprop.sklearn import bounds, naming
from clearprop.train.objectives import checked_levels, objective
from clearprop.train.tabular import EachMember, Tabular
from clearprop.train.weighting import Weighted, class_weights, precise

if TYPE_CHECKING:
    from clearprop.nn.container import Sequential
    from clearprop.train.callbacks import Callback
    from clearprop.train.history import History

Array = npt.NDArray[Any]

SETTINGS: dict[str, bounds.Rule] = {
    "hidden": bounds.SIZES,
    "members": bounds.COUNT,
    "pieces": bounds.wholes(0),
    "embedding": bounds.COUNT,
    "dropout": bounds.BELOW_1,
    "lr": bounds.POSITIVE,
    "weight_decay": bounds.LEAST_0,
    "batch_size": bounds.COUNT,
    "steps": bounds.COUNT,
    "epochs": bounds.wholes(1, None),
    "patience": bounds.wholes(1, None),
    "validation_fraction": bounds.numbers(
        "wants a share of the rows, 0 or more and below 1", lambda value: 0 <= value < 1
    ),
    "columns": bounds.COLUMNS,
    "warm_start": bounds.TRUTH,
    "random_state": bounds.SEED,
    "compile": bounds.COMPILE,
}
TRUTHS = {"true", "false", None}


class _Tabular(BaseEstimator):  # type: ignore[misc]
    """What the two share: the table of whatever was given, the network for it, and its training."""

    history_: History
    network_: Sequential
    _own_settings: Mapping[str, bounds.Rule] = {}

    def __init__(
        self,
        *,
        hidden: Any = Tabular.hidden,
        members: int = Tabular.members,
        pieces: int = Tabular.pieces,
        embedding: int = Tabular.embedding,
        dropout: float = Tabular.dropout,
        lr: float = Tabular.lr,
        weight_decay: float = Tabular.weight_decay,
        batch_size: int = Tabular.batch_size,
        steps: int = Tabular.steps,
        epochs: int | None = None,
        patience: int | None = Tabular.patience,
        validation_fraction: float = 0.15,
        columns: Mapping[str, str] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        compile: Any = "auto",
    ) -> None:
        self.hidden = hidden
        self.members = members
        self.pieces = pieces
        self.embedding = embedding
        self.dropout = dropout
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.steps = steps
        self.epochs = epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.columns = columns
        self.warm_start = warm_start
        self.random_state = random_state
        self.compile = compile

    def _table(self, X: Any, reset: bool) -> Table:
        """Return the rows as a table: a frame's columns by name, an array's by number, all of numbers."""
        if is_frame(X) and not hasattr(X, "__array_interface__") and _has_words(X):
            validate_data(self, X, skip_check_array=True, reset=reset)
            table = from_frame(X, Spelling(), "X")
        else:
            checked = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)
            names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(checked.shape[1])])
            numbers = {str(name): Numbers(column) for name, column in zip(names, checked.T, strict=True)}
            table = Table("X", numbers, range(len(checked)), place="row")
        return self._checked(table, [] if reset else self.encodings_)

    def _checked(self, table: Table, columns: Sequence[Column]) -> Table:
        """Return the table, 1 being true where truth was learned; raises ValueError for infinite numbers."""
        cells = dict(table.cells)
        for name, column in cells.items():
            if isinstance(column, Numbers) and np.isinf(column.values).any():
                wanted, got = "wants finite numbers, NaN where one is missing", f"infinity in column {name!r}"
                raise ValueError(lesson(f"{type(self).__name__}, X", wanted, got))
        for learned in columns:
            found = cells.get(learned.name)
            if isinstance(learned, Category) and set(learned.values) <= TRUTHS and isinstance(found, Numbers):
                words = {"1": "true", "0": "false"}
                cells[learned.name] = Words.of(words.get(cell, cell) for cell in found.cells())
        return Table(table.path, cells, table.lines, table.spelling, place=table.place)

    def _settings(self) -> Tabular:
        """Return how the network is made and trained; raises ValueError for settings that cannot be."""
        bounds.check(self, {**SETTINGS, **self._own_settings})
        sizes = tuple(np.atleast_1d(np.asarray(self.hidden, object)))
        return Tabular(
            hidden=sizes, members=self.members, pieces=self.pieces, embedding=self.embedding,
            dropout=self.dropout, lr=self.lr, weight_decay=self.weight_decay, batch_size=self.batch_size,
            steps=self.steps,
        )  # fmt: skip

    def _held_out(self, y: Array, seed: int) -> tuple[Array, Array]:
        """Return the rows to learn from and those to validate on: none where there are too few."""
        rows = np.arange(len(y))
        if round(len(y) * self.validation_fraction) < 4 or self.patience is None:
            return rows, rows[:0]
        strata = y if y.dtype.kind == "i" and np.bincount(y).min() > 1 else None
        kept, held = split_indices(len(y), self.validation_fraction, seed, strata)
        return np.sort(kept), np.sort(held)

    def _begins(self, part: bool) -> bool:
        """Return whether a training is to begin, rather than to go on from where the last one stopped."""
        return not hasattr(self, "network_") or not (part or bounds.goes_on(self))

    def _learn(self, X: Any, y: Array, target: Target, sample_weight: Any, part: bool = False) -> None:
        """Make the network for the rows, or take that of the last fit, and train it.

        All chance comes from `random_state`. A `part` is one epoch over all rows given: none is held out.
        """
        begins, settings = self._begins(part), self._settings()
        table = self._table(X, reset=begins)
        weights: Any = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
        if begins:
            self._seed = int(check_random_state(self.random_state).randint(2**31))
        kept, held = self._held_out(y, self._seed) if not part else (np.arange(len(y)), np.arange(0))
        if weights is not None and not (weights[kept].any() and weights[held].any()):
            kept, held = np.arange(len(y)), held[:0]  # of both parts a row is to count
        before = random.get_rng_state()
        try:
            if begins:
                random.manual_seed(self._seed)
                self._begin(table.rows(kept), target, settings)
            else:
                self._take_changes(settings)
            goal: Any = y if y.dtype.kind == "i" else y[:, None].astype(np.float32)
            loss: Any = EachMember(self._loss(goal[kept]))
            if weights is not None:
                goal, loss = (goal, precise(weights, np.float32)), Weighted(loss, rows=True)
            parts = [(encode(table.rows(rows), self.encodings_), _rows(goal, rows)) for rows in (kept, held)]
            self._train(settings, loss, parts[0], parts[1] if len(held) else None, part)
        finally:
            random.set_rng_state(before)

    def _begin(self, training: Table, target: Target, settings: Tabular) -> None:
        """Learn the columns' encodings, and make a fresh network and all that a training changes."""
        findings = guessed(training, self.columns)
        self.encodings_: list[Column] = learn_columns(training, Reading("", "", findings), robust=True)
        if not self.encodings_:
            said = "; ".join(f"{name} is {found.kind}" for name, found in findings.items())
            raise ValueError(lesson(f"{type(self).__name__}.fit(X, y)", "wants columns to learn from", said))
        network = settings.network(self.encodings_, target, encode(training, self.encodings_))
        self.target_, self.network_ = target, network
        self._made, self._kept, self._steps = settings, _Continued(random.get_rng_state()), 0
        self.n_iter_: int = 0
        self.loss_curve_: list[float] = []

    def _take_changes(self, settings: Tabular) -> None:
        """Raise ValueError where the network that is gone on with was made by other settings."""
        for name in ("hidden", "members", "pieces", "embedding", "dropout", "weight_decay"):
            given, made = getattr(settings, name), getattr(self._made, name)
            if given != made:
                wanted, hint = f"goes on with the {name} that it began with, {made}", "warm_start=False"
                raise ValueError(lesson(type(self).__name__, wanted, repr(given), hint=hint))

    def _train(self, settings: Tabular, loss: Any, rows: Any, held: Any, part: bool) -> None:
        """Train for some epochs; the optimizer's memory, the order of rows and chance go on."""
        network, kept = copy.deepcopy(self.network_).float(), self._kept
        optimizer = settings.optimizer(network)
        random.set_rng_state(kept.chance)
        batches = settings.batches(*rows)
        if kept.optimizer is not None:
            options = optimizer.state_dict()["param_groups"]  # not what a schedule made of them
            optimizer.load_state_dict(kept.optimizer | {"param_groups": options})
            batches.generator.bit_generator.state = kept.order
            random.set_rng_state(kept.chance)  # making the batches draws a number
        epochs = 1 if part else self.epochs or settings.epochs(len(rows[0]))
        if part or self.warm_start or self._steps:
            rate: Callback = settings.rise(optimizer, self._steps)
        else:
            rate = settings.schedule(optimizer, epochs * len(batches))
        self.history_ = train.fit(
            network, loss, batches, validation=held, epochs=epochs, optimizer=optimizer,
            patience=None if part else self.patience, callbacks=[rate], compile=self.compile, progress=False,
        )  # fmt: skip
        order = batches.generator.bit_generator.state
        self._kept = _Continued(random.get_rng_state(), optimizer.state_dict(), order)
        self._steps += len(self.history_) * len(batches)
        self.network_ = network.double()  # so that an answer does not depend on the rows beside it
        self.n_iter_ += len(self.history_)
        if self.history_.ended == "interrupted":
            naming.interrupted(self, self.n_iter_)
        self.loss_curve_ += list(self.history_["loss"]) if len(self.history_) else []

    def _loss(self, goal: Array) -> Any:
        raise NotImplementedError

    def _answers(self, X: Any) -> Array:
        check_is_fitted(self, "network_")
        inputs = encode(self._table(X, reset=False), self.encodings_).astype(np.float64)
        return np.asarray(train.predict(self.network_, inputs))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags


class _Continued(NamedTuple):
    """What a training goes on with, besides the weights."""

    chance: Any
    optimizer: dict[str, Any] | None = None
    order: Any = None


def _rows(goal: Any, rows: Array) -> Any:
    """Return some rows of targets, or of targets and weights."""
    return tuple(part[rows] for part in goal) if isinstance(goal, tuple) else goal[rows]


def _has_words(frame: Any) -> bool:
    """Return whether a frame has a column that is not of numbers."""
    kinds = getattr(frame, "dtypes", None)
    found = getattr(kinds, "tolist", lambda: kinds or [None])()
    return any(getattr(kind, "kind", "O") not in "fiu" for kind in found)


class TabularClassifier(ClassifierMixin, _Tabular):  # type: ignore[misc]
    """A classifier of a table's rows: networks that share weights and have vectors for categories.

    `X` is a DataFrame, whose columns of text are categories and of moments dates, or an array of numbers; NaN
    is a missing cell. `columns` says what some are (`{"zip": "category"}`); one of a single value, or of
    words that differ in every row, is left out (`encodings_` has the others). A part of the rows
    (`validation_fraction`) is held out to end the training where it is best; without `patience` none is.
    With `warm_start` each fit goes on from where the last one stopped, as `partial_fit` does, to the bits of
    an unbroken fit where none is held out: as no end is known, the rate rises to `lr` and stays there.
    `class_weight` is "balanced" or weighs the labels. Raises ValueError for targets of one class.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> bool(TabularClassifier(random_state=0, epochs=30).fit(x, y).score(x, y) > 0.9)
    True
    """

    classes_: NDArray[Any]
    _own_settings: Mapping[str, bounds.Rule] = {"class_weight": bounds.CLASS_WEIGHT}

    def __init__(
        self,
        *,
        hidden: Any = Tabular.hidden,
        members: int = Tabular.members,
        pieces: int = Tabular.pieces,
        embedding: int = Tabular.embedding,
        dropout: float = Tabular.dropout,
        lr: float = Tabular.lr,
        weight_decay: float = Tabular.weight_decay,
        batch_size: int = Tabular.batch_size,
        steps: int = Tabular.steps,
        epochs: int | None = None,
        patience: int | None = Tabular.patience,
        validation_fraction: float = 0.15,
        columns: Mapping[str, str] | None = None,
        warm_start: bool = False,
        class_weight: Any = None,
        random_state: Any = None,
        compile: Any = "auto",
    ) -> None:
        super().__init__(
            hidden=hidden, members=members, pieces=pieces, embedding=embedding, dropout=dropout, lr=lr,
            weight_decay=weight_decay, batch_size=batch_size, steps=steps, epochs=epochs, patience=patience,
            validation_fraction=validation_fraction, columns=columns, warm_start=warm_start,
            random_state=random_state, compile=compile,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TabularClassifier:
        """Learn from rows and their classes; with `warm_start` go on from where the last fit stopped."""
        with naming.kept(self):
            return self._fit(X, y, sample_weight, False)

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> TabularClassifier:
        """Take one more epoch, over these rows; the first call has to name all `classes`.

        What the columns are is learned in the first call. Raises ValueError for `class_weight="balanced"`,
        which would weigh each part by itself.
        """
        if isinstance(self.class_weight, str):
            called, hint = "TabularClassifier.partial_fit", "class_weight={label: weight, ...}"
            wanted = "wants weights of classes that are the same in each part"
            raise ValueError(lesson(called, wanted, repr(self.class_weight), hint=hint))
        with naming.kept(self), naming.named(self, classes):
            return self._fit(X, y, sample_weight, True)

    def _fit(self, X: Any, y: Any, sample_weight: Any, part: bool) -> TabularClassifier:
        y = _no_rows_missing(self, X, y)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if self._begins(part):
            known = self.__dict__.pop("_known", None)
            self.classes_ = np.unique(y) if known is None else known
            if len(self.classes_) < 2:
                got = f"one class: {self.classes_[0]!r}"
                raise ValueError(lesson("TabularClassifier", "wants two classes or more", got))
        new = np.setdiff1d(y, self.classes_)
        if new.size:
            wanted = "wants the classes that it knows"
            raise ValueError(lesson("TabularClassifier", wanted, f"y has {new.tolist()}"))
        target = Classes("target", tuple(map(str, self.classes_)))
        self._learn(X, np.searchsorted(self.classes_, y).astype(np.int64), target, sample_weight, part)
        return self

    def _loss(self, goal: Array) -> Any:
        """Return the loss with the weights of the classes, which hold on the rows held out too."""
        if self.class_weight is None:
            return nn.CrossEntropyLoss()
        given = self.class_weight
        if isinstance(given, Mapping):
            given = self._by_number(given)
        weights = np.ones(len(self.classes_), np.float32)
        found = class_weights(given, goal)
        weights[: len(found)] = found
        return nn.CrossEntropyLoss(weight=weights)

    def _by_number(self, given: Mapping[Any, float]) -> dict[int, float]:
        numbers = {label: number for number, label in enumerate(self.classes_.tolist())}
        strange = [label for label in given if label not in numbers]
        if strange:
            wanted = "wants labels of y"
            raise ValueError(lesson("TabularClassifier(class_weight=)", wanted, repr(strange[0])))
        return {numbers[label]: weight for label, weight in given.items()}

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, of shape (rows, classes): the members' mean."""
        logits = self._answers(X)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Any:
        """Return the class of each row."""
        outputs = self._answers(X)
        return self.classes_[outputs.argmax(axis=1)]


class TabularRegressor(RegressorMixin, _Tabular):  # type: ignore[misc]
    """A regressor of a table's rows: see `TabularClassifier`.

    `loss` is "mse", "mae", "huber", "quantile" (`quantiles` has the levels; `predict` gives the one nearest
    to a half, `predict_quantiles` all), "poisson" for counts or "gamma" for numbers above 0, whose
    predictions are expected numbers. Raises ValueError for targets that the loss cannot learn.

    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> bool(TabularRegressor(random_state=0, epochs=30).fit(x, y).score(x, y) > 0.4)
    True
    """

    def __init__(
        self,
        *,
        loss: str = "mse",
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        hidden: Any = Tabular.hidden,
        members: int = Tabular.members,
        pieces: int = Tabular.pieces,
        embedding: int = Tabular.embedding,
        dropout: float = Tabular.dropout,
        lr: float = Tabular.lr,
        weight_decay: float = Tabular.weight_decay,
        batch_size: int = Tabular.batch_size,
        steps: int = Tabular.steps,
        epochs: int | None = None,
        patience: int | None = Tabular.patience,
        validation_fraction: float = 0.15,
        columns: Mapping[str, str] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        compile: Any = "auto",
    ) -> None:
        super().__init__(
            hidden=hidden, members=members, pieces=pieces, embedding=embedding, dropout=dropout, lr=lr,
            weight_decay=weight_decay, batch_size=batch_size, steps=steps, epochs=epochs, patience=patience,
            validation_fraction=validation_fraction, columns=columns, warm_start=warm_start,
            random_state=random_state, compile=compile,
        )  # fmt: skip
        self.loss = loss
        self.quantiles = quantiles

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TabularRegressor:
        """Learn from rows and their numbers; with `warm_start` go on from where the last fit stopped."""
        with naming.kept(self):
            return self._fit(X, y, sample_weight, False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> TabularRegressor:
        """Take one more epoch, over these rows; the first call learns what the columns are, and y's scale."""
        with naming.kept(self):
            return self._fit(X, y, sample_weight, True)

    def _fit(self, X: Any, y: Any, sample_weight: Any, part: bool) -> TabularRegressor:
        y = column_or_1d(_no_rows_missing(self, X, y), warn=True).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            scale = float(y.std())
        if not np.isfinite(scale):
            got = f"{np.abs(y).max():.3g}"
            raise ValueError(lesson("TabularRegressor, y", "wants numbers that can be squared", got))
        target: Any = self._target(y, scale)
        if not self._begins(part):
            if type(target) is not type(self.target_):
                wanted, hint = "goes on with the loss that it began with", "warm_start=False"
                raise ValueError(lesson("TabularRegressor", wanted, f"loss={self.loss!r}", hint=hint))
            target = self.target_
        goal = y / target.mean if isinstance(target, Count) else (y - target.mean) / target.scale
        self._learn(X, goal, target, sample_weight, part)
        return self

    def _target(self, y: Array, scale: float) -> Quantity:
        """Return how the numbers are encoded; raises ValueError for a loss, or numbers, that cannot be."""
        bounds.check(self, {"loss": bounds.one_of(*QUANTITIES)})
        levels = checked_levels("TabularRegressor(quantiles=)", self.quantiles)
        scales = float(y.mean()), scale if scale > 1e-12 * abs(y.mean()) else 1.0
        target = quantity("target", y, scales, self.loss, levels)
        if isinstance(target, Count) and not (target.possible(y).all() and target.mean > 0):
            got = f"{y.min():g}" + " alone" * bool(y.max() == y.min())
            raise ValueError(lesson(f"TabularRegressor(loss={self.loss!r}), y", target.wanted, got))
        return target

    def _loss(self, goal: Array) -> Any:
        return objective(self.loss, self.target_)

    def predict(self, X: Any) -> Array:
        """Return the number of each row."""
        outputs = self._answers(X)
        target: Any = self.target_
        return np.asarray(target.decode(outputs))

    def predict_quantiles(self, X: Any) -> Array:
        """Return the quantiles of each row, of shape (rows, levels) from the lowest level to the highest.

        Raises ValueError where another loss was learned by.
        """
        outputs = self._answers(X)
        if not isinstance(self.target_, Quantiles):
            called, hint = "TabularRegressor.predict_quantiles", 'TabularRegressor(loss="quantile")'
            raise ValueError(lesson(called, "wants a model of quantiles", repr(self.loss), hint=hint))
        return self.target_.quantiles(outputs)


def _no_rows_missing(model: Any, X: Any, y: Any) -> Any:
    """Return the targets, one for each row, checked as scikit-learn does."""
    from sklearn.utils.validation import _check_y, check_consistent_length

    if y is None:
        wanted = "requires y to be passed, but the target y is None"
        raise ValueError(lesson(f"{type(model).__name__}.fit", wanted, "None"))
    if isinstance(model, RegressorMixin):
        y = _check_y(y, y_numeric=True, estimator=model)
    else:
        y = _check_y(y, multi_output=True, estimator=model)
    check_consistent_length(X, y)
    return y
