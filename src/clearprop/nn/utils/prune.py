"""Weights set to 0 and kept there by a mask, as in `torch.nn.utils.prune`.

A pruned Parameter `weight` moves to `weight_orig`, a Buffer `weight_mask` says which entries stay, and
`weight` is their product at each use. Pruning again takes from what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from clearprop import structure
from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.nn.module import Buffer, Module, Parameter
from clearprop.nn.utils.parametrize import computed
from clearprop.op import describe
from clearprop.ops import random
from clearprop.record import assign
from clearprop.tensor import Tensor, raw

M = TypeVar("M", bound=Module)


class Masked:
    """What computes a pruned Tensor: the original times its mask."""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, module: Module) -> Any:
        """Return the pruned Tensor."""
        return getattr(module, self.name + "_orig") * getattr(module, self.name + "_mask")

    def put(self, module: Module, name: str, value: Any) -> None:
        """Complain: the value would not be masked."""
        hint = f"clearprop.assign(module.{name}_orig, value), or prune.remove(module, {name!r}) first"
        raise TypeError(lesson(f"{type(module).__name__}.{name} = value", "is pruned", hint=hint))


# --- which entries go ---------------------------------------------------------------------------------------
class BasePruningMethod:
    """How entries are chosen: subclasses write `compute_mask(t, default_mask)`, arrays of one shape.

    Kinds: "unstructured" ones are shown the entries that are left as a vector, "structured" and "global" ones
    the whole array. `apply(module, name, ...)` prunes with an instance made of the other arguments.
    """

    PRUNING_TYPE: ClassVar[str] = "structured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return a mask: 1 where an entry stays."""
        raise NotImplementedError(
            lesson(f"{type(self).__name__}.compute_mask", "is for the subclass to write")
        )

    def left(self, t: Any, mask: Any) -> Any:
        """Return the mask after pruning `t` further, of which `mask` has left something."""
        mask = mask.copy()
        if self.PRUNING_TYPE == "unstructured":
            stays = mask == 1
            mask[stays] = self.compute_mask(t[stays], mask[stays])
            return mask
        return mask * self.compute_mask(t, mask)

    @classmethod
    def apply(cls, module: M, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> M:
        """Prune the Tensor `name` of a module with a method of these arguments; return the module."""
        return pruned(module, name, cls(*args, **kwargs), importance_scores)


def pruned(module: M, name: str, method: BasePruningMethod, scores: Any = None) -> M:
    """Prune a module's Tensor by a method, entries being judged by `scores`, or by themselves for None."""
    called = f"prune.{type(method).__name__}.apply({type(module).__name__}, {name!r})"
    again = is_pruned(module, name)
    own = module.__dict__.get(name + "_orig" if again else name)
    if not isinstance(own, Tensor):
        known = ", ".join(k for k, v in module.__dict__.items() if isinstance(v, Tensor))
        raise ValueError(lesson(called, "wants the name of a Parameter or Buffer", f"it has {known}"))
    before = getattr(module, name + "_mask")._value if again else np.ones(own.shape, own.dtype)
    judged = own._value if scores is None else np.asarray(raw(scores))
    if judged.shape != own.shape:
        wanted = f"wants importance_scores like the Tensor, {describe(own)}"
        raise ValueError(lesson(called, wanted, describe(judged)))
    mask = np.asarray(method.left(judged, before), own.dtype)
    if again:
        assign(module.__dict__[name + "_mask"], mask)
        return module
    delattr(module, name)
    setattr(module, name + "_orig", own)
    module.register_buffer(name + "_mask", mask)
    computed(module)[name] = Masked(name)
    structure.changed()
    return module


def _number(called: str, amount: Any, size: int) -> int:
    """Return how many of `size` a number or a share is."""
    whole = isinstance(amount, (int, np.integer)) and not isinstance(amount, bool)
    if not isinstance(amount, (int, float, np.number)) or isinstance(amount, bool) or amount < 0:
        raise ValueError(lesson(called, "wants an amount of 0 or more", f"{amount!r}"))
    if amount > size if whole else amount > 1:
        raise ValueError(lesson(called, f"wants at most {size if whole else '1.0, a share'}", f"{amount}"))
    return int(amount) if whole else round(amount * size)


class NothingPruned(BasePruningMethod):
    """Nothing goes: the pruned form of a Tensor, with a mask of ones."""

    PRUNING_TYPE: ClassVar[str] = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """`amount` entries go, a number or a share of what is left, drawn from the global random state."""

    PRUNING_TYPE: ClassVar[str] = "unstructured"

    def __init__(self, amount: Any) -> None:
        self.amount = amount

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        return _without_lowest("random_unstructured(amount=)", self.amount, _drawn(t.shape), default_mask)


class L1Unstructured(RandomUnstructured):
    """The `amount` entries nearest to 0 go."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        return _without_lowest("l1_unstructured(amount=)", self.amount, np.abs(t), default_mask)


def _drawn(shape: tuple[int, ...]) -> Any:
    return random.uniform(shape).numpy()


def _without_lowest(called: str, amount: Any, judged: Any, mask: Any) -> Any:
    number = _number(called, amount, judged.size)
    mask = mask.copy()
    mask.reshape(-1)[np.argsort(judged.reshape(-1), kind="stable")[:number]] = 0
    return mask


class RandomStructured(BasePruningMethod):
    """`amount` slices along axis `dim` go, a number or a share of those that are left."""

    amount: Any
    dim: int

    def __init__(self, amount: Any, dim: int = -1) -> None:
        self.amount, self.dim = amount, dim

    def _judged(self, t: Any) -> Any:
        """Return a number for each slice: the lowest go."""
        return _drawn((t.shape[self.dim],))

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        if t.ndim < 2 or not -t.ndim <= self.dim < t.ndim:
            called = f"{type(self).__name__}(dim={self.dim})"
            raise ValueError(
                lesson(called, "wants a Tensor of two or more axes, and one of them", describe(t))
            )
        others = tuple(i for i in range(t.ndim) if i != self.dim % t.ndim)
        left = np.flatnonzero(default_mask.sum(axis=others))
        number = _number(f"{type(self).__name__}(amount=)", self.amount, len(left))
        gone = left[np.argsort(self._judged(t)[left], kind="stable")[:number]]
        mask = default_mask.copy()
        np.moveaxis(mask, self.dim, 0)[gone] = 0
        return mask


class LnStructured(RandomStructured):
    """The `amount` slices along axis `dim` with the smallest norms go; `n` is the norm's order."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _judged(self, t: Any) -> Any:
        rows = np.moveaxis(t, self.dim, 0)
        if self.n == "nuc":
            return np.linalg.norm(rows, "nuc", axis=(1, 2))
        return np.linalg.norm(rows.reshape(len(rows), -1), None if self.n == "fro" else self.n, axis=1)


class CustomFromMask(BasePruningMethod):
    """What the given mask has at 0 goes."""

    PRUNING_TYPE: ClassVar[str] = "global"

    def __init__(self, mask: Any) -> None:
        self.mask: NDArray[Any] = np.asarray(raw(mask))

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        if self.mask.shape != t.shape:
            raise ValueError(lesson("custom_from_mask(mask=)", f"wants shape {t.shape}", describe(self.mask)))
        return default_mask * self.mask.astype(default_mask.dtype)


# --- as functions -------------------------------------------------------------------------------------------
def identity(module: M, name: str) -> M:
    """Give a Tensor its pruned form with nothing pruned; return the module."""
    return NothingPruned.apply(module, name)


def random_unstructured(module: M, name: str, amount: Any) -> M:
    """Set `amount` entries (a number or a share of what is left) to 0, drawn at random; return the module."""
    return RandomUnstructured.apply(module, name, amount)


def l1_unstructured(module: M, name: str, amount: Any, importance_scores: Any = None) -> M:
    """Set the `amount` entries nearest to 0 (of the lowest scores, if given) to 0; return the module.

    >>> from clearprop import nn
    >>> layer = l1_unstructured(nn.Linear(3, 2), "weight", 2)
    >>> list(layer.state_dict()), int((layer.weight.value == 0).sum())
    (['bias', 'weight_orig', 'weight_mask'], 2)
    """
    return L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)


def random_structured(module: M, name: str, amount: Any, dim: int) -> M:
    """Set `amount` slices along axis `dim` to 0, drawn at random; return the module."""
    return RandomStructured.apply(module, name, amount, dim)


def ln_structured(module: M, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> M:
    """Set the `amount` slices along axis `dim` of the smallest norms of order `n` to 0; return the module."""
    return LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)


def custom_from_mask(module: M, name: str, mask: Any) -> M:
    """Set the entries to 0 that a mask has at 0; return the module."""
    return CustomFromMask.apply(module, name, mask)


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: Callable[..., BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Any] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several Tensors as if they were one, each of them a pair of a module and a name.

    `global_unstructured([(first, "weight"), (second, "weight")], L1Unstructured, amount=0.2)` takes the 20 %
    nearest to 0 of both, wherever they are.

    Raises TypeError for a method that is not unstructured.
    """
    places = list(parameters)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        called, got = "global_unstructured(parameters, pruning_method)", type(method).__name__
        raise TypeError(lesson(called, "wants an unstructured method", got, hint="prune.L1Unstructured"))
    owns = [m.__dict__[n + "_orig" if is_pruned(m, n) else n]._value for m, n in places]
    masks = [
        m.__dict__[n + "_mask"]._value if is_pruned(m, n) else np.ones_like(own)
        for (m, n), own in zip(places, owns, strict=True)
    ]
    given = importance_scores or {}
    judged = [np.asarray(given.get(place, own)) for place, own in zip(places, owns, strict=True)]
    mask = method.left(*(np.concatenate([x.reshape(-1) for x in xs]) for xs in (judged, masks)))
    first = 0
    for (module, name), own in zip(places, owns, strict=True):
        custom_from_mask(module, name, mask[first : first + own.size].reshape(own.shape))
        first += own.size


def is_pruned(module: Module, name: str | None = None) -> bool:
    """Tell whether a Tensor of the module, or for None of a module in it, is pruned."""
    if name is None:
        return any(
            isinstance(c, Masked) for m in module.modules() for c in m.__dict__.get("_computed", {}).values()
        )
    return isinstance(module.__dict__.get("_computed", {}).get(name), Masked)


def remove(module: M, name: str) -> M:
    """Make a pruned Tensor an ordinary one that keeps its zeros; return the module.

    Raises ValueError where it is not pruned.
    """
    if not is_pruned(module, name):
        called = f"prune.remove({type(module).__name__}, {name!r})"
        raise ValueError(lesson(called, "is not pruned"))
    with no_grad():
        value = getattr(module, name)
    own: Parameter | Buffer = module.__dict__[name + "_orig"]
    assign(own, value)
    del computed(module)[name]
    delattr(module, name + "_orig")
    delattr(module, name + "_mask")
    setattr(module, name, own)
    return module
