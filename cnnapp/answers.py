"""What computations answer, as plain data that a page or the command line can show. Free of torch."""

from collections.abc import Iterable
from dataclasses import dataclass


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
