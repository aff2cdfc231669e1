"""LeNet-5 with ReLU and max pooling in place of the 1998 tanh and subsampling."""

from typing import Literal

from pydantic import Field

from cnnapp.config import NETWORKS, SLIDER, NetworkConfig
from cnnapp.networks.family import Family
from cnnapp.networks.layers import Activation, AnyLayer, Conv, Dropout, Flatten, Linear, Pool


class LeNetKnobs(NetworkConfig):
    family: Literal["lenet"] = "lenet"
    dropout: float = Field(
        0.0,
        ge=0,
        le=0.9,
        title="Dropout",
        description="Probability that a hidden unit is zeroed in a training step",
        json_schema_extra=SLIDER,
    )


def layers(knobs: LeNetKnobs, num_classes: int) -> list[AnyLayer]:
    result: list[AnyLayer] = []
    for channels in (6, 16):
        result += [Conv(channels=channels, kernel=5), Activation(), Pool(size=2)]
    result.append(Flatten())
    for features in (120, 84):
        result += [Linear(features=features), Activation()]
        if knobs.dropout:
            result.append(Dropout(p=knobs.dropout))
    return [*result, Linear(features=num_classes)]


NETWORKS.add(
    Family(
        name="lenet",
        title="LeNet",
        description="Two convolutions of 6 and 16 filters, then fully connected layers of 120 and 84.",
        source="LeCun et al. 1998, doi:10.1109/5.726791, fig. 2",
        knobs=LeNetKnobs,
        layers=layers,
    )
)
