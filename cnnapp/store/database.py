"""The SQLite file: one connection per thread, short transactions, and errors in words.

The write-ahead log lets any number of readers work beside a writer. Two rules keep it small and safe: no read
transaction stays open (every result is fetched at once), and no open connection lives through a fork.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakSet

from cnnapp.errors import CnnAppError, StoreUnusable
from cnnapp.store.files import disk_full, has_room
from cnnapp.store.schema import MIGRATIONS

BUSY_SECONDS = 20.0
MAX_LOG_BYTES = 4_000_000

ELSEWHERE = "set CNNAPP_HOME to another folder"


Connection = sqlite3.Connection


class _Handle:
    """A thread's connection; the lock is held while it is in use, so that a fork can wait for it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.connection: Connection | None = None
        self.number = 0  # of the connection, counted over all of this process

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __del__(self) -> None:
        self.close()


_forking = threading.Lock()  # held while a connection opens, and while this process forks
_open: "WeakSet[_Handle]" = WeakSet()
_numbers = count(1)


def _before_fork() -> None:
    """SQLite's file locks do not survive a fork, but its memory of them would: close everything, to be opened again."""
    _forking.acquire()
    for handle in list(_open):
        with handle.lock:
            handle.close()
    _open.clear()


os.register_at_fork(
    before=_before_fork, after_in_parent=lambda: _forking.release(), after_in_child=lambda: _forking.release()
)


class Database:
    """
    Raises:
        StoreUnusable: The folder or the file in it cannot be used; the text says what to do. Any later call may raise
            it, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._make_folder()
        with self._errors_in_words(), self._connection() as connection:
            _use_log(connection, path)
            _migrate(connection, path)
        self._inode = path.stat().st_ino

    def is_in_place(self) -> bool:
        """Whether the file is still the one that was opened: it may have been removed, or replaced by a backup."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows of a query; nothing stays open."""
        with self._errors_in_words(), self._connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def version(self) -> int:
        """A number that changes when another connection has written; another thread's number is always different."""
        ((changes,),) = self.rows("PRAGMA data_version")
        return (int(self._local.handle.number) << 32) + int(changes)

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[Connection]:
        """One transaction that no other process can write beside; undone if the body raises.

        With ``durable`` it and all before it would survive a loss of power; without, the last ones may be undone.
        """
        with self._errors_in_words(), self._connection() as connection:
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._local.handle = _Handle()
        while True:
            with handle.lock:
                if handle.connection is not None:
                    yield handle.connection
                    return
            with _forking, handle.lock:  # in the order in which a fork takes them
                handle.connection = self._connect()
                handle.number = next(_numbers)
                _open.add(handle)

    def _connect(self) -> Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA journal_size_limit={MAX_LOG_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_folder(self) -> None:
        folder = self.path.parent
        if folder.exists() and not folder.is_dir():
            raise StoreUnusable(f"{folder} is to hold the runs, but it is a file. Move it away, or {ELSEWHERE}.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnusable(
                f"The folder {folder} for the runs cannot be made ({error.strerror}). Make it yourself, or {ELSEWHERE}."
            ) from error

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            explained = self._explain(error)
            if explained is None:
                raise
            raise explained from error

    def _explain(self, error: sqlite3.DatabaseError) -> CnnAppError | None:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the rest of the code tells variants apart
            case sqlite3.SQLITE_FULL:
                return disk_full(self.path.parent)
            case sqlite3.SQLITE_IOERR if not has_room(self.path.parent):  # what a full disk looks like to the log
                return disk_full(self.path.parent)
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return StoreUnusable(
                    f"{self.path} is damaged ({error}). Put a backup in its place, or move it away to start with an "
                    f"empty list of runs; their weights stay in {self.path.parent / 'runs'}."
                )
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
                return StoreUnusable(
                    f"{self.path} cannot be opened and written ({error}). "
                    f"Make the folder writable for you, or {ELSEWHERE}."
                )
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return StoreUnusable(
                    f"{self.path} was in use by another process for over {BUSY_SECONDS:.0f} seconds. "
                    "Try again; if it stays so, look for a program that holds it open."
                )
        return None


def _use_log(connection: Connection, path: Path) -> None:
    """Switch to the write-ahead log, which is the file's property from then on."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            break
        except sqlite3.OperationalError as error:  # SQLite does not wait here when several open a new file at once
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StoreUnusable(
            f"{path.parent} is on a file system that several processes cannot share a database on. "
            f"Use a folder on a local disk: {ELSEWHERE}."
        )


def _migrate(connection: Connection, path: Path) -> None:
    """Bring the tables to the newest version; the steps of each migration are taken together or not at all."""
    newest = len(MIGRATIONS)
    if _version(connection) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)  # another process may have been first
        if version > newest:
            raise StoreUnusable(
                f"{path} was written by a newer version of this program (its format is {version}, this version knows "
                f"up to {newest}). Update this program, or {ELSEWHERE}."
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={newest}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
