"""From pressing Train to the first step, and to the first point on the screen; beside a new interpreter each time.

    python -m benchmarks.start_run
    python -m benchmarks.start_run --rounds 30

Processes are warm and data is cached, as from the second run on. A step is recorded when a reader of the store sees it.
"""

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cnnapp
from benchmarks import stopwatch
from benchmarks.lab import dashboard, end, introduce, lab, lenet_config, show, wait_until, warm_up
from cnnapp.config import RunConfig
from cnnapp.store import Store
from tests.e2e.harness import open_browser, settle

TIMEOUT = 120_000  # ms; only what hangs waits that long
PAUSE = 4.0
"""Seconds before each start: as long as the next worker takes to be made ready."""
PLAIN = """
import torch, torchvision
from torch import nn

model = nn.Sequential(
    nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
loss = nn.functional.cross_entropy(model(torch.rand(64, 1, 28, 28)), torch.arange(64) % 10)
loss.backward()
optimizer.step()
"""


def plain_seconds() -> float:
    """A new interpreter that imports torch and torchvision and does one step of LeNet; it reads no data."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", PLAIN], check=True, cwd=Path(__file__).parents[1])
    return time.perf_counter() - began


def submit_seconds(store: Store, config: RunConfig) -> tuple[float, float]:
    """(until ``cnnapp.submit`` returns, until the first step is recorded)."""
    time.sleep(PAUSE)
    began = time.perf_counter()
    run = cnnapp.submit(config)
    submitted = time.perf_counter()
    wait_until(lambda: store.run(run.id).step > 0, "the first step", every=0.001)
    recorded = time.perf_counter()
    end(store, run)
    return submitted - began, recorded - began


class FirstStep(threading.Thread):
    """Notes when the newest run has its first step, in seconds since 1970."""

    def __init__(self, store: Store) -> None:
        super().__init__(daemon=True)
        self.store = store
        self.known = {run.id for run in store.runs()}
        self.moment = float("nan")

    def run(self) -> None:
        wait_until(self._is_there, "the first step", every=0.004)
        self.moment = time.time()

    def _is_there(self) -> bool:
        return any(run.step for run in self.store.runs(limit=1) if run.id not in self.known)


def press_seconds(store: Store, page: Any, address: str) -> tuple[float, float]:
    """(to the first step recorded, to the first point on the screen), from a press of Train on the page ``address``."""
    page.goto(address)
    settle(page, TIMEOUT)
    time.sleep(PAUSE)
    watcher = FirstStep(store)
    watcher.start()
    stopwatch.start(page, "pointerdown", stopwatch.CHART_HAS_POINTS)
    page.get_by_role("button", name="Train").last.click()
    pressed, shown = stopwatch.read(page)
    watcher.join()
    run_id = parse_qs(urlsplit(page.url).query)["run"][0]
    end(store, store.run(run_id))
    return watcher.moment - pressed, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = range(parser.parse_args().rounds)
    introduce("Starting a run")
    with lab() as store:
        config = lenet_config()
        warm_up(store, config)
        submits = [submit_seconds(store, config) for _ in rounds]
        show("cnnapp.submit() returns", [first for first, _ in submits])
        show("cnnapp.submit() to the first step recorded", [second for _, second in submits], goal="0.15")
        preset = "lenet-fashion-mnist" if config.dataset.name == "fashion_mnist" else "digits-quick"
        with dashboard() as board, open_browser() as context:
            page = context.pages[0]
            press_seconds(store, page, f"{board.url}/train?preset={preset}")  # loads the page's code
            presses = [press_seconds(store, page, f"{board.url}/train?preset={preset}") for _ in rounds]
        show("press of Train to the first step recorded", [first for first, _ in presses], goal="0.15")
        show("press of Train to the first point on the screen", [second for _, second in presses], goal="1.5")
    show("plain: new interpreter, torch, torchvision, one step", [plain_seconds() for _ in rounds])


if __name__ == "__main__":
    main()
