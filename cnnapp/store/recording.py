"""What each event of a run changes in the store.

Step metrics are appended inside the transaction that counts them, so that two processes never write one run's file at
once; and they are on the disk before a checkpoint covers them. So a run that resumes from its checkpoint finds every
step up to it, and cuts what came after.
"""

import time
import zlib
from pathlib import Path

import numpy as np

from cnnapp.errors import RunConflict
from cnnapp.events import (
    Checkpoint,
    DataProgress,
    EpochDone,
    Event,
    RunEnded,
    RunStarted,
    StepsDone,
    TestDone,
    WeightsDone,
)
from cnnapp.store.checkpoints import WeightsFolder, checkpoint_epoch, save_checkpoint
from cnnapp.store.database import Connection, Database
from cnnapp.store.metrics import StepMetrics
from cnnapp.store.queue import end_run, newest_command
from cnnapp.store.run import not_found, storable

HEARTBEAT = "heartbeat = :now, seconds_trained = seconds_trained + max(0, :now - coalesce(heartbeat, :now))"


class Recorder:
    """Writes the events of one run.

    Args:
        folder: The run's.
        attempt: Which start of a worker the events come from; None where there is only one. The events of a worker
            that was given up, and another started in its place, are refused.
    """

    def __init__(
        self, database: Database, run_id: str, folder: Path, weights: WeightsFolder, attempt: int | None
    ) -> None:
        self.database = database
        self.run_id = run_id
        self.weights = weights
        self.attempt = attempt
        self.metrics = StepMetrics(folder)
        self.resume_path = folder / "resume.safetensors"

    def record(self, event: Event) -> None:
        match event:
            case DataProgress():
                self._update("detail = :detail, heartbeat = :now", detail=storable(f"{event.text} ({event.share:.0%})"))
            case RunStarted():
                self._started(event)
            case StepsDone():
                self._steps_done(event)
            case EpochDone():
                self._epoch_done(event)
            case WeightsDone():
                self._weights_done(event)
            case Checkpoint():
                self._checkpoint(event)
            case TestDone():
                self._test_done(event)
            case RunEnded():
                self._ended(event)

    def _update(self, assignments: str, durable: bool = False, **values: object) -> None:
        with self.database.write(durable) as connection:
            self._demand_running(connection)
            self._set(connection, assignments, **values)

    def _set(self, connection: Connection, assignments: str, **values: object) -> None:
        """``assignments`` is text of this module, never a user's."""
        sql = f"UPDATE runs SET {assignments} WHERE id = :id"  # noqa: S608
        connection.execute(sql, {"id": self.run_id, "now": time.time(), **values})

    def _demand_running(self, connection: Connection) -> None:
        rows = connection.execute("SELECT state, attempt FROM runs WHERE id = ?", (self.run_id,)).fetchall()
        if not rows:
            raise not_found(self.run_id)
        ((state, attempt),) = rows
        if self.attempt not in (None, attempt):
            raise RunConflict(
                f"The run {self.run_id} goes on in another process, so that this one may not write to it."
            )
        if state == "queued" and attempt == 0:  # trained by whoever made it, without a scheduler
            started = "state = 'running', attempt = 1, started = coalesce(started, :now)"
            self._set(connection, started)
        elif state != "running":
            raise RunConflict(f"The run {self.run_id} is {state}, so that nothing can be added to it.")

    def _started(self, event: RunStarted) -> None:
        with self.database.write() as connection:
            self._demand_running(connection)
            self._forget_rows_after(connection, event.resumed_at_step)
            (best,) = connection.execute(
                "SELECT max(epoch) FROM epochs WHERE run = ? AND is_best", (self.run_id,)
            ).fetchall()
            self._set(
                connection,
                """detail = '', heartbeat = :now, device = :device, device_name = :device_name, epochs = :epochs,
                num_parameters = :num_parameters, num_train = :num_train, num_val = :num_val, num_test = :num_test,
                steps_per_epoch = :steps_per_epoch, step = :step, images_per_second = NULL,
                epoch = (SELECT coalesce(max(epoch), 0) FROM epochs WHERE run = :id),
                last_train_loss = (SELECT train_loss FROM epochs WHERE run = :id ORDER BY epoch DESC LIMIT 1),
                best_epoch = :best,
                best_val_accuracy = (SELECT val_accuracy FROM epochs WHERE run = :id AND epoch = :best),
                best_val_loss = (SELECT val_loss FROM epochs WHERE run = :id AND epoch = :best),
                test_accuracy = NULL, test_loss = NULL, test_epoch = NULL""",
                device=event.device,
                device_name=event.device_name,
                epochs=event.epochs,
                num_parameters=event.num_parameters,
                num_train=event.num_train,
                num_val=event.num_val,
                num_test=event.num_test,
                steps_per_epoch=event.steps_per_epoch,
                step=event.resumed_at_step,
                best=best[0],
            )

        with self.database.write() as connection:  # second, so that no row ever tells of a step that no file has
            self._demand_running(connection)
            self._forget_files_after(connection, event.resumed_at_step)

    def _forget_rows_after(self, connection: Connection, step: int) -> None:
        """Forget what a killed worker did after its last checkpoint; it is done again."""
        values = {"run": self.run_id, "step": step}
        connection.execute("DELETE FROM epochs WHERE run = :run AND step > :step", values)
        connection.execute(
            """DELETE FROM confusions WHERE run = :run
            AND (split = 'test' OR epoch NOT IN (SELECT epoch FROM epochs WHERE run = :run))""",
            values,
        )

    def _forget_files_after(self, connection: Connection, step: int) -> None:
        self.metrics.truncate(step)
        lost = step - self.metrics.num_steps
        if lost > 0:  # someone removed the file; the run matters more than its curve
            unknown_S = np.full(lost, np.nan, np.float32)
            self.metrics.append(self.metrics.num_steps + 1, unknown_S, unknown_S)
        ((completed,),) = connection.execute("SELECT epoch FROM runs WHERE id = ?", (self.run_id,)).fetchall()
        self.weights.forget_after(completed)

    def _steps_done(self, event: StepsDone) -> None:
        with self.database.write() as connection:
            self._demand_running(connection)
            self.metrics.append(event.first_step, event.loss_S, event.accuracy_S)
            self._set(
                connection,
                f"step = :step, images_per_second = :rate, {HEARTBEAT}",
                step=event.first_step + len(event.loss_S) - 1,
                rate=float(event.images_per_second),
            )

    def _epoch_done(self, event: EpochDone) -> None:
        figures = (event.train_loss, event.train_accuracy, event.val_loss, event.val_accuracy)
        row = (self.run_id, int(event.epoch), int(event.step), *map(_plain, figures))
        best = ", best_epoch = :epoch, best_val_accuracy = :accuracy, best_val_loss = :loss" if event.is_best else ""
        with self.database.write() as connection:
            self._demand_running(connection)
            connection.execute(
                "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, bool(event.is_best), float(event.seconds)),
            )
            if event.confusion_KK is not None:
                self._keep_confusion(connection, "val", event.epoch, event.confusion_KK)
            self._set(
                connection,
                f"epoch = :epoch, last_train_loss = :train_loss, {HEARTBEAT}{best}",
                epoch=event.epoch,
                train_loss=_plain(event.train_loss),
                accuracy=_plain(event.val_accuracy),
                loss=_plain(event.val_loss),
            )

    def _keep_confusion(self, connection: Connection, split: str, epoch: int, confusion_KK: np.ndarray) -> None:
        values = (self.run_id, split, epoch, pack_confusion(confusion_KK))
        connection.execute("INSERT OR REPLACE INTO confusions VALUES (?, ?, ?, ?)", values)

    def _weights_done(self, event: WeightsDone) -> None:
        self._update(HEARTBEAT)  # first, so that a worker that was given up writes no file
        self.weights.save(event, self._epochs(), covered=checkpoint_epoch(self.resume_path) or 0)

    def _checkpoint(self, event: Checkpoint) -> None:
        self._update(HEARTBEAT, durable=True)
        self.metrics.sync()
        save_checkpoint(self.resume_path, event)
        self._update("restarts = 0")

    def _test_done(self, event: TestDone) -> None:
        with self.database.write() as connection:
            self._demand_running(connection)
            self._keep_confusion(connection, "test", event.epoch, event.confusion_KK)
            self._set(
                connection,
                f"test_epoch = :epoch, test_accuracy = :accuracy, test_loss = :loss, {HEARTBEAT}",
                epoch=event.epoch,
                accuracy=float(event.accuracy),
                loss=float(event.loss),
            )

    def _ended(self, event: RunEnded) -> None:
        with self.database.write() as connection:
            self._demand_running(connection)
            asked = newest_command(connection, self.run_id)
            state: str = event.state
            if state == "paused" and asked in ("stop", "resume"):  # said after the worker had taken the pause
                state = "stopped" if asked == "stop" else "queued"
            end_run(connection, self.run_id, state, event.detail)
        if state in ("finished", "stopped", "diverged"):
            self.resume_path.unlink(missing_ok=True)
            self.weights.tidy(self._epochs())

    def _epochs(self) -> int:
        return int(self.database.rows("SELECT epochs FROM runs WHERE id = ?", (self.run_id,))[0][0])


def pack_confusion(confusion_KK: np.ndarray) -> bytes:
    return zlib.compress(np.ascontiguousarray(confusion_KK, "<i8").tobytes())


def unpack_confusion(counts: bytes) -> np.ndarray:
    """(K, K), int64."""
    flat = np.frombuffer(zlib.decompress(counts), "<i8").astype(np.int64)
    num_classes = round(len(flat) ** 0.5)
    return flat.reshape(num_classes, num_classes)


def _plain(value: float | None) -> float | None:
    """SQLite takes no numpy numbers."""
    return None if value is None else float(value)
