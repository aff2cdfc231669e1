"""What every layer of a network makes of an image: shapes from a real forward pass, parameters from the modules."""

from functools import partial

import torch
from torch import Tensor, nn

from cnnapp.answers import Step
from cnnapp.config import NETWORKS, NetworkConfig
from cnnapp.networks.build import build
from cnnapp.networks.family import ImageShape
from cnnapp.networks.layers import Activation, AnyLayer, Conv, Dropout, Flatten, Linear, Pool, named


def describe(network: NetworkConfig, image_shape: ImageShape, num_classes: int) -> list[Step]:
    """Every layer with its output shape and parameters, in the order of the forward pass.

    Runs on torch's ``meta`` device, which computes shapes and nothing else: no weights, no memory, no random numbers.

    Args:
        image_shape: (channels, height, width) of one image.

    Raises:
        DoesNotFit: As ``build``.
    """
    model = build(network, image_shape, num_classes, device="meta")
    layers = named(NETWORKS[network.family].layers(network, num_classes))
    shapes = _output_shapes(model, image_shape)
    return [
        Step(
            name=name,
            kind=layer.kind,
            text=layer_text(layer),
            output_shape=shapes[name],
            num_parameters=sum(p.numel() for p in model.get_submodule(name).parameters()),
        )
        for name, layer in layers
    ]


def layer_text(layer: AnyLayer) -> str:
    """The layer's settings in a few words: "6 filters 5×5", "max 2×2", "p = 0.3", "120 units"."""
    match layer:
        case Conv():
            stride = f", stride {layer.stride}" if layer.stride != 1 else ""
            padding = f", padding {layer.padding}" if layer.padding else ""
            return f"{_count(layer.channels, 'filter')} {layer.kernel}×{layer.kernel}{stride}{padding}"
        case Pool():
            return f"{layer.how} {layer.size}×{layer.size}"
        case Activation():
            return {"relu": "ReLU"}[layer.function]
        case Dropout():
            return f"p = {layer.p:g}"
        case Flatten():
            return "to a list of numbers"
        case Linear():
            return _count(layer.features, "unit")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _output_shapes(model: nn.Module, image_shape: ImageShape) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        shapes[name] = tuple(output.shape[1:])

    for name, module in model.named_children():
        module.register_forward_hook(partial(note, name))
    with torch.no_grad():
        model(torch.empty(1, *image_shape, device="meta"))
    return shapes
