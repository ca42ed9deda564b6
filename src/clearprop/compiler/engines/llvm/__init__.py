"""The fast executor: a plan as one native function, its loops and products emitted as LLVM IR."""

from clearprop.compiler.engines.llvm.executor import Native

__all__ = ["Native"]
