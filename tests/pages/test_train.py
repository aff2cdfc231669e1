"""Train: settings that are checked at once, starting points in the address, and the live run in every state."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cnnapp.config import DATASETS, NETWORKS, PRESETS, RunConfig, parse_config
from cnnapp.events import RunEnded
from cnnapp.store import Run, Store
from pages._live import series
from tests.pages.conftest import Open, button, labels, report_epochs, text_of

Make = Callable[..., Run]


@pytest.fixture
def train(open_page: Open, here: None) -> Open:
    def open_(**query: str) -> AppTest:
        return open_page("train", **query)

    return open_


def can_train(app: AppTest) -> bool:
    return not button(app, "Train").disabled


def press_train(app: AppTest, store: Store) -> RunConfig:
    """The config of the run that is started."""
    before = store.count()
    button(app, "Train").click().run()
    assert not app.exception
    assert store.count() == before + 1
    return store.runs()[0].config


# --- the form


def test_the_defaults_are_those_of_the_config(train: Open, store: Store) -> None:
    app = train()
    assert can_train(app)
    assert "parameters" in text_of(app)
    assert press_train(app, store) == parse_config({})


def test_steps_and_parameters_are_said_before(train: Open) -> None:
    app = train(preset="lenet-fashion-mnist")
    text = text_of(app)
    assert "**44,426** parameters" in text  # 156 + 2,416 + 30,840 + 10,164 + 850
    assert "**9,380** steps of 64 images" in text  # 10 epochs of ceil(60,000 / 64)
    (table,) = app.dataframe
    steps = table.value.set_index("Layer")
    assert steps.loc["conv1", "Output"] == "6×24×24"
    assert steps["Parameters"].sum() == 44_426


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_in_the_address_fills_the_form(train: Open, store: Store, name: str) -> None:
    app = train(preset=name)
    assert PRESETS[name].title in text_of(app)
    assert press_train(app, store) == PRESETS[name].config


def test_a_run_in_the_address_fills_the_form(train: Open, store: Store, make_run: Make) -> None:
    run = make_run(
        "before",
        dataset={"name": "shapes", "image_size": 40, "val_share": 0.25, "subset": 500, "normalisation": "half"},
        network={"family": "convnet", "depth": 2, "dropout": 0.45},
        training={"epochs": 7, "batch_size": 17, "optimizer": "sgd", "lr": 0.0123, "momentum": 0.85},
        seed=99,
    )
    app = train(**{"from": run.id})
    assert "Starting from **before**" in text_of(app)
    assert press_train(app, store) == run.config


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("family", NETWORKS)
def test_every_dataset_and_network_can_be_chosen(train: Open, store: Store, dataset: str, family: str) -> None:
    app = train()
    app.selectbox(key="new-dataset-name").set_value(dataset)
    app.selectbox(key="new-network-family").set_value(family)
    app.number_input(key="new-dataset-image_size").set_value(32).run()
    assert not app.exception
    assert ("downloaded when the run starts" in text_of(app)) == (not DATASETS[dataset].is_present())
    config = press_train(app, store)
    assert (config.dataset.name, config.network.family) == (dataset, family)


def test_a_network_that_does_not_fit_is_said_at_once(train: Open, store: Store) -> None:
    app = train()
    app.selectbox(key="new-network-family").set_value("convnet")
    app.number_input(key="new-dataset-image_size").set_value(28).run()
    assert can_train(app)
    app.number_input(key="new-network-convnet-depth").set_value(5).run()
    assert "use at most 3 convolutions" in text_of(app)
    assert not can_train(app)
    assert store.count() == 0
    app.number_input(key="new-network-convnet-depth").set_value(3).run()
    assert can_train(app)
    assert not app.error


def test_momentum_is_there_when_the_optimiser_has_it(train: Open, store: Store) -> None:
    app = train()
    assert "Momentum" not in [slider.label for slider in app.slider]
    app.selectbox(key="new-training-optimizer").set_value("sgd").run()
    app.slider(key="new-training-momentum").set_value(0.9).run()
    app.selectbox(key="new-training-optimizer").set_value("adamw").run()
    assert not app.error
    config = press_train(app, store)
    assert (config.training.optimizer, config.training.momentum) == ("adamw", 0)


def test_a_name_is_kept_and_a_second_press_without_leaving_is_the_same_run(train: Open, store: Store) -> None:
    app = train()
    app.text_input(key="new-name").set_value("**my** run").run()
    button(app, "Train").click().run()
    (run,) = store.runs()
    assert run.name == "**my** run"
    assert app.query_params["run"] in (run.id, [run.id])


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"preset": "digits-quik"}, "Did you mean 'digits-quick'?"),
        ({"preset": "<b>x</b>"}, "There is no preset named '<b>x</b>'"),
        ({"from": "../../etc"}, "There is no run '../../etc'"),
        ({"run": "abcdefgh"}, "There is no run 'abcdefgh'"),
        ({"run": "'; DROP TABLE runs; --"}, "There is no run"),
        ({"run": "x" * 5000}, "There is no run"),
    ],
)
def test_what_is_not_there_is_a_sentence(train: Open, query: dict[str, str], sentence: str) -> None:
    app = train(**query)
    assert sentence in text_of(app)
    assert len(app.error) == 1


# --- the live run


def commands(app: AppTest) -> list[str]:
    return [label for label in labels(app) if label in ("Pause", "Resume", "Stop")]


STATES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "queued": ({"epochs_done": 0, "end": ""}, ["Pause", "Stop"], "Waiting for its turn"),
    "running": ({"epochs_done": 2, "end": ""}, ["Pause", "Stop"], "Epoch 3 of 4 · step 8 of 16 · 1,000 images/s"),
    "paused": ({"epochs_done": 2, "end": "paused"}, ["Resume", "Stop"], "step 8 of 16"),
    "finished": ({}, [], "Test accuracy **90.00 %** and loss **0.5000** on 50 images"),
    "stopped": ({"end": "stopped"}, [], ""),
    "diverged": ({"end": "diverged"}, [], "diverged"),
    "failed": ({"epochs_done": 0, "end": "failed"}, [], "failed"),
}


@pytest.mark.parametrize("state", STATES)
def test_a_run_is_shown_with_what_can_be_done(train: Open, make_run: Make, state: str) -> None:
    options, buttons, sentence = STATES[state]
    run = make_run("a run", **options)
    assert run.state == state
    app = train(run=run.id)
    assert commands(app) == buttons
    assert sentence in text_of(app)
    assert state in text_of(app)
    assert {metric.label for metric in app.metric} >= {"Training loss", "Best validation accuracy", "Test accuracy"}


def test_a_run_that_waits_to_go_on_is_drawn_once(train: Open, make_run: Make, store: Store) -> None:
    run = make_run(epochs_done=2, end="")
    store.interrupted(run.id, "Its process died at step 8; it resumes from its last checkpoint.")
    app = train(run=run.id)
    assert "Its process died at step 8; it resumes" in text_of(app)
    assert commands(app) == ["Pause", "Stop"]


def test_time_left_is_images_left_over_their_rate(train: Open, make_run: Make) -> None:
    run = make_run(epochs_done=2, end="")  # 2 of 4 epochs of 500 images, at 1,000 a second
    assert run.seconds_left == pytest.approx(1.0)
    assert "1.0 s left" in text_of(train(run=run.id))


@pytest.mark.parametrize("state", ["failed", "diverged"])
def test_why_a_run_ended_is_said(train: Open, make_run: Make, store: Store, state: Any) -> None:
    run = make_run(epochs_done=1, end="")
    store.append(run.id, RunEnded(state, "loss was *inf* at step 3; try a lower learning rate"))
    app = train(run=run.id)
    assert [error.value for error in app.error] == ["loss was \\*inf\\* at step 3; try a lower learning rate"]


@pytest.mark.parametrize(("label", "command"), [("Stop", "stop"), ("Pause", "pause")])
def test_buttons_give_a_running_run_its_command(
    train: Open, make_run: Make, store: Store, label: str, command: str
) -> None:
    run = make_run(epochs_done=1, end="")
    app = train(run=run.id)
    button(app, label).click().run()
    assert store.pending_command(run.id) == command


def test_a_paused_run_is_resumed_and_a_waiting_one_stopped(train: Open, make_run: Make, store: Store) -> None:
    run = make_run(epochs_done=1, end="paused")
    app = train(run=run.id)
    button(app, "Resume").click().run()
    assert store.run(run.id).state == "queued"
    button(app, "Stop").click().run()
    assert store.run(run.id).state == "stopped"
    assert commands(app) == []


def test_a_command_that_comes_too_late_is_a_sentence(train: Open, make_run: Make, store: Store) -> None:
    run = make_run(epochs_done=1, end="")
    app = train(run=run.id)
    store.append(run.id, RunEnded("finished"))
    button(app, "Pause").click().run()
    assert "is finished, so that it cannot be paused" in text_of(app)
    assert commands(app) == []


def test_a_run_of_another_version_is_a_sentence(train: Open, make_run: Make, store: Store) -> None:
    run = make_run("old")
    with store._database.write() as connection:
        connection.execute("UPDATE runs SET config_json = ? WHERE id = ?", ('{"gone": 1}', run.id))
    app = train(run=run.id)
    assert "gone is not a setting" in text_of(app)
    assert "Test accuracy" in text_of(app)


def test_curves_hold_what_was_reported(make_run: Make, store: Store) -> None:
    run = make_run(epochs_done=2, end="")
    loss = series(run.id, run.step, run.epoch)["loss"]
    lines = {line["name"]: line for line in loss["series"]}
    np.testing.assert_allclose(lines["Validation"]["y"], [1.5, 0.75])
    np.testing.assert_allclose(lines["Training, whole epoch"]["y"], [2, 1])
    report_epochs(store, run, 3, 3)
    run = store.run(run.id)
    lines = {line["name"]: line for line in series(run.id, run.step, run.epoch)["loss"]["series"]}
    np.testing.assert_allclose(lines["Validation"]["y"], [1.5, 0.75, 0.5])
