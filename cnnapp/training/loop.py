"""Training as a generator of events: whoever iterates decides what happens with them, and how long each may take."""

import math
from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnapp.config import RunConfig
from cnnapp.data.batches import epoch_order
from cnnapp.events import Checkpoint, EpochDone, Event, RunEnded, RunStarted, StepsDone, TestDone, WeightsDone
from cnnapp.training.control import Ask, Command, Diverged, Interrupted, always_go
from cnnapp.training.devices import device_name
from cnnapp.training.evaluate import Evaluation, evaluate
from cnnapp.training.optimizers import make_optimizer
from cnnapp.training.splits import TensorSplits
from cnnapp.training.state import Best, TrainingState, restore, save, to_arrays
from cnnapp.training.window import StepWindow

REPORT_SECONDS = 0.25
"""Steps are reported this often. The first step of a process is reported at once."""


def train_model(
    config: RunConfig,
    model: nn.Module,
    data: TensorSplits,
    *,
    ask: Ask = always_go,
    resume: Checkpoint | None = None,
    resume_seconds: float = 20.0,
) -> Iterator[Event]:
    """Train ``model`` in place on data that is on its device; arguments and events as for ``run.train``.

    Of the config, ``training`` and ``seed`` count here. Dropout draws from torch's generator as it is, unless resumed.
    """
    yield from _Training(config, model, data, ask, resume_seconds).events(resume)


class _Training:
    """One run under way: what it was given, its state, and the steps that were not reported yet."""

    def __init__(
        self, config: RunConfig, model: nn.Module, data: TensorSplits, ask: Ask, resume_seconds: float
    ) -> None:
        self.config = config.training
        self.seed = config.seed
        self.data = data
        self.ask = ask
        self.resume_seconds = resume_seconds
        self.steps_per_epoch = math.ceil(len(data.train) / self.config.batch_size)
        model.to(memory_format=torch.channels_last).train()
        self.state = TrainingState(model, make_optimizer(model.parameters(), self.config))
        self.window = StepWindow()
        self.report_after = 0.0
        self.unsaved_seconds = 0.0

    def events(self, resume: Checkpoint | None) -> Iterator[Event]:
        state = self.state
        if resume is not None:
            restore(state, resume)
        yield self._started()
        if resume is None:
            yield WeightsDone(epoch=0, is_best=False, weights=to_arrays(state.model.state_dict()))
        try:
            while state.epoch < self.config.epochs:
                yield from self._train_epoch()
                yield from self._finish_epoch()
            yield self._test(self._unless_paused)
            yield RunEnded("finished")
        except Diverged as why:
            yield RunEnded("diverged", str(why))
        except Interrupted as interrupted:
            yield from self._break_off(interrupted.command)

    def _started(self) -> RunStarted:
        device = self.state.device
        return RunStarted(
            num_parameters=sum(p.numel() for p in self.state.model.parameters()),
            num_train=len(self.data.train),
            num_val=len(self.data.val),
            num_test=len(self.data.test),
            steps_per_epoch=self.steps_per_epoch,
            epochs=self.config.epochs,
            device=str(device),
            device_name=device_name(device),
            resumed_at_step=self.state.step,
        )

    def _train_epoch(self) -> Iterator[Event]:
        """The epoch's steps that were not done yet."""
        state = self.state
        order = epoch_order(len(self.data.train), self.seed, state.epoch + 1)
        steps_done = state.step - state.epoch * self.steps_per_epoch
        self.window.restart()
        for x_BCHW, y_B in self.data.train.batches(self.config.batch_size, order, skip=steps_done):
            self._step(x_BCHW, y_B)
            command = self.ask()
            if command == "go" and self.window.age() < self.report_after:
                continue
            yield from self._report()
            if command != "go":
                raise Interrupted(command)
            if self.unsaved_seconds >= self.resume_seconds:
                yield self._save()
            self.window.restart()
        if len(self.window):
            yield from self._report()

    def _step(self, x_BCHW: Tensor, y_B: Tensor) -> None:
        logits_BK = self.state.model(self.data.prepare(x_BCHW))
        loss = functional.cross_entropy(logits_BK, y_B)
        self.state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.state.optimizer.step()
        self.state.step += 1
        self.window.add(loss.detach(), (logits_BK.detach().argmax(dim=1) == y_B).sum(), len(y_B))

    def _report(self) -> Iterator[Event]:
        """The steps since the last report. Raises Diverged after those before the first loss that is not finite."""
        state = self.state
        steps = self.window.take()
        first_step = state.step - len(steps.loss_S) + 1
        is_finite_S = np.isfinite(steps.loss_S)
        num_finite = len(is_finite_S) if is_finite_S.all() else int(is_finite_S.argmin())
        state.losses.append(steps.loss_S)
        state.corrects.append(steps.correct_S)
        self._count_seconds(steps.seconds)
        self.report_after = REPORT_SECONDS
        if num_finite:
            accuracy_S = (steps.correct_S / steps.size_S).astype(np.float32)
            speed = float(steps.size_S.sum() / max(steps.seconds, 1e-9))
            yield StepsDone(first_step, steps.loss_S[:num_finite].copy(), accuracy_S[:num_finite], speed)
        if num_finite < len(steps.loss_S):
            raise Diverged(f"at step {first_step + num_finite}", float(steps.loss_S[num_finite]))

    def _finish_epoch(self) -> Iterator[Event]:
        """Validate, keep the weights if they are the best, and save."""
        state = self.state
        val = self._validate() if len(self.data.val) else None
        epoch = state.epoch + 1
        loss, accuracy = (val.loss, val.accuracy) if val else (None, None)
        is_best = state.best is None or state.best.is_beaten_by(loss, accuracy)
        weights = to_arrays(state.model.state_dict())
        if is_best:
            state.best = Best(epoch, loss, accuracy, weights)
        done = self._epoch_done(epoch, val, is_best)
        state.epoch, state.epoch_seconds, state.losses, state.corrects = epoch, 0.0, [], []
        yield done
        yield WeightsDone(epoch, is_best, weights)
        yield self._save()

    def _validate(self) -> Evaluation:
        self.window.restart()
        val = evaluate(self.state.model, self.data, self.data.val, self.ask)
        self._count_seconds(self.window.age())
        if not math.isfinite(val.loss):
            raise Diverged(f"in the validation after step {self.state.step}", val.loss)
        return val

    def _epoch_done(self, epoch: int, val: Evaluation | None, is_best: bool) -> EpochDone:
        """Means are over images, so that a smaller last batch does not count for more."""
        loss_S, correct_S = self.state.epoch_arrays()
        num_train = len(self.data.train)
        size_S = np.full(len(loss_S), self.config.batch_size)
        size_S[-1] = num_train - self.config.batch_size * (len(loss_S) - 1)
        return EpochDone(
            epoch=epoch,
            step=self.state.step,
            train_loss=math.fsum(loss_S.astype(np.float64) * size_S) / num_train,
            train_accuracy=int(correct_S.sum()) / num_train,
            val_loss=val.loss if val else None,
            val_accuracy=val.accuracy if val else None,
            confusion_KK=val.confusion_KK if val else None,
            is_best=is_best,
            seconds=self.state.epoch_seconds,
        )

    def _count_seconds(self, seconds: float) -> None:
        self.state.seconds += seconds
        self.state.epoch_seconds += seconds
        self.unsaved_seconds += seconds

    def _save(self) -> Checkpoint:
        self.unsaved_seconds = 0.0
        return save(self.state)

    def _break_off(self, command: Command) -> Iterator[Event]:
        """End in a state from which the run can go on; a stopped one is tested, since it will not."""
        where = f"at step {self.state.step} of {self.steps_per_epoch * self.config.epochs}"
        yield self._save()
        if command == "pause":
            yield RunEnded("paused", f"paused {where}")
            return
        try:
            yield self._test(always_go)
            yield RunEnded("stopped", f"stopped {where}")
        except Diverged as why:
            yield RunEnded("diverged", str(why))

    def _unless_paused(self) -> Command:
        """For the test at the end: there is nothing left to stop."""
        return "pause" if self.ask() == "pause" else "go"

    def _test(self, ask: Ask) -> TestDone:
        """Test the best weights; those of now, which belong to the epoch under way, when no epoch was completed."""
        model, best = self.state.model, self.state.best
        if best is not None:
            model = deepcopy(model)  # the trained weights stay as they are
            model.load_state_dict({name: torch.tensor(array) for name, array in best.weights.items()})
        result = evaluate(model, self.data, self.data.test, ask)
        if not math.isfinite(result.loss):
            raise Diverged(f"in the test after step {self.state.step}", result.loss)
        epoch = best.epoch if best is not None else self.state.epoch + 1
        return TestDone(epoch, result.loss, result.accuracy, result.confusion_KK)
