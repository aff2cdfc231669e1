"""How an image becomes the square that a network gets: the same for datasets and for uploads.

Shapes: N images of C channels, H high and W wide.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from cnnapp.data.dataset import Progress

CHUNK = 512  # images


def squash(image: Image.Image, size: int) -> Image.Image:
    """``image`` as ``size`` × ``size`` pixels: bilinear, antialiased when it shrinks, its aspect ratio not kept.

    An image that has this size already is returned as it is.
    """
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR)


def chunks(x_NHWC: np.ndarray, size: int, progress: Progress, text: str) -> Iterator[np.ndarray]:
    """The images resized, a few hundred at a time, each chunk uint8 of shape (n, C, size, size)."""
    num = len(x_NHWC)
    untouched = x_NHWC.shape[1:3] == (size, size)
    for start in range(0, num, CHUNK):
        progress(text, start / num)
        chunk = x_NHWC[start : start + CHUNK]
        if not untouched:
            chunk = np.stack([_resize(x_HWC, size) for x_HWC in chunk])
        yield np.ascontiguousarray(chunk.transpose(0, 3, 1, 2))
    progress(text, 1.0)


def _resize(x_HWC: np.ndarray, size: int) -> np.ndarray:
    grey = x_HWC.shape[2] == 1
    image = Image.fromarray(x_HWC[..., 0] if grey else x_HWC)
    return np.asarray(squash(image, size)).reshape(size, size, x_HWC.shape[2])
