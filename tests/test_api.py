"""``import cnnapp``: events without a store, background runs, and the weights that they leave."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import cnnapp
from cnnapp.config import DATASETS
from cnnapp.data.loading import load_splits
from cnnapp.errors import CheckpointMissing, DoesNotFit, InvalidConfig, RunNotFound
from cnnapp.networks.build import build
from cnnapp.store import Run, Store

HEAVY = ("torch", "torchvision", "sklearn", "scipy", "streamlit", "plotly", "pandas", "sqlite3")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, cnnapp; cnnapp.preset('digits-quick'); print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_training_here_ends_in_finished_and_leaves_no_store(home: Path) -> None:
    config = cnnapp.override(cnnapp.parse_config({}), ["training.epochs=2", "dataset.image_size=28"])
    events = list(cnnapp.train(config, device="cpu"))
    assert isinstance(events[0], cnnapp.events.RunStarted)
    assert events[-1] == cnnapp.events.RunEnded("finished")
    assert [e.epoch for e in events if isinstance(e, cnnapp.events.EpochDone)] == [1, 2]
    assert events[0].num_train + events[0].num_val + events[0].num_test == 1797  # images in scikit-learn's digits
    assert not list(home.rglob("*.sqlite3*"))
    assert not (home / "runs").exists()


def accuracy_by_hand(model: nn.Module, run: Run) -> tuple[float, float]:
    """On the test split, straight from the dataset's arrays: accuracy and mean cross-entropy."""
    split = load_splits(run.config.dataset, run.config.seed).test
    x_NCHW = torch.from_numpy(np.array(split.x_NCHW)).float() / 255
    y_N = torch.from_numpy(np.array(split.y_N))
    with torch.inference_mode():
        logits_NK = model(x_NCHW)
    accuracy = (logits_NK.argmax(dim=1) == y_N).double().mean().item()
    return accuracy, functional.cross_entropy(logits_NK, y_N).item()


def test_a_loaded_model_gives_the_test_figures_of_its_run(trained: Run) -> None:
    model = cnnapp.load_model(trained)
    assert not model.training
    assert trained.test_epoch == trained.best_epoch
    accuracy, loss = accuracy_by_hand(model, trained)
    assert accuracy == pytest.approx(trained.test_accuracy, abs=1e-9)
    assert loss == pytest.approx(trained.test_loss, rel=1e-4)
    assert accuracy > 0.5
    by_id = cnnapp.load_model(trained.id, epoch=trained.best_epoch).state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(by_id[name], tensor, rtol=0, atol=0)


def test_epoch_zero_has_the_weights_that_the_seed_gives(trained: Run) -> None:
    torch.manual_seed(trained.config.seed)
    expected = build(trained.config.network, (1, 28, 28), 10).state_dict()
    found = cnnapp.load_model(trained, epoch=0).state_dict()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
    last = cnnapp.load_model(trained, epoch=trained.epochs).state_dict()
    assert not torch.equal(last["conv1.weight"], expected["conv1.weight"])


def test_missing_weights_and_runs_are_said(trained: Run) -> None:
    with pytest.raises(CheckpointMissing, match="epoch 99"):
        cnnapp.load_model(trained, epoch=99)
    with pytest.raises(RunNotFound, match="There is no run"):
        cnnapp.load_model("../../etc")


def test_a_submitted_run_has_its_name_and_a_wrong_one_is_never_made(lab: Store) -> None:
    count = lab.count()
    wrong = cnnapp.override(cnnapp.parse_config({}), ["network.family=convnet", "network.depth=5"])
    with pytest.raises(DoesNotFit, match="use at most"):
        cnnapp.submit(wrong)
    with pytest.raises(InvalidConfig, match=r"training\.epochs is 0"):
        cnnapp.parse_config({"training": {"epochs": 0}})
    assert lab.count() == count
    run = cnnapp.submit(cnnapp.parse_config({"training": {"epochs": 1}}), "  a name ")
    assert cnnapp.open_store().run(run.id).name == "a name"
    lab.command(run.id, "stop")


def test_every_preset_is_had_by_its_name() -> None:
    from cnnapp.config import PRESETS

    for name, preset in PRESETS.items():
        assert cnnapp.preset(name) == preset.config
        assert preset.config.dataset.name in DATASETS
