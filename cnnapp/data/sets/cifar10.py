"""CIFAR-10: small colour photographs of ten kinds of things."""

from functools import partial

import numpy as np

from cnnapp.config import DATASETS
from cnnapp.data.dataset import Dataset, Images, Part, Progress
from cnnapp.data.download import Remote
from cnnapp.data.files import Form, Wanted, is_present, obtain
from cnnapp.data.published import read, readable

BATCHES = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
NAMES = ("cifar10", "cifar-10", "CIFAR10")
DOWNLOAD_MB = 170.5

WANTED = Wanted(
    title="CIFAR-10",
    forms=(
        Form(
            folders=(BATCHES, *(f"{name}/{BATCHES}" for name in NAMES)),
            files={
                **{f"data_batch_{number}": 10_000 * 3 * 32 * 32 for number in range(1, 6)},
                "test_batch": 10_000 * 3 * 32 * 32,
                "batches.meta": 1,
            },
        ),
        Form(folders=(NAMES[0], *NAMES[1:], "."), files={ARCHIVE: 1}),
    ),
    download_mb=DOWNLOAD_MB,
)


def _read(part: Part, progress: Progress) -> Images:
    from torchvision.datasets import CIFAR10

    remotes = (Remote(ARCHIVE, CIFAR10.tgz_md5, (CIFAR10.url,)),)
    md5s = dict(CIFAR10.train_list + CIFAR10.test_list)
    md5s |= {CIFAR10.meta["filename"]: CIFAR10.meta["md5"], ARCHIVE: CIFAR10.tgz_md5}
    found = obtain(WANTED, remotes, md5s, progress)
    below = "." if found.form is WANTED.forms[-1] else BATCHES
    with readable(WANTED, found, below, progress) as root:
        split = read(WANTED, found, lambda: CIFAR10(root, train=part == "train", download=False))
    return Images(np.ascontiguousarray(split.data), np.asarray(split.targets, dtype=np.int64))


DATASETS.add(
    Dataset(
        name="cifar10",
        title="CIFAR-10",
        description="Colour photographs of ten kinds of things, 50,000 to train on and 10,000 to test on",
        source="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        channels=3,
        native_size=32,
        image_size=32,
        num_train=50_000,
        num_test=10_000,
        download_mb=DOWNLOAD_MB,
        read=_read,
        is_present=partial(is_present, WANTED),
    )
)
