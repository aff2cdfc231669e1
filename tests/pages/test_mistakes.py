"""The page of mistakes: which matrix it shows of which run, and what it says in its place."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cnnapp.charts.confusion import per_class
from cnnapp.store import Run, Store
from pages._confusion_words import cell_sentence, class_table, most_confused
from pages._csv import as_csv
from tests.pages.conftest import Open, confusion, report_epochs

Make = Callable[..., Run]


def text_of(app: AppTest) -> str:
    found = [element.value for kind in (app.markdown, app.info, app.warning, app.error) for element in kind]
    return "\n".join(found).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


def counts_of(app: AppTest) -> np.ndarray:
    """The table that stands beside the heat map."""
    table: np.ndarray = app.dataframe[-1].value.to_numpy()
    return table


def drawn(app: AppTest) -> list[list[float]]:
    (chart,) = app.get("echarts_chart")
    return [cell["value"] for cell in json.loads(chart.proto.spec)["series"][0]["data"]]


def test_without_runs_it_says_where_to_start_one(open_page: Open) -> None:
    assert "Start a run on Home or on Train" in text_of(open_page("mistakes"))


def test_the_newest_epoch_is_shown_as_chart_table_and_sentence(open_page: Open, make_run: Make) -> None:
    app = open_page("mistakes", run=make_run(epochs_done=4).id)
    np.testing.assert_array_equal(counts_of(app), confusion(4))
    assert sorted([true, called, count] for called, true, count in drawn(app)) == [
        [true, called, confusion(4)[true, called]] for true in range(10) for called in range(10)
    ]
    assert "Epoch 4 of 4, the best and the newest: 96.67 % of 60 validation images were recognised." in text_of(app)
    assert "2 of 6 images of 3 were taken for 8 (33.3 %)." in text_of(app)


def test_the_slider_and_the_address_choose_an_epoch(open_page: Open, make_run: Make) -> None:
    run = make_run(epochs_done=4)
    app = open_page("mistakes", run=run.id, epoch="2")
    np.testing.assert_array_equal(counts_of(app), confusion(2))
    app.slider(key="epoch").set_value(1).run()
    np.testing.assert_array_equal(counts_of(app), confusion(1))
    assert "Epoch 1 of 4:" in text_of(app)
    app.button[1].click().run()  # newest
    np.testing.assert_array_equal(counts_of(app), confusion(4))


def test_while_a_run_trains_the_newest_epoch_follows(open_page: Open, make_run: Make, store: Store) -> None:
    run = make_run(epochs_done=1, end="")
    app = open_page("mistakes", run=run.id)
    np.testing.assert_array_equal(counts_of(app), confusion(1))
    report_epochs(store, run, 2, 2)
    app.run()
    np.testing.assert_array_equal(counts_of(app), confusion(2))
    app.slider(key="epoch").set_value(3).run()
    assert "Epoch 3 is not done yet." in text_of(app)


def test_rows_can_be_normalised(open_page: Open, make_run: Make) -> None:
    app = open_page("mistakes", run=make_run(epochs_done=3).id)
    app.toggle(key="shares").set_value(True).run()
    assert [8, 3, 50.0] in drawn(app)


def test_the_test_split_is_there_when_the_run_has_ended(open_page: Open, make_run: Make) -> None:
    going_on = open_page("mistakes", run=make_run(end="").id)
    assert going_on.button_group(key="split").options == ["Validation"]
    app = open_page("mistakes", run=make_run().id, split="Test")
    np.testing.assert_array_equal(counts_of(app), confusion(1, images=5))
    assert "Measured once, with the weights of epoch 3, the best by validation." in text_of(app)


def test_a_run_without_validation_says_so_and_shows_the_test_images(open_page: Open, make_run: Make) -> None:
    without = {"dataset": {"name": "digits", "val_share": 0}}
    waiting = text_of(open_page("mistakes", run=make_run(end="", **without).id))
    assert "validates on no images" in waiting
    assert "they are when the run ends" in waiting
    app = open_page("mistakes", run=make_run(**without).id)
    assert "validates on no images" in text_of(app)
    np.testing.assert_array_equal(counts_of(app), confusion(1, images=5))


@pytest.mark.parametrize(
    ("end", "sentence"),
    [("", "waits for its turn"), ("failed", "ended before its first epoch was done")],
)
def test_before_the_first_epoch_it_says_why_there_is_nothing(
    open_page: Open, make_run: Make, end: str, sentence: str
) -> None:
    app = open_page("mistakes", run=make_run(epochs_done=0, end=end).id)
    assert sentence in text_of(app)
    assert not app.get("echarts_chart")


def test_an_unknown_run_is_said_and_another_one_shown(open_page: Open, make_run: Make) -> None:
    run = make_run()
    app = open_page("mistakes", run="../../etc")
    assert "There is no run '../../etc'" in text_of(app)
    assert app.query_params["run"] in (run.id, [run.id])
    assert len(counts_of(app)) == 10


def test_the_run_that_was_looked_at_is_shown_on_coming_back(open_page: Open, make_run: Make) -> None:
    older, _newer = make_run("older"), make_run("newer")
    app = open_page("mistakes", run=older.id)
    del app.query_params["run"]  # as the browser does on going to another page
    app.switch_page("pages/home.py").run()
    app.switch_page("pages/mistakes.py").run()
    assert app.selectbox(key="choose-run").value == older.id


def test_figures_of_each_class_agree_with_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    counts_KK = np.random.default_rng(0).integers(0, 30, (5, 5))
    true_N = np.repeat(np.arange(5), counts_KK.sum(axis=1))
    called_N = np.concatenate([np.repeat(np.arange(5), row) for row in counts_KK])
    table = class_table(per_class(counts_KK), list("abcde"))
    expected = precision_recall_fscore_support(true_N, called_N)
    for name, values in zip(("Precision", "Recall", "F1", "Images"), expected, strict=True):
        np.testing.assert_allclose(table[name].to_numpy(dtype=float), values)


def test_a_cell_says_what_it_means() -> None:
    counts_KK = np.array([[588, 12], [0, 0]])
    names = ["shirt", "coat"]
    assert cell_sentence(counts_KK, names, 0, 1) == "12 of 600 images of shirt were taken for coat (2.0 %)."
    assert cell_sentence(counts_KK, names, 0, 0) == "588 of 600 images of shirt were recognised (98.0 %)."
    assert cell_sentence(counts_KK, names, 1, 0) == "There is no image of coat."


def test_most_confused_pairs_come_fullest_first_without_the_diagonal() -> None:
    counts_KK = np.array([[9, 1, 0], [4, 9, 0], [0, 2, 9]])
    assert most_confused(counts_KK) == [(1, 0), (2, 1), (0, 1)]
    assert most_confused(np.eye(3, dtype=int)) == []


def test_a_text_that_looks_like_a_formula_is_no_formula_in_a_spreadsheet() -> None:
    import pandas as pd

    table: Any = pd.DataFrame({"Name": ["=1+1", "+a", "-b", "@c", "d"], "Loss": [-1.5, 0, 1, 2, 3]})
    lines = as_csv(table).decode().splitlines()
    assert lines == ["Name,Loss", "'=1+1,-1.5", "'+a,0.0", "'-b,1.0", "'@c,2.0", "d,3.0"]
