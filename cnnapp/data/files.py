"""Where a dataset's files are: found in the folders of the settings, else downloaded, else a sentence on what to do.

Folders named by the user are only read. A damaged file is passed over, and named when nothing better turns up.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from cnnapp.data.atomic import remove_leftovers
from cnnapp.data.dataset import Progress
from cnnapp.data.download import DownloadFailed, Remote, download
from cnnapp.errors import MissingData
from cnnapp.settings import PREFIX, read_settings

MAX_NOTES = 3  # damaged or missing files that a message names


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a dataset may lie on a disk: some files, all of them in one folder.

    Attributes:
        folders: Where that folder may be, below each data folder; the first is where downloads go.
        files: Name of each file, and the number of bytes that it has at least.
    """

    folders: tuple[str, ...]
    files: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A dataset's files.

    Attributes:
        title: The dataset's name for people.
        forms: In order of preference; the last is the one that is downloaded.
        download_mb: What all the files of that form take.
    """

    title: str
    forms: tuple[Form, ...]
    download_mb: float


@dataclass(frozen=True, slots=True)
class Found:
    folder: Path
    form: Form


def is_present(wanted: Wanted) -> bool:
    """Whether all files are there and of a plausible size. Quick: no file is opened."""
    return next(_complete(wanted, []), None) is not None


def obtain(wanted: Wanted, remotes: tuple[Remote, ...], md5s: Mapping[str, str], progress: Progress) -> Found:
    """Find the files and verify them, or download them.

    Args:
        wanted: What to look for.
        remotes: The files of the last form.
        md5s: Checksums by file name; a file without one is not read here.
        progress: May raise to cancel.

    Raises:
        MissingData: They are not here and could not be fetched; the text says which files to put where.
    """
    found, notes = _find(wanted, md5s, progress)
    return found or _fetch(wanted, remotes, md5s, notes, progress)


def _find(wanted: Wanted, md5s: Mapping[str, str], progress: Progress) -> tuple[Found | None, list[str]]:
    """The first undamaged set of files, and what was wrong with others."""
    notes: list[str] = []
    for found in _complete(wanted, notes):
        progress(f"Checking the files of {wanted.title}", 0.0)
        damage = [note for name in found.form.files if (note := _damage(found.folder / name, md5s.get(name)))]
        if not damage:
            return found, notes
        notes += damage
    return None, list(dict.fromkeys(notes))


def _complete(wanted: Wanted, notes: list[str]) -> Iterator[Found]:
    """Folders that hold all files of a form; what is wrong with the others goes into ``notes``."""
    for root in read_settings().data_folders:
        for form in wanted.forms:
            for folder in form.folders:
                sizes = {name: _size(root / folder / name) for name in form.files}
                missing = [name for name, size in sizes.items() if size is None]
                short = [name for name, size in sizes.items() if size is not None and size < form.files[name]]
                if not missing and not short:
                    yield Found(root / folder, form)
                elif len(missing) < len(form.files):
                    notes += [f"{root / folder / name} is missing" for name in missing]
                    notes += [f"{root / folder / name} is damaged: it has only {sizes[name]} bytes" for name in short]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _damage(path: Path, md5: str | None) -> str:
    """What is wrong with a file, or nothing."""
    if md5 is None:
        return ""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error})"
    return "" if found == md5 else f"{path} is damaged or another file: its MD5 is {found}, not {md5}"


def _fetch(
    wanted: Wanted, remotes: tuple[Remote, ...], md5s: Mapping[str, str], notes: list[str], progress: Progress
) -> Found:
    form = wanted.forms[-1]
    folder = read_settings().download_folder / form.folders[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        with _alone(folder, wanted.title, progress):
            for remote in remotes:
                target = folder / remote.name
                if _size(target) is None or _damage(target, remote.md5):  # else another process was quicker
                    download(remote, target, int(wanted.download_mb * 2e6), progress)
    except DownloadFailed as error:
        raise MissingData(_advice(wanted, folder, notes, f"could not be downloaded ({error})")) from error
    except OSError as error:
        reason = f"could not be saved in {folder} ({error.strerror or error})"
        raise MissingData(_advice(wanted, folder, notes, reason)) from error
    return Found(folder, form)


@contextmanager
def _alone(folder: Path, title: str, progress: Progress) -> Iterator[None]:
    """One process at a time downloads into a folder; the others wait, and can be cancelled while they do."""
    lock = FileLock(folder / ".lock")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1)
        except Timeout:
            progress(f"Another process is downloading {title}", 0.0)
    try:
        yield
    finally:
        lock.release()


def _advice(wanted: Wanted, folder: Path, notes: list[str], reason: str) -> str:
    files = ", ".join(wanted.forms[-1].files)
    more = f"; and {len(notes) - MAX_NOTES} more" if len(notes) > MAX_NOTES else ""
    found = f" What is there cannot be used: {'; '.join(notes[:MAX_NOTES])}{more}." if notes else ""
    return (
        f"{wanted.title} is not on this machine and {reason}.{found} "
        f"Put {files} into {folder}, or into {Path(wanted.forms[-1].folders[0])}{os.sep} "
        f"in a folder that {PREFIX}DATA names."
    )
