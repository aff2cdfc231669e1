"""The queue: order, slots, pause and stop, exactly one worker for a run."""

import time
from pathlib import Path

import pytest

import cnnapp
from cnnapp.launching.scheduler import Scheduler
from cnnapp.machine import devices
from cnnapp.settings import read_settings
from cnnapp.store import Store, open_store
from tests.launching.helpers import assert_same_training, small_config, wait_for_end, wait_until

SECOND = 1.0


def test_runs_train_one_after_the_other_in_their_order_on_one_slot(lab: Store) -> None:
    first, second = (cnnapp.submit(small_config("training.epochs=2", f"seed={seed}")) for seed in (1, 2))
    states = set()
    while not lab.run(second.id).is_over:
        states.add((lab.run(first.id).state, lab.run(second.id).state))
        time.sleep(0.02)
    assert ("running", "running") not in states
    ended = lab.run(first.id).ended
    started = lab.run(second.id).started
    assert ended is not None
    assert started is not None
    assert ended <= started


def test_the_same_token_makes_one_run(lab: Store) -> None:
    runs = [cnnapp.submit(small_config("training.epochs=1"), token="a-double-click") for _ in range(2)]
    assert runs[0].id == runs[1].id
    assert wait_for_end(lab, runs[0]).state == "finished"


def test_pause_and_resume_work_within_a_second_and_change_nothing(lab: Store) -> None:
    config = small_config("training.epochs=12", "seed=5")
    reference = wait_for_end(lab, cnnapp.submit(config))
    run = cnnapp.submit(config)
    wait_until(lambda: lab.run(run.id).step > 5, "some steps")
    lab.command(run.id, "pause")
    asked = time.monotonic()
    wait_until(lambda: lab.run(run.id).state == "paused", "the pause")
    assert time.monotonic() - asked < SECOND
    paused_at = lab.run(run.id).step
    time.sleep(0.3)
    assert lab.run(run.id).step == paused_at
    lab.command(run.id, "resume")
    asked = time.monotonic()
    wait_until(lambda: lab.run(run.id).step > paused_at, "a step after the pause")
    assert time.monotonic() - asked < SECOND
    run = wait_for_end(lab, run)
    assert_same_training(lab, run, reference)


def test_stop_works_within_a_second_and_keeps_what_was_learned(lab: Store) -> None:
    run = cnnapp.submit(small_config("training.epochs=500"))
    wait_until(lambda: lab.run(run.id).epoch >= 1, "an epoch")
    lab.command(run.id, "stop")
    asked = time.monotonic()
    wait_until(lambda: lab.run(run.id).state == "stopped", "the stop")
    assert time.monotonic() - asked < SECOND
    stopped = lab.run(run.id)
    assert stopped.test_accuracy is not None
    assert lab.weights(run.id).epochs()[-1] == stopped.epoch


def test_a_run_that_diverges_says_at_which_step_and_what_to_try(lab: Store) -> None:
    run = wait_for_end(
        lab, cnnapp.submit(small_config("training.optimizer=sgd", "training.lr=10", "training.weight_decay=1"))
    )
    assert run.state == "diverged"
    assert "step" in run.detail
    assert "lower learning rate" in run.detail


def test_missing_data_is_a_sentence_of_the_run(lab: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens there: as good as no network
    run = wait_for_end(lab, cnnapp.submit(small_config("dataset.name=mnist")))
    assert run.state == "failed"
    assert "MNIST" in run.detail
    assert "Traceback" not in run.detail


def test_nothing_starts_on_a_full_disk_and_the_run_says_what_it_waits_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNAPP_MIN_FREE_MB", "1e12")
    store = open_store()
    run = store.create(small_config())
    scheduler = Scheduler(store, read_settings())
    scheduler.tick()
    waiting = store.run(run.id)
    assert waiting.state == "queued"
    assert "MB free" in waiting.detail


@pytest.mark.parametrize(
    ("device", "slots", "expected"),
    [("cpu", 0, ["cpu"]), ("cpu", 2, ["cpu", "cpu"]), ("cuda", 0, ["cuda:0"]), ("cuda:1", 0, ["cuda:1"])],
)
def test_slots_are_devices(monkeypatch: pytest.MonkeyPatch, device: str, slots: int, expected: list[str]) -> None:
    monkeypatch.setenv("CNNAPP_DEVICE", device)
    monkeypatch.setenv("CNNAPP_SLOTS", str(slots))
    assert devices(read_settings()) == expected
