"""Fixtures of the page tests: runs as a worker would have reported them, and the application without a browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from cnnapp.config import parse_config
from cnnapp.events import EpochDone, RunEnded, RunStarted, StepsDone, TestDone
from cnnapp.store import Run, Store, open_store

ROOT = Path(__file__).resolve().parents[2]
NUM_VAL, NUM_TEST, STEPS = 60, 50, 4
Open = Callable[..., AppTest]


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


@pytest.fixture
def open_page(home: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """``open_page("mistakes", run=…)``: that page at that address, inside of app.py, without pool and scheduler.

    AppTest treats each of its runs as a new server's first: the page is run alone and then once more in its frame, in
    which a button that was pressed is so no longer. Here the server has been visited before.
    """
    import pages._frame

    monkeypatch.setattr(pages._frame, "boot", lambda: None)
    initialise = PagesManager.__init__

    def visited(self: PagesManager, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", visited)

    def open_(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        app.switch_page(f"pages/{page}.py")
        app.run()
        assert not app.exception, app.exception
        return app

    return open_


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pages ask of the pool is computed in this process, and runs that they start stay in the queue."""
    from cnnapp import compute, tasks
    from cnnapp.launching import local

    monkeypatch.setattr(compute, "call", lambda name, *arguments, timeout=None: getattr(tasks, name)(*arguments))
    monkeypatch.setattr(local, "ensure_scheduler", lambda home: None)


def text_of(app: AppTest) -> str:
    """All that the page says in words, with what Markdown would escape as it is read."""
    kinds = (app.title, app.markdown, app.success, app.info, app.warning, app.error)
    found = [element.value for kind in kinds for element in kind]
    found += [element.proto.text for element in app.get("progress")]
    return "\n".join(found).replace("\\", "")


def button(app: AppTest, label: str) -> Button:
    (found,) = [element for element in app.button if element.label == label]
    return found


def labels(app: AppTest) -> list[str]:
    return [element.label for element in app.button]


def confusion(epoch: int, num_classes: int = 10, images: int = 6) -> np.ndarray:
    """``images`` of each class; of class 3 as many as 6 - epoch, but at least one, are taken for class 8."""
    counts_KK = images * np.eye(num_classes, dtype=np.int64)
    wrong = max(1, images - epoch)
    counts_KK[3, 3], counts_KK[3, 8] = images - wrong, wrong
    return counts_KK


def report_epochs(store: Store, run: Run, first: int, last: int) -> None:
    """What a worker reports of these epochs; validation accuracy rises with each."""
    has_val = run.config.dataset.val_share > 0
    for epoch in range(first, last + 1):
        loss_S = np.full(STEPS, 2 / epoch, np.float32)
        store.append(run.id, StepsDone(1 + STEPS * (epoch - 1), loss_S, loss_S / 4, 1000))
        counts_KK = confusion(epoch)
        val = counts_KK.trace() / NUM_VAL
        figures: tuple[Any, ...] = (1.5 / epoch, val, counts_KK) if has_val else (None, None, None)
        store.append(run.id, EpochDone(epoch, STEPS * epoch, 2 / epoch, 0.5, *figures, is_best=True, seconds=1.5))


@pytest.fixture
def make_run(store: Store) -> Callable[..., Run]:
    """A run in the state that is asked for: after so many epochs, and ended unless ``end`` is ""."""

    def make(name: str = "", epochs_done: int = 3, end: str = "finished", **changes: Any) -> Run:
        values: dict[str, Any] = {"training": {"epochs": 4, **changes.pop("training", {})}, **changes}
        run = store.create(parse_config(values), name)
        if not epochs_done and not end:
            return run
        num_val = NUM_VAL if run.config.dataset.val_share else 0
        store.append(run.id, RunStarted(61706, 500, num_val, NUM_TEST, STEPS, run.epochs, "cpu", "a processor"))
        report_epochs(store, run, 1, epochs_done)
        if end == "finished":
            store.append(run.id, TestDone(epochs_done, 0.5, 45 / 50, confusion(1, images=5)))
        if end:
            store.append(run.id, RunEnded(end))  # type: ignore[arg-type]
        return store.run(run.id)

    return make
