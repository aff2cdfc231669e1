"""Fixtures of all tests: a home of its own for each test, and the folder of real data where there is one."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cnnapp
from cnnapp.config import override, parse_config
from cnnapp.launching.identity import is_alive
from cnnapp.launching.local import ensure_scheduler, read_record
from cnnapp.store import Run, Store, open_store
from tests.launching.helpers import wait_for_end

HERE = Path(__file__).resolve()


def _find_shared_data() -> Path | None:
    """The folder of real datasets and pictures: named by SHARED_DATA or CNNAPP_DATA, else beside the checkout."""
    named = [os.environ.get("SHARED_DATA", ""), *os.environ.get("CNNAPP_DATA", "").split(os.pathsep)]
    beside = [folder / "shared" / "data" for folder in HERE.parents]
    for folder in [*(Path(name) for name in named if name), *beside]:
        if (folder / "README.md").is_file():
            return folder.resolve()
    return None


SHARED_DATA = _find_shared_data()  # read before any test changes the environment


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``good_picture`` or ``bad_picture`` runs for every such file of the real data."""
    pictures = sorted((SHARED_DATA / "images").iterdir()) if SHARED_DATA else []
    for name, is_bad in (("good_picture", False), ("bad_picture", True)):
        if name in metafunc.fixturenames:
            chosen = [path for path in pictures if path.name.startswith("bad_") == is_bad]
            metafunc.parametrize(name, chosen, ids=[path.name for path in chosen])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``CNNAPP_HOME`` of this test: empty, its own, and the only ``CNNAPP_`` variable that is set."""
    for name in [name for name in os.environ if name.startswith("CNNAPP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("CNNAPP_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page under AppTest takes the place of ``__main__``, which a spawned process would then run: app.py."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def shared_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data, also set as ``CNNAPP_DATA``; a test that asks for it is skipped where there is none."""
    if SHARED_DATA is None:
        pytest.skip("there is no folder of real data: set SHARED_DATA to one")
    monkeypatch.setenv("CNNAPP_DATA", str(SHARED_DATA))
    return SHARED_DATA


@pytest.fixture(scope="session")
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose scheduler and fork server stay warm for all tests that train in the background."""
    folder = tmp_path_factory.mktemp("lab")
    yield folder
    record = read_record(folder)
    if record and is_alive(record["pid"], record["created"]):
        os.kill(record["pid"], signal.SIGTERM)


@pytest.fixture
def lab(lab_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of ``lab_home``, with a scheduler at work; runs are checkpointed often and may die often."""
    monkeypatch.setenv("CNNAPP_HOME", str(lab_home))
    monkeypatch.setenv("CNNAPP_RESUME_SECONDS", "0.3")
    monkeypatch.setenv("CNNAPP_MAX_RESTARTS", "1000")
    monkeypatch.setenv("CNNAPP_THREADS", "1")  # threads that wait for each other crawl when other tests run beside
    ensure_scheduler(lab_home)
    return open_store(lab_home)


@pytest.fixture(scope="session")
def trained_once() -> list[Run]:
    return []


@pytest.fixture
def trained(lab: Store, trained_once: list[Run]) -> Run:
    """A LeNet that was trained in ``lab`` on digits of 28×28 for 3 epochs: one for all tests, none may change it."""
    if not trained_once:
        config = override(parse_config({}), ["dataset.image_size=28", "training.epochs=3", "seed=11"])
        trained_once.append(wait_for_end(lab, cnnapp.submit(config, "trained")))
    assert trained_once[0].state == "finished", trained_once[0].detail
    return trained_once[0]
