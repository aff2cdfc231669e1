"""A class watches one run: its dashboard stays quick, small, and sparing with the network.

``python -m benchmarks.live_load`` measures the same at length. What this guards against are a full garbage collection
after every update (Streamlit's default, switched off in .streamlit/config.toml) and a chart that costs the server much.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.lab import dashboard, lab, quantile
from benchmarks.live_load import Load, load, long_run, trains_on

VIEWERS, SECONDS = 30, 8.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched() -> Iterator[Load]:
    """30 viewers, an update a second each, of a run with 100,000 steps that trains on."""
    with (
        lab(compute_workers=1) as store,
        long_run(store) as run,
        dashboard() as board,
        trains_on(store, run),
        ThreadPoolExecutor(1) as thread,  # Playwright's browser, where there is one, keeps a loop running in this one
    ):
        yield thread.submit(asyncio.run, load(board, run, VIEWERS, SECONDS)).result()


def test_every_viewer_sees_the_page_and_no_error(watched: Load) -> None:
    assert watched.errors == []


def test_each_gets_its_update_every_second(watched: Load) -> None:
    assert watched.wanted_per_second > 0.7 * VIEWERS  # intervals are 1 to 1.2 s
    assert watched.updates_per_second > 0.8 * watched.wanted_per_second


def test_an_update_does_not_keep_its_viewer_waiting(watched: Load) -> None:
    assert quantile(watched.seconds, 0.95) < 1.0


def test_an_update_costs_the_server_little(watched: Load) -> None:
    assert watched.cpu_per_update < 0.025  # at 33 ms, 30 viewers would fill a core


def test_an_update_of_a_long_run_is_small(watched: Load) -> None:
    assert watched.bytes_per_update < 25_000


def test_the_server_stays_small(watched: Load) -> None:
    assert watched.megabytes < 250
