"""One process per home that takes queued runs in order, starts their workers, and notices when one dies.

It keeps nothing that the store does not hold, so it can be killed and started again at any time: the next one adopts
the workers that live and puts the runs of the dead ones back into the queue.
"""

import json
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from cnnapp.errors import CannotStart, CnnAppError
from cnnapp.launching.client import fork, lease
from cnnapp.launching.identity import code_time, is_alive, lock_path
from cnnapp.machine import cores, devices
from cnnapp.settings import Settings, read_settings
from cnnapp.store import Run, Store, open_store

TICK_SECONDS = 0.2  # how long a new run waits at most to be seen; whoever queues one also wakes us
CHECK_SECONDS = 1.0  # how often workers that were started by an earlier scheduler are looked at
DISK_TEXT = (
    "Waiting: {folder} has {free:.0f} MB free, and a run needs {need:.0f} MB. "
    "Free some space; it then starts by itself."
)


WAKE = signal.SIGUSR1


def record_path(home: Path) -> Path:
    return home / "scheduler.json"


class Scheduler:
    """``slots`` are devices; a worker owns one until it ends."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.slots = devices(settings)
        self.threads = settings.threads or max(1, cores() // len(self.slots))
        self.connections: dict[str, socket.socket] = {}  # of the workers that we started
        self.devices: dict[str, str] = {}  # of all running workers
        self.version = -1
        self.next_check = 0.0
        self.busy_until = time.monotonic()
        self.woken, self.wake = socket.socketpair()
        for end in (self.woken, self.wake):
            end.setblocking(False)

    def tick(self) -> None:
        self._collect_dead()
        if time.monotonic() >= self.next_check:
            self.next_check = time.monotonic() + CHECK_SECONDS
            self._check_all()
            self.version = -1  # what waits for disk or for a slot is tried again
        version = self.store.version()
        if version != self.version:
            self.version = version
            self._start_queued()

    def idle_seconds(self) -> float:
        if self.devices:
            self.busy_until = time.monotonic()
        return time.monotonic() - self.busy_until

    def _collect_dead(self) -> None:
        """Wait a tick for the ends of connections: that is how a worker's death is heard at once."""
        by_connection = {connection: run_id for run_id, connection in self.connections.items()}
        ended, _, _ = select.select([self.woken, *by_connection], [], [], TICK_SECONDS)
        for connection in ended:
            if connection is self.woken:
                self.woken.recv(4096)
                continue
            run_id = by_connection[connection]
            self.connections.pop(run_id).close()
            self._ended(self.store.find(run_id), run_id)

    def _check_all(self) -> None:
        running = {run.id: run for run in self.store.runs(states=("running",))}
        for run_id in [run_id for run_id in self.devices if run_id not in running]:
            if run_id not in self.connections:
                self.devices.pop(run_id)
        for run in running.values():
            if run.id in self.connections:
                continue
            if is_alive(run.pid, run.pid_created):
                self.devices.setdefault(run.id, run.device or self.slots[0])  # adopted
            else:
                self._ended(run, run.id)

    def _ended(self, run: Run | None, run_id: str) -> None:
        """A worker's process is gone: if it did not say how its run ended, the run goes on in another."""
        self.devices.pop(run_id, None)
        self.version = -1
        if run is None or run.state != "running":
            return
        if run.restarts >= self.settings.max_restarts:
            log = self.store.folder(run_id) / "worker.log"
            self.store.fail(
                run_id,
                f"Its process died {run.restarts + 1} times without getting further than step {run.step}. "
                f"The end of {log} may say why; too little memory is the usual cause: try a smaller batch size.",
            )
        else:
            self.store.interrupted(run_id, f"Its process died at step {run.step}; it resumes from its last checkpoint.")

    def _start_queued(self) -> None:
        while len(self.devices) < len(self.slots) and self._has_room() and (run := self.store.claim_next()):
            device = next(slot for slot in self.slots if self._load(slot) == min(map(self._load, self.slots)))
            self.devices[run.id] = device
            try:
                self._start(run, device)
            except CannotStart as error:
                self.devices.pop(run.id)
                self.store.fail(run.id, str(error))

    def _load(self, slot: str) -> int:
        return list(self.devices.values()).count(slot) - self.slots.count(slot)

    def _start(self, run: Run, device: str) -> None:
        arguments = {
            "run_id": run.id,
            "attempt": run.attempt,
            "device": device,
            "threads": run.threads or self.threads,  # as before, so that a resumed run gives the same bits
            "nice": self.settings.nice,
        }
        child = fork(self.settings.home, "cnnapp.worker:main", arguments, self.store.folder(run.id) / "worker.log")
        self.connections[run.id] = child.connection

    def _has_room(self) -> bool:
        free, need = shutil.disk_usage(self.settings.home).free / 1e6, self.settings.min_free_mb
        if free >= need:
            return True
        for run in self.store.runs(states=("queued",)):
            self.store.note(run.id, DISK_TEXT.format(folder=self.settings.home, free=free, need=need))
        return False


def serve(settings: Settings) -> None:
    """Until idle for long, or told to end (which leaves the workers at work)."""
    store = open_store(settings.home)
    warm: socket.socket | None = None
    scheduler = Scheduler(store, settings)
    signal.set_wakeup_fd(scheduler.wake.fileno(), warn_on_full_buffer=False)
    while scheduler.idle_seconds() < 60 * settings.scheduler_idle_minutes:
        if warm is None or select.select([warm], [], [], 0)[0]:  # the fork server is not there, or gone
            if warm:
                warm.close()
            try:
                warm = lease(settings.home)
            except CannotStart:
                traceback.print_exc()
                time.sleep(5)
                continue
        try:
            scheduler.tick()
        except CnnAppError:  # a full disk, say: nothing is lost by trying again
            traceback.print_exc()
            time.sleep(1)


def main() -> int:
    settings = read_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_path(settings.home, "scheduler"))
    try:
        lock.acquire(timeout=2)  # the one before us may just be ending
    except Timeout:
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(WAKE, lambda *_: None)  # before anybody can know our pid
    me = psutil.Process()
    record = {"pid": me.pid, "created": me.create_time(), "code": code_time()}
    record_path(settings.home).write_text(json.dumps(record))
    try:
        serve(settings)
    finally:
        lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
