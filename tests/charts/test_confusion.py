"""Figures of a confusion matrix against scikit-learn's, and the heat map's cells against the matrix."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from cnnapp.charts.confusion import clicked_cell, heat_map_option, normalise_rows, per_class


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_figures_are_those_of_scikit_learn(num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    true, called = rng.integers(0, num_classes, (2, 400))
    matrix = confusion_matrix(true, called, labels=range(num_classes))
    found = per_class(matrix)
    precision, recall, f1, support = precision_recall_fscore_support(true, called, labels=range(num_classes))
    np.testing.assert_allclose(found.precision_K, precision)
    np.testing.assert_allclose(found.recall_K, recall)
    np.testing.assert_allclose(found.f1_K, f1)
    np.testing.assert_array_equal(found.support_K, support)
    assert found.accuracy == pytest.approx(accuracy_score(true, called))
    for k in range(num_classes):
        assert found.accuracy_K[k] == pytest.approx(accuracy_score(true == k, called == k))


def test_nothing_divided_by_nothing_is_not_a_number() -> None:
    found = per_class(np.array([[3, 1, 0], [0, 0, 0], [2, 0, 0]]))
    np.testing.assert_allclose(found.precision_K, [3 / 5, 0, np.nan])
    np.testing.assert_allclose(found.recall_K, [3 / 4, np.nan, 0])
    np.testing.assert_allclose(found.f1_K, [6 / 9, 0, 0])
    empty = per_class(np.zeros((2, 2)))
    assert np.isnan([*empty.f1_K, *empty.accuracy_K, empty.accuracy]).all()


def test_rows_become_shares() -> None:
    np.testing.assert_allclose(normalise_rows(np.array([[1, 3], [0, 0]])), [[0.25, 0.75], [np.nan, np.nan]])


@pytest.mark.parametrize("wrong", [np.zeros((2, 3)), np.zeros(4), np.array([[1, -1], [0, 0]])])
def test_what_is_no_matrix_of_counts_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="confusion matrix"):
        per_class(wrong)


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("num_classes", [3, 20])
def test_every_cell_of_the_heat_map_is_at_its_place_and_clicks_name_it(num_classes: int, by_row: bool) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (num_classes, num_classes))
    counts[1] = 0
    option = heat_map_option(counts, [f"class {k}" for k in range(num_classes)], by_row)
    (series,) = option["series"]
    shares = normalise_rows(counts)
    assert option["yAxis"]["inverse"] is True
    for index, cell in enumerate(series["data"]):
        column, row, value = cell["value"]
        group = {"series_index": 0, "data_indices": [index]}
        assert clicked_cell({"selection": {"selected": [group], "areas": []}}, num_classes) == (row, column)
        expected = np.nan_to_num(100 * shares[row, column]) if by_row else counts[row, column]
        assert value == pytest.approx(expected, abs=0.051)
    assert series["label"]["show"] is (num_classes <= 15)
    json.dumps(option, allow_nan=False)


@pytest.mark.parametrize(
    "nothing",
    [None, {}, {"selection": {"selected": [], "areas": []}}, {"selection": {"selected": [{"data_indices": [9]}]}}],
)
def test_no_cell_or_one_of_a_larger_matrix_is_none(nothing: object) -> None:
    assert clicked_cell(nothing, 3) is None


def test_class_names_cannot_become_markup() -> None:
    names = ["<img src=x onerror=alert(1)>", "{a|x} {b}", "two\nlines", "x" * 100]
    option = heat_map_option(np.eye(4, dtype=int), names)
    shown = option["xAxis"]["data"]
    assert option["tooltip"]["renderMode"] == "richText", "tooltips are drawn, not HTML"
    assert all(len(name) <= 18 and "\n" not in name for name in shown)
    assert not any(letter in "".join(shown) for letter in "{}|")
    assert not any(letter in cell["name"] for cell in option["series"][0]["data"] for letter in "{}|")
    with pytest.raises(ValueError, match="4 classes"):
        heat_map_option(np.eye(4, dtype=int), names[:2])


def test_a_matrix_of_100_classes_stays_small() -> None:
    counts = 100 * np.eye(100, dtype=int)
    option = heat_map_option(counts, [f"class {k}" for k in range(100)])
    assert len(json.dumps(option)) < 350_000
