"""A model whose parameters are averages of another's over its training, with the names of PyTorch's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.nn import Module
from clearprop.op import describe
from clearprop.record import assign, copy_of, read, read_number
from clearprop.tensor import Tensor

Averaging = Callable[[Any, Any, Any], Any]
_Pairs = list[tuple[Tensor, Tensor]]  # what is changed, and by what


def get_ema_avg_fn(decay: float = 0.999) -> Averaging:
    """Return how a parameter follows another: decay times itself, and the rest of the other.

    >>> get_ema_avg_fn(0.75)(4.0, 8.0, 1)
    5.0
    """
    share = _decay("get_ema_avg_fn(decay=)", decay)
    return lambda mean, new, count: share * mean + (1 - share) * new


def get_swa_avg_fn() -> Averaging:
    """Return how a parameter becomes the mean of all that it was: mean + (new - mean) / (count + 1).

    >>> get_swa_avg_fn()(4.0, 8.0, 3)
    5.0
    """
    return lambda mean, new, count: mean + (new - mean) / (count + 1)


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """Return the same as `get_ema_avg_fn` for lists of Tensors, of which it changes the first.

    >>> mean = Tensor([4.0, 0.0])
    >>> get_ema_multi_avg_fn(0.75)([mean], [Tensor([8.0, 4.0])], 1)
    >>> mean.value
    array([5., 1.])
    """
    _decay("get_ema_multi_avg_fn(decay=)", decay)
    return _for_all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """Return the same as `get_swa_avg_fn` for lists of Tensors, of which it changes the first."""
    return _for_all(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are means of the model's, one for each `update_parameters(model)`.

    `avg_fn(own, new, count)` gives another average of two arrays, such as `get_ema_avg_fn`'s;
    `multi_avg_fn(owns, news, count)` changes lists of Tensors. The first update copies. Buffers are copied,
    or averaged too with `use_buffers`, but for whole numbers. An update may stand inside a compiled step.
    `fit(ema=)` and `fit(swa=)` average without a second model.
    Sources: Polyak and Juditsky, 1992; Izmailov et al., 2018.

    >>> from clearprop import nn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> mean = AveragedModel(model)
    >>> for w in (1.0, 2.0, 6.0):
    ...     assign(model.weight, np.full((1, 1), w, np.float32))
    ...     mean.update_parameters(model)
    >>> mean.module.weight.item(), int(mean.n_averaged.value)
    (3.0, 3)
    """

    def __init__(
        self,
        model: Module,
        avg_fn: Averaging | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        self.module: Module = copy.deepcopy(model)
        self.register_buffer("n_averaged", np.array(0))
        self.avg_fn: Averaging | None = avg_fn
        self.multi_avg_fn: Callable[..., None] | None = multi_avg_fn
        self.use_buffers: bool = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the model computes, with the averages."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the averages."""
        self._refuse_others(model)
        averaged: _Pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        copied: _Pairs = []
        for own, new in zip(self.module.buffers(), model.buffers(), strict=True):
            kept = averaged if self.use_buffers and own.dtype.kind in "fc" else copied
            kept.append((own, new))
        with no_grad():
            self._average(averaged)
            for goal, source in copied:
                assign(goal, copy_of(source))
            assign(self.n_averaged, read(self.n_averaged) + 1)

    def _average(self, pairs: _Pairs) -> None:
        count = read_number(self.n_averaged)
        if self.multi_avg_fn is not None:
            self.multi_avg_fn([own for own, _ in pairs], [new for _, new in pairs], count)
            means = [read(own) for own, _ in pairs]
        else:
            average = self.avg_fn or get_swa_avg_fn()
            means = [average(read(own), read(new), count) for own, new in pairs]
        for (own, new), mean in zip(pairs, means, strict=True):
            first = np.where(count == 0, read(new), mean)  # the first time it is a copy, to the last bit
            assign(own, first.astype(own.dtype))

    def _refuse_others(self, model: Module) -> None:
        own, new = _held(self.module), _held(model)
        if [t.shape for t in own] == [t.shape for t in new]:
            return
        called, wanted = "AveragedModel.update_parameters(model)", "wants a model like the one it copied"
        got = ", ".join(map(describe, new[:4])) + (", ..." if len(new) > 4 else "")
        raise ValueError(lesson(called, wanted, got, "Nothing was changed.", "AveragedModel(model)"))


def _held(model: Module) -> list[Tensor]:
    """Return the Tensors of a model: its parameters, then its buffers."""
    return [*model.parameters(), *model.buffers()]


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Compute the running statistics of batch normalisations anew, as means over all of a loader's batches.

    A batch is the model's input, or a tuple or list that begins with it.
    """
    norms = [m for m in model.modules() if getattr(m, "running_mean", None) is not None]
    momenta = [(m, m.momentum) for m in norms]
    modes = [(m, m.training) for m in model.modules()]
    try:
        for m in norms:
            m.reset_running_stats()
            m.momentum = None
        model.train()
        with no_grad():
            for batch in loader if norms else ():
                model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for m, momentum in momenta:
            m.momentum = momentum
        for m, training in modes:
            m.training = training


def _for_all(average: Averaging) -> Callable[..., None]:
    def update(own: Sequence[Tensor], new: Sequence[Tensor], count: Any) -> None:
        for a, b in zip(own, new, strict=True):
            assign(a, average(read(a), read(b), count).astype(a.dtype))

    return update


def _decay(called: str, decay: Any) -> float:
    if not isinstance(decay, (int, float, np.floating)) or not 0 <= decay <= 1:
        raise ValueError(lesson(called, "wants a number from 0 to 1", repr(decay), hint="0.999"))
    return float(decay)
