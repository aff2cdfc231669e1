"""What the measurements share: a home of their own with warm processes, a dashboard as users start it, figures."""

import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

import cnnapp
from cnnapp.config import DATASETS, PRESETS, RunConfig, override, parse_config
from cnnapp.launching.client import lease
from cnnapp.launching.local import ensure_scheduler
from cnnapp.launching.serve import end_all
from cnnapp.machine import cpu_name
from cnnapp.settings import PREFIX
from cnnapp.store import Run, Store, open_store
from tests.e2e.harness import free_port

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180.0  # seconds; only what hangs waits that long


@contextmanager
def lab(**settings: object) -> Iterator[Store]:
    """A new home with these settings of the environment and nothing else of it but the folders of data.

    At the end its processes are ended and it is removed.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    home = Path(tempfile.mkdtemp(prefix="cnnapp-benchmark-"))
    for name in before:
        del os.environ[name]
    beside = str(ROOT.parent / "shared" / "data")
    os.environ[f"{PREFIX}DATA"] = before.get(f"{PREFIX}DATA") or os.environ.get("SHARED_DATA") or beside
    os.environ[f"{PREFIX}HOME"] = str(home)
    os.environ.update({PREFIX + name.upper(): str(value) for name, value in settings.items()})
    try:
        yield open_store(home)
    finally:
        end_all(home)
        shutil.rmtree(home, ignore_errors=True)
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            del os.environ[name]
        os.environ.update(before)


def warm_up(store: Store, *configs: RunConfig) -> None:
    """Have the processes started, torch imported and the datasets cached: what a lab is like after its first run."""
    ensure_scheduler(store.home)
    lease(store.home).close()
    for config in configs:
        end(store, cnnapp.submit(config))


def end(store: Store, run: Run) -> Run:
    """Stop the run as soon as it trains, and wait for its end."""
    wait_until(lambda: store.run(run.id).step > 0 or store.run(run.id).is_over, f"the first step of {run.id}")
    if not store.run(run.id).is_over:
        store.command(run.id, "stop")
    return finish(store, run)


def finish(store: Store, run: Run) -> Run:
    wait_until(lambda: store.run(run.id).is_over, f"the end of {run.id}")
    return store.run(run.id)


def wait_until(condition: Callable[[], bool], what: str, every: float = 0.02) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(every)


def lenet_config(*changes: str) -> RunConfig:
    """The course's preset where Fashion-MNIST is here, else the one on digits."""
    is_here = DATASETS["fashion_mnist"].is_present()
    return override(PRESETS["lenet-fashion-mnist" if is_here else "digits-quick"].config, list(changes))


def deep_config(*changes: str) -> RunConfig:
    """Five convolutions on pictures of 128×128."""
    values = {
        "dataset": {"name": "shapes", "image_size": 128, "subset": 200},
        "network": {"family": "convnet", "depth": 5},
        "training": {"epochs": 1, "batch_size": 32},
    }
    return override(parse_config(values), list(changes))


@dataclass(frozen=True)
class Dashboard:
    """``server`` is Streamlit's process, which ``cnnapp serve`` started."""

    url: str
    server: psutil.Process


@contextmanager
def dashboard() -> Iterator[Dashboard]:
    """The dashboard of the lab's home, started as ``make run`` does it, with the settings of .streamlit/config.toml."""
    port = free_port()
    command = [sys.executable, "-m", "cnnapp", "serve", "--port", str(port)]
    with Path(os.environ[f"{PREFIX}HOME"], "dashboard.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_healthy(url) or process.poll() is not None, f"an answer at {url}")
        if process.poll() is not None:
            raise RuntimeError(f"the dashboard ended with status {process.returncode}")
        (server,) = (p for p in psutil.Process(process.pid).children() if "streamlit" in p.cmdline())
        yield Dashboard(url, server)
    finally:
        process.terminate()
        process.wait(20)


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


def introduce(title: str) -> None:
    """Say what is measured, and on what: figures mean nothing without."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "streamlit"))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{title}\n{os.cpu_count()} cores of {cpu_name()}, load {load}")
    print(f"Python {platform.python_version()}, {versions}\n", flush=True)


def show(what: str, values: Sequence[float], unit: str = "s", goal: str = "") -> None:
    """One figure: how often it was measured; its smallest, median and largest value."""
    digits = 3 if max(values) < 100 else 0
    numbers = " / ".join(f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    print(f"{what:56} n={len(values):<3} {numbers:>24} {unit}{f'   goal {goal}' if goal else ''}", flush=True)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
