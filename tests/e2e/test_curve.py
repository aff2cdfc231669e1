"""The live chart in a real browser: what its reader chose survives updates, and its values can be read exactly."""

from collections.abc import Callable
from typing import Any

import pytest
from harness import Server, Watch, screenshot, settle

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(serve_module: Any) -> Server:
    started: Server = serve_module("tests/e2e/apps/curve_app.py")
    return started


@pytest.fixture
def open_charts(server: Server, page: Any, watch: Watch) -> Open:
    def visit(query: str = "") -> Any:
        watch.allow(server.url)
        page.goto(f"{server.url}/?{query}")
        settle(page)
        page.locator(".curve[data-view]").nth(1).wait_for()
        page.wait_for_function("() => document.querySelectorAll('[data-testid=stBidiComponentIsolated]').length >= 4")
        return page.locator(".curve").first

    return visit


def data_of(chart: Any) -> dict[str, Any]:
    found: dict[str, Any] = chart.evaluate("e => JSON.parse(JSON.stringify(e.chart.data))")
    return found


def view_of(chart: Any) -> str:
    chart.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return str(chart.get_attribute("data-view"))


def updates_of(chart: Any) -> int:
    return int(chart.get_attribute("data-updates") or 0)


def wait_for_updates(page: Any, chart: Any, more: int) -> None:
    wanted = updates_of(chart) + more
    for _ in range(100):
        if updates_of(chart) >= wanted:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"no {more} more updates in 10 s")


def drag(page: Any, chart: Any, start: float, end: float) -> None:
    """Drag across the drawing, from one share of its width to another."""
    box = chart.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 110, steps=6)
    page.mouse.up()


def test_zoom_hidden_series_and_options_survive_updates_that_bring_new_data(open_charts: Open, page: Any) -> None:
    chart = open_charts("every=0.4&grow=150")
    drag(page, chart, 0.3, 0.6)
    chosen = view_of(chart)
    low, high = map(float, chosen.split(","))
    first, last = chart.evaluate("e => e.chart.full()")
    assert first < low < high < last
    chart.get_by_role("button", name="Validation").click()
    chart.get_by_role("button", name="Log").click()
    chart.get_by_role("slider").fill("0.9")
    node = chart.evaluate_handle("e => { e.mark = 1; return e; }")
    last = data_of(chart)["series"][0]["x"][-1]
    wait_for_updates(page, chart, 3)
    assert data_of(chart)["series"][0]["x"][-1] > last
    assert view_of(chart) == chosen
    assert chart.get_by_role("button", name="Validation").get_attribute("aria-pressed") == "false"
    assert chart.get_by_role("button", name="Log").get_attribute("aria-pressed") == "true"
    assert chart.get_by_role("slider").input_value() == "0.9"
    assert node.evaluate("e => e.isConnected && e.mark === 1")  # the same node: nothing was built anew
    chart.get_by_role("button", name="Reset").click()
    assert view_of(chart) == "all"


def test_without_a_zoom_the_chart_follows_the_newest_step(open_charts: Open, page: Any) -> None:
    chart = open_charts("every=0.4&grow=150")
    wait_for_updates(page, chart, 2)
    view_of(chart)
    end = chart.evaluate("e => [e.chart.scale.x1, e.chart.data.series[0].x.at(-1)]")
    assert end[0] == end[1]


def test_the_keyboard_reads_the_values_that_were_sent(open_charts: Open, page: Any) -> None:
    chart = open_charts("steps=2000")
    series = data_of(chart)["series"][1]
    chart.locator(".plot").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    said = chart.locator("[data-part=said]")
    assert said.inner_text() == f"Validation <b>x</b>: {series['y'][-1]}. Step 2,000, epoch 10"
    page.keyboard.press("ArrowLeft")
    assert said.inner_text() == f"Validation <b>x</b>: {series['y'][-2]}. Step 1,800, epoch 9"
    page.keyboard.press("Home")
    assert said.inner_text() == f"Validation <b>x</b>: {series['y'][0]}. Step 200, epoch 1"
    assert chart.locator(".tip").is_visible()
    page.keyboard.press("+")
    low, high = map(float, view_of(chart).split(","))
    assert low <= 200 <= high
    assert high - low == pytest.approx(1995 / 2, rel=0.02)
    page.keyboard.press("End")
    low, high = map(float, view_of(chart).split(","))
    assert low <= 2000 <= high, "the view follows the value"
    page.keyboard.press("0")
    assert view_of(chart) == "all"


def test_the_value_under_the_pointer_is_the_nearest_one(open_charts: Open, page: Any) -> None:
    chart = open_charts("steps=2000")
    series = data_of(chart)["series"][1]
    x, y = chart.evaluate(
        "e => { const s = e.chart.data.series[1]; return [e.chart.scale.toX(s.x[4]), e.chart.scale.toY(s.y[4])]; }"
    )
    box = chart.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + x + 1, box["y"] + y + 1)
    view_of(chart)
    near = chart.locator(".tip .near")
    assert near.inner_text().split() == ["Validation", "<b>x</b>", str(series["y"][4])]
    assert "Step 1,000, epoch 5" in chart.locator(".tip").inner_text()
    assert chart.locator("b").count() == 0


def test_a_logarithmic_axis_puts_powers_of_ten_at_even_distances(open_charts: Open) -> None:
    chart = open_charts()
    chart.get_by_role("button", name="Log").click()
    view_of(chart)
    at = chart.evaluate("e => [2, 1, 0.5].map(e.chart.scale.toY)")
    assert at[1] - at[0] == pytest.approx(at[2] - at[1])


def test_wheel_with_control_and_shift_drag_zoom_and_move_but_a_plain_wheel_does_not(
    open_charts: Open, page: Any
) -> None:
    chart = open_charts()
    box = chart.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.wheel(0, 120)
    assert view_of(chart) == "all"
    page.mouse.move(box["x"] + box["width"] / 2, chart.locator(".plot").bounding_box()["y"] + 100)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    low, high = map(float, view_of(chart).split(","))
    assert high - low < 3000
    page.keyboard.down("Shift")
    drag(page, chart, 0.5, 0.7)
    page.keyboard.up("Shift")
    moved_low, moved_high = map(float, view_of(chart).split(","))
    assert moved_low < low
    assert moved_high - moved_low == pytest.approx(high - low, abs=0.02)
    chart.locator(".plot").dblclick(position={"x": 200, "y": 100})
    assert view_of(chart) == "all"


def test_the_table_has_the_same_values_as_text(open_charts: Open) -> None:
    chart = open_charts("steps=2000")
    chart.locator("summary").click()
    series = data_of(chart)["series"]
    rows = chart.locator("tbody tr")
    rows.nth(9).wait_for()
    assert rows.count() == 10
    cells = rows.nth(9).locator("td").all_inner_texts()
    last = [value for step, value in zip(series[0]["x"], series[0]["y"], strict=True) if 1800 < step <= 2000]
    assert cells[:2] == ["10", "2,000"]
    assert float(cells[2]) == pytest.approx(sum(last) / len(last), rel=1e-4)
    assert float(cells[3]) == series[1]["y"][-1]
    assert "Validation <b>x</b>" in chart.locator("thead").inner_text()


def test_a_finger_moves_a_zoomed_view_and_scrolls_the_page(open_charts: Open, page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    chart = open_charts()
    for _ in range(2):
        chart.get_by_role("button", name="Zoom in").click()
    before = view_of(chart)
    box = chart.locator(".plot").bounding_box()
    fingers = page.context.new_cdp_session(page)

    def swipe(right: int, down: int) -> None:
        x, y = box["x"] + 150, box["y"] + 150
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for k in range(1, 9):
            point = {"x": x + right * k / 8, "y": y + down * k / 8}
            fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(80, 0)
    after = view_of(chart)
    assert float(after.split(",")[0]) < float(before.split(",")[0])
    swipe(0, -120)
    page.wait_for_function("() => document.querySelector('[data-testid=stMain]').scrollTop > 20")
    assert view_of(chart) == after


def test_an_update_after_100000_steps_is_small_and_an_unchanged_one_redraws_nothing(
    open_charts: Open, page: Any
) -> None:
    sizes: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sizes.append(len(frame))))
    chart = open_charts("steps=100000&grow=100&every=0.8")
    wait_for_updates(page, chart, 2)
    sizes.clear()
    first = updates_of(chart)
    wait_for_updates(page, chart, 4)
    assert sum(sizes) / (updates_of(chart) - first) <= 25_000
    chart = open_charts("steps=1000&grow=0&every=0.3")
    first = updates_of(chart)
    page.wait_for_timeout(1500)
    assert updates_of(chart) == first


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pictures_of_the_charts(open_charts: Open, page: Any, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    chart = open_charts()
    chart.locator("summary").click()
    other = page.locator(".curve").nth(1)
    other.get_by_role("button", name="Epochs").click()
    drag(page, other, 0.2, 0.5)
    chart.locator(".plot").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert screenshot(page, f"curve-{scheme}-{width}").stat().st_size > 20_000
    wide = chart.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    assert wide, "nothing sticks out sideways"


def test_a_new_theme_repaints_without_new_data(open_charts: Open, page: Any) -> None:
    chart = open_charts()
    drag(page, chart, 0.3, 0.6)
    kept, updates = view_of(chart), updates_of(chart)
    assert chart.evaluate("e => e.chart.theme.dark") is False
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.wait_for_function("() => document.querySelector('[data-testid=stApp]') && true")
    for _ in range(50):
        if chart.evaluate("e => e.chart.theme.dark"):
            break
        page.wait_for_timeout(100)
    assert chart.evaluate("e => e.chart.theme.dark") is True
    assert (view_of(chart), updates_of(chart)) == (kept, updates)
