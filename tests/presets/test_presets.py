"""Every named experiment can be run as it is."""

import json

import pytest

from cnnapp.config import DATASETS, PRESETS, parse_config
from cnnapp.networks.shapes import describe


@pytest.mark.parametrize("name", PRESETS)
def test_every_presets_network_fits_its_dataset(name):
    config = PRESETS[name].config
    dataset = DATASETS[config.dataset.name]
    steps = describe(config.network, dataset.image_shape(config.dataset.image_size), len(dataset.classes))
    assert steps[-1].output_shape == (len(dataset.classes),)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name):
    config = PRESETS[name].config
    assert parse_config(json.loads(config.model_dump_json())) == config


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_what_it_is(name):
    preset = PRESETS[name]
    assert preset.name == name
    assert preset.title
    assert preset.description.endswith((".", "?"))


def test_the_presets_in_the_order_of_home():
    assert [preset.title for preset in PRESETS.values()][:3] == [
        "LeNet on Fashion-MNIST, as in the course",
        "ConvNet with 3 convolutions",
        "Digits in ten seconds",
    ]


def test_the_course_preset_is_the_courses_recipe():
    config = PRESETS["lenet-fashion-mnist"].config
    assert config.model_dump() == {
        "dataset": {
            "name": "fashion_mnist",
            "image_size": 28,
            "val_share": 0,
            "subset": None,
            "normalisation": "unit",
        },
        "network": {"family": "lenet", "dropout": 0},
        "training": {
            "epochs": 10,
            "batch_size": 64,
            "optimizer": "sgd",
            "lr": 0.001,
            "momentum": 0,
            "weight_decay": 0,
        },
        "seed": 0,
    }
    steps = describe(config.network, (1, 28, 28), 10)
    assert [step.text for step in steps if step.kind in ("conv", "linear")] == [
        *("6 filters 5×5", "16 filters 5×5", "120 units", "84 units", "10 units"),
    ]


@pytest.mark.parametrize("name", ["convnet-3", "digits-quick"])
def test_the_other_presets_need_no_download(name):
    dataset = DATASETS[PRESETS[name].config.dataset.name]
    assert dataset.download_mb == 0
    assert dataset.is_present()
