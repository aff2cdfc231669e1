"""What a run reports, in the order it happens: the one language between training and the rest.

The stream must be able to cross to another machine, so that events carry all that has to be kept (weights too) and
no path.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

EndState = Literal["finished", "stopped", "paused", "diverged", "failed"]


@dataclass(frozen=True, slots=True)
class DataProgress:
    """Data is being fetched or decoded; ``share`` from 0 to 1."""

    text: str
    share: float


@dataclass(frozen=True, slots=True)
class RunStarted:
    num_parameters: int
    num_train: int  # images in the train split
    num_val: int  # images in the validation split; 0: there is none
    num_test: int
    steps_per_epoch: int
    epochs: int
    device: str  # "cpu", "cuda:0"
    device_name: str  # "AMD EPYC, 2 threads", "NVIDIA H200"
    resumed_at_step: int = 0  # steps that were already done when this process began


@dataclass(frozen=True, slots=True, eq=False)
class StepsDone:
    """The steps since the last such event: a few times a second, never once a step."""

    first_step: int  # optimizer steps since the start of the run, from 1
    loss_S: np.ndarray  # float32, mean cross-entropy over each step's batch, in nats
    accuracy_S: np.ndarray  # float32, 0 to 1, of each step's batch, before its update
    images_per_second: float


@dataclass(frozen=True, slots=True, eq=False)
class EpochDone:
    epoch: int  # from 1
    step: int  # last step of the epoch
    train_loss: float  # nats, mean over the epoch's images as they were seen
    train_accuracy: float  # 0 to 1
    val_loss: float | None  # nats; None without a validation split
    val_accuracy: float | None
    confusion_KK: np.ndarray | None  # int64, validation images: true class by row, predicted class by column
    is_best: bool  # best by validation so far; without a validation split the last epoch is
    seconds: float  # training and validation of this epoch


@dataclass(frozen=True, slots=True, eq=False)
class WeightsDone:
    """The weights after an epoch; epoch 0 is before training."""

    epoch: int
    is_best: bool
    weights: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """All that exact resume needs, after ``step``."""

    step: int
    epoch: int  # epochs that were completed
    tensors: Mapping[str, np.ndarray]
    numbers: Mapping[str, object] = field(default_factory=dict)  # plain JSON values


@dataclass(frozen=True, slots=True, eq=False)
class TestDone:
    """The test split, touched once: with the best-validation weights, when the run ends."""

    epoch: int  # whose weights were tested
    loss: float  # nats
    accuracy: float  # 0 to 1
    confusion_KK: np.ndarray  # int64

    __test__ = False  # not a pytest class


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event of every stream. ``paused`` ends a process, not the run: it resumes from its checkpoint."""

    state: EndState
    detail: str = ""


Event = DataProgress | RunStarted | StepsDone | EpochDone | WeightsDone | Checkpoint | TestDone | RunEnded
