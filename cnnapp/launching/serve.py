"""Starting the dashboard: is the port free, is the home usable, is somebody there already; then Streamlit."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from typing import TypedDict

import psutil

import cnnapp
from cnnapp.errors import CannotStart
from cnnapp.launching.identity import is_alive
from cnnapp.launching.local import ensure_scheduler, read_record
from cnnapp.store import open_store

ROOT = Path(cnnapp.__file__).parents[1]


class Dashboard(TypedDict):
    pid: int
    created: float
    address: str
    port: int


def serve(address: str, port: int, open_browser: bool, end_workers: bool) -> int:
    """Run the dashboard until it is told to end; its exit status.

    Args:
        end_workers: On the way out let trainings save themselves and end: for containers, where they end with us.

    Raises:
        CannotStart: The port is taken.
        StoreUnusable: The home folder cannot be used.
    """
    store = open_store()
    other = read_dashboard(store.home)
    check_port(address, port, other)
    if other:
        print(f"Another dashboard shares this home and its runs: {url(other['address'], other['port'])}", flush=True)
    ensure_scheduler(store.home)  # its fork server imports torch while Streamlit starts
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
    command += ["--server.address", address, "--server.port", str(port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: process.send_signal(number))
        record = Dashboard(pid=os.getpid(), created=psutil.Process().create_time(), address=address, port=port)
        record_path(store.home).write_text(json.dumps(record))
        if open_browser and wait_for(address, port, process):
            webbrowser.open(url(address, port))
        status = process.wait()
    if end_workers:
        end_all(store.home)
    return 0 if status in (-signal.SIGTERM, -signal.SIGINT, 130) else status


def url(address: str, port: int) -> str:
    return f"http://{'127.0.0.1' if address in ('0.0.0.0', '::') else address}:{port}"


def record_path(home: Path) -> Path:
    return home / "dashboard.json"


def read_dashboard(home: Path) -> Dashboard | None:
    """The dashboard that last started on this home, if it is still there."""
    try:
        found: Dashboard = json.loads(record_path(home).read_text())
        return found if is_alive(found["pid"], found["created"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_port(address: str, port: int, other: Dashboard | None) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if other and other["port"] == port:
                open_ = url(other["address"], port)
                raise CannotStart(f"The dashboard of this home runs already: open {open_}") from error
            raise CannotStart(
                f"The dashboard cannot listen on {address}:{port} ({error.strerror}). "
                f"Choose another port: make run PORT={port + 1 if port < 65535 else port - 1}"
            ) from error


def wait_for(address: str, port: int, process: "subprocess.Popen[bytes]", seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1" if address == "0.0.0.0" else address, port)) == 0:
                return True
        time.sleep(0.1)
    return False


def end_all(home: Path, seconds: float = 25) -> None:
    """End the scheduler, then let every worker write a checkpoint and end; the runs go on at the next start."""
    scheduler = read_record(home)
    if scheduler and is_alive(scheduler["pid"], scheduler["created"]):
        os.kill(scheduler["pid"], signal.SIGTERM)
    workers = [run for run in open_store(home).runs(states=("running",)) if is_alive(run.pid, run.pid_created)]
    for run in workers:
        assert run.pid is not None
        os.kill(run.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(is_alive(run.pid, run.pid_created) for run in workers):
        time.sleep(0.1)
