"""Batches for training: uint8 tensors that stay where the model is, normalised a batch at a time.

Shapes: N images in the part, B in a batch, C channels, H high, W wide.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from cnnapp.data.loading import Split
from cnnapp.data.splits import shuffled


def normalise(x_BCHW: Tensor, kind: str) -> Tensor:
    """Pixels of 0 to 255 as the numbers that a network gets, on the tensor's device.

    Args:
        x_BCHW: uint8.
        kind: ``unit`` for x / 255, in 0 to 1; ``half`` for (x / 255 - 0.5) / 0.5, in -1 to 1.

    Returns:
        float32, the same shape.

    Raises:
        ValueError: There is no such kind.
    """
    x_BCHW = x_BCHW.to(torch.float32).div_(255)
    match kind:
        case "unit":
            return x_BCHW
        case "half":
            return x_BCHW.sub_(0.5).div_(0.5)
        case _:
            raise ValueError(f"normalisation {kind!r} is neither 'unit' nor 'half'")


def epoch_order(num: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch sees the train split: a permutation of 0 to ``num`` - 1, int64.

    A function of (seed, epoch) alone, the same on every machine, so that a resumed run sees what it would have seen.
    """
    return shuffled(num, seed, epoch)


class TensorSplit:
    """A split on a device.

    A batch costs one ``index_select`` of uint8 rows; without an order and an index it is a slice and costs nothing.
    """

    def __init__(self, x_NCHW: Tensor, y_N: Tensor, index_N: Tensor | None = None) -> None:
        """
        Args:
            x_NCHW: uint8.
            y_N: int64, on the same device.
            index_N: int64, on the same device: which images belong to the split; None means all, in order.
        """
        self.x_NCHW = x_NCHW
        self.y_N = y_N
        self.index_N = index_N

    @classmethod
    def from_split(cls, split: Split, device: str | torch.device = "cpu") -> "TensorSplit":
        """The split on ``device``.

        On the CPU its images stay where they are, mapped from the cache and shared with other splits and processes. On
        another device it owns just the images that belong to it.
        """
        x_NCHW, y_N = _as_tensor(split.x_NCHW), _as_tensor(split.y_N)
        index_N = None if _is_everything(split) else _as_tensor(split.index_N)
        device = torch.device(device)
        if device.type == "cpu":
            return cls(x_NCHW, y_N, index_N)
        if index_N is not None:
            x_NCHW, y_N = x_NCHW.index_select(0, index_N), y_N.index_select(0, index_N)
        return cls(x_NCHW.to(device), y_N.to(device))

    def __len__(self) -> int:
        return len(self.y_N) if self.index_N is None else len(self.index_N)

    @property
    def device(self) -> torch.device:
        return self.x_NCHW.device

    def num_batches(self, batch_size: int) -> int:
        """Batches of an epoch; the last may be smaller than the others."""
        return -(-len(self) // batch_size)

    def batches(
        self, batch_size: int, order: np.ndarray | None = None, skip: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All images of the split, ``batch_size`` at a time.

        Args:
            batch_size: At least 1; the last batch holds what is left.
            order: Positions within the split, (len,) int64; None is the split's own order.
            skip: Batches to leave out at the start, as a resumed epoch does.

        Yields:
            Images, uint8 of shape (B, C, H, W), not normalised, and labels, int64 of shape (B,).
        """
        index = self._index(order)  # moved to the device once an epoch, not once a batch
        for start in range(skip * batch_size, len(self), batch_size):
            rows = slice(start, min(start + batch_size, len(self)))
            if index is None:
                yield self.x_NCHW[rows], self.y_N[rows]
            else:
                chosen = index[rows]
                yield self.x_NCHW.index_select(0, chosen), self.y_N.index_select(0, chosen)

    def _index(self, order: np.ndarray | None) -> Tensor | None:
        if order is None:
            return self.index_N
        index = torch.from_numpy(np.ascontiguousarray(order, dtype=np.int64)).to(self.device)
        return index if self.index_N is None else self.index_N.index_select(0, index)


def _is_everything(split: Split) -> bool:
    """Whether the split is the whole part in its order."""
    return len(split.index_N) == len(split.y_N) and bool((split.index_N == np.arange(len(split.y_N))).all())


def _as_tensor(array: np.ndarray) -> Tensor:
    """A tensor on the same memory; a copy only if the memory cannot be written to, which torch does not allow for."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())
