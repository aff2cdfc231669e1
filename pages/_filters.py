"""The first convolution's filters before, halfway through and after training, and at a chosen epoch.

Letters: F filters, C input channels, H and W a filter's height and width.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from cnnapp.charts.tiles import limits_of, scale_bar, tile
from cnnapp.errors import CnnAppError
from cnnapp.store import Run
from pages._downloads import downloads
from pages._shared import plain, store

CHANNELS = {1: ("",), 3: (" R", " G", " B")}
ROWS = 8  # with several channels: filters below each other, before a second block begins beside them
COMMON, OWN = "One for all", "Each its own"


@dataclass(frozen=True, eq=False)
class Panel:
    title: str
    epoch: int
    weights_FCHW: np.ndarray


def filters_through_training(run: Run, epochs: list[int], epoch: int) -> None:
    try:
        panels = [Panel(title, at, load(run.id, at)[1]) for title, at in moments(run, epochs, epoch)]
        name = load(run.id, epoch)[0]
    except CnnAppError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    num, channels, height, width = panels[0].weights_FCHW.shape
    words = "of 1 input channel" if channels == 1 else f"of {channels} input channels, each shown by itself"
    st.markdown(f"**{plain(name)}** has {num} filters {height}×{width} {words}.")
    key, label = "filter-range", "Range of grey"
    own = st.segmented_control(label, [COMMON, OWN], default=COMMON, required=True, key=key, bind="query-params") == OWN
    largest = largest_weight(panels)
    meaning = "each filter in its own range" if own else f"from {-largest:.3g} (black) to {largest:.3g} (white)"
    with st.container(horizontal=True, gap="medium", key="pixels-filters"):
        for panel in panels:
            with st.container(width="content", gap="xsmall"):
                st.markdown(f"**{panel.title}**")
                alt = f"Filters of {name}: {panel.title.lower()} (epoch {panel.epoch}), {meaning}"
                st.image(picture(panel.weights_FCHW, None if own else largest), alt=alt)
    with st.container(gap="xsmall", key="pixels-filters-range"):
        legend(own, largest)
    chosen = panels[-1].weights_FCHW
    says = "Lowest and highest weight of every filter in each picture"
    png, array = partial(picture, chosen, None if own else largest, 2), partial(load, run.id, epoch)
    downloads(f"{run.id}-epoch-{epoch}-{name}-filters", "filters", numbers(panels), says, png, lambda: array()[1])


def moments(run: Run, epochs: list[int], epoch: int) -> list[tuple[str, int]]:
    """Titles and epochs of the panels. A run that ended early is halfway in the middle of what it did."""
    last = epochs[-1]
    half = min(epochs, key=lambda kept: abs(kept - last / 2)) if run.is_over else run.epochs // 2
    found = [("Before training", 0)] if epochs[0] == 0 else []
    if half in epochs and 0 < half < (last if run.is_over else run.epochs):
        found.append((f"Halfway, epoch {half}", half))
    if last > 0:
        found.append((f"After training, epoch {last}" if run.is_over else f"So far, epoch {last}", last))
    return [*found, (f"Chosen, epoch {epoch}", epoch)]


@st.cache_data(max_entries=256, show_spinner=False)
def load(run_id: str, epoch: int) -> tuple[str, np.ndarray]:
    """The first convolution's name and its weights, shape (F, C, H, W)."""
    name, weights_FCHW = next(iter(store().weights(run_id).load_filters(epoch).items()))
    return name.removesuffix(".weight"), weights_FCHW


def largest_weight(panels: list[Panel]) -> float:
    """Of all finite weights in the panels, by magnitude; 1 if there is none but 0."""
    edges = [np.abs(limits_of(panel.weights_FCHW, "common")) for panel in panels]
    return float(np.nan_to_num(edges).max()) or 1.0


@st.cache_data(max_entries=256, show_spinner=False)
def picture(weights_FCHW: np.ndarray, largest: float | None, enlarged: int = 1) -> bytes:
    """PNG of every filter and channel: mid grey is 0 and ``largest`` white; None: each filter in its own range."""
    num, channels, height, width = weights_FCHW.shape
    limits = (0.0, 1.0) if largest is None else (-largest, largest)
    if largest is None:  # a filter's channels share its range
        low, high = limits_of(weights_FCHW).T.reshape(2, num, 1, 1, 1)
        weights_FCHW = np.where(high > low, (weights_FCHW - low) / np.where(high > low, high - low, 1), 0.5)
    columns = channels * math.ceil(num / ROWS) if channels > 1 else math.ceil(math.sqrt(num))
    suffixes = CHANNELS.get(channels, tuple(f" {c}" for c in range(channels)))
    labels = [f"{f}{suffix}" for f in range(num) for suffix in suffixes]
    pixels = enlarged * (56 if columns <= 3 else 32 if columns <= 6 else 24)
    maps_KHW = weights_FCHW.reshape(-1, height, width)
    return tile(maps_KHW, columns=columns, pixels=pixels, limits=limits, labels=labels).png


def legend(own: bool, largest: float) -> None:
    """What the greys mean."""
    if own:
        st.markdown("Each filter spans black to white from its own lowest to its own highest weight: see the numbers.")
        return
    st.image(scale_bar(-largest, largest), alt=f"Scale of grey from {-largest:.3g} to {largest:.3g}")
    st.markdown("Mid grey is 0. The range is that of the largest weight in these pictures, to either side.")


def numbers(panels: list[Panel]) -> pd.DataFrame:
    columns: dict[str, np.ndarray] = {}
    for panel in panels:
        columns[f"{panel.title}: lowest"], columns[f"{panel.title}: highest"] = limits_of(panel.weights_FCHW).T
    return pd.DataFrame(columns).rename_axis("Filter")
