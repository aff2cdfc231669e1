"""What the convolutions of a model make of images.

Letters: B images in a batch, C channels, H and W the image's height and width, h and w a feature map's.
"""

from functools import partial

from torch import Tensor, nn

from cnnapp.insight.modes import looking_at


def conv_layers(model: nn.Module) -> list[str]:
    """Names of the model's convolutions, in the order in which it holds them."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]


def feature_maps(model: nn.Module, x_BCHW: Tensor) -> dict[str, Tensor]:
    """Every convolution's feature maps, before the activation function, in the order of the forward pass.

    The model is used in evaluation mode and left as it was, also after an error.

    Args:
        x_BCHW: Normalised images, on the model's device.

    Returns:
        By the convolution's name, (B, channels, h, w); copies, which later layers that work in place cannot change.
    """
    maps: dict[str, Tensor] = {}

    def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps[name] = output.clone()

    hooks = [model.get_submodule(name).register_forward_hook(partial(note, name)) for name in conv_layers(model)]
    try:
        with looking_at(model):
            model(x_BCHW)
    finally:
        for hook in hooks:
            hook.remove()
    return maps
