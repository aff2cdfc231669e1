"""A confusion matrix alone on a page, for the browser test of its clicks."""

import numpy as np
import streamlit as st

from cnnapp.charts.confusion import clicked_cell, heat_map_option

NUM = int(st.query_params.get("k", "4"))
NAMES = ["<b>bold</b><img src=x>", "{a|b} %{x}", "dress\nlong", "a very long class name indeed"]
NAMES = [NAMES[k] if k < len(NAMES) else f"class {k}" for k in range(NUM)]
COUNTS = np.random.default_rng(0).integers(0, 40, (NUM, NUM)) + 200 * np.eye(NUM, dtype=int)

dark = st.context.theme.type == "dark"
option = heat_map_option(COUNTS, NAMES, by_row="rows" in st.query_params, dark=dark)
chosen = st.echarts_chart(option, key="matrix", height=480, on_select="rerun", alt="Confusion matrix")
st.text(f"cell {clicked_cell(chosen, NUM)}")
