"""What every registered dataset promises, and what the ones that are always here look like."""

import hashlib
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from cnnapp.config import DATASETS
from cnnapp.data.dataset import Images, Part, no_progress
from cnnapp.data.sets import shapes

ALWAYS_HERE = [name for name, dataset in DATASETS.items() if dataset.download_mb == 0]


@cache
def read(name: str, part: Part) -> Images:
    return DATASETS[name].read(part, no_progress)


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_describes_itself(name):
    dataset = DATASETS[name]
    assert dataset.image_shape() == (dataset.channels, dataset.image_size, dataset.image_size)
    assert dataset.image_shape(64) == (dataset.channels, 64, 64)
    assert len(dataset.classes) == len(set(dataset.classes)) == 10
    assert dataset.channels in (1, 3)
    assert all((dataset.title, dataset.description, dataset.source))
    assert isinstance(dataset.is_present(), bool)


@pytest.mark.parametrize("name", ALWAYS_HERE)
def test_a_dataset_without_download_is_as_it_describes_itself(name):
    dataset = DATASETS[name]
    assert dataset.is_present()
    for part, num in (("train", dataset.num_train), ("test", dataset.num_test)):
        images = read(name, part)
        size = dataset.native_size
        assert images.x_NHWC.shape == (num, size, size, dataset.channels)
        assert images.x_NHWC.dtype == np.uint8
        assert set(images.y_N.tolist()) == set(range(10))


def test_there_are_two_datasets_that_need_no_download():
    assert sorted(ALWAYS_HERE) == ["digits", "shapes"]


def test_digits_are_scikit_learns_with_every_fifth_of_a_class_to_test_on():
    whole = load_digits()
    seen = dict.fromkeys(range(10), 0)
    test = []
    for index, label in enumerate(whole.target):
        seen[label] += 1
        if seen[label] % 5 == 0:
            test.append(index)
    images = read("digits", "test")
    np.testing.assert_array_equal(images.y_N, whole.target[test])
    assert abs(images.x_NHWC[..., 0] / 255 * 16 - whole.images[test]).max() <= 0.5 / 255 * 16 + 1e-9
    train = read("digits", "train")
    assert len(train.y_N) + len(images.y_N) == len(whole.target)
    assert np.bincount(images.y_N).tolist() == [count // 5 for count in np.bincount(whole.target)]


def test_digits_can_be_learned_from_one_part_for_the_other():
    train, test = (read("digits", part) for part in ("train", "test"))
    model = KNeighborsClassifier(3).fit(train.x_NHWC.reshape(len(train.y_N), -1), train.y_N)
    assert model.score(test.x_NHWC.reshape(len(test.y_N), -1), test.y_N) > 0.97


@pytest.mark.parametrize("shape", shapes.CLASSES)
def test_a_shape_is_drawn_again_exactly_and_differs_by_number_and_part(shape):
    pictures = {key: shapes.draw(shape, *key).tobytes() for key in ((0, 0), (0, 1), (1, 0))}
    assert len(set(pictures.values())) == 3
    assert shapes.draw(shape, 0, 1).tobytes() == pictures[0, 1]


def area(shape: str) -> float:
    """By the shoelace formula, of the outline on the unit circle."""
    x, y = np.array(shapes.OUTLINES[shape]).T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 * ((1 - 0.58**2) if shape == "ring" else 1)


@pytest.mark.parametrize("shape", shapes.CLASSES)
def test_a_shape_covers_the_area_of_its_outline_and_stays_in_the_picture(shape):
    for number in range(20):
        picks = []

        def pick(low: int, high: int, number: int = number, picks: list = picks) -> int:
            picks.append(low + (number * 7919 + len(picks) * 104729) % (high - low + 1))
            return picks[-1]

        mask_HW = shapes._mask(shape, pick) / 256
        radius = picks[0] / shapes.FINE
        assert mask_HW.sum() == pytest.approx(area(shape) * radius**2, rel=0.12)
        assert not shapes._mask(shape, lambda low, high: high)[0, 0]


def test_shapes_stand_out_from_their_background():
    images = read("shapes", "test")
    assert np.bincount(images.y_N).tolist() == [100] * 10
    assert (images.x_NHWC.reshape(1000, -1).std(axis=1) > 8).all()


def test_the_shapes_of_every_machine_are_these():
    """Written down once: another picture under the same number would make runs of two machines differ."""
    picture = shapes.draw("star", 0, 4)
    assert hashlib.sha256(picture.tobytes()).hexdigest()[:16] == "67f818a8de2271d0"
