"""The introductory experiment of many a course, to the letter."""

from cnnapp.config import PRESETS, parse_config
from cnnapp.presets.preset import Preset

PRESETS.add(
    Preset(
        name="lenet-fashion-mnist",
        title="LeNet on Fashion-MNIST, as in the course",
        description="Convolutions of 6 and 16 filters, then 120, 84 and 10 units, trained by plain SGD on all 60,000 "
        "images. It is still improving when its ten epochs end, which is the point: what would you change?",
        config=parse_config(
            {
                "dataset": {"name": "fashion_mnist", "image_size": 28, "val_share": 0, "normalisation": "unit"},
                "network": {"family": "lenet", "dropout": 0},
                "training": {"epochs": 10, "batch_size": 64, "optimizer": "sgd", "lr": 0.001, "momentum": 0},
                "seed": 0,
            }
        ),
    )
)
