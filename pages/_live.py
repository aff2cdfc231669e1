"""One run while it trains and after: curves, progress, pause and stop."""

import random
from typing import Any, Literal

import numpy as np
import streamlit as st

from cnnapp.charts.live import EpochCurve, Quantity, StepCurve, series_for_live
from cnnapp.errors import CnnAppError
from cnnapp.store import Run
from pages._curve import curve
from pages._shared import badge, duration, in_words, percent, plain, store

POINTS = 300


def live_run(run_id: str) -> None:
    run = store().run(run_id)
    header(run)
    if message := st.session_state.pop("command-error", None):
        st.error(plain(message), icon=":material/error:")
    # the browser holds the timer; a little apart for each viewer, so that a class does not ask all at once
    every = 1 + st.session_state.setdefault("jitter", random.random() * 0.2)
    waiting = run.state == "queued" or (run.state == "running" and not run.step)
    interval = None if run.is_over or run.state == "paused" else (0.4 if waiting else every)
    st.fragment(body, run_every=interval)(run_id, run.state, waiting)
    footer(run)


def header(run: Run) -> None:
    name, controls = st.columns([2, 1], vertical_alignment="bottom")
    with name:
        st.title(plain(run.name))
        badge(run)
    with controls, st.container(horizontal=True, horizontal_alignment="right"):
        if run.state in ("running", "queued"):
            button("Pause", ":material/pause:", run.id)
        if run.state == "paused":
            button("Resume", ":material/play_arrow:", run.id, primary=True)
        if run.state in ("running", "queued", "paused"):
            button("Stop", ":material/stop:", run.id)


def button(label: str, icon: str, run_id: str, primary: bool = False) -> None:
    st.button(
        label,
        icon=icon,
        type="primary" if primary else "secondary",
        on_click=give,
        args=(run_id, label.lower()),
        key=f"{label}-{run_id}",
    )


def give(run_id: str, command: Literal["stop", "pause", "resume"]) -> None:
    try:
        store().command(run_id, command)
    except CnnAppError as error:
        st.session_state["command-error"] = str(error)


@in_words()
def body(run_id: str, state: str, waiting: bool) -> None:
    """What changes while the run trains; a change of state draws the whole page once."""
    run = store().run(run_id)
    if run.state != state or (waiting and run.state == "running" and run.step):  # one that resumes queues with steps
        st.rerun()
    progress(run)
    figures(run)
    charts(run)
    result(run)


def progress(run: Run) -> None:
    if run.state in ("failed", "diverged"):
        st.error(plain(run.detail or run.state), icon=":material/error:")
        return
    if run.is_over:
        if run.detail:
            st.info(plain(run.detail), icon=":material/info:")
        return
    if not run.step:
        st.progress(0.0, plain(run.detail or ("Waiting for its turn …" if run.state == "queued" else "Starting …")))
        return
    words = [f"Epoch {min(run.epoch + 1, run.epochs)} of {run.epochs}", f"step {run.step:,} of {run.num_steps:,}"]
    if run.state == "running":
        words += [f"{run.images_per_second or 0:,.0f} images/s", f"{duration(run.seconds_left)} left"]
    if run.detail:
        words.append(run.detail)
    st.progress(min(1.0, run.progress), plain(" · ".join(words)))


FIGURES = (
    ("Training loss", "last_train_loss", "Mean cross-entropy over the last complete epoch, in nats"),
    ("Best validation accuracy", "best_val_accuracy", "Of all epochs so far"),
    ("Best validation loss", "best_val_loss", "Of the epoch with the best validation accuracy, in nats"),
    ("Test accuracy", "test_accuracy", "Measured once, when the run ends, with its best-validation weights"),
)


def figures(run: Run) -> None:
    with st.container(horizontal=True, gap="large"):
        for label, name, help_ in FIGURES:
            show = percent if name.endswith("accuracy") else number
            st.metric(label, show(getattr(run, name)), help=help_, width="content")


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def charts(run: Run) -> None:
    data = series(run.id, run.step, run.epoch)
    loss, accuracy = st.columns(2)
    with loss:
        curve(data["loss"], key=f"loss-{run.id}")
    with accuracy:
        curve(data["accuracy"], key=f"accuracy-{run.id}")


@st.cache_data(max_entries=64, show_spinner=False)
def series(run_id: str, step: int, epoch: int) -> dict[Quantity, dict[str, Any]]:
    """One read for all viewers of a run; the step and epoch say when there is something new."""
    run, kept = store().run(run_id), store()
    steps, epochs = kept.steps(run_id).curve(POINTS), kept.epochs(run_id)
    marks = {e.step: f"best epoch {e.epoch}" for e in epochs if e.epoch == run.best_epoch and run.num_val}
    at_E = np.array([e.step for e in epochs], dtype=np.int64)
    result: dict[Quantity, dict[str, Any]] = {}
    quantities: tuple[Quantity, Quantity] = ("loss", "accuracy")
    for quantity in quantities:
        band = getattr(steps, quantity)
        last_N = np.minimum(steps.step_N + steps.width - 1, run.step)
        banded = StepCurve(last_N, band.mean_N, *((band.low_N, band.high_N) if steps.width > 1 else ()))
        curves = [
            EpochCurve(name, at_E[keep], values[keep])
            for name, values in (
                ("Validation", np.array([getattr(e, f"val_{quantity}") for e in epochs], dtype=float)),
                ("Training, whole epoch", np.array([getattr(e, f"train_{quantity}") for e in epochs], dtype=float)),
            )
            if (keep := np.isfinite(values)).any()
        ]
        result[quantity] = series_for_live(
            quantity, steps=banded, epochs=curves, steps_per_epoch=run.steps_per_epoch, marks=marks
        )
    return result


def result(run: Run) -> None:
    if run.test_accuracy is None:
        return
    chosen = ", the best by validation" if run.num_val else ""
    st.success(
        f"Test accuracy **{percent(run.test_accuracy, 2)}** and loss **{number(run.test_loss)}** on {run.num_test:,} "
        f"images that were not used before, with the weights of epoch {run.test_epoch}{chosen}."
    )


def footer(run: Run) -> None:
    query = {"run": run.id}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/mistakes.py", label="Mistakes", icon=":material/grid_on:", query_params=query)
        st.page_link("pages/look_inside.py", label="Look inside", icon=":material/frame_inspect:", query_params=query)
        st.page_link(
            "pages/runs.py", label="Compare", icon=":material/stacked_line_chart:", query_params={"runs": run.id}
        )
        # a link to the page that is open would look like the chosen one of the four
        if st.button("Train again with changes", icon=":material/tune:", type="tertiary"):
            st.switch_page("pages/train.py", query_params={"from": run.id})
    with st.expander("Settings of this run", icon=":material/settings:"):
        where = f"{run.device_name} ({run.device}), " if run.device else ""
        split = f"{run.num_train:,} training, {run.num_val:,} validation and {run.num_test:,} test images"
        st.markdown(plain(f"{where}{run.num_parameters:,} parameters, {split}."))
        st.json(run.config.model_dump(mode="json"))
        st.download_button(
            "Download settings",
            run.config.model_dump_json(indent=2),
            f"{run.id}.json",
            "application/json",
            icon=":material/download:",
        )
