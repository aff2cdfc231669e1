"""Downloading from a server of this test: whole and unaltered, or not at all and with a reason."""

import hashlib
import os
import socket
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cnnapp.data.dataset import no_progress
from cnnapp.data.download import DownloadFailed, Remote, download

CONTENT = os.urandom(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/missing":
                self.send_error(404)
            case "/silent":
                self.server.release.wait(10)
            case "/to-a-file":
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/good")
                self.end_headers()
            case path:
                self.send_response(200)
                if path != "/unannounced":
                    self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.send(path)

    def send(self, path: str) -> None:
        if path == "/truncated":
            self.wfile.write(CONTENT[:1000])
        elif path == "/other":
            self.wfile.write(b"x" * len(CONTENT))
        elif path == "/trickle":
            for _ in range(100):
                self.wfile.write(b"x")
                if self.server.release.wait(0.05):
                    return
        else:
            self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.release = threading.Event()
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.release.set()
    server.shutdown()
    server.server_close()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def fetch(folder, *urls, progress=no_progress, timeout=5.0, limit=10**6):
    target = folder / "data.gz"
    download(Remote("data.gz", MD5, urls), target, limit, progress, timeout)
    return target.read_bytes()


@pytest.mark.parametrize("path", ["/good", "/moved", "/unannounced"])
def test_a_good_file_arrives_whole(tmp_path, server, path):
    reports = []
    assert fetch(tmp_path, server + path, progress=lambda *report: reports.append(report)) == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["data.gz"]
    assert reports[-1] == ("Downloaded data.gz", 1.0)
    assert all(0 <= share <= 1 for _, share in reports)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/other", "wrong checksum"),
        ("/truncated", "1000 bytes.*wrong checksum|IncompleteRead"),
        ("/missing", "Not Found|File not found"),
        ("/to-a-file", "not allowed|redirect"),
    ],
)
def test_a_bad_answer_leaves_nothing_behind(tmp_path, server, path, words):
    with pytest.raises(DownloadFailed, match=words):
        fetch(tmp_path, server + path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/silent", "/trickle"])
def test_a_server_that_stalls_is_given_up(tmp_path, server, path):
    began = time.monotonic()
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1: (timed out|it sent only)"):
        fetch(tmp_path, server + path, timeout=0.5)
    assert time.monotonic() - began < 3
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_never_ends_is_given_up(tmp_path, server):
    with pytest.raises(DownloadFailed, match="more than 0 MB"):
        fetch(tmp_path, server + "/good", limit=1000)


def test_the_next_mirror_is_tried_and_all_reasons_are_told(tmp_path, server):
    gone = f"http://127.0.0.1:{closed_port()}/good"
    assert fetch(tmp_path, gone, server + "/other", server + "/good") == CONTENT
    with pytest.raises(DownloadFailed, match=r"refused.*;.*wrong checksum"):
        fetch(tmp_path, gone, server + "/other")


def test_only_http_is_opened(tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    for url in (f"file://{tmp_path}/secret", f"ftp://127.0.0.1:{closed_port()}/x", "data:text/plain,x", "secret"):
        with pytest.raises(DownloadFailed):
            fetch(tmp_path, url)
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_an_older_file_is_replaced_only_by_a_good_one(tmp_path, server):
    (tmp_path / "data.gz").write_bytes(b"older")
    with pytest.raises(DownloadFailed):
        fetch(tmp_path, server + "/other")
    assert (tmp_path / "data.gz").read_bytes() == b"older"
    assert fetch(tmp_path, server + "/good") == CONTENT


def test_progress_can_cancel_and_nothing_is_left(tmp_path, server):
    def cancel(text: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, server + "/good", progress=cancel)
    assert list(tmp_path.iterdir()) == []
