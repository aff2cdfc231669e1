"""Time in the browser, by its own clock: from what a user does to the frame that shows the answer."""

from typing import Any

from tests.e2e.harness import NOTHING_STALE, QUIET

SETTLED = f'(document.querySelector("{QUIET}") && ({NOTHING_STALE})())'
CHART_HAS_POINTS = """[...document.querySelectorAll("[data-testid=stMain] *")].some(
    element => element.shadowRoot?.querySelector(".curve .empty")?.hidden)"""
START = """([event, condition]) => {
    const isThere = new Function(`return Boolean(${condition})`);
    const watch = (window.stopwatch = {});
    const look = () => {
        if (!isThere()) requestAnimationFrame(look);
        else requestAnimationFrame(() => { watch.ended = performance.now(); });  // the next frame: this one is painted
    };
    document.addEventListener(event, () => {
        watch.began = performance.now();
        requestAnimationFrame(look);
    }, { capture: true, once: true });
}"""


def start(page: Any, event: str, condition: str) -> None:
    """Wait for the user's next ``event`` ("pointerdown", "change"), then for ``condition``, a JavaScript expression."""
    page.evaluate(START, [event, condition])


def read(page: Any, timeout: float = 60) -> tuple[float, float]:
    """When ``event`` was (in seconds since 1970), and the seconds from then to the frame after ``condition`` held."""
    page.wait_for_function("() => window.stopwatch.ended", timeout=1000 * timeout)
    began, ended, origin = page.evaluate("() => [stopwatch.began, stopwatch.ended, performance.timeOrigin]")
    return (origin + began) / 1000, (ended - began) / 1000
