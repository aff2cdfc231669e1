"""The process that forks: who may talk to it, when it gives way to newer code, when it ends."""

import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cnnapp.errors import CannotStart
from cnnapp.launching import client, forkserver
from cnnapp.launching.forkserver import ForkServer, receive_line
from cnnapp.launching.identity import code_time, is_alive, socket_path
from cnnapp.settings import read_settings
from cnnapp.store import Store
from tests.launching.helpers import wait_until

NONSENSE = {
    "nothing": b"",
    "no line": b"x",
    "no JSON": b"hello\n",
    "no object": b"[1]\n",
    "null": b"null\n",
    "no code": b"{}\n",
    "code of a wrong kind": b'{"code": "new"}\n',
    "too deep": b"[" * 200_000 + b"\n",
    "no UTF-8": b"\xff\xfe\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


class Served:
    """Fork servers in threads of this process, which only lend: nothing here is forked."""

    def __init__(self, home: Path) -> None:
        self.path = str(socket_path(home))
        self.servers: list[ForkServer] = []
        self.threads: list[threading.Thread] = []

    def start(self, code: int | None = None) -> ForkServer:
        Path(self.path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path)
        listener.listen(8)
        server = ForkServer(listener)
        server.code = server.code if code is None else code

        def serve() -> None:
            server.serve()
            listener.close()

        self.servers.append(server)
        self.threads.append(threading.Thread(target=serve, daemon=True))
        self.threads[-1].start()
        return server

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(20)
        connection.connect(self.path)
        return connection

    def ask(self, line: bytes) -> bytes:
        with self.connect() as connection:
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            return receive_line(connection)

    def borrow(self) -> socket.socket:
        connection = self.connect()
        connection.sendall(json.dumps({"code": code_time(), "lease": True}).encode() + b"\n")
        assert json.loads(receive_line(connection)) == {"lease": True}
        return connection


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    found = Served(home)
    yield found
    Path(found.path).unlink(missing_ok=True)
    for server in found.servers:
        server.stale = True


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_harms_nobody(served: Served, kind: str) -> None:
    served.start()
    lease = served.borrow()
    with suppress(ConnectionError):  # hung up on in the middle of it
        assert served.ask(NONSENSE[kind]) == b""
    with served.borrow():  # it serves on
        lease.setblocking(False)
        with pytest.raises(BlockingIOError):  # and keeps whom it had
            lease.recv(1)
    lease.close()


def test_it_ends_some_time_after_its_last_lease_and_not_before(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver, "GRACE_SECONDS", 0.3)
    served.start()
    first, second = served.borrow(), served.borrow()
    first.close()
    time.sleep(0.6)
    assert served.threads[0].is_alive()
    second.close()
    time.sleep(0.05)
    with served.borrow():  # in time: it stays
        time.sleep(0.6)
        assert served.threads[0].is_alive()
    served.threads[0].join(timeout=3)
    assert not served.threads[0].is_alive()


def test_a_server_of_older_code_gives_way_to_a_new_one(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = served.start(code=code_time() - 1)

    def start_process(home: Path, role: str) -> None:
        assert role == "forkserver"
        served.threads[0].join(timeout=5)
        served.start()

    monkeypatch.setattr(client, "start_process", start_process)
    with client.lease(home, timeout=10):
        assert old.stale
        assert not served.threads[0].is_alive()
        wait_until(lambda: len(served.servers[1].leases) == 1, "the new server to hold the lease")


def test_a_client_of_older_code_is_served_as_well(served: Served) -> None:
    server = served.start(code=code_time() + 1)
    with served.borrow():
        assert not server.stale


def test_a_server_that_never_comes_is_a_sentence_with_its_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "start_process", lambda home, role: None)
    with pytest.raises(CannotStart, match=r"did not answer for 0 s.*logs/forkserver\.log"):
        client.lease(home, timeout=0.2)


def private_folder(tmp: Path) -> Path:
    return tmp / f"cnnapp-{os.getuid()}"


def opened_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def a_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("prepare", [opened_to_all, a_link, lambda folder: folder.write_text("")])
def test_a_meeting_place_that_is_not_private_is_refused(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prepare(private_folder(tmp_path))
    with pytest.raises(CannotStart, match=r"not private to this user\. Remove it, or set TMPDIR"):
        socket_path(home)
    with pytest.raises(CannotStart, match="not private"):
        client.lease(home, timeout=5)


def test_a_meeting_place_that_cannot_be_made_is_a_sentence(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(CannotStart, match="set TMPDIR to a folder of your own"):
        client.lease(home, timeout=5)


def test_sockets_of_different_homes_differ_and_their_paths_are_short(tmp_path: Path) -> None:
    paths = {socket_path(tmp_path / name) for name in ("a", "b", "c" * 200)}
    assert len(paths) == 3
    assert all(len(str(path)) < 100 for path in paths)


def test_a_child_has_the_environment_of_who_asked_for_it(
    lab: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNAPP_DATA", str(tmp_path))
    log = tmp_path / "log" / "child.log"
    child = client.fork(lab.home, "tests.launching.test_forkserver:say_settings", {"word": "hello"}, log)
    assert is_alive(child.pid, child.created)
    with child.connection:
        answer = json.loads(receive_line(child.connection))
        assert answer == {"home": str(lab.home), "data": str(tmp_path), "word": "hello"}
        assert child.connection.recv(1) == b""  # its end is heard at once
    wait_until(lambda: not is_alive(child.pid, child.created), "the child's end")
    assert "said it" in log.read_text()


def say_settings(connection: socket.socket, word: str) -> None:
    settings = read_settings()
    print("said it")
    connection.sendall(json.dumps({"home": str(settings.home), "data": settings.data, "word": word}).encode() + b"\n")


def test_a_child_that_fails_leaves_its_traceback_in_its_log(lab: Store, tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = client.fork(lab.home, "math:nothing", {}, log)
    with child.connection:
        assert child.connection.recv(1) == b""
    wait_until(lambda: "has no attribute 'nothing'" in log.read_text(), "the traceback")
