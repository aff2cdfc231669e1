"""The pool in which pages' torch work runs: results, sentences, crashes, time-outs, bounds."""

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from cnnapp import compute
from cnnapp.compute import Pool
from cnnapp.errors import ComputeFailed, InvalidConfig
from cnnapp.store import Store
from tests.launching.helpers import wait_until


@pytest.fixture
def small_pool(lab: Store):
    pool = Pool(workers=1)
    yield pool
    pool.close()


def test_a_call_returns_what_the_function_returns(lab: Store) -> None:
    description = compute.call("describe", {})
    assert [step.name for step in description.steps][:3] == ["conv1", "relu1", "pool1"]


def test_an_error_meant_for_the_user_arrives_as_itself(lab: Store) -> None:
    with pytest.raises(InvalidConfig, match=r"training\.epochs is 0, but it must be at least 1"):
        compute.call("describe", {"training": {"epochs": 0}})


def test_a_crash_is_a_sentence_and_the_process_serves_on(small_pool: Pool) -> None:
    with pytest.raises(ComputeFailed, match="TypeError"):
        small_pool.call("cnnapp.tasks:describe", 1, 2, 3, timeout=60)
    assert small_pool.call("cnnapp.tasks:warm", timeout=60)


def test_a_process_that_dies_is_a_sentence_and_is_replaced(small_pool: Pool) -> None:
    pid = small_pool.call("os:getpid", timeout=60)
    with pytest.raises(ComputeFailed, match="ended unexpectedly"):
        small_pool.call("os:_exit", 3, timeout=60)
    other = small_pool.call("os:getpid", timeout=60)
    assert other != pid
    os.kill(other, signal.SIGKILL)  # while it is idle: nobody need notice
    wait_until(lambda: not psutil.pid_exists(other), "the process to be gone")
    assert small_pool.call("os:getpid", timeout=60) != other


def test_a_call_that_takes_too_long_is_given_up_and_its_process_ends(small_pool: Pool) -> None:
    pid = small_pool.call("os:getpid", timeout=60)
    with pytest.raises(ComputeFailed, match="longer than 0 s"):
        small_pool.call("time:sleep", 60, timeout=0.2)
    assert small_pool.call("os:getpid", timeout=60) != pid


def test_no_more_processes_than_allowed_compute_at_once(small_pool: Pool) -> None:
    pids = []
    threads = [threading.Thread(target=lambda: pids.append(small_pool.call("os:getpid", timeout=60))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 8
    assert len(set(pids)) == 1


def test_the_calling_process_imports_nothing_heavy(lab: Store) -> None:
    code = (
        "import sys; from cnnapp import compute; compute.call('warm'); compute.call('describe', {});"
        "print(sorted({'torch', 'torchvision', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_answer_that_would_bring_in_other_modules_is_refused(small_pool: Pool) -> None:
    with pytest.raises(TypeError, match=r"datetime\.date"):
        small_pool.call("datetime:date", 2000, 1, 1, timeout=60)
    assert small_pool.call("os:getpid", timeout=60)
