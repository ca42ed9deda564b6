"""Loops as ops: a body that is recorded once as a graph, and run as often as the sequence is long."""

from clearprop.loops.repeat import cond, fori_loop, while_loop
from clearprop.loops.scan import scan

__all__ = ["cond", "fori_loop", "scan", "while_loop"]
