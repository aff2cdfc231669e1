"""From a config to events, on real images."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnapp.config import DATASETS, RunConfig, override
from cnnapp.data.loading import load_splits
from cnnapp.events import RunEnded, RunStarted, StepsDone, TestDone, WeightsDone
from cnnapp.training import run, train
from tests.training.cases import config, of, plain_losses

DIGITS = override(config(epochs=1, batch_size=32), ["dataset.name=digits", "network.family=lenet"])
COURSE = {
    "dataset": {"name": "fashion_mnist", "image_size": 28, "val_share": 0, "normalisation": "unit"},
    "network": {"family": "lenet"},
    "training": {"epochs": 10, "batch_size": 64, "optimizer": "sgd", "lr": 0.001, "momentum": 0, "weight_decay": 0},
}


def lenet(image_size: int) -> nn.Sequential:
    """As the course writes it."""
    side = ((image_size - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * side * side, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def first_losses(settings: RunConfig, num_steps: int) -> np.ndarray:
    losses: list[float] = []
    for event in train(settings, device="cpu"):
        if isinstance(event, StepsDone):
            losses += event.loss_S.tolist()
            if len(losses) >= num_steps:
                break
    return np.array(losses[:num_steps])


def check_against_plain_loop(settings: RunConfig, x_NHWC: np.ndarray, y_N: np.ndarray, num_steps: int) -> None:
    torch.manual_seed(settings.seed)
    model = lenet(settings.dataset.image_size)
    x_NCHW = torch.from_numpy(x_NHWC).permute(0, 3, 1, 2).contiguous()
    expected = plain_losses(model, x_NCHW, torch.from_numpy(y_N), settings, num_steps)
    np.testing.assert_allclose(first_losses(settings, num_steps), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_lenet_on_digits_follows_a_plain_loop_step_by_step(seed: int):
    dataset = {"name": "digits", "image_size": 16, "val_share": 0}
    settings = RunConfig.model_validate({**COURSE, "dataset": dataset, "seed": seed})
    settings = override(settings, ["training.lr=0.05", "training.epochs=5"])
    train_split = load_splits(settings.dataset, seed).train
    check_against_plain_loop(settings, train_split.images().transpose(0, 2, 3, 1), train_split.labels(), 110)


def test_the_course_recipe_follows_a_plain_loop_step_by_step(shared_data):
    settings = RunConfig.model_validate(COURSE)
    images = DATASETS["fashion_mnist"].read("train", lambda text, share: None)
    assert images.x_NHWC.shape == (60_000, 28, 28, 1)
    check_against_plain_loop(settings, images.x_NHWC, images.y_N, 120)


def test_a_run_on_digits_reports_what_there_is_and_learns_it():
    events = list(train(override(DIGITS, ["training.optimizer=adam", "training.lr=0.003", "training.epochs=4"])))
    started = of(RunStarted, events)[0]
    num_train = DATASETS["digits"].num_train
    assert (started.num_train + started.num_val, started.num_test) == (num_train, DATASETS["digits"].num_test)
    assert started.num_val == round(0.1 * num_train)
    assert events[-1] == RunEnded("finished")
    [tested] = of(TestDone, events)
    assert tested.confusion_KK.sum() == started.num_test
    assert tested.accuracy == tested.confusion_KK.trace() / started.num_test > 0.8


def test_the_seed_decides_the_initial_weights():
    torch.manual_seed(7)
    expected = lenet(32)[0].weight.detach()
    torch.rand(3)  # what was drawn before the run does not matter
    for seed, same in ((7, True), (8, False)):
        events = train(override(DIGITS, [f"seed={seed}"]))
        weights = next(event.weights for event in events if isinstance(event, WeightsDone))
        assert np.array_equal(weights["conv1.weight"], expected) == same


def images_seen(monkeypatch: pytest.MonkeyPatch, settings: RunConfig) -> dict[bool, list[bytes]]:
    """The images that the network saw in training steps (True) and in evaluations (False), until the last epoch."""
    seen: dict[bool, list[bytes]] = {True: [], False: []}

    def build(network: object, image_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), num_classes))
        model.register_forward_pre_hook(note)
        return model

    def note(module: nn.Module, arguments: tuple[Tensor]) -> None:
        x_BCHW = (arguments[0] * 255).round().to(torch.uint8).contiguous()
        seen[torch.is_grad_enabled()] += [image.tobytes() for image in x_BCHW.numpy()]

    monkeypatch.setattr(run, "build", build)
    for event in run.train(settings):
        if isinstance(event, WeightsDone) and event.epoch == settings.training.epochs:
            break
    return seen


def test_no_validation_image_is_trained_on(monkeypatch: pytest.MonkeyPatch):
    """Nor any test image; and what is validated on are the images that training left out."""
    seen = images_seen(monkeypatch, override(DIGITS, ["dataset.image_size=8"]))
    images = DATASETS["digits"].read("train", lambda text, share: None)
    whole = [image.tobytes() for image in images.x_NHWC.transpose(0, 3, 1, 2)]
    assert len(seen[True]) == len(whole) - round(0.1 * len(whole))
    assert sorted(seen[True] + seen[False]) == sorted(whole)
