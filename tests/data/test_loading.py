"""From config to splits, and the cache between them."""

import errno
import multiprocessing
import shutil
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cnnapp.config import DATASETS, DatasetConfig
from cnnapp.data import atomic, cache, loading
from cnnapp.data.dataset import Dataset, Images
from cnnapp.data.loading import load_part, load_splits, split_sizes
from cnnapp.errors import InvalidConfig, MissingData

NUM = {"train": 700, "test": 40}


def read_toy(part, progress) -> Images:
    rng = np.random.default_rng(len(part))
    x_NHWC = rng.integers(0, 256, (NUM[part], 8, 8, 3), dtype=np.uint8)
    return Images(x_NHWC, (np.arange(NUM[part]) % 4).astype(np.uint8))


TOY = Dataset(
    name="toy",
    title="Toy",
    description="",
    source="",
    classes=("a", "b", "c", "d"),
    channels=3,
    native_size=8,
    image_size=8,
    num_train=700,
    num_test=40,
    download_mb=0,
    read=read_toy,
    is_present=lambda: True,
)


@pytest.fixture
def reads(monkeypatch):
    """Registers the dataset ``toy`` for this test; the list of parts that were really read."""
    log = []

    def read(part, progress):
        log.append(part)
        return read_toy(part, progress)

    list(DATASETS)  # discovered before one is put in
    monkeypatch.setitem(DATASETS._entries, "toy", replace(TOY, read=read))
    return log


def toy(**settings) -> DatasetConfig:
    return DatasetConfig(name="toy", **settings)


def test_without_validation_and_subset_the_train_split_is_everything_in_order(reads):
    splits = load_splits(toy(val_share=0), seed=0)
    expected = read_toy("train", None)
    np.testing.assert_array_equal(splits.train.images(), expected.x_NHWC.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(splits.train.labels(), expected.y_N)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (700, 0, 40)
    assert splits.train.labels().dtype == np.int64
    assert (splits.classes, splits.normalisation) == (("a", "b", "c", "d"), "unit")


@pytest.mark.parametrize(("subset", "share"), [(None, 0.1), (60, 0.25), (700, 0.5), (10, 0.9), (33, 0.0)])
def test_sizes_are_as_announced_and_nothing_is_in_two_splits(reads, subset, share):
    config = toy(subset=subset, val_share=share)
    splits = load_splits(config, seed=4)
    sizes = (len(splits.train), len(splits.val), len(splits.test))
    assert sum(sizes[:2]) == (subset or 700)
    if subset != 10:  # there a class keeps its only training image
        assert sizes == split_sizes(config)
    assert not set(splits.train.index_N) & set(splits.val.index_N)
    counts = Counter(splits.train.labels().tolist()).values()
    assert max(counts) - min(counts) <= 2


def test_the_seed_decides_the_split_and_not_the_test_images(reads):
    first, again, other = (load_splits(toy(), seed) for seed in (0, 0, 1))
    assert first.val.index_N.tolist() == again.val.index_N.tolist() != other.val.index_N.tolist()
    np.testing.assert_array_equal(first.test.images(), other.test.images())


def test_train_and_validation_share_the_images_of_their_part(reads):
    splits = load_splits(toy(), seed=0)
    assert splits.train.x_NCHW is splits.val.x_NCHW


def test_a_subset_that_is_too_large_gets_a_sentence(reads):
    for function in (lambda config: load_splits(config, 0), split_sizes):
        with pytest.raises(InvalidConfig, match="subset is 701, but Toy has 700 training images"):
            function(toy(subset=701))


@pytest.mark.parametrize("size", [8, 12, 32])
def test_images_are_resized_as_pillow_does(reads, size):
    part = load_part(toy(image_size=size), "test")
    assert part.x_NCHW.shape == (40, 3, size, size)
    for ours, x_HWC in zip(part.images(), read_toy("test", None).x_NHWC, strict=True):
        expected = Image.fromarray(x_HWC).resize((size, size), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(ours.transpose(1, 2, 0), np.asarray(expected))


def test_the_second_time_the_cache_answers_with_the_same(reads):
    first = load_splits(toy(image_size=16), seed=0)
    assert reads == ["train", "test"]
    second = load_splits(toy(image_size=16), seed=0)
    assert reads == ["train", "test"]
    np.testing.assert_array_equal(first.train.images(), second.train.images())
    np.testing.assert_array_equal(first.train.labels(), second.train.labels())


def test_what_is_written_into_the_images_does_not_reach_the_cache(reads):
    before = load_part(toy(), "test").images()
    load_part(toy(), "test").x_NCHW[:] = 0
    np.testing.assert_array_equal(load_part(toy(), "test").images(), before)


def test_sizes_and_versions_have_entries_of_their_own(reads, monkeypatch):
    load_part(toy(), "test")
    load_part(toy(image_size=9), "test")
    monkeypatch.setitem(DATASETS._entries, "toy", replace(DATASETS["toy"], version=2))
    load_part(toy(), "test")
    assert reads == ["test"] * 3


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(bytes(content))


def empty(path):
    path.write_bytes(b"")


def zip_file(path):
    path.write_bytes(b"PK\x03\x04 what numpy takes for an archive")


@pytest.mark.parametrize("name", [cache.IMAGES, cache.LABELS, cache.ENTRY])
@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, zip_file, lambda path: path.unlink()])
def test_a_damaged_entry_is_noticed_and_made_anew(reads, home, name, damage):
    before = load_part(toy(), "test").images()
    (entry,) = (home / "cache").iterdir()
    damage(entry / name)
    np.testing.assert_array_equal(load_part(toy(), "test").images(), before)
    assert reads == ["test"] * 2
    load_part(toy(), "test")
    assert reads == ["test"] * 2  # it is whole again


def test_a_full_disk_costs_the_cache_and_not_the_run(reads, home, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    expected = read_toy("test", None).x_NHWC.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(load_part(toy(), "test").images(), expected)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    monkeypatch.setattr(loading, "IN_MEMORY", 1000)
    with pytest.raises(MissingData, match=r"Toy takes 0\.0 GB .* \(No space left on device\)"):
        load_part(toy(), "test")


def test_a_home_that_is_no_folder_costs_the_cache_and_not_the_run(reads, home):
    home.write_text("a file")
    assert len(load_part(toy(), "test")) == 40


def test_labels_beyond_the_classes_get_a_sentence(reads, monkeypatch):
    monkeypatch.setitem(DATASETS._entries, "toy", replace(TOY, classes=("a", "b")))
    with pytest.raises(MissingData, match="labels from 0 to 3, but there are 2 classes"):
        load_part(toy(), "train")


def _load_digits(home: str) -> int:
    return int(load_part(DatasetConfig(name="digits"), "test").x_NCHW.sum())


def test_processes_that_fill_the_cache_at_once_all_get_the_whole(home):
    expected = _load_digits(str(home))
    shutil.rmtree(home)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(_load_digits, [str(home)] * 8) == [expected] * 8
    assert list(home.rglob("*.part")) == []


def test_progress_is_told_and_can_cancel(reads, home):
    reports = []
    load_part(toy(), "train", lambda *report: reports.append(report))
    assert reports == [("Preparing Toy (train) at 8×8", share) for share in (0.0, 512 / 700, 1.0)]

    def cancel(text: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_part(toy(), "test", cancel)
    assert list(home.rglob("*.part")) == []


def test_fashion_mnist_is_read_whole_and_then_mapped_in_no_time(shared_data):
    config = DatasetConfig(name="fashion_mnist", val_share=0.1)
    splits = load_splits(config, seed=0)
    assert splits.train.x_NCHW.shape == (60_000, 1, 28, 28)
    assert np.bincount(splits.train.labels()).tolist() == [5400] * 10
    assert np.bincount(splits.val.labels()).tolist() == [600] * 10
    assert splits.train.x_NCHW.mean() / 255 == pytest.approx(0.2860, abs=5e-5)  # as published
    assert splits.train.x_NCHW.std() / 255 == pytest.approx(0.3530, abs=5e-5)
    seconds = []
    for _ in range(5):
        began = time.process_time()
        load_splits(config, seed=0)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.1  # of the processor: 0.016 when nothing else runs; reading anew takes seconds
