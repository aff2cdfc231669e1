"""A visitor's way through the whole dashboard, in a real browser, on real images where there are some."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from harness import Server, Watch, free_port, screenshot, settle, start_server

from cnnapp.launching.identity import is_alive
from cnnapp.launching.local import read_record
from cnnapp.store import Store, open_store
from tests.conftest import SHARED_DATA
from tests.launching.helpers import wait_until

SECONDS = 60_000  # ms, for a machine that is busy
HEAVY = ("libtorch", "torchvision", "sklearn")


class Lab:
    """A home, its dashboard at one address, and the run under way."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder, self.port = home, folder, free_port()
        self.server: Server | None = None
        self.run_id = ""

    def start(self) -> Server:
        data = {"CNNAPP_DATA": str(SHARED_DATA)} if SHARED_DATA else {}
        env = {"CNNAPP_HOME": str(self.home), "CNNAPP_RESUME_SECONDS": "1", "CNNAPP_THREADS": "1", **data}
        self.server = start_server("app.py", self.folder / "server.log", env, port=self.port)
        return self.server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Store:
        return open_store(self.home)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tests of this file are one story, in their order."""
    lab = Lab(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("server"))
    lab.start()
    yield lab
    assert lab.server is not None
    lab.server.stop()
    record = read_record(lab.home)
    if record and is_alive(record["pid"], record["created"]):
        os.kill(record["pid"], signal.SIGTERM)
    text = lab.server.log_text()
    assert "Traceback" not in text, text[-3000:]


def visit(page: Any, watch: Watch, lab: Lab, address: str) -> None:
    watch.allow(lab.url)
    page.goto(lab.url + address)
    settle(page, SECONDS)


def set_number(page: Any, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    settle(page, SECONDS)


def choose(page: Any, label: str, option: str) -> None:
    """In a select box; opened again if the page was drawn anew just then."""
    listed = page.get_by_role("option", name=option, exact=True)

    def opened() -> bool:
        page.get_by_role("combobox", name=label).click()
        page.wait_for_timeout(300)
        return bool(listed.count())

    wait_until(opened, f"the options of {label}")
    listed.click()
    settle(page, SECONDS)


def points(page: Any) -> int:
    """How often the loss chart has got new data."""
    return int(page.locator("[data-updates]").first.get_attribute("data-updates") or 0)


def test_the_first_request_of_a_server_may_be_a_deep_link(lab: Lab, page: Any, watch: Watch) -> None:
    visit(page, watch, lab, "/runs")
    assert page.title() == "Runs" or "CNN Lab" in page.title()
    page.get_by_text("There are no runs yet").wait_for()
    names = page.get_by_test_id("stSidebarNavLink").all_inner_texts()
    assert [name.split("\n")[-1] for name in names] == ["Home", "Train", "Mistakes", "Look inside", "Runs"]


def test_home_offers_presets_and_the_form_says_at_once_what_does_not_fit(lab: Lab, page: Any, watch: Watch) -> None:
    visit(page, watch, lab, "/")
    for title in ("LeNet on Fashion-MNIST, as in the course", "ConvNet with 3 convolutions", "Digits in ten seconds"):
        page.get_by_role("heading", name=title).wait_for()
    page.get_by_text("This machine").wait_for()
    visit(page, watch, lab, "/train")
    choose(page, "Network", "ConvNet")
    set_number(page, "Image size", "28")
    depth = page.get_by_label("Depth", exact=True)
    depth.fill("5")
    depth.press("Enter")
    page.get_by_text("use at most 3 convolutions").wait_for(timeout=SECONDS)
    assert page.get_by_role("button", name="Train", exact=True).is_disabled()


def test_a_double_click_on_train_makes_one_run_whose_curve_moves(lab: Lab, page: Any, watch: Watch) -> None:
    visit(page, watch, lab, "/train?preset=" + ("lenet-fashion-mnist" if SHARED_DATA else "digits-quick"))
    set_number(page, "Epochs", "8")
    if SHARED_DATA:
        set_number(page, "Subset", "12000")
        page.get_by_role("group", name="Validation share").get_by_role("slider").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        settle(page, SECONDS)
        choose(page, "Optimiser", "adam")
    page.get_by_role("button", name="Train", exact=True).dblclick()
    page.wait_for_url("**/train?run=*", timeout=SECONDS)
    page.get_by_role("button", name="Stop").wait_for(timeout=SECONDS)
    (run,) = lab.store.runs()
    lab.run_id = run.id
    page.locator("[data-updates]").first.wait_for(timeout=SECONDS)
    before = points(page)
    wait_until(lambda: page.wait_for_timeout(100) or points(page) > before + 1, "points to appear")
    screenshot(page, "main-live")


def test_pause_and_resume(lab: Lab, page: Any, watch: Watch) -> None:
    visit(page, watch, lab, f"/train?run={lab.run_id}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for(timeout=SECONDS)
    paused = lab.store.run(lab.run_id)
    assert paused.state == "paused"
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for(timeout=SECONDS)
    wait_until(lambda: lab.store.run(lab.run_id).step > paused.step, "steps after the pause")


def test_a_killed_dashboard_comes_back_to_the_run_that_went_on(lab: Lab, page: Any, watch: Watch) -> None:
    assert lab.server is not None
    lab.server.stop(signal.SIGKILL)
    before = lab.store.run(lab.run_id)
    wait_until(lambda: lab.store.run(lab.run_id).step > before.step or lab.store.run(lab.run_id).is_over, "the run")
    lab.start()
    visit(page, watch, lab, f"/train?run={lab.run_id}")
    page.get_by_role("heading", name="LeNet on").wait_for(timeout=SECONDS)
    page.get_by_text("images that were not used before").wait_for(timeout=2 * SECONDS)
    run = lab.store.run(lab.run_id)
    assert run.state == "finished"
    assert lab.store.steps(run.id).num_steps == run.num_steps


def test_mistakes_shows_the_matrix_of_any_epoch_and_reports_a_click(lab: Lab, page: Any, watch: Watch) -> None:
    visit(page, watch, lab, f"/mistakes?run={lab.run_id}")
    chart = page.get_by_test_id("stEChartsChart").locator("canvas").first
    chart.wait_for(timeout=SECONDS)
    box = chart.bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])
    page.get_by_text("images of").first.wait_for(timeout=SECONDS)
    visit(page, watch, lab, f"/mistakes?run={lab.run_id}&epoch=2")
    page.get_by_text("epoch 2").first.wait_for(timeout=SECONDS)
    page.get_by_text("Test", exact=True).first.click()
    settle(page, SECONDS)


def test_look_inside_compares_two_uploaded_images(lab: Lab, page: Any, watch: Watch, tmp_path: Path) -> None:
    visit(page, watch, lab, f"/look_inside?run={lab.run_id}")
    page.get_by_text("Upload", exact=True).first.click()
    settle(page, SECONDS)
    page.locator("input[type=file]").set_input_files([str(path) for path in two_images(tmp_path)])
    page.get_by_text("conv2").first.wait_for(timeout=SECONDS)
    settle(page, SECONDS)
    described = [image.get_attribute("alt") or "" for image in page.locator("[data-testid=stMain] img").all()]
    for layer in ("conv1", "conv2"):
        assert any(layer in alt for alt in described), described
    screenshot(page, "main-look-inside")


def two_images(folder: Path) -> list[Path]:
    if SHARED_DATA:
        return [SHARED_DATA / "images" / "tabby_cat.jpg", SHARED_DATA / "images" / "odd_exif_rotated_6.jpg"]
    from PIL import Image

    paths = [folder / "a.png", folder / "b.png"]
    for path, shade in zip(paths, (40, 200), strict=True):
        Image.new("L", (20, 30), shade).save(path)
    return paths


def test_runs_are_renamed_trained_again_and_deleted_only_when_sure(lab: Lab, page: Any, watch: Watch) -> None:
    visit(page, watch, lab, f"/runs?runs={lab.run_id}")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name", exact=True).fill("**my** <b>run</b>")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    wait_until(lambda: lab.store.run(lab.run_id).name == "**my** <b>run</b>", "the new name")
    settle(page, SECONDS)
    page.get_by_role("link", name="Train again with changes").click()
    page.wait_for_url("**/train?from=*", timeout=SECONDS)
    page.get_by_text("Starting from **my** <b>run</b>.").wait_for(timeout=SECONDS)
    visit(page, watch, lab, f"/runs?runs={lab.run_id}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep").click()
    settle(page, SECONDS)
    assert lab.store.find(lab.run_id) is not None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_has_its_picture_taken_wide_and_narrow(lab: Lab, page: Any, watch: Watch, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for name, address in {
        "home": "/",
        "train": "/train?preset=lenet-fashion-mnist",
        "live": f"/train?run={lab.run_id}",
        "mistakes": f"/mistakes?run={lab.run_id}",
        "look_inside": f"/look_inside?run={lab.run_id}",
        "runs": f"/runs?runs={lab.run_id}",
    }.items():
        page.set_viewport_size({"width": 1280, "height": 900})
        visit(page, watch, lab, address)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            settle(page, SECONDS)
            picture = screenshot(page, f"page-{name}-{scheme}-{width}")
            assert picture.stat().st_size > 10_000
            main = page.get_by_test_id("stMain")
            assert main.evaluate("e => e.scrollWidth - e.clientWidth") <= 1, f"{name} is wider than {width}"


def test_the_dashboards_process_has_loaded_nothing_heavy(lab: Lab) -> None:
    assert lab.server is not None
    maps = Path(f"/proc/{lab.server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("only Linux says what a process has loaded")
    text = maps.read_text()
    assert "pandas" in text, "the check itself"
    assert [name for name in HEAVY if name in text] == []
