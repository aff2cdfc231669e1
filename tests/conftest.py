"""Fixtures of all tests: a home of its own for each test, and the folder of real data where there is one."""

import os
from pathlib import Path

import pytest

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


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``CNNAPP_HOME`` of this test: empty, its own, and the only ``CNNAPP_`` variable that is set."""
    for name in [name for name in os.environ if name.startswith("CNNAPP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("CNNAPP_HOME", str(folder))
    return folder


@pytest.fixture
def shared_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data, also set as ``CNNAPP_DATA``; a test that asks for it is skipped where there is none."""
    if SHARED_DATA is None:
        pytest.skip("there is no folder of real data: set SHARED_DATA to one")
    monkeypatch.setenv("CNNAPP_DATA", str(SHARED_DATA))
    return SHARED_DATA
