"""A process that has torch imported and forks itself into workers and compute processes.

A fresh interpreter needs seconds to import torch; a fork of one that has it is ready in some hundredths of a second and
shares its memory. The server must therefore never start a thread pool or touch a GPU itself: neither survives a fork.

It listens on a Unix socket. A client sends one line of JSON; the connection then belongs to the forked child, so that
either end notices at once when the other is gone:

    {"code": time, "lease": true}                            keeps the server alive while the connection is open
    {"code": time, "target": "module:function", "arguments": {…}, "environment": {…}, "log": path}

The answer is one line: ``{"pid": …, "created": …}``, ``{"lease": true}``, or ``{"stale": true}`` from a server of older
code than the client's; it then ends, and the client starts another.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from cnnapp.launching.identity import code_time, lock_path, socket_path
from cnnapp.launching.spare import Spare
from cnnapp.settings import PREFIX, read_settings

PRELOAD = ("torch", "torch._dynamo", "torchvision.datasets", "sklearn.datasets", "cnnapp.worker", "cnnapp.tasks")
GRACE_SECONDS = 20.0
SPARE_SECONDS = 1.5  # after the last request; then the next worker is forked and warmed up
REQUEST_BYTES = 1 << 20


def receive_line(connection: socket.socket) -> bytes:
    """One line, read byte by byte so that nothing of what follows it is taken; empty at the end of the stream."""
    line = bytearray()
    while len(line) < REQUEST_BYTES:
        byte = connection.recv(1)
        if not byte or byte == b"\n":
            break
        line += byte
    return bytes(line)


class ForkServer:
    def __init__(self, listener: socket.socket, keep_spare: bool = False) -> None:
        self.listener = listener
        self.code = code_time()
        self.leases: set[socket.socket] = set()
        self.unleased_since = time.monotonic()
        self.stale = False
        self.spare = Spare()
        self.next_spare = time.monotonic() + SPARE_SECONDS if keep_spare else float("inf")

    def serve(self) -> None:
        """Answer until no lease has been held for a while, or a client runs newer code."""
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        while not self.stale and (self.leases or time.monotonic() - self.unleased_since < GRACE_SECONDS):
            for key, _ in selector.select(timeout=self._prepare_spare()):
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    if self._answer(connection):
                        self.leases.add(connection)
                        selector.register(connection, selectors.EVENT_READ)
                else:
                    lease = key.fileobj
                    assert isinstance(lease, socket.socket)
                    selector.unregister(lease)
                    self.leases.discard(lease)
                    lease.close()
                    self.unleased_since = time.monotonic()

    def _prepare_spare(self) -> float:
        """Fork a spare when it is time to; seconds until there is something to do unasked."""
        longest = min(5.0, GRACE_SECONDS)
        if self.spare.exists:
            return longest
        left = self.next_spare - time.monotonic()
        if left > 0:
            return min(left, longest)
        self.spare.prepare(self._close_all, become_child)
        return longest

    def _close_all(self) -> None:
        """In a forked process: what is the server's is not ours."""
        self.listener.close()
        for lease in self.leases:
            lease.close()

    def _answer(self, connection: socket.socket) -> bool:
        """Serve one request; True when the connection is a lease to be kept."""
        connection.settimeout(5)
        try:
            request = json.loads(receive_line(connection) or b"null")
            if not isinstance(request, dict):
                connection.close()
                return False
            if request["code"] > self.code:
                self.stale = True
                connection.sendall(b'{"stale": true}\n')
                connection.close()
                return False
            if request.get("lease"):
                connection.sendall(b'{"lease": true}\n')
                connection.settimeout(None)
                return True
            self._fork(connection, request)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):  # a client that is gone or talks nonsense
            connection.close()
        return False

    def _fork(self, connection: socket.socket, request: dict[str, object]) -> None:
        if self.next_spare < float("inf"):
            self.next_spare = time.monotonic() + SPARE_SECONDS  # a new spare's warming up is not to slow this one down
        if not self.spare.take(connection, request) and os.fork() == 0:
            try:
                self._close_all()
                become_child(connection, request)
            finally:
                os._exit(1)  # only reached when becoming a child failed
        connection.close()


def become_child(connection: socket.socket, request: dict[str, object]) -> None:
    """In the forked process: take on the request's environment and log, answer, run the target, exit."""
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    environment = request["environment"]
    assert isinstance(environment, dict)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(environment)
    redirect_output(str(request["log"]))
    status = 1
    try:
        me = psutil.Process()
        connection.sendall(json.dumps({"pid": me.pid, "created": me.create_time()}).encode() + b"\n")
        connection.settimeout(None)
        module, _, function = str(request["target"]).partition(":")
        arguments = request["arguments"]
        assert isinstance(arguments, dict)
        getattr(importlib.import_module(module), function)(connection, **arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # the parent's atexit handlers and threads are not ours


def redirect_output(path: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def main() -> int:
    home = read_settings().home
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_path(home, "forkserver"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return 0  # another one serves this home
    path = socket_path(home)
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(64)  # clients that come during the imports wait
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children
    try:
        for module in PRELOAD:
            importlib.import_module(module)
        gc.collect()
        gc.freeze()  # children do not copy these pages by collecting them
        ForkServer(listener, keep_spare=True).serve()
    finally:
        Path(path).unlink(missing_ok=True)
        listener.close()
        lock.release()
    return 0


if __name__ == "__main__":
    os._exit(main())  # without taking torch apart, which takes long and talks
