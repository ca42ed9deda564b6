"""`torch.nn.utils.parametrize`: a weight computed from others at each use, in PyTorch's modules."""

from __future__ import annotations

from typing import TypeVar

from clearprop.nn.utils import parametrize as own
from clearprop.nn.utils.parametrize import cached
from clearprop.torch.nn.module import Module, face_parts, layer

M = TypeVar("M", bound=Module)
ParametrizationList: type[Module] = layer(own.ParametrizationList)


def seen(module: M) -> M:
    """Give what a function of the core has put into a module PyTorch's face; return the module."""
    face_parts(module.__dict__)
    for part in module.children():
        face_parts(part.__dict__)
    return module


def register_parametrization(
    module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> M:
    """Let `parametrization(original)` stand for a parameter or buffer of a module; return the module.

    All that is said of `clearprop.nn.utils.parametrize` holds: `right_inverse`, several in a row, the names
    in the state dict. Raises ValueError for a name that the module lacks and a result that does not fit.

    >>> import clearprop.torch as torch
    >>> class Positive(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.abs()
    >>> layer = register_parametrization(torch.nn.Linear(2, 2), "weight", Positive())
    >>> bool((layer.weight >= 0).all()), is_parametrized(layer)
    (True, True)
    """
    own.register_parametrization(module.twin(), tensor_name, parametrization, unsafe=unsafe)
    return seen(module)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Tell whether a module has parametrizations, or one of this tensor."""
    return own.is_parametrized(module.twin(), tensor_name)


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a parametrized tensor a parameter again, as it was computed or as its original is."""
    own.remove_parametrizations(module.twin(), tensor_name, leave_parametrized)
    return module


__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]
