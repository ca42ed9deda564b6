"""How ours is compared with PyTorch's: values, gradients, gradients of gradients, state."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop import Tensor, compile, nn


@dataclass
class Row:
    """One name: ours and theirs, and the inputs; the floating-point arrays among these get gradients.

    Both are made from `args` and `options` and called with `inputs` where they are modules, and called with
    all three where they are functions. A module of ours takes over the state of theirs. With `build`, both
    are what that makes of a namespace: `build(clearprop.nn)` and `build(torch.nn)`.
    """

    name: str
    ours: Callable[..., Any]
    theirs: str  # the path below `torch`
    inputs: tuple[Any, ...]
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    evaluate: bool = False
    second: bool = True
    fixed: tuple[int, ...] = ()  # floating-point inputs that get no gradient: targets, say
    rtol: float = 1e-9
    build: Callable[[Any], Any] | None = None
    moved: bool = True  # theirs begins with biases and scales that differ from 0 and 1
    covers: str = ""  # the name that is compared, where that is not `theirs`

    def __str__(self) -> str:
        return self.name

    @property
    def called(self) -> str:
        """What this compares, as PyTorch names it."""
        return self.covers or self.theirs

    def agree(self, executor: str = "") -> None:
        """Assert that ours and PyTorch's give the same in float64."""
        agree(self, np.float64, executor)


class Ours:
    """What the comparison asks of this library."""

    def made(self, row: Row, dtype: Any, state: Any) -> tuple[Any, list[Any]]:
        if not row.build and not (isinstance(row.ours, type) and issubclass(row.ours, nn.Module)):
            return (lambda *xs: row.ours(*xs, *row.args, **row.options)), []
        module = row.build(nn) if row.build else row.ours(*row.args, **row.options)
        if module.unmade:
            module(*[x.astype(np.float32) for x in row.inputs])
        module.to(dtype).load_state_dict(state)
        module.train(not row.evaluate)
        return module, list(module.parameters())

    def tensor(self, x: np.ndarray, wanted: bool) -> Any:
        return Tensor(x, requires_grad=True) if wanted else x

    def wants(self, t: Any) -> bool:
        return isinstance(t, Tensor) and t.requires_grad

    def array(self, t: Any) -> np.ndarray:
        return np.asarray(t._value if isinstance(t, Tensor) else t)

    def gradients(self, loss: Any, wanted: list[Any], again: bool) -> list[Any]:
        for t in wanted:
            t.grad = None
        loss.backward(create_graph=again)
        return [t.grad for t in wanted]


class Theirs:
    """What the comparison asks of PyTorch."""

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def twice_differentiable(self) -> AbstractContextManager[None]:
        """Return what makes PyTorch's attention a formula: its fused one has no second derivative."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        return sdpa_kernel(SDPBackend.MATH)

    def given(self, x: Any) -> Any:
        if isinstance(x, (tuple, list)):
            return type(x)(map(self.given, x))
        return self.torch.tensor(x) if isinstance(x, (np.ndarray, np.generic)) else x

    def made(self, row: Row, dtype: Any, state: Any) -> tuple[Any, list[Any]]:
        make: Any = self.torch
        for name in row.theirs.split("."):
            make = getattr(make, name)
        args, options = self.given(row.args), {k: self.given(v) for k, v in row.options.items()}
        if not row.build and not (isinstance(make, type) and issubclass(make, self.torch.nn.Module)):
            return (lambda *xs: make(*xs, *args, **options)), []
        module = row.build(self.torch.nn) if row.build else make(*args, **options)
        if row.theirs.startswith("nn.Lazy"):  # both learn their sizes from a call
            module(*[self.torch.tensor(x, dtype=self.torch.float32) for x in row.inputs])
        module = module.to(getattr(self.torch, np.dtype(dtype).name))
        module.train(not row.evaluate)
        with self.torch.no_grad():
            for k, p in enumerate(module.parameters() if row.moved else ()):
                p += (
                    self.torch.linspace(-0.3, 0.4, p.numel(), dtype=p.dtype).reshape(p.shape)
                    * (k % 3 + 1)
                    / 3
                )
        state.update({name: t.numpy().copy() for name, t in module.state_dict().items()})
        return module, list(module.parameters())

    def tensor(self, x: np.ndarray, wanted: bool) -> Any:
        return self.torch.tensor(x).requires_grad_(wanted)

    def wants(self, t: Any) -> bool:
        return isinstance(t, self.torch.Tensor) and t.requires_grad

    def array(self, t: Any) -> np.ndarray:
        return t if isinstance(t, np.ndarray) else t.detach().numpy(force=True)

    def gradients(self, loss: Any, wanted: list[Any], again: bool) -> list[Any]:
        return list(self.torch.autograd.grad(loss, wanted, create_graph=again, allow_unused=True))


def measured(side: Any, row: Row, call: Any, parameters: list[Any], tensors: list[Any]) -> list[list[Any]]:
    """Return the values, the gradients, and the gradients of a sum of these."""
    results = leaves(call(*tensors))
    wanted = [*(t for t in tensors if side.wants(t)), *parameters]
    found: list[list[Any]] = [results, [], []]
    if any(map(side.wants, results)) and wanted:
        found[1] = side.gradients(weighted(side, row, results, results), wanted, row.second)
        if row.second and any(map(side.wants, found[1])):
            found[2] = side.gradients(weighted(side, row, found[1], wanted), wanted, False)
    for k in (1, 2):
        found[k] = [g if g is not None else np.zeros(t.shape) for g, t in zip(found[k], wanted, strict=False)]
    return found


def weighted(side: Any, row: Row, tensors: list[Any], like: list[Any]) -> Any:
    """Return a number that depends on every entry that has a gradient, differently on each."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    total: Any = 0
    for t, shape in zip(tensors, (tuple(x.shape) for x in like), strict=True):
        weights = rng.uniform(0.5, 1.5, shape)
        if side.wants(t):
            total = total + (t * side.tensor(weights.astype(side.array(t).dtype), False)).sum()
    return total


def leaves(result: Any) -> list[Any]:
    """Return the arrays of a nested result, in order."""
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in leaves(part)]
    return [result] if hasattr(result, "shape") else []


def run(
    side: Any, row: Row, dtype: Any, state: dict[str, Any], executor: str = ""
) -> tuple[list[list[Any]], Any]:
    """Return what `measured` finds, as arrays, and the module's state after it."""
    call, parameters = side.made(row, dtype, state)
    arrays = [np.asarray(x, dtype) if _float(x) else x for x in row.inputs]

    def step(*given: Any) -> Any:
        tensors = [
            side.tensor(x, _float(x) and k not in row.fixed) if isinstance(x, np.ndarray) else x
            for k, x in enumerate(given)
        ]
        return measured(side, row, call, parameters, tensors)

    found = compile(step, executor=executor)(*arrays) if executor else step(*arrays)
    after = {} if not parameters and not state else call.state_dict()
    return [[side.array(t) for t in part] for part in found], after


def _float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def agree(row: Row, dtype: Any = np.float64, executor: str = "") -> None:
    """Assert that ours and theirs give the same."""
    state: dict[str, Any] = {}
    with Theirs().twice_differentiable():
        theirs, their_state = run(Theirs(), row, dtype, state)
    ours, our_state = run(Ours(), row, dtype, state, executor)
    rtol = row.rtol if dtype == np.float64 else max(row.rtol, 2e-5)
    for what, mine, other in zip(
        ("values", "gradients", "gradients of gradients"), ours, theirs, strict=True
    ):
        if what == "gradients of gradients" and not mine:  # a function that is straight: PyTorch may say 0
            assert not any(np.any(b) for b in other), what
            continue
        if what == "gradients of gradients" and not other:
            assert not any(np.any(a) for a in mine), what
            continue
        assert len(mine) == len(other), (what, len(mine), len(other))
        for a, b in zip(mine, other, strict=True):
            assert a.shape == b.shape, (what, a.shape, b.shape)
            assert what != "values" or a.dtype == b.dtype, (what, a.dtype, b.dtype)
            # What cancels keeps the rounding of the cotangents, which are about 1.
            scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.01) if b.dtype.kind == "f" else 0
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale, err_msg=what)
    assert list(our_state) == list(their_state)
    for name, value in their_state.items():
        np.testing.assert_allclose(our_state[name], value.numpy(), rtol=rtol, atol=rtol, err_msg=name)
