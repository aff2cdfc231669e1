"""Settings, then the live run: the address says which (``?run=…``, ``?preset=…``, ``?from=…``)."""

import streamlit as st

from pages._form import TOKEN, form
from pages._live import live_run
from pages._shared import ensure_frame

ensure_frame()

if run_id := st.query_params.get("run"):
    st.session_state.pop(TOKEN, None)
    live_run(run_id)
else:
    st.title("Train")
    form()
