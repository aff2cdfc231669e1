"""The rules that turn gradients into steps."""

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from cnnapp.config import TrainingConfig


def make_optimizer(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> Optimizer:
    """SGD with momentum (without dampening), Adam (Kingma and Ba 2015, arXiv:1412.6980) or AdamW (Loshchilov and
    Hutter 2019, arXiv:1711.05101), with torch's defaults for what the config does not name.

    Weight decay is an L2 term in the gradient for sgd and adam, and decoupled from it for adamw.
    """
    parameters = list(parameters)
    tensors = list(parameters)
    fused = tensors[0].device.type == "cuda"  # one kernel; on a CPU no faster than foreach
    foreach = not fused
    lr, decay = config.lr, config.weight_decay
    match config.optimizer:
        case "sgd":
            return SGD(tensors, lr, momentum=config.momentum, weight_decay=decay, foreach=foreach, fused=fused)
        case "adam":
            return Adam(tensors, lr, weight_decay=decay, foreach=foreach, fused=fused)
        case "adamw":
            return AdamW(tensors, lr, weight_decay=decay, foreach=foreach, fused=fused)
