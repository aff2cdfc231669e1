"""A run's filters through its training, and its feature maps for any image, at any epoch."""

import random

import streamlit as st

from cnnapp.errors import CnnAppError
from cnnapp.store import Run
from pages._epochs import choose_epoch
from pages._filters import filters_through_training
from pages._images import choose_images
from pages._maps import feature_maps, look
from pages._prediction import show_images
from pages._shared import choose_run, ensure_frame, in_words, plain, store

ensure_frame()

SQUARE_CORNERS = "<style>[class*='st-key-pixels-'] img {border-radius: 0}</style>"  # a corner is a pixel as any other
WATCH_SECONDS = 2.0


@in_words()
def watch(run_id: str, seen: tuple[str, list[int]]) -> None:
    """Draws the page again when the run has new weights or another state; else nothing changes."""
    try:
        now = (store().run(run_id).state, store().weights(run_id).filter_epochs())
    except CnnAppError:
        st.rerun()  # deleted meanwhile: the page says so
    if now != seen:
        st.rerun()


def page(run: Run) -> None:
    epochs = store().weights(run.id).filter_epochs()
    if not run.is_over:
        every = WATCH_SECONDS + st.session_state.setdefault("jitter", random.random() * 0.2)
        st.fragment(watch, run_every=every)(run.id, (run.state, epochs))
    if not epochs:
        text = (
            "No weights were kept of it." if run.is_over else "It has no weights yet: they come when training begins."
        )
        st.info(plain(f"{run.name} is {run.state}. {text}"), icon=":material/info:")
        return
    epoch = choose_epoch(run, epochs)
    st.header("Filters of the first convolution")
    filters_through_training(run, epochs, epoch)
    st.header("What it makes of an image")
    pictures = choose_images(run)
    if not pictures:
        return
    try:
        answer = look(run.id, epoch, pictures)
    except CnnAppError as error:
        st.error(plain(str(error)), icon=":material/error:")
        show_images(pictures, None)
        return
    show_images(pictures, answer)
    st.header("Feature maps")
    feature_maps(run.id, epoch, pictures)


st.title("Look inside")
st.html(SQUARE_CORNERS)
chosen = choose_run(empty="There are no runs yet. Start one on Home or on Train, then come back to look inside it.")
if chosen is not None:
    page(chosen)
