"""All runs with settings and results in one table; the chosen ones are those in the address (``?runs=a,b``)."""

import json
from functools import lru_cache
from typing import Any

import pandas as pd
import streamlit as st

from cnnapp.config import DATASETS, NETWORKS
from cnnapp.store import Run
from pages._shared import in_words, plain, store

KEY, SHOWN, CHANGED = "runs-table", "runs-shown", "runs-changed"
MOST_CHOSEN = 24
SECONDS_ACTIVE, SECONDS_QUIET = 3, 10

COLUMNS = {
    "Name": st.column_config.TextColumn(width="medium", pinned=False),
    "Network": st.column_config.TextColumn(width="medium"),
    "Learning rate": st.column_config.NumberColumn(format="%g"),
    "Epochs": st.column_config.NumberColumn(help="Completed so far"),
    "Validation": st.column_config.NumberColumn(format="%.2f %%", help="Best validation accuracy"),
    "Test": st.column_config.NumberColumn(format="%.2f %%", help="Test accuracy, with the best-validation weights"),
    "Seconds": st.column_config.NumberColumn(format="%.1f", help="Time of training"),
    "Created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
}


def chosen_ids() -> list[str]:
    """The address's, in its order; whether there are such runs is not said."""
    asked = st.query_params.get("runs", "").split(",")
    return list(dict.fromkeys(run_id for run_id in asked if run_id))[:MOST_CHOSEN]


def runs_table() -> None:
    """The table, kept up to date; a change of the choice draws the page again."""
    busy = store().count(("queued", "running"))
    st.fragment(_body, run_every=SECONDS_ACTIVE if busy else SECONDS_QUIET)()


@in_words()
def _body() -> None:
    if st.session_state.pop(CHANGED, False):
        st.rerun()
    runs = store().runs()
    if not runs:
        st.rerun()  # the page says what to do
    ids, chosen = [run.id for run in runs], set(chosen_ids())
    rows = [row for row, run_id in enumerate(ids) if run_id in chosen]
    if st.session_state.get(SHOWN) != ids or _selected() != rows:  # a new run moves the others by a row
        st.session_state[KEY] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    st.session_state[SHOWN] = ids
    table = table_of(runs, st.context.timezone)
    table[["Validation", "Test"]] *= 100  # shown in per cent
    st.dataframe(
        table,
        hide_index=True,
        column_config=COLUMNS,
        placeholder="–",
        key=KEY,
        on_select=_take_over,
        alt="All runs; choose some by the boxes on the left",
    )


def _selected() -> list[int]:
    state = st.session_state.get(KEY) or {}
    return sorted(state.get("selection", {}).get("rows", []))


def _take_over() -> None:
    """The boxes that are ticked become the address: those that were ticked before come first, so that colours stay."""
    ids = st.session_state.get(SHOWN, [])
    ticked = [ids[row] for row in _selected() if row < len(ids)]
    before = [run_id for run_id in chosen_ids() if run_id in ticked]
    choose([*before, *(run_id for run_id in ticked if run_id not in before)])
    st.session_state[CHANGED] = True


def choose(run_ids: list[str]) -> None:
    if run_ids:
        st.query_params["runs"] = ",".join(run_ids[:MOST_CHOSEN])
    elif "runs" in st.query_params:
        del st.query_params["runs"]


def chosen_runs() -> list[Run]:
    """The chosen runs that there are, in the address's order; the others are said to be missing, and dropped."""
    asked = chosen_ids()
    found = {run.id: run for run in store().runs(ids=asked)} if asked else {}
    missing = [run_id for run_id in asked if run_id not in found]
    if missing:
        names = ", ".join(run_id[:12] for run_id in missing)
        st.warning(plain(f"No longer there, or never were: {names}."), icon=":material/warning:")
        choose([run_id for run_id in asked if run_id in found])
    return [found[run_id] for run_id in asked if run_id in found]


def table_of(runs: list[Run], timezone: str | None = None) -> pd.DataFrame:
    """One row a run, in their order; what is not known yet is empty."""
    settings = [_settings(run.config_json) for run in runs]
    table = pd.DataFrame(
        {
            "Name": [run.name for run in runs],
            "State": [run.state for run in runs],
            "Validation": pd.array([run.best_val_accuracy for run in runs], "Float64"),
            "Test": pd.array([run.test_accuracy for run in runs], "Float64"),
            "Epochs": [run.epoch for run in runs],
            **{name: [values[name] for values in settings] for name in _settings("{}")},
            "Parameters": pd.array([run.num_parameters or None for run in runs], "Int64"),
            "Seconds": pd.array([round(run.seconds_trained, 1) or None for run in runs], "Float64"),
            "Created": pd.to_datetime([int(run.created) for run in runs], unit="s", utc=True),
        }
    )
    table["Created"] = table["Created"].dt.tz_convert(timezone or "UTC")
    return table


@lru_cache(maxsize=4096)
def _settings(config_json: str) -> dict[str, Any]:
    """What the table shows of a config; it is not checked, so that a thousand are quick, and older versions' shown."""
    try:
        values = json.loads(config_json)
    except ValueError:
        values = {}
    dataset, network, training = (values.get(part) or {} for part in ("dataset", "network", "training"))
    return {
        "Dataset": _title(DATASETS, dataset.get("name")),
        "Network": _network(network),
        "Optimiser": _optimiser(training),
        "Learning rate": training.get("lr"),
        "Batch size": training.get("batch_size"),
        "Seed": values.get("seed"),
    }


def _network(values: dict[str, Any]) -> str | None:
    """Its title and its knobs: "ConvNet, depth 3, dropout 0.3"."""
    knobs = [
        f"{name} {value}" for name, value in values.items() if name != "family" and not isinstance(value, dict | list)
    ]
    title = _title(NETWORKS, values.get("family"))
    return ", ".join([title, *knobs]) if title else None


def _optimiser(values: dict[str, Any]) -> str | None:
    momentum = values.get("momentum")
    return f"{values['optimizer']}, momentum {momentum:g}" if momentum else values.get("optimizer")


def _title(registry: Any, name: str | None) -> str | None:
    return registry[name].title if name in registry else name
