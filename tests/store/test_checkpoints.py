"""Weights through time: what is kept, what is given back, and what is said when it is not there."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from cnnapp.errors import CheckpointMissing, DiskFull
from cnnapp.events import Checkpoint, WeightsDone
from cnnapp.store import WeightsFolder
from cnnapp.store.checkpoints import checkpoint_epoch, load_checkpoint, save_checkpoint


def weights(epoch: int) -> dict[str, np.ndarray]:
    """In an order that is not the alphabet's; 4 · (2·1·3·3 + 2 + 2·5) + 8 = 128 bytes."""
    return {
        "stem.weight": np.full((2, 1, 3, 3), epoch, np.float32),
        "stem.bias": np.arange(2, dtype=np.float32),
        "norm.count": np.array(epoch, np.int64),
        "a_linear.weight": np.arange(10, dtype=np.float32).reshape(5, 2).T,  # not contiguous
    }


BYTES = sum(array.nbytes for array in weights(0).values())


def save_all(folder: WeightsFolder, epochs: int, best: set[int], covered: int | None = None) -> None:
    for epoch in range(epochs + 1):
        folder.save(WeightsDone(epoch, epoch in best, weights(epoch)), epochs, covered)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


def test_all_epochs_are_kept_where_they_fit_exactly(folder):
    kept = WeightsFolder(folder, 11 * BYTES)
    save_all(kept, 10, {1, 4})
    assert kept.epochs() == kept.filter_epochs() == list(range(11))
    assert kept.best_epoch() == 4
    assert len(list(folder.iterdir())) == 11


def test_beyond_the_budget_four_epochs_and_all_filters_are_kept(folder):
    kept = WeightsFolder(folder, 11 * BYTES - 1)
    save_all(kept, 10, {1, 2, 7})
    assert kept.epochs() == [0, 5, 7, 10]
    assert kept.filter_epochs() == list(range(11))
    for epoch in range(11):
        (name, array) = next(iter(kept.load_filters(epoch).items()))
        assert name == "stem.weight"
        np.testing.assert_array_equal(array, weights(epoch)["stem.weight"])


def test_what_a_killed_run_would_go_back_to_stays_until_the_end(folder):
    kept = WeightsFolder(folder, 0)
    for epoch, is_best in [(0, False), (1, True), (2, False)]:
        kept.save(WeightsDone(epoch, is_best, weights(epoch)), 100)
    assert kept.epochs() == [0, 1, 2]
    for epoch in (3, 4):
        kept.save(WeightsDone(epoch, True, weights(epoch)), 100, covered=2)
    assert kept.epochs() == [0, 1, 2, 4]
    kept.forget_after(2)
    assert kept.epochs() == [0, 1, 2]
    assert kept.filter_epochs() == [0, 1, 2]
    assert kept.best_epoch() == 1
    kept.save(WeightsDone(3, True, weights(3)), 100, covered=2)
    kept.tidy(100)
    assert kept.epochs() == [0, 3]


def test_tidying_leaves_every_epoch_where_all_fit(folder):
    kept = WeightsFolder(folder, 1e9)
    save_all(kept, 3, {1})
    kept.tidy(3)
    assert kept.epochs() == [0, 1, 2, 3]


def test_weights_come_back_as_they_went_and_in_their_order(folder):
    kept = WeightsFolder(folder, 1e9)
    save_all(kept, 3, {2})
    for asked, epoch in [(1, 1), ("best", 2), ("last", 3)]:
        loaded = kept.load(asked)
        assert list(loaded) == list(weights(epoch))
        for name, array in weights(epoch).items():
            assert loaded[name].dtype == array.dtype
            assert loaded[name].shape == array.shape
            np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.parametrize(
    ("epochs", "there"),
    [
        ([], "None are there yet"),
        ([4], r"Those of epoch 4 are there\."),
        ([0, 1, 2], r"Those of epochs 0 to 2 are there\."),
        ([0, 2, 5], r"Those of epochs 0, 2 and 5 are there\."),
    ],
)
def test_a_missing_epoch_is_answered_with_those_that_are_there(folder, epochs, there):
    kept = WeightsFolder(folder, 1e9)
    for epoch in epochs:
        kept.save(WeightsDone(epoch, False, weights(epoch)), 9)
    for ask in (kept.load, kept.load_filters):
        with pytest.raises(CheckpointMissing, match=rf"epoch 7 were not kept\. {there}"):
            ask(7)
        with pytest.raises(CheckpointMissing, match="no best weights yet"):
            ask("best")


@pytest.mark.parametrize("damage", [b"", b"\xff" * 7, b"\xff" * 200, None])
def test_a_damaged_file_is_named(folder, damage):
    kept = WeightsFolder(folder, 1e9)
    save_all(kept, 2, {1})
    path = folder / "epoch-0001.safetensors"
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    for ask in (kept.load, kept.load_filters):
        with pytest.raises(CheckpointMissing, match=r"epoch-0001\.safetensors is damaged.*epochs 0 and 2"):
            ask(1)
    assert kept.best_epoch() is None


def test_a_network_without_convolutions_has_no_filters(folder):
    kept = WeightsFolder(folder, 0)
    kept.save(WeightsDone(0, False, {"weight": np.zeros((2, 3))}), 5)
    with pytest.raises(CheckpointMissing, match="no convolution"):
        kept.load_filters(0)


def test_a_write_that_fails_leaves_what_was_there(folder, monkeypatch):
    kept = WeightsFolder(folder, 1e9)
    save_all(kept, 1, set())
    before = sorted(folder.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskFull, match="There is no room left on the disk"):
        kept.save(WeightsDone(1, True, weights(9)), 1)
    assert sorted(folder.iterdir()) == before
    np.testing.assert_array_equal(kept.load(1)["stem.weight"], weights(1)["stem.weight"])


def test_what_a_killed_writer_left_is_not_taken_for_weights(folder):
    kept = WeightsFolder(folder, 1e9)
    save_all(kept, 1, set())
    (folder / ".epoch-0002.safetensors.part").write_bytes(b"half")
    (folder / "epoch-3.safetensors").write_bytes(b"")
    assert kept.epochs() == [0, 1]


def test_a_resume_checkpoint_comes_back_whole(tmp_path):
    path = tmp_path / "resume.safetensors"
    numbers = {"best": float("inf"), "state": {"deep": [1, 2**100, None, "ü"]}, "epoch_seconds": 0.1}
    tensors = {"z": np.zeros(0, np.float32), "rng": np.arange(5, dtype=np.uint8), "a": np.array(1.5)}
    assert load_checkpoint(path) is None
    save_checkpoint(path, Checkpoint(7, 2, tensors, numbers))
    loaded = load_checkpoint(path)
    assert loaded is not None
    assert (loaded.step, loaded.epoch, dict(loaded.numbers)) == (7, 2, numbers)
    assert list(loaded.tensors) == list(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(loaded.tensors[name], array)
    assert checkpoint_epoch(path) == 2
    path.write_bytes(path.read_bytes()[:100])
    assert load_checkpoint(path) is None
    assert checkpoint_epoch(path) is None


def test_other_programs_can_read_the_files(folder):
    WeightsFolder(folder, 1e9).save(WeightsDone(3, True, weights(3)), 5)
    with safe_open(folder / "epoch-0003.safetensors", framework="numpy") as file:
        assert set(file.keys()) == set(weights(3))
        assert json.loads(file.metadata()["is_best"]) is True
        assert file.metadata()["epoch"] == "3"
