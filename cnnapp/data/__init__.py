"""Datasets: what there is, how images are read, split and decoded. Importing this imports no torch."""

from cnnapp.config import DATASETS

__all__ = ["DATASETS"]
