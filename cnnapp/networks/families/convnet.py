"""A plain stack of two to five convolutions, as introductory courses teach it."""

from typing import Literal

from pydantic import Field

from cnnapp.config import NETWORKS, SLIDER, NetworkConfig
from cnnapp.networks.family import Family
from cnnapp.networks.layers import Activation, AnyLayer, Conv, Dropout, Flatten, Linear, Pool

CHANNELS = (16, 24, 32, 40, 48)
KERNELS = (3, 4, 4, 4, 4)
HIDDEN = 512


class ConvNetKnobs(NetworkConfig):
    family: Literal["convnet"] = "convnet"
    depth: int = Field(3, ge=2, le=5, title="Depth", description="Number of convolutions")
    dropout: float = Field(
        0.3,
        ge=0,
        le=0.9,
        title="Dropout",
        description="Probability that an element is zeroed after each pooling",
        json_schema_extra=SLIDER,
    )


def layers(knobs: ConvNetKnobs, num_classes: int) -> list[AnyLayer]:
    result: list[AnyLayer] = []
    for channels, kernel in zip(CHANNELS[: knobs.depth], KERNELS, strict=False):
        result += [Conv(channels=channels, kernel=kernel), Activation(), Pool(size=2)]
        if knobs.dropout:
            result.append(Dropout(p=knobs.dropout))
    return [*result, Flatten(), Linear(features=HIDDEN), Activation(), Linear(features=num_classes)]


NETWORKS.add(
    Family(
        name="convnet",
        title="ConvNet",
        description="Two to five convolutions, each with ReLU, max pooling and dropout, then 512 hidden units.",
        source="The usual introductory network; Goodfellow et al. 2016, deeplearningbook.org, chapter 9",
        knobs=ConvNetKnobs,
        layers=layers,
        depth_knob="depth",
    )
)
