"""SIGKILL at random moments: every run ends, bit for bit as if nobody had disturbed it."""

import contextlib
import os
import random
import signal
import time

import psutil
import pytest

import cnnapp
from cnnapp.launching.identity import is_alive
from cnnapp.launching.local import ensure_scheduler, read_record
from cnnapp.store import Run, Store
from tests.launching.helpers import assert_same_training, small_config, wait_for_end, wait_until

KILLS = 20
CONFIG = small_config("training.epochs=8")


@pytest.fixture(scope="module")
def undisturbed() -> list[Run]:
    return []


@pytest.fixture
def reference(lab: Store, undisturbed: list[Run]) -> Run:
    if not undisturbed:
        undisturbed.append(wait_for_end(lab, cnnapp.submit(CONFIG)))
    assert undisturbed[0].state == "finished"
    return undisturbed[0]


def wait_until_stepped(store: Store, run_id: str) -> None:
    wait_until(lambda: store.run(run_id).step > 0 or store.run(run_id).is_over, "the first step")


def kill_worker(store: Store, run_id: str) -> bool:
    run = store.run(run_id)
    if run.state != "running" or not is_alive(run.pid, run.pid_created):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(run.pid or 0, signal.SIGKILL)
    return True


def kill_scheduler(store: Store, run_id: str) -> bool:
    record = read_record(store.home)
    if record is None or not is_alive(record["pid"], record["created"]):
        return False
    os.kill(record["pid"], signal.SIGKILL)
    ensure_scheduler(store.home)
    return True


def kill_both(store: Store, run_id: str) -> bool:
    return all([kill_worker(store, run_id), kill_scheduler(store, run_id)])


@pytest.mark.slow
def test_runs_that_are_killed_at_random_moments_end_as_if_they_were_not(lab: Store, reference: Run) -> None:
    chance = random.Random(7)
    done = 0
    while done < KILLS:
        run = cnnapp.submit(CONFIG)
        for kill in chance.choices([kill_worker, kill_scheduler, kill_both], weights=[4, 1, 1], k=10):
            wait_until_stepped(lab, run.id)
            time.sleep(chance.uniform(0, 0.5))
            done += kill(lab, run.id)
        run = wait_for_end(lab, run)
        assert (run.state, run.detail) == ("finished", "")
        assert_same_training(lab, run, reference)


def test_a_killed_worker_is_noticed_and_its_run_resumes_within_five_seconds(lab: Store, reference: Run) -> None:
    run = cnnapp.submit(small_config("training.epochs=40"))
    wait_until(lambda: lab.run(run.id).epoch >= 1, "an epoch")
    before = lab.run(run.id)
    kill_worker(lab, run.id)
    began = time.monotonic()

    def has_resumed() -> bool:
        now = lab.run(run.id)
        return now.pid not in (None, before.pid) and now.step > before.step

    wait_until(has_resumed, "the resumed run")
    assert time.monotonic() - began < 5
    lab.command(run.id, "stop")
    assert wait_for_end(lab, run).state == "stopped"


def test_two_schedulers_for_one_home_are_one(lab: Store) -> None:
    for _ in range(3):
        ensure_scheduler(lab.home)
    record = read_record(lab.home)
    assert record is not None

    def others() -> list[int]:
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            with contextlib.suppress(psutil.Error):
                ours = (process.info["environ"] or {}).get("CNNAPP_HOME") == str(lab.home)
                if ours and "cnnapp.launching.scheduler" in (process.info["cmdline"] or []):
                    found.append(process.pid)
        return found

    wait_until(lambda: len(others()) == 1, "the surplus schedulers to end")


def test_a_run_that_keeps_dying_without_progress_fails_with_the_reason(
    lab: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnapp.launching.scheduler import Scheduler
    from cnnapp.settings import read_settings

    monkeypatch.setenv("CNNAPP_MAX_RESTARTS", "1")
    monkeypatch.setenv("CNNAPP_HOME", str(lab.home / "other"))
    store = cnnapp.open_store()
    run = store.create(small_config())
    scheduler = Scheduler(store, read_settings())
    for _ in range(2):
        claimed = store.claim_next()
        assert claimed is not None
        scheduler._ended(store.find(run.id), run.id)
    failed = store.run(run.id)
    assert failed.state == "failed"
    assert "died 2 times" in failed.detail
    assert "smaller batch size" in failed.detail
