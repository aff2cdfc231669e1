"""From a dataset's config to its train, validation and test splits.

A split refers to its images by index into the whole part that they come from: train and validation split share one
array, which is a file mapped into memory, and making a split copies no image.

Shapes: N images of C channels, H high and W wide.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnapp.config import DATASETS, DatasetConfig
from cnnapp.data import cache
from cnnapp.data.dataset import Dataset, Images, Part, Progress, no_progress
from cnnapp.data.resizing import chunks
from cnnapp.data.splits import stratified
from cnnapp.errors import InvalidConfig, MissingData
from cnnapp.settings import read_settings

IN_MEMORY = 2_000_000_000  # bytes; a part that cannot be cached may take this much memory


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Some images of a part, chosen by ``index_N``; ``len()`` is their number.

    Attributes:
        x_NCHW: uint8, the images of the whole part. Do not write into it.
        y_N: int64, the labels of the whole part.
        index_N: int64, rising: which of them belong to this split.
    """

    x_NCHW: np.ndarray
    y_N: np.ndarray
    index_N: np.ndarray

    def __len__(self) -> int:
        return len(self.index_N)

    def images(self) -> np.ndarray:
        """This split's own images, copied: (len, C, H, W) uint8."""
        chosen: np.ndarray = self.x_NCHW[self.index_N]
        return chosen

    def labels(self) -> np.ndarray:
        """This split's own labels, copied: (len,) int64."""
        chosen: np.ndarray = self.y_N[self.index_N]
        return chosen


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    train: Split
    val: Split  # may be empty
    test: Split
    classes: tuple[str, ...]
    normalisation: str  # as the config's


def load_splits(config: DatasetConfig, seed: int, progress: Progress = no_progress) -> Splits:
    """Train, validation and test split of a dataset.

    A subset is taken first, from the training images; the validation split is carved out of what that leaves, so that
    train and validation images together are the subset. Both keep the proportions of the classes, and every class
    keeps a training image. Without either, the train split is every training image in its original order.

    Raises:
        InvalidConfig: The subset is larger than the dataset.
        MissingData: The images are neither here nor can they be fetched.
    """
    _check_subset(config)
    train, test = load_part(config, "train", progress), load_part(config, "test", progress)
    index_N = train.index_N
    if config.subset is not None:
        index_N = stratified(train.y_N, config.subset, seed, stream=0)[1]
    left, chosen = stratified(train.y_N[index_N], float(config.val_share), seed, at_least_left=1, stream=1)
    return Splits(
        train=Split(train.x_NCHW, train.y_N, index_N[left]),
        val=Split(train.x_NCHW, train.y_N, index_N[chosen]),
        test=test,
        classes=DATASETS[config.name].classes,
        normalisation=config.normalisation,
    )


def split_sizes(config: DatasetConfig) -> tuple[int, int, int]:
    """Images in the train, validation and test split, without reading any.

    Exact unless a class is so small that it could not spare its part of the validation split.

    Raises:
        InvalidConfig: The subset is larger than the dataset.
    """
    _check_subset(config)
    dataset = DATASETS[config.name]
    num = dataset.num_train if config.subset is None else config.subset
    num_val = round(config.val_share * num)
    return num - num_val, num_val, dataset.num_test


def load_part(config: DatasetConfig, part: Part, progress: Progress = no_progress) -> Split:
    """All images of one part, in their original order, resized to the config's image size.

    They come from the cache; where it has none, they are read, resized and put there.

    Raises:
        MissingData: The images are neither here nor can they be fetched, or they are too large for this disk.
    """
    dataset = DATASETS[config.name]
    size = config.image_size or dataset.image_size
    folder = _cache_entry(dataset, part, size)
    arrays = cache.load(folder) or _read_and_save(dataset, part, size, folder, progress)
    x_NCHW, y_N = arrays
    return Split(x_NCHW, y_N, np.arange(len(y_N)))


def _check_subset(config: DatasetConfig) -> None:
    dataset = DATASETS[config.name]
    if config.subset is not None and config.subset > dataset.num_train:
        raise InvalidConfig(
            f"dataset.subset is {config.subset}, but {dataset.title} has {dataset.num_train} training images. "
            "Choose fewer, or leave it unset to use all of them."
        )


def _cache_entry(dataset: Dataset, part: Part, size: int) -> Path:
    facts = (cache.FORMAT, dataset.version, dataset.classes, dataset.channels, dataset.native_size)
    fingerprint = hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
    return read_settings().cache_folder / f"{dataset.name}-{part}-{size}px-{fingerprint}"


def _read_and_save(
    dataset: Dataset, part: Part, size: int, folder: Path, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    images = dataset.read(part, progress)
    _check_labels(dataset, images)
    shape = (len(images.y_N), images.x_NHWC.shape[3], size, size)
    num_bytes = int(np.prod(shape))

    def resized() -> Iterator[np.ndarray]:
        return chunks(images.x_NHWC, size, progress, f"Preparing {dataset.title} ({part}) at {size}×{size}")

    y_N = images.y_N.astype(np.int64)
    try:
        if num_bytes > cache.free_bytes(folder):
            raise OSError("not enough free disk")
        cache.save(folder, shape, resized(), y_N)
        arrays = cache.load(folder)
        if arrays is not None:
            return arrays
    except OSError as error:
        _check_fits_memory(dataset, images, num_bytes, folder, error)
    return np.concatenate(list(resized())), y_N


def _check_labels(dataset: Dataset, images: Images) -> None:
    low, high = int(images.y_N.min()), int(images.y_N.max())
    if low < 0 or high >= len(dataset.classes):
        raise MissingData(
            f"The files of {dataset.title} are damaged: they hold labels from {low} to {high}, but there are "
            f"{len(dataset.classes)} classes. Remove them, or replace them with the originals."
        )


def _check_fits_memory(dataset: Dataset, images: Images, num_bytes: int, folder: Path, error: OSError) -> None:
    """A cache that cannot be written is no reason to stop, as long as memory can take its place."""
    if num_bytes > IN_MEMORY:
        raise MissingData(
            f"{dataset.title} takes {num_bytes / 1e9:.1f} GB at this image size ({len(images.y_N)} images), which "
            f"cannot be written to {folder.parent} ({error.strerror or error}). "
            "Choose a smaller image size, or make room there."
        ) from error
