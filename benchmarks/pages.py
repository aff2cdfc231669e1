"""First paint, page switches, and from an upload to all feature maps on the screen, in a real browser.

    python -m benchmarks.pages
    python -m benchmarks.pages --rounds 15

Beside each its plain alternative: a page of Streamlit that shows a title only, loading a page anew instead of going
to it, and a script that imports torch and writes one picture for every feature map.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import cnnapp
from benchmarks import stopwatch
from benchmarks.lab import ROOT, dashboard, deep_config, finish, introduce, lab, lenet_config, show, warm_up
from cnnapp.store import Run, Store
from tests.e2e.harness import open_browser, settle, start_server

TIMEOUT = 120_000  # ms; only what hangs waits that long
PAGES = {"Home": "CNN Lab", "Train": "Train", "Mistakes": "Mistakes", "Look inside": "Look inside", "Runs": "Runs"}
"""Name in the navigation, heading."""
PLAIN_PAGE = 'import streamlit as st\n\nst.title("CNN Lab")\n'
PLAIN_MAPS = """
import sys
from pathlib import Path

import torch
from PIL import Image

import cnnapp
from cnnapp.data.batches import normalise
from cnnapp.data.decoding import decode_image, fit_image
from cnnapp.insight.activations import feature_maps

run_id, image, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
model, run = cnnapp.load_model(run_id), cnnapp.open_store().run(run_id)
channels, size = int(sys.argv[4]), int(sys.argv[5])
x_BCHW = torch.from_numpy(fit_image(decode_image(image.read_bytes()), channels, size)[None].copy())
maps = feature_maps(model, normalise(x_BCHW, run.config.dataset.normalisation))
for layer, maps_BKhw in maps.items():
    for number, map_hw in enumerate(maps_BKhw[0]):
        grey_hw = 255 * (map_hw - map_hw.min()) / (map_hw.max() - map_hw.min()).clamp(min=1e-9)
        Image.fromarray(grey_hw.byte().numpy()).save(folder / f"{layer}-{number}.png")
"""


def has_heading(heading: str) -> str:
    return f'document.querySelector("[data-testid=stMain] h1")?.textContent.trim() === "{heading}"'


COMPLETE = f"""requestAnimationFrame(function look() {{
    if (!({has_heading("CNN Lab")} && {stopwatch.SETTLED})) requestAnimationFrame(look);
    else requestAnimationFrame(() => {{ window.complete = performance.now(); }});
}})"""


def first_paint(url: str) -> tuple[float, float]:
    """(until the first text or picture, until the page is complete), by a browser that was never there."""
    with open_browser() as context:
        page = context.pages[0]
        page.add_init_script(COMPLETE)
        page.goto(url)
        page.wait_for_function("() => window.complete")
        (entry,) = page.evaluate("performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)")
        return entry / 1000, page.evaluate("window.complete") / 1000


def show_first_paint(url: str, rounds: int) -> None:
    times = [first_paint(url) for _ in range(rounds)]
    show("Home, a new browser: first paint", [first for first, _ in times], goal="1.5")
    show("Home, a new browser: complete", [second for _, second in times], goal="1.5")
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder, "plain.py")
        app.write_text(PLAIN_PAGE)
        server = start_server(app, Path(folder, "log"))
        try:
            first_paint(server.url)
            plain = [first_paint(server.url)[1] for _ in range(rounds)]
        finally:
            server.stop()
    show("  plain: a page that has a title only, complete", plain)


def switch(page: Any, name: str) -> float:
    """Seconds from the click on a page's name to its being complete."""
    stopwatch.start(page, "click", f"{has_heading(PAGES[name])} && {stopwatch.SETTLED}")
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    return stopwatch.read(page)[1]


def reload(page: Any) -> float:
    began = time.perf_counter()
    page.reload()
    settle(page, TIMEOUT)
    return time.perf_counter() - began


def tour(rounds: int) -> Iterator[tuple[str, str]]:
    """Every ordered pair of pages, each one beginning where the one before ended."""
    names = list(PAGES)
    for _ in range(rounds):
        for distance in range(1, len(names)):  # 1 to 4 places on: together every pair
            seen: set[int] = set()
            place = 0
            while len(seen) < len(names):
                if place in seen:  # the circle closed before all were seen
                    place = min(set(range(len(names))) - seen)
                seen.add(place)
                yield names[place], names[(place + distance) % len(names)]
                place = (place + distance) % len(names)


def show_switches(page: Any, url: str, rounds: int) -> None:
    page.goto(url)
    settle(page, TIMEOUT)
    firsts = {name: switch(page, name) for name in [*list(PAGES)[1:], "Home"]}
    show("Page switch, first visit of each page (loads its code)", list(firsts.values()))
    times: dict[tuple[str, str], list[float]] = {}
    for begin, end in tour(rounds):
        switch(page, begin)
        times.setdefault((begin, end), []).append(switch(page, end))
    for (begin, end), values in times.items():
        show(f"  {begin} → {end}", values, goal="0.3")
    show("Page switch, all pairs", [value for values in times.values() for value in values], goal="0.3")
    show("  plain: the browser loads the page anew", [reload(page) for name in PAGES if switch(page, name)])


def picture(seed: int) -> bytes:
    """A JPEG of 500×375 that no cache knows."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    file = io.BytesIO()
    small.resize((500, 375), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def upload(page: Any, url: str, run: Run, layers: list[str], seed: int) -> float:
    """Seconds from choosing a file to every map of every convolution being on the screen."""
    page.goto(f"{url}/look_inside?run={run.id}&source=Upload&count=All")
    settle(page, TIMEOUT)
    shown = " && ".join(f"document.querySelector('.st-key-pixels-{layer} img')" for layer in layers)
    stopwatch.start(page, "change", f"{shown} && {stopwatch.SETTLED}")
    file = {"name": f"{seed}.jpg", "mimeType": "image/jpeg", "buffer": picture(seed)}
    page.locator("input[type=file]").first.set_input_files(file)
    return stopwatch.read(page)[1]


def plain_maps(run: Run, shape: tuple[int, int]) -> float:
    """Seconds of a new interpreter that imports torch and writes one PNG for every map."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "image.jpg")
        image.write_bytes(picture(0))
        began = time.perf_counter()
        arguments = [run.id, str(image), folder, *map(str, shape)]
        subprocess.run([sys.executable, "-c", PLAIN_MAPS, *arguments], check=True, cwd=ROOT)
        return time.perf_counter() - began


def show_uploads(page: Any, url: str, runs: dict[str, tuple[Run, tuple[int, int]]], rounds: int) -> None:
    for seed_block, (goal, (run, shape)) in enumerate(runs.items()):
        layers = ["conv1", "conv2"] if run.config.network.family == "lenet" else [f"conv{n}" for n in range(1, 6)]
        seeds = range(1000 * seed_block, 1000 * seed_block + rounds + 1)
        _, *times = [upload(page, url, run, layers, seed) for seed in seeds]
        what = f"{run.config.network.family}, {len(layers)} convolutions, {shape[1]}×{shape[1]}"
        show(f"Upload to all feature maps: {what}", times, goal=goal)
        show("  plain: new interpreter, one PNG for each map", [plain_maps(run, shape) for _ in range(min(3, rounds))])


@contextmanager
def trained(store: Store) -> Iterator[dict[str, tuple[Run, tuple[int, int]]]]:
    """By goal: a run with its images' channels and size."""
    lenet = lenet_config("training.epochs=3", "dataset.subset=1400", "dataset.val_share=0.1")
    warm_up(store)
    runs = [finish(store, cnnapp.submit(config)) for config in (deep_config(), lenet)]
    assert all(run.state == "finished" for run in runs), [run.detail for run in runs]
    yield {"0.7": (runs[1], (1, lenet.dataset.image_size or 28)), "1.5": (runs[0], (3, 128))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=("paint", "switch", "upload"))
    options = parser.parse_args()
    introduce("Pages in a browser")
    with lab() as store, trained(store) as runs, dashboard() as board:
        show("Home, the first visit of a new server: complete", [first_paint(board.url)[1]])
        if options.only in (None, "paint"):
            show_first_paint(board.url, options.rounds)
        with open_browser() as context:
            page = context.pages[0]
            if options.only in (None, "switch"):
                show_switches(page, board.url, options.rounds)
            if options.only in (None, "upload"):
                show_uploads(page, board.url, runs, options.rounds)


if __name__ == "__main__":
    main()
