"""The live chart's arithmetic (ticks, smoothing, searching), run by node where there is one."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NODE = shutil.which("node")
NUMBERS = Path(__file__).resolve().parents[2] / "pages" / "_curve" / "numbers.js"

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node to run JavaScript with")


def js(expression: str) -> Any:
    script = NUMBERS.read_text() + f"\nconsole.log(JSON.stringify({expression}));"
    done = subprocess.run(
        [str(NODE), "--input-type=module"], input=script, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def test_ticks_are_round_and_inside() -> None:
    found = js(
        "[ticks(0, 1, 5), ticks(1, 100000, 6, true), ticks(0.3, 0.31, 4), ticks(1, 3, 10, true), ticks(2, 2, 5)]"
    )
    assert found[0] == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert found[1] == [20000, 40000, 60000, 80000, 100000]
    assert found[2] == [0.3, 0.302, 0.304, 0.306, 0.308, 0.31]
    assert found[3] == [1, 2, 3]
    assert found[4] == [2]


def test_logarithmic_ticks_are_powers_of_ten_or_their_parts() -> None:
    found = js("[logTicks(0.001, 1000, 5), logTicks(0.5, 12, 6), logTicks(2, 2.4, 4), logTicks(0, 1, 5)]")
    assert set(found[0]) <= {10.0**k for k in range(-3, 4)}
    assert len(found[0]) >= 2
    assert found[1] == [0.5, 1, 2, 5, 10]
    assert all(2 <= value <= 2.4 for value in found[2])
    assert len(found[2]) >= 2
    assert found[3] == []


def test_numbers_are_written_short_but_told_apart() -> None:
    pairs = [(100000, 20000), (1500, 500), (12500, 500), (2e6, 1e6), (0.25, 0.05), (0, 0.2), (0.3, 0.1), (1e-6, 1e-6)]
    found = js(f"{json.dumps(pairs)}.map(([v, s]) => tickLabel(v, s))")
    assert found == ["100k", "1500", "12.5k", "2M", "0.25", "0.0", "0.3", "1e-6"]
    assert js("[valueText(0.123456), valueText(0.84375, 'percent'), valueText(null), wholeText(1234567)]") == [
        "0.12346",
        "84.375 %",
        "–",
        "1,234,567",
    ]


def test_smoothing_is_a_bias_corrected_moving_average() -> None:
    values, weight = [3.0, 1.0, 4.0, 1.0, 5.0], 0.7
    expected = []
    for end in range(1, len(values) + 1):  # the closed form: weights decay with age and are normalised
        weights = weight ** np.arange(end)[::-1]
        expected.append(float((weights * values[:end]).sum() / weights.sum()))
    assert js(f"smooth({values}, {weight})") == pytest.approx(expected)
    assert js(f"smooth({values}, 0)") == values
    assert js("smooth([1, null, 1], 0.9)") == pytest.approx([1, None, 1])


def test_the_nearest_of_sorted_positions_is_found() -> None:
    rng = np.random.default_rng(3)
    xs = np.unique(rng.integers(0, 1000, 60)).tolist()
    wanted = rng.uniform(-50, 1050, 100).round(3).tolist()
    expected = [int(np.abs(np.array(xs) - at).argmin()) for at in wanted]
    assert js(f"{wanted}.map((at) => nearest({xs}, at))") == expected
    assert js("nearest([], 3)") == -1


def test_zooming_and_moving_stay_within_the_data() -> None:
    found = js(
        "[zoomed(null, [0, 100], 0.5, 30), zoomed([40, 60], [0, 100], 10, 50), moved([40, 60], [0, 100], 1000),"
        " zoomed([0, 10], [0, 100], 2, 0), moved(null, [0, 100], 5), undoDifferences([200, 100], 4)]"
    )
    assert found == [[15, 65], None, [80, 100], [0, 20], None, [200, 300, 400, 500]]


def test_the_value_range_ignores_what_is_outside_or_cannot_be_drawn() -> None:
    lists = "[{x: [1, 2, 3, 9], values: [1, null, 3, 500]}]"
    low, high = js(f"valueRange({lists}, 1, 3, false, [0, null])")
    assert (low, high) == pytest.approx((0.9, 3.1))
    low, high = js("valueRange([{x: [1, 2], values: [-1, 10]}], 1, 2, true, null)")
    assert 0 < low < 10 < high
    assert js("valueRange([], 0, 1, false, null)") == [0, 1]
    assert js("valueRange([{x: [1], values: [1]}], 0, 2, false, [0, 1])") == pytest.approx([0.95, 1])


def test_values_that_differ_by_rounding_only_get_an_axis_with_ticks() -> None:
    """Smoothing a run's first value may change its last bit; between the two no tick can be found, however long."""
    values = [number / 64 for number in range(1, 65)]
    lists = "[{ x: [1, 2], values: smooth([y, y], 0.6) }, { x: [1, 2], values: [y, y] }]"
    ranges = js(f"{values}.map((y) => valueRange({lists}, 0.5, 2.5, false, [0, 1]))")
    for value, (low, high) in zip(values, ranges, strict=True):
        assert low < value <= high
        assert high - low > 0.04 * value
    assert all(2 <= len(found) <= 11 for found in js(f"{ranges}.map(([low, high]) => ticks(low, high, 5))"))
    assert js("ticks(0.09375, 0.09375000000000001, 5)") == [0.09375]
    assert all(low < high for low, high in js(f"{values}.map((y) => valueRange({lists}, 0.5, 2.5, true, [0, 1]))"))
