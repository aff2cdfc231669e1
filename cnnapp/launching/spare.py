"""One worker that is forked before anybody asks, and has trained on made-up images already.

A fork begins slowly: its page tables are copied, then every page that it writes to, and torch sets up each of its parts
at their first use. The spare has that behind it when a run comes, whose first step comes sooner for it. It belongs to
the server: it ends when the server does, and whoever asks never knows which way a worker came about.
"""

import importlib
import json
import os
import select
import socket
from collections.abc import Callable
from typing import Any

WORKER = "cnnapp.worker:main"  # the one target that a spare is for
READY, TAKE = b"+", b"!"
Become = Callable[[socket.socket, dict[str, Any]], None]


class Spare:
    """The server's end of at most one spare."""

    def __init__(self) -> None:
        self._link: socket.socket | None = None

    @property
    def exists(self) -> bool:
        """Whether one was forked and not taken yet; it may still be warming up."""
        return self._link is not None

    def prepare(self, leave_server: Callable[[], None], become: Become) -> None:
        """Fork one. There ``leave_server`` closes what is the server's; ``become`` does a request, never returning."""
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            try:
                ours.close()
                leave_server()
                _wait_for_work(theirs, become)
            finally:
                os._exit(1)
        theirs.close()
        ours.settimeout(5)
        self._link = ours

    def take(self, connection: socket.socket, request: dict[str, Any]) -> bool:
        """Hand a request and its connection over; False: there is no spare, or it is not ready, or it has died."""
        if request["target"] != WORKER or self._link is None or not select.select([self._link], [], [], 0)[0]:
            return False
        with self._link as link:
            self._link = None
            try:
                if link.recv(1) != READY:
                    return False
                socket.send_fds(link, [TAKE], [connection.fileno()])
                link.sendall(json.dumps(request).encode() + b"\n")
            except OSError:
                return False
        return True


def _wait_for_work(link: socket.socket, become: Become) -> None:
    module, _, _ = WORKER.partition(":")
    importlib.import_module(module).warm_up()
    link.sendall(READY)
    _, descriptors, _, _ = socket.recv_fds(link, 1, 1)
    if descriptors:  # none: the server has ended
        with link, link.makefile("rb") as lines:
            request = json.loads(lines.readline())
        become(socket.socket(fileno=descriptors[0]), request)
