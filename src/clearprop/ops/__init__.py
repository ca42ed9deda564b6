"""The ops, chapter by chapter: tables of derivatives and the few rules that need more than a line."""

from dataclasses import replace as _replace

from clearprop.facts import SILENT
from clearprop.ops import (
    attention,
    batched,
    composed,
    convolution,
    decomposition,
    domain,
    elementwise,
    exchange,
    exponential,
    index,
    integrals,
    inverse,
    keywords,
    last_layer,
    linalg,
    margins,
    matrices,
    methods,
    missing,
    normal,
    numbers,
    order,
    plain,
    plane,
    polynomials,
    random,
    rearranged,
    reduce,
    resample,
    series,
    shape,
    softmax,
    spanning,
    special,
    spectral,
    statistics,
    turning,
    window,
)
from clearprop.registry import ops as _entries

plane.enter_plane()
exchange.enter_exchange()
batched.enter_rules()
turning.enter_turning()
spanning.enter_spanning()
spectral.enter_spectral()
# These tables name all their kinks: an entry that names none has none.
_smooth = _replace(SILENT, kinks=False)
for _op in _entries.values():
    if _op.facts.kinks is None and _op.__module__.startswith(__name__):
        _op.facts = _smooth if _op.facts is SILENT else _replace(_op.facts, kinks=False)

__all__ = [
    "attention",
    "batched",
    "composed",
    "convolution",
    "decomposition",
    "domain",
    "elementwise",
    "exchange",
    "exponential",
    "index",
    "integrals",
    "inverse",
    "keywords",
    "last_layer",
    "linalg",
    "margins",
    "matrices",
    "methods",
    "missing",
    "normal",
    "numbers",
    "order",
    "plain",
    "plane",
    "polynomials",
    "random",
    "rearranged",
    "reduce",
    "resample",
    "series",
    "shape",
    "softmax",
    "spanning",
    "special",
    "spectral",
    "statistics",
    "turning",
    "window",
]
