"""`DataLoader`: a dataset in batches, in an order that can be repeated and resumed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from clearprop.data.batches import Incoming, Made, by_threads, flowing, in_turn
from clearprop.data.dataset import TensorDataset
from clearprop.data.draws import may_draw
from clearprop.data.samplers import Sampler
from clearprop.data.workforce import Workforce, is_whole
from clearprop.errors import lesson
from clearprop.examined import Examined


class DataLoader(Examined):
    """A dataset in batches: `for x, y in loader`. Each loop is one epoch.

    `dataset` is a TensorDataset, a tuple of arrays or of lists of numbers, or anything with a length and
    samples by number.
    With `shuffle` every epoch has a new order, drawn from the loader's own generator: the same `seed` gives
    the same orders, whatever else draws random numbers. `drop_last` leaves out a last smaller batch.
    `collate` turns a batch into what the loop receives.

    `sampler` gives an epoch's order: an object with `order(generator)` (`WeightedSampler`,
    `StratifiedSampler`) or numbers; `batch_sampler` gives the numbers of each batch. `collate_fn` is
    PyTorch's: a function of the list of samples. An `IterableDataset` is grouped as it comes; it has no
    length, no order and no position to go on from.

    With `workers` threads or `num_workers` processes batches are made ahead, `prefetch` for each, while the
    loop works on one; their order is kept, and an error is raised where its batch would have come, with the
    worker's own traceback. Threads are for what waits (files, a network) or runs in NumPy, processes for
    Python code. `worker_init_fn(number)`, `persistent_workers`, `timeout` in seconds, `prefetch_factor` and
    `multiprocessing_context` ("fork", "spawn", "forkserver") are PyTorch's; a process that is killed raises
    WorkerError, which names it. Each process has a copy of the dataset, and `get_worker_info()` tells it
    which one it is: an `IterableDataset` that asks takes its own share, of any other every process makes each
    `num_workers`-th batch.

    The batches are the same for any number of processes, draws included: with a `seed` (or processes) what
    a dataset or `collate` draws from `random`, `np.random`, clearprop or a generator that it holds
    depends on seed, epoch and batch alone, also after `load_state_dict`. Threads share the generators, so
    what is drawn there comes in no fixed order.

    `state_dict()` taken between two batches and loaded into a loader of the same data goes on with the very
    next batch.

    >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> loader = DataLoader((x, y), batch_size=2, shuffle=True, seed=0)
    >>> len(loader), [labels.tolist() for _, labels in loader]
    (3, [[2, 4], [3, 0], [1]])
    """

    dataset: Any
    batch_size: int
    shuffle: bool
    drop_last: bool
    collate: Callable[..., Any] | None
    collate_fn: Callable[..., Any] | None
    sampler: Sampler | Iterable[int] | None
    batch_sampler: Iterable[Sequence[int]] | None
    workers: int
    prefetch: int
    num_workers: int
    generator: np.random.Generator

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | None = None,
        generator: np.random.Generator | None = None,
        collate: Callable[[Any], Any] | None = None,
        sampler: Sampler | Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        workers: int = 0,
        prefetch: int = 2,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        worker_init_fn: Callable[[int], Any] | None = None,
        persistent_workers: bool = False,
        timeout: float = 0,
        multiprocessing_context: Any = None,
    ) -> None:
        if isinstance(dataset, tuple):
            dataset = TensorDataset(*dataset)
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.collate, self.collate_fn = collate, collate_fn
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.workers, self.num_workers = workers, num_workers
        self.prefetch = prefetch if prefetch_factor is None else prefetch_factor
        self._check()
        self._workforce = Workforce(
            num_workers, self.prefetch, worker_init_fn, persistent_workers, timeout, multiprocessing_context
        )
        self._seeded = seed is not None or generator is not None
        self.generator = _generator(seed, generator)
        self._start = self.generator.bit_generator.state  # of the generator, as the current epoch began
        self._gave = False  # whether the epoch before gave a batch of samples that come
        self._given = 0  # batches of the current epoch that were given out
        self._epoch, self._is_new = 0, True  # how many were begun before; whether the current one is not yet

    def _check(self) -> None:
        if not is_whole(self.batch_size) or self.batch_size < 1:
            raise ValueError(
                lesson("DataLoader(batch_size=)", "wants a whole number of 1 or more", f"{self.batch_size!r}")
            )
        self._check_order()
        self._check_collation()
        self._check_helpers()

    def _check_order(self) -> None:
        """Refuse what does not say one order, again in each epoch."""
        given = [
            name
            for name in ("shuffle", "sampler", "batch_sampler")
            if getattr(self, name) is not None and getattr(self, name) is not False
        ]
        if len(given) > 1:
            raise ValueError(lesson("DataLoader(...)", "wants one thing that orders", " and ".join(given)))
        if self.batch_sampler is not None and (self.drop_last or self.batch_size != 1):
            wanted, got = "wants sizes from batch_size= or from batch_sampler=", "both"
            raise ValueError(lesson("DataLoader(batch_sampler=)", wanted, got, hint="batch_sampler= alone"))
        for name in ("sampler", "batch_sampler"):
            held = getattr(self, name)
            if hasattr(held, "__next__"):
                wanted = "wants an order that can be gone through in each epoch"
                got, hint = f"a {type(held).__name__}, which ends with the first", f"{name}=list(...)"
                raise TypeError(lesson(f"DataLoader({name}=)", wanted, got, hint=hint))
            if held is not None and not (hasattr(held, "__iter__") or hasattr(held, "order")):
                wanted = "wants numbers of samples" + ", or an object with order(generator)" * (
                    name == "sampler"
                )
                raise TypeError(lesson(f"DataLoader({name}=)", wanted, f"{held!r:.60}"))
        if given and self.comes:
            wanted = "takes an IterableDataset in the order in which it comes"
            raise ValueError(lesson("DataLoader(...)", wanted, given[0]))

    def _check_collation(self) -> None:
        for name in ("collate", "collate_fn"):
            if not (getattr(self, name) is None or callable(getattr(self, name))):
                wanted = "wants a function of a batch" + "'s samples" * (name == "collate_fn")
                raise TypeError(lesson(f"DataLoader({name}=)", wanted, f"{getattr(self, name)!r:.60}"))
        if self.collate is not None and self.collate_fn is not None:
            raise ValueError(lesson("DataLoader(...)", "wants one of collate= and collate_fn=", "both"))

    def _check_helpers(self) -> None:
        """Refuse what is no number of threads, or of processes, or both."""
        counts = self.workers, self.prefetch
        if not all(map(is_whole, counts)) or self.workers < 0 or self.prefetch < 1:
            wanted, got = "wants whole numbers, 0 or more and 1 or more", f"{counts[0]!r} and {counts[1]!r}"
            raise ValueError(lesson("DataLoader(workers=, prefetch=)", wanted, got))
        if self.workers and self.num_workers:
            wanted, got = (
                "wants threads or processes",
                f"workers={self.workers}, num_workers={self.num_workers}",
            )
            raise ValueError(lesson("DataLoader(...)", wanted, got))

    @property
    def comes(self) -> bool:
        """Whether the samples come one after the other, and cannot be asked for by number."""
        return not hasattr(self.dataset, "__getitem__") and hasattr(self.dataset, "__iter__")

    def __len__(self) -> int:
        """Return the number of batches in an epoch; TypeError where it is not known beforehand."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        size = len(self.dataset)
        if self.sampler is not None:
            sized = isinstance(self.sampler, Sized)  # a list has a method of the name count
            size = len(self.sampler) if sized else int(getattr(self.sampler, "count", size))  # type: ignore[arg-type]
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)

    def __repr__(self) -> str:
        ordered = [name for name in ("sampler", "batch_sampler") if getattr(self, name) is not None]
        facts = [f"batches of {self.batch_size}"] * (self.batch_sampler is None)
        facts += ["shuffled"] * bool(self.shuffle) + [f"ordered by a {name}" for name in ordered]
        facts += ["a smaller last one left out"] * self.drop_last
        facts += [f"{self.workers} workers"] * bool(self.workers)
        facts += [f"{self.num_workers} worker processes"] * bool(self.num_workers)
        known = "" if self.comes else f"{len(self.dataset):,} samples, {len(self):,} batches, "
        return f"DataLoader({type(self.dataset).__name__}: {known}{', '.join(facts)})"

    def __iter__(self) -> Iterator[Any]:
        """Give the batches of one epoch; right after `load_state_dict`, those that were left of it."""
        given = self._given if self._is_new else 0
        self._epoch += not self._is_new
        self._is_new, self._given = False, given
        self._start = self.generator.bit_generator.state
        words = self._words()
        return self._flow(words) if self.comes else self._batches(self._indices(), given, words)

    def _words(self) -> tuple[int, ...]:
        """Return the numbers that settle an epoch's draws, () where nothing is drawn as the loader says.

        They come of a copy of the generator: the orders are the same, whether there are draws or not.
        """
        if not (self._seeded or self.num_workers):
            return ()
        if not (self.num_workers or may_draw(self.dataset, self.collate, self.collate_fn)):
            return ()
        return (*copy.deepcopy(self.generator.bit_generator).random_raw(2).tolist(), self._epoch)

    def _indices(self) -> list[Any]:
        """Return what each batch of an epoch is made of: slices, or arrays of numbers."""
        if self.batch_sampler is not None:
            return [_numbers("batch_sampler", list(batch)) for batch in self.batch_sampler]
        order: Any = None
        if self.sampler is not None:
            numbers = (
                self.sampler.order(self.generator) if hasattr(self.sampler, "order") else list(self.sampler)
            )
            order = _numbers("sampler", numbers)
        elif self.shuffle:
            order = self.generator.permutation(len(self.dataset))
        size = len(self.dataset) if order is None else len(order)
        stop = size - size % self.batch_size if self.drop_last else size
        cuts = [slice(low, min(low + self.batch_size, size)) for low in range(0, stop, self.batch_size)]
        return cuts if order is None else [order[cut] for cut in cuts]

    def _batches(self, indices: list[Any], given: int, words: tuple[int, ...]) -> Iterator[Any]:
        for number, batch in enumerate(self._made(indices, given, words), start=given + 1):
            self._given = number % len(indices)
            if not self._given:
                self._ended()
            yield batch

    def _made(self, indices: list[Any], given: int, words: tuple[int, ...]) -> Iterator[Any]:
        make = Made(self.dataset, self.collate, self.collate_fn)
        if self.workers:
            return by_threads(make, indices[given:], self.workers, self.prefetch)
        tasks = [(index, (*words, number)) for number, index in enumerate(indices)][given:]
        if self.num_workers:
            return self._workforce.batches(make, tasks, words)
        return in_turn(make, tasks) if words else (make(index) for index, _ in tasks)

    def _flow(self, words: tuple[int, ...]) -> Iterator[Any]:
        make = Incoming(self.dataset, self.batch_size, self.drop_last, self.collate, self.collate_fn)
        if self.num_workers:
            batches = self._workforce.stream(make, words)
        else:
            batches = flowing(make, words) if words else iter(make)
        gave = False
        for batch in batches:
            gave = True
            yield batch
        if self._gave and not gave:
            wanted = f"wants a {type(self.dataset).__name__} that can be gone through again"
            where = "What one iterator has given is gone: every later epoch is empty."
            hint = "a class whose __iter__ opens the source anew, or list(...)"
            raise ValueError(lesson("DataLoader, next epoch", wanted, "no batch came", where, hint))
        self._gave = gave
        self._ended()

    def _ended(self) -> None:
        self._start, self._epoch, self._is_new = self.generator.bit_generator.state, self._epoch + 1, True

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state as this epoch began and how many of its batches were given out."""
        return {"generator": self._start, "given": self._given, "epoch": self._epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state dict was taken: the next loop starts with the next batch."""
        self.generator.bit_generator.state = state["generator"]
        self._start, self._given, self._is_new = state["generator"], state["given"], True
        self._epoch = state.get("epoch", 0)  # files of before each batch had draws of its own lack it


def _generator(seed: Any, given: Any) -> np.random.Generator:
    """Return the generator of a loader's orders; complain about what is none."""
    if seed is not None and given is not None:
        raise ValueError(lesson("DataLoader(...)", "wants one of seed= and generator=", "both"))
    if given is not None and not isinstance(given, np.random.Generator):
        wanted, hint = "wants a generator of NumPy", "generator=np.random.default_rng(0)"
        raise TypeError(lesson("DataLoader(generator=)", wanted, f"{given!r:.60}", hint=hint))
    try:
        return given if given is not None else np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(
            lesson("DataLoader(seed=)", "wants whole numbers of 0 or more", repr(seed))
        ) from None


def _numbers(name: str, given: Any) -> Any:
    """Return the numbers of samples that a sampler gave; complain about fractions and truth values."""
    numbers = np.asarray(given)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        got = f"{numbers.dtype} of shape {numbers.shape}"
        raise TypeError(lesson(f"DataLoader({name}=)", "wants the whole numbers of samples", got))
    return numbers.astype(np.intp)
