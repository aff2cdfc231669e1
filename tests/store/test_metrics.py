"""Step metrics against plain numpy over the whole array."""

import errno
import os
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnapp.errors import DiskFull
from cnnapp.store import Curve, StepMetrics

ODD = [np.nan, np.inf, -np.inf, 0.0]


def values(num: int, seed: int) -> np.ndarray:
    """Random float32 with a few that are not finite."""
    rng = np.random.default_rng(seed)
    value_N = rng.normal(size=num).astype(np.float32)
    odd = rng.integers(0, max(num, 1), num // 50)
    value_N[odd] = rng.choice(ODD, len(odd))
    return value_N


def expect(curve: Curve, loss_N: np.ndarray, accuracy_N: np.ndarray, first: int, last: int) -> None:
    """``curve`` says of each of its buckets what numpy says of the same steps."""
    ends = [*curve.step_N[1:], last + 1]
    assert curve.step_N[0] == first
    assert all((np.asarray(curve.step_N[1:]) - 1) % curve.width == 0)
    for raw_N, band in ((loss_N, curve.loss), (accuracy_N, curve.accuracy)):
        parts = [raw_N[begin - 1 : end - 1] for begin, end in zip(curve.step_N, ends, strict=True)]
        numbers = [part[~np.isnan(part)].tolist() for part in parts]
        np.testing.assert_array_equal(band.low_N, [min(part, default=np.nan) for part in numbers])
        np.testing.assert_array_equal(band.high_N, [max(part, default=np.nan) for part in numbers])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mean_N = [part.astype(np.float64).mean() for part in parts]
        np.testing.assert_allclose(band.mean_N, mean_N, rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_curves_equal_numpy_after_any_appends_and_truncations(data):
    with TemporaryDirectory() as folder:
        metrics = StepMetrics(Path(folder))
        loss_N = accuracy_N = np.empty(0, np.float32)
        for seed in range(data.draw(st.integers(1, 5))):
            size = data.draw(st.sampled_from([0, 1, 3, 255, 256, 257, 1000, 70_000]))
            new_loss, new_accuracy = values(size, seed), values(size, seed + 100)
            metrics.append(len(loss_N) + 1, new_loss, new_accuracy)
            loss_N, accuracy_N = np.append(loss_N, new_loss), np.append(accuracy_N, new_accuracy)
            if data.draw(st.booleans()):
                keep = data.draw(st.integers(0, len(loss_N)))
                metrics.truncate(keep)
                loss_N, accuracy_N = loss_N[:keep], accuracy_N[:keep]
            assert metrics.num_steps == len(loss_N)
        raw = metrics.range(1, len(loss_N))
        np.testing.assert_array_equal(raw.loss_N, loss_N)
        np.testing.assert_array_equal(raw.accuracy_N, accuracy_N)
        if len(loss_N):
            points = data.draw(st.integers(1, 300))
            first = data.draw(st.integers(1, len(loss_N)))
            last = data.draw(st.integers(first, len(loss_N)))
            curve = metrics.curve(points, first, last)
            assert min(points / 2, last - first + 1) <= len(curve) <= points or len(curve) == 1
            expect(curve, loss_N, accuracy_N, first, last)
            expect(metrics.curve(points), loss_N, accuracy_N, 1, len(loss_N))


@pytest.fixture
def metrics(tmp_path: Path) -> StepMetrics:
    return StepMetrics(tmp_path)


def test_a_short_run_is_given_as_it_was_reported(metrics):
    metrics.append(1, np.array([3.0, 2.0, np.nan, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    curve = metrics.curve(4)
    assert curve.width == 1
    assert curve.step_N.tolist() == [1, 2, 3, 4]
    for band in (curve.loss.low_N, curve.loss.high_N, curve.loss.mean_N):
        np.testing.assert_array_equal(band, np.array([3, 2, np.nan, 1], np.float32))
    tail = metrics.tail(2)
    assert tail.step_N.tolist() == [3, 4]
    np.testing.assert_allclose(tail.accuracy_N, [0.3, 0.4])
    assert metrics.tail(9).step_N.tolist() == [1, 2, 3, 4]
    assert metrics.range(2, 3).step_N.tolist() == [2, 3]
    assert metrics.range(-5, 99).step_N.tolist() == [1, 2, 3, 4]


def test_a_run_without_steps_has_empty_curves(metrics):
    assert metrics.num_steps == len(metrics.curve(100)) == len(metrics.tail(5)) == len(metrics.range(1, 9)) == 0
    metrics.truncate(0)
    metrics.sync()
    metrics.append(1, np.empty(0), np.empty(0))
    assert metrics.num_steps == 0
    assert len(metrics.curve(100, first=7)) == 0


def test_buckets_stay_while_a_run_grows(metrics):
    metrics.append(1, values(100_000, 0), values(100_000, 1))
    before = metrics.curve(1000)
    metrics.append(100_001, values(1000, 2), values(1000, 3))
    after = metrics.curve(1000)
    assert before.width == after.width
    np.testing.assert_array_equal(before.loss.high_N[:-1], after.loss.high_N[: len(before) - 1])


@pytest.mark.parametrize("first", [0, 1, 3, 5])
def test_steps_are_never_missing_or_twice(metrics, first):
    metrics.append(1, np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="cannot follow step 3"):
        metrics.append(first, np.zeros(1), np.zeros(1))
    assert metrics.num_steps == 3


@pytest.mark.parametrize("torn", [1, 11])
def test_a_half_written_step_does_not_count_and_is_overwritten(metrics, tmp_path, torn):
    metrics.append(1, np.arange(300.0), np.zeros(300))
    with (tmp_path / "steps.bin").open("ab") as file:
        file.write(b"x" * torn)
    with (tmp_path / "steps.minmax").open("ab") as file:
        file.write(b"x" * torn)
    assert metrics.num_steps == 300
    metrics.append(301, np.arange(300.0, 600.0), np.zeros(300))
    np.testing.assert_array_equal(metrics.range(1, 600).loss_N, np.arange(600))
    assert (tmp_path / "steps.bin").stat().st_size == 600 * 12
    assert (tmp_path / "steps.minmax").stat().st_size == 2 * 24


def test_blocks_that_a_killed_writer_left_out_are_computed_and_then_written(metrics, tmp_path):
    loss_N, accuracy_N = values(200_000, 5), values(200_000, 6)
    metrics.append(1, loss_N, accuracy_N)
    os.truncate(tmp_path / "steps.minmax", 100 * 24 + 5)
    expect(metrics.curve(50), loss_N, accuracy_N, 1, 200_000)
    metrics.append(200_001, np.zeros(1), np.zeros(1))
    assert (tmp_path / "steps.minmax").stat().st_size == 200_000 // 256 * 24


def test_a_full_disk_adds_nothing_and_is_told_in_words(metrics, tmp_path, monkeypatch):
    metrics.append(1, np.arange(5.0), np.zeros(5))
    write = os.pwrite

    def half_then_full(descriptor: int, data: bytes, offset: int) -> int:
        if offset > 5 * 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:15], offset)

    monkeypatch.setattr(os, "pwrite", half_then_full)
    with pytest.raises(DiskFull, match=rf"{tmp_path}.*MB are free.*CNNAPP_HOME"):
        metrics.append(6, np.arange(5.0), np.zeros(5))
    monkeypatch.undo()
    assert metrics.num_steps == 5
    assert (tmp_path / "steps.bin").stat().st_size == 5 * 12


def test_a_long_run_is_drawn_without_reading_all_of_it(metrics):
    """The bounds are many times what an idle machine needs."""
    metrics.append(1, values(2_000_000, 0), values(2_000_000, 1))

    def quickest(points: int, last: int) -> float:
        def seconds() -> float:
            began = time.perf_counter()
            metrics.curve(points, 1, last)
            return time.perf_counter() - began

        return min(seconds() for _ in range(5))

    assert quickest(1000, 100_000) < 0.05
    assert quickest(1000, 2_000_000) < 0.05
