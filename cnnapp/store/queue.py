"""The queue of runs, and who may do what with a run in which state. All of it inside the caller's transaction."""

import time
from typing import Literal

from cnnapp.errors import RunConflict
from cnnapp.store.database import Connection
from cnnapp.store.run import Run, storable

Command = Literal["stop", "pause", "resume"]

PAST = {"stop": "stopped", "pause": "paused", "resume": "resumed"}


def give_command(connection: Connection, run: Run, kind: Command) -> None:
    """
    Raises:
        RunConflict: ``run`` cannot do that now.
    """
    match run.state, kind:
        case "running", _:
            _tell_worker(connection, run, kind)
        case (("queued" | "paused"), "stop"):
            end_run(connection, run.id, "stopped", "")
        case "queued", "pause":
            end_run(connection, run.id, "paused", "")
        case (("paused" | "failed"), "resume"):
            end_run(connection, run.id, "queued", "")
            connection.execute("UPDATE runs SET restarts = 0 WHERE id = ?", (run.id,))
        case "queued", "resume":
            raise RunConflict(f"{run.name} is in the queue already: it goes on as soon as there is room.")
        case "paused", "pause":
            raise RunConflict(f"{run.name} is paused already.")
        case _:
            raise RunConflict(
                f"{run.name} is {run.state}, so that it cannot be {PAST[kind]}. Train again to make a new run of it."
            )


def _tell_worker(connection: Connection, run: Run, kind: Command) -> None:
    """Leave the command for the worker, which looks a few times a second; asking twice is asking once."""
    asked = newest_command(connection, run.id)
    if asked == kind:
        return
    if kind == "resume" and asked is None:
        raise RunConflict(f"{run.name} is running already.")
    if asked == "stop":
        raise RunConflict(f"{run.name} is being stopped, so that it cannot be {PAST[kind]}.")
    connection.execute("INSERT INTO commands (run, kind, time) VALUES (?, ?, ?)", (run.id, kind, time.time()))


def claim_next(connection: Connection) -> str | None:
    """The first run of the queue, now running: those that resume before new ones, then in the order they came."""
    rows = connection.execute(
        "SELECT id FROM runs WHERE state = 'queued' ORDER BY first DESC, place LIMIT 1"
    ).fetchall()
    if not rows:
        return None
    run_id: str = rows[0][0]
    connection.execute("DELETE FROM commands WHERE run = ?", (run_id,))
    connection.execute(
        """UPDATE runs SET state = 'running', detail = '', attempt = attempt + 1,
        started = coalesce(started, :now), heartbeat = :now, pid = NULL, pid_created = NULL WHERE id = :id""",
        {"id": run_id, "now": time.time()},
    )
    return run_id


def set_worker(connection: Connection, run_id: str, attempt: int, pid: int, pid_created: float, threads: int) -> bool:
    """Whether the run was still to be had by that attempt's worker."""
    changed = connection.execute(
        """UPDATE runs SET pid = ?, pid_created = ?, threads = ?, heartbeat = ?
        WHERE id = ? AND state = 'running' AND attempt = ? AND pid IS NULL""",
        (pid, pid_created, threads, time.time(), run_id, attempt),
    ).rowcount
    return changed == 1


def requeue(connection: Connection, run_id: str, detail: str) -> None:
    """After its worker's death: back into the queue, unless the user asked for something else last."""
    asked = newest_command(connection, run_id)
    end_run(connection, run_id, {"stop": "stopped", "pause": "paused"}.get(asked or "", "queued"), detail)
    connection.execute("UPDATE runs SET restarts = restarts + 1 WHERE id = ?", (run_id,))


def newest_command(connection: Connection, run_id: str) -> str | None:
    rows = connection.execute("SELECT kind FROM commands WHERE run = ? ORDER BY id DESC LIMIT 1", (run_id,)).fetchall()
    return rows[0][0] if rows else None


def end_run(connection: Connection, run_id: str, state: str, detail: str) -> None:
    """Give the run a state in which no worker has it. Going back into the queue means to its front."""
    connection.execute("DELETE FROM commands WHERE run = ?", (run_id,))
    connection.execute(
        """UPDATE runs SET state = :state, detail = :detail, pid = NULL, pid_created = NULL, images_per_second = NULL,
        ended = CASE WHEN :state IN ('queued', 'paused') THEN NULL ELSE :now END,
        first = CASE WHEN :state = 'queued' THEN 1 ELSE first END,
        place = CASE WHEN :state = 'queued' THEN (SELECT max(place) + 1 FROM runs) ELSE place END
        WHERE id = :id""",
        {"id": run_id, "state": state, "detail": storable(detail), "now": time.time()},
    )
