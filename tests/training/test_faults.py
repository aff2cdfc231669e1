"""The tests themselves: each fault, put into a copy of the code, makes the test that is about it fail."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest

from cnnapp.data import loading
from cnnapp.training import evaluate, loop, run, splits, state
from tests.training import test_loop, test_resume, test_run, test_stop


@dataclass(frozen=True)
class Fault:
    """``right``, in the source of ``module``, becomes ``wrong``; then ``user`` gets ``name`` from that copy."""

    what: str
    right: str
    wrong: str
    noticed_by: Callable[..., None]
    module: ModuleType = loop
    name: str = "train_model"
    user: ModuleType = loop

    def put_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = inspect.getsource(self.module)
        assert source.count(self.right) == 1, f"{self.right!r} must be in the source once: adapt this fault"
        copy = ModuleType(self.module.__name__)
        exec(compile(source.replace(self.right, self.wrong), f"<{self.what}>", "exec"), vars(copy))
        monkeypatch.setattr(self.user, self.name, vars(copy)[self.name])


FAULTS = [
    Fault(
        "no zero_grad",
        "self.state.optimizer.zero_grad()",
        "pass",
        noticed_by=test_loop.test_two_epochs_equal_hand_written_gradient_steps,
    ),
    Fault(
        "no return to training mode after evaluation",
        "model.train(was_training)",
        "pass",
        module=evaluate,
        name="evaluate",
        noticed_by=test_loop.test_only_training_steps_are_in_training_mode,
    ),
    Fault(
        "no shuffling",
        "order = epoch_order(len(self.data.train), self.seed, state.epoch + 1)",
        "order = np.arange(len(self.data.train))",
        noticed_by=test_loop.test_every_epoch_shows_every_image_once_in_an_order_of_its_own,
    ),
    Fault(
        "the same order in every epoch",
        "self.seed, state.epoch + 1)",
        "self.seed, 1)",
        noticed_by=test_loop.test_every_epoch_shows_every_image_once_in_an_order_of_its_own,
    ),
    Fault(
        "stop ignored",
        "command = self.ask()",
        'command: Command = "go"',
        noticed_by=lambda: test_stop.test_stop_ends_the_run_after_the_step_under_way(2),
    ),
    Fault(
        "a non-finite loss ignored",
        "if num_finite < len(steps.loss_S):",
        "if False:",
        noticed_by=lambda monkeypatch: test_loop.test_a_loss_that_is_not_finite_ends_the_run_at_exactly_that_step(
            monkeypatch, 1e9
        ),
    ),
    Fault(
        "step numbers restarting each epoch",
        "first_step = state.step - len(steps.loss_S) + 1",
        "first_step = state.step - len(steps.loss_S) + 1 - state.epoch * self.steps_per_epoch",
        noticed_by=test_loop.test_step_numbers_count_on_over_epochs,
    ),
    Fault(
        "an epoch mean not weighted by batch size",
        "math.fsum(loss_S.astype(np.float64) * size_S) / num_train",
        "float(loss_S.mean())",
        noticed_by=test_loop.test_epoch_means_are_over_images,
    ),
    Fault(
        "a resumed run that replays the wrong batches",
        "skip=steps_done",
        "skip=0",
        noticed_by=test_resume.test_a_resumed_run_sees_the_batches_that_were_left,
    ),
    Fault(
        "a resumed run that draws other random numbers",
        'torch.set_rng_state(torch.tensor(tensors["rng/torch"]))',
        "pass",
        module=state,
        name="restore",
        noticed_by=test_resume.test_a_run_paused_anywhere_is_the_undisturbed_one,
    ),
    Fault(
        "the validation split trained on",
        "TensorSplit.from_split(splits.train, device)",
        "TensorSplit.from_split(splits.val, device)",
        module=splits,
        name="TensorSplits",
        user=run,
        noticed_by=test_run.test_no_validation_image_is_trained_on,
    ),
    Fault(
        "validation images in the training split",
        "index_N[left]",
        "index_N",
        module=loading,
        name="load_splits",
        user=run,
        noticed_by=test_run.test_no_validation_image_is_trained_on,
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what.replace(" ", "-"))
def test_a_fault_is_noticed(monkeypatch: pytest.MonkeyPatch, fault: Fault):
    fault.put_in(monkeypatch)
    takes_monkeypatch = "monkeypatch" in inspect.signature(fault.noticed_by).parameters
    with pytest.raises(AssertionError):
        fault.noticed_by(*([monkeypatch] if takes_monkeypatch else []))
