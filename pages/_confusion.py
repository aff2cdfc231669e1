"""A run's confusion matrix at one epoch, drawn again while the run trains."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from cnnapp.charts.confusion import clicked_cell, heat_map_option, per_class
from cnnapp.config import DATASETS
from cnnapp.store import Run
from pages._confusion_words import cell_sentence, class_table, matrix_table, most_confused, precision_sentence
from pages._csv import as_csv
from pages._shared import in_words, percent, plain, store

HELP = {
    "Accuracy": "One class against the rest: the share of all images that is rightly called it or not it",
    "Precision": "Of the images that were called this class, those that are",
    "Recall": "Of this class's images, those that were called by it",
    "F1": "Harmonic mean of precision and recall",
}
COLUMNS = {name: st.column_config.NumberColumn(format="%.1f %%", help=text) for name, text in HELP.items()}


@dataclass(frozen=True)
class View:
    """What is to be seen; ``epoch`` 0 is the newest."""

    split: str
    epoch: int
    by_row: bool


def live_matrix(run: Run, view: View) -> None:
    """The matrix, its reading and its tables; a timer in the browser asks again until the run is over."""
    every = None if run.is_over else 1 + st.session_state.setdefault("jitter", random.random() * 0.2)
    st.fragment(body, run_every=every)(run.id, run.state, run.epoch == 0, view)


@in_words()
def body(run_id: str, state: str, waiting: bool, view: View) -> None:
    run = store().run(run_id)
    if run.state != state or (waiting and run.epoch):
        st.rerun()  # the controls are other ones now
    counts_KK, sentence = matrix_of(run, view)
    if counts_KK is None:
        st.info(plain(sentence), icon=":material/info:")
        if run.state == "running" and run.steps_per_epoch:
            share = min(1.0, run.step / run.steps_per_epoch)
            st.progress(share, f"First epoch: step {run.step:,} of {run.steps_per_epoch:,}")
        return
    st.markdown(plain(sentence))
    classes = DATASETS[run.config.dataset.name].classes
    drawing, reading = st.columns([3, 2], gap="large")
    with drawing:
        cell = heat_map(run, view, counts_KK, classes)
    with reading:
        read_cell(counts_KK, classes, cell)
        pairs(counts_KK, classes)
    tables(counts_KK, classes)


def matrix_of(run: Run, view: View) -> tuple[np.ndarray | None, str]:
    """The counts and what they are of; or None and why there are none."""
    if view.split == "Test":
        counts_KK = store().test_confusion(run.id)
        if counts_KK is None:
            late = f"and will not be: this run {run.state}." if run.is_over else "they are when the run ends."
            return None, f"The test images were not looked at {late}"
        best = ", the best by validation" if run.num_val else ""
        return (
            counts_KK,
            f"{accuracy(counts_KK, 'test')} Measured once, with the weights of epoch {run.test_epoch}{best}.",
        )
    if not run.epoch:
        return None, nothing_yet(run)
    epoch = min(view.epoch or run.epoch, run.epoch)
    counts_KK = store().confusion(run.id, epoch)
    if counts_KK is None:
        return None, f"The matrix of epoch {epoch} is not there. Choose another epoch."
    marks = [
        word
        for word, is_it in (
            ("the best so far" if run.is_active else "the best", epoch == run.best_epoch),
            ("the newest", epoch == run.epoch),
        )
        if is_it
    ]
    late = f" Epoch {view.epoch} is not done yet." if view.epoch > run.epoch else ""
    which = f"Epoch {epoch} of {run.epochs}" + (f", {' and '.join(marks)}" if marks else "")
    return counts_KK, f"{which}: {accuracy(counts_KK, 'validation')}{late}"


def accuracy(counts_KK: np.ndarray, split: str) -> str:
    images = int(counts_KK.sum())
    return f"{percent(per_class(counts_KK).accuracy, 2)} of {images:,} {split} images were recognised."


def nothing_yet(run: Run) -> str:
    if run.state == "queued":
        return run.detail or "This run waits for its turn. The matrix comes after its first epoch."
    if run.is_over:
        return f"This run ended before its first epoch was done. {run.detail}"
    return "The matrix comes after the first epoch."


def heat_map(run: Run, view: View, counts_KK: np.ndarray, classes: tuple[str, ...]) -> tuple[int, int] | None:
    dark = st.context.theme.type == "dark"
    option = heat_map_option(counts_KK, classes, view.by_row, dark)
    alt = f"Confusion matrix of {len(classes)} classes; its counts are in the table below"
    height = 520 if len(classes) <= 20 else 860
    chosen = st.echarts_chart(option, key=f"matrix-{run.id}-{view.split}", height=height, on_select="rerun", alt=alt)
    return clicked_cell(chosen, len(classes))


def read_cell(counts_KK: np.ndarray, classes: tuple[str, ...], cell: tuple[int, int] | None) -> None:
    st.subheader("The chosen cell")
    if cell is None:
        st.markdown("Click a cell to read what it says.")
        return
    st.markdown(f"**{unbroken(cell_sentence(counts_KK, classes, *cell))}**")
    st.markdown(unbroken(precision_sentence(counts_KK, classes, cell[1])))


def pairs(counts_KK: np.ndarray, classes: tuple[str, ...]) -> None:
    st.subheader("Most confused")
    found = most_confused(counts_KK)
    if not found:
        st.markdown("No image was taken for another class.")
    st.markdown("\n".join(f"1. {unbroken(cell_sentence(counts_KK, classes, *pair))}" for pair in found))


def unbroken(sentence: str) -> str:
    """As plain text, with no line break between a number and its sign."""
    return plain(sentence).replace(" %", "\N{NO-BREAK SPACE}%")


def tables(counts_KK: np.ndarray, classes: tuple[str, ...]) -> None:
    st.subheader("Each class")
    table = class_table(per_class(counts_KK), classes)
    table[list(HELP)] *= 100
    height = 38 + 35 * min(len(classes), 20)
    options: dict[str, Any] = {"height": height, "placeholder": "–"}
    alt = "Images, accuracy, precision, recall and F1 of each class"
    st.dataframe(table, hide_index=True, column_config=COLUMNS, key="classes-table", alt=alt, **options)
    with st.expander("The matrix as a table", icon=":material/table:"):
        alt = "Numbers of images: a row for each true class, a column for each predicted one"
        st.dataframe(matrix_table(counts_KK, classes), key="matrix-table", alt=alt, **options)


def downloads(run: Run, view: View) -> None:
    """Read when they are asked for, so that they are as new as what is seen."""

    def current() -> tuple[np.ndarray, tuple[str, ...]]:
        counts_KK = matrix_of(store().run(run.id), view)[0]
        classes = DATASETS[run.config.dataset.name].classes
        return np.zeros((len(classes),) * 2, np.int64) if counts_KK is None else counts_KK, classes

    def figures() -> bytes:
        counts_KK, classes = current()
        return as_csv(class_table(per_class(counts_KK), classes))

    def counts() -> bytes:
        return as_csv(matrix_table(*current()), index=True)

    with st.container(horizontal=True):
        for label, make, name in (
            ("Download the figures", figures, "classes"),
            ("Download the matrix", counts, "matrix"),
        ):
            st.download_button(
                label, make, f"{run.id}-{name}.csv", "text/csv", icon=":material/download:", on_click="ignore"
            )
