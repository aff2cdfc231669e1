"""Settings, then the live run: the address says which (``?run=…``, ``?preset=…``, ``?from=…``)."""

import streamlit as st

from pages._form import form
from pages._live import live_run
from pages._shared import ensure_frame
from pages._start import forget_start

ensure_frame()

if run_id := st.query_params.get("run"):
    forget_start()
    live_run(run_id)
else:
    st.title("Train")
    form()
