"""`torch.utils.data`: datasets and loaders that give tensors, over clearprop's loader."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from clearprop.data.batches import Incoming
from clearprop.data.workers import get_worker_info
from clearprop.data.workforce import Workforce
from clearprop.errors import lesson
from clearprop.ops.random import get_rng_state
from clearprop.torch import chance
from clearprop.torch.making import from_numpy, made, tensor
from clearprop.torch.shaping import stack
from clearprop.torch.tensors import Tensor


class Dataset:
    """Samples by number: write `__len__` and `__getitem__`.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> [batch.tolist() for batch in DataLoader(Squares(), batch_size=2)]
    [[0, 1], [4]]
    """

    def __class_getitem__(cls, item: Any) -> Any:
        return cls

    def __getitem__(self, index: Any) -> Any:
        wanted = "has no samples yet"
        raise NotImplementedError(
            lesson(f"{type(self).__name__}[i]", wanted, hint="def __getitem__(self, i): ...")
        )

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Samples in the order of `__iter__`.

    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> [batch.tolist() for batch in DataLoader(Countdown(), batch_size=2)]
    [[3, 2], [1]]
    """


class TensorDataset(Dataset):
    """Tensors of one length, sample by sample.

    >>> import clearprop.torch as torch
    >>> TensorDataset(torch.tensor([1.0, 2.0]), torch.tensor([0, 1]))[1]
    (tensor(2.), tensor(1))
    """

    def __init__(self, *tensors: Any) -> None:
        if len({len(t) for t in tensors}) > 1:
            got = ", ".join(str(tuple(t.shape)) for t in tensors)
            raise AssertionError(lesson("TensorDataset(*tensors)", "Size mismatch between tensors", got))
        self.tensors = tensors

    def __getitem__(self, index: Any) -> Any:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """Some samples of a dataset, by their numbers there.

    >>> Subset([10, 20, 30], [2, 0])[0]
    30
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Datasets one behind the other.

    >>> ConcatDataset([[1, 2], [3]])[2]
    3
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets: list[Any] = list(datasets)
        self.cumulative_sizes: Any = np.cumsum([len(d) for d in self.datasets]).tolist()

    def __getitem__(self, index: int) -> Any:
        index = index + len(self) if index < 0 else index
        which = int(np.searchsorted(self.cumulative_sizes, index, side="right"))
        if not 0 <= index < len(self):
            raise IndexError(lesson("dataset[i]", f"wants a number below {len(self)}", f"{index}"))
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return int(self.cumulative_sizes[-1])


def random_split(dataset: Any, lengths: Sequence[Any], generator: Any = None) -> list[Subset]:
    """Return parts of these lengths, or shares that add up to 1, of the samples in a random order."""
    n = len(dataset)
    if any(isinstance(x, float) for x in lengths) and abs(sum(lengths) - 1) < 1e-9:
        whole = [int(n * share) for share in lengths]
        lengths = [size + (i < n - sum(whole)) for i, size in enumerate(whole)]
    if sum(lengths) != n:
        wanted = "Sum of input lengths does not equal the length of the input dataset"
        raise ValueError(lesson("random_split(dataset, lengths)", wanted, f"{sum(lengths)} and {n}"))
    order = chance.randperm(n, generator=generator).tolist()
    ends = np.cumsum([0, *lengths]).tolist()
    return [Subset(dataset, order[a:b]) for a, b in itertools.pairwise(ends)]


# --- in which order ---------------------------------------------------------------------------------------
class Sampler:
    """Numbers of samples in some order."""

    def __init__(self, data_source: Any = None) -> None:
        self.data_source = data_source

    def __class_getitem__(cls, item: Any) -> Any:
        return cls

    def __len__(self) -> int:
        return len(self.data_source)

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(
            lesson(type(self).__name__, "has no order yet", hint="def __iter__(self): ...")
        )


class SequentialSampler(Sampler):
    """Every sample, in order.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __iter__(self) -> Iterator[Any]:
        return iter(range(len(self.data_source)))


class RandomSampler(Sampler):
    """Every sample in a random order, or `num_samples` drawn with replacement.

    >>> sorted(RandomSampler("abc"))
    [0, 1, 2]
    """

    replacement: bool
    count: int
    generator: Any

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        super().__init__(data_source)
        self.replacement, self.count, self.generator = replacement, num_samples or len(data_source), generator

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        n = len(self.data_source)
        if self.replacement:
            return iter(chance.randint(n, (self.count,), generator=self.generator).tolist())
        return iter(chance.randperm(n, generator=self.generator).tolist()[: self.count])


class SubsetRandomSampler(RandomSampler):
    """The given numbers in a random order.

    >>> sorted(SubsetRandomSampler([4, 2]))
    [2, 4]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        super().__init__(indices, generator=generator)

    def __iter__(self) -> Iterator[Any]:
        return (self.data_source[i] for i in super().__iter__())


class WeightedRandomSampler(Sampler):
    """Numbers drawn with probabilities in proportion to weights.

    >>> list(WeightedRandomSampler([0.0, 1.0], 3))
    [1, 1, 1]
    """

    weights: Any
    replacement: bool
    generator: Any

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        super().__init__(range(num_samples))
        self.weights, self.replacement, self.generator = tensor(weights), replacement, generator

    def __iter__(self) -> Iterator[Any]:
        return iter(
            chance.multinomial(self.weights, len(self), self.replacement, generator=self.generator).tolist()
        )


class BatchSampler(Sampler):
    """The numbers of a sampler, in lists.

    >>> list(BatchSampler(SequentialSampler("abc"), 2, drop_last=False))
    [[0, 1], [2]]
    """

    batch_size: int
    drop_last: bool

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool) -> None:
        super().__init__(sampler)
        self.batch_size, self.drop_last = batch_size, drop_last

    def __len__(self) -> int:
        n = len(self.data_source)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        batch: list[Any] = []
        for i in self.data_source:
            batch.append(i)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch


# --- batches ----------------------------------------------------------------------------------------------
def default_collate(samples: Sequence[Any]) -> Any:
    """Return samples as one batch: tensors stacked, numbers as a tensor, tuples and dicts part by part."""
    first = samples[0]
    if isinstance(first, Tensor):
        return stack(list(samples))
    if isinstance(first, (np.ndarray, np.generic)):
        return made(np.stack([np.asarray(x) for x in samples]))
    if isinstance(first, float):
        return made(np.array(samples, np.float64))
    if isinstance(first, (bool, int)):
        return made(np.array(samples))
    if isinstance(first, dict):
        return {name: default_collate([sample[name] for sample in samples]) for name in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(parts) for parts in zip(*samples, strict=True)))
    if isinstance(first, (list, tuple)):
        return [default_collate(parts) for parts in zip(*samples, strict=True)]
    return list(samples)


def _check(both: bool, ahead: bool) -> None:
    """Refuse a sampler beside `shuffle`, and batches made ahead by nobody."""
    if both:
        raise ValueError(lesson("DataLoader(...)", "sampler option is mutually exclusive with shuffle"))
    if ahead:
        wanted = "prefetch_factor option could only be specified in multiprocessing"
        raise ValueError(lesson("DataLoader(prefetch_factor=)", wanted, hint="num_workers=2"))


class DataLoader:
    """A dataset in batches, made here or by `num_workers` processes. Pinned memory changes nothing.

    The batches are the same for any number of workers, draws too: what is drawn in a worker depends on the
    seed, the epoch and the batch alone.

    >>> loader = DataLoader(TensorDataset(tensor([[1.0], [2.0], [3.0]])), batch_size=2)
    >>> [batch[0].shape for batch in loader]
    [torch.Size([2, 1]), torch.Size([1, 1])]
    """

    num_workers: int
    prefetch_factor: int | None
    timeout: float
    worker_init_fn: Any
    generator: Any
    persistent_workers: bool
    multiprocessing_context: Any

    dataset: Any
    batch_size: int | None
    drop_last: bool
    collate_fn: Callable[..., Any]

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = False,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Any = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check(bool(shuffle) and sampler is not None, prefetch_factor is not None and not num_workers)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.collate_fn = collate_fn or (default_collate if batch_size is not None else _as_it_is)
        self.num_workers, self.prefetch_factor = num_workers, prefetch_factor
        self.timeout, self.worker_init_fn, self.generator = timeout, worker_init_fn, generator
        self.persistent_workers, self.multiprocessing_context = persistent_workers, multiprocessing_context
        self._workforce = Workforce(
            num_workers, prefetch_factor or 2, worker_init_fn, persistent_workers, timeout,
            multiprocessing_context,
        )  # fmt: skip
        self._epoch = 0
        self.sampler: Any = sampler
        self.batch_sampler: Any = batch_sampler
        if not isinstance(dataset, IterableDataset):
            self._choose(bool(shuffle))

    def _choose(self, shuffle: bool) -> None:
        """Make the samplers that were not given."""
        if self.sampler is None:
            shuffled = RandomSampler(self.dataset, generator=self.generator) if shuffle else None
            self.sampler = shuffled or SequentialSampler(self.dataset)
        size = self.batch_size
        if self.batch_sampler is None and size is not None:
            if not isinstance(size, int) or size < 1:
                raise ValueError(lesson("DataLoader(batch_size=)", "wants 1 or more", f"{size!r}"))
            self.batch_sampler = BatchSampler(self.sampler, size, self.drop_last)

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        self._epoch += 1
        words = self._words() if self.num_workers else ()
        if isinstance(self.dataset, IterableDataset):
            make = Incoming(self.dataset, self.batch_size, self.drop_last, None, self.collate_fn)
            return self._workforce.stream(make, words) if self.num_workers else iter(make)
        made = _Fetched(self.dataset, self.collate_fn, self.batch_sampler is not None)
        indices = self.sampler if self.batch_sampler is None else self.batch_sampler
        if not self.num_workers:
            return (made(index) for index in indices)
        tasks = ((index, (*words, number)) for number, index in enumerate(indices))
        return self._workforce.batches(made, tasks, words)

    def _words(self) -> tuple[int, ...]:
        """Return the numbers that settle an epoch's draws: of the generator as it is, which stays so."""
        held = get_rng_state() if self.generator is None else self.generator.state
        return (*(int(word) for word in held), self._epoch)


class _Fetched:
    """Makes a batch of samples by their numbers, or one sample as it is."""

    is_stream = False
    collate = None

    def __init__(self, dataset: Any, collate_fn: Callable[[Any], Any], many: bool) -> None:
        self.dataset, self.collate_fn, self.many = dataset, collate_fn, many

    def __call__(self, index: Any) -> Any:
        return self.collate_fn([self.dataset[i] for i in index] if self.many else self.dataset[index])

    def answer(self, index: Any) -> tuple[str, Any]:
        """Return what a worker answers with."""
        return "batch", self(index)


def _as_it_is(sample: Any) -> Any:
    return from_numpy(sample) if isinstance(sample, np.ndarray) else sample


__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "get_worker_info",
    "random_split",
]
