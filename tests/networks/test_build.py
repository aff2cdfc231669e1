"""Building networks: the modules, their weights, and what is said when an image is too small."""

import time
from typing import Any

import pytest
import torch
from torch import nn

from cnnapp.config import NETWORKS, NetworkConfig
from cnnapp.errors import DoesNotFit
from cnnapp.networks.build import build, build_layers
from cnnapp.networks.layers import Activation, Conv, Dropout, Flatten, Linear, Pool


def network(family: str, **knobs: Any) -> NetworkConfig:
    return NETWORKS[family].knobs(**knobs)


def lenet_by_hand() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def test_weights_are_those_of_the_same_layers_made_by_hand_after_the_same_seed():
    torch.manual_seed(3)
    ours = build(network("lenet"), (1, 28, 28), 10)
    torch.manual_seed(3)
    by_hand = lenet_by_hand()
    assert [p.shape for p in ours.parameters()] == [p.shape for p in by_hand.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), by_hand.parameters(), strict=True))


def test_building_draws_no_more_random_numbers_than_the_layers_themselves():
    torch.manual_seed(3)
    build(network("lenet"), (1, 28, 28), 10)
    after_ours = torch.get_rng_state()
    torch.manual_seed(3)
    lenet_by_hand()
    assert torch.equal(after_ours, torch.get_rng_state())


def test_a_network_on_the_meta_device_draws_no_random_numbers():
    before = torch.get_rng_state()
    model = build(network("convnet", depth=5, dropout=0.5), (3, 256, 256), 10, device="meta")
    assert all(p.is_meta for p in model.parameters())
    assert torch.equal(before, torch.get_rng_state())


def test_logits_are_those_of_the_layers_applied_by_hand():
    torch.manual_seed(0)
    model = build(network("convnet", depth=2, dropout=0.3), (3, 32, 32), 7).eval()
    w = dict(model.named_parameters())
    x_BCHW = torch.randn(4, 3, 32, 32)
    x = x_BCHW
    for name in ("conv1", "conv2"):
        x = nn.functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"])
        x = nn.functional.max_pool2d(nn.functional.relu(x), 2)
    x = nn.functional.relu(x.flatten(1) @ w["fc1.weight"].T + w["fc1.bias"])
    torch.testing.assert_close(model(x_BCHW), x @ w["fc2.weight"].T + w["fc2.bias"])


def test_modules_carry_the_layers_names_and_start_in_training_mode():
    model = build(network("convnet", depth=2, dropout=0.3), (3, 32, 32), 7)
    names = [name for name, _ in model.named_children()]
    assert names == [
        *("conv1", "relu1", "pool1", "dropout1", "conv2", "relu2", "pool2", "dropout2"),
        *("flatten1", "fc1", "relu3", "fc2"),
    ]
    assert all(module.training for module in model.modules())
    assert model.get_submodule("dropout1").p == 0.3


def test_a_knob_of_no_dropout_leaves_the_layer_out():
    model = build(network("convnet", depth=2, dropout=0), (3, 32, 32), 7)
    assert not any(isinstance(module, nn.Dropout) for module in model.modules())


def test_stride_and_padding_reach_the_convolution():
    model = build_layers([Conv(channels=4, kernel=3, stride=2, padding=1)], (1, 9, 9))
    assert model(torch.zeros(1, 1, 9, 9)).shape == (1, 4, 5, 5)


def test_a_network_too_deep_for_its_images_says_how_deep_it_may_be():
    with pytest.raises(DoesNotFit) as error:
        build(network("convnet", depth=4), (1, 28, 28), 10)
    assert str(error.value) == (
        "conv4 looks at 4×4 pixels, but after pool3 a 28×28 image is 1×1: "
        "use at most 3 convolutions or a larger image size (at least 60×60 pixels)."
    )


def test_a_network_that_fits_at_no_depth_says_how_large_images_must_be():
    with pytest.raises(DoesNotFit) as error:
        build(network("convnet", depth=2), (1, 8, 8), 10)
    assert str(error.value) == (
        "conv2 looks at 4×4 pixels, but after pool1 an 8×8 image is 3×3: "
        "use a larger image size (at least 12×12 pixels)."
    )


def test_a_family_without_depth_says_how_large_images_must_be():
    with pytest.raises(DoesNotFit, match=r"but the image is 4×4: use a larger image size \(at least 16×16 pixels\)\.$"):
        build(network("lenet"), (3, 4, 4), 10)


def test_pooling_to_nothing_is_said():
    layers = [Conv(channels=2, kernel=4), Activation(), Dropout(p=0.1), Pool(size=2), Flatten(), Linear(features=2)]
    with pytest.raises(DoesNotFit) as error:
        build_layers(layers, (1, 4, 4))
    assert str(error.value) == (
        "pool1 makes one pixel of 2×2, but after conv1 a 4×4 image is 1×1: "
        "use a larger image size (at least 5×5 pixels)."
    )


def test_a_window_larger_than_image_and_padding_is_said():
    with pytest.raises(DoesNotFit, match=r"conv1 looks at 9×9 pixels, but the image is 4×4 \(6×6 with its padding\)"):
        build_layers([Conv(channels=2, kernel=9, padding=1)], (1, 4, 4))


def test_no_impossible_image_size_is_recommended():
    with pytest.raises(DoesNotFit, match=r": use fewer or smaller layers\.$"):
        build_layers([Conv(channels=2, kernel=600)], (1, 28, 28))


def test_a_convolution_of_a_list_of_numbers_is_refused():
    with pytest.raises(
        DoesNotFit, match="conv1 needs an image, but flatten1 made a list of 16 numbers: move conv1 before"
    ):
        build_layers([Flatten(), Conv(channels=2, kernel=1)], (1, 4, 4))


def test_a_fully_connected_layer_of_maps_is_refused():
    with pytest.raises(DoesNotFit, match="fc1 needs a list of numbers, but gets 2 maps of 3×3 pixels: put a flatten"):
        build_layers([Conv(channels=2, kernel=2), Linear(features=3)], (1, 4, 4))


@pytest.mark.parametrize("size", [28, 32, 64, 128])
@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.parametrize(("channels", "num_classes"), [(1, 10), (3, 2), (3, 100)])
def test_every_family_maps_a_batch_to_logits(family, channels, size, num_classes):
    model = build(network(family), (channels, size, size), num_classes).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, channels, size, size)).shape == (2, num_classes)


def extremes(family: str) -> list[NetworkConfig]:
    """The family with its depth at every value that its limits allow, or as it is."""
    knob = NETWORKS[family].depth_knob
    if knob is None:
        return [network(family)]
    limits = {type(limit).__name__: limit for limit in NETWORKS[family].knobs.model_fields[knob].metadata}
    return [network(family, **{knob: depth}) for depth in range(limits["Ge"].ge, limits["Le"].le + 1)]


@pytest.mark.parametrize("size", [8, 16, 28, 50])
@pytest.mark.parametrize("family", NETWORKS)
def test_every_remedy_works_and_none_would_do_with_less(family, size):
    for config in extremes(family):
        try:
            build(config, (3, size, size), 10, device="meta")
        except DoesNotFit as error:
            check_remedies(config, size, str(error))


def check_remedies(config: NetworkConfig, size: int, sentence: str) -> None:
    words = sentence.replace("×", " ").split()
    larger = int(words[words.index("least") + 1])
    build(config, (3, larger, larger), 10, device="meta")
    with pytest.raises(DoesNotFit):
        build(config, (3, larger - 1, larger - 1), 10, device="meta")
    knob = NETWORKS[config.family].depth_knob
    if "at most" not in sentence or knob is None:
        return
    depth = int(words[words.index("most") + 1])
    build(config.model_copy(update={knob: depth}), (3, size, size), 10, device="meta")
    with pytest.raises(DoesNotFit):
        build(config.model_copy(update={knob: depth + 1}), (3, size, size), 10, device="meta")


def test_building_a_lenet_takes_milliseconds():
    build(network("lenet"), (1, 28, 28), 10)  # the first use of the meta device imports half of torch

    def seconds() -> float:
        began = time.perf_counter()
        build(network("lenet"), (1, 28, 28), 10)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(10)) < 0.05  # 8 ms on a quiet machine
