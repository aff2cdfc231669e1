"""The choice of an epoch whose weights are kept; the address has it (``?epoch=…``)."""

import streamlit as st

from cnnapp.store import Run
from pages._shared import percent, plain, store

KEY = "look-epoch"


def choose_epoch(run: Run, epochs: list[int]) -> int:
    """From the address or the slider; else the best epoch. ``epochs`` are those that are kept, in order."""
    default = run.best_epoch if run.best_epoch in epochs else epochs[-1]
    asked = st.query_params.get("epoch")
    chosen = int(asked) if asked and asked.isdecimal() and len(asked) < 9 else default
    if asked is not None and (chosen not in epochs or str(chosen) != asked):
        there = f"There are those of {len(epochs)} epochs, from {epochs[0]} to {epochs[-1]}."
        st.warning(plain(f"Weights of epoch “{asked[:20]}” were not kept. {there}"), icon=":material/warning:")
        chosen = default
    if len(epochs) > 1:
        st.session_state[KEY] = chosen
        st.select_slider("Epoch", epochs, key=KEY, on_change=_to_address, help="0 is before training")
    st.markdown(plain(in_words(run, chosen)))
    return int(chosen)


def in_words(run: Run, epoch: int) -> str:
    """What is known of an epoch: "Weights after epoch 3 of 10, the best so far · validation accuracy 91.2 %"."""
    if epoch == 0:
        return f"Weights before training (epoch 0 of {run.epochs})"
    words = f"Weights after epoch {epoch} of {run.epochs}"
    if epoch == run.best_epoch and run.num_val:
        words += ", the best" if run.is_over else ", the best so far"
    accuracy = next((row.val_accuracy for row in store().epochs(run.id) if row.epoch == epoch), None)
    return words if accuracy is None else f"{words} · validation accuracy {percent(accuracy)}"


def _to_address() -> None:
    st.query_params["epoch"] = str(st.session_state[KEY])
