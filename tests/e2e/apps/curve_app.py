"""Two live charts that grow, alone on a page, for the browser tests of the component.

Query: ``steps`` at the start, ``grow`` steps at each update, ``every`` seconds (0: stands still).
"""

import numpy as np
import streamlit as st

from cnnapp.charts.live import EpochCurve, StepCurve, series_for_live
from pages._curve import curve

PER_EPOCH = 200
START = int(st.query_params.get("steps", "4000"))
GROW = int(st.query_params.get("grow", "100"))
EVERY = float(st.query_params.get("every", "0"))

st.title("Curves")


@st.cache_data
def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, count))


@st.fragment(run_every=EVERY or None)
def charts() -> None:
    num = START + GROW * st.session_state.get("ticks", 0)
    st.session_state["ticks"] = st.session_state.get("ticks", 0) + 1
    step_S = np.arange(1, num + 1)
    clean_S = 2.3 * np.exp(-step_S / 1500) + 0.25
    loss_S = clean_S * np.exp(0.25 * noise(200_000)[0, :num])
    accuracy_S = np.clip(1 - clean_S / 2.6 + 0.05 * noise(200_000)[1, :num], 0, 1)
    step_E = step_S[PER_EPOCH - 1 :: PER_EPOCH]
    loss_E, accuracy_E = 1.08 * clean_S[step_E - 1] + 2e-5 * step_E, 0.97 - clean_S[step_E - 1] / 2.7
    for quantity, values_S, values_E in (("loss", loss_S, loss_E), ("accuracy", accuracy_S, accuracy_E)):
        marks = {int(step_E[3]): "best epoch 4"} if len(step_E) > 3 else {}
        data = series_for_live(
            quantity,
            steps=StepCurve(step_S, values_S),
            epochs=[EpochCurve("Validation <b>x</b>", step_E, values_E)],
            steps_per_epoch=PER_EPOCH,
            marks=marks,
        )
        curve(data, key=f"{quantity}-chart", label=f"{quantity} of a made-up run")
    st.text(f"{num} steps")


charts()
