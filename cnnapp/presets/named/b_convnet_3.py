"""A network whose filters and feature maps are worth looking at, on pictures that are always here."""

from cnnapp.config import PRESETS, parse_config
from cnnapp.presets.preset import Preset

PRESETS.add(
    Preset(
        name="convnet-3",
        title="ConvNet with 3 convolutions",
        description="Convolutions of 16, 24 and 32 filters with dropout, on generated colour pictures of ten shapes. "
        "Large enough to see what each layer looks for; needs no download.",
        config=parse_config(
            {
                "dataset": {"name": "shapes", "image_size": 48, "val_share": 0.1, "normalisation": "half"},
                "network": {"family": "convnet", "depth": 3, "dropout": 0.1},
                "training": {"epochs": 10, "batch_size": 32, "optimizer": "adam", "lr": 0.002},
                "seed": 0,
            }
        ),
    )
)
