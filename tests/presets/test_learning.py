"""The quick preset really learns."""

from collections.abc import Iterator

import pytest
import torch

from cnnapp.config import PRESETS, override
from cnnapp.events import EpochDone
from cnnapp.training import train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So small a network is no quicker with two, and ten times slower with two on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def best_val_accuracy(name: str, *assignments: str) -> float:
    events = train(override(PRESETS[name].config, assignments), device="cpu")
    return max(e.val_accuracy for e in events if isinstance(e, EpochDone) and e.val_accuracy is not None)


def test_digits_reach_95_percent_on_validation():
    assert best_val_accuracy("digits-quick", "training.epochs=12") > 0.95
