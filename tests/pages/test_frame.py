"""What surrounds every page: a deep link as a server's first request, and faults of the store as sentences."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import pages._frame
from cnnapp.errors import StoreUnusable
from cnnapp.store import Run, Store
from tests.pages.conftest import ROOT, Open, text_of

Make = Callable[..., Run]

TITLES = {
    "home": "CNN Lab",
    "train": "Train",
    "mistakes": "Mistakes",
    "look_inside": "Look inside",
    "runs": "Runs",
}
TEXTS_OF_PAGES = sorted(path for path in (ROOT / "pages").glob("*.py") if not path.name.startswith("_"))


def test_every_page_is_in_the_navigation() -> None:
    assert {path.stem for path in TEXTS_OF_PAGES} == set(TITLES)


@pytest.mark.parametrize("path", TEXTS_OF_PAGES, ids=lambda path: path.stem)
def test_every_page_makes_sure_of_its_frame_before_anything_is_shown(path: Path) -> None:
    lines = path.read_text().splitlines()
    guard = lines.index("ensure_frame()")
    shown = [number for number, line in enumerate(lines) if line.startswith("st.")]
    assert not shown or guard < min(shown)


@pytest.mark.usefixtures("here", "home")
@pytest.mark.parametrize("page", TITLES)
def test_a_deep_link_as_the_first_request_of_a_server_is_the_whole_page(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike ``open_page``: the server still takes ``pages/`` for separate scripts, and first runs the page alone."""
    monkeypatch.setattr(pages._frame, "boot", lambda: None)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert [title.value for title in app.title] == [TITLES[page]]
    assert not app.error


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("page", TITLES)
def test_a_damaged_database_is_a_sentence_on_every_page(
    open_page: Open, make_run: Make, store: Store, page: str
) -> None:
    run = make_run()
    for path in store.home.glob("cnnlab.sqlite3*"):
        path.write_bytes(b"nonsense" * 2000)
    app = open_page(page, run=run.id)
    assert not app.exception
    (error,) = app.error
    assert "is damaged" in error.value.replace("\\", "")
    assert "Put a backup in its place" in error.value


@pytest.mark.usefixtures("here")
def test_a_database_that_is_damaged_while_a_run_is_watched_is_a_sentence(
    open_page: Open, make_run: Make, store: Store
) -> None:
    """Also inside the parts that draw themselves anew, whose errors Streamlit would show as its own."""
    make_run(end="")
    app = open_page("home")
    for path in store.home.glob("cnnlab.sqlite3*"):
        path.write_bytes(b"nonsense" * 2000)
    app.run()
    assert not app.exception
    assert "is damaged" in app.error[0].value


def test_an_unusable_home_is_a_sentence_on_every_page(home: Path, open_page: Open) -> None:
    home.write_text("a file")
    for page in TITLES:
        if page == "train":
            continue  # its form needs no store until Train is pressed
        assert "but it is a file" in text_of(open_page(page))


def test_nothing_is_started_in_a_home_that_cannot_be_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(pages._frame.compute, "warm_up", lambda: started.append("pool"))
    monkeypatch.setattr(pages._frame, "ensure_scheduler", started.append)
    home.write_text("a file")
    with pytest.raises(StoreUnusable, match="it is a file"):
        pages._frame.boot.__wrapped__()  # type: ignore[attr-defined]
    assert started == []


def test_the_dashboards_process_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = ("torch", "torchvision", "sklearn", "scipy")
    modules = ", ".join(f"pages.{path.stem}" for path in sorted((ROOT / "pages").glob("_*.py")))
    code = f"import sys, {modules}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
