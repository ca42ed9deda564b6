"""The ops, chapter by chapter: tables of derivatives and the few rules that need more than a line."""

from clearprop.ops import (
    composed,
    elementwise,
    index,
    inverse,
    linalg,
    normal,
    order,
    random,
    reduce,
    shape,
    softmax,
)

__all__ = [
    "composed",
    "elementwise",
    "index",
    "inverse",
    "linalg",
    "normal",
    "order",
    "random",
    "reduce",
    "shape",
    "softmax",
]
