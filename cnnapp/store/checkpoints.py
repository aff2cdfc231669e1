"""Weights as safetensors files: those of the epochs, and the checkpoint that a run resumes from.

A file is there whole or not at all. Nothing here needs torch; arrays come and go as numpy's.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from cnnapp.errors import CheckpointMissing
from cnnapp.events import Checkpoint, WeightsDone
from cnnapp.store.files import write_atomically

UNREADABLE = (OSError, SafetensorError, ValueError, KeyError)

_FILE = re.compile(r"(epoch|filters)-(\d{4,})\.safetensors")


class WeightsFolder:
    """The weights of one run through time.

    Every epoch's weights are kept if all of them together take at most ``budget_bytes``. Else the first convolution's
    filters of every epoch are kept, and all weights of epoch 0 (before training), halfway, the best and the last.
    """

    def __init__(self, folder: Path, budget_bytes: float) -> None:
        self.folder = folder
        self.budget_bytes = budget_bytes

    def save(self, done: WeightsDone, epochs: int, covered: int | None = None) -> None:
        """Keep the weights as the budget allows, and drop those that these replace.

        Args:
            epochs: How many the run will have.
            covered: The epoch that a killed run would go back to; what was the best and the last then stays.

        Raises:
            DiskFull: There is no room; the files are as before.
        """
        num_bytes = sum(array.nbytes for array in done.weights.values())
        everything = (epochs + 1) * num_bytes <= self.budget_bytes
        metadata = {
            "epoch": str(done.epoch),
            "is_best": json.dumps(bool(done.is_best)),
            "every_epoch": json.dumps(everything),
        }
        first = _first_convolution(done.weights)
        if not everything and first is not None:
            _save(self._path("filters", done.epoch), {first: done.weights[first]}, metadata)
        _save(self._path("epoch", done.epoch), done.weights, metadata)
        if not everything:
            self._drop(epochs, covered)

    def tidy(self, epochs: int) -> None:
        """Drop what was kept only in case that the run had to go back."""
        there = self.epochs()
        if there and not self._says(there[-1], "every_epoch", default=True):
            self._drop(epochs, covered=None)

    def epochs(self) -> list[int]:
        """Epochs whose weights are all there, in order."""
        return self._listed("epoch")

    def filter_epochs(self) -> list[int]:
        """Epochs of which at least the first convolution's filters are there, in order."""
        return sorted({*self._listed("epoch"), *self._listed("filters")})

    def best_epoch(self) -> int | None:
        """The last epoch that was the best when it ended, of those whose weights are all there."""
        return self._best(self.epochs())

    def load(self, epoch: int | Literal["best", "last"]) -> dict[str, np.ndarray]:
        """All weights, in the order in which the network gave them.

        Raises:
            CheckpointMissing: They were not kept, are not written yet, or the file is damaged.
        """
        epoch = self._resolve(epoch)
        try:
            return _load(self._path("epoch", epoch))[0]
        except FileNotFoundError as error:
            raise CheckpointMissing(
                f"The weights of epoch {epoch} were not kept. {self._there(self.epochs())}"
            ) from error
        except UNREADABLE as error:
            raise self._damaged("epoch", epoch, self.epochs()) from error

    def load_filters(self, epoch: int | Literal["best", "last"]) -> dict[str, np.ndarray]:
        """The first convolution's weights alone: one array by its name.

        Raises:
            CheckpointMissing: As for ``load``; or the network has no convolution.
        """
        epoch = self._resolve(epoch)
        kind = "filters" if self._path("filters", epoch).exists() else "epoch"
        try:
            with safe_open(self._path(kind, epoch), framework="numpy") as file:
                shapes = {name: file.get_slice(name).get_shape() for name in _order(file)}
                first = next((name for name, shape in shapes.items() if len(shape) == 4), None)
                if first is None:
                    raise CheckpointMissing("This network has no convolution, so that it has no filters.")
                return {first: file.get_tensor(first)}
        except FileNotFoundError as error:
            there = self._there(self.filter_epochs())
            raise CheckpointMissing(f"The filters of epoch {epoch} were not kept. {there}") from error
        except UNREADABLE as error:
            raise self._damaged(kind, epoch, self.filter_epochs()) from error

    def forget_after(self, epoch: int) -> None:
        """Remove the weights of later epochs, which a resumed run does again."""
        for kind in ("epoch", "filters"):
            for later in self._listed(kind):
                if later > epoch:
                    self._path(kind, later).unlink(missing_ok=True)

    def _drop(self, epochs: int, covered: int | None) -> None:
        there = self.epochs()
        keep = self._policy(there, epochs)
        if covered is not None:
            keep |= self._policy([epoch for epoch in there if epoch <= covered], epochs)
        for epoch in there:
            if epoch not in keep:
                self._path("epoch", epoch).unlink(missing_ok=True)

    def _policy(self, there: list[int], epochs: int) -> set[int]:
        return {0, epochs // 2, *there[-1:], *(best for best in [self._best(there)] if best is not None)}

    def _best(self, there: list[int]) -> int | None:
        return next((epoch for epoch in reversed(there) if self._says(epoch, "is_best", default=False)), None)

    def _says(self, epoch: int, what: str, default: bool) -> bool:
        try:
            with safe_open(self._path("epoch", epoch), framework="numpy") as file:
                return bool(json.loads((file.metadata() or {})[what]))
        except UNREADABLE:
            return default

    def _resolve(self, epoch: int | str) -> int:
        if isinstance(epoch, int):
            return epoch
        there = self.epochs()
        found = self._best(there) if epoch == "best" else max(there, default=None)
        if found is None:
            raise CheckpointMissing(f"There are no {epoch} weights yet. {self._there(there)}")
        return found

    def _path(self, kind: str, epoch: int) -> Path:
        return self.folder / f"{kind}-{epoch:04d}.safetensors"

    def _listed(self, kind: str) -> list[int]:
        if not self.folder.is_dir():
            return []
        matches = (_FILE.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[2]) for match in matches if match and match[1] == kind)

    def _damaged(self, kind: str, epoch: int, there: list[int]) -> CheckpointMissing:
        others = self._there([other for other in there if other != epoch])
        return CheckpointMissing(f"The file {self._path(kind, epoch)} is damaged and cannot be read. {others}")

    @staticmethod
    def _there(epochs: list[int]) -> str:
        if not epochs:
            return "None are there yet: they come when training begins."
        if len(epochs) == 1:
            return f"Those of epoch {epochs[0]} are there."
        if epochs == list(range(epochs[0], epochs[-1] + 1)):
            return f"Those of epochs {epochs[0]} to {epochs[-1]} are there."
        return f"Those of epochs {', '.join(map(str, epochs[:-1]))} and {epochs[-1]} are there."


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """
    Raises:
        DiskFull: There is no room; the checkpoint before this one is still there.
    """
    numbers = json.dumps(dict(checkpoint.numbers))
    metadata = {"step": str(checkpoint.step), "epoch": str(checkpoint.epoch), "numbers": numbers}
    _save(path, checkpoint.tensors, metadata)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """None where there is none, or it cannot be read: the run then begins again."""
    try:
        tensors, metadata = _load(path)
        numbers: dict[str, Any] = json.loads(metadata["numbers"])
        return Checkpoint(int(metadata["step"]), int(metadata["epoch"]), tensors, numbers)
    except UNREADABLE:
        return None


def checkpoint_epoch(path: Path) -> int | None:
    """The epochs that were completed at a checkpoint, without reading its tensors."""
    try:
        with safe_open(path, framework="numpy") as file:
            return int((file.metadata() or {})["epoch"])
    except UNREADABLE:
        return None


def _first_convolution(weights: Mapping[str, np.ndarray]) -> str | None:
    return next((name for name, array in weights.items() if array.ndim == 4), None)


def _save(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    order = json.dumps(list(arrays))  # the format itself sorts by name
    write_atomically(path, to_bytes(arrays, metadata={**metadata, "order": order}))


def _load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in _order(file)}, dict(file.metadata() or {})


def _order(file: Any) -> Iterable[str]:
    order: list[str] = json.loads((file.metadata() or {})["order"])
    return order
