"""How many feature maps stand in a picture, and the pictures.

Letters: B images (1 or 2), K maps, h and w their height and width.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st

from cnnapp.charts.colours import Colours
from cnnapp.charts.tiles import Range, tile, tile_pairs

BLOCK = 400  # pixels: two pictures of about this width stand beside each other on a screen, and one fits a phone nearly
GAP = 4


@dataclass(frozen=True)
class View:
    """How maps are drawn."""

    colours: Colours
    common: bool  # one range for all maps of a layer, else one for each map (of both images)
    pixels: int  # of a map's longer side, about
    per_page: int


def columns_for(height: int, width: int, num_images: int, pixels: int) -> int:
    """Maps of one image in a row of one picture."""
    longest = max(height, width)
    wide = pixels if longest > pixels else pixels // longest * longest  # as ``tile`` enlarges: by whole numbers
    return max(1, BLOCK // num_images // (wide + GAP))


def blocks(first: int, last: int, columns: int) -> list[tuple[int, int]]:
    """The maps of each picture: one if a row holds them all, else two of whole rows."""
    rows = math.ceil((last - first) / columns)
    middle = first + math.ceil(rows / 2) * columns
    return [(first, last)] if rows < 2 else [(first, middle), (middle, last)]


@st.cache_data(max_entries=512, max_size="48MB", show_spinner=False)
def picture(
    key: tuple[Any, ...],
    view: View,
    names: tuple[str, ...],
    whole: Range,
    first: int,
    columns: int | None,
    _maps_BKhw: np.ndarray,
) -> bytes:
    """As ``draw``; kept for those who ask with the same ``key``, which stands for the layer's maps."""
    return draw(view, names, whole, first, columns, _maps_BKhw)


def draw(
    view: View, names: tuple[str, ...], whole: Range, first: int, columns: int | None, maps_BKhw: np.ndarray
) -> bytes:
    """PNG of consecutive maps, of which ``first`` is the number of the first.

    Args:
        names: Of the images; two stand beside each other.
        whole: The range of the layer's values.
        columns: Maps of one image in a row; None: as makes a wide picture.
    """
    options: dict[str, Any] = {"columns": columns, "pixels": view.pixels, "colours": view.colours, "gap": GAP}
    options["labels"] = range(first, first + maps_BKhw.shape[1])
    if len(names) == 1:
        return tile(maps_BKhw[0], limits=whole if view.common else "own", **options).png
    limits: Range | Literal["pair"] = whole if view.common else "pair"
    headings = (names[0], names[1])
    return tile_pairs(maps_BKhw[0], maps_BKhw[1], limits=limits, headings=headings, **options).png


def numbers(maps_BKhw: np.ndarray) -> pd.DataFrame:
    """Lowest, highest and mean value of every map."""
    columns: dict[str, np.ndarray] = {}
    flat_BKP = maps_BKhw.reshape(*maps_BKhw.shape[:2], -1)
    for letter, flat_KP in zip("AB", flat_BKP, strict=False):
        of = f"{letter}: " if len(maps_BKhw) > 1 else ""
        for what, function in (("lowest", np.min), ("highest", np.max), ("mean", np.mean)):
            columns[f"{of}{what}"] = function(flat_KP, axis=1)
    return pd.DataFrame(columns).rename_axis("Map")
