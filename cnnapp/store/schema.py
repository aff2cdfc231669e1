"""The tables, as the steps that lead to them. A step that was released is never edited: add another."""

_FIRST = (
    # the columns up to ``restarts`` are the fields of Run; place and first decide the order of the queue
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        config_json TEXT NOT NULL,
        token TEXT UNIQUE,
        state TEXT NOT NULL DEFAULT 'queued',
        detail TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL,
        started REAL,
        ended REAL,
        device TEXT NOT NULL DEFAULT '',
        device_name TEXT NOT NULL DEFAULT '',
        num_parameters INTEGER NOT NULL DEFAULT 0,
        num_train INTEGER NOT NULL DEFAULT 0,
        num_val INTEGER NOT NULL DEFAULT 0,
        num_test INTEGER NOT NULL DEFAULT 0,
        steps_per_epoch INTEGER NOT NULL DEFAULT 0,
        epochs INTEGER NOT NULL,
        step INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER NOT NULL DEFAULT 0,
        images_per_second REAL,
        seconds_trained REAL NOT NULL DEFAULT 0,
        best_epoch INTEGER,
        best_val_accuracy REAL,
        best_val_loss REAL,
        last_train_loss REAL,
        test_accuracy REAL,
        test_loss REAL,
        test_epoch INTEGER,
        pid INTEGER,
        pid_created REAL,
        heartbeat REAL,
        threads INTEGER,
        attempt INTEGER NOT NULL DEFAULT 0,
        restarts INTEGER NOT NULL DEFAULT 0,
        place INTEGER NOT NULL,
        first INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX runs_by_created ON runs (created)",
    "CREATE INDEX runs_by_name ON runs (name)",
    "CREATE INDEX runs_by_place ON runs (place)",
    "CREATE INDEX runs_in_queue ON runs (state, first DESC, place)",
    """
    CREATE TABLE epochs (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        epoch INTEGER NOT NULL,
        step INTEGER NOT NULL,
        train_loss REAL,
        train_accuracy REAL,
        val_loss REAL,
        val_accuracy REAL,
        is_best INTEGER NOT NULL,
        seconds REAL NOT NULL,
        PRIMARY KEY (run, epoch)
    ) WITHOUT ROWID
    """,
    # split is 'val' or 'test'; counts are K × K little-endian int64, row by row, compressed by zlib
    """
    CREATE TABLE confusions (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        split TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        counts BLOB NOT NULL,
        PRIMARY KEY (run, split, epoch)
    )
    """,
    """
    CREATE TABLE commands (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        time REAL NOT NULL
    )
    """,
    "CREATE INDEX commands_by_run ON commands (run, id)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
