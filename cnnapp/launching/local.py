"""Runs on this machine: making sure that somebody takes what is queued."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import TypedDict

from cnnapp.launching.client import start_process
from cnnapp.launching.identity import code_time, is_alive
from cnnapp.launching.scheduler import WAKE, record_path

START_SECONDS = 1.0  # more than a scheduler takes from its start to its record
_started: dict[Path, float] = {}


def ensure_scheduler(home: Path) -> None:
    """Start the home's scheduler if none runs, or if the one that runs is of older code; else have it look now.

    Cheap when there is one; may be called by anybody at any time.
    """
    record = read_record(home)
    if record and is_alive(record["pid"], record["created"]):
        if record["code"] >= code_time():
            with contextlib.suppress(ProcessLookupError):
                os.kill(record["pid"], WAKE)
            return
        os.kill(record["pid"], signal.SIGTERM)  # it may be ended at any time without losing a run
    if time.monotonic() - _started.get(home, -START_SECONDS) >= START_SECONDS:  # else one is on its way
        _started[home] = time.monotonic()
        start_process(home, "scheduler")


class Record(TypedDict):
    pid: int
    created: float
    code: int


def read_record(home: Path) -> Record | None:
    """Which scheduler last ran for this home; None if there was none."""
    try:
        record = json.loads(record_path(home).read_text())
        return Record(pid=int(record["pid"]), created=float(record["created"]), code=int(record["code"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
