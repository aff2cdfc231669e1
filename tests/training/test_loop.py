"""What one undisturbed run does and reports."""

import math
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnapp.data.batches import TensorSplit, epoch_order
from cnnapp.events import Checkpoint, EpochDone, RunEnded, RunStarted, StepsDone, TestDone, WeightsDone
from cnnapp.training import loop, window
from cnnapp.training.splits import TensorSplits
from cnnapp.training.state import Best
from tests.training.cases import Spy, config, last_weights, network, of, plain_losses, splits


def test_two_epochs_equal_hand_written_gradient_steps():
    data = splits(channels=1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, bias=False))
    w = model[1].weight.detach().clone().requires_grad_()
    for epoch in (1, 2):
        for index_B in np.array_split(epoch_order(20, 5, epoch), [8, 16]):
            x_BF = data.train.x_NCHW[index_B].flatten(1) / 255
            loss = functional.cross_entropy(x_BF @ w.T, data.train.y_N[index_B])
            (grad,) = torch.autograd.grad(loss, w)
            w = (w - 0.5 * grad).detach().requires_grad_()

    list(loop.train_model(config(seed=5, epochs=2, lr=0.5), model, data))
    torch.testing.assert_close(model[1].weight, w)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_losses_are_those_of_a_plain_loop(dropout: float):
    data, run = splits(), config(epochs=4, lr=0.3)
    expected = plain_losses(network(dropout), data.train.x_NCHW, data.train.y_N, run, num_steps=12)
    events = list(loop.train_model(run, network(dropout), data))
    found = np.concatenate([event.loss_S for event in of(StepsDone, events)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_every_epoch_shows_every_image_once_in_an_order_of_its_own():
    spy = Spy(network())
    list(loop.train_model(config(seed=3), spy, splits()))
    batches = spy.trained_on()
    assert [len(batch) for batch in batches] == [8, 8, 4] * 3
    epochs = [list(chain(*batches[start : start + 3])) for start in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in [*epochs, list(range(20))]}) == 4
    assert epochs == [epoch_order(20, 3, epoch).tolist() for epoch in (1, 2, 3)]


def test_only_training_steps_are_in_training_mode():
    modes: list[tuple[bool, bool]] = []
    model = network()
    model.register_forward_pre_hook(lambda module, args: modes.append((module.training, torch.is_grad_enabled())))
    list(loop.train_model(config(epochs=2), model, splits()))
    epoch = [(True, True)] * 3 + [(False, False)]
    assert modes[:8] == epoch * 2
    assert model.training


def test_step_numbers_count_on_over_epochs():
    events = list(loop.train_model(config(epochs=4), network(), splits()))
    steps = [event.first_step + i for event in of(StepsDone, events) for i in range(len(event.loss_S))]
    assert steps == list(range(1, 13))
    assert [event.step for event in of(EpochDone, events)] == [3, 6, 9, 12]


def test_epoch_means_are_over_images():
    """With a learning rate of next to nothing, the mean over the epoch is the loss of the whole split."""
    data, model = splits(num_train=17), network()
    with torch.no_grad():
        logits_NK = model(data.train.x_NCHW / 255)
    expected = functional.cross_entropy(logits_NK, data.train.y_N).item()
    accuracy = (logits_NK.argmax(1) == data.train.y_N).double().mean().item()

    [done] = of(EpochDone, list(loop.train_model(config(epochs=1, lr=1e-12), model, data)))
    assert done.train_loss == pytest.approx(expected, abs=1e-6)
    assert done.train_accuracy == accuracy


def test_events_come_in_order_and_say_what_there_is():
    events = list(loop.train_model(config(epochs=2), network(), splits()))
    kinds = [type(event) for event in events if not isinstance(event, StepsDone)]
    epoch = [EpochDone, WeightsDone, Checkpoint]
    assert kinds == [RunStarted, WeightsDone, *epoch, *epoch, TestDone, RunEnded]
    started = events[0]
    assert (started.num_train, started.num_val, started.num_test) == (20, 10, 12)
    assert (started.steps_per_epoch, started.epochs, started.resumed_at_step) == (3, 2, 0)
    assert started.num_parameters == (3 * 9 * 5 + 5) + (20 * 3 + 3)
    assert started.device == "cpu"
    assert events[-1] == RunEnded("finished")


def test_weights_are_copies_in_plain_order():
    model = network()
    initial = last_weights(model)
    weights = of(WeightsDone, list(loop.train_model(config(), model, splits())))
    assert [event.epoch for event in weights] == [0, 1, 2, 3]
    for name, tensor in initial.items():
        np.testing.assert_array_equal(weights[0].weights[name], tensor)
        np.testing.assert_array_equal(weights[3].weights[name], model.state_dict()[name])
        assert not np.array_equal(weights[1].weights[name], weights[3].weights[name])
        assert all(event.weights[name].flags.c_contiguous for event in weights)


def test_the_best_weights_by_validation_are_tested():
    data = splits(num_val=40)
    events = list(loop.train_model(config(epochs=12, lr=1.0), network(), data))
    epochs, [tested] = of(EpochDone, events), of(TestDone, events)
    best = min(epochs, key=lambda event: (-event.val_accuracy, event.val_loss, event.epoch))
    assert best.epoch != 12, "the case must be one in which the last epoch is not the best"
    assert tested.epoch == best.epoch
    assert [event.is_best for event in of(WeightsDone, events)] == [False, *(event.is_best for event in epochs)]
    assert [event.epoch for event in epochs if event.is_best][-1] == best.epoch

    model = network()
    [weights] = [event.weights for event in of(WeightsDone, events) if event.epoch == best.epoch]
    model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    with torch.no_grad():
        logits_NK = model(data.test.x_NCHW / 255)
    assert tested.loss == pytest.approx(functional.cross_entropy(logits_NK, data.test.y_N).item(), abs=1e-5)
    assert tested.accuracy == (logits_NK.argmax(1) == data.test.y_N).double().mean().item()


def test_ties_go_to_the_lower_loss_then_to_the_earlier_epoch():
    best = Best(epoch=1, loss=0.5, accuracy=0.8, weights={})
    assert best.is_beaten_by(0.9, 0.81)
    assert best.is_beaten_by(0.4, 0.8)
    assert not best.is_beaten_by(0.5, 0.8)
    assert not best.is_beaten_by(0.1, 0.79)


def test_without_validation_the_last_epoch_is_the_best():
    events = list(loop.train_model(config(), network(), splits(num_val=0)))
    assert [(event.val_loss, event.val_accuracy, event.confusion_KK) for event in of(EpochDone, events)] == [
        (None,) * 3
    ] * 3
    assert all(event.is_best for event in of(EpochDone, events))
    assert of(TestDone, events)[0].epoch == 3


class Breaks(nn.Module):
    """Its logits are not finite from its ``at``-th training step on."""

    def __init__(self, at: int, value: float) -> None:
        super().__init__()
        self.model, self.left, self.value = network(), at, value

    def forward(self, x_BCHW: Tensor) -> Tensor:
        self.left -= torch.is_grad_enabled()
        logits_BK = self.model(x_BCHW)
        return logits_BK if self.left > 0 else logits_BK * self.value


@pytest.mark.parametrize("report_seconds", [0.0, 1e9])
def test_a_loss_that_is_not_finite_ends_the_run_at_exactly_that_step(monkeypatch: pytest.MonkeyPatch, report_seconds):
    monkeypatch.setattr(loop, "REPORT_SECONDS", report_seconds)
    events = list(loop.train_model(config(), Breaks(5, math.nan), splits()))
    assert events[-1] == RunEnded("diverged", "diverged at step 5: loss was nan; try a lower learning rate")
    assert sum(len(event.loss_S) for event in of(StepsDone, events)) == 4
    assert all(np.isfinite(event.loss_S).all() for event in of(StepsDone, events))
    assert [event.epoch for event in of(EpochDone, events)] == [1]
    assert of(TestDone, events) == []


def test_a_validation_loss_that_is_not_finite_ends_the_run():
    events = list(loop.train_model(config(lr=10.0, epochs=1, batch_size=20), Overflows(), splits()))
    assert events[-1].state == "diverged"
    assert events[-1].detail.startswith("diverged in the validation after step 1: loss was ")
    assert of(EpochDone, events) == of(TestDone, events) == []


class Overflows(nn.Module):
    """Its first loss is finite, and its first update makes the logits infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return (self.w * 1e30).expand(len(x_BCHW), 3)


def test_the_first_step_is_reported_at_once_and_others_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch):
    now = 0.0

    def ask() -> str:  # asked once a step: each takes 0.1 s
        nonlocal now
        now += 0.1
        return "go"

    monkeypatch.setattr(window, "perf_counter", lambda: now)
    data = splits(num_train=80, num_val=0)
    events = list(loop.train_model(config(epochs=1), network(), data, ask=ask, resume_seconds=0.5))
    reports = of(StepsDone, events)
    assert [len(event.loss_S) for event in reports] == [1, 3, 3, 3]
    assert [event.images_per_second for event in reports] == pytest.approx([80, 80, 80, 80])
    assert [event.step for event in of(Checkpoint, events)] == [7, 10]
    assert of(EpochDone, events)[0].seconds == pytest.approx(1.0)


def test_no_step_waits_for_its_own_numbers(monkeypatch: pytest.MonkeyPatch):
    waits = 0

    def counted(original):
        def call(*arguments, **names):
            nonlocal waits
            waits += 1
            return original(*arguments, **names)

        return call

    monkeypatch.setattr(loop, "REPORT_SECONDS", 1e9)
    for name in ("item", "cpu", "tolist", "__float__", "__int__", "__bool__"):
        monkeypatch.setattr(Tensor, name, counted(getattr(Tensor, name)))
    counts = []
    for num_train in (80, 800):
        waits, data = 0, splits(num_train=80, num_val=0)
        data = TensorSplits(repeated(data.train, num_train // 80), data.val, data.test, 3, "unit")
        for event in loop.train_model(config(epochs=1), network(), data):
            if isinstance(event, EpochDone):
                break
        counts.append(waits)
    assert counts[0] == counts[1]


def repeated(split: TensorSplit, times: int) -> TensorSplit:
    return TensorSplit(split.x_NCHW.repeat(times, 1, 1, 1), split.y_N.repeat(times))
