"""Seeing a graph: drawings, steps, explanations. Readers of the graph that Tensors and Ops make."""

from clearprop.see.drawing import Drawing, draw

__all__ = ["Drawing", "draw"]
