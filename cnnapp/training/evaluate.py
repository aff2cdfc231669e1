"""Loss, accuracy and confusion matrix of a model on a split."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnapp.data.batches import TensorSplit
from cnnapp.training.control import Ask, always_go, check
from cnnapp.training.splits import TensorSplits

BATCH = 512
BATCH_VALUES = BATCH * 3 * 32 * 32
"""Most input values of one batch: large images come in smaller batches, for memory and a quick answer to a pause."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    loss: float  # nats, mean over the images
    accuracy: float  # 0 to 1
    confusion_KK: np.ndarray  # int64, true class by row, predicted class by column


def evaluate(model: nn.Module, data: TensorSplits, split: TensorSplit, ask: Ask = always_go) -> Evaluation:
    """Evaluate ``model`` on a split that is not empty; it is left in the mode (training or not) that it was in.

    Raises:
        Interrupted: ``ask``, asked after every batch, answered something other than "go".
    """
    size = max(1, min(BATCH, BATCH_VALUES // split.x_NCHW[0].numel()))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return _evaluate(model, data, split, size, ask)
    finally:
        model.train(was_training)


def _evaluate(model: nn.Module, data: TensorSplits, split: TensorSplit, batch_size: int, ask: Ask) -> Evaluation:
    num_classes = data.num_classes
    loss = torch.zeros((), dtype=torch.float64, device=split.y_N.device)
    cells: list[Tensor] = []
    for x_BCHW, y_B in split.batches(batch_size):
        logits_BK = model(data.prepare(x_BCHW))
        loss += functional.cross_entropy(logits_BK, y_B, reduction="sum").double()
        cells.append(y_B * num_classes + logits_BK.argmax(dim=1))
        check(ask)
    # counted once at the end: on a GPU, bincount waits for the device
    count = torch.bincount(torch.cat(cells), minlength=num_classes**2).reshape(num_classes, num_classes)
    confusion_KK = count.cpu().numpy()
    return Evaluation(
        loss=float(loss) / len(split),
        accuracy=int(confusion_KK.trace()) / len(split),
        confusion_KK=confusion_KK,
    )
