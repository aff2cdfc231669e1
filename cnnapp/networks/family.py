"""What a network family is: a function from a few knobs to a list of layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cnnapp.config import NetworkConfig
from cnnapp.networks.layers import AnyLayer

ImageShape = tuple[int, int, int]
"""(channels, height, width)"""

Knobs = TypeVar("Knobs", bound=NetworkConfig)


@dataclass(frozen=True)
class Family(Generic[Knobs]):
    """An entry of NETWORKS.

    Attributes:
        knobs: The family's settings, with their limits, defaults and help texts.
        layers: From knobs and the number of classes to the layers; the last one gives the logits.
        depth_knob: Name of the knob that counts convolutions, where there is one: what to lower when an image is
            too small.
    """

    name: str
    title: str
    description: str
    source: str
    knobs: type[Knobs]
    layers: Callable[[Knobs, int], list[AnyLayer]]
    depth_knob: str | None = None
