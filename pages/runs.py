"""All runs: choose some, compare their curves and settings, rename, delete, train again."""

import streamlit as st

from pages._compare import compare_curves, compare_settings
from pages._csv import as_csv
from pages._runs_actions import actions
from pages._runs_table import chosen_runs, runs_table, table_of
from pages._shared import ensure_frame, store

ensure_frame()


def download() -> bytes:
    return as_csv(table_of(store().runs()))


def compare() -> None:
    runs = chosen_runs()
    if not runs:
        st.info("Choose runs by the boxes on the left of the table to compare them.", icon=":material/info:")
        return
    actions(runs)
    st.header("Curves")
    compare_curves(runs)
    if len(runs) > 1:
        st.header("Settings that differ")
        compare_settings(runs)


st.title("Runs")
if store().count():
    runs_table()
    icon = ":material/download:"
    st.download_button("Download the table", download, "runs.csv", "text/csv", icon=icon, on_click="ignore")
    compare()
else:
    st.info("There are no runs yet. Start one on Home or on Train.", icon=":material/info:")
