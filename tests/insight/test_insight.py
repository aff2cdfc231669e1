"""Feature maps, probabilities and filters against layers applied by hand; nothing stays behind in the model."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cnnapp.config import NETWORKS
from cnnapp.insight.activations import conv_layers, feature_maps
from cnnapp.insight.filters import filters
from cnnapp.insight.prediction import probabilities
from cnnapp.networks.build import build


@pytest.fixture
def convnet() -> nn.Module:
    torch.manual_seed(0)
    return build(NETWORKS["convnet"].knobs(depth=3, dropout=0.5), (3, 32, 32), 5)


@pytest.fixture
def x_BCHW() -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def by_hand(model: nn.Module, x: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Feature maps and logits of a three-layer ConvNet in evaluation mode."""
    w = {name: tensor.detach() for name, tensor in model.named_parameters()}
    maps = {}
    for name in ("conv1", "conv2", "conv3"):
        maps[name] = functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"])
        x = functional.max_pool2d(maps[name].relu(), 2)
    x = (x.flatten(1) @ w["fc1.weight"].T + w["fc1.bias"]).relu()
    return maps, x @ w["fc2.weight"].T + w["fc2.bias"]


def test_feature_maps_of_every_convolution_are_those_of_the_layers_applied_by_hand(convnet, x_BCHW):
    maps = feature_maps(convnet, x_BCHW)
    expected, _ = by_hand(convnet, x_BCHW)
    assert list(maps) == conv_layers(convnet) == ["conv1", "conv2", "conv3"]
    for name in expected:
        torch.testing.assert_close(maps[name], expected[name])


def test_probabilities_are_the_softmax_of_logits_without_dropout(convnet, x_BCHW):
    _, logits_BK = by_hand(convnet, x_BCHW)
    exponentials = logits_BK.double().exp()
    expected = (exponentials / exponentials.sum(1, keepdim=True)).float()
    actual = probabilities(convnet, x_BCHW)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(actual.sum(1), torch.ones(4))


def test_huge_logits_give_finite_probabilities():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1e6], [-1e6]]))
    torch.testing.assert_close(probabilities(model, torch.ones(1, 1, 1, 1)), torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("look", [feature_maps, probabilities])
def test_looking_leaves_modes_weights_gradients_and_random_numbers_as_they_were(convnet, x_BCHW, look):
    convnet.train()
    convnet.get_submodule("dropout2").eval()  # a mixture that must come back as it was
    modes = {name: module.training for name, module in convnet.named_modules()}
    weights = {name: tensor.clone() for name, tensor in convnet.state_dict().items()}
    random = torch.get_rng_state()
    look(convnet, x_BCHW)
    assert {name: module.training for name, module in convnet.named_modules()} == modes
    assert all(torch.equal(tensor, weights[name]) for name, tensor in convnet.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in convnet.parameters())
    assert torch.equal(random, torch.get_rng_state())


def test_running_statistics_are_used_and_not_updated():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 4, 3))
    before = model[1].running_mean.clone()
    x_BCHW = torch.randn(5, 1, 4, 4)
    together = probabilities(model, x_BCHW)
    alone = torch.cat([probabilities(model, x_BCHW[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone)
    assert torch.equal(model[1].running_mean, before)


class Breaks(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("on purpose")


@pytest.mark.parametrize("look", [feature_maps, probabilities])
def test_after_an_error_no_hook_is_left_and_the_mode_is_as_it_was(look):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), Breaks()).train()
    with pytest.raises(RuntimeError, match="on purpose"):
        look(model, torch.zeros(1, 1, 4, 4))
    assert not any(module._forward_hooks for module in model.modules())
    assert all(module.training for module in model.modules())


def test_after_looking_no_hook_is_left(convnet, x_BCHW):
    feature_maps(convnet, x_BCHW)
    assert not any(module._forward_hooks for module in convnet.modules())


def test_activations_that_work_in_place_do_not_change_the_maps():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3), nn.ReLU(inplace=True))
    x_BCHW = torch.randn(2, 1, 8, 8)
    maps = feature_maps(model, x_BCHW)
    first = functional.conv2d(x_BCHW, model[0].weight, model[0].bias)
    assert first.min() < 0
    torch.testing.assert_close(maps["0"], first.detach())
    torch.testing.assert_close(maps["2"], functional.conv2d(first.relu(), model[2].weight, model[2].bias).detach())


def test_convolutions_inside_blocks_are_found_by_their_full_name():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(2, 3, 3)))
    assert conv_layers(model) == ["0", "1.1"]
    assert feature_maps(model, torch.zeros(1, 1, 8, 8))["1.1"].shape == (1, 3, 4, 4)


def test_maps_become_arrays(convnet, x_BCHW):
    assert feature_maps(convnet, x_BCHW)["conv1"].numpy().dtype == np.float32
    assert probabilities(convnet, x_BCHW).numpy().shape == (4, 5)


def test_filters_are_the_convolutions_weights_in_the_order_of_their_numbers():
    shapes = {"conv10.weight": (2, 2, 3, 3), "conv2.weight": (4, 6, 3, 3), "conv1.weight": (6, 1, 5, 5)}
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    weights |= {"conv1.bias": np.zeros(6, np.float32), "fc1.weight": np.zeros((3, 4), np.float32)}
    found = filters(weights)
    assert list(found) == ["conv1", "conv2", "conv10"]
    assert found["conv1"] is weights["conv1.weight"]


def test_filters_of_a_real_model_are_those_of_its_convolutions(convnet):
    weights = {name: tensor.numpy() for name, tensor in convnet.state_dict().items()}
    found = filters(dict(sorted(weights.items(), reverse=True)))
    assert list(found) == conv_layers(convnet)
    np.testing.assert_array_equal(found["conv2"], convnet.get_submodule("conv2").weight.detach().numpy())
