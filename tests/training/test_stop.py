"""Stop takes effect at once, and what was learned until then is tested."""

import pytest
import torch
from torch.nn import functional

from cnnapp.events import Checkpoint, EpochDone, RunEnded, StepsDone, TestDone
from cnnapp.training import evaluate, loop
from tests.training.cases import AskAfter, Spy, config, network, of, splits


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_stop_ends_the_run_after_the_step_under_way(num_steps: int):
    spy = Spy(network())
    events = list(loop.train_model(config(), spy, splits(), ask=AskAfter(num_steps - 1, "stop")))
    assert len(spy.trained_on()) == num_steps
    assert sum(len(event.loss_S) for event in of(StepsDone, events)) == num_steps
    assert [type(event) for event in events[-3:]] == [Checkpoint, TestDone, RunEnded]
    assert events[-1] == RunEnded("stopped", f"stopped at step {num_steps} of 9")


def test_a_run_stopped_in_a_later_epoch_tests_its_best_weights():
    run, model = config(lr=1.0, epochs=12), network()
    whole = list(loop.train_model(run, network(), splits()))
    events = list(loop.train_model(run, model, splits(), ask=AskAfter(4 * 3 + 1, "stop")))
    epochs = of(EpochDone, events)
    best = min(epochs, key=lambda event: (-event.val_accuracy, event.val_loss, event.epoch))
    assert len(epochs) == 3
    assert of(TestDone, events)[0].epoch == best.epoch
    assert [event.val_loss for event in epochs] == [event.val_loss for event in of(EpochDone, whole)][:3]


def test_a_run_stopped_in_its_first_epoch_tests_the_weights_it_has():
    data, model = splits(), network()
    events = list(loop.train_model(config(), model, data, ask=AskAfter(1, "stop")))
    [tested] = of(TestDone, events)
    with torch.no_grad():
        expected = functional.cross_entropy(model(data.test.x_NCHW / 255), data.test.y_N).item()
    assert tested.loss == pytest.approx(expected, abs=1e-5)
    assert tested.epoch == 1


@pytest.mark.parametrize("command", ["stop", "pause"])
def test_a_validation_is_broken_off_between_its_batches(monkeypatch: pytest.MonkeyPatch, command: str):
    monkeypatch.setattr(evaluate, "BATCH", 4)
    spy = Spy(network())
    events = list(loop.train_model(config(), spy, splits(num_val=40, num_test=4), ask=AskAfter(3 + 1, command)))
    validated = [positions for is_training, positions in spy.calls if not is_training]
    assert len(validated) - (command == "stop") == 2  # of 10; a stopped run tests one more batch
    assert of(EpochDone, events) == []
    assert events[-1].state == {"stop": "stopped", "pause": "paused"}[command]
    assert of(Checkpoint, events)[-1].epoch == 0


def test_a_run_that_did_all_its_steps_is_finished_even_if_stopped_in_its_test():
    events = list(loop.train_model(config(), network(), splits(), ask=AskAfter(9 + 3, "stop")))
    assert [type(event) for event in events[-2:]] == [TestDone, RunEnded]
    assert events[-1].state == "finished"
