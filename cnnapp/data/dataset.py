"""What a dataset is, before any of its images is read. Free of torch, so that a form can list them all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Progress = Callable[[str, float], None]
"""Told what is going on and which share of it is done, from 0 to 1; may raise to cancel."""

Part = Literal["train", "test"]


def no_progress(text: str, share: float) -> None:
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """One part of a dataset as its files hold it."""

    x_NHWC: np.ndarray  # uint8, C is 1 (grey) or 3 (RGB)
    y_N: np.ndarray  # int64, index into the dataset's classes


@dataclass(frozen=True)
class Dataset:
    """An entry of DATASETS.

    Attributes:
        native_size: Pixels per side of the images as published.
        image_size: Pixels per side when a config leaves it unset.
        download_mb: What a download takes, in MB; 0 where the images come with the application.
        read: Reads one part. Raises MissingData with a sentence when the files are not here and cannot be fetched.
        is_present: Whether ``read`` needs no download.
        version: To be raised when ``read`` gives other pixels than before, so that cached images are made anew.
    """

    name: str
    title: str
    description: str
    source: str
    classes: tuple[str, ...]
    channels: int
    native_size: int
    image_size: int
    num_train: int
    num_test: int
    download_mb: float
    read: Callable[[Part, Progress], Images]
    is_present: Callable[[], bool]
    version: int = 1

    def image_shape(self, image_size: int | None = None) -> tuple[int, int, int]:
        """(channels, height, width) of the images that a network gets."""
        size = image_size or self.image_size
        return self.channels, size, size
