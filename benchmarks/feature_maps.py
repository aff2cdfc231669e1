"""From the bytes of an uploaded image to every feature map of every convolution as PNGs: the server's part.

    python -m benchmarks.feature_maps [--rounds 9]

Each round does, one after the other in this process: our way (decode and compute in the warm pool, one or two tiled
pictures a layer, drawn as on the page); the same with one PNG a map, as a list of pictures on a page has them; and a
matplotlib figure a layer, where matplotlib is installed. The computation is the same, so that only drawing differs.
"""

import argparse
import io
import math
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
from PIL import Image

import cnnapp
from benchmarks.lab import deep_config, introduce, lab, lenet_config, show
from cnnapp import compute
from cnnapp.answers import Look
from cnnapp.config import DATASETS, RunConfig
from cnnapp.store import Run, Store
from pages._map_pictures import View, blocks, columns_for, draw

VIEW = View("grey", common=False, pixels=72, per_page=1 << 20)
OURS = "tiled, as on the page"
Draw = Callable[[Look], int]


def train(store: Store, config: RunConfig) -> Run:
    run = store.create(config)
    for event in cnnapp.train(config):
        store.append(run.id, event)
    return store.run(run.id)


def photo(seed: int) -> bytes:
    """A JPEG of 500×375 pixels, as smooth as photographs are."""
    small_HWC = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small_HWC).resize((500, 375), Image.Resampling.BICUBIC).save(out, format="JPEG", quality=90)
    return out.getvalue()


def computed(run: Run, data: bytes) -> Look:
    channels, size, _ = DATASETS[run.config.dataset.name].image_shape(run.config.dataset.image_size)
    read = compute.call("read_picture", "photo.jpg", data, channels, size)
    answer: Look = compute.call("look_at", run.id, None, read.x_CHW[None])
    return answer


def tiled(answer: Look) -> int:
    """As the page draws them, past its cache; the number of bytes."""
    total = 0
    for maps_BKhw in answer.maps.values():
        num, height, width = maps_BKhw.shape[1:]
        columns = columns_for(height, width, 1, VIEW.pixels)
        for first, last in blocks(0, num, columns):
            total += len(draw(VIEW, ("photo",), (0.0, 1.0), first, columns, maps_BKhw[:, first:last]))
    return total


def one_png_a_map(answer: Look) -> int:
    total = 0
    for map_hw in each_map(answer):
        low, high = map_hw.min(), map_hw.max()
        grey_hw = np.uint8(255 * (map_hw - low) / ((high - low) or 1))
        factor = max(1, VIEW.pixels // max(grey_hw.shape))
        out = io.BytesIO()
        Image.fromarray(grey_hw.repeat(factor, axis=0).repeat(factor, axis=1)).save(out, format="PNG")
        total += len(out.getvalue())
    return total


def each_map(answer: Look) -> Iterator[np.ndarray]:
    for maps_BKhw in answer.maps.values():
        yield from maps_BKhw[0]


def matplotlib_grids(answer: Look) -> int:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = 0
    for maps_BKhw in answer.maps.values():
        rows = math.ceil(maps_BKhw.shape[1] / 8)
        figure = Figure(figsize=(8, rows))
        FigureCanvasAgg(figure)
        for axes, map_hw in zip(figure.subplots(rows, 8, squeeze=False).flat, maps_BKhw[0], strict=False):
            axes.imshow(map_hw, cmap="gray")
            axes.set_axis_off()
        out = io.BytesIO()
        figure.savefig(out, format="png")
        total += len(out.getvalue())
    return total


def measure(run: Run, rounds: int, goal: str) -> None:
    ways: dict[str, Draw] = {OURS: tiled, "one PNG a map": one_png_a_map}
    if find_spec("matplotlib"):
        ways["a matplotlib figure a layer"] = matplotlib_grids
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    sizes: dict[str, int] = {}
    for turn in range(rounds + 1):  # the first is left out: it starts what later ones find started
        for way, drawn in ways.items():
            data = photo(turn)
            began = time.perf_counter()
            sizes[way] = drawn(computed(run, data))
            if turn:
                seconds[way].append(time.perf_counter() - began)
    answer = computed(run, photo(0))
    layers = ", ".join(f"{maps.shape[1]} of {maps.shape[2]}×{maps.shape[3]}" for maps in answer.maps.values())
    print(f"{run.name}: {layers}")
    show(f"  {OURS}, {sizes[OURS] / 1000:.0f} kB", seconds[OURS], goal=goal)
    for way in list(ways)[1:]:
        show(f"  {way}, {sizes[way] / 1000:.0f} kB", seconds[way])
        ratios = [other / ours for other, ours in zip(seconds[way], seconds[OURS], strict=True)]
        show("    times as long as ours, round by round", ratios, unit="×")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = max(1, parser.parse_args().rounds)
    introduce("Bytes of an upload to all feature maps as PNGs, without the browser (min / median / max)")
    with lab(compute_workers=1) as store:
        compute.warm_up().join()
        measure(train(store, lenet_config("training.epochs=1", "dataset.subset=200")), rounds, "≤ 0.7 s on the screen")
        measure(train(store, deep_config("dataset.subset=100")), rounds, "≤ 1.5 s on the screen")


if __name__ == "__main__":
    main()
