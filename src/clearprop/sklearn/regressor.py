"""`MLPRegressor`: scikit-learn's, over clearprop."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin  # type: ignore[import-untyped]
from sklearn.metrics import r2_score  # type: ignore[import-untyped]
from sklearn.utils.validation import column_or_1d  # type: ignore[import-untyped]

from clearprop.errors import lesson
from clearprop.sklearn import bounds
from clearprop.sklearn.chain import Measure
from clearprop.sklearn.perceptron import Perceptron

Array = npt.NDArray[Any]


def of_squares(outputs: Any, y: Any) -> tuple[Any, Any]:
    """Return the loss of each row, half of the mean squared error, and its derivative."""
    errors = outputs - y
    return 0.5 * np.mean(errors * errors, axis=1), errors / y.shape[1]


def of_counts(outputs: Any, y: Any) -> tuple[Any, Any]:
    """Return the loss of each row, mean(y log(y / p) - y + p) for p = exp(output), and its derivative."""
    exact, meant = np.where(y > 0, y, 1.0), np.exp(outputs)
    return np.mean(meant - y * outputs + y * np.log(exact) - y, axis=1), (meant - y) / y.shape[1]


class MLPRegressor(RegressorMixin, Perceptron):  # type: ignore[misc]
    """A multilayer perceptron for numbers, with the parameters and attributes of scikit-learn's.

    The loss is half of the mean squared error or, for counts, `loss="poisson"`: then the outputs are
    logarithms, and the loss is y log(y / p) - y + p for a prediction p. Raises
    what scikit-learn's contract asks for. With several numbers for each row the
    gradient is that of this mean; scikit-learn's is their number times as large.

    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> model = MLPRegressor(activation="tanh", solver="lbfgs", random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(model.score(x, x[:, 0] ** 2) > 0.95)
    True
    """

    _numeric = True

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.loss = loss

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Learn from rows and their numbers; with `warm_start` go on from where the last fit stopped."""
        self._fit(X, y, sample_weight, bounds.goes_on(self), None)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Take one more epoch, over these rows."""
        if self.solver == "lbfgs" or self.early_stopping:
            wanted = "wants solver sgd or adam, without early_stopping"
            raise AttributeError(lesson("MLPRegressor.partial_fit", wanted, repr(self.solver)))
        self._fit(X, y, sample_weight, True, 1)
        return self

    def _targets(self, y: Any, fresh: bool) -> tuple[Array, int]:
        bounds.check(self, {"loss": bounds.one_of("squared_error", "poisson")})
        targets = np.asarray(y, np.float64)
        if self.loss == "poisson" and (targets < 0).any():
            got = f"y has {targets.min():g}"
            raise ValueError(lesson('MLPRegressor(loss="poisson")', "wants numbers of 0 or more", got))
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = column_or_1d(targets, warn=True)
        if fresh:
            self._flat = targets.ndim == 1
            self.out_activation_ = "identity" if self.loss == "squared_error" else "exp"
        targets = targets.reshape(len(targets), -1)
        return targets, targets.shape[1]

    def _basis(self) -> dict[str, Any]:
        return super()._basis() | {"loss": self.loss}

    def _measure(self) -> Measure:
        return of_counts if self.out_activation_ == "exp" else of_squares

    def _meant(self, outputs: Array) -> Array:
        return np.exp(np.clip(outputs, -700, 700)) if self.out_activation_ == "exp" else outputs

    def _strata(self, y: Array) -> None:
        return None

    def _score_of(self, outputs: Array, y: Array, weights: Array | None) -> float:
        return float(r2_score(y, self._meant(outputs), sample_weight=weights))

    def predict(self, X: Any) -> Array:
        """Return the number, or the numbers, of each row."""
        outputs = self._meant(self._answers(X))
        return outputs[:, 0] if self._flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
