"""A class of viewers on the live page of one run that has 100,000 steps behind it and trains on.

    python -m benchmarks.live_load
    python -m benchmarks.live_load --viewers 100 --seconds 60
    STREAMLIT_RUNNER_POST_SCRIPT_GC=true python -m benchmarks.live_load     # as Streamlit is without our setting

Each viewer asks for an update a second through a websocket, as a browser does. The plain alternative, in the same run,
is one viewer.
"""

import argparse
import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

from benchmarks.lab import Dashboard, dashboard, introduce, lab, quantile, warm_up
from benchmarks.viewers import Viewer
from cnnapp.config import RunConfig, parse_config
from cnnapp.events import EpochDone, RunEnded, RunStarted, StepsDone
from cnnapp.store import Run, Store

STEPS = 100_000
STEPS_PER_EPOCH = 938  # 60,000 images in batches of 64
WARM_SECONDS = 4.0


@dataclass(frozen=True)
class Load:
    """What the viewers saw and what the server spent. Seconds are of single updates."""

    viewers: int
    updates_per_second: float
    wanted_per_second: float
    seconds: list[float]
    bytes_per_update: float
    cpu_per_update: float  # seconds of the server
    cpu_share: float  # of one core
    megabytes: float  # resident memory of the server, at the end
    errors: list[str]


def long_config() -> RunConfig:
    return parse_config({"training": {"epochs": 500}, "network": {"family": "lenet"}})


@contextmanager
def long_run(store: Store, steps: int = STEPS) -> Iterator[Run]:
    """A run of this process with ``steps`` noisy steps behind it, as a long training would have recorded them.

    To be made before the home has a scheduler, which would give it to a worker.
    """
    run = store.create(long_config(), "A long training")
    store.append(run.id, RunStarted(61_706, 60_000, 6_000, 10_000, STEPS_PER_EPOCH, 500, "cpu", "CPU", 0))
    me = psutil.Process()
    store.set_worker(run.id, store.run(run.id).attempt, me.pid, me.create_time(), 1)
    random = np.random.default_rng(0)
    for first in range(1, steps + 1, STEPS_PER_EPOCH):
        epoch, size = first // STEPS_PER_EPOCH + 1, min(STEPS_PER_EPOCH, steps + 1 - first)
        store.append(run.id, some_steps(random, first, size))
        if size == STEPS_PER_EPOCH:
            loss, accuracy = (float(x) for x in random.uniform((0.2, 0.8), (0.4, 0.9)))
            step = epoch * STEPS_PER_EPOCH
            store.append(run.id, EpochDone(epoch, step, loss, accuracy, loss, accuracy, None, epoch == 1, 8.0))
    try:
        yield store.run(run.id)
    finally:
        store.append(run.id, RunEnded("stopped"))


def some_steps(random: np.random.Generator, first: int, size: int) -> StepsDone:
    loss_S = random.gamma(9.0, 2.5 / (9 * np.sqrt(np.arange(first, first + size) / 100 + 1)))
    accuracy_S = random.binomial(64, 1 - 0.5 * np.exp(-first / 2e4), size) / 64
    return StepsDone(first, loss_S.astype(np.float32), accuracy_S.astype(np.float32), 8_000.0)


@contextmanager
def trains_on(store: Store, run: Run) -> Iterator[None]:
    """Meanwhile the run gets 25 steps four times a second."""
    stop, random = threading.Event(), np.random.default_rng(1)

    def write() -> None:
        step = run.step
        while not stop.wait(0.25):
            store.append(run.id, some_steps(random, step + 1, 25))
            step += 25

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


async def load(board: Dashboard, run: Run, count: int, seconds: float) -> Load:
    """``count`` viewers come within three seconds, and are then measured for ``seconds``."""
    viewers = [Viewer(board.url, "train", f"run={run.id}") for _ in range(count)]
    tasks = []
    for viewer in viewers:
        tasks.append(asyncio.create_task(viewer.watch()))
        await asyncio.sleep(3 / count)
    await asyncio.sleep(WARM_SECONDS)
    not_open = sum(not viewer.is_open for viewer in viewers)
    for viewer in viewers:
        viewer.forget()
    before = board.server.cpu_times()
    await asyncio.sleep(seconds)
    after = board.server.cpu_times()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    cpu = after.user + after.system - before.user - before.system
    waits = [wait for viewer in viewers for wait in viewer.seconds]
    errors = [error for viewer in viewers for error in viewer.errors]
    return Load(
        viewers=count,
        updates_per_second=len(waits) / seconds,
        wanted_per_second=sum(viewer.wanted for viewer in viewers) / seconds,
        seconds=waits or [float("inf")],
        bytes_per_update=sum(viewer.bytes_received for viewer in viewers) / max(1, len(waits)),
        cpu_per_update=cpu / max(1, len(waits)),
        cpu_share=cpu / seconds,
        megabytes=board.server.memory_info().rss / 1e6,
        errors=errors + [f"{not_open} viewers had not seen the page after {WARM_SECONDS} s"] * bool(not_open),
    )


def show_load(result: Load) -> None:
    p50, p95, most = (1000 * quantile(result.seconds, share) for share in (0.5, 0.95, 1))
    print(
        f"{result.viewers:3} viewers: {result.updates_per_second:.1f} of {result.wanted_per_second:.1f} updates/s,"
        f" n={len(result.seconds)}: p50 {p50:.0f}, p95 {p95:.0f}, most {most:.0f} ms;"
        f" {result.bytes_per_update / 1000:.1f} kB an update;\n"
        f"             server {1000 * result.cpu_per_update:.1f} ms of CPU an update, {result.cpu_share:.0%} of a core,"
        f" {result.megabytes:.0f} MB; errors: {result.errors or 'none'}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    introduce(f"The live page after {STEPS:,} steps (goals with 30 viewers: p95 300 ms, 250 MB, 25 kB an update)")
    with lab() as store, long_run(store) as run, dashboard() as board:
        warm_up(store)
        for _ in range(options.rounds):
            for count in (1, options.viewers):
                with trains_on(store, store.run(run.id)):
                    show_load(asyncio.run(load(board, run, count, options.seconds)))
    collection = os.environ.get("STREAMLIT_RUNNER_POST_SCRIPT_GC", "as config.toml says")
    print(f"garbage collection at the end of each update: {collection}")


if __name__ == "__main__":
    main()
