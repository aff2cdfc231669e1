"""Curves of several runs in one Plotly figure, for comparing. A chart that ticks is drawn by ``pages/_curve``."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from cnnapp.charts.colours import lines
from cnnapp.charts.live import Quantity

Against = Literal["epoch", "step", "seconds"]
_DASHES = ("solid", "dash", "dot", "dashdot")
_LONGEST_NAME = 40


@dataclass(frozen=True, eq=False)
class RunCurve:
    """One run's quantity over its epochs; ``train_E`` or ``val_E`` may be None."""

    name: str
    epoch_E: np.ndarray
    step_E: np.ndarray
    train_E: np.ndarray | None
    val_E: np.ndarray | None
    seconds_E: np.ndarray | None = None  # training time until the end of each epoch


def overlay(
    runs: Sequence[RunCurve],
    quantity: Quantity,
    *,
    against: Against = "epoch",
    log: bool = False,
    train: bool = False,
    dark: bool = False,
) -> go.Figure:
    """Lines of several runs: validation with points, training (if asked for) thin and dotted in the same colour.

    Colours are those of Okabe and Ito; beyond as many runs as colours, the dash changes too, and so does the marker.
    Run names are shown as text: Plotly would otherwise read tags in them.
    """
    figure = go.Figure()
    palette = lines(dark)
    for place, run in enumerate(runs):
        colour, turn = palette[place % len(palette)], place // len(palette)
        if run.val_E is not None:
            line = {"color": colour, "width": 2, "dash": _DASHES[turn % len(_DASHES)]}
            figure.add_trace(_line(run, run.val_E, quantity, against, line, place, "validation"))
        if run.train_E is not None and (train or run.val_E is None):
            line = {"color": colour, "width": 1, "dash": "dot"}
            figure.add_trace(_line(run, run.train_E, quantity, against, line, place, "training"))
    _lay_out(figure, quantity, against, log, dark)
    return figure


def as_text(name: str) -> str:
    """``name`` so that Plotly shows it letter by letter: no tags, no entities, one line, of limited length."""
    line = " ".join(str(name).split())
    line = line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"
    return html.escape(line, quote=False)


def _line(
    run: RunCurve, y_E: np.ndarray, quantity: Quantity, against: Against, line: dict[str, object], place: int, part: str
) -> go.Scatter:
    x_E = {"epoch": run.epoch_E, "step": run.step_E, "seconds": run.seconds_E}[against]
    if x_E is None:
        raise ValueError(f"run {run.name!r} has no times: seconds_E is None")
    value = "%{y:.2%}" if quantity == "accuracy" else "%{y:.5g}"
    return go.Scatter(
        x=np.asarray(x_E),
        y=np.asarray(y_E, dtype=np.float64),
        name=f"{as_text(run.name)}, {part}" if part == "training" else as_text(run.name),
        legendgroup=str(place),
        mode="lines+markers" if part == "validation" else "lines",
        line=line,
        marker={"symbol": place % 8, "size": 6},
        customdata=np.stack([run.epoch_E, run.step_E], axis=1),
        hovertemplate=f"{part} {quantity} {value}<br>epoch %{{customdata[0]}}, step %{{customdata[1]:,}}"
        "<extra>%{fullData.name}</extra>",
    )


def _lay_out(figure: go.Figure, quantity: Quantity, against: Against, log: bool, dark: bool) -> None:
    text, grid = ("#e6e6e6", "rgba(200,200,200,0.18)") if dark else ("#262730", "rgba(49,51,63,0.14)")
    axis = {"gridcolor": grid, "zeroline": False, "linecolor": grid, "tickfont": {"color": text}}
    titles = {"epoch": "Epoch", "step": "Step", "seconds": "Seconds of training"}
    figure.update_layout(
        xaxis={**axis, "title": {"text": titles[against]}, "tickformat": "~s" if against == "step" else ""},
        yaxis={
            **axis,
            "title": {"text": "Loss (nats)" if quantity == "loss" else "Accuracy"},
            "type": "log" if log else "linear",
            "tickformat": ".0%" if quantity == "accuracy" else "",
            **_limits(quantity, log),
        },
        font={"color": text},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0},
        margin={"l": 56, "r": 12, "t": 12, "b": 40},
        hovermode="closest",
        showlegend=True,
    )


def _limits(quantity: Quantity, log: bool) -> dict[str, float]:
    """No axis reaches where no value can be, as it else does around a flat line; a little room is for the markers."""
    if log:
        return {}
    return {"minallowed": -0.02, "maxallowed": 1.02} if quantity == "accuracy" else {"minallowed": 0}
