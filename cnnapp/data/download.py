"""Fetching one file over HTTP: whole, unaltered and with progress, or not at all."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, cast
from urllib import request
from urllib.parse import urlsplit

from cnnapp.data.atomic import replacing
from cnnapp.data.dataset import Progress

CHUNK = 1 << 16  # bytes
SLOWEST = 2_000  # bytes a second; a server slower than that over TIMEOUT has stalled
TIMEOUT = 15.0  # seconds without an answer
TICK = 0.2  # seconds between two reports of progress


class DownloadFailed(Exception):
    """No mirror gave the file; the text says why, mirror by mirror."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file and where it can be had.

    Attributes:
        name: The file's name.
        md5: Of its content, 32 hexadecimal digits.
        urls: The same file on several mirrors, to be tried in this order.
    """

    name: str
    md5: str
    urls: tuple[str, ...]


def download(remote: Remote, target: Path, limit: int, progress: Progress, timeout: float = TIMEOUT) -> None:
    """Put a file at ``target``; an older file there is replaced only by a whole one with the right checksum.

    Args:
        remote: What to fetch.
        target: Where it goes.
        limit: Bytes after which a server is not listened to any longer.
        progress: Told a few times a second; may raise to cancel.
        timeout: Seconds that a server may take to answer, or to send next to nothing.

    Raises:
        DownloadFailed: No mirror gave it.
        OSError: The file could not be written.
    """
    reasons = []
    for url in remote.urls:
        try:
            with replacing(target) as file:
                _fetch(url, remote, file, limit, progress, timeout)
            return
        except _Refused as error:
            reasons.append(f"{urlsplit(url).hostname or url}: {error}")
    raise DownloadFailed("; ".join(reasons) or "there is no address to fetch it from")


class _Refused(Exception):
    """This mirror will not do."""


def _fetch(url: str, remote: Remote, file: BinaryIO, limit: int, progress: Progress, timeout: float) -> None:
    md5 = hashlib.md5(usedforsecurity=False)
    received, began, reported = 0, time.monotonic(), 0.0
    for chunk, total in _chunks(url, timeout):
        file.write(chunk)
        md5.update(chunk)
        received += len(chunk)
        now = time.monotonic()
        if received > limit:
            raise _Refused(f"it sent more than {limit / 1e6:.0f} MB")
        if now - began > timeout and received < SLOWEST * (now - began):
            raise _Refused(f"it sent only {received} bytes in {now - began:.0f} s")
        if now - reported > TICK:
            reported = now
            size = f" of {total / 1e6:.1f}" if total else ""
            share = min(1.0, received / total) if total else 0.0
            progress(f"Downloading {remote.name}: {received / 1e6:.1f}{size} MB", share)
    if md5.hexdigest() != remote.md5:
        raise _Refused(f"what it sent ({received} bytes) has the wrong checksum: incomplete or another file")
    progress(f"Downloaded {remote.name}", 1.0)


def _chunks(url: str, timeout: float) -> Iterator[tuple[bytes, int]]:
    """What a server sends, piece by piece, each with the announced number of bytes (0: not announced)."""
    try:
        with _opener().open(url, timeout=timeout) as response:
            response = cast(HTTPResponse, response)
            announced = response.headers.get("Content-Length", "")
            total = int(announced) if announced.isdecimal() else 0
            while True:
                chunk = response.read1(CHUNK)
                if not chunk:
                    return
                yield chunk, total
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _Refused(str(reason) or type(error).__name__) from error


def _opener() -> request.OpenerDirector:
    """Opens http and https only: a redirect cannot lead to a file of this machine."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPRedirectHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
