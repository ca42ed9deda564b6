"""The `xla` executor: a Program as one function that JAX compiles, for processors that XLA knows."""

from clearprop.compiler.engines.xla.executor import Xla

__all__ = ["Xla"]
