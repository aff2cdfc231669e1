"""Which classes are taken for which: the confusion matrix after any epoch, and at the end that of the test images."""

import streamlit as st

from cnnapp.store import Run
from pages._confusion import View, downloads, live_matrix
from pages._shared import choose_run, ensure_frame, store

ensure_frame()

SPLIT, EPOCH, SHARES = "split", "epoch", "shares"  # the widgets' keys, and what they are called in the address


def mistakes(run: Run) -> None:
    has_val = run.num_val > 0 if run.num_train else run.config.dataset.val_share > 0
    if not has_val:
        text = "This run validates on no images (its validation share is 0): there is a matrix at its end only."
        st.info(text, icon=":material/info:")
    # the test images are looked at once: when the run has ended
    splits = ["Validation"] * has_val + ["Test"] * (run.test_epoch is not None)
    view = controls(run, splits or ["Test"])
    live_matrix(run, view)
    if run.epoch or run.test_epoch is not None:
        downloads(run, view)


def controls(run: Run, splits: list[str]) -> View:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        help_ = "The test images are looked at once, when the run ends, with its best weights"
        split = st.segmented_control(
            "Images", splits, default=splits[0], required=True, key=SPLIT, help=help_, bind="query-params"
        )
        help_ = "Per cent of each true class in place of numbers of images"
        by_row = st.toggle("Normalise each row", key=SHARES, help=help_, bind="query-params")
    return View(str(split), choose_epoch(run) if split == "Validation" else 0, by_row)


def choose_epoch(run: Run) -> int:
    """The slider's end is the newest epoch, whichever that is: 0."""
    last = run.epoch if run.is_over else run.epochs
    if last < 2:
        return 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        help_ = "At its right end: the newest epoch, also while the run goes on"
        chosen: int = st.slider("Epoch", 1, last, last, key=EPOCH, help=help_, bind="query-params")
        st.button("Best", on_click=to_best, args=(run.id, last), disabled=run.best_epoch is None)
        st.button("Newest", on_click=to_epoch, args=(last,))
    return 0 if chosen == last else chosen


def to_best(run_id: str, last: int) -> None:
    to_epoch(store().run(run_id).best_epoch or last)


def to_epoch(epoch: int) -> None:
    st.session_state[EPOCH] = epoch


st.title("Mistakes")
chosen_run = choose_run(empty="No runs yet, and so no mistakes. Start a run on Home or on Train.")
if chosen_run is not None:
    mistakes(chosen_run)
