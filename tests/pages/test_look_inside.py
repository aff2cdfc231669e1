"""The page that looks inside a run: the filters and maps that it shows, and what it says in their place."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from cnnapp import compute, tasks
from cnnapp.events import WeightsDone
from cnnapp.networks.build import build
from cnnapp.store import Run, Store
from pages import _filters, _maps
from pages._downloads import npy
from pages._images import Shown
from pages._map_pictures import View, blocks, columns_for, draw, numbers
from tests.pages.conftest import Open

Make = Callable[..., Run]


@pytest.fixture
def look_inside(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> Open:
    """The page, computing in this process instead of in the pool."""
    monkeypatch.setattr(compute, "call", lambda name, *arguments, timeout=None: getattr(tasks, name)(*arguments))

    def open_(**query: str) -> AppTest:
        return open_page("look_inside", **query)

    return open_


@pytest.fixture
def weighted(store: Store, make_run: Make) -> Make:
    """A run with random weights at the epochs that are asked for, other ones at each."""

    def make(epochs: tuple[int, ...] = (0, 1, 2, 3, 4), image_size: int = 16, **options: Any) -> Run:
        dataset = {"name": "digits", "image_size": image_size, **options.pop("dataset", {})}
        run = make_run(epochs_done=options.pop("epochs_done", max(epochs)), dataset=dataset, **options)
        channels = 3 if dataset["name"] == "shapes" else 1
        for epoch in epochs:
            torch.manual_seed(epoch)
            state = build(run.config.network, (channels, image_size, image_size), 10).state_dict()
            weights = {name: tensor.numpy() for name, tensor in state.items()}
            store.weights(run.id).save(WeightsDone(epoch, epoch == 3, weights), run.epochs)
        return store.run(run.id)

    return make


def alts(app: AppTest) -> list[str]:
    return [shown.alt for image in app.image for shown in image.proto.imgs]


def text_of(app: AppTest) -> str:
    found = [element.value for kind in (app.markdown, app.info, app.warning, app.error) for element in kind]
    return "\n".join(found).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


def maps_shown(app: AppTest) -> dict[str, list[int]]:
    """By layer: the numbers of all maps that its pictures show, in order."""
    shown: dict[str, list[int]] = {}
    for alt in alts(app):
        if match := re.match(r"Feature maps (\d+) to (\d+) of (\w+)", alt):
            shown.setdefault(match[3], []).extend(range(int(match[1]), int(match[2]) + 1))
    return shown


def picture(seed: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader(key="look-files").set_value([(name, data, "image/png") for name, data in files]).run()
    assert not app.exception, app.exception
    return app


def test_without_runs_it_says_where_to_start_one(look_inside: Open) -> None:
    assert "Start one on Home or on Train" in text_of(look_inside())


def test_a_run_without_weights_is_said_to_have_none_yet(look_inside: Open, make_run: Make) -> None:
    app = look_inside(run=make_run("mine", epochs_done=0, end="").id)
    assert "mine is queued. It has no weights yet: they come when training begins." in text_of(app)
    assert not app.image


def test_filters_are_shown_before_halfway_after_and_at_the_chosen_epoch(look_inside: Open, weighted: Make) -> None:
    app = look_inside(run=weighted().id, epoch="1")
    titles = [re.split(r"[:,(] ?", alt)[1].strip() for alt in alts(app) if alt.startswith("Filters of conv1")]
    assert titles == ["before training", "halfway", "after training", "chosen"]
    assert "conv1 has 6 filters 5×5 of 1 input channel" in text_of(app).replace("**", "")


def test_the_best_epoch_is_shown_until_the_slider_or_the_address_choose_another(
    look_inside: Open, weighted: Make
) -> None:
    app = look_inside(run=weighted().id)
    assert "Weights after epoch 4 of 4, the best" in text_of(app)
    app.select_slider(key="look-epoch").set_value(0).run()
    assert "Weights before training" in text_of(app)
    assert app.query_params["epoch"] == "0"


def test_an_epoch_that_does_not_exist_is_said_and_the_default_shown(look_inside: Open, weighted: Make) -> None:
    app = look_inside(run=weighted().id, epoch="99")
    assert "Weights of epoch “99” were not kept. There are those of 5 epochs, from 0 to 4." in text_of(app)
    assert "Weights after epoch 4 of 4" in text_of(app)


def test_a_run_that_trains_shows_its_filters_so_far(look_inside: Open, weighted: Make) -> None:
    app = look_inside(run=weighted(epochs=(0, 1), end="").id)
    text = " ".join(alts(app))
    assert "so far, epoch 1" in text
    assert "halfway" not in text
    assert "the best so far" in text_of(app)


def test_beyond_the_budget_filters_are_there_and_missing_weights_are_said(
    look_inside: Open, weighted: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNAPP_WEIGHTS_MB", "0")
    app = look_inside(run=weighted().id, epoch="1")
    assert "chosen, epoch 1" in " ".join(alts(app))
    assert "The weights of epoch 1 were not kept." in text_of(app)
    assert not maps_shown(app)


def test_every_map_of_every_convolution_is_shown_for_a_test_image(look_inside: Open, weighted: Make) -> None:
    app = look_inside(run=weighted(image_size=32).id, samples="3")
    assert maps_shown(app) == {"conv1": list(range(6)), "conv2": list(range(16))}
    assert "test image 3" in text_of(app)


def test_pages_show_every_map_once(look_inside: Open, weighted: Make) -> None:
    network = {"family": "convnet", "depth": 2}
    app = look_inside(run=weighted(image_size=32, network=network).id, count="16")
    layer = next(name for name in maps_shown(app) if name != "conv1")
    num_pages = app.get("pagination")[-1].num_pages
    seen = []
    for page in range(1, num_pages + 1):
        app.get("pagination")[-1].set_value(page).run()
        seen += maps_shown(app)[layer]
    assert num_pages > 1
    assert seen == list(range(len(seen)))
    assert f"{len(seen)} maps" in text_of(app)


def test_two_test_images_stand_side_by_side_and_are_in_the_address(look_inside: Open, weighted: Make) -> None:
    app = look_inside(run=weighted(image_size=32).id)
    app.number_input(key="look-sample-b").set_value(7).run()
    assert app.query_params["samples"] == "0,7"
    assert all("A: test image 0 and B: test image 7" in alt for alt in alts(app) if alt.startswith("Feature maps"))
    assert maps_shown(app)["conv2"] == list(range(16))


@pytest.mark.parametrize("samples", ["x", "-1", "1,2,3", "99999999", "²", ""])
def test_a_strange_address_shows_some_test_image(look_inside: Open, weighted: Make, samples: str) -> None:
    assert maps_shown(look_inside(run=weighted(image_size=32).id, samples=samples))


def test_two_uploads_are_compared_and_a_third_is_refused(look_inside: Open, weighted: Make) -> None:
    app = look_inside(run=weighted(image_size=32).id, source="Upload")
    assert not maps_shown(app)
    upload(app, *((f"{name}.png", picture(k)) for k, name in enumerate("pqr")))
    assert "“r.png” is left out: two images are compared at most." in text_of(app)
    assert {alt.split(" for ")[1] for alt in alts(app) if alt.startswith("Feature maps")} == {"A: p.png and B: q.png"}
    assert "Original of p.png" in alts(app)
    assert "p.png as the network gets it" in alts(app)


def test_every_bad_picture_gets_a_sentence_and_the_other_stays(
    look_inside: Open, weighted: Make, bad_picture: Path
) -> None:
    app = look_inside(run=weighted(image_size=32).id, source="Upload")
    upload(app, (bad_picture.name, bad_picture.read_bytes()), ("good.png", picture()))
    assert [bad_picture.name in error.value.replace("\\", "") for error in app.error] == [True]
    assert maps_shown(app)["conv2"] == list(range(16))


def test_every_good_picture_is_shown(look_inside: Open, weighted: Make, good_picture: Path) -> None:
    app = look_inside(run=weighted(image_size=32).id, source="Upload")
    upload(app, (good_picture.name, good_picture.read_bytes()))
    assert not app.error
    assert f"Original of {good_picture.name}" in alts(app)
    assert maps_shown(app)["conv1"] == list(range(6))


def test_names_of_files_are_text(look_inside: Open, weighted: Make) -> None:
    app = look_inside(run=weighted(image_size=32).id, source="Upload")
    upload(app, ("<b>**x**.png", picture()), ("[l](javascript:1).png", b"nothing"))
    shown = "\n".join(element.value for kind in (app.markdown, app.error) for element in kind)
    assert "\\<b\\>\\*\\*x\\*\\*\\.png" in shown
    assert "\\[l\\]\\(javascript\\:1\\)\\.png" in shown


def test_weights_that_are_no_numbers_are_said_not_raised(look_inside: Open, store: Store, make_run: Make) -> None:
    run = make_run(epochs_done=1, end="diverged", dataset={"name": "digits", "image_size": 32})
    state = build(run.config.network, (1, 32, 32), 10).state_dict()
    weights = {name: np.full(tensor.shape, np.nan, np.float32) for name, tensor in state.items()}
    store.weights(run.id).save(WeightsDone(1, False, weights), run.epochs)
    assert "The network's answer is not a number" in text_of(look_inside(run=run.id))


@pytest.mark.parametrize("source", ["Test images", "Upload"])
def test_colour_images_work_too(look_inside: Open, weighted: Make, source: str) -> None:
    run = weighted(epochs=(0, 1), image_size=32, dataset={"name": "shapes"}, network={"family": "convnet", "depth": 2})
    app = look_inside(run=run.id, source=source)
    if source == "Upload":
        upload(app, ("a.png", picture()))
    assert "3 input channels" in text_of(app)
    assert set(maps_shown(app)) == {"conv1", "conv2"}


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))[..., 0].astype(int)


def test_filters_of_one_range_are_grey_in_proportion_with_0_in_the_middle() -> None:
    weights_FCHW = np.array([[[[-1.0, 0.0], [0.5, 1.0]]]], dtype=np.float32)
    grey = pixels_of(_filters.picture(weights_FCHW, 1.0))[-56:, -56:]  # 28 pixels for each weight
    assert grey[10::28, 10::28].ravel().tolist() == pytest.approx([0, 127.5, 191, 255], abs=2)


def test_filters_of_their_own_range_reach_from_black_to_white_each() -> None:
    weights_FCHW = np.random.default_rng(0).normal(size=(4, 1, 2, 2)) * np.array([1, 10, 100, 0]).reshape(4, 1, 1, 1)
    grey = pixels_of(_filters.picture(weights_FCHW.astype(np.float32), None))
    tops = [(13, 0), (13, 60), (13 + 56 + 4 + 13, 0), (13 + 56 + 4 + 13, 60)]
    ranges = [(grey[y : y + 56, x : x + 56].min(), grey[y : y + 56, x : x + 56].max()) for y, x in tops]
    assert ranges[:3] == [(0, 255)] * 3
    assert ranges[3][0] == ranges[3][1]


@pytest.mark.parametrize(("first", "last", "columns"), [(0, 6, 8), (0, 32, 5), (32, 40, 3), (0, 1, 1), (0, 2, 1)])
def test_blocks_cover_the_maps_in_order_in_whole_rows(first: int, last: int, columns: int) -> None:
    parts = blocks(first, last, columns)
    assert [k for begin, end in parts for k in range(begin, end)] == list(range(first, last))
    assert all((end - begin) % columns == 0 for begin, end in parts[:-1])
    assert len(parts) <= 2


@pytest.mark.parametrize("side", [1, 2, 8, 24, 60, 126, 500])
@pytest.mark.parametrize("num_images", [1, 2])
@pytest.mark.parametrize("pixels", [40, 72, 144])
def test_two_pictures_fit_beside_each_other(side: int, num_images: int, pixels: int) -> None:
    columns = columns_for(side, side, num_images, pixels)
    maps_BKhw = np.zeros((num_images, columns, side, side), np.float32)
    view = View("grey", False, pixels, 32)
    names = ("A: a", "B: b")[:num_images]
    png = draw(view, names, (0.0, 1.0), 0, columns, maps_BKhw)
    assert pixels_of(png).shape[1] <= 420


def test_a_download_holds_all_values_of_the_layer(look_inside: Open, weighted: Make) -> None:
    run = weighted(image_size=32)
    x_CHW = np.random.default_rng(0).integers(0, 256, (2, 1, 32, 32), dtype=np.uint8)
    pictures = [Shown(letter, "a", x) for letter, x in zip("AB", x_CHW, strict=True)]
    expected = tasks.look_at(run.id, 1, x_CHW).maps["conv2"]
    data = npy(_maps.whole_array((run.id, 1, _maps.digest(pictures), "conv2"), pictures))
    np.testing.assert_array_equal(np.load(io.BytesIO(data)), expected)


def test_numbers_are_those_of_each_map() -> None:
    maps_BKhw = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    table = numbers(maps_BKhw)
    assert list(table) == [f"{letter}: {what}" for letter in "AB" for what in ("lowest", "highest", "mean")]
    np.testing.assert_allclose(table["B: highest"], [map_hw.max() for map_hw in maps_BKhw[1]])
    np.testing.assert_allclose(table["A: mean"], [map_hw.mean() for map_hw in maps_BKhw[0]], rtol=1e-5)


@pytest.mark.parametrize(("common", "low", "high"), [(False, -1.0, 3.0), (True, -5.0, 5.0)])
def test_the_same_map_of_two_images_has_one_scale(common: bool, low: float, high: float) -> None:
    maps_BKhw = np.array([[[[-1.0, 1.0]]], [[[2.0, 3.0]]]], dtype=np.float32)
    grey = pixels_of(draw(View("grey", common, 40, 32), ("a", "b"), (-5.0, 5.0), 0, 1, maps_BKhw))
    middle_row = grey[-10]
    left, right = middle_row[[10, 30]], middle_row[[-30, -10]]
    expected = 255 * (maps_BKhw.reshape(2, 2) - low) / (high - low)
    np.testing.assert_allclose([left, right], expected, atol=2)
