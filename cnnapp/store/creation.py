"""A new run: its id, its name, its folder and its row."""

import json
import secrets
import time
from pathlib import Path

from cnnapp.config import RunConfig
from cnnapp.store.database import Connection
from cnnapp.store.files import telling_full_disk
from cnnapp.store.run import default_name

ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike


def insert_run(connection: Connection, runs_folder: Path, config: RunConfig, name: str, token: str | None) -> str:
    """Queue a run and return its id. Its folder is there before anyone can see the row."""
    run_id = _new_id(connection)
    values = config.model_dump(mode="json")
    with telling_full_disk(runs_folder):
        (runs_folder / run_id / "weights").mkdir(parents=True)
        (runs_folder / run_id / "config.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    connection.execute(
        """INSERT INTO runs (id, name, config_json, token, created, epochs, place)
        VALUES (?, ?, ?, ?, ?, ?, (SELECT coalesce(max(place), 0) + 1 FROM runs))""",
        (
            run_id,
            name or free_name(connection, default_name(config)),
            json.dumps(values),
            token,
            time.time(),
            config.training.epochs,
        ),
    )
    return run_id


def _new_id(connection: Connection) -> str:
    while True:
        run_id = "".join(secrets.choice(ID_ALPHABET) for _ in range(8))
        if not connection.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchall():
            return run_id


def free_name(connection: Connection, name: str, own_id: str = "") -> str:
    """``name``, with the next number when there are other runs of that name."""
    others = "SELECT name FROM runs WHERE name >= ? AND name < ? AND id != ?"
    rows = connection.execute(others, (name, name + "\U0010ffff", own_id))
    taken = {row[0] for row in rows.fetchall()}
    number = len(taken) + 1
    if name not in taken:
        return name
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"
