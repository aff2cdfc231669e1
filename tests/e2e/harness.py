"""Start and stop a Streamlit server and a Chromium, and wait until a page is quiet.

Streamlit's test ids and the shape of its page are Streamlit's own and may change: they are named here and nowhere else.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = Path(os.environ.get("E2E_ARTIFACTS", ROOT / "artifacts"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
]
QUIET = "[data-testid='stApp'][data-test-script-state='notRunning']"
NOTHING_STALE = (
    "() => !document.querySelector('[data-stale=\"true\"]') && !document.querySelector('[data-testid=\"stSkeleton\"]')"
    " && [...document.images].every(i => i.complete && i.naturalWidth > 0)"
)


class ServerFailed(Exception):
    """The server ended or did not answer; the text has the end of its log."""


@dataclass
class Server:
    """A running server: ``url`` without a slash at the end, ``process`` to be stopped by its handle only."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    seconds_to_start: float = 0.0

    def stop(self, with_signal: int = signal.SIGTERM, timeout: float = 10) -> None:
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_server(
    app: str | Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    port: int | None = None,
    timeout: float = 60,
) -> Server:
    """Run ``app`` (a path, relative to the checkout) on 127.0.0.1 and wait until it is healthy."""
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / app), "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    command += ["--server.fileWatcherType", "none", "--runner.postScriptGC", "false", *options]
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path, **(env or {})}
    began = time.perf_counter()
    with log.open("ab") as output:  # a session of its own: a signal reaches exactly what was started here
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    while not _healthy(server.url):
        if process.poll() is not None or time.perf_counter() - began > timeout:
            server.stop(signal.SIGKILL)
            raise ServerFailed(
                f"no answer at {server.url} (exit status {process.poll()}):\n{server.log_text()[-3000:]}"
            )
        time.sleep(0.05)
    server.seconds_to_start = time.perf_counter() - began
    return server


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/_stcore/health", timeout=1) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


def chromium_path() -> str | None:
    """``E2E_CHROMIUM``, else the system's browser, else None: the one that Playwright downloaded, if any."""
    return os.environ.get("E2E_CHROMIUM") or next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextlib.contextmanager
def open_browser(width: int = 1280, height: int = 900, **options: Any) -> Iterator[Any]:
    """A Playwright browser context with a fresh profile; ``options`` are those of launch_persistent_context."""
    from playwright.sync_api import sync_playwright

    profile = tempfile.mkdtemp(prefix="e2e-")
    try:
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                profile,
                headless=True,
                executable_path=chromium_path(),
                args=CHROMIUM_FLAGS,
                viewport={"width": width, "height": height},
                **{"reduced_motion": "reduce", **options},
            )
            try:
                yield context
            finally:
                context.close()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def settle(page: Any, timeout: float = 20_000) -> None:
    """Wait until the script has run, nothing is stale, and pictures and fonts are there."""
    page.wait_for_selector(QUIET, timeout=timeout)
    page.wait_for_function(NOTHING_STALE, timeout=timeout)
    page.evaluate("() => document.fonts.ready.then(() => true)")


def screenshot(page: Any, name: str) -> Path:
    """Keep a picture of the whole page as ``name``.png among the artefacts, for people to look at.

    Streamlit's page scrolls inside its window: the window is made as high as the page for a moment.
    """
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTIFACTS / f"{name}.png"
    before = page.viewport_size
    height = page.evaluate("() => document.querySelector('[data-testid=stMain]')?.scrollHeight ?? 0")
    page.set_viewport_size({**before, "height": max(before["height"], min(int(height), 6000))})
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=str(path), full_page=True, animations="disabled")
    page.set_viewport_size(before)
    return path


@dataclass
class Watch:
    """What went wrong on a page: errors in its scripts, failed answers, and requests to anyone but our server."""

    faults: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ("data:", "blob:", "about:")

    def allow(self, url: str) -> None:
        self.allowed = (*self.allowed, url, url.replace("http://", "ws://"))

    def attach(self, page: Any) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on("console", self._console)
        page.on("response", self._response)
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        # the echo of a failed request names no address: it is judged with its address below
        expected = ("Failed to load resource", "WebSocket", "ERR_CONNECTION")  # the last two: a server was stopped
        if message.type == "error" and not any(text in message.text for text in expected):
            self.faults.append(f"console: {message.text}")

    def _response(self, response: Any) -> None:
        # on a deep link the frontend first probes /<page>/_stcore/...: those 404s are its normal start
        if response.status >= 400 and "/_stcore/" not in response.url:
            self.faults.append(f"status {response.status}: {response.url}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.allowed):
            self.faults.append(f"request to a foreign host: {request.url}")
