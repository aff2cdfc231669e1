"""Files that are either all there or not there at all, whoever writes them at the same time."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

PART = ".part"
DAY = 86_400  # seconds


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write into that becomes ``path`` when the block ends, and vanishes when the block raises.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex}{PART}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the right name on an empty file
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete the unfinished files of processes that were killed more than a day ago."""
    with suppress(OSError):
        for part in folder.glob(f".*{PART}"):
            if time.time() - part.stat().st_mtime > DAY:
                part.unlink(missing_ok=True)
