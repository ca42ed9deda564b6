"""The ops, chapter by chapter: tables of derivatives and the few rules that need more than a line."""

from clearprop.ops import elementwise, index, linalg, random, reduce, shape, softmax

__all__ = ["elementwise", "index", "linalg", "random", "reduce", "shape", "softmax"]
