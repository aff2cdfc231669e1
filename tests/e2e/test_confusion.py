"""What only a browser can show about the confusion matrix: that a click on a cell names that cell."""

from typing import Any

import pytest
from harness import Server, Watch, screenshot, settle


@pytest.fixture(scope="module")
def server(serve_module: Any) -> Server:
    started: Server = serve_module("tests/e2e/apps/confusion_app.py")
    return started


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_click_on_a_cell_names_its_true_and_predicted_class(
    server: Server, page: Any, watch: Watch, scheme: str
) -> None:
    watch.allow(server.url)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(server.url)
    settle(page)
    page.get_by_text("cell None").wait_for()
    canvas = page.get_by_test_id("stEChartsChart").locator("canvas").first
    canvas.wait_for()
    box = canvas.bounding_box()
    seen = set()
    for share_y in (0.1, 0.5):
        for share_x in (0.45, 0.9):
            page.mouse.click(box["x"] + share_x * box["width"], box["y"] + share_y * box["height"])
            page.wait_for_timeout(300)
            settle(page)
            seen.add(page.get_by_text("cell (").inner_text())
    screenshot(page, f"confusion-{scheme}")
    assert seen == {"cell (0, 1)", "cell (0, 3)", "cell (2, 1)", "cell (2, 3)"}, seen
    assert page.locator("img[src=x]").count() == 0
