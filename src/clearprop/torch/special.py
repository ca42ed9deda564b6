"""`torch.special`: functions that have other names in `torch`, too, and those that SciPy computes."""

from __future__ import annotations

from typing import Any

from clearprop.errors import lesson
from clearprop.torch.answering import answering, tensors_of
from clearprop.torch.names import FUNCTIONS
from clearprop.torch.seldom import COMPUTED
from clearprop.torch.tensors import nearest

_ASKED: dict[str, Any] = {}
_THERE = {"expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma"}
_SAME = [
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expm1",
    "log1p",
    "logit",
    "sinc",
    "i0",
    "xlogy",
    "logsumexp",
    "softmax",
    "log_softmax",
    "digamma",
    "round",
]


def __getattr__(name: str) -> Any:
    if name in _ASKED:
        return _ASKED[name]
    if name in _THERE or name in _SAME:
        own = _THERE.get(name, name)
        return _ASKED.setdefault(name, answering(f"torch.special.{name}", FUNCTIONS[own], tensors_of(own)))
    if name in COMPUTED:
        tensors = 0 if name in ("polygamma", "xlog1py", "zeta") else tensors_of(name)
        return _ASKED.setdefault(name, answering(f"torch.special.{name}", COMPUTED[name], tensors))
    hint = nearest(name, [*_THERE, *_SAME, *COMPUTED])
    raise AttributeError(lesson(f"torch.special.{name}", "there is no such function", hint=hint))


def __dir__() -> list[str]:
    return sorted({*globals(), *_THERE, *_SAME, *COMPUTED})
