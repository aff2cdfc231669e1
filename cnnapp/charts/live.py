"""The series of a live chart as plain, small data: what crosses to the browser at every update.

Letters: S steps (or groups of steps), E epochs. Nothing here is a picture; ``pages/_curve`` draws it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Quantity = Literal["loss", "accuracy"]
MAX_POINTS = 300  # of one series; more than a screen shows apart


@dataclass(frozen=True, eq=False)
class StepCurve:
    """A quantity of every optimiser step, or of groups of steps: each group's last step, lowest, highest and mean."""

    step_S: np.ndarray
    mean_S: np.ndarray
    low_S: np.ndarray | None = None  # None: each point is one step
    high_S: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class EpochCurve:
    """A quantity at the end of every epoch, at that epoch's last step."""

    name: str
    step_E: np.ndarray
    value_E: np.ndarray


def series_for_live(
    quantity: Quantity,
    *,
    steps: StepCurve | None = None,
    epochs: Sequence[EpochCurve] = (),
    steps_per_epoch: int = 0,
    marks: Mapping[int, str] | None = None,
    title: str | None = None,
) -> dict[str, Any]:
    """One chart's data: at most ``MAX_POINTS`` points a series, values rounded to five significant digits.

    Means of groups have four, and the ends of a group's band three. A series' ``dx`` are the differences of its steps,
    the first one counted from 0; where they are fewer than its values, the last one repeats.

    Args:
        quantity: "loss" in nats, "accuracy" from 0 to 1 (shown in per cent).
        steps: Training, step by step; more points than ``MAX_POINTS`` are grouped.
        epochs: For instance validation, and training over whole epochs; the first takes the second colour.
        steps_per_epoch: Turns a step into an epoch on the chart's axis; 0: unknown.
        marks: Step to a short text, for instance {3752: "best epoch 4"}.
    """
    series = []
    if steps is not None:
        series.append(_step_series(grouped(steps, MAX_POINTS)))
    for place, curve in enumerate(epochs, start=1):
        keep_E = thinned(len(curve.step_E), MAX_POINTS)
        series.append(
            {
                "name": curve.name,
                "kind": "epochs",
                "colour": place,
                "dx": _differences(np.asarray(curve.step_E)[keep_E]),
                "y": _rounded(np.asarray(curve.value_E)[keep_E], 5),
            }
        )
    return {
        "title": title or quantity.capitalize(),
        "format": "percent" if quantity == "accuracy" else "number",
        "limits": [0, 1] if quantity == "accuracy" else [0, None],
        "stepsPerEpoch": int(steps_per_epoch),
        "series": series,
        "marks": [{"step": int(step), "label": str(label)} for step, label in (marks or {}).items()],
    }


def grouped(curve: StepCurve, points: int) -> StepCurve:
    """The curve in at most ``points`` groups of neighbours; lowest, highest and mean ignore what is not finite."""
    count = len(curve.step_S)
    if count <= points:
        return curve
    size = math.ceil(count / points)  # groups of one size, but for the first
    starts = np.append(0, np.arange(count % size or size, count, size))
    ends = np.append(starts[1:], count)
    mean_S = np.asarray(curve.mean_S, dtype=np.float64)
    low_S = mean_S if curve.low_S is None else np.asarray(curve.low_S, dtype=np.float64)
    high_S = mean_S if curve.high_S is None else np.asarray(curve.high_S, dtype=np.float64)
    finite_S = np.isfinite(mean_S)
    number = np.add.reduceat(finite_S.astype(np.int64), starts)
    total = np.add.reduceat(np.where(finite_S, mean_S, 0), starts)
    return StepCurve(
        step_S=np.asarray(curve.step_S)[ends - 1],
        mean_S=np.where(number > 0, total / np.maximum(number, 1), np.nan),
        low_S=np.minimum.reduceat(np.where(np.isfinite(low_S), low_S, np.inf), starts),
        high_S=np.maximum.reduceat(np.where(np.isfinite(high_S), high_S, -np.inf), starts),
    )


def thinned(count: int, points: int) -> np.ndarray:
    """Indices of at most ``points`` of ``count`` items, evenly spaced, the last among them."""
    every = max(1, math.ceil(count / points))
    return np.arange((count - 1) % every, count, every) if count else np.arange(0)


def _step_series(curve: StepCurve) -> dict[str, Any]:
    is_band = curve.low_S is not None and curve.high_S is not None
    series: dict[str, Any] = {
        "name": "Training steps",  # always the same: what its reader hid is remembered by name
        "kind": "steps",
        "colour": 0,
        "dx": _differences(np.asarray(curve.step_S)),
        "y": _rounded(curve.mean_S, 4 if is_band else 5),
    }
    if curve.low_S is not None and curve.high_S is not None:
        series |= {"low": _rounded(curve.low_S, 3), "high": _rounded(curve.high_S, 3)}
    return series


def _differences(x: np.ndarray) -> list[int]:
    differences: list[int] = np.diff(x.astype(np.int64), prepend=0).tolist() if len(x) else []
    while len(differences) > 1 and differences[-1] == differences[-2]:
        differences.pop()
    return differences


def _rounded(values: np.ndarray, digits: int) -> list[float | int | None]:
    return [_short(value, digits) for value in np.asarray(values, dtype=np.float64).tolist()]


def _short(value: float, digits: int) -> float | int | None:
    if not math.isfinite(value):
        return None  # JSON has no other word for it; the chart leaves a hole
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
