"""What pages and the command line ask of torch, against forward passes by hand and stored weights."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from cnnapp import tasks
from cnnapp.config import parse_config
from cnnapp.data.loading import load_part
from cnnapp.errors import CheckpointMissing, CnnAppError, InvalidImage
from cnnapp.events import WeightsDone
from cnnapp.networks.build import build
from cnnapp.store import Run, Store, open_store

DIGITS = {"dataset": {"name": "digits", "image_size": 32}, "network": {"family": "lenet"}, "training": {"epochs": 4}}
SHAPES = {"dataset": {"name": "shapes", "image_size": 32, "normalisation": "half"}, "network": {"family": "convnet"}}


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


def run_with_weights(store: Store, values: dict[str, object], epochs: int = 3, best: int = 2) -> Run:
    """Random weights after each epoch, other ones every time."""
    config = parse_config(values)
    run = store.create(config)
    shape = (1, 32, 32) if config.dataset.name == "digits" else (3, 32, 32)
    for epoch in range(epochs):
        torch.manual_seed(epoch)
        weights = {name: tensor.numpy() for name, tensor in build(config.network, shape, 10).state_dict().items()}
        store.append(run.id, WeightsDone(epoch, epoch == best, weights))
    return store.run(run.id)


def stored(store: Store, run: Run, epoch: int) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(array) for name, array in store.weights(run.id).load(epoch).items()}


def picture(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


def lenet_by_hand(w: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps of both convolutions, and the probabilities."""
    conv1 = functional.conv2d(x, w["conv1.weight"], w["conv1.bias"])
    conv2 = functional.conv2d(functional.max_pool2d(functional.relu(conv1), 2), w["conv2.weight"], w["conv2.bias"])
    hidden = functional.max_pool2d(functional.relu(conv2), 2).flatten(1)
    for name in ("fc1", "fc2"):
        hidden = functional.relu(functional.linear(hidden, w[f"{name}.weight"], w[f"{name}.bias"]))
    return conv1, conv2, functional.linear(hidden, w["fc3.weight"], w["fc3.bias"]).softmax(1)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_look_equals_a_forward_pass_by_hand_with_the_stored_weights(store: Store, epoch: int) -> None:
    run = run_with_weights(store, DIGITS)
    pixels_BHW = np.random.default_rng(0).integers(0, 256, (2, 32, 32), dtype=np.uint8)
    answer = tasks.look(run.id, epoch, [(f"{k}.png", picture(pixels_HW)) for k, pixels_HW in enumerate(pixels_BHW)])
    x = torch.tensor(pixels_BHW[:, None] / 255, dtype=torch.float32)
    conv1, conv2, probabilities = lenet_by_hand(stored(store, run, epoch), x)
    assert list(answer.maps) == ["conv1", "conv2"]
    np.testing.assert_array_equal(answer.x_BCHW[:, 0], pixels_BHW)
    np.testing.assert_allclose(answer.maps["conv1"], conv1, atol=1e-5)
    np.testing.assert_allclose(answer.maps["conv2"], conv2, atol=1e-5)
    np.testing.assert_allclose(answer.probabilities_BK, probabilities, atol=1e-6)


def test_images_are_normalised_as_the_run_was(store: Store) -> None:
    run = run_with_weights(store, SHAPES)
    x_BCHW = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    answer = tasks.look_at(run.id, 1, x_BCHW)
    w = stored(store, run, 1)
    first = next(iter(answer.maps))
    x = torch.tensor(x_BCHW / 127.5 - 1, dtype=torch.float32)
    padding = (answer.maps[first].shape[-1] - 32 + w[f"{first}.weight"].shape[-1] - 1) // 2
    expected = functional.conv2d(x, w[f"{first}.weight"], w[f"{first}.bias"], padding=padding)
    np.testing.assert_allclose(answer.maps[first], expected, atol=1e-5)


def test_without_an_epoch_the_last_kept_weights_are_taken_until_there_is_a_best(store: Store) -> None:
    run = run_with_weights(store, DIGITS)
    assert tasks.look_at(run.id, None, np.zeros((1, 1, 32, 32), np.uint8)).epoch == 2


def test_a_run_without_weights_and_an_epoch_that_was_not_kept_are_said(store: Store) -> None:
    blank = np.zeros((1, 1, 32, 32), np.uint8)
    queued = store.create(parse_config(DIGITS), "mine")
    with pytest.raises(CnnAppError, match="mine has no weights yet"):
        tasks.look_at(queued.id, None, blank)
    run = run_with_weights(store, DIGITS)
    with pytest.raises(CheckpointMissing, match="epoch 9 were not kept"):
        tasks.look_at(run.id, 9, blank)


def test_a_loaded_model_is_in_evaluation_mode_with_the_stored_weights(store: Store) -> None:
    run = run_with_weights(store, DIGITS)
    model = tasks.load_model(run.id, 1)
    assert not model.training
    weights = stored(store, run, 1)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_samples_are_the_test_split_and_wrap_around() -> None:
    part = load_part(parse_config(DIGITS).dataset, "test")
    num = len(part.y_N)
    found = tasks.samples(DIGITS, [5, num + 7, num - 1])
    assert found.indices == (5, 7, num - 1)
    assert found.labels == tuple(str(part.y_N[k]) for k in (5, 7, num - 1))
    np.testing.assert_array_equal(found.x_BCHW, part.x_NCHW[[5, 7, num - 1]])


@pytest.mark.parametrize("channels", [1, 3])
def test_every_good_picture_is_read_for_people_and_for_the_network(good_picture: Path, channels: int) -> None:
    data = good_picture.read_bytes()
    read = tasks.read_picture(good_picture.name, data, channels, 28)
    assert read.x_CHW.shape == (channels, 28, 28)
    assert read.x_CHW.dtype == np.uint8
    with Image.open(io.BytesIO(read.thumbnail)) as thumbnail, Image.open(io.BytesIO(data)) as original:
        sides = (original.height, original.width) if original.getexif().get(0x0112) == 6 else original.size
        assert (read.width, read.height) == sides
        assert 80 <= max(thumbnail.size) <= 320
        assert thumbnail.width / thumbnail.height == pytest.approx(sides[0] / sides[1], rel=0.02)


def test_a_tiny_picture_is_enlarged_without_smoothing() -> None:
    pixels_HW = np.random.default_rng(0).integers(0, 256, (3, 5), dtype=np.uint8)
    with Image.open(io.BytesIO(tasks.read_picture("a.png", picture(pixels_HW), 1, 8).thumbnail)) as shown:
        np.testing.assert_array_equal(np.asarray(shown), pixels_HW.repeat(32, 0).repeat(32, 1))


def test_every_bad_picture_is_refused_by_its_name(bad_picture: Path) -> None:
    with pytest.raises(InvalidImage, match=bad_picture.name):
        tasks.read_picture(bad_picture.name, bad_picture.read_bytes(), 3, 28)


def test_every_good_picture_gets_finite_maps_of_all_layers(store: Store, good_picture: Path) -> None:
    run = run_with_weights(store, SHAPES)
    answer = tasks.look(run.id, None, [(good_picture.name, good_picture.read_bytes())])
    assert answer.maps
    assert all(np.isfinite(maps).all() for maps in answer.maps.values())
    assert answer.probabilities_BK.sum() == pytest.approx(1, abs=1e-5)


def test_a_bad_picture_is_named_among_good_ones(store: Store, bad_picture: Path) -> None:
    run = run_with_weights(store, DIGITS)
    good = ("good.png", picture(np.zeros((9, 9), np.uint8)))
    with pytest.raises(InvalidImage, match=bad_picture.name):
        tasks.look(run.id, None, [good, (bad_picture.name, bad_picture.read_bytes())])


def test_describe_lists_every_step_of_lenet() -> None:
    description = tasks.describe(DIGITS)
    shapes = [step.output_shape for step in description.steps if step.kind in ("conv", "linear")]
    assert shapes == [(6, 28, 28), (16, 10, 10), (120,), (84,), (10,)]
    assert description.image_shape == (1, 32, 32)
