"""Training throughput while its live page is open in a browser, beside the same training without any dashboard.

    python -m benchmarks.overhead
    python -m benchmarks.overhead --rounds 15 --seconds 10

One LeNet trains all the time; windows with and without take turns, and each pair gives a ratio. First with one thread,
so that the dashboard and the browser have a core of their own, then with one thread for each core, so that they share.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import cnnapp
from benchmarks import stopwatch
from benchmarks.lab import dashboard, end, introduce, lab, lenet_config, show, wait_until, warm_up
from cnnapp.store import Run, Store
from tests.e2e.harness import open_browser

SETTLE_SECONDS = 1.0


@contextmanager
def live_page(run: Run) -> Iterator[None]:
    """A dashboard of its own, and a browser that shows the run with points in its charts."""
    with dashboard() as board, open_browser() as context:
        page = context.pages[0]
        page.goto(f"{board.url}/train?run={run.id}")
        page.wait_for_function(f"() => {stopwatch.CHART_HAS_POINTS}")
        yield


def steps_per_second(store: Store, run: Run, seconds: float) -> float:
    """Between two reports of the worker that are at least ``seconds`` apart."""
    time.sleep(SETTLE_SECONDS)
    first, began = next_report(store, run)
    time.sleep(seconds)
    last, ended = next_report(store, run)
    return (last - first) / (ended - began)


def next_report(store: Store, run: Run) -> tuple[int, float]:
    """The step of the worker's next report, and when it came."""
    before = store.run(run.id).step
    wait_until(lambda: store.run(run.id).step != before, "another step", every=0.005)
    return store.run(run.id).step, time.perf_counter()


def rounds_of(store: Store, run: Run, rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """Steps per second without and with the live page, in turns."""
    without, with_page = [], []
    for _ in range(rounds):
        without.append(steps_per_second(store, run, seconds))
        with live_page(run):
            with_page.append(steps_per_second(store, run, seconds))
    return without, with_page


def measure(slots: int, rounds: int, seconds: float, goal: str) -> None:
    with lab(slots=slots) as store:
        config = lenet_config("training.epochs=500")
        warm_up(store, config)
        run = cnnapp.submit(config)
        without, with_page = rounds_of(store, run, rounds, seconds)
        threads, batch_size = store.run(run.id).threads, config.training.batch_size
        end(store, run)
    print(f"Training with {threads} of {os.cpu_count()} cores:")
    show("  without a dashboard", [batch_size * speed for speed in without], "images/s")
    show("  its live page open in a browser", [batch_size * speed for speed in with_page], "images/s")
    ratios = [second / first for first, second in zip(without, with_page, strict=True)]
    show("  ratio of neighbouring windows", ratios, "", goal)
    repeated = [second / first for first, second in pairwise(without)]
    if repeated:
        show("  ratio of windows without, to each other (noise)", repeated, "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5, help="of each window")
    options = parser.parse_args()
    introduce("Training beside its live page")
    measure(os.cpu_count() or 1, options.rounds, options.seconds, "0.98")
    measure(1, options.rounds, options.seconds, "0.90")


if __name__ == "__main__":
    main()
