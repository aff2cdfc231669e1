"""A confusion matrix in figures and as a heat map whose cells can be clicked.

Letters: K classes; a matrix's row is the true class and its column the predicted one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_LABELLED = 15  # classes up to which a cell has room for its number
_LONGEST_NAME = 18


@dataclass(frozen=True, eq=False)
class PerClass:
    """Figures of each class; NaN where a figure is 0/0 (shown as a dash)."""

    precision_K: np.ndarray  # of the images called k, the share that is k
    recall_K: np.ndarray  # of the images of k, the share called k: the accuracy within the class
    f1_K: np.ndarray  # harmonic mean of the two
    accuracy_K: np.ndarray  # one class against the rest: the share of all images rightly called "k" or "not k"
    support_K: np.ndarray  # int64, images of k
    accuracy: float  # share of all images called by their class; NaN without images


def per_class(confusion_KK: np.ndarray) -> PerClass:
    """Precision, recall, F1, one-against-rest accuracy and support of each class.

    Precision is 0/0 for a class that was never predicted, recall for one without images, F1 only for one with neither.

    Raises:
        ValueError: the matrix is not square, or holds a negative count.
    """
    counts_KK = _checked(confusion_KK)
    hit_K, true_K, called_K = counts_KK.diagonal(), counts_KK.sum(axis=1), counts_KK.sum(axis=0)
    total = counts_KK.sum()
    return PerClass(
        precision_K=_ratio(hit_K, called_K),
        recall_K=_ratio(hit_K, true_K),
        f1_K=_ratio(2 * hit_K, true_K + called_K),
        accuracy_K=_ratio(total - true_K - called_K + 2 * hit_K, np.full_like(hit_K, total)),
        support_K=true_K,
        accuracy=float(_ratio(hit_K.sum(), total)),
    )


def normalise_rows(confusion_KK: np.ndarray) -> np.ndarray:
    """Each row as shares of that true class's images, 0 to 1; NaN for a class without images."""
    counts_KK = _checked(confusion_KK)
    return _ratio(counts_KK, counts_KK.sum(axis=1, keepdims=True))


def heat_map_option(
    confusion_KK: np.ndarray, classes: Sequence[str], by_row: bool = False, dark: bool = False
) -> dict[str, Any]:
    """ECharts option of the matrix as one heat map, true classes from top to bottom, for ``st.echarts_chart``.

    A cell can be selected (``clicked_cell`` says which). Class names are drawn on canvas, never taken for HTML.

    Args:
        confusion_KK: Counts.
        classes: K names, shown as text.
        by_row: Colour and label by share of the true class instead of by count.
        dark: Whether the page is dark; the scale then starts dark.
    """
    counts_KK = _checked(confusion_KK)
    num_classes = len(counts_KK)
    if len(classes) != num_classes:
        raise ValueError(f"a matrix of {num_classes} classes needs as many names, not {len(classes)}")
    names = [_shown(name) for name in classes]
    highest = 100.0 if by_row else float(max(1, counts_KK.max(initial=0)))
    scale = _scale(dark)
    axis = {"type": "category", "data": names, "nameLocation": "middle", "splitArea": {"show": False}}
    return {
        "animation": False,
        "tooltip": {"renderMode": "richText", "confine": True, "formatter": "{b}"},
        "grid": {"left": 24, "right": 8, "top": 8, "bottom": 66, "containLabel": True},
        "xAxis": {
            **axis,
            "name": "Predicted class",
            "nameGap": _room(names, 0.7),
            "axisLabel": _axis_label(num_classes, 45),
        },
        "yAxis": {
            **axis,
            "name": "True class",
            "nameGap": _room(names, 1),
            "inverse": True,
            "axisLabel": _axis_label(num_classes, 0),
        },
        "visualMap": _visual_map(highest, scale, by_row),
        "series": [
            {
                "type": "heatmap",
                "id": "confusion",
                "name": "Validation images",
                "selectedMode": "single",
                "select": {"itemStyle": {"borderColor": "#ff9e4a" if dark else "#d55e00", "borderWidth": 3}},
                "emphasis": {"itemStyle": {"borderColor": "#888888", "borderWidth": 2}},
                "progressive": 0,
                "label": {"show": num_classes <= MOST_LABELLED, "fontSize": 11, "formatter": "{@[2]}"},
                "data": _cells(counts_KK, by_row, names, highest, dark),
            }
        ],
    }


def clicked_cell(selection: object, num_classes: int) -> tuple[int, int] | None:
    """The (true, predicted) class of the cell that ``st.echarts_chart(..., on_select=...)`` reports; None without one.

    ``selection`` is what the chart returned. A selection outlives a change of the data, so that an index beyond a
    matrix of ``num_classes`` is no cell.
    """
    state = selection.get("selection", selection) if isinstance(selection, Mapping) else None
    groups = state.get("selected", ()) if isinstance(state, Mapping) else ()
    for group in groups:
        for index in group.get("data_indices", ()):
            if isinstance(index, int) and 0 <= index < num_classes**2:
                return divmod(index, num_classes)
    return None


def _checked(confusion_KK: np.ndarray) -> np.ndarray:
    counts_KK = np.asarray(confusion_KK)
    if counts_KK.ndim != 2 or counts_KK.shape[0] != counts_KK.shape[1]:
        raise ValueError(f"a confusion matrix is square, not {counts_KK.shape}")
    if (counts_KK < 0).any():
        raise ValueError("a confusion matrix holds counts, none below 0")
    return counts_KK.astype(np.int64)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.true_divide(above, below))


def _shown(name: str) -> str:
    """One line of limited length: a name is a user's, and ECharts reads braces in rich text as styles."""
    line = " ".join(str(name).split()).replace("{", "(").replace("}", ")").replace("|", "/")
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"


def _room(names: list[str], share: float) -> int:
    """Pixels that the longest name takes beside an axis: all its length, or less where it is turned."""
    return round(16 + 6.3 * share * max(map(len, names), default=0))


def _scale(dark: bool) -> list[str]:
    """One hue: an empty cell is of nearly the page's colour, the fullest farthest from it."""
    if dark:
        return ["#14181f", "#12406f", "#2171b5", "#6baed6", "#d6ecff"]
    return ["#fbfcfe", "#c6dbef", "#6baed6", "#2171b5", "#08306b"]


def _axis_label(num_classes: int, rotate: int) -> dict[str, Any]:
    if num_classes <= 2 * MOST_LABELLED:
        return {"interval": 0, "rotate": rotate if num_classes > 3 else 0, "hideOverlap": False}
    return {"rotate": rotate, "hideOverlap": True}


def _visual_map(highest: float, scale: list[str], by_row: bool) -> dict[str, Any]:
    return {
        "min": 0,
        "max": highest,
        "calculable": False,
        "orient": "horizontal",
        "left": "center",
        "bottom": 0,
        "itemHeight": 160,
        "itemWidth": 12,
        "text": ["100 %" if by_row else f"{highest:.0f}", "0"],
        "inRange": {"color": scale},
    }


def _cells(counts_KK: np.ndarray, by_row: bool, names: list[str], highest: float, dark: bool) -> list[Any]:
    """One item a cell, row by row: the place in this list is what a click reports."""
    shares_KK = normalise_rows(counts_KK)
    values_KK = np.nan_to_num(100 * shares_KK).round(1) if by_row else counts_KK
    cells: list[Any] = []
    for row, true in enumerate(names):
        for column, predicted in enumerate(names):
            value = values_KK[row, column].item()
            cell: dict[str, Any] = {"value": [column, row, value]}
            if counts_KK[row, column] or len(names) <= MOST_LABELLED:  # large matrices are mostly zeros
                share = shares_KK[row, column]
                cell["name"] = _sentence(true, predicted, int(counts_KK[row, column]), float(share))
            if len(names) <= MOST_LABELLED:
                bright = (value > 0.5 * highest) == dark
                cell["label"] = {"color": "#000000" if bright else "#ffffff"}
            cells.append(cell)
    return cells


def _sentence(true: str, predicted: str, count: int, share: float) -> str:
    part = "–" if np.isnan(share) else f"{100 * share:.1f} %"
    return f"{true} called {predicted}: {count} ({part} of {true})"
