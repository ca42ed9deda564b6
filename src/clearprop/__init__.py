"""clearprop: backpropagation in the clear. Every gradient can be seen, checked and trusted."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from typing import Any

from clearprop import hints, loops, ops, tree
from clearprop.backward import backward
from clearprop.define import define, elementwise
from clearprop.errors import GradientError
from clearprop.facts import Facts
from clearprop.graph import is_tree, topological_order
from clearprop.leaves import asarray, from_numpy
from clearprop.modes import no_grad
from clearprop.op import Op
from clearprop.orders import count_orders, is_topological
from clearprop.record import assign
from clearprop.registry import ops as _ops
from clearprop.tensor import Tensor
from clearprop.transforms import (
    checkpoint,
    custom_rule,
    elementwise_grad,
    fvp,
    gnvp,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    laplacian,
    linearize,
    sparse_jacobian,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)

__version__ = "0.1.0"

# Subpackages and the names taken from them are imported when they are first asked for: `import clearprop`
# stays cheap.
_SUBPACKAGES = (
    "nn",
    "optim",
    "data",
    "train",
    "see",
    "check",
    "diagnosis",
    "homework",
    "compiler",
    "parallel",
    "lecture",
    "interop",
    "shipping",
    "cli",
    "testing",
)
_NAMESPACES = (
    "numpy",
    "scipy",
)  # known by attribute too; a `*` brings none, for it would hide packages of these names
_MOVED = {"lecture": "clearprop.typed.lecture"}  # subpackages that are known by a shorter name
_LATER = {
    "split": "clearprop.ops.shape",
    "manual_seed": "clearprop.ops.random",
    "get_rng_state": "clearprop.ops.random",
    "set_rng_state": "clearprop.ops.random",
    "scan": "clearprop.loops",
    "fori_loop": "clearprop.loops",
    "while_loop": "clearprop.loops",
    "cond": "clearprop.loops",
    "numerical_grad": "clearprop.check",
    "gradcheck": "clearprop.check",
    "kinks": "clearprop.check",
    "draw": "clearprop.see",
    "trace": "clearprop.see",
    "explain": "clearprop.see",
    "formula": "clearprop.see",
    "derivative": "clearprop.see",
    "summary": "clearprop.see",
    "watch": "clearprop.check",
    "keep_lines": "clearprop.lines",
    "doctor": "clearprop.diagnosis",
    "trust": "clearprop.check",
    "check_node": "clearprop.homework",
    "check_model": "clearprop.check",
    "taylor_check": "clearprop.check",
    "compile": "clearprop.compiler",
    "playground": "clearprop.play",
}


__all__ = [
    "Facts",
    "GradientError",
    "Op",
    "Tensor",
    "asarray",
    "assign",
    "backward",
    "checkpoint",
    "count_orders",
    "custom_rule",
    "define",
    "elementwise",
    "elementwise_grad",
    "from_numpy",
    "fvp",
    "gnvp",
    "grad",
    "hessian",
    "hvp",
    "is_topological",
    "is_tree",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "laplacian",
    "linearize",
    "loops",
    "no_grad",
    "ops",
    "sparse_jacobian",
    "stop_gradient",
    "topological_order",
    "tree",
    "value_and_grad",
    "vjp",
    "vmap",
]
_EAGER = tuple(__all__)
_OPS = tuple(_ops)  # those of the package itself: what is imported or defined later brings its own


# `clearprop.tensor([1.0])` is how PyTorch has it, so that it is answered like any other word from there. The
# module of that name can be imported all the same: imports look in `sys.modules`.
globals().pop("tensor")


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES or name in _NAMESPACES:
        return importlib.import_module(_MOVED.get(name, f"clearprop.{name}"))
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    if name in _ops:  # clearprop.tanh, clearprop.softmax, ...: every op by its name
        return _ops[name]
    whole = f"clearprop.{name}"  # `from clearprop import marks` asks here before it looks for the file
    plain = name.isidentifier() and not name.startswith("__")
    if plain and whole not in sys.modules and importlib.util.find_spec(whole):
        return importlib.import_module(whole)
    raise hints.unknown(__name__, name, __dir__())


def __dir__() -> list[str]:
    return sorted({*_EAGER, *_SUBPACKAGES, *_NAMESPACES, *_LATER, *_OPS, "__version__"})


# What `from clearprop import *` brings: all of them but the ops that would hide a function of Python's own.
__all__ += sorted({*_SUBPACKAGES, *_LATER} | (set(_OPS) - set(dir(builtins))))
