"""Data in batches: datasets, loaders, splits, scaling and tables, in NumPy alone."""

from clearprop.data.blocks import BlockFile, BlockLoader
from clearprop.data.dataset import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset
from clearprop.data.loader import DataLoader
from clearprop.data.reading import read_table
from clearprop.data.reading.blocks import read_blocks
from clearprop.data.samplers import Sampler, StratifiedSampler, WeightedSampler
from clearprop.data.scale import Standardizer
from clearprop.data.split import random_split, split_indices, three_parts, train_validation_split
from clearprop.data.streaming import TableStream, stream_table
from clearprop.data.tables import Table
from clearprop.data.workers import WorkerError, WorkerInfo, get_worker_info

__all__ = [
    "BlockFile",
    "BlockLoader",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "Sampler",
    "Standardizer",
    "StratifiedSampler",
    "Subset",
    "Table",
    "TableStream",
    "TensorDataset",
    "WeightedSampler",
    "WorkerError",
    "WorkerInfo",
    "get_worker_info",
    "random_split",
    "read_blocks",
    "read_table",
    "split_indices",
    "stream_table",
    "three_parts",
    "train_validation_split",
]
