"""ONNX both ways: `save_onnx` writes what a function computes, `load_onnx` reads a Module that trains."""

from clearprop.interop.onnx.reading import OnnxModel, load_onnx
from clearprop.interop.onnx.writing import save_onnx

__all__ = ["OnnxModel", "load_onnx", "save_onnx"]
