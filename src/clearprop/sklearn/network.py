"""`NeuralNetClassifier` and `NeuralNetRegressor`: any network and all of `fit`'s options, as estimators."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data  # type: ignore[import-untyped]

from clearprop import nn, optim, train
from clearprop.data.dataset import TensorDataset
from clearprop.errors import lesson
from clearprop.hints import for_keywords
from clearprop.ops import random
from clearprop.sklearn import bounds, naming
from clearprop.train.average import is_count
from clearprop.train.evaluation import pair
from clearprop.train.metrics import named
from clearprop.train.weighting import LOSSES

Array = npt.NDArray[Any]

# Arguments of `train.fit` that the estimator has in a place of its own.
_ELSEWHERE = {
    "model": "module=",
    "loss": "loss=",
    "data": "fit(X, y)",
    "epochs": "epochs=",
    "batch_size": "batch_size=",
    "optimizer": "optimizer=",
    "seed": "random_state=",
    "sample_weight": "fit(X, y, sample_weight)",
}


def _is_loss(value: Any) -> bool:
    return value is None or callable(value) or (isinstance(value, str) and value in LOSSES)


def _is_optimizer(value: Any) -> bool:
    if not isinstance(value, str):
        return callable(value)
    kind = getattr(optim, value, None) if value in optim.__all__ else None
    return isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer


SETTINGS: dict[str, bounds.Rule] = {
    "loss": ("wants the name of a loss, a function of (outputs, targets), or None", _is_loss),
    "optimizer": ("wants the name of one of clearprop.optim, or a class of them", _is_optimizer),
    "lr": bounds.LEAST_0,
    "epochs": bounds.wholes(0),
    "batch_size": bounds.COUNT,
    "warm_start": bounds.TRUTH,
    "random_state": bounds.SEED,
    "compile": bounds.COMPILE,
    "fit_options": ("wants a mapping of options, or None", lambda v: v is None or isinstance(v, Mapping)),
}


class _NeuralNet(BaseEstimator):  # type: ignore[misc]
    """What the two share: a network from whatever was given, its training, and going on where it stopped."""

    def __init__(
        self,
        module: Any = (100,),
        *,
        loss: Any = None,
        optimizer: Any = "Adam",
        lr: float = 1e-3,
        epochs: int = 100,
        batch_size: int = 64,
        warm_start: bool = False,
        random_state: Any = None,
        compile: Any = "auto",
        fit_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.warm_start = warm_start
        self.random_state = random_state
        self.compile = compile
        self.fit_options = fit_options

    def _network(self, inputs: int, outputs: int) -> Any:
        """Return a fresh network of a module, a function of (inputs, outputs), layers, or hidden sizes."""
        given = self.module
        if isinstance(given, nn.Module):
            return copy.deepcopy(given)
        if callable(given):
            made = given(inputs, outputs)
            if not isinstance(made, nn.Module):
                wanted = "wants a function of (inputs, outputs) that returns a module"
                raise ValueError(lesson(f"{type(self).__name__}(module=)", wanted, f"{made!r:.60}"))
            return made
        parts = list(given) if isinstance(given, (list, tuple, np.ndarray)) else [given]
        if parts and all(isinstance(layer, nn.Module) for layer in parts):
            return nn.Sequential(*copy.deepcopy(parts))
        if not all(map(is_count, parts)):
            wanted = "wants a module, a function of (inputs, outputs), layers, or hidden sizes"
            raise ValueError(lesson(f"{type(self).__name__}(module=)", wanted, f"{given!r:.60}"))
        layers: list[nn.Module] = []
        for size in parts:
            layers += [nn.Linear(inputs, int(size), dtype=np.float64), nn.ReLU()]
            inputs = int(size)
        return nn.Sequential(*layers, nn.Linear(inputs, outputs, dtype=np.float64))

    def _make(self, inputs: int, outputs: int) -> None:
        """Make all that a training changes, drawn from `random_state` alone."""
        seed = int(check_random_state(self.random_state).randint(2**31))
        before = random.get_rng_state()
        try:
            random.manual_seed(seed)
            self.network_: Any = self._network(inputs, outputs)
            self._random = random.get_rng_state()
        finally:
            random.set_rng_state(before)
        kind = getattr(optim, self.optimizer) if isinstance(self.optimizer, str) else self.optimizer
        self.optimizer_: Any = kind(self.network_.parameters(), lr=self.lr)
        self._made = {"module": self.module, "optimizer": self.optimizer, "lr": self.lr}
        self._order = np.random.default_rng(seed).bit_generator.state
        self.loss_curve_: list[float] = []
        self.n_iter_: int = 0

    def _train(self, x: Array, y: Array, weights: Any, epochs: int) -> None:
        """Train for some epochs; the order of the rows and all chance go on from where they were."""
        from clearprop.data import DataLoader

        options = {"compile": self.compile, "progress": False} | dict(self.fit_options or {})
        if options.get("class_weight") is not None:
            options["class_weight"] = self._weights_of_classes(options["class_weight"])
        if "metrics" in options:
            options["metrics"] = self._measures(options["metrics"])
        if options.get("validation") is not None:
            options["validation"] = self._held_out(options["validation"])
        loss = train.loss_of(self._loss() if self.loss is None else self.loss)
        loader = DataLoader(TensorDataset(x, y), min(self.batch_size, len(x)), shuffle=True)
        loader.generator.bit_generator.state = self._order
        before = random.get_rng_state()
        try:
            random.set_rng_state(self._random)
            history = train.fit(
                self.network_, loss, loader, epochs=epochs, optimizer=self.optimizer_,
                sample_weight=weights, **options,
            )  # fmt: skip
            self._random = random.get_rng_state()
        finally:
            random.set_rng_state(before)
        self._order = loader.generator.bit_generator.state
        self.history_ = history
        self.loss_curve_ += history["loss"] if len(history) else []
        self.n_iter_ += len(history)
        if history.ended == "interrupted":
            naming.interrupted(self, self.n_iter_)

    def _check_options(self, going_on: bool) -> None:
        """Complain about options that `fit` does not have, or that have another place here."""
        options, called = dict(self.fit_options or {}), f"{type(self).__name__}(fit_options=)"
        taken = inspect.signature(train.fit).parameters.values()
        known = [p.name for p in taken if p.name not in _ELSEWHERE and p.kind is not p.VAR_KEYWORD]
        own = _ELSEWHERE | {name: f"{name}=" for name in self.get_params(deep=False) if name not in known}
        for name in options:
            if name in own:
                wanted = f"leaves {name} to the estimator's own {own[name]}"
                raise ValueError(lesson(called, wanted, f"{name}={options[name]!r:.40}", hint=own[name]))
            if name not in known:
                wanted, hint = "wants options of train.fit", for_keywords([name], known)
                raise ValueError(lesson(called, wanted, repr(name), hint=hint))
        averaged = [name for name in ("ema", "swa") if options.get(name) is not None]
        if going_on and averaged:
            wanted = "ends with an average of the weights, from which no training can go on as it would have"
            hint = "one fit of all epochs, without warm_start or partial_fit"
            raise ValueError(lesson(called, wanted, f"{averaged[0]}={options[averaged[0]]!r}", hint=hint))

    def _take_changes(self) -> None:
        """Go on with what `set_params` has changed since the network was made, or say that it cannot be."""
        for name in ("module", "optimizer"):
            given, made = getattr(self, name), self._made[name]
            if given is not made and given != made:
                wanted = f"goes on with the {name} that it began with"
                hint = "fit with warm_start=False, which begins anew"
                raise ValueError(lesson(type(self).__name__, wanted, f"{given!r:.60}", hint=hint))
        if self.lr != self._made["lr"]:  # a schedule's own rate is kept where none was asked for
            self.optimizer_.lr = self._made["lr"] = self.lr

    def _weights_of_classes(self, given: Any) -> Any:
        return given

    def _held_out(self, given: Any) -> Any:
        """Return validation data as the network is to see it: inputs and targets as those of `fit`."""

        def encoded(x: Any, y: Any) -> tuple[Array, Array]:
            x = validate_data(self, x, dtype=np.float64, reset=False)
            targets, _ = self._targets(y, False)
            return x.astype(self._dtype()), self._cast(targets)

        from clearprop.data import DataLoader

        held, called = getattr(given, "arrays", given), 'fit_options={"validation": ...}'
        if isinstance(held, (tuple, list)):
            return encoded(*pair(called, held))
        if not hasattr(given, "__iter__") and not hasattr(given, "__getitem__"):
            wanted = "wants a pair (inputs, targets), a Dataset or a loader"
            raise TypeError(lesson(called, wanted, f"{given!r:.60}"))
        return _Encoded(DataLoader(given, 1024) if hasattr(given, "__getitem__") else given, encoded)

    def _measures(self, given: Any) -> Any:
        return given

    def _cast(self, targets: Array) -> Array:
        return targets.astype(self._dtype()) if targets.dtype.kind == "f" else targets

    def _loss(self) -> str:
        raise NotImplementedError

    def _go(self, X: Any, y: Any, sample_weight: Any, going_on: bool, epochs: int) -> None:
        with naming.kept(self):
            bounds.check(self, SETTINGS)
            self._check_options(going_on)
            fresh = not going_on or not hasattr(self, "network_")
            x, y = validate_data(self, X, y, dtype=np.float64, reset=fresh, **self._reading)
            targets, outputs = self._targets(y, fresh)
            weights = None
            if sample_weight is not None:
                weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
            if fresh:
                self._make(x.shape[1], outputs)
            else:
                self._take_changes()
        self._train(x.astype(self._dtype()), self._cast(targets), weights, epochs)

    def _dtype(self) -> Any:
        """Return the precision of the network's weights: float64 for one made of hidden sizes."""
        return next(iter(self.network_.parameters())).dtype

    _reading: Mapping[str, Any] = {}

    def _targets(self, y: Any, fresh: bool) -> tuple[Array, int]:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn from rows and their targets; with `warm_start` go on from where the last fit stopped."""
        self._go(X, y, sample_weight, bounds.goes_on(self), self.epochs)
        return self

    def _answers(self, X: Any) -> Any:
        check_is_fitted(self, "network_")
        x = validate_data(self, X, dtype=np.float64, reset=False)
        return train.predict(self.network_, x.astype(self._dtype()))


class _Encoded:
    """The batches of a loader, each as the network is to see it."""

    def __init__(self, loader: Any, encoded: Callable[[Any, Any], tuple[Array, Array]]) -> None:
        self.loader, self.encoded = loader, encoded
        self.dataset = getattr(loader, "dataset", loader)  # which a checkpoint's fingerprint is of

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for x, y in self.loader:
            yield self.encoded(x, y)


class NeuralNetClassifier(ClassifierMixin, _NeuralNet):  # type: ignore[misc]
    """A classifier around any network: `module` is a module, a function, a list of layers, or hidden sizes.

    A function is called with the numbers of inputs and of classes; a network has one output, a logit, for
    each class. `fit_options` are any others of `train.fit` (`validation`, `patience`, `callbacks`,
    `class_weight`, `ema`, ...): the keys of `class_weight` and the targets of `validation` are labels, as
    those of `fit` are. `partial_fit` and `warm_start` go on to the bits of an unbroken fit, and so they
    refuse `ema` and `swa`. Raises ValueError for options that `train.fit` does not have, or that are
    parameters here.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = NeuralNetClassifier([nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)], lr=0.02, random_state=0)
    >>> bool(model.fit(x, y).score(x, y) > 0.95)
    True
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Take one more epoch, over these rows; the first call has to name all `classes`."""
        with naming.named(self, classes):
            self._go(X, y, sample_weight, True, 1)
        return self

    def _loss(self) -> str:
        return "cross_entropy"

    def _weights_of_classes(self, given: Any) -> Any:
        """Return the weights of labels as those of the numbers that the network knows them by."""
        if not isinstance(given, Mapping):
            return given
        numbers = {label: number for number, label in enumerate(self.classes_.tolist())}
        strange = [label for label in given if label not in numbers]
        if strange:
            got = f"{strange[0]!r}; there are {', '.join(map(repr, numbers))}"
            raise ValueError(lesson('fit_options={"class_weight": ...}', "wants labels of y", f"{got:.80}"))
        return {numbers[label]: weight for label, weight in given.items()}

    def _targets(self, y: Any, fresh: bool) -> tuple[Array, int]:
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if fresh:
            known = self.__dict__.pop("_known", None)
            self.classes_: NDArray[Any] | Any = np.unique(y) if known is None else known
            if len(self.classes_) < 2:
                got = f"one class: {self.classes_[0]!r}"
                raise ValueError(lesson("NeuralNetClassifier", "wants two classes or more", got))
        new = np.setdiff1d(y, self.classes_)
        if new.size:
            wanted = "wants the classes that it knows"
            raise ValueError(lesson("NeuralNetClassifier", wanted, f"y has {new.tolist()}"))
        return np.searchsorted(self.classes_, y).astype(np.int64), len(self.classes_)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, of shape (rows, classes): the softmax of the outputs."""
        logits = np.asarray(self._answers(X), np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Any:
        """Return the class of each row."""
        outputs = self._answers(X)  # which complains first where nothing was learned yet
        return self.classes_[np.asarray(outputs).argmax(axis=1)]


class NeuralNetRegressor(RegressorMixin, _NeuralNet):  # type: ignore[misc]
    """A regressor around any network: see `NeuralNetClassifier`; the loss is the mean squared error.

    With `loss="poisson"` the targets are counts and the network's outputs the logarithms of their means:
    `predict` returns the means, exp(outputs), and `score` is of them.

    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = NeuralNetRegressor((32,), lr=0.02, epochs=200, random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(model.score(x, x[:, 0] ** 2) > 0.9)
    True
    """

    _reading: Mapping[str, Any] = {"multi_output": True, "y_numeric": True}

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Take one more epoch, over these rows."""
        self._go(X, y, sample_weight, True, 1)
        return self

    def _loss(self) -> str:
        return "mse"

    def _targets(self, y: Any, fresh: bool) -> tuple[Array, int]:
        targets = np.asarray(y, np.float64)
        if self._logarithmic() and (targets < 0).any():
            wanted, got = "wants numbers of 0 or more", f"y has {targets.min():g}"
            raise ValueError(lesson('NeuralNetRegressor(loss="poisson")', wanted, got))
        if fresh:
            self._flat = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        return targets, targets.shape[1]

    def predict(self, X: Any) -> Array:
        """Return the number, or the numbers, of each row."""
        outputs = self._meant(np.asarray(self._answers(X), np.float64))
        return outputs[:, 0] if self._flat else outputs

    def _meant(self, outputs: Array) -> Array:
        return np.exp(np.clip(outputs, -700, 700)) if self._logarithmic() else outputs

    def _measures(self, given: Any) -> Any:
        """Return metrics of what is predicted, where the network's outputs are logarithms of it."""

        def of_means(name: str, metric: Callable[[Array, Array], float]) -> Callable[[Array, Array], float]:
            def measure(outputs: Array, targets: Array) -> float:
                return metric(self._meant(outputs), targets)

            measure.__name__ = name
            return measure

        if not self._logarithmic():
            return given
        return [of_means(name, metric) for name, metric in named(given).items()]

    def _logarithmic(self) -> bool:
        """Return whether the network's outputs are logarithms of what is predicted."""
        loss = train.loss_of(self._loss() if self.loss is None else self.loss)
        return isinstance(loss, nn.PoissonNLLLoss) and bool(loss.log_input)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
