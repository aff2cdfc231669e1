"""What a page needs of torch, done in a small bounded pool of warm processes.

``call(function, …)`` runs a function of ``cnnapp.tasks`` elsewhere: plain values and arrays in, plain values and
arrays out. A crash or a time-out there is a sentence on the page, and the process is replaced. The processes end with
ours, since their connection does.
"""

import atexit
import contextlib
import importlib
import io
import os
import pickle
import select
import signal
import socket
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cnnapp import errors
from cnnapp.errors import CnnAppError, ComputeFailed
from cnnapp.launching.client import Child, fork, lease, log_path
from cnnapp.settings import read_settings


class PlainUnpickler(pickle.Unpickler):
    """Answers are plain values, arrays, and the dataclasses of ``cnnapp.answers``: others might bring in torch."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "cnnapp.answers" or module == "builtins" or module.split(".")[0] == "numpy":
            return super().find_class(module, name)
        raise TypeError(f"a function of cnnapp.tasks answered with a {module}.{name}: return plain values and arrays")


class Pool:
    """At most ``workers`` processes, each serving one call at a time; further calls wait their turn."""

    def __init__(self, workers: int) -> None:
        self._turn = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[tuple[Child, Connection]] = []
        self._lease: socket.socket | None = None

    def call(self, function: str, *arguments: Any, timeout: float) -> Any:
        """Result of the function named ``module:function``.

        Raises:
            CnnAppError: As the function raised it.
            ComputeFailed: The function crashed, its process died, or ``timeout`` seconds passed.
        """
        if not self._turn.acquire(timeout=timeout):
            raise ComputeFailed(
                f"The computation waited {timeout:.0f} s for its turn: others are busy. Try again in a moment."
            )
        try:
            member = self._member()
            try:
                answer = self._ask(member, (function, arguments), timeout)
            except BaseException:
                self._discard(member)
                raise
            with self._lock:
                self._idle.append(member)
        finally:
            self._turn.release()
        return _result(answer)

    def _member(self) -> tuple[Child, Connection]:
        with self._lock:
            while self._idle:
                member = self._idle.pop()
                if not member[1].poll(0):  # something to read from an idle process is its end
                    return member
                self._discard(member)
        home = read_settings().home
        with self._lock:
            if self._lease is not None and select.select([self._lease], [], [], 0)[0]:
                self._lease.close()  # its server is gone
                self._lease = None
            if self._lease is None:
                self._lease = lease(home)
        child = fork(home, "cnnapp.compute:serve", {}, log_path(home, "compute"))
        return child, Connection(child.connection.detach())

    @staticmethod
    def _ask(member: tuple[Child, Connection], request: object, timeout: float) -> Any:
        _, connection = member
        try:
            connection.send(request)
            if not connection.poll(timeout):
                raise ComputeFailed(
                    f"The computation took longer than {timeout:.0f} s and was given up. "
                    "Try a smaller image or network."
                )
            return PlainUnpickler(io.BytesIO(connection.recv_bytes())).load()
        except (OSError, EOFError) as error:
            raise ComputeFailed(
                "The computing process ended unexpectedly, perhaps for lack of memory. Try again."
            ) from error

    @staticmethod
    def _discard(member: tuple[Child, Connection]) -> None:
        child, connection = member
        connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)

    def close(self) -> None:
        with self._lock:
            members, self._idle = self._idle, []
            if self._lease is not None:
                self._lease.close()
                self._lease = None
        for member in members:
            self._discard(member)


def _result(answer: tuple[str, Any, str]) -> Any:
    kind, value, name = answer
    if kind == "result":
        return value
    if kind == "sentence":
        error_class = getattr(errors, name, CnnAppError)
        raise error_class(value)
    raise ComputeFailed(
        f"The computation failed ({value}). The log has the details: {log_path(read_settings().home, 'compute')}"
    )


_pools: dict[Path, Pool] = {}
_pools_lock = threading.Lock()


def pool() -> Pool:
    """The pool of this process for the settings' home."""
    settings = read_settings()
    with _pools_lock:
        if settings.home not in _pools:
            _pools[settings.home] = Pool(settings.compute_workers)
            atexit.register(_pools[settings.home].close)
        return _pools[settings.home]


def call(function: str, *arguments: Any, timeout: float | None = None) -> Any:
    """Run ``cnnapp.tasks.<function>`` in the pool; see ``Pool.call``."""
    seconds = read_settings().compute_timeout if timeout is None else timeout
    return pool().call(f"cnnapp.tasks:{function}", *arguments, timeout=seconds)


def warm_up() -> threading.Thread:
    """Start the pool's processes in the background, so that the first call finds them ready."""
    thread = threading.Thread(target=_warm, name="compute-warm-up", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    workers = read_settings().compute_workers
    calls = [threading.Thread(target=_try_warm, daemon=True) for _ in range(workers)]
    for each in calls:
        each.start()
    for each in calls:
        each.join()


def _try_warm() -> None:
    try:
        call("warm")
    except CnnAppError:
        traceback.print_exc()  # the log has it; the call that needs it will say so on its page


def serve(connection: socket.socket) -> None:
    """In the forked process: answer calls until the other end closes."""
    link = Connection(connection.detach())
    importlib.import_module("cnnapp.tasks").prepare_process()
    while True:
        try:
            function, arguments = link.recv()
        except (EOFError, OSError):
            return
        module, _, name = function.partition(":")
        try:
            answer = ("result", getattr(importlib.import_module(module), name)(*arguments), "")
        except CnnAppError as error:
            answer = ("sentence", str(error), type(error).__name__)
        except Exception as error:
            traceback.print_exc()
            answer = ("crash", type(error).__name__, "")
        link.send(answer)
