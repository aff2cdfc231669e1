"""The figure that compares runs."""

import numpy as np
import pytest

from cnnapp.charts.colours import LINES_ON_DARK, LINES_ON_LIGHT
from cnnapp.charts.curves import RunCurve, as_text, overlay


def run(name: str = "run", epochs: int = 3, val: bool = True) -> RunCurve:
    epoch_E = np.arange(1, epochs + 1)
    values = 1 / epoch_E
    return RunCurve(name, epoch_E, 100 * epoch_E, 0.9 * values, values if val else None)


@pytest.mark.parametrize(("against", "x"), [("epoch", [1, 2, 3]), ("step", [100, 200, 300])])
def test_each_run_is_one_line_of_its_validation(against: str, x: list[int]) -> None:
    figure = overlay([run("a"), run("b")], "loss", against=against)  # type: ignore[arg-type]
    assert [trace.name for trace in figure.data] == ["a", "b"]
    for trace in figure.data:
        assert list(trace.x) == x
        np.testing.assert_allclose(trace.y, [1, 1 / 2, 1 / 3])
        assert "%{y:.5g}" in trace.hovertemplate
    assert figure.data[0].line.color != figure.data[1].line.color


def test_training_is_dotted_in_its_runs_colour_and_stands_in_where_there_is_no_validation() -> None:
    figure = overlay([run("a"), run("b", val=False)], "accuracy", train=True)
    assert [trace.name for trace in figure.data] == ["a", "a, training", "b, training"]
    assert figure.data[0].line.color == figure.data[1].line.color
    assert figure.data[1].line.dash == "dot"
    assert len(overlay([run("b", val=False)], "loss").data) == 1


def test_the_axis_can_be_logarithmic_and_colours_follow_the_theme() -> None:
    runs = [run(str(k)) for k in range(10)]
    light, dark = overlay(runs, "loss", log=True), overlay(runs, "loss", dark=True)
    assert light.layout.yaxis.type == "log"
    assert dark.layout.yaxis.type == "linear"
    assert tuple(trace.line.color for trace in light.data[:8]) == LINES_ON_LIGHT
    assert tuple(trace.line.color for trace in dark.data[:8]) == LINES_ON_DARK
    looks = {(trace.line.color, trace.line.dash) for trace in light.data}
    assert len(looks) == 10, "no two runs look the same"


def test_names_are_shown_letter_by_letter() -> None:
    assert as_text("<b>A</b> & <a href='x'>\nB") == "&lt;b&gt;A&lt;/b&gt; &amp; &lt;a href='x'&gt; B"
    assert len(as_text("x" * 200)) == 40
    (trace,) = overlay([run("<br>%{y}")], "loss").data
    assert trace.name == "&lt;br&gt;%{y}"
    assert "br&gt;" not in trace.hovertemplate, "a template would fill in what a name holds"


def test_times_are_needed_to_compare_by_time() -> None:
    with pytest.raises(ValueError, match="no times"):
        overlay([run("slow")], "loss", against="seconds")
