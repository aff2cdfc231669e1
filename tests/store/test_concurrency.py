"""Many processes on one store at once."""

import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np

from cnnapp.config import parse_config
from cnnapp.events import EpochDone, StepsDone
from cnnapp.store import Store, open_store

SPAWN = multiprocessing.get_context("spawn")  # as separate programs have it: nothing is inherited
CONFIG = {"training": {"epochs": 4}}


def open_create_and_claim(home: str, ready: object, results: object) -> None:
    """Opens what is not there yet, queues runs, and then claims until the queue is empty."""
    config = parse_config(CONFIG)
    ready.wait()
    store = open_store(Path(home))
    store.create(config, token="of all processes")
    for _ in range(20):
        store.create(config)
    ready.wait()
    claimed = []
    while run := store.claim_next():
        claimed.append(run.id)
    results.put(claimed)


def test_processes_that_do_the_same_at_once_make_one_database_and_never_claim_one_run_twice(home):
    ready, results = SPAWN.Barrier(2), SPAWN.Queue()
    processes = [SPAWN.Process(target=open_create_and_claim, args=(str(home), ready, results)) for _ in range(2)]
    for process in processes:
        process.start()
    claimed = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    store = open_store(home)
    made = [run.id for run in store.runs(descending=False)]
    assert len(made) == 2 * 20 + 1
    assert sorted([*claimed[0], *claimed[1]]) == sorted(made)
    assert len({run.name for run in store.runs()}) == len(made)
    in_order = [
        run.id
        for run in sorted(store.runs(), key=lambda run: int(run.name.split()[-1]) if run.name[-1].isdigit() else 1)
    ]
    for ids in claimed:
        assert ids == [run_id for run_id in in_order if run_id in ids]


def watch(store: Store, run_id: str, until: float, problems: list[str], reads: list[int]) -> None:
    """What a page does once a second, done without a rest."""
    last_step = last_epoch = 0
    while time.time() < until:
        try:
            run = store.run(run_id)
            metrics = store.steps(run_id)
            num_steps, epochs = metrics.num_steps, store.epochs(run_id)
            curve = metrics.curve(500)
            store.runs(limit=20)
            if run.step < last_step or num_steps < run.step or len(epochs) < last_epoch:
                problems.append(f"went back: {run.step}, {num_steps}, {len(epochs)} after {last_step}, {last_epoch}")
            loss_N = metrics.range(1, num_steps).loss_N
            if not np.array_equal(loss_N, np.arange(1, len(loss_N) + 1)) or len(curve) > 500:
                problems.append(f"wrong rows: {loss_N}")
            last_step, last_epoch = run.step, len(epochs)
            reads.append(run.step)
            time.sleep(0.05)
        except Exception as error:
            problems.append(repr(error))


def read_in_threads(home: str, run_id: str, seconds: float, ready: object, results: object) -> None:
    store = open_store(Path(home))
    problems: list[str] = []
    reads: list[int] = []
    ready.wait()
    until = time.time() + seconds
    threads = [threading.Thread(target=watch, args=(store, run_id, until, problems, reads)) for _ in range(15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((problems, len(reads), max(reads, default=0)))


def test_thirty_readers_beside_a_writer_see_every_row_and_the_log_stays_small(home):
    store = open_store(home)
    run_id = store.create(parse_config(CONFIG)).id
    store.claim_next()
    ready, results, seconds = SPAWN.Barrier(3), SPAWN.Queue(), 3.0
    processes = [
        SPAWN.Process(target=read_in_threads, args=(str(home), run_id, seconds, ready, results)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    ready.wait()
    step, batch, slowest, log_bytes = 0, 50, 0.0, 0
    until = time.time() + seconds
    while time.time() < until:
        began = time.perf_counter()
        loss_S = np.arange(step + 1, step + batch + 1, dtype=np.float32)
        store.append(run_id, StepsDone(step + 1, loss_S, loss_S, 1.0))
        step += batch
        if step % (5 * batch) == 0:
            epoch = step // (5 * batch)
            confusion_KK = np.random.default_rng(epoch).integers(0, 10**12, (100, 100))
            store.append(run_id, EpochDone(epoch, step, 1.0, 0.5, 1.0, 0.5, confusion_KK, True, 0.1))
        slowest = max(slowest, time.perf_counter() - began)
        log_bytes = max(log_bytes, (home / "cnnlab.sqlite3-wal").stat().st_size)
        time.sleep(0.05)
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert [problem for problems, _, _ in found for problem in problems] == []
    assert min(count for _, count, _ in found) >= 10
    assert max(last for _, _, last in found) > step / 2
    assert step >= 5 * batch
    np.testing.assert_array_equal(store.steps(run_id).range(1, step + 1).loss_N, np.arange(1, step + 1))
    assert [row.epoch for row in store.epochs(run_id)] == list(range(1, step // (5 * batch) + 1))
    assert log_bytes < 8_000_000
    assert slowest < 2.0
