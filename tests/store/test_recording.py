"""What a run's events leave in the store, also when its worker is killed in between."""

import math
import os
import random
import signal
import time

import numpy as np
import pytest

from cnnapp.errors import RunConflict
from cnnapp.events import (
    Checkpoint,
    DataProgress,
    EpochDone,
    RunEnded,
    RunStarted,
    TestDone,
    WeightsDone,
)
from cnnapp.store import Store, recording
from tests.store.cases import started, steps

CONFUSION = np.array([[5, 1, 0], [0, 7, 2], [3, 0, 2**40]])


def epoch_done(epoch: int, is_best: bool = False, **changes: object) -> EpochDone:
    values = {
        "epoch": epoch,
        "step": 25 * epoch,
        "train_loss": np.float32(1 / epoch),
        "train_accuracy": np.float64(0.5),
        "val_loss": 2 / epoch,
        "val_accuracy": np.float32(epoch / 8),
        "confusion_KK": CONFUSION * epoch,
        "is_best": is_best,
        "seconds": 1.5,
    }
    return EpochDone(**{**values, **changes})


def weights_done(epoch: int, is_best: bool = False) -> WeightsDone:
    return WeightsDone(epoch, is_best, {"conv1.weight": np.full((1, 1, 3, 3), epoch, np.float32)})


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set; unix seconds."""
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


def test_a_whole_run_is_told_event_by_event(store, config, clock):
    run_id = store.create(config).id
    store.append(run_id, DataProgress("Fetching images", 0.25))
    assert store.run(run_id).state == "running"
    assert store.run(run_id).detail == "Fetching images (25%)"
    clock[0] = 1010.0
    store.append(run_id, started())
    run = store.run(run_id)
    assert (run.device, run.device_name, run.num_parameters) == ("cpu", "a processor, 2 threads", 1000)
    assert (run.num_train, run.num_val, run.num_test) == (250, 50, 60)
    assert (run.started, run.detail, run.num_steps, run.seconds_trained) == (1000.0, "", 100, 0)
    store.append(run_id, weights_done(0))
    clock[0] = 1012.0
    store.append(run_id, steps(1, 20, rate=125.0))
    run = store.run(run_id)
    assert (run.step, run.progress, run.images_per_second, run.heartbeat) == (20, 0.2, 125.0, 1012.0)
    assert run.seconds_left == (100 - 20) * 10 / 125.0
    store.append(run_id, steps(21, 25))
    store.append(run_id, epoch_done(1, is_best=True))
    store.append(run_id, weights_done(1, is_best=True))
    store.append(run_id, epoch_done(2))
    run = store.run(run_id)
    assert (run.epoch, run.last_train_loss, run.best_epoch, run.best_val_accuracy, run.best_val_loss) == (
        2,
        0.5,
        1,
        0.125,
        2.0,
    )
    clock[0] = 1013.5
    store.append(run_id, TestDone(1, np.float32(0.25), np.float32(0.75), CONFUSION))
    store.append(run_id, RunEnded("finished", "done"))
    run = store.run(run_id)
    assert (run.test_epoch, run.test_loss, run.test_accuracy) == (1, 0.25, 0.75)
    assert (run.state, run.detail, run.ended, run.seconds_trained) == ("finished", "done", 1013.5, 3.5)
    assert run.seconds_left is None
    assert store.weights(run_id).epochs() == [0, 1]
    np.testing.assert_array_equal(store.test_confusion(run_id), CONFUSION)


def test_epochs_and_confusion_matrices_come_back(store, start):
    run = start()
    assert store.epochs(run.id) == []
    assert store.confusion(run.id, 1) is None
    assert store.test_confusion(run.id) is None
    store.append(run.id, epoch_done(1, is_best=True))
    store.append(run.id, epoch_done(2, val_loss=None, val_accuracy=None, confusion_KK=None))
    store.append(run.id, epoch_done(2, val_loss=None, val_accuracy=None, confusion_KK=None))  # again, after a resume
    store.append(run.id, epoch_done(3, val_loss=math.nan, train_loss=math.inf))
    first, second, third = store.epochs(run.id)
    assert (first.epoch, first.step, first.train_loss, first.train_accuracy) == (1, 25, 1.0, 0.5)
    assert (first.val_loss, first.val_accuracy, first.is_best, first.seconds) == (2.0, 0.125, True, 1.5)
    assert (second.epoch, second.val_loss, second.val_accuracy, second.is_best) == (2, None, None, False)
    assert math.isnan(third.val_loss)
    assert third.train_loss == math.inf
    assert [row.has_confusion for row in (first, second, third)] == [True, False, True]
    found = store.confusion(run.id, 3)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, CONFUSION * 3)
    assert store.confusion(run.id, 2) is None


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(store, start, clock):
    run = start()
    clock[0] += 8
    store.append(run.id, steps(1, 60))
    for epoch in (1, 2):
        store.append(run.id, epoch_done(epoch, is_best=True))
        store.append(run.id, weights_done(epoch, is_best=True))
        if epoch == 1:
            store.append(run.id, Checkpoint(30, 1, {"w": np.arange(3.0)}, {"lr": 0.1}))
    store.interrupted(run.id, "killed")
    store.claim_next()
    found = store.resume_checkpoint(run.id)
    assert (found.step, found.epoch, found.numbers) == (30, 1, {"lr": 0.1})
    clock[0] += 100  # in the queue, which is no training
    store.append(run.id, started(resumed_at_step=30))
    run = store.run(run.id)
    assert (run.step, run.epoch, run.best_epoch, run.best_val_accuracy, run.last_train_loss) == (30, 1, 1, 0.125, 1.0)
    assert run.seconds_trained == 8
    assert [row.epoch for row in store.epochs(run.id)] == [1]
    assert store.confusion(run.id, 2) is None
    assert store.weights(run.id).epochs() == [1]
    store.append(run.id, steps(31, 100))
    np.testing.assert_array_equal(store.steps(run.id).range(1, 100).loss_N, np.arange(1, 101))


def test_a_run_without_a_checkpoint_begins_anew(store, start):
    run = start()
    store.append(run.id, steps(1, 10))
    store.interrupted(run.id, "killed")
    assert store.claim_next().id == run.id
    assert store.resume_checkpoint(run.id) is None
    store.append(run.id, started())
    assert store.steps(run.id).num_steps == store.run(run.id).step == 0
    store.append(run.id, steps(1, 10))


def test_a_worker_killed_at_any_byte_loses_no_step_and_repeats_none(store, start):
    """The step file is cut anywhere after what the checkpoint covers, as a kill may leave it."""
    run = start()
    store.append(run.id, steps(1, 20))
    store.append(run.id, Checkpoint(20, 0, {}, {}))
    store.append(run.id, steps(21, 25))
    path = store.folder(run.id) / "steps.bin"
    whole = path.read_bytes()
    for size in range(20 * 12, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        store.interrupted(run.id, "killed")
        store.claim_next()
        store.append(run.id, started(resumed_at_step=store.resume_checkpoint(run.id).step))
        store.append(run.id, steps(21, 25))
        found = store.steps(run.id).range(1, 99)
        assert found.step_N.tolist() == found.loss_N.tolist() == list(range(1, 26))


def train_until_killed(store: Store, run_id: str, done: int) -> None:  # pragma: no cover
    """Steps in batches of 7 with a checkpoint after every fourth, for ever."""
    store.append(run_id, started(resumed_at_step=done))
    while True:
        store.append(run_id, steps(done + 1, done + 7))
        done += 7
        if done % 28 == 0:
            store.append(run_id, Checkpoint(done, 0, {"step": np.array(done)}, {}))


def test_a_run_killed_at_any_moment_has_every_step_once(store, config):
    run_id = store.create(config).id
    rng = random.Random(0)
    done = 0
    for _ in range(15):
        store.claim_next()
        child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                train_until_killed(store, run_id, done)
            finally:
                os._exit(1)
        time.sleep(rng.uniform(0.005, 0.08))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        found = store.steps(run_id).range(1, 10**6)
        assert found.step_N.tolist() == found.loss_N.tolist() == list(range(1, len(found) + 1))
        checkpoint = store.resume_checkpoint(run_id)
        now = 0 if checkpoint is None else checkpoint.step
        assert done <= now <= len(found)
        assert now <= store.run(run_id).step <= len(found)
        done = now
        store.interrupted(run_id, "killed")
    assert done > 0


def test_a_run_whose_step_file_was_removed_goes_on_with_a_gap(store, start):
    run = start()
    store.append(run.id, steps(1, 10))
    store.append(run.id, Checkpoint(10, 0, {}, {}))
    (store.folder(run.id) / "steps.bin").unlink()
    store.append(run.id, started(resumed_at_step=10))
    store.append(run.id, steps(11, 12))
    found = store.steps(run.id).range(1, 12)
    np.testing.assert_array_equal(found.loss_N, [*[np.nan] * 10, 11, 12])


def test_steps_are_on_the_disk_before_the_checkpoint_that_covers_them(store, start, monkeypatch):
    run = start()
    store.append(run.id, steps(1, 10))
    order = []
    monkeypatch.setattr(recording.StepMetrics, "sync", lambda metrics: order.append("steps"))
    monkeypatch.setattr(recording, "save_checkpoint", lambda path, checkpoint: order.append("checkpoint"))
    store.append(run.id, Checkpoint(10, 0, {}, {}))
    assert order == ["steps", "checkpoint"]


def test_what_cannot_be_written_to_the_step_file_is_not_counted(store, start, monkeypatch):
    run = start()
    store.append(run.id, steps(1, 10))
    monkeypatch.setattr(os, "pwrite", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.append(run.id, steps(11, 20))
    monkeypatch.undo()
    assert store.run(run.id).step == store.steps(run.id).num_steps == 10


@pytest.mark.parametrize(
    ("state", "stays"),
    [("finished", False), ("stopped", False), ("diverged", False), ("paused", True), ("failed", True)],
)
def test_the_checkpoint_stays_where_the_run_can_go_on(store, start, state, stays):
    run = start()
    store.append(run.id, steps(1, 10))
    store.append(run.id, Checkpoint(10, 0, {"w": np.zeros(2)}, {}))
    store.append(run.id, RunEnded(state, "why"))
    run = store.run(run.id)
    assert (run.state, run.detail, run.pid, run.images_per_second) == (state, "why", None, None)
    assert (run.ended is None) == (state == "paused")
    assert (store.resume_checkpoint(run.id) is not None) == stays


@pytest.mark.parametrize("state", ["finished", "stopped", "paused", "failed", "diverged"])
def test_a_run_that_is_not_running_takes_no_events(store, start, state):
    run = start()
    store.append(run.id, RunEnded(state))
    for event in (steps(1, 2), epoch_done(1), weights_done(1), Checkpoint(1, 0, {}, {}), started(), RunEnded("failed")):
        with pytest.raises(RunConflict, match=f"is {state}"):
            store.append(run.id, event)
    assert store.steps(run.id).num_steps == 0
    assert store.weights(run.id).epochs() == []
    assert store.resume_checkpoint(run.id) is None


def test_weights_beyond_the_disk_budget_are_thinned_and_at_the_end_tidied(store, start, monkeypatch):
    monkeypatch.setenv("CNNAPP_WEIGHTS_MB", "0.0001")
    run = start()
    store.append(run.id, RunStarted(9, 250, 50, 60, 25, 10, "cpu", "x"))
    store.append(run.id, weights_done(0))
    for epoch in range(1, 11):
        store.append(run.id, steps(25 * epoch - 24, 25 * epoch))
        store.append(run.id, weights_done(epoch, is_best=epoch in (1, 3)))
        if epoch == 2:
            store.append(run.id, Checkpoint(50, 2, {}, {}))
    assert store.weights(run.id).epochs() == [0, 1, 2, 3, 5, 10]  # 1 and 2 are what a kill would need
    store.append(run.id, RunEnded("finished"))
    assert store.weights(run.id).epochs() == [0, 3, 5, 10]
    assert store.weights(run.id).filter_epochs() == list(range(11))
