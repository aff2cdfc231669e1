"""Every convolution's feature maps of one or two images: paged, enlarged, in grey or colour, to compare and take home.

Letters: B images (1 or 2), K maps, h and w their height and width.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from cnnapp import compute
from cnnapp.answers import Look
from cnnapp.charts.colours import Colours
from cnnapp.charts.tiles import Range, limits_of, scale_bar
from pages._downloads import downloads
from pages._images import Shown
from pages._map_pictures import View, blocks, columns_for, numbers, picture
from pages._shared import in_words, plain

COLOURS: dict[str, Colours] = {"Grey": "grey", "Viridis": "viridis", "Cividis": "cividis"}
OWN, COMMON = "Each its own", "One a layer"
SIZES = {"S": 40, "M": 72, "L": 144, "XL": 220}
PER_PAGE = {"16": 16, "32": 32, "64": 64, "All": 1 << 20}
HELP = "Which values span all colours. The same map of two images shares its range, so that brightness compares."

Key = tuple[str, int, str, str]  # run, epoch, digest of the images, layer


def look(run_id: str, epoch: int, pictures: Sequence[Shown]) -> Look:
    """Prediction and feature maps.

    Raises:
        CheckpointMissing: Of that epoch not all weights were kept.
    """
    return _look(run_id, epoch, digest(pictures), [shown.x_CHW for shown in pictures])


def digest(pictures: Sequence[Shown]) -> str:
    return hashlib.blake2b(b"".join(shown.x_CHW.tobytes() for shown in pictures), digest_size=16).hexdigest()


@st.cache_data(max_entries=64, max_size="96MB", show_spinner="Computing the feature maps …")
def _look(run_id: str, epoch: int, images: str, _x: list[np.ndarray]) -> Look:
    answer: Look = compute.call("look_at", run_id, epoch, np.stack(_x))
    return answer


@st.fragment
@in_words()
def feature_maps(run_id: str, epoch: int, pictures: list[Shown]) -> None:
    view = choose_view()
    for layer, maps_BKhw in look(run_id, epoch, pictures).maps.items():
        show_layer((run_id, epoch, digest(pictures), layer), maps_BKhw, pictures, view)


def choose_view() -> View:
    with st.container(horizontal=True, gap="small"):
        colours = one_of("Colours", list(COLOURS), "Grey", "colours")
        common = one_of("Range of colours", [OWN, COMMON], OWN, "range", HELP) == COMMON
        size = one_of("Size of a map", list(SIZES), "M", "size")
        per_page = one_of("Maps a page", list(PER_PAGE), "32", "count")
    return View(COLOURS[colours], common, SIZES[size], PER_PAGE[per_page])


def one_of(label: str, options: list[str], default: str, key: str, help_: str | None = None) -> str:
    chosen: str = st.segmented_control(
        label, options, default=default, required=True, key=key, bind="query-params", help=help_
    )
    return chosen


def show_layer(key: Key, maps_BKhw: np.ndarray, pictures: list[Shown], view: View) -> None:
    layer, (num, height, width) = key[-1], maps_BKhw.shape[1:]
    low, high = limits_of(maps_BKhw.reshape(-1, height, width), "common")[0]
    whole = float(low), float(high)
    st.subheader(plain(layer))
    st.markdown(f"{num} maps of {height}×{width}, before the activation function")
    first, last = page_of(layer, num, view.per_page)
    columns = columns_for(height, width, len(pictures), view.pixels)
    names = tuple(shown.title if len(pictures) > 1 else shown.name for shown in pictures)
    with st.container(horizontal=True, gap="small", key=f"pixels-{layer}"):
        for begin, end in blocks(first, last, columns):
            png = picture(key, view, names, whole, begin, columns, maps_BKhw[:, begin:end])
            st.image(png, alt=f"Feature maps {begin} to {end - 1} of {layer} for {' and '.join(names)}")
    with st.container(key=f"pixels-{layer}-range"):
        legend(layer, whole, view)
    says = f"Lowest, highest and mean value of every map of {layer}"
    # computed again when pressed: a page that is looked at holds no arrays
    png_, array = partial(whole_picture, key, pictures, names, whole, view), partial(whole_array, key, pictures)
    downloads(f"{key[0]}-epoch-{key[1]}-{layer}", layer, numbers(maps_BKhw), says, png_, array)


def page_of(layer: str, num: int, per_page: int) -> tuple[int, int]:
    """The first map of the layer's page and the one after its last."""
    pages = math.ceil(num / per_page)
    page = st.pagination(pages, key=f"page-{layer}", bind="query-params") if pages > 1 else 1
    first = (min(page, pages) - 1) * per_page
    return first, min(num, first + per_page)


def legend(layer: str, whole: Range, view: View) -> None:
    low, high = (f"{value:.4g}" for value in whole)
    if view.common:
        st.image(scale_bar(*whole, view.colours), alt=f"Colour scale of {layer} from {low} to {high}")
    else:
        words = "Each map spans all colours, from its own lowest to its own highest value."
        st.markdown(f"{words} All of {plain(layer)}: {low} to {high}.")


def whole_array(key: Key, pictures: list[Shown]) -> np.ndarray:
    """(B, K, h, w): all maps of a layer."""
    run_id, epoch, _, layer = key
    return look(run_id, epoch, pictures).maps[layer]


def whole_picture(key: Key, pictures: list[Shown], names: tuple[str, ...], whole: Range, view: View) -> bytes:
    return picture(key, view, names, whole, 0, None, whole_array(key, pictures))
