"""Where a dataset is found, fetched from, and what is said when neither works; on a small dataset in MNIST's format."""

import gzip
import hashlib
import os
import pickle
import shutil
import struct
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torchvision

from cnnapp.config import DATASETS
from cnnapp.data.dataset import no_progress
from cnnapp.data.published import mnist_like
from cnnapp.data.sets import cifar10
from cnnapp.errors import MissingData

NUM = {"train": 50, "t10k": 20}
RNG = np.random.default_rng(0)
IMAGES = {part: RNG.integers(0, 256, (num, 28, 28), dtype=np.uint8) for part, num in NUM.items()}
LABELS = {part: RNG.integers(0, 10, num, dtype=np.uint8) for part, num in NUM.items()}
FILES = {
    f"{part}-{kind}-ubyte": header + values.tobytes()
    for part, num in NUM.items()
    for kind, header, values in (
        ("images-idx3", struct.pack(">IIII", 2051, num, 28, 28), IMAGES[part]),
        ("labels-idx1", struct.pack(">II", 2049, num), LABELS[part]),
    )
}
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}


@pytest.fixture
def small(monkeypatch):
    """A dataset of 50 and 20 images that torchvision's reader takes for Fashion-MNIST; its only mirror is gone."""
    reader = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(reader, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setattr(reader, "resources", [(name, hashlib.md5(data).hexdigest()) for name, data in PACKED.items()])
    return mnist_like(
        name="small_fashion",
        title="Small Fashion",
        description="",
        source="",
        classes=tuple("0123456789"),
        reader="FashionMNIST",
        folders=("small-fashion",),
        num_train=50,
        num_test=20,
        download_mb=1.0,
    )


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def check(dataset) -> None:
    for part, stem in (("train", "train"), ("test", "t10k")):
        images = dataset.read(part, no_progress)
        np.testing.assert_array_equal(images.x_NHWC[..., 0], IMAGES[stem])
        np.testing.assert_array_equal(images.y_N, LABELS[stem])
        assert images.y_N.dtype == np.int64


@pytest.mark.parametrize(
    "below", ["FashionMNIST/raw", "small-fashion/FashionMNIST/raw", "small_fashion", "small-fashion"]
)
def test_archives_are_found_in_a_folder_that_is_only_read(small, tmp_path, home, monkeypatch, below):
    put(tmp_path / "given" / below, PACKED)
    monkeypatch.setenv("CNNAPP_DATA", str(tmp_path / "given"))
    before = sorted((tmp_path / "given").rglob("*"))
    for folder in [tmp_path / "given", *(path for path in before if path.is_dir())]:
        folder.chmod(0o555)
    assert small.is_present()
    check(small)
    assert sorted((tmp_path / "given").rglob("*")) == before
    assert not list(home.rglob("*ubyte*"))  # what was unpacked is gone again
    for folder in [tmp_path / "given", *(path for path in before if path.is_dir())]:
        folder.chmod(0o755)


@pytest.mark.parametrize("below", ["FashionMNIST/raw", "small_fashion/FashionMNIST/raw"])
def test_unpacked_files_are_read_where_they_are(small, tmp_path, monkeypatch, below):
    put(tmp_path / "second" / below, FILES)
    (tmp_path / "first").mkdir()
    monkeypatch.setenv("CNNAPP_DATA", os.pathsep.join([str(tmp_path / "first"), str(tmp_path / "second")]))
    assert small.is_present()
    check(small)


def test_files_in_the_own_folder_are_found(small, home):
    put(home / "data" / "small_fashion" / "FashionMNIST" / "raw", PACKED)
    check(small)


def test_where_nothing_is_the_sentence_says_what_to_put_where(small, home):
    assert not small.is_present()
    with pytest.raises(MissingData) as caught:
        small.read("train", no_progress)
    text = str(caught.value)
    for words in (*PACKED, str(home / "data" / "small_fashion" / "FashionMNIST" / "raw"), "CNNAPP_DATA", "refused"):
        assert words in text


def test_a_damaged_archive_is_named(small, tmp_path, monkeypatch):
    name = "train-labels-idx1-ubyte.gz"
    put(tmp_path / "FashionMNIST" / "raw", {**PACKED, name: b"x" * 90})
    monkeypatch.setenv("CNNAPP_DATA", str(tmp_path))
    with pytest.raises(MissingData, match=f"{name} is damaged or another file: its MD5 is [0-9a-f]+, not [0-9a-f]+"):
        small.read("train", no_progress)


def test_a_truncated_unpacked_file_is_named_and_archives_beside_it_are_used(small, tmp_path, monkeypatch):
    name = "t10k-images-idx3-ubyte"
    put(tmp_path / "FashionMNIST" / "raw", {**FILES, name: FILES[name][:5000]})
    monkeypatch.setenv("CNNAPP_DATA", str(tmp_path))
    assert not small.is_present()
    with pytest.raises(MissingData, match=f"{name} is damaged: it has only 5000 bytes"):
        small.read("test", no_progress)
    put(tmp_path / "FashionMNIST" / "raw", PACKED)
    check(small)


def test_an_incomplete_folder_says_what_is_missing(small, tmp_path, monkeypatch):
    name = "t10k-labels-idx1-ubyte.gz"
    put(tmp_path / "small-fashion", {key: data for key, data in PACKED.items() if key != name})
    monkeypatch.setenv("CNNAPP_DATA", str(tmp_path))
    with pytest.raises(MissingData, match=f"{name} is missing"):
        small.read("test", no_progress)


def test_a_file_of_the_right_size_that_is_no_dataset_gets_a_sentence(small, tmp_path, monkeypatch):
    name = "train-images-idx3-ubyte"
    put(tmp_path / "FashionMNIST" / "raw", {**FILES, name: b"x" * len(FILES[name])})
    monkeypatch.setenv("CNNAPP_DATA", str(tmp_path))
    with pytest.raises(MissingData, match=f"in {tmp_path}/FashionMNIST/raw cannot be read"):
        small.read("train", no_progress)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder that a local server offers as torchvision's mirror."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    put(tmp_path / "mirror", PACKED)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "mirror")))
    threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
    yield tmp_path / "mirror"
    server.shutdown()
    server.server_close()


def test_what_is_not_here_is_downloaded_once(small, mirror, home):
    reports = []
    small.read("train", lambda *report: reports.append(report))
    assert ("Downloaded train-images-idx3-ubyte.gz", 1.0) in reports
    assert small.is_present()
    shutil.rmtree(mirror)
    check(small)


def test_only_the_damaged_one_of_the_own_files_is_fetched_again(small, mirror, home):
    folder = home / "data" / "small_fashion" / "FashionMNIST" / "raw"
    put(folder, {**PACKED, "train-labels-idx1-ubyte.gz": b"damaged"})
    reports = []
    small.read("train", lambda *report: reports.append(report))
    assert [text for text, _ in reports if text.startswith("Downloaded")] == ["Downloaded train-labels-idx1-ubyte.gz"]
    check(small)


def test_two_that_download_at_once_both_get_everything(small, mirror):
    errors = []

    def run() -> None:
        try:
            check(small)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_home_that_cannot_be_written_gets_a_sentence(small, mirror, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CNNAPP_HOME", str(tmp_path / "file"))
    with pytest.raises(MissingData, match=r"could not be saved in .*Not a directory"):
        small.read("train", no_progress)
    monkeypatch.setenv("CNNAPP_DATA", str(mirror.parent))
    shutil.copytree(mirror, mirror.parent / "small_fashion")
    with pytest.raises(MissingData, match=r"could not be unpacked in .*CNNAPP_HOME"):
        small.read("train", no_progress)


def test_the_miniature_of_cifar_10_is_refused_by_name(shared_data, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    assert not DATASETS["cifar10"].is_present()
    with pytest.raises(MissingData, match=r"data_batch_1 is damaged.*Put cifar-10-python\.tar\.gz into"):
        DATASETS["cifar10"].read("train", no_progress)


def cifar_files(rng: np.random.Generator) -> tuple[dict[str, bytes], dict[str, dict]]:
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    batches = {
        name: {"data": rng.integers(0, 256, (10, 3072), dtype=np.uint8), "labels": rng.integers(0, 10, 10).tolist()}
        for name in names
    }
    files = {name: pickle.dumps(batch) for name, batch in batches.items()}
    return {**files, "batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}, batches


@pytest.mark.parametrize("packed", [False, True])
def test_cifar_10_is_read_from_batches_and_from_the_archive(tmp_path, monkeypatch, packed):
    files, batches = cifar_files(np.random.default_rng(0))
    put(tmp_path / "cifar10" / "cifar-10-batches-py", files)
    md5s = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    reader = torchvision.datasets.CIFAR10
    monkeypatch.setattr(reader, "train_list", [[name, md5s[name]] for name in sorted(files) if "data_batch" in name])
    monkeypatch.setattr(reader, "test_list", [["test_batch", md5s["test_batch"]]])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": md5s["batches.meta"]})
    raw = replace(cifar10.WANTED.forms[0], files=dict.fromkeys(files, 1))
    monkeypatch.setattr(cifar10, "WANTED", replace(cifar10.WANTED, forms=(raw, cifar10.WANTED.forms[1])))
    if packed:
        archive = shutil.make_archive(str(tmp_path / "cifar-10-python"), "gztar", tmp_path / "cifar10")
        monkeypatch.setattr(reader, "tgz_md5", hashlib.md5(Path(archive).read_bytes()).hexdigest())
        shutil.rmtree(tmp_path / "cifar10")
    monkeypatch.setenv("CNNAPP_DATA", str(tmp_path))
    images = cifar10._read("test", no_progress)
    expected = batches["test_batch"]["data"].reshape(10, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(images.x_NHWC, expected)
    assert images.y_N.tolist() == batches["test_batch"]["labels"]
    assert len(cifar10._read("train", no_progress).y_N) == 50
