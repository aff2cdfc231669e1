"""The database file: fresh, newer, damaged, full, shared between threads, and carried through a fork."""

import gc
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cnnapp.config import RunConfig
from cnnapp.errors import DiskFull, StoreUnusable
from cnnapp.store import Store, open_store
from cnnapp.store.database import Database
from cnnapp.store.files import disk_full
from cnnapp.store.schema import MIGRATIONS


def pragma(path: Path, name: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


def test_a_fresh_home_is_made_with_all_tables(home):
    store = open_store(home / "deep" / "er")
    path = store.home / "cnnlab.sqlite3"
    assert store.runs() == []
    assert pragma(path, "user_version") == len(MIGRATIONS)
    assert pragma(path, "journal_mode") == "wal"
    assert pragma(path, "integrity_check") == "ok"


def test_a_database_is_opened_again_without_being_changed(home, config):
    run = open_store(home).create(config)
    before = pragma(home / "cnnlab.sqlite3", "schema_version")
    assert open_store(home).runs() == [run]
    assert pragma(home / "cnnlab.sqlite3", "schema_version") == before


def test_a_newer_database_is_left_alone(home):
    home.mkdir()
    with sqlite3.connect(home / "cnnlab.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreUnusable, match=r"format is 99.*knows up to 1\)\. Update this program, or set CNNAPP_HOME"):
        open_store(home)
    assert pragma(home / "cnnlab.sqlite3", "user_version") == 99


def test_a_migration_that_fails_is_undone(home, monkeypatch):
    home.mkdir()
    path = home / "cnnlab.sqlite3"
    monkeypatch.setattr("cnnapp.store.database.MIGRATIONS", (("CREATE TABLE a (x)", "CREATE TABLE a (x)"),))
    with pytest.raises(sqlite3.OperationalError):
        Database(path)
    assert pragma(path, "user_version") == 0
    monkeypatch.setattr("cnnapp.store.database.MIGRATIONS", (("CREATE TABLE a (x)",), ("ALTER TABLE a ADD y",)))
    assert Database(path).rows("SELECT x, y FROM a") == []
    assert pragma(path, "user_version") == 2


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to look at" * 50, b"SQLite format 3\0" + b"\xff" * 4080]
)
def test_a_damaged_database_is_named_with_a_remedy(home, content):
    home.mkdir()
    (home / "cnnlab.sqlite3").write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"cnnlab\.sqlite3 is damaged .*move it away.*their weights stay in"):
        open_store(home)
    assert (home / "cnnlab.sqlite3").read_bytes() == content


def test_damage_that_shows_later_is_told_in_words_too(home, config):
    store = open_store(home)
    for _ in range(50):
        store.create(config)
    with store._database.write() as connection:
        connection.execute("DELETE FROM commands")
    store._database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    path = home / "cnnlab.sqlite3"
    descriptor = os.open(path, os.O_RDWR)  # never closed while SQLite has it open: that would drop its locks
    os.pwrite(descriptor, b"\xff" * (path.stat().st_size - 4096), 4096)
    with pytest.raises(StoreUnusable, match="is damaged"):
        open_store(home).runs()
    del store
    gc.collect()
    os.close(descriptor)


def test_a_home_that_is_a_file_or_cannot_be_made_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(
        StoreUnusable, match=r"file is to hold the runs, but it is a file\. Move it away, or set CNNAPP_HOME"
    ):
        open_store(file)
    with pytest.raises(StoreUnusable, match=r"cannot be made \(.*\)\. Make it yourself, or set CNNAPP_HOME"):
        open_store(file / "below")


def test_a_database_that_cannot_be_opened_is_named(home):
    (home / "cnnlab.sqlite3").mkdir(parents=True)
    with pytest.raises(StoreUnusable, match=r"cannot be opened and written .*Make the folder writable"):
        open_store(home)


def test_a_read_only_database_is_named(home, config):
    store = open_store(home)
    store._database.rows("PRAGMA query_only = 1")
    with pytest.raises(StoreUnusable, match="Make the folder writable"):
        store.create(config)


def fill(store: Store, config: RunConfig) -> None:
    for _ in range(1000):
        store.create(config, "x" * 120)


def test_a_full_disk_is_told_with_the_folder_and_undone(home, config):
    store = open_store(home)
    run = store.create(config)
    ((pages,),) = store._database.rows("PRAGMA page_count")
    store._database.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match=rf"no room left on the disk of {home}: \d+ MB are free"):
        fill(store, config)
    made = store.count()
    store._database.rows("PRAGMA max_page_count = 100000")
    assert store.count() == made
    assert run in store.runs()
    store.create(config)


def test_deleting_a_run_makes_room_on_a_full_disk(home, config):
    """The pages that the row needs are only to be had once the files are gone."""
    store = open_store(home)
    run = store.create(config)
    big = store.folder(run.id) / "worker.log"
    big.write_text("x")
    write = store._database.write

    @contextmanager
    def full_while_it_is_there() -> Iterator[sqlite3.Connection]:
        with write() as connection:
            yield connection
            if big.exists():
                raise disk_full(home)

    store._database.write = full_while_it_is_there
    store.delete(run.id)
    assert store.runs() == []
    assert not store.folder(run.id).exists()


def test_a_transaction_whose_body_raises_leaves_nothing(home, config):
    store = open_store(home)
    run = store.create(config)

    def delete_and_fail() -> None:
        with store._database.write() as connection:
            connection.execute("DELETE FROM runs")
            raise KeyError

    with pytest.raises(KeyError):
        delete_and_fail()
    assert store.runs() == [run]
    store.rename(run.id, "still writable")


def test_any_number_of_threads_share_a_store(home, config):
    store = open_store(home)

    def work(number: int) -> str:
        run = store.create(config, f"run {number}")
        store.rename(run.id, f"renamed {number}")
        return store.run(run.id).name

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [f"renamed {number}" for number in range(40)]
    assert store.count() == 40


def open_files(home: Path) -> int:
    """Of this process, below ``home``."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    return sum(link.is_symlink() and str(link.readlink()).startswith(str(home)) for link in links)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list open files")
def test_a_thread_that_ends_closes_its_connection(home):
    store = open_store(home)
    store.count()
    before = open_files(home)
    for _ in range(20):
        thread = threading.Thread(target=store.count)
        thread.start()
        thread.join()
    gc.collect()
    assert open_files(home) <= before + 1  # SQLite keeps one file open for the next connection


def test_a_store_goes_on_in_parent_and_child_after_a_fork(home, config):
    store = open_store(home)
    parents = store.create(config, "before")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        status = 1
        try:
            made = store.create(config, "of the child")
            os.write(writing, f"{made.id} {store.count()}".encode())
            status = 0
        finally:
            os._exit(status)
    store.rename(parents.id, "after")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    made, count = os.read(reading, 100).decode().split()
    os.close(reading)
    os.close(writing)
    assert int(count) == 2
    assert {run.name for run in store.runs()} == {"after", "of the child"}
    assert store.run(made).name == "of the child"
    assert pragma(home / "cnnlab.sqlite3", "integrity_check") == "ok"


def test_a_fork_waits_for_the_transactions_of_other_threads(home, config):
    """A child never inherits a connection that is in the middle of something."""
    store = open_store(home)
    inside, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with store._database.write() as connection:
            connection.execute("UPDATE runs SET name = 'written'")
            inside.set()
            go_on.wait(10)

    store.create(config)
    thread = threading.Thread(target=write)
    thread.start()
    inside.wait(10)
    threading.Timer(0.2, go_on.set).start()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os._exit(0 if [run.name for run in store.runs()] == ["written"] else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_knows_when_its_database_is_another_file(home):
    store = open_store(home)
    assert store.is_in_place()
    store.create(RunConfig.model_validate({}))
    assert store.is_in_place()
    (path,) = home.glob("*.sqlite3")
    path.rename(path.with_suffix(".old"))
    assert not store.is_in_place()
    assert open_store(home).is_in_place()
    assert not store.is_in_place()
