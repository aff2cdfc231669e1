"""A confusion matrix in words and tables: what a cell says, the most confused pairs, the figures of each class.

Rows are true classes, columns predicted ones; K classes.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cnnapp.charts.confusion import PerClass


def cell_sentence(counts_KK: np.ndarray, classes: Sequence[str], true: int, called: int) -> str:
    """For instance "12 of 600 images of shirt were taken for coat (2.0 %)."."""
    count, images = int(counts_KK[true, called]), int(counts_KK[true].sum())
    if not images:
        return f"There is no image of {classes[true]}."
    were = "was" if count == 1 else "were"
    what = f"{were} recognised" if true == called else f"{were} taken for {classes[called]}"
    return f"{count:,} of {images:,} images of {classes[true]} {what} ({100 * count / images:.1f} %)."


def precision_sentence(counts_KK: np.ndarray, classes: Sequence[str], called: int) -> str:
    """The same from the other side: what the images are that were given one class."""
    images, right = int(counts_KK[:, called].sum()), int(counts_KK[called, called])
    if not images:
        return f"No image was taken for {classes[called]}."
    return (
        f"Of all {images:,} images that were taken for {classes[called]}, {right:,} are ({100 * right / images:.1f} %)."
    )


def most_confused(counts_KK: np.ndarray, count: int = 5) -> list[tuple[int, int]]:
    """The (true, predicted) pairs of different classes with the most images, fullest first; none that is empty."""
    wrong_KK = np.array(counts_KK)
    np.fill_diagonal(wrong_KK, 0)
    order = np.argsort(-wrong_KK, axis=None, kind="stable")[:count]
    pairs = [divmod(int(place), len(wrong_KK)) for place in order]
    return [pair for pair in pairs if wrong_KK[pair]]


def class_table(figures: PerClass, classes: Sequence[str]) -> pd.DataFrame:
    """One row a class; shares from 0 to 1, NaN where a share is 0/0."""
    return pd.DataFrame(
        {
            "Class": list(classes),
            "Images": figures.support_K,
            "Accuracy": figures.accuracy_K,
            "Precision": figures.precision_K,
            "Recall": figures.recall_K,
            "F1": figures.f1_K,
        }
    )


def matrix_table(counts_KK: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """The counts as they are: a row for each true class."""
    return pd.DataFrame(counts_KK, index=pd.Index(list(classes), name="True class"), columns=list(classes))
