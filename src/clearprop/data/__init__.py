"""Data in batches: datasets, loaders, splits, scaling and tables, in NumPy alone."""

from clearprop.data.dataset import Dataset, Subset, TensorDataset
from clearprop.data.loader import DataLoader
from clearprop.data.reading import read_table
from clearprop.data.scale import Standardizer
from clearprop.data.split import random_split, split_indices, three_parts, train_validation_split
from clearprop.data.tables import Table

__all__ = [
    "DataLoader",
    "Dataset",
    "Standardizer",
    "Subset",
    "Table",
    "TensorDataset",
    "random_split",
    "read_table",
    "split_indices",
    "three_parts",
    "train_validation_split",
]
