"""`torch.nn.functional`: the functions of `clearprop.nn.functional` on tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from clearprop.errors import lesson
from clearprop.nn import functional as own
from clearprop.refusal import form, shown
from clearprop.torch.answering import REFUSALS, tell
from clearprop.torch.names import FUNCTIONS
from clearprop.torch.nn.places import in_own_words, placed, tensors_before
from clearprop.torch.tensors import nearest, through

# The functions whose results PyTorch prints another name for, as in `grad_fn=<NllLossBackward0>`.
_MAKERS = {"cross_entropy": "nll_loss", "linear": "addmm", "conv2d": "convolution", "conv1d": "convolution"}


def _of_tensors(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of ours on tensors, called by PyTorch's keywords: `input=`, `inplace=` and others."""
    computing = through(f, _MAKERS.get(name, name))
    parameters = [*inspect.signature(f).parameters]
    tensors = tensors_before(name)

    @functools.wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            return answered(args, kwargs)
        except REFUSALS as error:
            given = [*map(shown, args), *(f"{word}={shown(x)}" for word, x in kwargs.items())]
            tell(f"F.{name}({', '.join(given)})", form(f, f"F.{name}"), args, error)
            raise

    def answered(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not kwargs and len(args) <= tensors:
            return computing(*args)
        args = placed(name, args, kwargs)
        writes = kwargs.pop("inplace", False)
        in_own_words(parameters, kwargs)
        found = computing(*args, **kwargs)
        x = args[0] if args else kwargs[parameters[0]]
        return x.write(found.node, f"F.{name}(inplace=True)") if writes else found

    return function


KNOWN = {name: _of_tensors(name, getattr(own, name)) for name in own.__all__}
KNOWN["relu_"] = functools.partial(KNOWN["relu"], inplace=True)


def _softmaxed(name: str) -> Callable[..., Any]:
    """Return softmax or its logarithm, with PyTorch's names of the arguments."""

    def function(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
        if dim is None:
            wanted = "an axis is no longer guessed"
            raise TypeError(lesson(f"F.{name}(x)", wanted, hint=f"F.{name}(x, dim=-1)"))
        return FUNCTIONS[name](input, dim, dtype)

    return function


KNOWN["softmax"], KNOWN["log_softmax"] = _softmaxed("softmax"), _softmaxed("log_softmax")


def __getattr__(name: str) -> Any:
    if name in KNOWN:
        return KNOWN[name]
    raise AttributeError(lesson(f"F.{name}", "there is no such function", hint=nearest(name, [*KNOWN])))


def __dir__() -> list[str]:
    return sorted({*globals(), *KNOWN})
