"""Data in batches: datasets, loaders, splits and scaling, in NumPy alone."""

from clearprop.data.dataset import Dataset, Subset, TensorDataset
from clearprop.data.loader import DataLoader
from clearprop.data.scale import Standardizer
from clearprop.data.split import random_split, split_indices, train_validation_split

__all__ = [
    "DataLoader",
    "Dataset",
    "Standardizer",
    "Subset",
    "TensorDataset",
    "random_split",
    "split_indices",
    "train_validation_split",
]
