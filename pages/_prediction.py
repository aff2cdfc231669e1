"""Images as people and as the network see them, and what it says that they are."""

import numpy as np
import streamlit as st

from cnnapp.answers import Look
from pages._images import Shown
from pages._shared import percent, plain

PIXELS = 160  # of a picture's longer side on the page
TOP = 5


def show_images(pictures: list[Shown], answer: Look | None) -> None:
    """A card for each; without an answer, only the images."""
    for place, (cell, shown) in enumerate(zip(st.columns(len(pictures)), pictures, strict=True)):
        with cell, st.container(border=True, height="stretch"):
            st.markdown(f"**{plain(shown.title if len(pictures) > 1 else shown.name)}**")
            views, words = st.columns(2) if len(pictures) == 1 else (st.container(), st.container())
            with views:
                both_views(shown, place)
            if answer is not None:
                with words:
                    prediction(answer.classes, answer.probabilities_BK[place], shown.truth)


def both_views(shown: Shown, place: int) -> None:
    channels, size, _ = shown.x_CHW.shape
    factor = max(1, PIXELS // size)
    x_HWC = shown.x_CHW.transpose(1, 2, 0).repeat(factor, axis=0).repeat(factor, axis=1)
    with st.container(horizontal=True, vertical_alignment="top", key=f"pixels-image-{place}"):
        if shown.original is not None:
            with st.container(width="content", gap="xsmall"):
                wide, high = shown.original.width, shown.original.height
                across = max(1, PIXELS * wide // max(wide, high))
                st.image(shown.original.thumbnail, width=across, alt=f"Original of {shown.name}")
                st.markdown(f"Original: {wide}×{high}")
        with st.container(width="content", gap="xsmall"):
            st.image(x_HWC[..., 0] if channels == 1 else x_HWC, alt=f"{shown.name} as the network gets it")
            st.markdown(f"Network sees {size}×{size}, {'grey' if channels == 1 else 'RGB'}")


def prediction(classes: tuple[str, ...], probabilities_K: np.ndarray, truth: str | None) -> None:
    if not np.isfinite(probabilities_K).all():
        st.warning("The network's answer is not a number: its training went out of bounds.", icon=":material/warning:")
        return
    order = np.argsort(-probabilities_K, kind="stable")[:TOP]
    best = classes[order[0]]
    verdict = "" if truth is None else ", which is right" if best == truth else f", but it is {plain(truth)}"
    st.markdown(f"Prediction: **{plain(best)}**{verdict}")
    for k in order:
        share = min(1.0, max(0.0, float(probabilities_K[k])))
        st.progress(share, f"{plain(classes[k])} · {plain(percent(share))}")
