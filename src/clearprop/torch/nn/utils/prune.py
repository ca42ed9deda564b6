"""`torch.nn.utils.prune`: weights set to 0 and kept there by a mask, for modules with PyTorch's face.

The masks, and what is pruned further, are those of `clearprop.nn.utils.prune`. A method of one's own writes
`compute_mask(t, default_mask)` with tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from clearprop.nn.utils import prune as own
from clearprop.torch.making import made
from clearprop.torch.nn.module import Module
from clearprop.torch.tensors import raw

M = TypeVar("M", bound=Module)


class BasePruningMethod(own.BasePruningMethod):
    """How entries are chosen: subclasses write `compute_mask(t, default_mask)`, tensors of one shape.

    `PRUNING_TYPE` is "unstructured", "structured" or "global"; `apply(module, name, ...)` prunes with an
    instance made of the other arguments.
    """

    def left(self, t: Any, mask: Any) -> Any:
        """Return the mask after pruning `t` further, of which `mask` has left something."""
        mask = mask.copy()
        if self.PRUNING_TYPE == "unstructured":
            stays = mask == 1
            mask[stays] = raw(self.compute_mask(made(t[stays]), made(mask[stays])))
            return mask
        return mask * raw(self.compute_mask(made(t), made(mask)))

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune the tensor `name` of a module with a method of these arguments; return the module."""
        own.pruned(module.twin(), name, cls(*args, **kwargs), raw(importance_scores))
        return module


class _OfFaces:
    """A method of the core whose modules have PyTorch's face."""

    PRUNING_TYPE: ClassVar[str]

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune the tensor `name` of a module with a method of these arguments; return the module."""
        made_with: Any = cls
        args = tuple(map(raw, args))
        method = made_with(*args, **{k: raw(v) for k, v in kwargs.items()})
        own.pruned(module.twin(), name, method, raw(importance_scores))
        return module


class Identity(_OfFaces, own.NothingPruned):
    """Nothing goes."""


class RandomUnstructured(_OfFaces, own.RandomUnstructured):
    """`amount` entries go, drawn at random."""


class L1Unstructured(_OfFaces, own.L1Unstructured):
    """The `amount` entries nearest to 0 go."""


class RandomStructured(_OfFaces, own.RandomStructured):
    """`amount` slices along axis `dim` go, drawn at random."""


class LnStructured(_OfFaces, own.LnStructured):
    """The `amount` slices along axis `dim` with the smallest norms of order `n` go."""


class CustomFromMask(_OfFaces, own.CustomFromMask):
    """What the given mask has at 0 goes."""


def identity(module: M, name: str) -> M:
    """Give a tensor its pruned form with nothing pruned; return the module."""
    return Identity.apply(module, name)


def random_unstructured(module: M, name: str, amount: Any) -> M:
    """Set `amount` entries, a number or a share of what is left, to 0; return the module."""
    return RandomUnstructured.apply(module, name, amount)


def l1_unstructured(module: M, name: str, amount: Any, importance_scores: Any = None) -> M:
    """Set the `amount` entries nearest to 0 to 0; return the module.

    >>> import clearprop.torch as torch
    >>> layer = l1_unstructured(torch.nn.Linear(3, 2), "weight", 2)
    >>> int((layer.weight == 0).sum()), [name for name, _ in layer.named_buffers()]
    (2, ['weight_mask'])
    """
    found = L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return found


def random_structured(module: M, name: str, amount: Any, dim: int) -> M:
    """Set `amount` slices along axis `dim` to 0, drawn at random; return the module."""
    return RandomStructured.apply(module, name, amount, dim)


def ln_structured(module: M, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> M:
    """Set the `amount` slices along axis `dim` of the smallest norms of order `n` to 0; return the module."""
    found = LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return found


def custom_from_mask(module: M, name: str, mask: Any) -> M:
    """Set the entries to 0 that a mask has at 0; return the module."""
    return CustomFromMask.apply(module, name, mask)


def global_unstructured(
    parameters: Iterable[tuple[Any, str]],
    pruning_method: Callable[..., Any],
    importance_scores: Any = None,
    **kwargs: Any,
) -> None:
    """Prune several tensors as if they were one, each of them a pair of a module and a name."""
    places = [(module.twin(), name) for module, name in parameters]
    given = importance_scores or {}
    scores = {twin: raw(given[face]) for twin, face in zip(places, parameters, strict=True) if face in given}
    own.global_unstructured(places, pruning_method, scores, **kwargs)


def is_pruned(module: Any) -> bool:
    """Tell whether a tensor of the module, or of one in it, is pruned."""
    return own.is_pruned(module.twin())


def remove(module: M, name: str) -> M:
    """Make a pruned tensor an ordinary parameter that keeps its zeros; return the module."""
    own.remove(module.twin(), name)
    return module
