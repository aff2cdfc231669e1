"""scikit-learn's digits: real handwritten digits of 8×8 pixels, which need no download."""

import numpy as np

from cnnapp.config import DATASETS
from cnnapp.data.dataset import Dataset, Images, Part, Progress

TEST_EVERY = 5  # of each class, in the order of the file, the 5th, 10th, 15th, ... image is a test image


def _read(part: Part, progress: Progress) -> Images:
    from sklearn.datasets import load_digits

    progress("Reading Digits", 0.0)
    digits = load_digits()
    y_N = digits.target.astype(np.int64)
    place_N = np.zeros(len(y_N), np.int64)  # of each image among those of its class, from 1
    for label in range(10):
        place_N[y_N == label] = np.arange(1, np.count_nonzero(y_N == label) + 1)
    chosen_N = (place_N % TEST_EVERY == 0) == (part == "test")
    pixels = np.rint(digits.images[chosen_N] * (255 / 16)).astype(np.uint8)
    return Images(pixels[..., None], y_N[chosen_N])


DATASETS.add(
    Dataset(
        name="digits",
        title="Digits",
        description="Handwritten digits of 8×8 pixels; small, quick, and always here",
        source="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (its test set), in scikit-learn",
        classes=tuple("0123456789"),
        channels=1,
        native_size=8,
        image_size=32,
        num_train=1442,
        num_test=355,
        download_mb=0,
        read=_read,
        is_present=lambda: True,
    )
)
