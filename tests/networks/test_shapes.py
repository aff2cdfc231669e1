"""Shape tables against formulas by hand."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from cnnapp.answers import Step, total_parameters
from cnnapp.config import NETWORKS
from cnnapp.errors import DoesNotFit
from cnnapp.networks.build import build
from cnnapp.networks.layers import Conv, Dropout, Flatten, Linear, Pool, named
from cnnapp.networks.shapes import describe, layer_text


def lenet(**knobs):
    return NETWORKS["lenet"].knobs(**knobs)


def convnet(**knobs):
    return NETWORKS["convnet"].knobs(**knobs)


def input_of(steps: list[Step], name: str) -> tuple[int, ...]:
    """Output of the step before ``name``."""
    position = [step.name for step in steps].index(name)
    return steps[position - 1].output_shape


@pytest.mark.parametrize(("depth", "maps"), [(2, (24, 62, 62)), (3, (32, 29, 29)), (4, (40, 13, 13)), (5, (48, 5, 5))])
def test_maps_that_a_convnet_makes_of_256_pixels(depth, maps):
    steps = describe(convnet(depth=depth), (3, 256, 256), 10)
    assert input_of(steps, "flatten1") == maps
    assert input_of(steps, "fc1") == (maps[0] * maps[1] * maps[2],)


@pytest.mark.parametrize(("size", "maps"), [(28, (16, 4, 4)), (32, (16, 5, 5)), (64, (16, 13, 13))])
def test_maps_that_a_lenet_makes(size, maps):
    steps = describe(lenet(), (3, size, size), 10)
    assert input_of(steps, "flatten1") == maps
    assert input_of(steps, "fc1") == (maps[0] * maps[1] * maps[2],)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_parameters_of_a_lenet_are_those_of_the_formula(channels, num_classes):
    steps = describe(lenet(), (channels, 28, 28), num_classes)
    assert {step.name: step.num_parameters for step in steps if step.num_parameters} == {
        "conv1": (channels * 5 * 5 + 1) * 6,
        "conv2": (6 * 5 * 5 + 1) * 16,
        "fc1": (16 * 4 * 4 + 1) * 120,
        "fc2": (120 + 1) * 84,
        "fc3": (84 + 1) * num_classes,
    }


def test_the_total_of_a_lenet_for_ten_classes_of_grey_images():
    assert total_parameters(describe(lenet(), (1, 28, 28), 10)) == 44_426
    assert total_parameters(describe(lenet(), (1, 32, 32), 10)) == 61_706


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [128, 200])
def test_a_convnet_has_the_shapes_and_parameters_of_the_formulas(depth, size):
    channels, side, num_parameters = 3, size, 0
    for filters, kernel in zip([16, 24, 32, 40, 48][:depth], [3, 4, 4, 4, 4], strict=False):
        num_parameters += (channels * kernel * kernel + 1) * filters
        channels, side = filters, (side - kernel + 1) // 2
    num_parameters += (channels * side * side + 1) * 512 + (512 + 1) * 10

    steps = describe(convnet(depth=depth), (3, size, size), 10)
    assert input_of(steps, "flatten1") == (channels, side, side)
    assert total_parameters(steps) == num_parameters


@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.parametrize("image_shape", [(1, 32, 32), (3, 128, 128)])
def test_every_familys_table_agrees_with_the_model_that_is_trained(family, image_shape):
    config = NETWORKS[family].knobs()
    model = build(config, image_shape, 10).eval()
    x = torch.zeros(1, *image_shape)
    rows = []
    for name, module in model.named_children():
        x = module(x)
        rows.append((name, tuple(x.shape[1:]), sum(p.numel() for p in module.parameters())))
    steps = describe(config, image_shape, 10)
    assert [(step.name, step.output_shape, step.num_parameters) for step in steps] == rows


def test_a_row_says_what_the_layer_is():
    steps = {step.name: step for step in describe(convnet(depth=2, dropout=0.3), (3, 32, 32), 10)}
    assert steps["conv1"] == Step("conv1", "conv", "16 filters 3×3", (16, 30, 30), 448)
    assert [steps[name].text for name in ("relu1", "pool1", "dropout1", "flatten1", "fc1")] == [
        *("ReLU", "max 2×2", "p = 0.3", "to a list of numbers", "512 units"),
    ]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv(channels=1, kernel=1), "1 filter 1×1"),
        (Conv(channels=6, kernel=5, stride=2, padding=1), "6 filters 5×5, stride 2, padding 1"),
        (Pool(size=3), "max 3×3"),
        (Dropout(p=0.25), "p = 0.25"),
        (Linear(features=1), "1 unit"),
    ],
)
def test_texts_of_layers(layer, text):
    assert layer_text(layer) == text


def test_a_network_that_does_not_fit_is_said_as_when_it_is_built():
    with pytest.raises(DoesNotFit, match="use at most 3 convolutions"):
        describe(convnet(depth=5), (1, 28, 28), 10)


def test_describing_a_huge_network_takes_no_memory_for_weights_and_no_random_numbers():
    before = torch.get_rng_state()
    steps = describe(convnet(depth=2), (3, 512, 512), 10)
    assert total_parameters(steps) > 190_000_000
    assert torch.equal(before, torch.get_rng_state())


def test_names_count_within_each_kind_and_are_unique():
    layers = [Conv(channels=1, kernel=1), Conv(channels=1, kernel=1), Flatten(), Linear(features=2), Linear(features=2)]
    assert [name for name, _ in named(layers)] == ["conv1", "conv2", "flatten1", "fc1", "fc2"]


@pytest.mark.parametrize("family", NETWORKS)
def test_every_familys_last_layer_gives_the_logits(family):
    model = build(NETWORKS[family].knobs(), (3, 64, 64), 13)
    last = list(model.children())[-1]
    assert isinstance(last, nn.Linear)
    assert last.out_features == 13


def test_what_a_page_shows_of_a_network_needs_no_torch():
    code = (
        "import sys, cnnapp.answers, cnnapp.config as c, cnnapp.networks.layers; list(c.NETWORKS); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
