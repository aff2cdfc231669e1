"""Loss and accuracy of every step: a file of fixed-width records, and beside it the minimum, maximum and mean of each
256 of them, so that a curve over ten million steps is drawn without reading them.

One process appends; any number read. A record that was only half written when its writer was killed does not count.
The second file holds nothing that the first does not: what is missing in it is computed from the first.

Letters: S the steps of one append, N the steps or buckets of a result.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnapp.store.files import telling_full_disk

STEP = np.dtype([("step", "<u4"), ("loss", "<f4"), ("accuracy", "<f4")])
BLOCK = np.dtype([(f"{metric}_{kind}", "<f4") for metric in ("loss", "accuracy") for kind in ("low", "high", "mean")])
FACTOR = 256
RAW_STEPS = 1 << 16  # as many steps are read quicker than their blocks are put together


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The values as they were reported."""

    step_N: np.ndarray  # int64
    loss_N: np.ndarray  # float32
    accuracy_N: np.ndarray  # float32

    def __len__(self) -> int:
        return len(self.step_N)


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Lowest, highest and mean value of each bucket, float32. A value that is not a number counts in the mean alone."""

    low_N: np.ndarray
    high_N: np.ndarray
    mean_N: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Steps in buckets of ``width``, which begin at steps 1, 1 + width, 1 + 2 · width, …

    The width is a power of two, so that a growing run changes its last bucket only, until the width doubles.
    ``width`` 1 means the raw values: lowest, highest and mean are the same.
    """

    step_N: np.ndarray  # int64, first step of each bucket that lies in the asked range
    width: int
    loss: Band
    accuracy: Band

    def __len__(self) -> int:
        return len(self.step_N)


class StepMetrics:
    """``steps.bin`` and ``steps.minmax`` in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self._steps = folder / "steps.bin"
        self._blocks = folder / "steps.minmax"

    @property
    def num_steps(self) -> int:
        return _num_records(self._steps, STEP)

    def append(self, first_step: int, loss_S: np.ndarray, accuracy_S: np.ndarray) -> None:
        """Add the steps from ``first_step`` on, which must be the one after the last.

        Raises:
            ValueError: Steps would be missing or twice.
            DiskFull: Nothing was added.
        """
        num_steps = self.num_steps
        if first_step != num_steps + 1:
            raise ValueError(f"steps from {first_step} on cannot follow step {num_steps}")
        if len(loss_S) != len(accuracy_S):
            raise ValueError(f"{len(loss_S)} losses do not go with {len(accuracy_S)} accuracies")
        rows = np.empty(len(loss_S), STEP)
        rows["step"] = np.arange(first_step, first_step + len(rows))
        rows["loss"] = loss_S
        rows["accuracy"] = accuracy_S
        _append(self._steps, rows, num_steps)
        self._extend_blocks()

    def truncate(self, step: int) -> None:
        """Forget all steps after ``step``."""
        _cut(self._blocks, BLOCK, step // FACTOR)  # first, so that it never tells of steps that are gone
        _cut(self._steps, STEP, step)

    def sync(self) -> None:
        """Return when what was appended would survive a loss of power."""
        if self._steps.exists():
            descriptor = os.open(self._steps, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def tail(self, n: int) -> Steps:
        """The last ``n`` steps, or as many as there are."""
        num_steps = self.num_steps
        return self.range(num_steps - n + 1, num_steps)

    def range(self, first: int, last: int) -> Steps:
        """The steps from ``first`` to ``last``, both included, as far as they are there."""
        rows = _read(self._steps, STEP, max(first, 1) - 1, last)
        return Steps(rows["step"].astype(np.int64), rows["loss"].copy(), rows["accuracy"].copy())

    def curve(self, points: int, first: int = 1, last: int | None = None) -> Curve:
        """At most ``points`` buckets over the steps from ``first`` to ``last``, both included.

        With no more steps than ``points`` these are the raw values.
        """
        if points < 1:
            raise ValueError(f"a curve of {points} points cannot be drawn")
        begin = max(first, 1) - 1  # positions count from 0; end is not included
        end = min(last, self.num_steps) if last is not None else self.num_steps
        width = 1
        while end > begin and (end - 1) // width - begin // width >= points:
            width *= 2
        if width < FACTOR or end - begin <= RAW_STEPS:
            blocks = _read(self._steps, STEP, begin, end)  # each step is a block of its own
            start_B, count_B = begin + np.arange(len(blocks)), np.ones(len(blocks), np.int64)
        else:
            blocks, start_B, count_B = self._read_blocks(begin, end)
        edge_N = np.flatnonzero(np.diff(start_B // width, prepend=-1))
        bands = (_band(blocks, metric, count_B, edge_N) for metric in ("loss", "accuracy"))
        return Curve(start_B[edge_N] + 1, width, *bands)

    def _read_blocks(self, begin: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Blocks over the positions from ``begin`` to ``end``, the first position of each, and its number of steps.

        The outermost blocks may be parts of those in the file; what the file lacks is computed.
        """
        first_whole = -(-begin // FACTOR)
        stored = _read(self._blocks, BLOCK, first_whole, end // FACTOR)
        rest = (first_whole + len(stored)) * FACTOR
        head = _summary(_read(self._steps, STEP, begin, first_whole * FACTOR), begin)
        tail = _summary(_read(self._steps, STEP, rest, end), rest)
        blocks = np.concatenate([head, stored, tail])
        start_B = np.maximum(np.arange(begin // FACTOR, begin // FACTOR + len(blocks)) * FACTOR, begin)
        count_B = np.minimum(start_B // FACTOR * FACTOR + FACTOR, end) - start_B
        return blocks, start_B, count_B

    def _extend_blocks(self) -> None:
        """Write the blocks that are complete; also those that a killed writer left out."""
        done = _num_records(self._blocks, BLOCK)
        whole = self.num_steps // FACTOR
        if done < whole:
            rows = _read(self._steps, STEP, done * FACTOR, whole * FACTOR)
            _append(self._blocks, _summary(rows, done * FACTOR), done)


def _summary(rows: np.ndarray, begin: int) -> np.ndarray:
    """The blocks of steps that lie at the positions from ``begin`` on."""
    start_N = np.arange(begin, begin + len(rows))
    edge_N = np.flatnonzero(np.diff(start_N // FACTOR, prepend=-1))
    result = np.empty(len(edge_N), BLOCK)
    for metric in ("loss", "accuracy"):
        band = _band(rows, metric, np.ones(len(rows), np.int64), edge_N)
        result[f"{metric}_low"], result[f"{metric}_high"] = band.low_N, band.high_N
        result[f"{metric}_mean"] = band.mean_N
    return result


def _band(blocks: np.ndarray, metric: str, count_B: np.ndarray, edge_N: np.ndarray) -> Band:
    """Blocks of ``count_B`` steps each, put together: a new bucket begins at each position in ``edge_N``."""
    low_B, high_B, mean_B = _columns(blocks, metric)
    if len(edge_N) == len(blocks):
        return Band(low_B, high_B, mean_B)
    with np.errstate(all="ignore"):  # inf and nan are what a diverging run reports
        sum_N = np.add.reduceat(mean_B.astype(np.float64) * count_B, edge_N)
        return Band(
            low_N=np.fmin.reduceat(low_B, edge_N),
            high_N=np.fmax.reduceat(high_B, edge_N),
            mean_N=(sum_N / np.add.reduceat(count_B, edge_N)).astype(np.float32),
        )


def _columns(blocks: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest, highest and mean of each block; of a single step all three are its value."""
    if blocks.dtype == STEP:
        value_B = np.ascontiguousarray(blocks[metric])
        return value_B, value_B, value_B
    low_B, high_B, mean_B = (np.ascontiguousarray(blocks[f"{metric}_{kind}"]) for kind in ("low", "high", "mean"))
    return low_B, high_B, mean_B


def _num_records(path: Path, dtype: np.dtype[np.void]) -> int:
    try:
        return path.stat().st_size // dtype.itemsize
    except FileNotFoundError:
        return 0


def _read(path: Path, dtype: np.dtype[np.void], begin: int, end: int) -> np.ndarray:
    """Records from ``begin`` to before ``end``, as far as they are there. Not mapped: the file may be cut meanwhile."""
    if end <= begin:
        return np.empty(0, dtype)
    try:
        with path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), (end - begin) * dtype.itemsize, begin * dtype.itemsize)
    except FileNotFoundError:
        return np.empty(0, dtype)
    return np.frombuffer(data, dtype, count=len(data) // dtype.itemsize)


def _append(path: Path, records: np.ndarray, position: int) -> None:
    """Write ``records`` at ``position``, over what a killed writer may have left half written; all or nothing."""
    data = memoryview(records.tobytes())
    begin = position * records.dtype.itemsize
    with telling_full_disk(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], begin + written)
        except BaseException:
            os.ftruncate(descriptor, begin)
            raise
        finally:
            os.close(descriptor)


def _cut(path: Path, dtype: np.dtype[np.void], num_records: int) -> None:
    if path.exists() and path.stat().st_size > num_records * dtype.itemsize:
        os.truncate(path, num_records * dtype.itemsize)
