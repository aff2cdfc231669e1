"""Who is who among the processes of one home: where they meet, which code they run, whether one is still alive."""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

import cnnapp
from cnnapp.errors import CannotStart


def lock_path(home: Path, role: str) -> Path:
    return home / f"{role}.lock"


def socket_path(home: Path) -> Path:
    """The fork server's socket: in a folder of this user's alone, since a path under home may be too long for a socket.

    Raises:
        CannotStart: The folder belongs to somebody else, is no folder, or cannot be made.
    """
    folder = Path(tempfile.gettempdir()) / f"cnnapp-{os.getuid()}"
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except OSError as error:
        raise CannotStart(
            f"Processes of CNN Lab meet in {folder}, but that folder cannot be made ({error.strerror}). "
            "Make room there, or set TMPDIR to a folder of your own."
        ) from error
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or not stat.S_ISDIR(status.st_mode):
        raise CannotStart(
            f"Processes of CNN Lab meet in {folder}, but that folder is not private to this user. "
            "Remove it, or set TMPDIR to a folder of your own."
        )
    return folder / (hashlib.sha256(str(home).encode()).hexdigest()[:16] + ".sock")


@cache
def code_time() -> int:
    """When the newest file of the application was changed, in ns: a process of older code gives way to newer."""
    return max(path.stat().st_mtime_ns for path in Path(cnnapp.__file__).parent.rglob("*.py"))


def is_alive(pid: int | None, created: float | None) -> bool:
    """Whether exactly that process still runs: pids are used again, and a zombie is dead."""
    if pid is None or created is None:
        return False
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - created) < 1) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
