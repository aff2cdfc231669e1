"""Batches: the right images in the right order, normalised as torchvision would."""

import warnings

import numpy as np
import pytest
import torch
from torchvision import transforms

from cnnapp.data.batches import TensorSplit, epoch_order, normalise
from cnnapp.data.loading import Split


def make_split(num: int = 23, index: list[int] | None = None) -> Split:
    rng = np.random.default_rng(0)
    x_NCHW = rng.integers(0, 256, (num, 1, 2, 3), dtype=np.uint8)
    return Split(x_NCHW, np.arange(num) % 4, np.arange(num) if index is None else np.array(index))


def collect(batches):
    pairs = list(batches)
    return (
        torch.cat([x for x, _ in pairs]).numpy(),
        torch.cat([y for _, y in pairs]).numpy(),
        [len(y) for _, y in pairs],
    )


@pytest.mark.parametrize("kind", ["unit", "half"])
def test_normalisation_equals_that_of_torchvision(kind):
    x_HWC = np.random.default_rng(1).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    steps = [transforms.ToTensor()] + ([transforms.Normalize((0.5,) * 3, (0.5,) * 3)] if kind == "half" else [])
    ours = normalise(torch.from_numpy(x_HWC).permute(2, 0, 1)[None], kind)
    assert torch.equal(ours[0], transforms.Compose(steps)(x_HWC))


def test_normalisation_leaves_the_pixels_alone_and_refuses_other_kinds():
    pixels = torch.full((1, 1, 2, 2), 200, dtype=torch.uint8)
    normalise(pixels, "half")
    assert (pixels == 200).all()
    with pytest.raises(ValueError, match="'zscore'"):
        normalise(pixels, "zscore")


@pytest.mark.parametrize("index", [None, [1, 4, 5, 9, 12, 13, 20]])
def test_batches_without_an_order_are_the_split_in_its_own(index):
    split = make_split(index=index)
    x, y, sizes = collect(TensorSplit.from_split(split).batches(5))
    np.testing.assert_array_equal(x, split.images())
    np.testing.assert_array_equal(y, split.labels())
    assert sizes == ([5, 5, 5, 5, 3] if index is None else [5, 2])


@pytest.mark.parametrize("index", [None, [1, 4, 5, 9, 12, 13, 20]])
def test_an_order_is_positions_within_the_split(index):
    split = make_split(index=index)
    order = epoch_order(len(split), seed=3, epoch=2)
    x, y, _ = collect(TensorSplit.from_split(split).batches(4, order))
    np.testing.assert_array_equal(x, split.images()[order])
    np.testing.assert_array_equal(y, split.labels()[order])


def test_skipping_batches_gives_the_rest_of_the_same_epoch():
    split = TensorSplit.from_split(make_split())
    order = epoch_order(23, seed=0, epoch=1)
    every = [y.tolist() for _, y in split.batches(4, order)]
    assert [y.tolist() for _, y in split.batches(4, order, skip=2)] == every[2:]
    assert list(split.batches(4, order, skip=6)) == []
    assert split.num_batches(4) == len(every) == 6


def test_an_epochs_order_is_a_permutation_that_depends_on_seed_and_epoch():
    orders = {key: tuple(epoch_order(50, *key)) for key in ((0, 1), (0, 2), (1, 1))}
    assert len(set(orders.values())) == 3
    assert all(sorted(order) == list(range(50)) for order in orders.values())
    assert tuple(epoch_order(50, 0, 1)) == orders[0, 1]


def test_on_the_cpu_splits_share_the_memory_of_their_part():
    split = make_split(index=[2, 3])
    tensors = TensorSplit.from_split(split)
    assert tensors.x_NCHW.data_ptr() == split.x_NCHW.ctypes.data
    assert len(tensors) == 2
    assert tensors.device.type == "cpu"


def test_a_read_only_array_makes_no_warning():
    split = make_split()
    split.x_NCHW.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(TensorSplit.from_split(split)) == 23


def test_an_empty_split_has_no_batches():
    split = TensorSplit.from_split(make_split(index=[]))
    assert len(split) == 0
    assert list(split.batches(8)) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("index", [None, [1, 4, 5, 9, 12, 13, 20]])
def test_on_a_gpu_a_split_gives_the_same_batches_from_its_own_images_only(index):
    split = make_split(index=index)
    tensors = TensorSplit.from_split(split, "cuda")
    order = epoch_order(len(split), 0, 1)
    batches = list(tensors.batches(4, order))
    assert all(x.is_cuda and y.is_cuda for x, y in batches)
    np.testing.assert_array_equal(torch.cat([x for x, _ in batches]).cpu().numpy(), split.images()[order])
    assert len(tensors.x_NCHW) == len(split)
