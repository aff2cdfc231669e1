"""The choice of one or two images to look at: uploaded, or from the test split."""

import json
import random
from dataclasses import dataclass

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from cnnapp import compute
from cnnapp.answers import Picture, Samples
from cnnapp.config import DATASETS
from cnnapp.errors import CnnAppError
from cnnapp.settings import read_settings
from cnnapp.store import Run
from pages._shared import plain

TYPES = ["jpg", "jpeg", "png", "gif", "webp", "bmp"]
MOST = 2
SAMPLES = "Test images"
KEYS = ("look-sample-a", "look-sample-b")


@dataclass(frozen=True, eq=False)
class Shown:
    """One of the images, with what is known of it."""

    letter: str
    name: str
    x_CHW: np.ndarray  # uint8
    original: Picture | None = None
    truth: str | None = None

    @property
    def title(self) -> str:
        return f"{self.letter}: {self.name}"


def choose_images(run: Run) -> list[Shown]:
    """At most two; none, with a sentence, while there is nothing to show."""
    sampling, uploading = st.tabs([SAMPLES, "Upload"], key="source", bind="query-params")
    with sampling:
        places = choose_samples(run)
    with uploading:
        files = choose_files()
    if uploading.open:
        with uploading:
            return uploaded(run, files)
    try:
        found = samples(run.config_json, tuple(places))
    except CnnAppError as error:
        sampling.error(plain(str(error)), icon=":material/error:")
        return []
    named = zip("AB", found.indices, found.labels, found.x_BCHW, strict=False)
    return [Shown(letter, f"test image {place}", x_CHW, truth=truth) for letter, place, truth, x_CHW in named]


def choose_samples(run: Run) -> list[int]:
    """Positions in the test split, which the address has (``?samples=4,17``)."""
    num = DATASETS[run.config.dataset.name].num_test
    asked = [
        part for part in st.query_params.get("samples", "0").split(",")[:MOST] if part.isdecimal() and len(part) < 9
    ]
    places: list[int | None] = [int(part) % num for part in asked] or [0]
    for key, place in zip(KEYS, [*places, None], strict=False):
        st.session_state[key] = place
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("First image", 0, num - 1, step=1, key=KEYS[0], on_change=_to_address, width=160)
        st.number_input(
            "Second image",
            0,
            num - 1,
            value=None,
            step=1,
            key=KEYS[1],
            on_change=_to_address,
            placeholder="none",
            width=160,
        )
        st.button("Another one", icon=":material/casino:", on_click=_draw, args=(num, 1))
        st.button("Another two", icon=":material/casino:", on_click=_draw, args=(num, 2))
    return [place for place in places if place is not None]


def _to_address() -> None:
    chosen = [st.session_state[key] for key in KEYS]
    st.query_params["samples"] = ",".join(str(place) for place in chosen if place is not None) or "0"


def _draw(num: int, count: int) -> None:
    st.query_params["samples"] = ",".join(map(str, random.sample(range(num), min(count, num))))


@st.cache_data(max_entries=128, show_spinner="Reading test images …")
def samples(config_json: str, places: tuple[int, ...]) -> Samples:
    found: Samples = compute.call("samples", json.loads(config_json), places)
    return found


def choose_files() -> list[UploadedFile]:
    limit = int(max(1, read_settings().max_upload_mb))
    return st.file_uploader(
        "One image, or two to compare", TYPES, accept_multiple_files=True, key="look-files", max_upload_size=limit
    )


def uploaded(run: Run, files: list[UploadedFile]) -> list[Shown]:
    """The first two that can be read; a sentence for each of the others."""
    channels, size, _ = DATASETS[run.config.dataset.name].image_shape(run.config.dataset.image_size)
    found: list[Shown] = []
    for file in files:
        if len(found) == MOST:
            st.warning(
                plain(f"“{file.name}” is left out: two images are compared at most. Remove one to see it."),
                icon=":material/warning:",
            )
            continue
        try:
            picture = read(file.file_id, channels, size, file)
        except CnnAppError as error:
            st.error(plain(str(error)), icon=":material/error:")
            continue
        found.append(Shown("AB"[len(found)], picture.name, picture.x_CHW, original=picture))
    if not files:
        st.markdown("Choose any picture: it is resized as the images were that the network learned from.")
    return found


@st.cache_data(max_entries=64, max_size="32MB", show_spinner="Reading the image …")
def read(file_id: str, channels: int, size: int, _file: UploadedFile) -> Picture:
    picture: Picture = compute.call("read_picture", _file.name, _file.getvalue(), channels, size)
    return picture
