"""Random tensors: PyTorch's names over the one seeded generator of clearprop, which draws other numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.ops import random as source
from clearprop.torch import cells, dtypes
from clearprop.torch.making import made
from clearprop.torch.names import FUNCTIONS, METHODS, PLAIN, function, method, plain
from clearprop.torch.shaping import lengths
from clearprop.torch.tensors import Tensor, cast, lift, raw


class Generator:
    """A generator of its own: `torch.randn(3, generator=torch.Generator().manual_seed(0))`.

    >>> import clearprop.torch as torch
    >>> same = [torch.rand(3, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    >>> torch.equal(*same)
    True
    """

    def __init__(self, device: Any = None) -> None:
        dtypes.here(device)
        self._seed = 67280421310721
        self.manual_seed(self._seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from a seed; return the generator."""
        self._seed = seed
        with kept() as before:
            source.manual_seed(seed)
            self.state: Any = before.now()
        return self

    def initial_seed(self) -> int:
        """Return the seed."""
        return self._seed

    def get_state(self) -> Tensor:
        """Return the state, for `set_state`."""
        return lift(np.asarray(self.state).view(np.int64))

    def set_state(self, state: Tensor) -> Generator:
        """Go on from a state."""
        self.state = state.node._value.view(np.uint64)
        return self


class _State:
    now = staticmethod(source.get_rng_state)


@contextmanager
def kept() -> Iterator[_State]:
    """Put the global generator back, afterwards, to where it was."""
    before = source.get_rng_state()
    try:
        yield _State()
    finally:
        source.set_rng_state(before)


@contextmanager
def drawing_from(generator: Any) -> Iterator[None]:
    """Draw from a generator of one's own inside the block, from the global one for None and for itself."""
    if not isinstance(generator, Generator):
        yield
        return
    with kept() as state:
        source.set_rng_state(generator.state)
        yield
        generator.state = state.now()


@plain
def manual_seed(seed: int) -> Any:
    """Start the global generator anew; return it."""
    source.manual_seed(int(seed) % (1 << 63))
    default_generator._seed = int(seed)
    return default_generator


@plain
def seed() -> int:
    """Start the global generator from a number that nobody knows; return that."""
    chosen = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
    manual_seed(chosen)
    return chosen


@plain
def get_rng_state() -> Tensor:
    """Return the global generator's state, for `set_rng_state`."""
    return lift(np.asarray(source.get_rng_state()).view(np.int64))


@plain
def set_rng_state(new_state: Tensor) -> None:
    """Go on from a state."""
    source.set_rng_state(new_state.node._value.view(np.uint64))


class _Global:
    """The global generator, which `torch.manual_seed` returns."""

    _seed: int = 67280421310721
    manual_seed: Any = staticmethod(manual_seed)
    get_state: Any = staticmethod(get_rng_state)
    set_state: Any = staticmethod(set_rng_state)


default_generator: _Global = _Global()


def uniform(shape: tuple[int, ...], generator: Any = None, dtype: Any = np.float64) -> Any:
    """Return numbers in [0, 1) as an array, or a node while a step is being recorded."""
    with drawing_from(generator):
        return source.uniform(shape, dtype=dtype)


def normal_numbers(shape: tuple[int, ...], generator: Any = None) -> Any:
    """Return normally distributed numbers as a node."""
    with drawing_from(generator):
        return source.normal(shape)


def _creation(draw: Any) -> Any:
    def creation(
        *size: Any,
        generator: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **how: Any,
    ) -> Tensor:
        dtypes.here(device)
        shape = lengths((how["size"],) if "size" in how else size)
        found: Tensor = lift(
            cast(draw(shape, generator), dtypes.default() if dtype is None else dtypes.numpy_dtype(dtype))
        )
        return found.requires_grad_() if requires_grad else found

    return creation


def _alike(name: str) -> Any:
    return lambda x, *args, dtype=None, **how: PLAIN[name](
        *args, tuple(x.shape), dtype=dtype or x.dtype, **how
    )


PLAIN["rand"], PLAIN["randn"] = _creation(uniform), _creation(normal_numbers)
FUNCTIONS["rand_like"], FUNCTIONS["randn_like"], FUNCTIONS["randint_like"] = map(
    _alike, ("rand", "randn", "randint")
)


@plain
def randint(
    *args: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **named: Any,
) -> Tensor:
    """Return whole numbers from `low` (or 0) to below `high`, each as likely: randint(low, high, size)."""
    low, high = named.get("low", 0), named.get("high")
    rest = list(args)
    size = named["size"] if "size" in named else rest.pop()
    if rest:
        low, high = (low, rest[0]) if len(rest) == 1 else rest
    if high is None or high <= low:
        raise RuntimeError(lesson("torch.randint(low, high, size)", "wants high above low", f"{low}, {high}"))
    numbers = np.floor(uniform(tuple(size), generator) * (high - low)) + low
    drawn = lift(cast(numbers, np.dtype(np.int64) if dtype is None else dtypes.numpy_dtype(dtype)))
    return drawn.requires_grad_() if requires_grad else drawn


@plain
def randperm(
    n: int, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return 0 to n - 1 in a random order."""
    return made(np.argsort(uniform((n,), generator)._value, kind="stable"), dtype, device, requires_grad)


@plain
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return numbers with these means and standard deviations, numbers or tensors."""
    shape = (
        tuple(size)
        if size is not None
        else np.broadcast_shapes(*(getattr(x, "shape", ()) for x in (mean, std)))
    )
    drawn = lift(
        cast(normal_numbers(tuple(shape), generator), dtypes.numpy_dtype(dtype or dtypes.get_default_dtype()))
    )
    found: Tensor = drawn * std + mean
    return found.requires_grad_() if requires_grad else found


@function
def bernoulli(x: Tensor, p: Any = None, *, generator: Any = None) -> Tensor:
    """Return 1 with the probability that each entry is (or with p), else 0."""
    share = x.node._value if p is None else p
    return lift((uniform(tuple(x.shape), generator)._value < share).astype(x.node.dtype))


@function
def multinomial(x: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Return numbers of entries, drawn with probabilities in proportion to the entries of each row."""
    weights = np.asarray(x.node._value, np.float64)
    totals = weights.sum(-1, keepdims=True)
    if not np.isfinite(weights).all() or (weights < 0).any() or (totals <= 0).any():
        wanted = "wants weights of 0 or more that are not all 0, and finite"
        raise RuntimeError(lesson("torch.multinomial(x, n)", wanted, hint="torch.softmax(logits, dim=-1)"))
    if replacement:
        edges = np.cumsum(weights / totals, -1)
        drawn = uniform((*weights.shape[:-1], num_samples), generator)._value
        places = (drawn[..., None] >= edges[..., None, :-1]).sum(-1)
        return made(places)
    if num_samples > (weights > 0).sum(-1).min():
        wanted = "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        raise RuntimeError(
            lesson("torch.multinomial(x, n)", wanted, f"{num_samples}", hint="replacement=True")
        )
    with np.errstate(divide="ignore"):  # the first of waiting times with these rates: the order of a draw
        times = -np.log1p(-uniform(weights.shape, generator)._value) / weights
    return made(np.argsort(np.where(weights > 0, times, np.inf), -1, kind="stable")[..., :num_samples])


def _rewritten(draw: Any) -> Any:
    def in_place(x: Tensor, *args: Any, generator: Any = None, **how: Any) -> Tensor:
        array = draw(uniform, tuple(x.shape), generator, *args, **how)
        return x.write(cells.leaf(np.asarray(array).astype(x.node.dtype)), "a random draw in place")

    return in_place


def _between(u: Any, shape: Any, generator: Any, a: float = 0.0, b: float = 1.0, **named: float) -> Any:
    a, b = named.pop("from", a), named.pop("to", b)
    _refuse_others("t.uniform_(a, b)", named)
    if not a <= b:
        raise RuntimeError(lesson("t.uniform_(a, b)", "wants an a of at most b", f"{a}, {b}"))
    return u(shape, generator)._value * (b - a) + a


def _normal(u: Any, shape: Any, generator: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    return normal_numbers(shape, generator)._value * std + mean


def _exponential(u: Any, shape: Any, generator: Any, lambd: float = 1.0) -> Any:
    if not lambd > 0:
        raise RuntimeError(lesson("t.exponential_(lambd)", "wants a rate above 0", f"{lambd}"))
    return -np.log1p(-u(shape, generator)._value) / lambd


def _coins(u: Any, shape: Any, generator: Any, p: Any = 0.5) -> Any:
    return u(shape, generator)._value < raw(p)


def _refuse_others(called: str, named: dict[str, Any]) -> None:
    if named:
        raise TypeError(lesson(called, "got an unexpected keyword argument", ", ".join(named)))


METHODS["uniform_"], METHODS["normal_"] = _rewritten(_between), _rewritten(_normal)
METHODS["exponential_"], METHODS["bernoulli_"] = _rewritten(_exponential), _rewritten(_coins)


@method
def random_(x: Tensor, *ends: int, generator: Any = None, **named: int) -> Tensor:
    """Write whole numbers from the first end (or 0) to below the second, each as likely.

    Without an end they are all that the dtype holds, of floats those that it holds exactly.
    """
    kind = x.node.dtype
    given = dict(zip(("from", "to") if len(ends) > 1 else ("to",), ends, strict=False)) | named
    low, high = given.pop("from", 0), given.pop("to", None)
    _refuse_others("t.random_(low, high)", given)
    if high is None:
        high = (
            1 << (np.finfo(kind).nmant + 1)
            if kind.kind == "f"
            else 2
            if kind.kind == "b"
            else np.iinfo(kind).max
        )
    if low >= high:
        raise RuntimeError(lesson("t.random_(low, high)", "wants low below high", f"{low}, {high}"))
    numbers = np.floor(uniform(tuple(x.shape), generator)._value * float(high - low)) + low
    return x.write(cells.leaf(np.asarray(numbers).astype(kind)), "a random draw in place")


@method
def share_memory_(x: Tensor) -> Tensor:
    """Return the tensor: there are no other processes."""
    return x


@function
def poisson(x: Tensor, *, generator: Any = None) -> Tensor:
    """Return numbers of events where so many are expected, drawn by NumPy from a seed of the generator.

    Raises RuntimeError for a rate below 0.
    """
    rates = np.asarray(x.node._value)
    if not (rates >= 0).all():
        raise RuntimeError(lesson("torch.poisson(x)", "wants rates of 0 or more", f"{rates.min()}"))
    seed = (uniform((2,), generator)._value * 2.0**53).astype(np.uint64)
    return made(np.random.default_rng(seed).poisson(rates).astype(rates.dtype))


@plain
def initial_seed() -> int:
    """Return the seed that the generator was started from last."""
    return default_generator._seed
