"""Ours beside PyTorch's, name by name."""
