"""The filters of convolutions, from weights as they are stored. Free of torch."""

import re
from collections.abc import Mapping

import numpy as np


def filters(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every convolution's filters by the convolution's name, first convolution first.

    Args:
        weights: A model's state by name ("conv1.weight", "conv1.bias", ...), in any order.

    Returns:
        Arrays of shape (filters, input channels, height, width).
    """
    found = {
        name.removesuffix(".weight"): array
        for name, array in weights.items()
        if name.endswith(".weight") and array.ndim == 4
    }
    return {name: found[name] for name in sorted(found, key=_numbers_by_value)}


def _numbers_by_value(name: str) -> list[tuple[int, str]]:
    """Sorts conv2 before conv10: stored weights have no order of their own."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
