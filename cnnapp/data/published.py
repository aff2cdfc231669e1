"""Datasets that torchvision knows: its readers and checksums, our way of finding and fetching the files.

torchvision is imported when files are read, and not before: a form lists these datasets without it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cnnapp.data.dataset import Dataset, Images, Part, Progress
from cnnapp.data.download import Remote
from cnnapp.data.files import Form, Found, Wanted, is_present, obtain
from cnnapp.errors import MissingData
from cnnapp.settings import read_settings


def mnist_like(name: str, title: str, reader: str, folders: tuple[str, ...], **facts: Any) -> Dataset:
    """A dataset in MNIST's format: four files, 60,000 and 10,000 grey images of 28×28 pixels.

    Args:
        name: In the registry, and of the folder that downloads go to.
        title: For people.
        reader: torchvision's class.
        folders: Other names that the dataset's folder may have.
        facts: The other fields of ``Dataset``.
    """
    facts = {"channels": 1, "native_size": 28, "image_size": 28, "num_train": 60_000, "num_test": 10_000, **facts}
    least: dict[str, int] = {}
    for part, num in (("train", facts["num_train"]), ("t10k", facts["num_test"])):
        least[f"{part}-images-idx3-ubyte"] = 16 + num * facts["native_size"] ** 2
        least[f"{part}-labels-idx1-ubyte"] = 8 + num
    named = (name, *(folder for folder in folders if folder != name))
    raw = (f"{reader}/raw", *(f"{folder}/{reader}/raw" for folder in named))
    packed = (f"{name}/{reader}/raw", *raw, *named)
    forms = (Form(raw, least), Form(tuple(dict.fromkeys(packed)), {f"{file}.gz": 1 for file in least}))
    wanted = Wanted(title, forms, facts["download_mb"])
    return Dataset(
        name=name,
        title=title,
        read=partial(_read_mnist_like, reader, wanted),
        is_present=partial(is_present, wanted),
        **facts,
    )


def _read_mnist_like(reader: str, wanted: Wanted, part: Part, progress: Progress) -> Images:
    from torchvision import datasets

    source = getattr(datasets, reader)
    remotes = tuple(
        Remote(file, md5, tuple(f"{mirror}{file}" for mirror in source.mirrors)) for file, md5 in source.resources
    )
    found = obtain(wanted, remotes, dict(source.resources), progress)
    with readable(wanted, found, f"{reader}/raw", progress) as root:
        split = read(wanted, found, lambda: source(root, train=part == "train", download=False))
    return Images(split.data.numpy()[..., None], split.targets.numpy().astype(np.int64))


def read(wanted: Wanted, found: Found, reader: Callable[[], Any]) -> Any:
    """What torchvision's reader makes of the files.

    Raises:
        MissingData: It cannot read them; the text names the folder.
    """
    try:
        return reader()
    except Exception as error:  # readers raise whatever the bytes make them raise
        raise MissingData(
            f"The files of {wanted.title} in {found.folder} cannot be read ({type(error).__name__}: {error}). "
            "Remove them there, or replace them with the originals."
        ) from error


@contextmanager
def readable(wanted: Wanted, found: Found, below: str, progress: Progress) -> Iterator[Path]:
    """The folder that torchvision's reader is to be given, in which its files lie in ``below``.

    Archives are unpacked into a folder of ours that is gone afterwards: theirs may be read-only, and what is read is
    kept in the cache anyway.

    Raises:
        MissingData: There is no room to unpack.
    """
    if found.form is not wanted.forms[-1]:
        depth = len(Path(below).parts)
        yield found.folder.parents[depth - 1] if depth else found.folder
        return
    home = read_settings().download_folder
    try:
        home.mkdir(parents=True, exist_ok=True)
        unpacked = TemporaryDirectory(dir=home, prefix=".unpacked-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(wanted, home, error) from error
    with unpacked as root:
        _unpack(wanted, found, Path(root) / below, progress)
        yield Path(root)


def _unpack(wanted: Wanted, found: Found, target: Path, progress: Progress) -> None:
    from torchvision.datasets.utils import extract_archive

    try:
        target.mkdir(parents=True, exist_ok=True)
        for done, file in enumerate(found.form.files):
            progress(f"Unpacking {file}", done / len(found.form.files))
            extract_archive(found.folder / file, target)
    except OSError as error:
        raise _no_room(wanted, target, error) from error


def _no_room(wanted: Wanted, folder: Path, error: OSError) -> MissingData:
    return MissingData(
        f"{wanted.title} could not be unpacked in {folder} ({error.strerror or error}). "
        "Make room on that disk, or let CNNAPP_HOME name a folder on another."
    )
