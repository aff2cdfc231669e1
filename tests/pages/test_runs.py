"""The page of runs: the table, the choice in the address, comparison, renaming and deleting."""

import json
import time
from collections.abc import Callable

import pandas as pd
from streamlit.testing.v1 import AppTest

from cnnapp.config import parse_config
from cnnapp.store import Run, Store
from pages._compare import differences
from pages._runs_table import table_of
from tests.pages.conftest import Open

Make = Callable[..., Run]


def button(app: AppTest, label: str) -> AppTest:
    (found,) = [element for element in app.button if element.label == label]
    return found  # type: ignore[return-value]


def legend(app: AppTest) -> list[str]:
    (chart,) = app.get("plotly_chart")
    return [trace["name"] for trace in json.loads(chart.proto.spec)["data"]]


def test_without_runs_it_says_where_to_start_one(open_page: Open) -> None:
    assert "There are no runs yet" in open_page("runs").info[0].value


def test_every_run_is_a_row_with_settings_and_results(open_page: Open, make_run: Make) -> None:
    make_run("first", network={"family": "convnet", "depth": 2, "dropout": 0.25})
    make_run("second", end="", training={"optimizer": "sgd", "momentum": 0.9, "lr": 0.02})
    table: pd.DataFrame = open_page("runs").dataframe[0].value
    assert table["Name"].tolist() == ["second", "first"]
    assert table["State"].tolist() == ["running", "finished"]
    assert table["Network"].tolist() == ["LeNet, dropout 0.0", "ConvNet, depth 2, dropout 0.25"]
    assert table["Optimiser"].tolist() == ["sgd, momentum 0.9", "adam"]
    assert table["Learning rate"].tolist() == [0.02, 0.001]
    assert table["Validation"].round(6).tolist() == [95.0, 95.0]
    assert table["Test"].isna().tolist() == [True, False]
    assert table["Test"].iloc[1] == 90


def test_a_thousand_runs_become_a_table_at_once(store: Store) -> None:
    run = store.create(parse_config({}))
    runs = [run] * 1000
    table_of(runs[:1])
    began = time.process_time()
    assert len(table_of(runs)) == 1000
    assert time.process_time() - began < 0.5  # tens of milliseconds on an idle machine


def test_a_run_of_an_older_version_is_still_listed(store: Store) -> None:
    run = store.create(parse_config({}))
    old = Run(**{**run.__dict__, "config_json": '{"network": {"family": "gone", "width": 3}}'})
    broken = Run(**{**run.__dict__, "config_json": "{"})
    networks = table_of([old, broken])["Network"]
    assert networks.iloc[0] == "gone, width 3"
    assert pd.isna(networks.iloc[1])


def test_the_address_chooses_runs_and_their_names_stay_text(open_page: Open, make_run: Make) -> None:
    first, second = make_run("<b>bold</b> **star**"), make_run("[link](https://example.org)")
    app = open_page("runs", runs=f"{first.id},{second.id}")
    assert legend(app) == ["&lt;b&gt;bold&lt;/b&gt; **star**", "[link](https://example.org)"]
    assert app.session_state["runs-table"]["selection"]["rows"] == [0, 1]
    app.button_group(key="quantity").set_value("Loss").run()
    app.button_group(key="images").set_value("Both").run()
    assert len(legend(app)) == 4


def test_what_is_no_run_in_the_address_is_said_and_dropped(open_page: Open, make_run: Make) -> None:
    run = make_run()
    app = open_page("runs", runs=f"../..,{run.id},{run.id},zzzzzzzz")
    assert "zzzzzzzz" in app.warning[0].value
    assert app.query_params["runs"] in (run.id, [run.id])
    assert len(legend(app)) == 1


def test_only_settings_that_differ_are_listed(make_run: Make) -> None:
    runs = [make_run("same name", seed=1), make_run("same name", seed=2, training={"lr": 0.1})]
    table = differences(runs)
    assert table.index.tolist() == ["Learning rate", "Seed"]
    assert table.columns.tolist() == [f"same name ({run.id})" for run in runs]
    assert table.loc["Learning rate"].tolist() == ["0.001", "0.1"]
    assert differences(runs[:1]).empty


def dialog(run_ids: list[str], name: str) -> None:
    """A script that is nothing but an open dialog: AppTest cannot draw one alone, as a browser's click in it does."""
    import pages._runs_actions
    from pages._shared import store

    runs = store().runs(ids=run_ids)
    if runs and name == "rename":
        pages._runs_actions.rename(runs[0])
    elif runs:
        pages._runs_actions.delete(runs)


def open_dialog(name: str, *runs: Run) -> AppTest:
    app = AppTest.from_function(dialog, kwargs={"run_ids": [run.id for run in runs], "name": name}, default_timeout=60)
    return app.run()


def test_renaming_and_deleting_open_a_dialog(open_page: Open, make_run: Make, store: Store) -> None:
    runs = make_run("one"), make_run("two")
    app = open_page("runs", runs=runs[0].id)
    button(app, "Rename").click().run()
    assert app.text_input[0].value == "one"
    app = open_page("runs", runs=",".join(run.id for run in runs))
    button(app, "Delete 2 runs").click().run()
    assert "- **two** (finished, 3 of 4 epochs)" in "".join(element.value for element in app.markdown)
    assert store.count() == 2


def test_a_run_is_renamed(make_run: Make, store: Store) -> None:
    run = make_run("before")
    app = open_dialog("rename", run)
    app.text_input[0].set_value("after *this*")
    button(app, "Rename").click().run()
    assert not app.exception
    assert store.run(run.id).name == "after *this*"


def test_deleting_leaves_a_running_run_and_says_why(make_run: Make, store: Store) -> None:
    over, going_on, other = make_run("over"), make_run("going on", end=""), make_run("other")
    app = open_dialog("delete", over, going_on)
    assert store.count() == 3
    app.button(key="delete-sure").click().run()
    assert not app.exception
    assert {run.id for run in store.runs()} == {going_on.id, other.id}
    (message,) = app.session_state["runs-messages"]
    assert "going on is running, so that it cannot be deleted" in message
    assert app.query_params["runs"] in (going_on.id, [going_on.id])
