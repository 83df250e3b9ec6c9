"""NAME -> STORED FILE -> IMAGES, LABELS: official data sets; nothing comes without asking."""

from smartsim.train.data.catalogue import DATASETS, Dataset, DatasetSpec, find_spec
from smartsim.train.data.fetch import fetch_dataset, split_dataset
from smartsim.train.data.store import (
    StoredDataset,
    data_folder,
    list_datasets,
    load_dataset,
    read_origin,
)
from smartsim.train.data.synthetic import make_synthetic

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetSpec",
    "StoredDataset",
    "data_folder",
    "fetch_dataset",
    "find_spec",
    "list_datasets",
    "load_dataset",
    "make_synthetic",
    "read_origin",
    "split_dataset",
]
