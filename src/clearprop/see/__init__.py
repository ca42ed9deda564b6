"""Seeing a graph: drawings, steps, explanations. Readers of the graph that Tensors and Ops make."""
