"""Numbers as a table, and buttons that make a picture or an array when they are pressed."""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st


def downloads(
    stem: str, key: str, table: pd.DataFrame, says: str, png: Callable[[], bytes], array: Callable[[], np.ndarray]
) -> None:
    """One row: the table (``says`` what it holds), ``stem``.png and ``stem``.npy."""
    with st.container(horizontal=True):
        with st.popover("Numbers", icon=":material/table:"):
            st.dataframe(table, alt=says)
        button("Picture", png, f"{stem}.png", f"{key}-png", "image/png")
        button("Values (.npy)", lambda: npy(array()), f"{stem}.npy", f"{key}-npy", "application/octet-stream")


def button(label: str, data: Callable[[], bytes], name: str, key: str, kind: str) -> None:
    st.download_button(label, data, name, kind, key=key, icon=":material/download:", on_click="ignore")


def npy(array: np.ndarray) -> bytes:
    """The array as a file for ``numpy.load``."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
