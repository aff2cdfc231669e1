"""Several runs beside each other: their curves in one chart, and the settings in which they differ."""

from collections import Counter
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from cnnapp.charts.curves import Against, RunCurve, overlay
from cnnapp.charts.live import Quantity
from cnnapp.config import DatasetConfig, RunConfig, TrainingConfig
from cnnapp.errors import InvalidConfig
from cnnapp.store import Run
from pages._shared import plain, store

GROUPS = {"dataset": DatasetConfig, "training": TrainingConfig}


def compare_curves(runs: list[Run]) -> None:
    """One line a run; Plotly, so that this part of the page is not drawn again by a timer."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        quantity = one_of("Quantity", ["Accuracy", "Loss"], "quantity")
        part = one_of("Images", ["Validation", "Training", "Both"], "images")
        against = one_of("Against", ["Epoch", "Step", "Seconds"], "against")
        log = st.toggle("Log axis", key="log", bind="query-params")
        if any(run.is_active for run in runs):
            st.button("Draw again", icon=":material/refresh:", help="Some of these runs are not done yet")
    curves = [curve_of(run, title, quantity, part) for run, title in zip(runs, distinct_names(runs), strict=True)]
    without = [c.name for c in curves if not (has_points(c.val_E) or has_points(c.train_E))]
    if len(without) < len(curves):
        figure = overlay(
            curves,
            cast(Quantity, quantity.lower()),
            against=cast(Against, against.lower()),
            log=log,
            train=part != "Validation",
            dark=st.context.theme.type == "dark",
        )
        alt = f"{part} {quantity.lower()} of {len(runs)} runs against the {against.lower()}"
        st.plotly_chart(figure, key="curves", height=460, alt=alt)
    if without:
        st.info(plain(f"Nothing to draw yet, or no such images: {', '.join(without)}."), icon=":material/info:")


def one_of(label: str, options: list[str], key: str) -> str:
    return str(st.segmented_control(label, options, default=options[0], required=True, key=key, bind="query-params"))


def curve_of(run: Run, title: str, quantity: str, part: str) -> RunCurve:
    rows = store().epochs(run.id)

    def values(split: str) -> np.ndarray | None:
        found = np.array([getattr(row, f"{split}_{quantity.lower()}") for row in rows], dtype=float)
        return found if has_points(found) else None

    return RunCurve(
        title,
        np.array([row.epoch for row in rows], dtype=np.int64),
        np.array([row.step for row in rows], dtype=np.int64),
        values("train") if part != "Validation" else None,
        values("val") if part != "Training" else None,
        np.cumsum([row.seconds for row in rows], dtype=float),
    )


def has_points(values: np.ndarray | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())


def distinct_names(runs: list[Run]) -> list[str]:
    """Runs of one name are told apart by their ids."""
    count = Counter(run.name for run in runs)
    return [f"{run.name} ({run.id})" if count[run.name] > 1 else run.name for run in runs]


def differences(runs: list[Run]) -> pd.DataFrame:
    """A row for each setting in which the runs are not all the same, a column for each run; values as text."""
    columns = {}
    for run, name in zip(runs, distinct_names(runs), strict=True):
        try:
            columns[name] = flat(run.config)
        except InvalidConfig:  # made by a version with other settings
            columns[name] = {}
    settings = list(dict.fromkeys(label for values in columns.values() for label in values))
    rows = {label: [values.get(label, "–") for values in columns.values()] for label in settings}
    kept = {label: values for label, values in rows.items() if len(set(values)) > 1}
    table = pd.DataFrame.from_dict(kept, orient="index", columns=list(columns), dtype=str)
    table.index.name = "Setting"
    return table


def flat(config: RunConfig) -> dict[str, str]:
    """Each setting by the title that its form has, with its value as text."""
    result = {}
    for group in ("dataset", "network", "training"):
        part = getattr(config, group)
        for name, field in type(part).model_fields.items():
            result[field.title or name] = as_text(getattr(part, name))
    return {**result, RunConfig.model_fields["seed"].title or "seed": as_text(config.seed)}


def as_text(value: Any) -> str:
    if value is None:
        return "unset"
    return f"{value:g}" if isinstance(value, float) else str(value)


def compare_settings(runs: list[Run]) -> None:
    table = differences(runs)
    if table.empty:
        st.markdown("These runs have the same settings.")
    else:
        st.dataframe(table, alt="The settings in which the chosen runs differ", key="differences")
