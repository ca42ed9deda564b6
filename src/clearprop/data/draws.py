"""What is drawn while a batch is made: numbers that depend on the loader's seed and the batch alone."""

from __future__ import annotations

import functools
import random
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from clearprop.data.dataset import ConcatDataset, Subset, TensorDataset

_WORDS = 4  # of 32 bits, for each generator
_MOST = 10_000  # objects that are looked at for generators


class Draws:
    """The generators that may be drawn from while a batch is made, as if each batch had its own.

    They are Python's `random`, `np.random`, clearprop's (and PyTorch's, where it is in use), and every
    generator that `roots` hold: in attributes, lists and closures, and those that their functions name.

    >>> rng = np.random.default_rng(0)
    >>> draws, before = Draws({"rng": rng}), rng.bit_generator.state
    >>> with draws.of([7, 3]):
    ...     first = rng.random(), random.random()
    >>> with draws.of([7, 3]):
    ...     first == (rng.random(), random.random())
    True
    >>> rng.bit_generator.state == before
    True
    """

    sources: list[Any]
    inside: list[Any]

    def __init__(self, *roots: Any) -> None:
        # PyTorch's comes last: it may be in use in one process alone, and moves no other's seeds.
        self.sources = [_Legacy(), _Python(random), _Clearprop(), *generators(roots), *_torchs()]
        self.inside = []

    @contextmanager
    def of(self, words: Sequence[int], goes_on: bool = False) -> Iterator[None]:
        """Let the block draw what these numbers settle; afterwards each generator is where it was before.

        With `goes_on` the block draws what would have come next in the last one.
        """
        outside = [source.state() for source in self.sources]
        if goes_on:
            self._put(self.inside)
        else:
            self._seed(words)
        try:
            yield
        finally:
            self.inside = [source.state() for source in self.sources]
            self._put(outside)

    def _put(self, states: list[Any]) -> None:
        for source, state in zip(self.sources, states, strict=True):
            source.put(state)

    def _seed(self, words: Sequence[int]) -> None:
        drawn = np.random.SeedSequence(words).generate_state(_WORDS * len(self.sources))
        for source, seeds in zip(self.sources, drawn.reshape(-1, _WORDS), strict=True):
            source.seed(seeds)


class _Legacy:
    """`np.random`, or a RandomState."""

    def __init__(self, held: Any = np.random) -> None:
        self.held = held

    def state(self) -> Any:
        return self.held.get_state(legacy=False)

    def put(self, state: Any) -> None:
        self.held.set_state(state)

    def seed(self, words: Any) -> None:
        kind = getattr(np.random, self.state()["bit_generator"])
        self.held.set_state(kind(words).state | {"has_gauss": 0, "gauss": 0.0})


class _Generator:
    """A generator of NumPy."""

    def __init__(self, held: np.random.Generator) -> None:
        self.bits = held.bit_generator

    def state(self) -> Any:
        return self.bits.state

    def put(self, state: Any) -> None:
        self.bits.state = state

    def seed(self, words: Any) -> None:
        self.bits.state = type(self.bits)(words).state


class _Python:
    """`random`, or a `random.Random`."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def state(self) -> Any:
        return self.held.getstate()

    def put(self, state: Any) -> None:
        self.held.setstate(state)

    def seed(self, words: Any) -> None:
        self.held.seed(words.tobytes())


class _Clearprop:
    """The state behind `clearprop.manual_seed`."""

    def __init__(self) -> None:
        from clearprop.ops import random as own

        self.own = own

    def state(self) -> Any:
        return self.own.get_rng_state()

    def put(self, state: Any) -> None:
        self.own.set_rng_state(state)

    def seed(self, words: Any) -> None:
        self.own.set_rng_state(np.array([words.view(np.uint64)[0], 0], np.uint64))


class _Torch:
    """A generator with PyTorch's methods."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def state(self) -> Any:
        return self.held.get_state()

    def put(self, state: Any) -> None:
        self.held.set_state(state)

    def seed(self, words: Any) -> None:
        self.held.manual_seed(int(words.view(np.uint64)[0] >> 1))


def _torchs() -> list[_Torch]:
    held = getattr(sys.modules.get("torch"), "default_generator", None)
    return [] if held is None else [_Torch(held)]


def _source(thing: Any) -> Any:
    """Return a generator as a source of draws, None for anything else."""
    if isinstance(thing, np.random.Generator):
        return _Generator(thing)
    if isinstance(thing, np.random.RandomState):
        return _Legacy(thing)
    if isinstance(thing, random.Random) and not isinstance(thing, random.SystemRandom):
        return _Python(thing)
    if isinstance(
        getattr(type(thing), "manual_seed", None), (types.FunctionType, types.MethodDescriptorType)
    ):
        return _Torch(thing) if hasattr(thing, "set_state") else None
    return None


def may_draw(dataset: Any, *functions: Callable[..., Any] | None) -> bool:
    """Tell whether making a batch may draw numbers: arrays and lists of them cannot, a person's code can.

    >>> may_draw(TensorDataset(np.arange(3))), may_draw(TensorDataset(np.arange(3)), max)
    (False, True)
    """
    if any(function is not None for function in functions):
        return True
    if type(dataset) is ConcatDataset:
        return any(may_draw(held) for held in dataset.datasets)
    if type(dataset) is Subset:
        return may_draw(dataset.dataset)
    return type(dataset) not in (TensorDataset, np.ndarray, list, tuple, range, str)


def generators(roots: Sequence[Any]) -> list[Any]:
    """Return the generators that objects hold, each once, as sources of draws, in the order of a walk."""
    waiting, seen, found = [*roots], {id(roots): roots}, []
    while waiting and len(seen) < _MOST:
        thing = waiting.pop(0)
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing  # kept, so that no other object gets its number
        source = _source(thing)
        if source is not None:
            found.append(source)
        else:
            waiting += _parts(thing)
    return found


def _parts(thing: Any) -> list[Any]:
    """Return what lies in an object, one level down."""
    if isinstance(thing, (list, tuple, set, frozenset)):
        return [*islice(thing, 1000)]
    if isinstance(thing, dict):
        return [*islice(thing.values(), 1000)]
    if isinstance(thing, functools.partial):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, types.FunctionType):
        return _of_function(thing)
    if isinstance(thing, (type, types.ModuleType, np.ndarray)) or not hasattr(thing, "__dict__"):
        return []
    functions = [f for kind in type(thing).__mro__ for f in vars(kind).values()]
    return [*vars(thing).values(), *(f for f in functions if isinstance(f, types.FunctionType))]


def _of_function(function: types.FunctionType) -> list[Any]:
    """Return what a function closes over, its defaults, and the globals of its own module that it names."""
    held = [cell.cell_contents for cell in function.__closure__ or () if not _is_empty(cell)]
    held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    named = [function.__globals__[n] for n in _names(function.__code__) if n in function.__globals__]
    near = [x for x in named if _source(x) or getattr(x, "__module__", None) == function.__module__]
    return held + near


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _names(code: types.CodeType) -> list[str]:
    """Return the names of a function and of those that are written inside it."""
    inner = [name for held in code.co_consts if isinstance(held, types.CodeType) for name in _names(held)]
    return [*code.co_names, *inner]
