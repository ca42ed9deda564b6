"""`torch.optim.swa_utils`: a model whose parameters are averages of another's over its training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from clearprop.optim import SWALR
from clearprop.torch.gradients import no_grad
from clearprop.torch.making import as_tensor
from clearprop.torch.nn.module import Module
from clearprop.torch.tensors import Tensor
from clearprop.train import get_ema_avg_fn, get_swa_avg_fn


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """Return the same as `get_ema_avg_fn` for lists of parameters, which it changes."""
    return _for_all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """Return the same as `get_swa_avg_fn` for lists of parameters, which it changes."""
    return _for_all(get_swa_avg_fn())


def _for_all(average: Callable[..., Any]) -> Callable[..., None]:
    @no_grad()
    def update(ema: Iterable[Tensor], new: Iterable[Tensor], count: Any) -> None:
        for a, b in zip(ema, new, strict=True):
            a.copy_(average(a, b, count))

    return update


class AveragedModel(Module):
    """A copy of a model whose parameters are the mean of the model's at each `update_parameters(model)`.

    `avg_fn(own, new, count)` or `multi_avg_fn(owns, news, count)` make another average, such as those of
    `get_ema_multi_avg_fn`. Buffers are copied, or with `use_buffers` averaged as well, but for
    whole numbers, which PyTorch cannot divide there.
    """

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Any = None,
        multi_avg_fn: Any = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", as_tensor(0))
        self.__dict__["_how"] = (avg_fn or get_swa_avg_fn(), multi_avg_fn, use_buffers)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the model computes, with the averages."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Any) -> None:
        """Take the model's parameters into the averages."""
        average, at_once, buffers = self.__dict__["_how"]
        pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        held = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if buffers:
            pairs += [pair for pair in held if pair[0].is_floating_point()]
            held = [pair for pair in held if not pair[0].is_floating_point()]
        count = int(self.n_averaged)
        if not count:
            held += pairs
        elif at_once is not None:
            at_once(*([p[k] for p in pairs] for k in (0, 1)), self.n_averaged)
        else:
            for a, b in pairs:
                a.copy_(average(a.detach(), b, count))
        for a, b in held:
            a.copy_(b)
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Compute the running statistics of batch normalisations anew, from all of a loader's batches."""
    norms = [m for m in model.modules() if hasattr(m, "running_mean") and m.running_mean is not None]
    before, training = [m.momentum for m in norms], model.training
    for m in norms:
        m.running_mean.zero_()
        m.running_var.fill_(1)
        m.num_batches_tracked.zero_()
        m.momentum = None
    model.train()
    for batch in loader if norms else ():
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in zip(norms, before, strict=True):
        m.momentum = momentum
    model.train(training)


__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]
