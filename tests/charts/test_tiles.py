"""Pictures of maps, read back pixel by pixel."""

import io

import numpy as np
import plotly.colors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnapp.charts.colours import COLOURS, LINES_ON_DARK, LINES_ON_LIGHT, lookup
from cnnapp.charts.tiles import Limits, limits_of, scale_bar, tile, tile_pairs


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)


def luminance(colour: np.ndarray) -> np.ndarray:
    linear = np.where(colour / 255 <= 0.04045, colour / 255 / 12.92, ((colour / 255 + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", COLOURS)
def test_every_scale_only_gets_lighter(name: str) -> None:
    light = luminance(lookup(name).astype(float))  # type: ignore[arg-type]
    assert (np.diff(light) >= -1e-3).all()
    assert light[-1] - light[0] > 0.5


@pytest.mark.parametrize("name", ["viridis", "cividis", "magma"])
def test_scales_are_the_published_ones(name: str) -> None:
    published = getattr(plotly.colors.sequential, name.capitalize())
    table = lookup(name, 9 * 20 + 1)  # type: ignore[arg-type]
    assert ["#" + bytes(row.tolist()).hex() for row in table[::20]] == published


@pytest.mark.parametrize(("palette", "page"), [(LINES_ON_LIGHT, 255.0), (LINES_ON_DARK, 14.0)])
def test_line_colours_stand_out_from_the_page(palette: tuple[str, ...], page: float) -> None:
    behind = float(luminance(np.full(3, page)))
    for colour in palette:
        own = float(luminance(np.array(list(bytes.fromhex(colour[1:])), dtype=float)))
        contrast = (max(own, behind) + 0.05) / (min(own, behind) + 0.05)
        assert contrast >= 3, (colour, contrast)


def test_small_maps_are_enlarged_by_a_whole_number_with_transparent_gaps() -> None:
    maps = np.array([[[0.0, 1.0], [0.5, 0.25]]] * 3)
    found = tile(maps, columns=2, pixels=9, gap=3)
    image = pixels(found.png)
    assert image.shape == (8 + 3 + 8, 8 + 3 + 8, 4) == (found.height, found.width, 4)
    assert (image[:4, :4, :3] == 0).all()
    assert (image[:4, 4:8, :3] == 255).all()
    assert np.abs(image[4:8, :4, :3] - 127.5).max() <= 1.5
    assert (image[:8, :8, 3] == 255).all()
    assert (image[8:11, :, 3] == 0).all()
    assert (image[:, 8:11, 3] == 0).all()
    assert (image[11:, 11:, 3] == 0).all(), "the fourth place is empty"


def test_large_maps_are_thinned_out_but_not_cropped() -> None:
    ramp = np.tile(np.arange(200.0), (100, 1))[None]
    image = pixels(tile(ramp, pixels=50).png)
    assert image.shape[:2] == (25, 50)
    assert image[0, 0, 0] < 6
    assert image[0, -1, 0] > 249
    assert (np.diff(image[0, :, 0]) >= 0).all()


def test_constant_maps_are_mid_grey_and_what_is_not_finite_is_red() -> None:
    maps = np.zeros((3, 2, 2))
    maps[0] = 7
    maps[1, 0, 0], maps[1, 1, 1] = np.nan, 2
    maps[2] = np.inf
    found = tile(maps, columns=3, pixels=2, gap=0)
    image = pixels(found.png)[..., :3]
    assert (np.abs(image[:, :2] - 127.5) <= 1.5).all()
    assert image[0, 2].tolist() == [214, 39, 40]
    assert image[0, 3].tolist() == [0, 0, 0]
    assert image[1, 3].tolist() == [255, 255, 255]
    assert (image[:, 4:] == [214, 39, 40]).all()
    assert found.limits[:2] == ((7, 7), (0, 2))
    assert np.isnan(found.limits[2]).all()


@pytest.mark.parametrize(
    ("limits", "expected"), [("own", [[0, 1], [-3, 4]]), ("common", [[-3, 4]] * 2), ((-1.0, 1.0), [[-1, 1]] * 2)]
)
def test_limits_are_each_maps_own_or_common_or_given(limits: Limits | tuple[float, float], expected: object) -> None:
    maps = np.array([[[0, 1.0]], [[-3, 4.0]]])
    assert limits_of(maps, limits).tolist() == expected


def test_labels_are_letters_on_a_strip_of_their_own() -> None:
    plain, labelled = tile(np.zeros((2, 9, 9)), pixels=9), tile(np.zeros((2, 9, 9)), pixels=9, labels=[0, 123])
    assert labelled.height == plain.height + 13
    strip = pixels(labelled.png)[:13]
    background, letters = luminance(np.array([49.0, 51, 63])), luminance(strip[..., :3].max(axis=(0, 1)).astype(float))
    assert (letters + 0.05) / (background + 0.05) > 7
    assert labelled.width > plain.width, "a wide label widens its cell"


def test_a_map_stands_at_the_same_place_in_both_halves() -> None:
    rng = np.random.default_rng(0)
    left = rng.random((5, 4, 4))
    found = tile_pairs(left, left, columns=2, pixels=8, labels=range(5), limits="pair")
    image = pixels(found.png)
    half = (found.width - 20) // 2
    assert (image[20:, :half] == image[20:, -half:]).all(), "equal but for the headings"
    assert (image[:13, :half] != image[:13, -half:]).any()
    assert (image[:, half:-half, 3] == 0).all()
    assert found.limits[:5] == found.limits[5:]


def test_limits_of_a_pair_span_both_its_maps() -> None:
    left, right = np.array([[[0.0, 1.0]], [[5.0, 6.0]]]), np.array([[[-1.0, 0.5]], [[np.nan, np.nan]]])
    assert tile_pairs(left, right, limits="pair").limits == ((-1, 1), (5, 6)) * 2
    assert tile_pairs(left, right, limits="common").limits == ((-1, 6),) * 4
    assert tile_pairs(left, left, limits="own").limits == ((0, 1), (5, 6)) * 2


@pytest.mark.parametrize("shape", [(3, 4), (0, 4, 4), (2, 0, 3), (1, 2, 3, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="K, H, W"):
        tile(np.zeros(shape))
    with pytest.raises(ValueError, match="one shape"):
        tile_pairs(np.zeros((1, 2, 3)), np.zeros((1, 3, 2)))


def test_the_scale_bar_goes_from_the_lowest_to_the_highest_colour() -> None:
    image = pixels(scale_bar(-0.5, 2, "cividis", width=100))
    assert image.shape == (23, 100, 4)
    assert image[0, 0, :3].tolist() == lookup("cividis")[0].tolist()
    assert image[0, -1, :3].tolist() == lookup("cividis")[-1].tolist()
    assert image[10:, :30, :3].max() > 200
    assert scale_bar(0, 1) != scale_bar(0, 2)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 12), st.integers(1, 9), st.integers(1, 9), st.integers(1, 15), st.integers(1, 40), st.integers(0, 5)
)
def test_every_picture_has_the_size_it_says(
    count: int, height: int, width: int, columns: int, aim: int, gap: int
) -> None:
    maps = np.random.default_rng(count).normal(size=(count, height, width)).astype(np.float32)
    found = tile(maps, columns=columns, pixels=aim, gap=gap)
    assert Image.open(io.BytesIO(found.png)).size == (found.width, found.height)
    assert found.columns == min(columns, count)
    assert len(found.limits) == count
