"""What computations answer, as plain data that a page or the command line can show. Free of torch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of a network, as applied to one image."""

    name: str  # of the module: "conv1"
    kind: str  # of the layer: "conv"
    text: str  # "6 filters 5×5", "max 2×2", "p = 0.3", "120 units"
    output_shape: tuple[int, ...]  # of one image, without the batch: (channels, height, width) or (features,)
    num_parameters: int  # weights and biases


def total_parameters(steps: Iterable[Step]) -> int:
    return sum(step.num_parameters for step in steps)


@dataclass(frozen=True, slots=True)
class Description:
    """A network as applied to a dataset's images."""

    steps: tuple[Step, ...]
    image_shape: tuple[int, int, int]  # (channels, height, width)
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a run's network makes of some images."""

    epoch: int  # whose weights were used
    classes: tuple[str, ...]
    x_BCHW: np.ndarray  # uint8, the images as the network gets them, before normalisation
    probabilities_BK: np.ndarray  # float32
    maps: dict[str, np.ndarray]  # by convolution: (B, channels, h, w) float32, before the activation function


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Images of a dataset's test split, resized as a config asks."""

    x_BCHW: np.ndarray  # uint8
    labels: tuple[str, ...]
    indices: tuple[int, ...]  # positions in the test split


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image file, as people and as a network see it."""

    name: str
    thumbnail: bytes  # JPEG or PNG: upright and opaque, at most a few hundred pixels a side
    width: int  # of the whole image, pixels
    height: int
    x_CHW: np.ndarray  # uint8, before normalisation
