"""A whole run while one watches."""

from cnnapp.config import PRESETS, parse_config
from cnnapp.presets.preset import Preset

PRESETS.add(
    Preset(
        name="digits-quick",
        title="Digits in ten seconds",
        description="LeNet on 1,442 small handwritten digits, from first step to tested network in about ten seconds "
        "on an ordinary laptop. Needs no download.",
        config=parse_config(
            {
                "dataset": {"name": "digits", "image_size": 32, "val_share": 0.1},
                "network": {"family": "lenet"},
                "training": {"epochs": 25, "batch_size": 32, "optimizer": "adam", "lr": 0.001},
                "seed": 0,
            }
        ),
    )
)
