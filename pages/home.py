"""Presets to start from, running and recent runs, and what this machine has."""

import streamlit as st

from cnnapp.config import DATASETS, PRESETS
from cnnapp.machine import machine
from cnnapp.presets.preset import Preset
from cnnapp.settings import read_settings
from cnnapp.store import Run
from pages._shared import ago, badge, duration, ensure_frame, in_words, percent, plain, store
from pages._start import offer_start, start

ensure_frame()

RECENT = 6


def preset_card(preset: Preset) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"#### {plain(preset.title)}")
        st.markdown(plain(preset.description))
        dataset = DATASETS[preset.config.dataset.name]
        if not dataset.is_present():
            st.markdown(f":material/download: downloads {dataset.download_mb:.0f} MB first")
        with st.container(horizontal=True):
            st.button(
                "Train",
                key=f"train-{preset.name}",
                type="primary",
                icon=":material/play_arrow:",
                on_click=start,
                args=(preset.config, token_key(preset)),
            )
            if st.button("Settings", key=f"open-{preset.name}", icon=":material/tune:"):
                st.switch_page("pages/train.py", query_params={"preset": preset.name})


def token_key(preset: Preset) -> str:
    return f"home-token-{preset.name}"


def run_card(run: Run) -> None:
    with st.container(border=True):
        left, middle, right = st.columns([4, 3, 1], vertical_alignment="center")
        left.markdown(f"**{plain(run.name)}**")
        with middle:
            if run.state in ("running", "paused") and run.step:
                left_text = (
                    f" · {duration(run.seconds_left)} left" if run.seconds_left and run.state == "running" else ""
                )
                st.progress(run.progress, f"{run.progress:.0%}{left_text}")
            else:
                result = f"test accuracy {percent(run.test_accuracy)} · " if run.test_accuracy is not None else ""
                st.markdown(plain(f"{result}{ago(run.ended or run.created)}"))
        with left:
            badge(run)
        if right.button("Open", key=f"run-{run.id}"):
            st.switch_page("pages/train.py", query_params={"run": run.id})


@st.fragment(run_every="2s")
@in_words()
def runs() -> None:
    found = store().runs(limit=RECENT)
    if not found:
        st.info(
            "No runs yet: open one of the presets above, or choose your own settings on Train.", icon=":material/info:"
        )
    for run in found:
        run_card(run)
    total = store().count()
    if total > len(found):
        st.page_link("pages/runs.py", label=f"All {total} runs", icon=":material/stacked_line_chart:")


def this_machine() -> None:
    here = machine(read_settings().home)
    cells = st.columns(4)
    if here.gpus:
        cells[0].metric("GPU", here.gpus[0].name, f"{here.gpus[0].memory_gb:.0f} GB memory", "off", border=True)
    else:
        cells[0].metric("GPU", "none", "trains on the CPU", "off", delta_arrow="off", border=True)
    cells[1].metric("CPU cores", here.cores, here.cpu, "off", delta_arrow="off", border=True)
    cells[2].metric(
        "Memory",
        f"{here.memory_gb:.0f} GB",
        f"{here.memory_free_gb:.0f} GB free",
        "off",
        delta_arrow="off",
        border=True,
    )
    cells[3].metric(
        "Disk", f"{here.disk_gb:.0f} GB", f"{here.disk_free_gb:.0f} GB free", "off", delta_arrow="off", border=True
    )


st.title("CNN Lab")
offer_start(*map(token_key, PRESETS.values()))
st.markdown("Train a convolutional network and watch it learn; then look inside. Start from one of these:")
for cell, preset in zip(st.columns(len(PRESETS)), PRESETS.values(), strict=True):
    with cell:
        preset_card(preset)
st.page_link("pages/train.py", label="Or choose your own settings", icon=":material/tune:")

st.header("Runs")
runs()

st.header("This machine")
this_machine()
