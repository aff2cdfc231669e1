"""The queries that read runs and epochs. They are put together from this package's own words, never from a user's."""

import json
from collections.abc import Iterable

from cnnapp.errors import UnknownName
from cnnapp.store.run import RUN_FIELDS

ORDERS = (
    "created",
    "name",
    "state",
    "started",
    "ended",
    "seconds_trained",
    "best_val_accuracy",
    "best_val_loss",
    "last_train_loss",
    "test_accuracy",
    "test_loss",
    "num_parameters",
)

READ_RUN = f"SELECT {', '.join(RUN_FIELDS)} FROM runs"  # noqa: S608
READ_EPOCHS = """
    SELECT epoch, step, train_loss, train_accuracy, val_loss, val_accuracy, is_best, seconds,
        EXISTS (SELECT 1 FROM confusions c WHERE c.run = e.run AND c.split = 'val' AND c.epoch = e.epoch)
    FROM epochs e WHERE run = ? ORDER BY epoch
"""


def order_by(order: str, descending: bool) -> str:
    """What has no value comes last either way.

    Raises:
        UnknownName: ``order`` is none of ``ORDERS``.
    """
    if order not in ORDERS:
        raise UnknownName(f"Runs cannot be ordered by {order!r}. Known: {', '.join(ORDERS)}.")
    return f"ORDER BY {order} DESC, place DESC" if descending else f"ORDER BY {order} ASC NULLS LAST, place"


def where(states: Iterable[str] | None, ids: Iterable[str] | None) -> tuple[str, list[str]]:
    """A condition, and its values: one JSON list each, so that there may be any number."""
    conditions, values = [], []
    for column, wanted in (("state", states), ("id", ids)):
        if wanted is not None:
            conditions.append(f"{column} IN (SELECT value FROM json_each(?))")  # noqa: S608
            values.append(json.dumps([str(value) for value in wanted]))
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values
