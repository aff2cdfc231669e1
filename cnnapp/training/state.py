"""What changes while a run trains, and how it becomes a checkpoint and is brought back exactly.

A checkpoint is a flat mapping of arrays, so that it can be written as safetensors and cross to another machine:
``model/…``, ``optimizer/PARAMETER/…``, ``best/…``, ``rng/…``, ``epoch/…``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cnnapp.events import Checkpoint

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Best:
    """The best epoch so far; without a validation split the last one, with no loss and accuracy."""

    epoch: int
    loss: float | None
    accuracy: float | None
    weights: Mapping[str, np.ndarray]

    def is_beaten_by(self, loss: float | None, accuracy: float | None) -> bool:
        """Whether a later epoch is better: in accuracy, or as accurate and lower in loss."""
        if loss is None or accuracy is None or self.loss is None or self.accuracy is None:
            return True
        return (accuracy, -loss) > (self.accuracy, -self.loss)


@dataclass
class TrainingState:
    model: nn.Module
    optimizer: Optimizer
    step: int = 0  # steps done since the start of the run
    epoch: int = 0  # epochs completed
    best: Best | None = None
    seconds: float = 0.0  # of training and validation, over all processes that worked on the run
    epoch_seconds: float = 0.0  # the same, of the epoch that is under way
    losses: list[np.ndarray] = field(default_factory=list)  # of the epoch's steps so far, in parts
    corrects: list[np.ndarray] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def epoch_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(loss_S float32, correct_S int64) of the steps of the epoch that is under way."""
        none = np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
        return np.concatenate([none[0], *self.losses]), np.concatenate([none[1], *self.corrects])


def to_arrays(tensors: Mapping[str, Tensor], prefix: str = "") -> Arrays:
    """Copies in the CPU's memory, in C order, that later steps do not change."""
    return {prefix + name: np.array(tensor.detach().cpu().numpy(), order="C") for name, tensor in tensors.items()}


def to_tensors(arrays: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, Tensor]:
    """Copies of the arrays whose name begins with ``prefix``, which the names lose."""
    return {name.removeprefix(prefix): torch.tensor(array) for name, array in arrays.items() if name.startswith(prefix)}


def save(state: TrainingState) -> Checkpoint:
    """All that ``restore`` needs, copied."""
    tensors = to_arrays(state.model.state_dict(), "model/")
    for name, values in _named_state(state).items():
        tensors |= to_arrays({key: value for key, value in values.items() if isinstance(value, Tensor)}, name)
    if state.best is not None:
        tensors |= {f"best/{name}": np.array(array) for name, array in state.best.weights.items()}
    tensors |= to_arrays({"rng/torch": torch.get_rng_state()})
    if state.device.type == "cuda":
        tensors |= to_arrays({"rng/cuda": torch.cuda.get_rng_state(state.device)})
    tensors["epoch/loss"], tensors["epoch/correct"] = state.epoch_arrays()
    numbers: dict[str, object] = {"seconds": state.seconds, "epoch_seconds": state.epoch_seconds}
    if state.best is not None:
        numbers["best"] = {"epoch": state.best.epoch, "loss": state.best.loss, "accuracy": state.best.accuracy}
    return Checkpoint(step=state.step, epoch=state.epoch, tensors=tensors, numbers=numbers)


def restore(state: TrainingState, checkpoint: Checkpoint) -> None:
    """Bring ``state``, new and of the same config, to where ``checkpoint`` was saved."""
    tensors, numbers = checkpoint.tensors, cast(Mapping[str, Any], checkpoint.numbers)
    state.model.load_state_dict(to_tensors(tensors, "model/"))
    _restore_optimizer(state, to_tensors(tensors, "optimizer/"))
    state.step, state.epoch = checkpoint.step, checkpoint.epoch
    state.seconds, state.epoch_seconds = numbers["seconds"], numbers["epoch_seconds"]
    if numbers.get("best") is not None:
        weights = {name.removeprefix("best/"): array for name, array in tensors.items() if name.startswith("best/")}
        state.best = Best(**numbers["best"], weights=weights)
    state.losses, state.corrects = [np.array(tensors["epoch/loss"])], [np.array(tensors["epoch/correct"])]
    torch.set_rng_state(torch.tensor(tensors["rng/torch"]))
    if state.device.type == "cuda" and "rng/cuda" in tensors:
        torch.cuda.set_rng_state(torch.tensor(tensors["rng/cuda"]), state.device)


def _named_state(state: TrainingState) -> dict[str, dict[str, object]]:
    """The optimiser's state under its parameters' names, which do not change when their order does."""
    kept = state.optimizer.state
    return {f"optimizer/{name}/": kept[p] for name, p in state.model.named_parameters() if p in kept}


def _restore_optimizer(state: TrainingState, tensors: Mapping[str, Tensor]) -> None:
    kept: dict[int, dict[str, Tensor]] = {}
    for index, (name, parameter) in enumerate(state.model.named_parameters()):
        own = {key.rpartition("/")[2]: value for key, value in tensors.items() if key.rpartition("/")[0] == name}
        if own:
            kept[index] = {key: _laid_out_as(parameter, value) for key, value in own.items()}
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": kept, "param_groups": groups})


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """In the parameter's memory order, as the optimiser made it: vectorised sums round by memory order."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
