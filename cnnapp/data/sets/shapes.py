"""Generated colour pictures of ten shapes: always here, and without a doubt about any label.

Every picture is a function of its part and its number alone. Random numbers are raw bits of PCG64 and all that is done
with pixels is whole-number arithmetic, so that the pictures are the same on every machine.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from cnnapp.config import DATASETS
from cnnapp.data.dataset import Dataset, Images, Part, Progress

SIZE = 64  # pixels per side
FINE = 4  # drawn so many times larger, then reduced: smooth edges
NUM = {"train": 4000, "test": 1000}
STREAM = {"train": 0, "test": 1}

Point = tuple[float, float]


def _regular(corners: int, dent: float = 1.0) -> list[Point]:
    """Corners on the unit circle; with ``dent`` below 1 every second one is drawn in."""
    angles = [2 * math.pi * corner / corners for corner in range(corners)]
    radii = [1.0 if corner % 2 == 0 else dent for corner in range(corners)]
    return [(r * math.sin(a), -r * math.cos(a)) for r, a in zip(radii, angles, strict=True)]


def _heart() -> list[Point]:
    angles = [2 * math.pi * step / 48 for step in range(48)]
    return [
        (math.sin(a) ** 3, -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 17)
        for a in angles
    ]


def _crescent() -> list[Point]:
    outer = [math.radians(45 + 270 * step / 32) for step in range(33)]
    rim = [(math.cos(a), math.sin(a)) for a in outer]
    inner = [math.radians(270 - 180 * step / 24) for step in range(1, 24)]
    edge = math.sin(math.radians(45))
    return rim + [(edge + 0.9 * math.cos(a), edge * math.sin(a)) for a in inner]


CROSS: list[Point] = [
    *((-0.32, -1), (0.32, -1), (0.32, -0.32), (1, -0.32), (1, 0.32), (0.32, 0.32)),
    *((0.32, 1), (-0.32, 1), (-0.32, 0.32), (-1, 0.32), (-1, -0.32), (-0.32, -0.32)),
]
ARROW: list[Point] = [(0, -1), (0.75, -0.1), (0.27, -0.1), (0.27, 1), (-0.27, 1), (-0.27, -0.1), (-0.75, -0.1)]
OUTLINES: dict[str, list[Point]] = {
    "circle": _regular(64),
    "triangle": _regular(3),
    "square": _regular(4),
    "pentagon": _regular(5),
    "star": _regular(10, dent=0.42),
    "cross": CROSS,
    "ring": _regular(64),
    "crescent": _crescent(),
    "heart": _heart(),
    "arrow": ARROW,
}
CLASSES = tuple(OUTLINES)


def _read(part: Part, progress: Progress) -> Images:
    num = NUM[part]
    y_N = np.arange(num, dtype=np.int64) % len(CLASSES)
    x_NHWC = np.empty((num, SIZE, SIZE, 3), np.uint8)
    for number in range(num):
        if number % 100 == 0:
            progress(f"Drawing Shapes ({part})", number / num)
        x_NHWC[number] = draw(CLASSES[y_N[number]], STREAM[part], number)
    return Images(x_NHWC, y_N)


def draw(shape: str, stream: int, number: int) -> np.ndarray:
    """One picture: colours, place, size, rotation, background and noise depend on ``stream`` and ``number``.

    Returns:
        (64, 64, 3) uint8.
    """
    bits = np.random.PCG64(np.random.SeedSequence([stream, number]))

    def pick(low: int, high: int) -> int:
        return low + int(bits.random_raw()) % (high - low + 1)

    mask_HW1 = _mask(shape, pick)[..., None]
    front_3, back_3, other_3 = _colours(pick)
    ramp_HW1 = _ramp(pick)
    back_HW3 = back_3 + ((other_3 - back_3) * ramp_HW1 >> 8)
    clean_HW3 = back_HW3 + ((front_3 - back_HW3) * mask_HW1 >> 8)
    strength = pick(0, 48)
    raw = bits.random_raw(SIZE * SIZE * 3 // 8).astype("<u8").view(np.uint8).reshape(SIZE, SIZE, 3)
    noise_HW3 = (raw.astype(np.int32) - 128) * strength >> 7
    pixels: np.ndarray = (clean_HW3 + noise_HW3).clip(0, 255).astype(np.uint8)
    return pixels


def _mask(shape: str, pick: Callable[[int, int], int]) -> np.ndarray:
    """256 inside the shape, 0 outside, between at its edge; (64, 64) int32."""
    side = SIZE * FINE
    radius = pick(side * 20 // 100, side * 42 // 100)
    centre = [pick(radius, side - radius) for _ in range(2)]
    angle = math.radians(pick(0, 359))
    cos, sin = math.cos(angle), math.sin(angle)
    canvas = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(canvas)

    def fill(scale: float, value: int) -> None:
        corners = [(radius * scale * x, radius * scale * y) for x, y in OUTLINES[shape]]
        turned = [(round(centre[0] + x * cos - y * sin), round(centre[1] + x * sin + y * cos)) for x, y in corners]
        pen.polygon(turned, fill=value)

    fill(1.0, 255)
    if shape == "ring":
        fill(0.58, 0)
    covered = np.asarray(canvas.reduce(FINE)).astype(np.int32)
    return covered + (covered >> 7)


def _colours(pick: Callable[[int, int], int]) -> np.ndarray:
    """Of the shape and of both ends of the background, (3, 3) int32; the shape stands out from either."""
    while True:
        colours = [(pick(0, 255), pick(0, 255), pick(0, 255)) for _ in range(3)]
        front, *ends = ((299 * red + 587 * green + 114 * blue) // 1000 for red, green, blue in colours)
        if all(abs(front - end) >= 64 for end in ends):
            return np.array(colours, np.int32)


def _ramp(pick: Callable[[int, int], int]) -> np.ndarray:
    """How far each place is from one end of the background to the other, 0 to 256; (64, 64, 1) int32."""
    down, right = pick(-8, 8), pick(1, 8)
    along = np.arange(SIZE, dtype=np.int32)
    height = along[:, None] * down + along * right
    height -= height.min()
    ramp: np.ndarray = (height * 256 // height.max())[..., None]
    return ramp


DATASETS.add(
    Dataset(
        name="shapes",
        title="Shapes",
        description="Generated colour pictures of ten shapes of any size, place and rotation; always here",
        source="Generated by this application",
        classes=CLASSES,
        channels=3,
        native_size=SIZE,
        image_size=32,
        num_train=NUM["train"],
        num_test=NUM["test"],
        download_mb=0,
        read=_read,
        is_present=lambda: True,
    )
)
