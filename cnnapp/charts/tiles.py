"""Many maps in one picture: a single PNG is several times faster in a browser than one picture for each map.

Letters: K maps, H rows, W columns. Pictures have a palette: mostly value levels, then a few fixed inks; gaps are
transparent, so that a picture sits on a light and on a dark page.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cnnapp.charts.colours import Colours, lookup

Limits = Literal["own", "common"]
Range = tuple[float, float]

LEVELS = 244  # palette entries that are values
INK = range(244, 252)  # from the background of a label to its letters
NOT_A_NUMBER = 252
CLEAR = 255
_LABEL_BACKGROUND, _LABEL_LETTERS, _FAULT = (49, 51, 63), (255, 255, 255), (214, 39, 40)
_FONT_SIZE = 10
_STRIP = 13  # pixel rows of a label


@dataclass(frozen=True)
class Tiled:
    """A picture of maps, and what its darkest and brightest colour mean for each map."""

    png: bytes
    width: int
    height: int
    columns: int
    limits: tuple[Range, ...]  # of each map, in the order given; (nan, nan) where a map holds no number


def limits_of(maps_KHW: np.ndarray, limits: Limits | Range = "own") -> np.ndarray:
    """Lowest and highest finite value that each map's colours span, shape (K, 2); NaN where there is none."""
    flat_KP = np.asarray(maps_KHW, dtype=np.float64).reshape(len(maps_KHW), -1)
    if not isinstance(limits, str):
        return np.tile(np.asarray(limits, dtype=np.float64), (len(flat_KP), 1))
    finite_KP = np.isfinite(flat_KP)
    low_K = np.where(finite_KP, flat_KP, np.inf).min(axis=1, initial=np.inf)
    high_K = np.where(finite_KP, flat_KP, -np.inf).max(axis=1, initial=-np.inf)
    if limits == "common" and len(flat_KP):
        low_K[:], high_K[:] = low_K.min(), high_K.max()
    found_K2 = np.stack([low_K, high_K], axis=1)
    found_K2[~np.isfinite(found_K2).all(axis=1)] = np.nan
    return found_K2


def tile(
    maps_KHW: np.ndarray,
    *,
    columns: int | None = None,
    pixels: int = 64,
    limits: Limits | Range = "own",
    colours: Colours = "grey",
    labels: Sequence[str | int] | None = None,
    gap: int = 4,
) -> Tiled:
    """Draw every map, whole, as one picture, row by row.

    Args:
        maps_KHW: Any numbers. A constant map is mid grey (or the middle colour); what is not finite is red.
        columns: Maps in a row; unset: about as many columns as rows, in a wide picture.
        pixels: The size aimed at for a map's longer side. Small maps are enlarged by a whole number, large ones
            thinned out evenly (nearest pixel); nothing is cropped.
        limits: "own": each map spans all colours; "common": one range for all, or a given (low, high).
        labels: A short text above each map.
        gap: Transparent pixels between maps.

    Raises:
        ValueError: ``maps_KHW`` is not three-dimensional or is empty.
    """
    maps_KHW = _checked(maps_KHW)
    limits_K2 = limits_of(maps_KHW, limits)
    columns = min(columns or _wide(len(maps_KHW)), len(maps_KHW))
    sheet = _sheet(_levels(maps_KHW, limits_K2, pixels), columns, labels, gap)
    return _tiled(sheet, colours, columns, limits_K2)


def tile_pairs(
    left_KHW: np.ndarray,
    right_KHW: np.ndarray,
    *,
    columns: int | None = None,
    pixels: int = 48,
    limits: Literal["own", "pair", "common"] | Range = "pair",
    colours: Colours = "grey",
    labels: Sequence[str | int] | None = None,
    headings: tuple[str, str] = ("A", "B"),
    gap: int = 4,
) -> Tiled:
    """Two images' maps in one picture: the same map stands at the same place in its left and in its right half.

    ``limits`` "pair" gives the two maps of a pair one range, so that their brightness compares; "common" all maps; or
    a range is given.
    ``Tiled.limits`` lists the left half's ranges, then the right half's; ``Tiled.columns`` counts one half.

    Raises:
        ValueError: the two have different shapes, or the shape is not (K, H, W).
    """
    left_KHW, right_KHW = _checked(left_KHW), _checked(right_KHW)
    if left_KHW.shape != right_KHW.shape:
        raise ValueError(f"maps of two images must have one shape, not {left_KHW.shape} and {right_KHW.shape}")
    both_NHW = np.concatenate([left_KHW, right_KHW])
    limits_N2 = limits_of(both_NHW, "own" if limits == "pair" else limits)
    if limits == "pair":
        half_2K2 = limits_N2.reshape(2, -1, 2)
        joint_K2 = np.stack([np.fmin(*half_2K2[..., 0]), np.fmax(*half_2K2[..., 1])], axis=1)
        limits_N2 = np.concatenate([joint_K2, joint_K2])
    levels_NHW = _levels(both_NHW, limits_N2, pixels)
    columns = min(columns or max(1, _wide(2 * len(left_KHW)) // 2), len(left_KHW))
    halves = [_sheet(half, columns, labels, gap) for half in np.split(levels_NHW, 2)]
    halves = [
        np.vstack([_strip(heading, half.shape[1]), _clear(gap, half.shape[1]), half])
        for half, heading in zip(halves, headings, strict=True)
    ]
    between = _clear(halves[0].shape[0], 4 * gap + 4)
    return _tiled(np.hstack([halves[0], between, halves[1]]), colours, columns, limits_N2)


def scale_bar(low: float, high: float, colours: Colours = "grey", width: int = 240) -> bytes:
    """PNG of a colour scale from ``low`` to ``high``, with both numbers under it."""
    ramp = np.tile(np.linspace(0, LEVELS - 1, width).astype(np.uint8), (10, 1))
    words = _strip("", width)
    texts = [_text(f"{value:.4g}") for value in (low, high)]
    for text, start in zip(texts, (2, width - texts[1].shape[1] - 2), strict=True):
        words[:, start : start + text.shape[1]] = text[:, : width - start]
    return _png(np.vstack([ramp, words]), colours)


def _checked(maps_KHW: np.ndarray) -> np.ndarray:
    maps_KHW = np.asarray(maps_KHW)
    if maps_KHW.ndim != 3 or 0 in maps_KHW.shape:
        raise ValueError(f"maps must have a shape (K, H, W) without zeros, not {maps_KHW.shape}")
    return maps_KHW


def _wide(count: int) -> int:
    """Columns for a picture about twice as wide as high."""
    return max(1, math.ceil(math.sqrt(2 * count)))


def _levels(maps_KHW: np.ndarray, limits_K2: np.ndarray, pixels: int) -> np.ndarray:
    """Palette entries of every map at its size on the picture, uint8 (K, h, w)."""
    height, width = maps_KHW.shape[1:]
    longest = max(height, width)
    if longest > pixels:
        rows, cols = (_nearest(size, max(1, round(size * pixels / longest))) for size in (height, width))
        maps_KHW = maps_KHW[:, rows][:, :, cols]
    low_K11, high_K11 = limits_K2.astype(np.float32).T[..., None, None]
    span_K11 = np.where(high_K11 > low_K11, high_K11 - low_K11, np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        share_KHW = (maps_KHW.astype(np.float32) - low_K11) / span_K11
    share_KHW[~(high_K11 > low_K11)[:, 0, 0]] = 0.5  # constant, or without a range
    levels_KHW = np.nan_to_num(np.clip(share_KHW, 0, 1) * (LEVELS - 1) + 0.5, nan=0).astype(np.uint8)
    levels_KHW[~np.isfinite(maps_KHW)] = NOT_A_NUMBER
    factor = max(1, pixels // longest)
    return np.asarray(levels_KHW.repeat(factor, axis=1).repeat(factor, axis=2))


def _nearest(size: int, wanted: int) -> np.ndarray:
    """Indices of ``wanted`` of ``size`` pixels, evenly spread from the first to the last."""
    return np.asarray((np.arange(wanted) + 0.5) * size / wanted, dtype=np.int64)


def _sheet(levels_KHW: np.ndarray, columns: int, labels: Sequence[str | int] | None, gap: int) -> np.ndarray:
    """Place the maps row by row on a transparent sheet, each under its label."""
    count, height, width = levels_KHW.shape
    strip = _STRIP if labels is not None else 0
    texts = [_text(str(label)) for label in labels or ()]
    cell_width = max([width, *(text.shape[1] + 2 for text in texts)])
    rows = math.ceil(count / columns)
    step_y, step_x = strip + height + gap, cell_width + gap
    sheet = _clear(rows * step_y - gap, columns * step_x - gap)
    for k, levels_HW in enumerate(levels_KHW):
        y, x = (k // columns) * step_y, (k % columns) * step_x
        if strip and k < len(texts):
            sheet[y : y + strip, x : x + cell_width] = INK[0]
            start = x + (cell_width - texts[k].shape[1]) // 2
            sheet[y : y + strip, start : start + texts[k].shape[1]] = texts[k]
        start = x + (cell_width - width) // 2
        sheet[y + strip : y + strip + height, start : start + width] = levels_HW
    return sheet


def _clear(height: int, width: int) -> np.ndarray:
    return np.full((max(0, height), max(0, width)), CLEAR, dtype=np.uint8)


def _strip(text: str, width: int) -> np.ndarray:
    """A label across ``width`` pixels, its text in the middle; cut off where it is too long."""
    strip = np.full((_STRIP, width), INK[0], dtype=np.uint8)
    ink = _text(text)[:, :width]
    start = (width - ink.shape[1]) // 2
    strip[:, start : start + ink.shape[1]] = ink
    return strip


@cache
def _glyph(letter: str) -> np.ndarray:
    """One character in palette entries, ``_STRIP`` rows high."""
    font = ImageFont.load_default(_FONT_SIZE)
    width = max(1, math.ceil(font.getlength(letter)))
    image = Image.new("L", (width, _STRIP))
    ImageDraw.Draw(image).text((0, 0), letter, fill=255, font=font)
    ink = np.asarray(image, dtype=np.float32) / 255 * (len(INK) - 1)
    return np.asarray(INK[0] + np.rint(ink), dtype=np.uint8)


def _text(text: str) -> np.ndarray:
    printable = [letter if letter.isprintable() else " " for letter in text[:200]]
    return np.hstack([np.zeros((_STRIP, 0), dtype=np.uint8), *map(_glyph, printable)])


def _tiled(sheet: np.ndarray, colours: Colours, columns: int, limits_K2: np.ndarray) -> Tiled:
    ranges = tuple((float(low), float(high)) for low, high in limits_K2)
    return Tiled(_png(sheet, colours), sheet.shape[1], sheet.shape[0], columns, ranges)


@cache
def _palette(colours: Colours) -> bytes:
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[:LEVELS] = lookup(colours, LEVELS)
    palette[INK.start : INK.stop] = np.linspace(_LABEL_BACKGROUND, _LABEL_LETTERS, len(INK))
    palette[NOT_A_NUMBER] = _FAULT
    return palette.tobytes()


def _png(sheet: np.ndarray, colours: Colours) -> bytes:
    image = Image.fromarray(sheet)
    image.putpalette(_palette(colours))
    out = io.BytesIO()
    image.save(out, format="PNG", transparency=CLEAR, compress_level=1)
    return out.getvalue()
