"""What a model says that an image is."""

from torch import Tensor, nn

from cnnapp.insight.modes import looking_at


def probabilities(model: nn.Module, x_BCHW: Tensor) -> Tensor:
    """Probability of every class: the softmax of the logits, with dropout off.

    Args:
        x_BCHW: Normalised images, on the model's device.

    Returns:
        (B, K) float32; each row sums to 1.
    """
    with looking_at(model):
        logits_BK: Tensor = model(x_BCHW)
        return logits_BK.float().softmax(dim=1)
