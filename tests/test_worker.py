"""A run's process: every event written down, every fault a sentence, nothing done that another has taken over."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest
import torch

import cnnapp
from cnnapp import worker
from cnnapp.config import override, parse_config
from cnnapp.errors import DiskFull, MissingData
from cnnapp.events import Checkpoint, EpochDone, Event, RunEnded, RunStarted, StepsDone
from cnnapp.store import Run, Store, open_store
from tests.launching.helpers import small_config, wait_for_end, wait_until

STARTED = RunStarted(1000, 40, 10, 10, 2, 2, "cpu", "a processor")


@pytest.fixture
def store(home: Any) -> Store:
    return open_store(home)


@pytest.fixture(autouse=True)
def same_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a worker changes about its process is not for this one."""
    monkeypatch.setattr(os, "nice", lambda _: 0)
    threads, on_sigterm = torch.get_num_threads(), signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, on_sigterm)
    torch.set_num_threads(threads)


@pytest.fixture
def claimed(store: Store) -> Run:
    store.create(override(parse_config({}), ["training.batch_size=20", "training.epochs=2"]))
    run = store.claim_next()
    assert run is not None
    return run


@pytest.fixture
def trains_as(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces training: these events, then this error."""

    def replace(*events: Event, error: Exception | None = None) -> None:
        def train(config: object, **options: Any) -> Iterator[Event]:
            yield from events
            if error:
                raise error

        monkeypatch.setattr(worker, "train", train)

    return replace


def work(run: Run, attempt: int | None = None) -> None:
    ours, _theirs = socket.socketpair()
    worker.main(ours, run.id, run.attempt if attempt is None else attempt, "cpu", 1, 0)


def steps(first: int, last: int) -> StepsDone:
    step_S = np.arange(first, last + 1, dtype=np.float32)
    return StepsDone(first, step_S, 1 / step_S, 100.0)


def test_what_training_reports_is_written_down(store: Store, claimed: Run, trains_as: Callable[..., None]) -> None:
    epoch = EpochDone(1, 2, 0.9, 0.5, 0.8, 0.6, np.eye(10, dtype=np.int64), True, 1.0)
    trains_as(STARTED, steps(1, 2), epoch, RunEnded("finished"))
    work(claimed)
    run = store.run(claimed.id)
    assert (run.state, run.step, run.epoch, run.num_train, run.best_val_accuracy) == ("finished", 2, 1, 40, 0.6)
    np.testing.assert_array_equal(store.steps(run.id).range(1, 2).loss_N, [1, 2])
    np.testing.assert_array_equal(store.confusion(run.id, 1), np.eye(10))


def test_a_real_training_is_written_down(store: Store) -> None:
    store.create(override(parse_config({}), ["training.epochs=1", "dataset.subset=100", "dataset.image_size=28"]))
    claimed = store.claim_next()
    assert claimed is not None
    work(claimed)
    run = store.run(claimed.id)
    assert (run.state, run.step) == ("finished", run.num_steps)
    assert run.test_accuracy is not None
    assert store.weights(run.id).epochs() == [0, 1]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MissingData("MNIST is not here. Put it there."), "MNIST is not here. Put it there."),
        (torch.OutOfMemoryError("CUDA out of memory"), "cpu has too little memory for batches of 20 images"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero. The whole story is in"),
    ],
)
def test_an_error_ends_the_run_with_a_sentence(
    store: Store, claimed: Run, trains_as: Callable[..., None], error: Exception, sentence: str
) -> None:
    trains_as(STARTED, steps(1, 1), error=error)
    work(claimed)
    run = store.run(claimed.id)
    assert run.state == "failed"
    assert sentence in run.detail
    assert "Traceback" not in run.detail
    assert run.step == 1


def test_an_unexpected_error_names_the_log_that_has_its_traceback(
    store: Store, claimed: Run, trains_as: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    trains_as(STARTED, error=KeyError("nobody thought of this"))
    work(claimed)
    assert str(store.folder(claimed.id) / "worker.log") in store.run(claimed.id).detail
    assert "Traceback" in capfd.readouterr().err  # which the fork server sends to that log


def test_a_full_disk_pauses_the_run_which_can_be_resumed(
    store: Store, claimed: Run, trains_as: Callable[..., None]
) -> None:
    trains_as(STARTED, steps(1, 1), error=DiskFull("There is no room left on /somewhere. Delete something."))
    work(claimed)
    run = store.run(claimed.id)
    assert run.state == "paused"
    assert "There is no room left" in run.detail
    assert "press Resume" in run.detail
    store.command(run.id, "resume")
    again = store.claim_next()
    assert again is not None
    trains_as(STARTED, steps(1, 2), RunEnded("finished"))
    work(again)
    assert store.run(run.id).state == "finished"


def test_data_that_is_fetched_says_so_and_can_be_stopped(
    store: Store, claimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    details = []

    def train(config: object, progress: Callable[[str, float], None], **options: Any) -> Iterator[Event]:
        progress("Downloading MNIST", 0.25)
        details.append(store.run(claimed.id).detail)
        store.command(claimed.id, "stop")
        while True:
            progress("Downloading MNIST", 0.3)
        yield STARTED

    monkeypatch.setattr(worker, "train", train)
    work(claimed)
    assert details == ["Downloading MNIST (25%)"]
    assert store.run(claimed.id).state == "stopped"


def test_a_worker_of_an_older_attempt_does_nothing(store: Store, claimed: Run, trains_as: Callable[..., None]) -> None:
    trains_as(STARTED, RunEnded("finished"))
    store.interrupted(claimed.id, "Its process died.")
    again = store.claim_next()
    assert again is not None
    work(claimed)  # the first attempt's worker, late
    run = store.run(claimed.id)
    assert (run.state, run.pid, run.num_train) == ("running", None, 0)
    work(again)
    assert store.run(claimed.id).state == "finished"
    work(again)  # twice started is once trained
    assert store.run(claimed.id).state == "finished"


def test_a_worker_that_is_told_to_end_leaves_a_run_that_goes_on(store: Store, claimed: Run) -> None:
    """As a container's stop does it: neither paused nor failed, with a checkpoint of the last step."""
    kept = []

    class Notices(Store):
        def append(self, run_id: str, event: Event) -> None:
            super().append(run_id, event)
            kept.append(event)
            if isinstance(event, StepsDone) and len(kept) < 10:
                os.kill(os.getpid(), signal.SIGTERM)

    noticing = Notices(store.home)
    me = psutil.Process()
    assert noticing.set_worker(claimed.id, claimed.attempt, me.pid, me.create_time(), 1)
    worker.record(noticing, claimed.id, "cpu")
    run = store.run(claimed.id)
    assert run.state == "running"  # its process is gone: the scheduler puts it back into the queue
    checkpoint = [event for event in kept if isinstance(event, Checkpoint)][-1]
    resumed = store.resume_checkpoint(claimed.id)
    assert resumed is not None
    assert resumed.step == checkpoint.step == run.step > 0
    assert not any(isinstance(event, RunEnded) for event in kept)


def test_a_scheduler_starts_again_what_a_signal_ended(lab: Store) -> None:
    run = cnnapp.submit(small_config("training.epochs=30"))
    wait_until(lambda: lab.run(run.id).epoch >= 1, "an epoch")
    before = lab.run(run.id)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGTERM)
    wait_until(
        lambda: (now := lab.run(run.id)).pid not in (None, before.pid) and now.step > before.step, "the next worker"
    )
    assert lab.run(run.id).state == "running"
    lab.command(run.id, "stop")
    assert wait_for_end(lab, run).state == "stopped"


def test_only_a_new_runs_first_step_is_done_by_one_thread(
    store: Store, claimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bits of sums depend on threads: what is begun again after a kill must do each step as before."""
    used: list[int] = []
    nices: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    monkeypatch.setattr(os, "nice", nices.append)

    def train(config: object, **options: Any) -> Iterator[Event]:
        options["progress"]("Reading", 0.5)
        used.append(0)
        yield from (STARTED, steps(1, 1), steps(2, 2), RunEnded("finished"))

    monkeypatch.setattr(worker, "train", train)
    worker.record(store, claimed.id, "cpu", threads=3, nice=7)
    assert used == [1, 0, 3, 3]
    assert nices[0] == 7
    assert sum(nices) == 7
    used.clear()
    worker.Pace(3, 0, is_new=False)
    assert used == [3]
