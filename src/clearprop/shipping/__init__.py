"""What leaves the house: a trained model as a file for programs that have no clearprop."""

from clearprop.shipping.native import native_object, save_object
from clearprop.shipping.python import numpy_module, save_numpy
from clearprop.shipping.table import save_table, table_module
from clearprop.shipping.table_onnx import save_table_onnx

__all__ = [
    "native_object",
    "numpy_module",
    "save_numpy",
    "save_object",
    "save_table",
    "save_table_onnx",
    "table_module",
]
