"""Devices are found by name, and a missing one is said in a sentence."""

import pytest
import torch

from cnnapp.errors import InvalidConfig
from cnnapp.training.devices import choose_device, device_name


@pytest.mark.parametrize(
    ("num_gpus", "name", "expected"),
    [
        (0, "auto", "cpu"),
        (0, "cpu", "cpu"),
        (2, "auto", "cuda:0"),
        (2, "cpu", "cpu"),
        (2, "cuda", "cuda:0"),
        (2, "cuda:1", "cuda:1"),
    ],
)
def test_a_device_is_found_by_name(monkeypatch: pytest.MonkeyPatch, num_gpus: int, name: str, expected: str):
    pretend(monkeypatch, num_gpus)
    assert choose_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("num_gpus", "name", "sentence"),
    [
        (0, "cuda", "device is 'cuda', but there is no GPU that torch can use here. Set it to auto or cpu."),
        (2, "cuda:2", "device is 'cuda:2', but there is only cuda:0, cuda:1 here. Set it to auto or cpu."),
        (2, "gpu", "device is 'gpu', but it must be auto, cpu, cuda or cuda:N."),
        (2, "cuda:x", "device is 'cuda:x', but it must be auto, cpu, cuda or cuda:N."),
    ],
)
def test_a_missing_device_is_said(monkeypatch: pytest.MonkeyPatch, num_gpus: int, name: str, sentence: str):
    pretend(monkeypatch, num_gpus)
    with pytest.raises(InvalidConfig) as error:
        choose_device(name)
    assert str(error.value) == sentence


def test_a_cpu_is_named_with_its_threads():
    model, _, threads = device_name(torch.device("cpu")).rpartition(", ")
    assert model
    assert threads in (f"{torch.get_num_threads()} threads", "1 thread")


def pretend(monkeypatch: pytest.MonkeyPatch, num_gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: num_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
