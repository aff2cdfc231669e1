"""Colours that everybody can tell apart: sequential scales for maps, and a palette for lines.

The sequential scales are perceptually uniform and of rising lightness, so that they also read in grey. Lines use the
palette of Okabe and Ito (2008, "Color Universal Design"), darkened where it would be too pale on white.
"""

from functools import cache
from typing import Literal

import numpy as np

Colours = Literal["grey", "viridis", "cividis", "magma"]

_ANCHORS: dict[Colours, str] = {
    "grey": "000000 ffffff",
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "cividis": "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838",
    "magma": "000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf",
}
COLOURS: tuple[Colours, ...] = tuple(_ANCHORS)

LINES_ON_LIGHT = ("#0072b2", "#d55e00", "#007f5f", "#a8457f", "#6a5acd", "#8a6d00", "#1f8fc4", "#444444")
LINES_ON_DARK = ("#56b4e9", "#ff9e4a", "#2fcf9f", "#e58fc0", "#a99cff", "#f0e442", "#8fd3ff", "#bbbbbb")


@cache
def lookup(colours: Colours, levels: int = 256) -> np.ndarray:
    """uint8 table of shape (levels, 3) from the lowest to the highest value; read-only.

    Raises:
        ValueError: no scale has that name.
    """
    if colours not in _ANCHORS:
        raise ValueError(f"there is no colour scale named {colours!r}; known: {', '.join(COLOURS)}")
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _ANCHORS[colours].split()], dtype=float)
    at = np.linspace(0, len(anchors) - 1, levels)
    table: np.ndarray = np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, k]) for k in range(3)], axis=1)
    table = np.asarray(np.rint(table), dtype=np.uint8)
    table.setflags(write=False)
    return table


def lines(dark: bool) -> tuple[str, ...]:
    """The palette for lines on a dark or a light page."""
    return LINES_ON_DARK if dark else LINES_ON_LIGHT
