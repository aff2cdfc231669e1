"""The command line: what it prints where, with which exit status, and a sentence for every mistake."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

import cnnapp
from cnnapp import cli
from cnnapp.config import DATASETS, PRESETS, parse_config
from cnnapp.data.decoding import decode_image
from cnnapp.store import Run, Store, open_store
from tests.launching.helpers import wait_until

MARKUP = "[/b] [red]x :smile: **bold** <b> \x1b[31m"
MARKUP_SHOWN = "[/b] [red]x :smile: **bold** <b> [31m"
QUICK = ("--set", "dataset.image_size=28", "--set", "training.epochs=1")


def run_cli(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)


def document(result: Result) -> Any:
    """The whole of stdout is one JSON document."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(*arguments: object) -> str:
    """The sentence on stderr of a command that ends with status 2 and prints nothing on stdout."""
    result = run_cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr.replace("\n", " ")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
    return path


# --- lists


def test_presets_and_datasets_are_those_that_are_registered() -> None:
    presets = document(run_cli("presets", "--json"))
    assert [p["name"] for p in presets] == list(PRESETS)
    for preset in presets:
        assert parse_config(preset["config"]) == PRESETS[preset["name"]].config
    datasets = {d["name"]: d for d in document(run_cli("datasets", "--json"))}
    assert list(datasets) == list(DATASETS)
    assert datasets["digits"]["present"]
    assert (datasets["mnist"]["num_train"], datasets["mnist"]["num_test"]) == (60_000, 10_000)
    assert not datasets["mnist"]["present"]
    table = run_cli("datasets").stdout
    assert "to be downloaded" in next(line for line in table.splitlines() if line.startswith("mnist"))
    assert all(name in run_cli("presets").stdout for name in PRESETS)


def test_where_is_the_home(home: Path) -> None:
    assert run_cli("where").stdout.strip() == str(home)


def test_without_runs_the_list_is_empty() -> None:
    assert document(run_cli("runs", "--json")) == []
    assert run_cli("runs").exit_code == 0


def test_a_run_of_another_version_is_listed_with_the_others(home: Path) -> None:
    store = open_store(home)
    old, new = store.create(parse_config({})), store.create(parse_config({}))
    with store._database.write() as connection:
        connection.execute("UPDATE runs SET config_json = ? WHERE id = ?", ('{"gone": 1}', old.id))
    listed = {run["id"]: run["config"] for run in document(run_cli("runs", "--json"))}
    assert listed == {old.id: {"gone": 1}, new.id: new.config.model_dump(mode="json")}
    assert old.id in run_cli("runs").stdout
    assert document(run_cli("runs", "show", old.id, "--json"))["config"] == {"gone": 1}


def test_names_are_printed_as_the_text_that_they_are(home: Path) -> None:
    run = open_store(home).create(parse_config({}), MARKUP)
    for arguments in (["runs"], ["runs", "show", run.id], ["runs", "pause", run.id]):
        assert MARKUP_SHOWN in run_cli(*arguments).stdout
    assert document(run_cli("runs", "show", run.id, "--json"))["name"] == MARKUP_SHOWN


# --- training


def test_train_prints_one_document_and_its_progress_elsewhere(lab: Store) -> None:
    result = run_cli("train", *QUICK, "--name", MARKUP, "--json")
    run = document(result)
    assert (run["state"], run["epoch"], run["name"]) == ("finished", 1, MARKUP_SHOWN)
    assert run["config"]["dataset"]["image_size"] == 28
    kept = lab.run(run["id"])
    assert (run["test_accuracy"], run["step"]) == (kept.test_accuracy, kept.num_steps)
    shown = document(run_cli("runs", "show", run["id"], "--json"))
    (epoch,) = shown["epochs_done"]
    assert epoch["val_accuracy"] == run["best_val_accuracy"]
    assert run["id"] in [r["id"] for r in document(run_cli("runs", "--json"))]
    assert f"{epoch['val_loss']:.4f}" in run_cli("runs", "show", run["id"]).stdout


def test_a_detached_run_is_paused_resumed_stopped_and_deleted(lab: Store, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"dataset": {"image_size": 28}, "training": {"epochs": 1000}}))
    run_id = document(run_cli("train", "--config", file, "--set", "seed=3", "--detach", "--json"))["id"]
    assert lab.run(run_id).config.seed == 3
    wait_until(lambda: lab.run(run_id).epoch >= 1, "an epoch")
    assert "running, so that it cannot be deleted. Stop it first" in refused("runs", "delete", run_id)
    assert ": paused" in run_cli("runs", "pause", run_id).stdout
    assert "paused already" in refused("runs", "pause", run_id)
    assert run_cli("runs", "resume", run_id).exit_code == 0
    wait_until(lambda: lab.run(run_id).state == "running", "the resumed run")
    assert ": stopped" in run_cli("runs", "stop", run_id).stdout
    assert "cannot be resumed" in refused("runs", "resume", run_id)
    assert "deleted" in run_cli("runs", "delete", run_id).stdout
    assert "There is no run" in refused("runs", "show", run_id)


def test_a_run_that_diverges_ends_with_status_one_and_its_document(lab: Store) -> None:
    # each step multiplies every weight by 1 - lr * decay = -9, whatever the gradients are
    bad = ("training.optimizer=sgd", "training.lr=10", "training.weight_decay=1", "training.epochs=9")
    changes = [part for change in bad for part in ("--set", change)]
    result = run_cli("train", *QUICK, *changes, "--json")
    assert result.exit_code == 1
    run = json.loads(result.stdout)
    assert run["state"] == "diverged"
    assert "lower learning rate" in run["detail"]


def test_as_a_program_it_keeps_stdout_and_stderr_apart(lab: Store) -> None:
    command = [sys.executable, "-m", "cnnapp"]
    done = subprocess.run(
        [*command, "train", *QUICK, "--json"], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "finished"
    refused = subprocess.run([*command, "runs", "show", "../../x"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "There is no run '../../x'" in refused.stderr
    assert "Traceback" not in refused.stderr


# --- looking at networks and images


def test_describe_agrees_with_shapes_and_parameters_by_hand(lab: Store) -> None:
    described = document(run_cli("describe", "--preset", "lenet-fashion-mnist", "--json"))
    assert described["image_shape"] == [1, 28, 28]
    steps = {step["name"]: step for step in described["steps"]}
    assert steps["conv1"]["output_shape"] == [6, 24, 24]
    assert steps["pool2"]["output_shape"] == [16, 4, 4]
    by_hand = {"conv1": 6 * 26, "conv2": 16 * (6 * 25 + 1), "fc1": 120 * 257, "fc2": 84 * 121, "fc3": 10 * 85}
    assert [s["num_parameters"] for s in described["steps"] if s["num_parameters"]] == list(by_hand.values())
    assert described["num_parameters"] == sum(by_hand.values())
    assert "6×24×24" in run_cli("describe", "--preset", "lenet-fashion-mnist").stdout


def test_predict_gives_the_networks_probabilities(trained: Run, picture: Path) -> None:
    import torch

    from cnnapp.data.decoding import fit_image

    answer = document(run_cli("predict", trained.id, picture, picture, "--json"))
    assert answer["epoch"] == trained.best_epoch
    x_CHW = fit_image(decode_image(picture.read_bytes()), 1, 28)
    with torch.inference_mode():
        logits_BK = cnnapp.load_model(trained)(torch.from_numpy(x_CHW.copy())[None] / 255)
    expected = dict(zip("0123456789", torch.softmax(logits_BK, 1)[0].tolist(), strict=True))
    for image in answer["images"]:
        assert image["probabilities"] == pytest.approx(expected, rel=1e-4)
        assert image["class"] == max(expected, key=expected.__getitem__)
    assert f"{max(expected.values()):.1%}" in run_cli("predict", trained.id, picture).stdout


def test_feature_maps_and_filters_are_written_as_pictures(trained: Run, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps.png"
    result = run_cli("feature-maps", trained.id, picture, "--layer", "conv2", "--out", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "maps.png is written" in result.stderr
    with Image.open(out) as maps:
        assert maps.width >= 4 * 8  # 16 maps of 8×8
    for epoch in ([], ["--epoch", "0"]):
        assert run_cli("filters", trained.id, "--layer", "conv1", *epoch, "--out", tmp_path / "f.png").exit_code == 0
        with Image.open(tmp_path / "f.png") as filters:
            assert filters.width >= 3 * 5


# --- bad input


Refusals = dict[str, tuple[list[str], str]]
WITHOUT_A_RUN: Refusals = {
    "unknown preset": (["train", "--preset", "digits-quik"], "Did you mean 'digits-quick'?"),
    "unknown preset, described": (["describe", "--preset", "x"], "There is no preset named 'x'"),
    "preset and config": (["train", "--preset", "digits-quick", "--config", "x.json"], "Give one of them"),
    "value out of range": (["train", "--set", "training.epochs=0"], "training.epochs is 0, but it must be at least 1"),
    "value of a wrong kind": (["train", "--set", "training.lr=fast"], "training.lr is 'fast'"),
    "unknown setting": (["train", "--set", "training.epoch=3"], "Did you mean training.epochs?"),
    "unknown group": (["train", "--set", "trainng.epochs=3"], "there is no group 'trainng'"),
    "no equals sign": (["train", "--set", "training.epochs"], "write it as training.epochs=3"),
    "unknown dataset": (["describe", "--set", "dataset.name=cats"], "There is no dataset named 'cats'"),
    "momentum without sgd": (["train", "--set", "training.momentum=0.9"], "momentum is a setting of sgd"),
    "missing config": (["train", "--config", "nowhere.json"], "nowhere.json cannot be read"),
    "unknown run": (["runs", "show", "abcdefgh"], "There is no run 'abcdefgh'"),
    "evil run, shown": (["runs", "show", "../../x"], "There is no run '../../x'"),
    "evil run, deleted": (["runs", "delete", "../../x"], "There is no run '../../x'"),
    "evil run, stopped": (["runs", "stop", "'; DROP TABLE runs"], "There is no run"),
    "evil run, filters": (["filters", "../../x", "--layer", "conv1", "--out", "x.png"], "There is no run '../../x'"),
    "no such command": (["trian"], "No such command"),
    "no image": (["predict", "abcdefgh"], "Missing argument"),
}


@pytest.mark.parametrize("case", WITHOUT_A_RUN)
def test_bad_input_is_a_sentence_and_status_two(case: str) -> None:
    arguments, sentence = WITHOUT_A_RUN[case]
    assert sentence in refused(*arguments)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"[1, 2]", "holds list"),
        (b'{"trainng": {}}', "trainng is not a setting"),
        (b'{"seed": -1}', "seed is -1, but it must be at least 0"),
    ],
)
def test_a_bad_config_file_is_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)
    assert sentence in refused("train", "--config", file)
    assert "cannot be read" in refused("train", "--config", tmp_path)


def test_a_network_that_does_not_fit_is_refused_before_a_run_is_made(lab: Store) -> None:
    count = lab.count()
    changes = ("network.family=convnet", "network.depth=5", "dataset.image_size=28")
    arguments = [part for change in changes for part in ("--set", change)]
    for command in ("train", "describe"):
        assert "use at most 3 convolutions" in refused(command, *arguments)
    assert lab.count() == count


@pytest.fixture
def bad_images(tmp_path: Path, picture: Path) -> dict[str, tuple[Path, str]]:
    whole = picture.read_bytes()
    (tmp_path / "damaged.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "large.png").write_bytes(b"\0" * 3_000_000)
    (tmp_path / "text.png").write_bytes(b"not a picture")
    (tmp_path / "folder.png").mkdir()
    names = {
        "missing.png": "cannot be read",
        "damaged.png": "damaged.png",
        "large.png": "at most 1 MB",
        "text.png": "text.png",
        "folder.png": "cannot be read",
    }
    return {name: (tmp_path / name, sentence) for name, sentence in names.items()}


def test_a_bad_image_is_a_sentence_with_its_name(
    trained: Run, bad_images: dict[str, tuple[Path, str]], picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNAPP_MAX_UPLOAD_MB", "1")
    for name, (path, sentence) in bad_images.items():
        text = refused("predict", trained.id, picture, path)
        assert sentence in text, name
        assert name in text


def test_an_unknown_layer_epoch_or_place_is_a_sentence(trained: Run, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps.png"
    maps: Callable[..., str] = lambda *more: refused("feature-maps", trained.id, picture, *more)  # noqa: E731
    filters: Callable[..., str] = lambda *more: refused("filters", trained.id, *more)  # noqa: E731
    for command in (maps, filters):
        assert "There is no convolution named 'conv9'. Known: conv1, conv2" in command("--layer", "conv9", "--out", out)
        assert "of epoch 99 were not kept" in command("--layer", "conv1", "--epoch", "99", "--out", out)
        assert "of epoch -1 were not kept" in command("--layer", "conv1", "--epoch", "-1", "--out", out)
        nowhere = tmp_path / "no folder" / "maps.png"
        assert "Choose another place with --out" in command("--layer", "conv1", "--out", nowhere)
    assert not out.exists()


def test_a_bad_environment_variable_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNAPP_SLOTS", "many")
    assert "CNNAPP_SLOTS is 'many'" in refused("where")


def test_a_home_that_is_a_file_is_a_sentence(home: Path) -> None:
    home.write_text("")
    for arguments in (["runs"], ["train"], ["runs", "stop", "abcdefgh"]):
        assert "it is a file" in refused(*arguments)


def test_what_is_no_utf_8_in_a_file_name_is_printed_all_the_same(trained: Run, picture: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(picture.parent) + b"/\xff.png"))
    odd.write_bytes(picture.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "cnnapp", "predict", trained.id, odd, "--json"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert done.returncode == 0, done.stderr
    assert json.load(io.BytesIO(done.stdout))["images"][0]["class"] in "0123456789"
