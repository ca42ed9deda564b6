"""What the two perceptrons share: a network, its training by epochs, and going on where it stopped."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data  # type: ignore[import-untyped]

from clearprop import nn, optim
from clearprop.errors import lesson
from clearprop.record import assign
from clearprop.train import predict

if TYPE_CHECKING:
    from clearprop.nn.container import Sequential

Array = npt.NDArray[Any]

ACTIVATIONS = {"identity": nn.Identity, "logistic": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


class Perceptron(BaseEstimator):  # type: ignore[misc]
    """A multilayer perceptron trained on batches; the subclasses say what its outputs and its loss are.

    Every epoch's order comes from one generator, which lives as long as the model: `partial_fit` and
    `warm_start` go on with its next numbers and with the optimizer's memory, to the bits of an unbroken fit.
    """

    n_outputs_: int
    n_layers_: int
    n_iter_: int
    t_: int

    _numeric = False

    def __init__(
        self,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    def _network(self, inputs: int, outputs: int) -> nn.Sequential:
        """Return a fresh network, with Glorot's uniform weights drawn from the model's generator."""
        sizes = [inputs, *np.atleast_1d(np.asarray(self.hidden_layer_sizes, np.int64)).tolist(), outputs]
        factor = 2.0 if self.activation == "logistic" else 6.0
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(sizes):
            layer = nn.Linear(fan_in, fan_out, dtype=np.float64)
            bound = np.sqrt(factor / (fan_in + fan_out))
            weight = self._generator.uniform(-bound, bound, (fan_in, fan_out)).T
            bias = self._generator.uniform(-bound, bound, fan_out)
            layer.load_state_dict({"weight": weight.copy(), "bias": bias})
            layers += [layer, ACTIVATIONS[self.activation]()]
        return nn.Sequential(*layers[:-1])

    def _optimizer(self) -> Any:
        weights, rate = list(self.network_.parameters()), self.learning_rate_init
        if self.solver == "sgd":
            nesterov = self.nesterovs_momentum and self.momentum > 0
            return optim.SGD(weights, lr=rate, momentum=self.momentum, nesterov=nesterov)
        return optim.Adam(weights, lr=rate, betas=(self.beta_1, self.beta_2), eps=self.epsilon)

    def _begin(self, inputs: int, outputs: int) -> None:
        """Make all that a training changes."""
        self._generator = check_random_state(self.random_state)
        self.network_: Sequential = self._network(inputs, outputs)
        self._memory = self._optimizer()
        self.n_outputs_, self.n_layers_ = outputs, len(self._linear()) + 1
        self.n_iter_, self.t_, self._waited = 0, 0, 0
        self.loss_curve_: list[float] = []
        self.best_loss_: float | None = np.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -np.inf if self.early_stopping else None

    def _linear(self) -> list[Any]:
        return [layer for layer in self.network_ if isinstance(layer, nn.Linear)]

    @property
    def coefs_(self) -> list[Array]:
        """The layers' weights, each of shape (inputs, outputs)."""
        check_is_fitted(self, "network_")
        return [np.array(layer.weight.value.T) for layer in self._linear()]

    @property
    def intercepts_(self) -> list[Array]:
        """The layers' biases."""
        check_is_fitted(self, "network_")
        return [np.array(layer.bias.value) for layer in self._linear()]

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Any]:
        _check_settings(self)
        checked: tuple[Array, Any] = validate_data(
            self, X, y, multi_output=True, y_numeric=self._numeric, dtype=np.float64, reset=reset
        )
        return checked

    def _objective(self, x: Any, y: Any, weights: Any) -> Any:
        """Return the mean loss of a batch and half of alpha times the squared weights, per row.

        A row of weight two counts as two rows, in the penalty as well; rows of weight 0 alone have no loss.
        """
        rows = weights.sum() or len(weights)
        total = np.sum(self._losses(self.network_(x), y) * weights) / rows
        squares = sum(np.sum(layer.weight * layer.weight) for layer in self._linear())
        return total + (0.5 * self.alpha / rows) * squares

    def _step(self) -> Any:
        optimizer = self._memory

        def step(x: Any, y: Any, weights: Any) -> Any:
            optimizer.zero_grad()
            loss = self._objective(x, y, weights)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def _train(self, x: Array, y: Array, weights: Array, epochs: int) -> None:
        """Train for some epochs, or until the loss (or the score of rows held out) falls no more."""
        held: tuple[Array, Array] | None = None
        if self.early_stopping:
            x, held_x, y, held_y, weights, _ = self._held_out(x, y, weights)
            held = held_x, held_y
        size = min(200, len(x)) if self.batch_size == "auto" else min(int(self.batch_size), len(x))
        step = self._step()
        for _ in range(epochs):
            total = 0.0
            for rows in self._batches(len(x), size):
                loss = float(step(x[rows], y[rows], weights[rows]))
                total += loss * len(rows)
            self.loss_: float = total / len(x)
            self.n_iter_, self.t_ = self.n_iter_ + 1, self.t_ + len(x)
            self.loss_curve_.append(self.loss_)
            self._look(held)
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            if self._waited > self.n_iter_no_change and not self._slower():
                break
            if self.solver == "sgd" and self.learning_rate == "invscaling":
                self._memory.lr = self.learning_rate_init / (self.t_ + 1) ** self.power_t
        else:
            if epochs > 1:
                text = f"Stochastic Optimizer: Maximum iterations ({epochs}) reached and not converged yet."
                warnings.warn(text, ConvergenceWarning, stacklevel=3)
        if self.early_stopping:
            self.network_.load_state_dict(self._best)

    def _held_out(self, x: Array, y: Array, weights: Array) -> Any:
        stratify = self._strata(y)
        return train_test_split(
            x, y, weights, test_size=self.validation_fraction, random_state=self._generator, stratify=stratify
        )

    def _batches(self, rows: int, size: int) -> Iterator[Array]:
        order = self._generator.permutation(rows) if self.shuffle else np.arange(rows)
        for start in range(0, rows, size):
            yield order[start : start + size]

    def _look(self, held: tuple[Array, Array] | None) -> None:
        """Note whether this epoch was better than the best by more than `tol`."""
        if held is not None and self.validation_scores_ is not None:
            score = self._score_of(self._outputs(held[0]), held[1])
            self.validation_scores_.append(score)
            best = float(self.best_validation_score_ or 0.0) if self.validation_scores_[:-1] else -np.inf
            self._waited = self._waited + 1 if score < best + self.tol else 0
            if score > best:
                self.best_validation_score_, self._best = score, self.network_.state_dict()
            return
        best = np.inf if self.best_loss_ is None else self.best_loss_
        self._waited = self._waited + 1 if self.loss_ > best - self.tol else 0
        self.best_loss_ = min(best, self.loss_)

    def _slower(self) -> bool:
        """Take smaller steps, where that is asked for and they are not tiny yet."""
        if self.solver != "sgd" or self.learning_rate != "adaptive" or self._memory.lr <= 1e-6:
            return False
        self._memory.lr, self._waited = self._memory.lr / 5, 0
        return True

    def _minimize(self, x: Array, y: Array, weights: Array) -> None:
        """Train by L-BFGS on all rows at once, as scikit-learn does with this solver."""
        from scipy.optimize import minimize  # type: ignore[import-untyped]

        parameters = list(self.network_.parameters())
        cuts = np.cumsum([p.size for p in parameters])[:-1]

        def measured(flat: Array) -> tuple[float, Array]:
            for parameter, part in zip(parameters, np.split(flat, cuts), strict=True):
                assign(parameter, part.reshape(parameter.shape))
                parameter.grad = None
            loss = self._objective(x, y, weights)
            loss.backward()
            return loss.item(), np.concatenate([np.ravel(p.grad) for p in parameters])

        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        start = np.concatenate([np.ravel(p.value) for p in parameters])
        found = minimize(measured, start, method="L-BFGS-B", jac=True, options=options)
        self.loss_ = float(measured(found.x)[0])
        self.n_iter_ += int(found.nit)
        self.t_ += len(x) * int(found.nit)
        if found.status == 1:
            warnings.warn(f"lbfgs failed to converge: {found.message}", ConvergenceWarning, stacklevel=3)

    def _fit(self, X: Any, y: Any, sample_weight: Any, going_on: bool, epochs: int | None) -> None:
        fresh = not going_on or not hasattr(self, "network_")
        x, y = self._checked(X, y, reset=fresh)
        targets, outputs = self._targets(y, fresh)
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if fresh:
            self._begin(x.shape[1], outputs)
        self._waited = 0 if epochs is None else self._waited
        if self.solver == "lbfgs":
            self._minimize(x, targets, weights)
        else:
            self._train(x, targets, weights, epochs or self.max_iter)

    def _outputs(self, x: Array) -> Array:
        return np.asarray(predict(self.network_, x))

    def _answers(self, X: Any) -> Array:
        """Return the network's outputs for rows that are checked first."""
        check_is_fitted(self, "network_")
        return self._outputs(validate_data(self, X, dtype=np.float64, reset=False))


def _check_settings(model: Any) -> None:
    """Raise ValueError for a setting that makes no sense."""
    name = type(model).__name__
    sizes = np.atleast_1d(np.asarray(model.hidden_layer_sizes, np.int64)).tolist()
    positive = {"max_iter": model.max_iter, "learning_rate_init": model.learning_rate_init}
    positive |= {"n_iter_no_change": model.n_iter_no_change, "max_fun": model.max_fun}
    choices = {
        "activation": (model.activation, tuple(ACTIVATIONS)),
        "solver": (model.solver, ("lbfgs", "sgd", "adam")),
        "learning_rate": (model.learning_rate, ("constant", "invscaling", "adaptive")),
    }
    for setting, (value, known) in choices.items():
        if value not in known:
            raise ValueError(lesson(f"{name}({setting}=)", f"wants one of {', '.join(known)}", repr(value)))
    for setting, value in positive.items():
        if not value > 0:
            raise ValueError(lesson(f"{name}({setting}=)", "wants a number above 0", repr(value)))
    if any(size < 1 for size in sizes):
        raise ValueError(lesson(f"{name}(hidden_layer_sizes=)", "wants sizes of 1 or more", str(sizes)))
    if model.alpha < 0 or not 0 <= model.momentum < 1 or not 0 < model.validation_fraction < 1:
        got = f"{model.alpha}, {model.momentum}, {model.validation_fraction}"
        wanted = "wants alpha of 0 or more, momentum from 0 to 1, validation_fraction between 0 and 1"
        raise ValueError(lesson(f"{name}(...)", wanted, got))
