"""The steps since the last report. Their numbers stay on the device until they are taken, all at once."""

from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What was measured in steps that follow each other."""

    loss_S: np.ndarray  # float32, nats
    correct_S: np.ndarray  # int64, images of the batch whose class was predicted
    size_S: np.ndarray  # int64, images of the batch
    seconds: float


@dataclass
class StepWindow:
    """Collects steps without waiting for the device.

    Waiting for each step's loss would leave a GPU idle between any two steps.
    """

    losses: list[Tensor] = field(default_factory=list)
    corrects: list[Tensor] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    began: float = field(default_factory=perf_counter)

    def __len__(self) -> int:
        return len(self.losses)

    def restart(self) -> None:
        """Measure time from now on: what happened since the last step was not training."""
        self.began = perf_counter()

    def add(self, loss: Tensor, correct: Tensor, size: int) -> None:
        self.losses.append(loss)
        self.corrects.append(correct)
        self.sizes.append(size)

    def age(self) -> float:
        """Seconds since the window began."""
        return perf_counter() - self.began

    def take(self) -> Steps:
        """The steps collected so far, which the window then forgets. Waits for the device."""
        loss_S = torch.stack(self.losses).cpu().numpy()
        correct_S = torch.stack(self.corrects).cpu().numpy()
        steps = Steps(loss_S, correct_S, np.array(self.sizes, dtype=np.int64), self.age())
        self.losses, self.corrects, self.sizes = [], [], []
        self.restart()
        return steps
