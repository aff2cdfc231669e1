"""The layer language: what a network is made of, as plain frozen data. ``build`` turns it into an ``nn.Module``.

Letters: B images in a batch, C channels, H height, W width, F features.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from cnnapp.config import Frozen


class Conv(Frozen):
    """2-d convolution with bias, square kernel."""

    kind: Literal["conv"] = "conv"
    channels: int = Field(ge=1, description="Filters, which is also the number of feature maps")
    kernel: int = Field(ge=1, description="Pixels per side of a filter")
    stride: int = Field(1, ge=1, description="Pixels from one window to the next")
    padding: int = Field(0, ge=0, description="Zeros around the input, in pixels")


class Pool(Frozen):
    """2-d pooling over square windows without overlap."""

    kind: Literal["pool"] = "pool"
    size: int = Field(2, ge=1, description="Pixels per side of a window, and from one window to the next")
    how: Literal["max"] = "max"


class Activation(Frozen):
    kind: Literal["activation"] = "activation"
    function: Literal["relu"] = "relu"


class Dropout(Frozen):
    """Zeroes elements at random while training (Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a)."""

    kind: Literal["dropout"] = "dropout"
    p: float = Field(ge=0, lt=1, description="Probability that an element is zeroed")


class Flatten(Frozen):
    """(B, C, H, W) to (B, F)."""

    kind: Literal["flatten"] = "flatten"


class Linear(Frozen):
    """Fully connected layer with bias."""

    kind: Literal["linear"] = "linear"
    features: int = Field(ge=1, description="Outputs")


Layer = Annotated[Conv | Pool | Activation | Dropout | Flatten | Linear, Field(discriminator="kind")]
AnyLayer = Conv | Pool | Activation | Dropout | Flatten | Linear

_PREFIX = {"conv": "conv", "pool": "pool", "dropout": "dropout", "flatten": "flatten", "linear": "fc"}


def named(layers: Iterable[AnyLayer]) -> list[tuple[str, AnyLayer]]:
    """Layers with the names that modules, shape tables and pictures use: ``conv1``, ``relu1``, ``pool1``, …, ``fc1``.

    Counted from 1 within each kind; a name is its layer's alone.
    """
    counts: dict[str, int] = {}
    result = []
    for layer in layers:
        prefix = layer.function if isinstance(layer, Activation) else _PREFIX[layer.kind]
        counts[prefix] = counts.get(prefix, 0) + 1
        result.append((f"{prefix}{counts[prefix]}", layer))
    return result
