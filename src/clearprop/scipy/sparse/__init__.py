"""`scipy.sparse`: sparse matrices as constants in products with Tensors, and in systems of equations."""

from clearprop.scipy.rest import reader
from clearprop.scipy.sparse import linalg as linalg
from clearprop.scipy.sparse.products import product as product

__getattr__, __dir__ = reader("sparse", [*globals()])
