"""A dataset's part as it goes into a network, kept on disk so that the next run maps it into memory in milliseconds.

An entry is a folder of ``images.npy`` (uint8, NCHW), ``labels.npy`` (int64) and ``entry.json`` (checksums). Its content
is a function of its name, so that two processes that write it at once write the same bytes, whatever the order.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cnnapp.data.atomic import remove_leftovers, replacing

FORMAT = 1  # raise it when files of this module change their meaning
IMAGES, LABELS, ENTRY = "images.npy", "labels.npy", "entry.json"


def load(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Images and labels of an entry, or None if it is not there or damaged.

    The images are mapped, not read: they take no memory of their own, and processes share them. The mapping is private,
    so that they can be handed to torch as writable while no write ever reaches the file.
    """
    try:
        expected = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        x_NCHW = np.asarray(np.load(folder / IMAGES, mmap_mode="c"))
        y_N = np.load(folder / LABELS)
        found = _describe(x_NCHW, y_N)
    except Exception:  # whatever a damaged file makes numpy raise
        return None
    return (x_NCHW, y_N) if found == expected else None


def save(folder: Path, shape: tuple[int, ...], chunks: Iterable[np.ndarray], y_N: np.ndarray) -> None:
    """Write an entry chunk by chunk, never holding all of its images in memory.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    remove_leftovers(folder)
    with replacing(folder / IMAGES) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(chunk.data)
    with replacing(folder / LABELS) as file:
        np.save(file, y_N)
    x_NCHW = np.asarray(np.load(folder / IMAGES, mmap_mode="r"))
    with replacing(folder / ENTRY) as file:  # last: without it the others do not count
        file.write(json.dumps(_describe(x_NCHW, y_N)).encode())


def free_bytes(folder: Path) -> int:
    """Free disk where ``folder`` is or would be.

    Raises:
        OSError: Nothing can be found out about that place.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _describe(x_NCHW: np.ndarray, y_N: np.ndarray) -> dict[str, object]:
    if x_NCHW.dtype != np.uint8 or y_N.dtype != np.int64:
        raise ValueError("an entry of other types")
    return {
        "format": FORMAT,
        "shape": list(x_NCHW.shape),
        "labels": len(y_N),
        "images_sum": _checksum(x_NCHW),
        "labels_sum": _checksum(y_N),
    }


def _checksum(values: np.ndarray) -> int:
    """Sum of the bytes taken eight at a time, modulo 2**64.

    It finds any one damaged place, and runs at memory speed: 47 MB in 3 ms, where a CRC takes 10 times as long.
    """
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    whole = len(flat) // 8 * 8
    words = int(flat[:whole].view("<u8").sum(dtype=np.uint64))
    return (words + int(flat[whole:].sum(dtype=np.uint64))) % 2**64
