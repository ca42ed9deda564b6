"""A Program printed as a plain NumPy file, which needs no clearprop; no executor runs it."""

from clearprop.compiler.engines.plain.file import NumpyFile, numpy_file

__all__ = ["NumpyFile", "numpy_file"]
