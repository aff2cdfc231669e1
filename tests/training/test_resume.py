"""A run that was paused, or killed at any moment, ends as if nothing had happened."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch import Tensor, nn

from cnnapp.config import RunConfig
from cnnapp.events import Checkpoint, EpochDone, Event, RunEnded, RunStarted, StepsDone, TestDone, WeightsDone
from cnnapp.training import loop
from tests.training.cases import AskAfter, Spy, config, last_weights, network, of, splits

OPTIMIZERS = [
    {"optimizer": "sgd", "lr": 0.1},
    {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.01},
    {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1},
]


def through_a_file(checkpoint: Checkpoint) -> Checkpoint:
    tensors = safetensors.numpy.load(safetensors.numpy.save(dict(checkpoint.tensors)))
    numbers = json.loads(json.dumps(checkpoint.numbers, allow_nan=False))
    return Checkpoint(checkpoint.step, checkpoint.epoch, tensors, numbers)


def outcome(model: nn.Module, events: list[Event]) -> dict[str, object]:
    """All that must be the same to the last bit; the same epoch may be reported more than once."""
    losses = {event.first_step + i: loss for event in of(StepsDone, events) for i, loss in enumerate(event.loss_S)}
    [test] = of(TestDone, events)
    return {
        "weights": {name: tensor.numpy().tobytes() for name, tensor in last_weights(model).items()},
        "losses": losses,
        "epochs": {
            e.epoch: (e.step, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, e.is_best)
            for e in of(EpochDone, events)
        },
        "kept": {
            e.epoch: {name: array.tobytes() for name, array in e.weights.items()} for e in of(WeightsDone, events)
        },
        "test": (test.epoch, test.loss, test.accuracy, test.confusion_KK.tolist()),
        "end": events[-1],
    }


def undisturbed(run: RunConfig) -> dict[str, object]:
    model = network(dropout=0.3)
    return outcome(model, list(loop.train_model(run, model, splits())))


def until_checkpoint(number: int, run: RunConfig) -> tuple[list[Event], Checkpoint]:
    """The events of a run that is killed when it has just yielded its ``number``-th checkpoint."""
    events: list[Event] = []
    for event in loop.train_model(run, network(dropout=0.3), splits(), resume_seconds=0):
        events.append(event)
        number -= isinstance(event, Checkpoint)
        if number == 0:
            return events, event
    raise AssertionError("the run has fewer checkpoints")


@pytest.mark.parametrize("settings", OPTIMIZERS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_a_run_resumed_from_any_checkpoint_is_the_undisturbed_one(monkeypatch: pytest.MonkeyPatch, settings):
    run = config(**settings)
    expected = undisturbed(run)
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    for number in range(1, 9 + 3 + 1):  # after every step, and at every epoch's end
        events, checkpoint = until_checkpoint(number, run)
        torch.manual_seed(99)  # another process
        model = network(dropout=0.3)
        rest = list(loop.train_model(run, model, splits(), resume=through_a_file(checkpoint)))
        assert of(RunStarted, rest)[0].resumed_at_step == checkpoint.step
        assert outcome(model, events + rest) == expected, f"resumed from checkpoint {number}, step {checkpoint.step}"


def test_a_run_paused_anywhere_is_the_undisturbed_one():
    """Also in the middle of a validation, or of the test at the end."""
    run = config(optimizer="adam", lr=0.01)
    expected = undisturbed(run)
    for num_asked in range(9 + 3 + 1):
        model, ask = network(dropout=0.3), AskAfter(num_asked, "pause")
        events = list(loop.train_model(run, model, splits(), ask=ask))
        assert [type(event) for event in events[-2:]] == [Checkpoint, RunEnded]
        assert events[-1].state == "paused"
        assert of(TestDone, events) == []

        model = network(dropout=0.3)
        events += loop.train_model(run, model, splits(), resume=through_a_file(events[-2]))
        assert outcome(model, events) == expected, f"paused after {num_asked} answers"


def test_a_run_paused_after_every_step_is_the_undisturbed_one():
    run = config(optimizer="sgd", momentum=0.9)
    expected = undisturbed(run)
    events: list[Event] = []
    resume = None
    for _ in range(14):
        model, ask = network(dropout=0.3), AskAfter(1, "pause")
        events += loop.train_model(run, model, splits(), ask=ask, resume=resume)
        if events[-1].state == "finished":
            break
        resume = through_a_file(events[-2])
    assert outcome(model, events) == expected


def test_a_resumed_run_sees_the_batches_that_were_left():
    whole, first, second = Spy(network()), Spy(network()), Spy(network())
    list(loop.train_model(config(), whole, splits()))
    paused = list(loop.train_model(config(), first, splits(), ask=AskAfter(5, "pause")))
    list(loop.train_model(config(), second, splits(), resume=paused[-2]))
    assert len(first.trained_on()) == 5
    assert first.trained_on() + second.trained_on() == whole.trained_on()


def test_a_checkpoint_does_not_change_afterwards():
    run = config(optimizer="adam", lr=0.01)
    events = loop.train_model(run, network(dropout=0.3), splits())
    checkpoint = next(event for event in events if isinstance(event, Checkpoint))
    before = {name: array.copy() for name, array in checkpoint.tensors.items()}
    list(events)
    assert {name.partition("/")[0] for name in before} == {"model", "optimizer", "best", "rng", "epoch"}
    for name, array in before.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], array)


def test_time_adds_up_over_pauses(monkeypatch: pytest.MonkeyPatch):
    now = 0.0

    def asked() -> Iterator[str]:
        nonlocal now
        for answer in ["go", "go", "go", "go", "pause", *["go"] * 9]:
            now += 1.0
            yield answer

    monkeypatch.setattr("cnnapp.training.window.perf_counter", lambda: now)
    answers = asked()
    events = list(loop.train_model(config(), network(), splits(), ask=lambda: next(answers)))
    now += 1000.0
    events += loop.train_model(config(), network(), splits(), ask=lambda: next(answers), resume=events[-2])
    assert [event.seconds for event in of(EpochDone, events)] == pytest.approx([4.0, 4.0, 4.0])
    assert of(Checkpoint, events)[-1].numbers["seconds"] == pytest.approx(12.0)


class Scaled(nn.Module):
    """Has state that no gradient changes, as normalisation layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.model = network()
        self.register_buffer("num_calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        self.num_calls += self.training
        return self.model(x_BCHW) * (1 + self.num_calls / 10)


def test_buffers_are_resumed_too():
    whole, first, second = Scaled(), Scaled(), Scaled()
    list(loop.train_model(config(), whole, splits()))
    paused = list(loop.train_model(config(), first, splits(), ask=AskAfter(4, "pause")))
    list(loop.train_model(config(), second, splits(), resume=through_a_file(paused[-2])))
    assert int(second.num_calls) == 9
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in whole.state_dict().items())
