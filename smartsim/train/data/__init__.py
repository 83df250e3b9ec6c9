"""Image data sets from their official files, kept in one folder; nothing comes without asking."""

from smartsim.train.data.catalogue import DATASETS, Dataset, DatasetSpec, find_spec
from smartsim.train.data.store import (
    StoredDataset,
    data_folder,
    fetch_dataset,
    list_datasets,
    load_dataset,
    read_origin,
    split_dataset,
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
