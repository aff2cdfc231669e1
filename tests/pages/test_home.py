"""Home: presets start runs, once each; recent runs are shown in every state; the machine is described."""

from collections.abc import Callable

import pytest

from cnnapp.config import PRESETS
from cnnapp.events import RunEnded
from cnnapp.machine import machine
from cnnapp.store import Run, Store
from tests.pages.conftest import Open, text_of

Make = Callable[..., Run]


def test_without_runs_it_says_what_to_do(open_page: Open) -> None:
    app = open_page("home")
    assert "No runs yet: open one of the presets above" in text_of(app)
    for preset in PRESETS.values():
        assert preset.title in text_of(app)
        assert preset.description in text_of(app)


def test_what_has_to_be_downloaded_is_said_before(open_page: Open) -> None:
    assert "downloads" in text_of(open_page("home"))  # Fashion-MNIST, which no test's home has


def test_the_machine_is_described(open_page: Open, store: Store) -> None:
    metrics = {metric.label: metric.value for metric in open_page("home").metric}
    here = machine(store.home)
    assert metrics["CPU cores"] == str(here.cores)
    assert metrics["Memory"] == f"{here.memory_gb:.0f} GB"
    assert set(metrics) == {"GPU", "CPU cores", "Memory", "Disk"}


def test_runs_are_shown_in_every_state(open_page: Open, make_run: Make, store: Store) -> None:
    make_run("waits", epochs_done=0, end="")
    make_run("trains", epochs_done=2, end="")
    for state in ("paused", "finished", "stopped", "diverged"):
        make_run(f"is {state}", epochs_done=2, end=state)
    text = text_of(open_page("home"))
    for name in ("waits", "trains", "is paused", "is finished", "is stopped", "is diverged"):
        assert f"**{name}**" in text
    for state in ("queued", "running", "paused", "finished", "stopped", "diverged"):
        assert f":{state}]" in text or f"{state}" in text
    assert "50%" in text  # 8 of 16 steps, twice
    assert "test accuracy 90.0 %" in text


def test_only_the_newest_runs_are_shown_with_a_way_to_all(open_page: Open, make_run: Make) -> None:
    for number in range(8):
        make_run(f"run {number}")
    app = open_page("home")
    shown = [number for number in range(8) if f"**run {number}**" in text_of(app)]
    assert shown == [2, 3, 4, 5, 6, 7]
    assert [link.proto.label for link in app.get("page_link") if "runs" in link.proto.label] == ["All 8 runs"]


@pytest.mark.usefixtures("here")
def test_a_presets_button_starts_its_run_and_shows_it(open_page: Open, store: Store) -> None:
    app = open_page("home").button(key="train-digits-quick").click().run()
    (run,) = store.runs()
    assert run.config == PRESETS["digits-quick"].config
    assert app.query_params["run"] in (run.id, [run.id])
    assert run.name in app.title[0].value.replace("\\", "")


@pytest.mark.usefixtures("here")
def test_a_double_click_is_one_run(store: Store) -> None:
    """The second click's script brings the same token as the first, or comes after it was taken back."""
    import streamlit as st

    from pages import _start

    st.session_state["key"] = "one intention"
    config = PRESETS["digits-quick"].config
    try:
        for _ in range(2):
            _start.start(config, "key")
        assert store.count() == 1
        del st.session_state["key"]  # as offer_start does when it goes to the run
        _start.start(config, "key")
        assert store.count() == 1
        assert st.session_state[_start.GO_TO] == store.runs()[0].id
    finally:
        st.session_state.clear()


@pytest.mark.usefixtures("here")
def test_pressing_again_later_is_another_run(open_page: Open, store: Store) -> None:
    app = open_page("home").button(key="train-digits-quick").click().run()
    app.query_params.clear()
    app.switch_page("pages/home.py").run()
    app.button(key="train-digits-quick").click().run()
    assert store.count() == 2


def test_a_run_that_cannot_be_made_is_a_sentence(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import cnnapp
    from cnnapp.errors import DiskFull

    def submit(*arguments: object, **options: object) -> None:
        raise DiskFull("There is no room left on *this* disk.")

    monkeypatch.setattr(cnnapp, "submit", submit)
    app = open_page("home").button(key="train-digits-quick").click().run()
    assert [error.value for error in app.error] == ["There is no room left on \\*this\\* disk\\."]
    assert not app.exception
    assert app.button(key="train-digits-quick")


@pytest.mark.usefixtures("here")
def test_a_preset_can_be_changed_before(open_page: Open) -> None:
    app = open_page("home").button(key="open-convnet-3").click().run()
    assert app.query_params["preset"] in ("convnet-3", ["convnet-3"])


def test_a_run_can_be_opened(open_page: Open, make_run: Make, store: Store) -> None:
    run = make_run("trains", epochs_done=1, end="")
    store.append(run.id, RunEnded("failed", "why it failed"))
    app = open_page("home").button(key=f"run-{run.id}").click().run()
    assert app.query_params["run"] in (run.id, [run.id])
    assert "why it failed" in text_of(app)
