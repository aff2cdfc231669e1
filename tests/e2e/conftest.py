"""Fixtures of the browser tests: servers that stop with the test, one browser, a page that fails on any fault.

A machine without a browser skips these tests and says so; ``E2E_REQUIRED=1`` makes that a failure.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import ARTIFACTS, Server, Watch, open_browser, start_server

HERE = Path(__file__).resolve().parent
Serve = Callable[..., Server]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[FAILED] = report.failed


FAILED = pytest.StashKey[bool]()


def _starter(folder: Path, servers: list[Server]) -> Serve:
    def start(
        app: str = "app.py", env: Mapping[str, str] | None = None, options: Sequence[str] = (), port: int | None = None
    ) -> Server:
        server = start_server(app, folder / f"server-{len(servers)}.log", env, options, port)
        servers.append(server)
        return server

    return start


def _stop_all(servers: list[Server]) -> None:
    for server in servers:
        server.stop()
    for server in servers:
        assert "Traceback" not in server.log_text(), server.log_text()[-3000:]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """``serve("app.py", env={...})`` starts a server for this test; a traceback in its log fails the test."""
    servers: list[Server] = []
    yield _starter(tmp_path, servers)
    _stop_all(servers)


@pytest.fixture(scope="module")
def serve_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """The same for all tests of a file together."""
    servers: list[Server] = []
    yield _starter(tmp_path_factory.mktemp("servers"), servers)
    _stop_all(servers)


@pytest.fixture(scope="session")
def browser_context() -> Iterator[Any]:
    """The one browser of all tests; skips where there is none."""
    opener = open_browser()
    try:
        context = opener.__enter__()
    except Exception as error:  # Playwright missing, no browser, or a browser that does not start
        if os.environ.get("E2E_REQUIRED") == "1":
            raise
        pytest.skip(f"no browser on this machine: {str(error).splitlines()[0]}")
    yield context
    opener.__exit__(None, None, None)


@pytest.fixture
def watch() -> Watch:
    """What the page may talk to: ``watch.allow(server.url)`` before the first visit."""
    return Watch()


@pytest.fixture
def page(browser_context: Any, watch: Watch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A new tab at 1280×900; script errors, failed answers and foreign requests fail the test at its end."""
    tab = browser_context.new_page()
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(color_scheme="light", reduced_motion="reduce")
    watch.attach(tab)
    yield tab
    if request.node.stash.get(FAILED, False):
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=str(ARTIFACTS / f"failed-{request.node.name}.png"), full_page=True)
        (ARTIFACTS / f"failed-{request.node.name}.html").write_text(tab.content())
    tab.close()
    assert not watch.faults, "\n".join(watch.faults)
