"""Asking the fork server of a home for processes, starting it where there is none."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cnnapp
from cnnapp.errors import CannotStart
from cnnapp.launching.forkserver import receive_line
from cnnapp.launching.identity import code_time, socket_path
from cnnapp.settings import PREFIX

START_SECONDS = 120.0  # importing torch on a slow or busy disk


@dataclass(frozen=True)
class Child:
    """A forked process. ``connection`` reaches its end when the process does."""

    pid: int
    created: float
    connection: socket.socket


def fork(home: Path, target: str, arguments: dict[str, Any], log: Path, timeout: float = START_SECONDS) -> Child:
    """Run ``target`` ("module:function") in a new process, with its end of the connection and ``arguments``.

    Raises:
        CannotStart: No fork server could be reached or started in ``timeout`` seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    request = {"target": target, "arguments": arguments, "log": str(log), "environment": _environment()}
    connection, answer = _ask(home, request, timeout)
    return Child(answer["pid"], answer["created"], connection)


def lease(home: Path, timeout: float = START_SECONDS) -> socket.socket:
    """A connection that keeps the fork server alive while it is open."""
    return _ask(home, {"lease": True}, timeout)[0]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def _ask(home: Path, request: dict[str, Any], timeout: float) -> tuple[socket.socket, dict[str, Any]]:
    line = json.dumps({**request, "code": code_time()}).encode() + b"\n"
    deadline = time.monotonic() + timeout
    next_start = 0.0
    while (left := deadline - time.monotonic()) > 0:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(left)
        try:
            connection.connect(str(socket_path(home)))
            connection.sendall(line)
            answer = json.loads(receive_line(connection) or b"{}")
            if "pid" in answer or "lease" in answer:
                connection.settimeout(None)
                return connection, answer
        except (OSError, ValueError):
            pass  # none there, or it ended under us: start one and ask again
        connection.close()
        if time.monotonic() > next_start:
            start_process(home, "forkserver")
            next_start = time.monotonic() + 5
        time.sleep(0.05)
    log = log_path(home, "forkserver")
    raise CannotStart(
        f"The process that starts trainings did not answer for {timeout:.0f} s. Its log may say why: {log}"
    )


def log_path(home: Path, role: str) -> Path:
    return home / "logs" / f"{role}.log"


def start_process(home: Path, role: str) -> None:
    """Start ``cnnapp.launching.<role>`` so that it outlives us; it ends at once where one serves this home already."""
    log = log_path(home, role)
    log.parent.mkdir(parents=True, exist_ok=True)
    root = str(Path(cnnapp.__file__).parents[1])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = {
        **os.environ,
        f"{PREFIX}HOME": str(home),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "OPENBLAS_NUM_THREADS": "1",  # numpy's thread pool would not survive the fork; torch brings its own
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", f"cnnapp.launching.{role}"],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay a zombie when it ends before us
