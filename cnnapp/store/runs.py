"""The runs of a home: making, finding, ordering about, and reading what they reported."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from cnnapp.config import RunConfig
from cnnapp.errors import DiskFull, RunConflict
from cnnapp.events import Checkpoint, Event
from cnnapp.settings import read_settings
from cnnapp.store.checkpoints import WeightsFolder, load_checkpoint
from cnnapp.store.creation import free_name, insert_run
from cnnapp.store.database import Connection, Database
from cnnapp.store.metrics import StepMetrics
from cnnapp.store.queries import READ_EPOCHS, READ_RUN, order_by, where
from cnnapp.store.queue import claim_next, end_run, give_command, requeue, set_worker
from cnnapp.store.recording import Recorder, unpack_confusion
from cnnapp.store.run import EpochRow, Run, check_id, clean_name, default_name, is_id, not_found, storable


def open_store(home: Path | None = None) -> "Store":
    """The store in ``home``, which is that of the settings unless given; it is made where there is none.

    Raises:
        StoreUnusable: The folder or its database cannot be used; the text says what to do.
    """
    return Store(home or read_settings().home)


class Store:
    """Safe to share between threads, to use in any number of processes, and to carry through a fork.

    Every method that takes a run's id raises RunNotFound when there is none, and every method may raise StoreUnusable
    or, when it writes, DiskFull.
    """

    def __init__(self, home: Path) -> None:
        self.home = Path(home)
        self._database = Database(self.home / "cnnlab.sqlite3")
        self._attempts: dict[str, int] = {}  # of the runs that this process is the worker of

    def is_in_place(self) -> bool:
        """Whether its database is still the file that was opened; if not, open the store again."""
        return self._database.is_in_place()

    # --- making and finding

    def create(self, config: RunConfig, name: str = "", token: str | None = None) -> Run:
        """Put a run into the queue.

        Args:
            token: Marks one intention, such as one press of a button: with the same token again, nothing is made and
                the first run is returned.
        """
        with self._database.write() as connection:
            found = self._id_of_token(connection, token)
            if found is None:
                found = insert_run(connection, self.home / "runs", config, clean_name(name), token)
        return self.run(found)

    def run(self, run_id: str) -> Run:
        found = self.find(run_id)
        if found is None:
            raise not_found(run_id)
        return found

    def find(self, run_id: str) -> Run | None:
        """None where there is no such run."""
        if not is_id(run_id):
            return None
        rows = self._database.rows(f"{READ_RUN} WHERE id = ?", (run_id,))
        return Run.read(rows[0]) if rows else None

    def runs(
        self,
        states: Iterable[str] | None = None,
        ids: Iterable[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        order: str = "created",
        descending: bool = True,
    ) -> list[Run]:
        """Runs in one of ``states`` whose ids are among ``ids``; None means any. What has no value comes last.

        Raises:
            UnknownName: ``order`` is none of ``ORDERS``.
        """
        condition, values = where(states, ids)
        sql = f"{READ_RUN} {condition} {order_by(order, descending)} LIMIT ? OFFSET ?"
        rows = self._database.rows(sql, (*values, -1 if limit is None else limit, offset))
        return [Run.read(row) for row in rows]

    def count(self, states: Iterable[str] | None = None) -> int:
        condition, values = where(states, None)
        return int(self._database.rows(f"SELECT count(*) FROM runs {condition}", values)[0][0])  # noqa: S608

    def folder(self, run_id: str) -> Path:
        """Where a run's files are; the run itself need not exist any more."""
        return self.home / "runs" / check_id(run_id)

    def version(self) -> int:
        """Changes when another process or thread has written; to be compared within one thread."""
        return self._database.version()

    # --- changing

    def rename(self, run_id: str, name: str) -> None:
        """An empty name gives the run its default name back."""
        run = self.run(run_id)
        with self._database.write() as connection:
            new = clean_name(name) or free_name(connection, default_name(run.config), run.id)
            connection.execute("UPDATE runs SET name = ? WHERE id = ?", (new, run.id))

    def delete(self, run_id: str) -> None:
        """Remove a run and all of its files.

        Raises:
            RunConflict: It is running.
        """
        try:
            self._delete_row(run_id)
        except DiskFull:  # even deleting takes some room: its files make it
            self._demand_not_running(run_id)
            shutil.rmtree(self.folder(run_id), ignore_errors=True)
            self._delete_row(run_id)
        shutil.rmtree(self.folder(run_id), ignore_errors=True)

    def command(self, run_id: str, kind: Literal["stop", "pause", "resume"]) -> None:
        """Ask a run to stop, pause or go on: a running one within a second, any other at once.

        A paused run that resumes goes to the front of the queue; so does a failed one, which is tried again from its
        last checkpoint.

        Raises:
            RunConflict: That makes no sense in its present state; the text says which that is.
        """
        with self._database.write() as connection:
            give_command(connection, self.run(run_id), kind)

    # --- reading what it reported

    def epochs(self, run_id: str) -> list[EpochRow]:
        run_id = self._existing(run_id)
        return [EpochRow.read(row) for row in self._database.rows(READ_EPOCHS, (run_id,))]

    def confusion(self, run_id: str, epoch: int) -> np.ndarray | None:
        """Counts on the validation split after ``epoch``: true class by row, predicted by column; int64 (K, K).

        None where that epoch is not done yet, or there is no validation split.
        """
        sql = "SELECT counts FROM confusions WHERE run = ? AND split = 'val' AND epoch = ?"
        rows = self._database.rows(sql, (self._existing(run_id), int(epoch)))
        return unpack_confusion(rows[0][0]) if rows else None

    def test_confusion(self, run_id: str) -> np.ndarray | None:
        """The same on the test split, for the best-validation weights; None until the run ends."""
        sql = "SELECT counts FROM confusions WHERE run = ? AND split = 'test'"
        rows = self._database.rows(sql, (self._existing(run_id),))
        return unpack_confusion(rows[0][0]) if rows else None

    def steps(self, run_id: str) -> StepMetrics:
        return StepMetrics(self.folder(self._existing(run_id)))

    def weights(self, run_id: str) -> WeightsFolder:
        return WeightsFolder(self.folder(self._existing(run_id)) / "weights", read_settings().weights_mb * 1e6)

    def resume_checkpoint(self, run_id: str) -> Checkpoint | None:
        """What a run goes on from; None: it begins anew."""
        return load_checkpoint(self.folder(self._existing(run_id)) / "resume.safetensors")

    # --- for whoever trains

    def append(self, run_id: str, event: Event) -> None:
        """Write down what a run reported.

        Raises:
            RunConflict: The run is not running, or another process has taken it over.
            ValueError: Steps are missing or come twice.
        """
        folder, weights = self.folder(run_id), self.weights(run_id)
        Recorder(self._database, run_id, folder, weights, self._attempts.get(run_id)).record(event)

    def pending_command(self, run_id: str) -> Literal["stop", "pause"] | None:
        """What the user wants of a running run."""
        sql = "SELECT kind FROM commands WHERE run = ? ORDER BY id DESC LIMIT 1"
        rows = self._database.rows(sql, (check_id(run_id),))
        return rows[0][0] if rows and rows[0][0] != "resume" else None

    # --- for the scheduler

    def claim_next(self) -> Run | None:
        """Take the next run out of the queue, as running; no other process gets the same."""
        if not self.count(("queued",)):
            return None
        with self._database.write() as connection:
            claimed = claim_next(connection)
            return None if claimed is None else self.run(claimed)

    def set_worker(self, run_id: str, attempt: int, pid: int, pid_created: float, threads: int) -> bool:
        """Say which process trains a claimed run; from then on this process's events count as that attempt's.

        False when another process was first, or the run is no longer to be trained.
        """
        with self._database.write() as connection:
            is_ours = set_worker(connection, check_id(run_id), attempt, pid, pid_created, threads)
        if is_ours:
            self._attempts[run_id] = attempt
        return is_ours

    def interrupted(self, run_id: str, detail: str) -> None:
        """A running run's worker is dead: what the user asked of it last happens, else it goes back into the queue."""
        with self._database.write() as connection:
            if self.run(run_id).state == "running":
                requeue(connection, run_id, detail)

    def fail(self, run_id: str, detail: str) -> None:
        """A run that is queued or running cannot be trained; ``detail`` says why."""
        with self._database.write() as connection:
            if self.run(run_id).is_active:
                end_run(connection, run_id, "failed", detail)

    def note(self, run_id: str, detail: str) -> None:
        """Say what a run waits for."""
        with self._database.write() as connection:
            sql = "UPDATE runs SET detail = :detail WHERE id = :id AND detail != :detail"
            connection.execute(sql, {"id": check_id(run_id), "detail": storable(detail)})

    # --- parts of the above

    def _delete_row(self, run_id: str) -> None:
        with self._database.write() as connection:
            self._demand_not_running(run_id)
            connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def _demand_not_running(self, run_id: str) -> None:
        run = self.run(run_id)
        if run.state == "running":
            raise RunConflict(f"{run.name} is running, so that it cannot be deleted. Stop it first.")

    def _existing(self, run_id: str) -> str:
        if not self._database.rows("SELECT 1 FROM runs WHERE id = ?", (check_id(run_id),)):
            raise not_found(run_id)
        return run_id

    def _id_of_token(self, connection: Connection, token: str | None) -> str | None:
        rows = connection.execute("SELECT id FROM runs WHERE token = ?", (token,)).fetchall()
        return rows[0][0] if rows else None
