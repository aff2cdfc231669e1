"""What is sent to a live chart: small, and true to the numbers it stands for."""

import json

import numpy as np
import pytest

from cnnapp.charts.live import MAX_POINTS, EpochCurve, StepCurve, grouped, series_for_live, thinned


def positions(series: dict[str, list[int]]) -> list[int]:
    """Undo the differences as the documentation says."""
    dx = series["dx"]
    full = dx + dx[-1:] * (len(series["y"]) - len(dx))
    return list(np.cumsum(full))


def test_short_series_are_sent_step_by_step_with_five_digits() -> None:
    data = series_for_live("loss", steps=StepCurve(np.arange(1, 4), np.array([2.302585, np.nan, 1.0])))
    (series,) = data["series"]
    assert positions(series) == [1, 2, 3]
    assert series["y"] == [2.3026, None, 1]
    assert "low" not in series
    assert (data["title"], data["format"], data["limits"]) == ("Loss", "number", [0, None])


def test_long_series_become_groups_whose_ends_and_means_are_those_of_their_steps() -> None:
    count = 10_007
    values_S = np.random.default_rng(1).normal(size=count)
    values_S[5] = np.inf
    found = grouped(StepCurve(np.arange(1, count + 1), values_S), MAX_POINTS)
    assert found.low_S is not None
    assert found.high_S is not None
    assert len(found.step_S) <= MAX_POINTS
    assert found.step_S[-1] == count
    begin = 0
    for k, end in enumerate(found.step_S):
        part = values_S[begin:end]
        part = part[np.isfinite(part)]
        assert found.mean_S[k] == pytest.approx(part.mean())
        assert (found.low_S[k], found.high_S[k]) == (part.min(), part.max())
        begin = int(end)


def test_groups_of_groups_keep_the_lowest_and_highest() -> None:
    step_S = np.arange(1000) * 7 + 7
    low_S, high_S = -np.arange(1000.0), np.arange(1000.0)
    found = grouped(StepCurve(step_S, np.zeros(1000), low_S, high_S), 100)
    assert found.low_S is not None
    assert found.high_S is not None
    assert found.low_S[-1] == -999
    assert found.high_S[-1] == 999
    assert list(found.step_S) == list(step_S[9::10])


@pytest.mark.parametrize("count", [0, 1, 299, 300, 301, 1000])
def test_thinning_keeps_the_last_and_at_most_so_many(count: int) -> None:
    kept = thinned(count, 300)
    assert len(kept) == len(set(kept)) <= 300
    assert len(kept) >= min(count, 150)
    assert count == 0 or kept[-1] == count - 1


@pytest.mark.parametrize("num_epochs", [106, 500])
def test_both_charts_of_100000_steps_take_less_than_23_kilobytes(num_epochs: int) -> None:
    rng = np.random.default_rng(0)
    step_S = np.arange(1, 100_001)
    per_epoch = len(step_S) // num_epochs
    step_E = np.arange(1, num_epochs + 1) * per_epoch
    size = 0
    for quantity in ("loss", "accuracy"):
        data = series_for_live(
            quantity,
            steps=StepCurve(step_S, rng.random(len(step_S))),
            epochs=[EpochCurve(name, step_E, rng.random(num_epochs)) for name in ("Validation", "Training")],
            steps_per_epoch=per_epoch,
        )
        assert positions(data["series"][1])[-1] == step_E[-1]
        assert data["series"][0]["dx"][-1] == 334
        size += len(json.dumps(data, separators=(",", ":"), allow_nan=False))
    assert size < 23_000


def test_without_any_value_there_is_an_empty_chart() -> None:
    data = series_for_live("accuracy", steps=StepCurve(np.array([]), np.array([])), marks={7: "best epoch 1"})
    assert data["series"][0]["dx"] == data["series"][0]["y"] == []
    assert data["marks"] == [{"step": 7, "label": "best epoch 1"}]
    assert data["format"] == "percent"
