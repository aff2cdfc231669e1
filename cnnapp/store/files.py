"""Files that are there whole or not at all, and what to say when the disk is full."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnapp.errors import DiskFull

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
LITTLE_MB = 1


def has_room(folder: Path) -> bool:
    return _free_mb(folder) >= LITTLE_MB


def disk_full(folder: Path) -> DiskFull:
    """The error that names the folder and how much room is left there."""
    return DiskFull(
        f"There is no room left on the disk of {folder}: {_free_mb(folder):.0f} MB are free. "
        "Delete runs or other files there, or set CNNAPP_HOME to a folder on a larger disk."
    )


def _free_mb(folder: Path) -> float:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free / 1e6


@contextmanager
def telling_full_disk(folder: Path) -> Iterator[None]:
    """Turns the system's error about a full disk into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise disk_full(folder) from error
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds all of it or what it held before, whenever the process or machine dies.

    Raises:
        DiskFull: There is no room; ``path`` is as before.
    """
    part = path.with_name(f".{path.name}.part")
    with telling_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
