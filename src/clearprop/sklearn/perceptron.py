"""What the two perceptrons share: a network, its training by epochs, and going on where it stopped."""

from __future__ import annotations

import warnings
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data  # type: ignore[import-untyped]

from clearprop import nn
from clearprop.errors import lesson
from clearprop.ops import random
from clearprop.optim.adam import adam
from clearprop.optim.sgd import sgd
from clearprop.sklearn import bounds, naming
from clearprop.sklearn.chain import FlatWeights, LayerChain, Measure, Steps
from clearprop.train import predict
from clearprop.train.interrupt import Interrupt, gentle_interrupt

if TYPE_CHECKING:
    from clearprop.nn.container import Sequential

Array = npt.NDArray[Any]

ACTIVATIONS = {"identity": nn.Identity, "logistic": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
ROWS = 8192
"""So many rows are predicted at a time."""


SETTINGS: dict[str, bounds.Rule] = {
    "hidden_layer_sizes": bounds.SIZES,
    "activation": bounds.one_of(*ACTIVATIONS),
    "solver": bounds.one_of("lbfgs", "sgd", "adam"),
    "learning_rate": bounds.one_of("constant", "invscaling", "adaptive"),
    "batch_size": bounds.wholes(1, "auto"),
    "n_iter_no_change": bounds.wholes(1, np.inf),
    "max_iter": bounds.COUNT,
    "max_fun": bounds.COUNT,
    "learning_rate_init": bounds.POSITIVE,
    "epsilon": bounds.POSITIVE,
    "alpha": bounds.LEAST_0,
    "power_t": bounds.LEAST_0,
    "beta_1": bounds.BELOW_1,
    "beta_2": bounds.BELOW_1,
    "validation_fraction": bounds.BELOW_1,
    "momentum": bounds.numbers("wants a number from 0 to 1", lambda value: 0 <= value <= 1),
    "tol": bounds.NUMBER,
    "random_state": bounds.SEED,
    "verbose": bounds.LOUDNESS,
} | dict.fromkeys(("shuffle", "warm_start", "nesterovs_momentum", "early_stopping"), bounds.TRUTH)


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

    def _network(self, sizes: list[int]) -> nn.Sequential:
        """Return a fresh network, with Glorot's uniform weights drawn from the model's generator."""
        factor = 2.0 if self.activation == "logistic" else 6.0
        layers: list[nn.Module] = []
        before = random.get_rng_state()
        for fan_in, fan_out in pairwise(sizes):
            layer = nn.Linear(fan_in, fan_out, dtype=np.float64)
            bound = np.sqrt(factor / (fan_in + fan_out))
            weight = self._generator.uniform(-bound, bound, (fan_in, fan_out)).T
            bias = self._generator.uniform(-bound, bound, fan_out)
            layer.load_state_dict({"weight": weight.copy(), "bias": bias})
            layers += [layer, ACTIVATIONS[self.activation]()]
        random.set_rng_state(before)
        return nn.Sequential(*layers[:-1])

    def _begin(self, inputs: int, outputs: int) -> None:
        """Make all that a training changes."""
        self._generator = check_random_state(self.random_state)
        self._sizes = [inputs, *_hidden(self), outputs]
        self._began, self._asked = self._basis(), float(self.learning_rate_init)
        self.network_: Sequential = self._network(self._sizes)
        self._memory = tuple(np.zeros(self._flat_weights().size) for _ in range(self._remembers()))
        self._rate, self._steps, self._order = float(self.learning_rate_init), 0, np.arange(0)
        self.n_outputs_, self.n_layers_ = outputs, len(self._linear()) + 1
        self.n_iter_, self.t_, self._waited = 0, 0, 0
        self.loss_curve_: list[float] = []
        self.best_loss_: float | None = None if self.early_stopping else np.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -np.inf if self.early_stopping else None

    def _basis(self) -> dict[str, Any]:
        """Return what the network and its loss are made by, which a training cannot change as it goes on."""
        return {"hidden_layer_sizes": _hidden(self), "activation": self.activation}

    def _take_changes(self, outputs: int) -> None:
        """Take the settings that were changed before a training goes on; refuse those of another network."""
        name = type(self).__name__
        for setting, given in self._basis().items():
            if given != self._began[setting]:
                wanted = f"goes on with the {setting} that it began with, {self._began[setting]}"
                raise ValueError(lesson(name, wanted, repr(given), hint="warm_start=False"))
        if outputs != self.n_outputs_:
            wanted, hint = (
                f"goes on with as many outputs as it began with, {self.n_outputs_}",
                "warm_start=False",
            )
            raise ValueError(lesson(name, wanted, str(outputs), hint=hint))
        if len(self._memory) != self._remembers():  # another solver begins with a memory of its own
            self._memory = tuple(np.zeros(self._flat_weights().size) for _ in range(self._remembers()))
            self._steps = 0
        if self._asked != self.learning_rate_init:
            rate = float(self.learning_rate_init)
            if self.solver == "sgd":  # what momentum carries on keeps the rate that it was made at
                self._memory = tuple(array * (self._rate / rate) for array in self._memory)
            self._rate = self._asked = rate
        if self.early_stopping and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_, self.best_loss_ = [], -np.inf, None

    def _remembers(self) -> int:
        """Return how many numbers of each weight the solver remembers."""
        return {"adam": 2, "sgd": 1}.get(self.solver, 0)

    def _formula(self) -> Any:
        """Return the optimizer's formula, but for the numbers that `_numbers` has."""
        if self.solver == "adam":
            return partial(adam, betas=(self.beta_1, self.beta_2))
        nesterov = self.nesterovs_momentum and self.momentum > 0
        return partial(sgd, momentum=float(self.momentum), nesterov=nesterov)

    def _numbers(self) -> dict[str, float]:
        """Return what changes from step to step; Adam's epsilon is added to the root as it stands here.

        The formula adds it to the root as it is after the correction for the first steps.
        """
        if self.solver == "sgd":
            return {"lr": self._rate}
        eps = self.epsilon / np.sqrt(1 - self.beta_2**self._steps)
        return {"lr": self._rate, "step": float(self._steps), "eps": float(eps)}

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
        bounds.check(self, SETTINGS)
        checked: tuple[Array, Any] = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr"],
            multi_output=True,
            y_numeric=self._numeric,
            dtype=np.float64,
            reset=reset,
        )
        return checked

    def _flat_weights(self) -> Array:
        """Return the network's numbers as one array: the weights, (inputs, outputs) each, then the biases."""
        layers = self._linear()
        parts = [layer.weight.value.T for layer in layers] + [layer.bias.value for layer in layers]
        return np.concatenate([np.ravel(part) for part in parts])

    def _take_over(self, flat: Array) -> None:
        """Give the network the numbers of such an array; raises ValueError where they overflowed."""
        if not np.isfinite(flat).all():
            got, hint = "weights that are not finite", "make_pipeline(StandardScaler(), model)"
            wanted = "wants numbers near 1, which are brought to scale first"
            raise ValueError(lesson(f"{type(self).__name__}.fit", wanted, got, hint=hint))
        for layer, weight, bias in zip(self._linear(), *self._chain().layers(flat), strict=True):
            layer.load_state_dict({"weight": weight.T.copy(), "bias": bias.copy()})

    def _chain(self) -> LayerChain:
        activation = {"logistic": "sigmoid"}.get(self.activation, self.activation)
        return LayerChain(self._sizes, activation, float(self.alpha), self._measure())

    def _train(self, x: Any, y: Array, weights: Array | None, epochs: int, interrupt: Interrupt) -> None:
        """Train for some epochs, or until the loss (or the score of rows held out) falls no more."""
        held: tuple[Any, Array, Any] | None = None
        if self.early_stopping:
            x, y, weights, held = self._held_out(x, y, weights)
        rows = x.shape[0]
        size = min(200, rows) if self.batch_size == "auto" else min(int(self.batch_size), rows)
        steps = Steps(self._chain(), self._formula(), self._flat_weights(), self._memory)
        for _ in range(epochs):
            self._epoch(steps, size, x, y, weights, interrupt)
            self._look(held, steps)
            if interrupt.asked:
                break
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            if self.solver == "sgd" and self.learning_rate == "invscaling":
                self._change_rate(steps, self.learning_rate_init / (self.t_ + 1) ** self.power_t)
            if self._waited > self.n_iter_no_change and not self._slower(steps):
                break
        else:
            if epochs > 1:
                text = f"Stochastic Optimizer: Maximum iterations ({epochs}) reached and not converged yet."
                warnings.warn(text, ConvergenceWarning, stacklevel=4)
        flat, self._memory = steps.end()
        self._take_over(self._best if self.early_stopping else flat)

    def _epoch(
        self, steps: Steps, size: int, x: Any, y: Array, weights: Array | None, interrupt: Interrupt
    ) -> None:
        """Take a step on each batch of all rows, in another order each time; Ctrl-C ends it after a step."""
        rows, total, seen = x.shape[0], 0.0, 0
        if len(self._order) != rows:
            self._order = np.arange(rows)
        if self.shuffle:
            turn = np.arange(rows)
            self._generator.shuffle(turn)
            self._order = self._order[turn]  # as sklearn.utils.shuffle has it
        for start in range(0, rows, size):
            chosen = self._order[start : start + size]
            self._steps += 1
            part = None if weights is None else weights[chosen]
            total += steps(_dense(x[chosen]), y[chosen], part, self._numbers()) * len(chosen)
            seen += len(chosen)
            if interrupt.asked:
                break
        self.loss_: float = total / seen
        self.n_iter_, self.t_ = self.n_iter_ + 1, self.t_ + seen
        self.loss_curve_.append(self.loss_)

    def _held_out(self, x: Any, y: Array, weights: Array | None) -> Any:
        """Return the rows to learn from, and those on which each epoch is scored."""
        bounds.check(self, {"validation_fraction": bounds.WITHIN_1})
        parts = [part for part in (x, y, weights) if part is not None]
        found = train_test_split(
            *parts, test_size=self.validation_fraction, random_state=self._generator, stratify=self._strata(y)
        )
        if found[1].shape[0] < 2:
            got, hint = f"{found[1].shape[0]} of {x.shape[0]} rows", "a larger validation_fraction"
            called = f"{type(self).__name__}(early_stopping=True)"
            raise ValueError(lesson(called, "wants two rows or more to score on", got, hint=hint))
        learn, score = found[::2], found[1::2]
        learn, score = (*learn, None)[:3], (*score, None)[:3]
        return *learn, score

    def _look(self, held: tuple[Any, Array, Array | None] | None, steps: Steps) -> None:
        """Note whether this epoch was better than the best by more than `tol`."""
        if held is not None and self.validation_scores_ is not None:
            flat, chain = steps.end()[0], steps.chain
            outputs = chain.forward(_dense(held[0]), *chain.layers(flat))[1][-1]
            score = self._score_of(outputs, *held[1:])
            self.validation_scores_.append(score)
            best = float(self.best_validation_score_ or 0.0) if self.validation_scores_[:-1] else -np.inf
            self._waited = self._waited + 1 if score < best + self.tol else 0
            if score > best or not self.validation_scores_[:-1]:
                self.best_validation_score_, self._best = score, flat.copy()
            return
        best = np.inf if self.best_loss_ is None else self.best_loss_
        self._waited = self._waited + 1 if self.loss_ > best - self.tol else 0
        self.best_loss_ = min(best, self.loss_)

    def _slower(self, steps: Steps) -> bool:
        """Take smaller steps, where that is asked for and they are not tiny yet."""
        if self.solver != "sgd" or self.learning_rate != "adaptive" or self._rate <= 1e-6:
            return False
        self._change_rate(steps, self._rate / 5)
        self._waited = 0
        return True

    def _change_rate(self, steps: Steps, rate: float) -> None:
        """Change the rate of the steps to come; what momentum carries on keeps the rate it was made at."""
        flat, memory = steps.end()
        steps.begin(flat, [array * (self._rate / rate) for array in memory])
        self._rate = rate

    def _minimize(self, x: Any, y: Array, weights: Array | None, interrupt: Interrupt) -> None:
        """Train by L-BFGS on all rows at once, as scikit-learn does with this solver."""
        from scipy.optimize import minimize  # type: ignore[import-untyped]

        chain, x = self._chain(), _dense(x)

        def measured(flat: Array) -> tuple[float, Array]:
            slopes = FlatWeights(chain, np.empty_like(flat))
            return chain.gradient(FlatWeights(chain, flat), slopes, x, y, weights), slopes.flat

        def look(flat: Array) -> None:
            if interrupt.asked:
                raise StopIteration

        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        began = self._flat_weights()
        found = minimize(measured, began, method="L-BFGS-B", jac=True, options=options, callback=look)
        self._take_over(found.x)
        self.loss_ = float(found.fun)
        self.n_iter_ += int(found.nit)
        self.t_ += len(x) * int(found.nit)
        if found.status == 1:
            warnings.warn(f"lbfgs failed to converge: {found.message}", ConvergenceWarning, stacklevel=4)

    def _fit(self, X: Any, y: Any, sample_weight: Any, going_on: bool, epochs: int | None) -> None:
        """Train; where that fails, the model has what it had learned before, but for the numbers drawn."""
        with naming.kept(self):
            self._attempt(X, y, sample_weight, going_on, epochs)

    def _attempt(self, X: Any, y: Any, sample_weight: Any, going_on: bool, epochs: int | None) -> None:
        fresh = not going_on or not hasattr(self, "network_")
        x, y = self._checked(X, y, reset=fresh)
        targets, outputs = self._targets(y, fresh)
        weights: Array | None = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if fresh:
            self._begin(x.shape[1], outputs)
        else:
            self._take_changes(outputs)
        self._waited = 0 if epochs is None else self._waited
        with gentle_interrupt(terminate=False) as interrupt:
            if self.solver == "lbfgs":
                self._minimize(x, targets, weights, interrupt)
            else:
                self._train(x, targets, weights, epochs or self.max_iter, interrupt)
        if interrupt.asked:
            naming.interrupted(self, self.n_iter_)

    def _measure(self) -> Measure:
        """Return a function of (outputs, y) for each row's loss, and its derivative by the outputs."""
        raise NotImplementedError

    def _answers(self, X: Any) -> Array:
        """Return the network's outputs for rows that are checked first."""
        check_is_fitted(self, "network_")
        x = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=np.float64, reset=False)
        parts = [predict(self.network_, _dense(x[i : i + ROWS])) for i in range(0, x.shape[0], ROWS)]
        return np.concatenate(parts)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _dense(x: Any) -> Array:
    """Return rows of a sparse matrix as an array."""
    return np.asarray(x.toarray() if hasattr(x, "toarray") else x)


def _hidden(model: Any) -> list[int]:
    """Return the sizes of the hidden layers."""
    return [int(size) for size in np.atleast_1d(np.asarray(model.hidden_layer_sizes, object))]
