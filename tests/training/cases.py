"""Small data and networks for the tests of training, and a plain loop to compare with."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnapp.config import RunConfig
from cnnapp.data.batches import TensorSplit, epoch_order
from cnnapp.events import Event
from cnnapp.training.splits import TensorSplits


def config(seed: int = 0, **training: object) -> RunConfig:
    values = {"epochs": 3, "batch_size": 8, "optimizer": "sgd", "lr": 0.1} | training
    return RunConfig.model_validate({"seed": seed, "training": values})


def splits(
    num_train: int = 20, num_val: int = 10, num_test: int = 12, channels: int = 3, size: int = 6
) -> TensorSplits:
    """Random images of three classes; each image's first pixel is its position in its split."""
    numbers = np.random.default_rng(0)

    def split(num: int) -> TensorSplit:
        x_NCHW = torch.from_numpy(numbers.integers(0, 256, (num, channels, size, size), dtype=np.uint8))
        x_NCHW[:, 0, 0, 0] = torch.arange(num, dtype=torch.uint8)
        return TensorSplit(x_NCHW, torch.from_numpy(numbers.integers(0, 3, num)))

    return TensorSplits(split(num_train), split(num_val), split(num_test), num_classes=3, normalisation="unit")


def network(dropout: float = 0.0, channels: int = 3, size: int = 6) -> nn.Sequential:
    torch.manual_seed(1)
    flat = 5 * ((size - 2) // 2) ** 2
    return nn.Sequential(
        nn.Conv2d(channels, 5, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(flat, 3),
    )


class Spy(nn.Module):
    """Passes images to ``model`` and keeps, for every call, their positions and whether it was a training step."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.calls: list[tuple[bool, list[int]]] = []

    def forward(self, x_BCHW: Tensor) -> Tensor:
        positions = (x_BCHW[:, 0, 0, 0] * 255).round().int().tolist()
        self.calls.append((torch.is_grad_enabled(), positions))
        return self.model(x_BCHW)

    def trained_on(self) -> list[list[int]]:
        return [positions for is_training, positions in self.calls if is_training]


class AskAfter:
    """Says "go" ``num`` times, then ``command`` for ever."""

    def __init__(self, num: int, command: str) -> None:
        self.left = num
        self.command = command

    def __call__(self) -> str:
        self.left -= 1
        return "go" if self.left >= 0 else self.command


def of(kind: type, events: list[Event]) -> list:
    return [event for event in events if isinstance(event, kind)]


def last_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def plain_losses(
    model: nn.Module, x_NCHW: Tensor, y_N: Tensor, run: RunConfig, num_steps: int, make_optimizer=torch.optim.SGD
) -> list[float]:
    """Loss of each step of a loop as a course writes it: NCHW floats, one optimiser, nothing else.

    It trains ``model`` in place, with the batches of the run's seed.
    """
    optimizer = make_optimizer(model.parameters(), lr=run.training.lr)
    model.train()
    losses: list[float] = []
    for epoch in range(1, run.training.epochs + 1):
        order = torch.from_numpy(epoch_order(len(y_N), run.seed, epoch))
        for index_B in order.split(run.training.batch_size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x_NCHW[index_B].float() / 255), y_N[index_B])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == num_steps:
                return losses
    return losses
