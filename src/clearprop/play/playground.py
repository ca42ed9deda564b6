"""`playground`: record what a page needs of a model, its loss, its optimizer and data, and write the page."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from clearprop import marks
from clearprop.compiler.program.builder import Unlowered
from clearprop.data import DataLoader
from clearprop.data.split import split_indices
from clearprop.errors import lesson
from clearprop.files import whole_file
from clearprop.hints import refuse_texts
from clearprop.ops.random import get_rng_state, manual_seed, set_rng_state
from clearprop.play.model import layers, parameters, row_function, story
from clearprop.play.page import page_of
from clearprop.play.programs import MOST, Programs, operations, packed, recorded
from clearprop.play.telling import telling
from clearprop.play.words import LANGUAGES
from clearprop.see.words import spoken
from clearprop.tensor import Tensor

CHECKED = 5  # losses that a page compares with Python's
TRIES, DIGITS = 3, 8  # runs whose weights are off by so many of the smallest steps between numbers
SHOWN = 300  # steps of a recorded run
MAP = 64  # rows that are predicted at a time
LARGEST = 32 << 20  # bytes of data and weights


@dataclass
class Columns:
    """What the page calls the columns of X and y, and how their numbers were made those of the model.

    `scales` has (mean, scale) for each column of X as it stands in a file, `spread` those of y; `classes`
    names those of y; `dropped` says whether a file of such columns may be dropped on the page; `command`
    makes another page.
    """

    names: Sequence[str] = ()
    target: str = ""
    classes: Sequence[str] = ()
    scales: Sequence[tuple[float, float]] = ()
    spread: tuple[float, float] = (0.0, 1.0)
    dropped: bool = True
    command: str = ""


@dataclass
class Playground:
    """Everything between a model and its page; works on copies, so that the reader's own stay as they are."""

    model: Any
    loss: Any
    optimizer: Any
    train: tuple[Any, Any]
    test: tuple[Any, Any] | None
    batch_size: int
    seed: int
    columns: Columns
    language: str = "en"
    programs: Programs = field(default_factory=Programs)

    def __post_init__(self) -> None:
        self.squares: Tensor = Tensor(np.float64(0.0), "squares", requires_grad=False)
        self.sizes: Tensor = Tensor(np.float64(0.0), "sizes", requires_grad=False)
        self.fresh: tuple[Any, Any] = self.model.state_dict(), self.optimizer.state_dict()

    # --- what is recorded
    def step(self, x: Any, y: Any) -> Any:
        """Take one step of training, with penalties on weights; return the loss alone."""
        self.optimizer.zero_grad()
        value = self.loss(self.model(x), y)
        total = value
        for p in self.model.parameters():
            if p.ndim > 1:
                penalty = self.squares * (p * p).sum() + self.sizes * abs(p).sum()
                total = total + penalty.astype(value.dtype)
        total.backward()
        self.optimizer.step()
        return value

    def plain(self, x: Any, y: Any) -> Any:
        """Take one step of training as everybody writes it."""
        self.optimizer.zero_grad()
        value = self.loss(self.model(x), y)
        value.backward()
        self.optimizer.step()
        return value

    def drawn(self) -> None:
        """Draw new weights."""
        for module in self.model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def reset(self) -> None:
        """Put everything back to where the page begins."""
        manual_seed(self.seed)
        self.model.load_state_dict(self.fresh[0])
        self.optimizer.load_state_dict(self.fresh[1])
        self.optimizer.zero_grad()

    def batches(self) -> DataLoader:
        """Return the batches in the order that the page has."""
        return loader(*self.train, self.batch_size, self.seed)

    def told(self) -> dict[str, Any]:
        """Return what the page is told; programs are in `self.programs`. Raises Unlowered, naming an op."""
        x, y = self.train
        program = recorded(self.step, x[: self.batch_size], y[: self.batch_size])
        _within_budget(operations(program))
        steps = [{"rows": self.batch_size, "program": self.programs.add(program)}]
        for rows in {1, min(4 * self.batch_size, len(x))} - {self.batch_size}:
            steps += self._other(rows)
        steps.sort(key=lambda step: step["rows"])
        self.model.eval()
        found: dict[str, Any] = {
            "steps": steps,
            "measure": self.programs.add(recorded(self.measured, x[:1], y[:1])),
            "predict": self._predicting(x),
        }
        self.model.train()
        found["drawn"] = self._drawing()
        found["story"] = self._story()
        self.reset()
        found["losses"] = self.first_losses()
        found["moves"] = self.moves()
        found["sensitive"] = self.sensitive(found["losses"])
        self.reset()
        return found | self._described()

    def _other(self, rows: int) -> list[dict[str, int]]:
        """Return the step for batches of another size; none where model or budget do not allow it."""
        try:
            program = recorded(self.step, self.train[0][:rows], self.train[1][:rows])
        except ValueError:  # normalisation over one row
            return []
        within = operations(program) <= MOST
        return [{"rows": rows, "program": self.programs.add(program)}] if within else []

    def measured(self, x: Any, y: Any) -> Any:
        """Return the loss and what is predicted, in evaluation mode."""
        out = self.model(x)
        return self.loss(out, y), out

    def _predicting(self, x: Any) -> int:
        rows = np.repeat(x[:1], MAP, axis=0)
        return self.programs.add(recorded(lambda x: self.model(x), rows))

    def _drawing(self) -> int:
        """The program that draws new weights, -1 where the model has none that can be recorded."""
        if not any(hasattr(module, "reset_parameters") for module in self.model.modules()):
            return -1
        try:
            return self.programs.add(recorded(self.drawn))
        except (TypeError, RuntimeError):
            return -1

    def _story(self) -> Any:
        """One row step by step: its words and the program of its numbers; None where these do not fit."""
        x, y = self.train[0][:1], self.train[1][:1]
        try:
            self.model.zero_grad()
            told = story(self.model, self.loss, x, y, self.programs, self.language)
            self.model.zero_grad()
            program = recorded(row_function(self.model, self.loss), x, y) if told else None
        except (TypeError, RuntimeError, ValueError):
            return None
        if told is None or program is None:
            return None
        computed = [node["shape"] for node in told["nodes"] if node["op"]]
        sent = [told["nodes"][step["target"]]["shape"] for step in told["steps"] if step["sent"] >= 0]
        shapes = [*computed, *(node["shape"] for node in told["nodes"]), *sent]
        if [list(v.shape) for v in program.outputs] != shapes:  # another graph than was told
            return None
        return {**told, "program": self.programs.add(program)}

    def first_losses(self) -> list[float]:
        """Return the losses of the first steps as Python has them."""
        return [float(self.plain(x, y)) for x, y in islice(_again(self.batches()), CHECKED)]

    def moves(self) -> list[list[float]]:
        """Return how far the first step moves each parameter: all sizes added, and with signs in turn."""
        self.reset()
        before = [np.array(p.value, np.float64) for p in self.model.parameters()]
        self.plain(*next(iter(self.batches())))
        after = [np.array(p.value, np.float64) for p in self.model.parameters()]
        moved = [(b - a).reshape(-1) for a, b in zip(before, after, strict=True)]
        return [[float(np.abs(d).sum()), float(d[::2].sum() - d[1::2].sum())] for d in moved]

    def sensitive(self, losses: list[float]) -> bool:
        """Tell whether rounding alone moves the first losses: weights off by their last digits give others.

        Such a training differs on every machine, since what is rounded up here and down there grows.
        """
        weights, rng, moved = self.fresh[0], np.random.default_rng(0), 0.0
        for _ in range(TRIES):
            self.reset()
            self.model.load_state_dict({name: _rounded(w, rng) for name, w in weights.items()})
            off = np.abs(np.subtract(self.first_losses(), losses)) / np.maximum(1.0, np.abs(losses))
            moved = max(moved, float(np.max(off, initial=0.0)))
        return moved > _tolerance(next(iter(self.model.parameters())).dtype)

    def run(self) -> dict[str, Any]:
        """Return the losses of a run in Python: what a page shows that cannot train."""
        self.reset()
        losses = [float(self.plain(x, y)) for x, y in islice(_again(self.batches()), SHOWN)]
        self.reset()
        return {"recorded": losses}

    # --- what is described
    def _described(self) -> dict[str, Any]:
        penalties = {"squares": self.squares, "sizes": self.sizes}
        rates = [group.tensor("lr") for group in self.optimizer.param_groups]
        return {
            "states": self.programs.described(),
            "used": self.programs.used,
            "rates": [self.programs.place(rate) for rate in rates],
            "random": next((i for i, s in enumerate(self.programs.states) if s.name == "random state"), -1),
            "layers": layers(self.model, self.programs),
            "parameters": parameters(self.model, self.programs),
            **{name: self.programs.place(t) for name, t in penalties.items()},
        }

    def about(self) -> dict[str, Any]:
        """Return what the page is told of the data, whether it trains or not."""
        x, y = self.train
        kind = "classes" if y.dtype.kind in "iu" else "truths" if np.isin(y, (0, 1)).all() else "numbers"
        self.model.eval()
        out = np.asarray(self.model(x[:1]).value)
        self.model.train()
        flat = x.reshape(len(x), -1) if x.ndim == 2 and x.dtype.kind == "f" else x[:, :0].reshape(len(x), 0)
        names = list(self.columns.names) or [f"x{i + 1}" for i in range(flat.shape[1])]
        return {
            "language": self.language,
            "words": dict(spoken(LANGUAGES, self.language, "playground")),
            "known": self._known(),
            "kind": kind,
            "outputs": out.shape[1] if out.ndim == 2 else 0,
            "squash": kind == "truths" and takes_logits(self.loss),
            "names": names,
            "target": self.columns.target or "y",
            "classes": list(self.columns.classes),
            "scales": [list(scale) for scale in self.columns.scales],
            "spread": list(self.columns.spread),
            "dropped": self.columns.dropped,
            "command": self.columns.command,
            "telling": telling(flat, y) if flat.shape[1] else [0, 0],
            "medians": [float(m) for m in np.median(flat, axis=0)] if len(x) else [],
            "seed": self.seed,
            "batch": self.batch_size,
            "tolerance": _tolerance(out.dtype),
            "train": _rows(*self.train),
            "test": None if self.test is None else _rows(*self.test),
        }

    def _known(self) -> str:
        """Return which sentence says what learning rates are known to work."""
        momentum = any(group.get("momentum") for group in self.optimizer.param_groups)
        name = type(self.optimizer).__name__
        known = {"SGD": "known momentum" if momentum else "known sgd", "Adam": "known adam"}
        return known.get("Adam" if name == "AdamW" else name, "known")


def playground(
    model: Any,
    loss: Any,
    optimizer: Any,
    X: Any,
    y: Any,
    file: str | os.PathLike[str] = "play.html",
    *,
    batch_size: int | None = None,
    test: float | tuple[Any, Any] = 0.2,
    seed: int = 0,
    columns: Columns | None = None,
    title: str = "",
    language: str = "en",
    overwrite: bool = True,
) -> Path:
    """Write one offline HTML file that trains the model in the browser, from its weights as they are now.

    The page holds the training step that `compile` records, as JavaScript, and compares its first five losses
    with Python's (1e-6, float64: 1e-12). The order of batches is that of `DataLoader((X, y), batch_size,
    shuffle=True, drop_last=True, generator=np.random.Generator(np.random.Philox(key=[seed, 0])))` after
    `manual_seed(seed)`. The arguments stay as they are: copies are recorded.

    `X` is (rows, ...), `y` has a row for each; `test` is a fraction that is held out, 0 for none, or a pair.
    A model with an op that has no translation gets a page that names it and shows a run recorded here. The
    page speaks English, or German with `language="de"`.
    Raises ValueError for a step of more than 200 million operations, or data that does not fit together; and
    InputError, without `overwrite`, where there is a file that clearprop did not write.

    >>> import tempfile
    >>> from clearprop import nn, optim
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 8, np.float32)
    >>> y = np.array([0, 1, 1, 0] * 8)
    >>> model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = playground(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.03), X, y,
    ...                       file=f"{folder}/play.html")
    ...     "clearprop" in made.read_text()
    True
    """
    refuse_texts("playground", overwrite=overwrite)
    path = Path(file)
    words, before = spoken(LANGUAGES, language, "playground"), get_rng_state()
    try:
        made = _prepared(model, loss, optimizer, X, y, batch_size, test, seed, columns or Columns())
        made.language = language
        text = _text(made, title or words["title"].format(model=type(model).__name__))
    finally:
        set_rng_state(before)
    with whole_file(path, ours=None if overwrite else marks.html) as stream:
        stream.write(text.encode())
    return path


def _text(made: Playground, title: str) -> str:
    made.reset()
    about = made.about()
    try:
        told = made.told()
    except Unlowered as error:
        return page_of(title, about | made.run() | {"refused": str(error)}, [])
    return page_of(title, about | told, made.programs.texts)


def _prepared(
    model: Any,
    loss: Any,
    optimizer: Any,
    X: Any,
    y: Any,
    batch_size: int | None,
    test: float | tuple[Any, Any],
    seed: int,
    columns: Columns,
) -> Playground:
    X, y = _array(X), _array(y)
    if X.ndim < 1 or y.ndim < 1 or len(X) != len(y) or len(X) < 2:
        raise ValueError(
            lesson("playground(X, y)", "wants a row of y for each of X", f"{X.shape} and {y.shape}")
        )
    if X.nbytes + y.nbytes > LARGEST:
        got = f"{(X.nbytes + y.nbytes) / 2**20:.0f} MB"
        raise ValueError(lesson("playground(X, y)", "puts at most 32 MB into a page", got, hint="fewer rows"))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(lesson("playground(seed=)", "wants an integer from 0 to 2**32 - 1", repr(seed)))
    train, held = _split(X, y, test, int(seed))
    rows = min(20, len(train[0])) if batch_size is None else batch_size
    if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or not 1 <= rows <= len(train[0]):
        wanted = f"wants a whole number from 1 to the {len(train[0])} rows"
        raise ValueError(lesson("playground(batch_size=)", wanted, repr(batch_size)))
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(
            lesson("playground(optimizer)", "wants an optimizer", repr(optimizer), hint="optim.Adam(...)")
        )
    own = set(map(id, model.parameters()))
    if not any(id(p) in own for group in optimizer.param_groups for p in group.params):
        wanted, hint = "wants an optimizer of the model's parameters", "optim.Adam(model.parameters())"
        raise ValueError(
            lesson("playground(model, loss, optimizer)", wanted, "one of other Tensors", hint=hint)
        )
    copies = copy.deepcopy((model, loss, optimizer))
    copies[0].train()
    return Playground(*copies, train, held, int(rows), int(seed), columns)


def _tolerance(dtype: Any) -> float:
    """How far the first losses of a page may be from Python's."""
    return 1e-12 if dtype == np.float64 else 1e-6


def _rounded(weights: Any, rng: Any) -> Any:
    """Return weights that are off by some of their last digits, up or down."""
    weights = np.asarray(weights)
    if weights.dtype.kind != "f":
        return weights
    off = DIGITS * np.finfo(weights.dtype).eps
    return (weights * (1 + rng.choice([-off, off], weights.shape))).astype(weights.dtype)


def _array(given: Any) -> Any:
    return np.asarray(given.value if isinstance(given, Tensor) else given)


def _split(X: Any, y: Any, test: Any, seed: int) -> tuple[tuple[Any, Any], tuple[Any, Any] | None]:
    if isinstance(test, tuple):
        return (X, y), (_array(test[0]), _array(test[1]))
    if not 0 <= test < 1:
        raise ValueError(
            lesson("playground(test=)", "wants a fraction below 1, or a pair of arrays", repr(test))
        )
    if round(len(X) * test) == 0:
        return (X, y), None
    kept, held = split_indices(len(X), test, seed)
    return (X[kept], y[kept]), (X[held], y[held])


def loader(x: Any, y: Any, rows: int, seed: int) -> DataLoader:
    """Return the batches of a page with this seed."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, 0], np.uint64)))
    return DataLoader((x, y), rows, shuffle=True, drop_last=True, generator=generator)


def _again(batches: DataLoader) -> Any:
    while True:
        yield from batches


def takes_logits(loss: Any) -> bool:
    """Tell whether a loss of truth values is smaller for an output of 20 than for 1 where the truth is 1.

    >>> from clearprop import nn
    >>> takes_logits(nn.BCEWithLogitsLoss()), takes_logits(nn.MSELoss())
    (True, False)
    """
    truth = np.ones((1, 1))
    try:
        far, near = (float(loss(Tensor(truth * out, requires_grad=False), truth)) for out in (20.0, 1.0))
    except (TypeError, ValueError, ArithmeticError):
        return False
    return far < near


def _rows(x: Any, y: Any) -> dict[str, Any]:
    return {"rows": len(x), "x": packed(x), "y": packed(y)}


def _within_budget(count: int) -> None:
    if count > MOST:
        wanted, got = (
            f"trains models of at most {MOST / 1e6:.0f} million operations a step",
            f"{count / 1e6:.0f} million",
        )
        hint = "a smaller batch_size, fewer or smaller layers"
        raise ValueError(lesson("playground(model, ...)", wanted, got, hint=hint))
