"""From a network's description to the ``nn.Module`` that is trained.

The shape that each layer gets comes from running the layers before it on torch's ``meta`` device, which computes
shapes and nothing else.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from cnnapp.config import NETWORKS, DatasetConfig, NetworkConfig
from cnnapp.errors import DoesNotFit
from cnnapp.networks.family import ImageShape
from cnnapp.networks.layers import Activation, AnyLayer, Conv, Dropout, Flatten, Linear, Pool, named

LARGEST_IMAGE = next(limit.le for limit in DatasetConfig.model_fields["image_size"].metadata if hasattr(limit, "le"))
"""Pixels per side."""


class _TooSmall(DoesNotFit):
    """Too little is left of the image for a layer's window: another image size or depth can help."""


def build(
    network: NetworkConfig, image_shape: ImageShape, num_classes: int, device: str | torch.device = "cpu"
) -> nn.Module:
    """The model that ``network`` describes, in training mode, with torch's default initialisation.

    The initial weights depend on ``torch.manual_seed`` alone: they are those of the same layers constructed one
    after the other by hand.

    Raises:
        DoesNotFit: Too little is left of the image for a layer; the text names a depth and an image size that fit.
    """
    family = NETWORKS[network.family]

    def layers(knobs: NetworkConfig = network) -> list[AnyLayer]:
        return family.layers(knobs, num_classes)

    try:
        return _stack(layers(), image_shape, device)
    except _TooSmall as error:
        depth = _largest_depth(network, family.depth_knob, lambda knobs: _fits(layers(knobs), image_shape))
        raise DoesNotFit(f"{error}: {_remedy(depth, _smallest_size(layers(), image_shape))}") from None


def build_layers(
    layers: Sequence[AnyLayer], image_shape: ImageShape, device: str | torch.device = "cpu"
) -> nn.Sequential:
    """The layers as modules, named as ``named`` says.

    Args:
        image_shape: (channels, height, width) of one image.
        device: Where the weights are; "meta" for shapes without weights.

    Raises:
        DoesNotFit: Too little is left of the image for a layer, or the layers' order makes no sense.
    """
    try:
        return _stack(layers, image_shape, device)
    except _TooSmall as error:
        raise DoesNotFit(f"{error}: {_remedy(None, _smallest_size(layers, image_shape))}") from None


def _stack(layers: Sequence[AnyLayer], image_shape: ImageShape, device: str | torch.device) -> nn.Sequential:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    shape: tuple[int, ...] = image_shape
    reached = ""  # the last layer that changed the shape
    for name, layer in named(layers):
        _check_order(name, layer, shape, reached)
        module = _module(layer, shape, device)
        try:
            after = _output_shape(module, shape)
        except RuntimeError as error:
            if isinstance(layer, Conv | Pool):
                raise _TooSmall(_problem(name, layer, image_shape, shape, reached)) from error
            raise
        if after != shape:
            reached = name
        shape = after
        modules[name] = module
    return nn.Sequential(modules)


def _module(layer: AnyLayer, shape: tuple[int, ...], device: str | torch.device) -> nn.Module:
    match layer:
        case Conv():
            return nn.Conv2d(
                shape[0], layer.channels, layer.kernel, stride=layer.stride, padding=layer.padding, device=device
            )
        case Pool():
            return nn.MaxPool2d(layer.size)
        case Activation():
            return nn.ReLU()
        case Dropout():
            return nn.Dropout(layer.p)
        case Flatten():
            return nn.Flatten()
        case Linear():
            return nn.Linear(shape[0], layer.features, device=device)


def _output_shape(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    weights: dict[str, Tensor] = {
        name: torch.empty_like(tensor, device="meta")
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]
    }
    image_1CHW = torch.empty(1, *shape, device="meta")
    with torch.no_grad():
        output: Tensor = torch.func.functional_call(module, weights, (image_1CHW,))
    return tuple(output.shape[1:])


def _check_order(name: str, layer: AnyLayer, shape: tuple[int, ...], reached: str) -> None:
    if isinstance(layer, Conv | Pool) and len(shape) != 3:
        raise DoesNotFit(
            f"{name} needs an image, but {reached} made a list of {shape[0]} numbers: move {name} before it."
        )
    if isinstance(layer, Linear) and len(shape) != 1:
        raise DoesNotFit(
            f"{name} needs a list of numbers, but gets {shape[0]} maps of {_times(shape[1:])} pixels: "
            "put a flatten layer before it."
        )


def _problem(name: str, layer: Conv | Pool, image_shape: ImageShape, shape: tuple[int, ...], reached: str) -> str:
    if isinstance(layer, Conv):
        asked = f"{name} looks at {layer.kernel}×{layer.kernel} pixels"
        zeros = (
            f" ({_times([side + 2 * layer.padding for side in shape[1:]])} with its padding)" if layer.padding else ""
        )
    else:
        asked, zeros = f"{name} makes one pixel of {layer.size}×{layer.size}", ""
    image = f"{_article(image_shape[1])} {_times(image_shape[1:])} image"
    found = f"after {reached} {image} is {_times(shape[1:])}" if reached else f"the image is {_times(shape[1:])}"
    return f"{asked}, but {found}{zeros}"


def _remedy(depth: int | None, size: int | None) -> str:
    ways = []
    if depth is not None:
        ways.append(f"at most {depth} convolution{'' if depth == 1 else 's'}")
    if size is not None:
        ways.append(f"a larger image size (at least {size}×{size} pixels)")
    return f"use {' or '.join(ways)}." if ways else "use fewer or smaller layers."


def _fits(layers: Sequence[AnyLayer], image_shape: ImageShape) -> bool:
    try:
        _stack(layers, image_shape, "meta")
    except DoesNotFit:
        return False
    return True


def _smallest_size(layers: Sequence[AnyLayer], image_shape: ImageShape) -> int | None:
    """Pixels per side of the smallest image that fits; None where none that a config allows does."""
    channels, height, width = image_shape
    too_small, fits = min(height, width), LARGEST_IMAGE + 1
    while fits - too_small > 1:
        size = (too_small + fits) // 2
        if _fits(layers, (channels, size, size)):
            fits = size
        else:
            too_small = size
    return fits if fits <= LARGEST_IMAGE else None


def _largest_depth(network: NetworkConfig, knob: str | None, fits: Callable[[NetworkConfig], bool]) -> int | None:
    if knob is None:
        return None
    for depth in range(getattr(network, knob) - 1, 0, -1):
        try:
            shallower = type(network).model_validate({**network.model_dump(), knob: depth})
        except ValidationError:  # below the knob's limit
            return None
        if fits(shallower):
            return depth
    return None


def _times(sides: Sequence[int]) -> str:
    return "×".join(map(str, sides))


def _article(number: int) -> str:
    return "an" if number in (11, 18) or str(number).startswith("8") else "a"
