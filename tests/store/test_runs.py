"""Making, finding, naming, ordering about and deleting runs."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from cnnapp.config import parse_config
from cnnapp.errors import InvalidConfig, RunConflict, RunNotFound, UnknownName
from cnnapp.events import Checkpoint, RunEnded
from cnnapp.store import STATES, open_store
from tests.store.cases import steps


def test_a_new_run_is_queued_and_lies_in_a_folder_of_its_own(store, config, home):
    run = store.create(config, "mine")
    assert (run.name, run.state, run.config, run.epochs, run.step) == ("mine", "queued", config, 4, 0)
    assert re.fullmatch("[a-z0-9]{8}", run.id)
    assert run.is_active
    assert not run.is_over
    assert run.progress == 0
    assert run.seconds_left is None
    assert store.folder(run.id) == home / "runs" / run.id
    assert json.loads((store.folder(run.id) / "config.json").read_text()) == config.model_dump(mode="json")
    assert store.run(run.id) == store.find(run.id) == run
    assert open_store(home).runs() == [run]


def test_a_double_click_makes_one_run(store, config):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: store.create(config, token="click").id, range(16)))
    assert len(set(made)) == 1
    assert store.count() == 1
    assert store.create(config, token="another click").id != made[0]
    assert store.create(config).id != store.create(config).id


@pytest.mark.parametrize(
    "run_id",
    ["", "../../etc", "a/b", "abcdefg", "ABCDEFGH", "abcdefgh\n", "' OR 1=1", "\ud800bcdefgh", None, "zzzzzzzz"],
)
def test_what_is_no_id_of_a_run_never_becomes_a_path(store, run_id):
    asks = (
        store.run,
        store.delete,
        store.steps,
        store.weights,
        store.epochs,
        store.resume_checkpoint,
        store.test_confusion,
        lambda run_id: store.append(run_id, RunEnded("stopped")),
        lambda run_id: store.command(run_id, "stop"),
        lambda run_id: store.rename(run_id, "x"),
        lambda run_id: store.confusion(run_id, 1),
        lambda run_id: store.fail(run_id, "x"),
        lambda run_id: store.interrupted(run_id, "x"),
    )
    for ask in asks:
        with pytest.raises(RunNotFound, match="There is no run"):
            ask(run_id)
    assert store.find(run_id) is None
    if run_id != "zzzzzzzz":
        with pytest.raises(RunNotFound):
            store.folder(run_id)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  a\tname\nof two lines ", "a name of two lines"),
        ("nul\x00 bell\x07 turned\u202e", "nul bell turned"),
        ("<b>**bold**</b> 🧪 größer", "<b>**bold**</b> 🧪 größer"),
        ("x" * 500, "x" * 120),
        ("half a pair \ud800", "half a pair"),
        ("'; DROP TABLE runs; --", "'; DROP TABLE runs; --"),
    ],
)
def test_names_are_one_line_of_text(store, config, given, kept):
    run = store.create(config, given)
    assert run.name == kept
    store.rename(run.id, "other")
    store.rename(run.id, given)
    assert store.run(run.id).name == kept


def test_runs_without_a_name_are_called_after_what_they_train_and_numbered(store, config):
    names = [store.create(config).name for _ in range(3)]
    assert names == ["LeNet on Digits", "LeNet on Digits 2", "LeNet on Digits 3"]
    run = store.create(config, "LeNet on Digits 4")
    store.rename(run.id, "  ")
    assert store.run(run.id).name == "LeNet on Digits 4"
    assert store.create(config).name == "LeNet on Digits 5"


def test_runs_are_listed_by_state_id_and_any_known_order(store, config):
    first, second, third = (store.create(config, name) for name in "bca")
    store.command(second.id, "stop")
    assert [run.name for run in store.runs()] == ["a", "c", "b"]
    assert [run.name for run in store.runs(descending=False)] == ["b", "c", "a"]
    assert [run.name for run in store.runs(order="name", descending=False)] == ["a", "b", "c"]
    assert [run.name for run in store.runs(limit=1, offset=1)] == ["c"]
    assert [run.id for run in store.runs(states=("stopped",))] == [second.id]
    assert store.runs(states=()) == store.runs(ids=[]) == []
    assert {run.id for run in store.runs(ids=[first.id, third.id, "nonsense"])} == {first.id, third.id}
    assert [store.count(), store.count(("queued",)), store.count(("failed",))] == [3, 2, 0]
    with pytest.raises(UnknownName, match=r"ordered by 'name; DROP TABLE runs'\. Known: created"):
        store.runs(order="name; DROP TABLE runs")


@pytest.mark.parametrize("descending", [True, False])
def test_runs_without_a_value_come_last(store, config, descending):
    store.create(config, "never started")
    store.claim_next()
    store.create(config, "waits")
    assert [run.name for run in store.runs(order="started", descending=descending)] == ["never started", "waits"]


def test_a_running_run_is_not_deleted_and_any_other_leaves_nothing(store, start, home):
    run = start()
    with pytest.raises(RunConflict, match=r"is running, so that it cannot be deleted\. Stop it first\."):
        store.delete(run.id)
    store.append(run.id, steps(1, 30))
    store.append(run.id, RunEnded("stopped"))
    (store.folder(run.id) / "config.json").unlink()
    store.delete(run.id)
    assert store.runs() == []
    assert list((home / "runs").iterdir()) == []
    with pytest.raises(RunNotFound):
        store.delete(run.id)


def test_the_queue_gives_resumed_runs_first_then_first_come_first_served(store, config):
    ids = [store.create(config).id for _ in range(4)]
    for expected in ids[:2]:
        claimed = store.claim_next()
        assert claimed is not None
        assert (claimed.id, claimed.state, claimed.attempt) == (expected, "running", 1)
    store.append(ids[1], RunEnded("paused", "paused at step 0"))
    store.interrupted(ids[0], "died")
    store.command(ids[1], "resume")
    order = [store.claim_next().id for _ in range(4)]
    assert order == [ids[0], ids[1], ids[2], ids[3]]
    assert store.claim_next() is None


ALLOWED = {
    ("queued", "stop"): "stopped",
    ("queued", "pause"): "paused",
    ("paused", "stop"): "stopped",
    ("paused", "resume"): "queued",
    ("failed", "resume"): "queued",
}


@pytest.mark.parametrize("kind", ["stop", "pause", "resume"])
@pytest.mark.parametrize("state", [state for state in STATES if state != "running"])
def test_commands_to_a_run_without_a_worker_act_at_once_or_say_why_not(store, config, state, kind):
    run = store.create(config, "mine")
    if state != "queued":
        store.claim_next()
        store.append(run.id, RunEnded(state))
    if (state, kind) in ALLOWED:
        store.command(run.id, kind)
        assert store.run(run.id).state == ALLOWED[state, kind]
    else:
        with pytest.raises(RunConflict, match="mine is "):
            store.command(run.id, kind)
        assert store.run(run.id).state == state
    assert store.pending_command(run.id) is None


def test_commands_to_a_running_run_wait_for_its_worker(store, start):
    run = start()
    assert store.pending_command(run.id) is None
    with pytest.raises(RunConflict, match="is running already"):
        store.command(run.id, "resume")
    store.command(run.id, "pause")
    store.command(run.id, "pause")
    assert store.pending_command(run.id) == "pause"
    store.command(run.id, "resume")
    assert store.pending_command(run.id) is None
    store.command(run.id, "pause")
    store.command(run.id, "stop")
    assert store.pending_command(run.id) == "stop"
    assert store.run(run.id).state == "running"
    for kind in ("pause", "resume"):
        with pytest.raises(RunConflict, match="is being stopped"):
            store.command(run.id, kind)
    store.append(run.id, RunEnded("stopped"))
    assert store.pending_command(run.id) is None


@pytest.mark.parametrize(("later", "state"), [("stop", "stopped"), ("resume", "queued")])
def test_what_is_said_after_the_worker_took_a_pause_still_counts(store, start, later, state):
    run = start()
    store.command(run.id, "pause")
    assert store.pending_command(run.id) == "pause"
    store.command(run.id, later)
    store.append(run.id, RunEnded("paused"))
    assert store.run(run.id).state == state


@pytest.mark.parametrize(("asked", "state"), [(None, "queued"), ("stop", "stopped"), ("pause", "paused")])
def test_a_dead_workers_run_goes_on_unless_the_user_asked_otherwise(store, start, asked, state):
    run = start()
    if asked:
        store.command(run.id, asked)
    store.interrupted(run.id, "Its process died at step 0.")
    run = store.run(run.id)
    assert (run.state, run.restarts, run.detail, run.pid) == (state, 1, "Its process died at step 0.", None)
    store.interrupted(run.id, "again")  # it is no longer running: nothing happens
    assert store.run(run.id) == run


def test_restarts_count_from_the_last_checkpoint(store, start):
    run = start()
    for expected in (1, 2):
        store.interrupted(run.id, "died")
        assert store.run(run.id).restarts == expected
        store.claim_next()
    store.append(run.id, Checkpoint(0, 0, {}, {}))
    store.interrupted(run.id, "died")
    assert store.run(run.id).restarts == 1


def test_a_claimed_run_has_one_worker_and_a_given_up_one_is_refused(store, config, home):
    run = store.create(config)
    claimed = store.claim_next()
    assert store.set_worker(run.id, claimed.attempt, 123, 4.5, 2)
    assert not store.set_worker(run.id, claimed.attempt, 124, 4.5, 2)
    now = store.run(run.id)
    assert (now.pid, now.pid_created, now.threads) == (123, 4.5, 2)
    store.interrupted(run.id, "thought dead")
    with pytest.raises(RunConflict, match="is queued"):
        store.append(run.id, steps(1, 1))
    other = open_store(home)
    again = other.claim_next()
    assert other.set_worker(run.id, again.attempt, 125, 5.5, 2)
    with pytest.raises(RunConflict, match="goes on in another process"):
        store.append(run.id, steps(1, 1))
    assert not store.set_worker(run.id, claimed.attempt, 123, 4.5, 2)
    other.append(run.id, steps(1, 1))
    assert other.steps(run.id).num_steps == 1


def test_a_reason_that_names_an_undecodable_file_can_be_kept(store, config):
    run = store.create(config)
    store.fail(run.id, "no file b\udce4d.png")
    assert store.run(run.id).detail == "no file b?d.png"


def test_a_run_that_cannot_be_started_fails_with_the_reason(store, config):
    run = store.create(config)
    store.note(run.id, "Waiting for disk.")
    assert store.run(run.id).detail == "Waiting for disk."
    store.claim_next()
    assert store.run(run.id).detail == ""
    store.fail(run.id, "No process could be started.")
    run = store.run(run.id)
    assert (run.state, run.detail, run.is_over) == ("failed", "No process could be started.", True)
    assert run.ended is not None
    store.fail(run.id, "again")
    assert store.run(run.id) == run


def test_the_version_changes_when_another_connection_writes(store, config, home):
    before = store.version()
    assert store.version() == before
    open_store(home).create(config)
    after = store.version()
    assert after != before
    store.note("abcdefgh", "nothing")
    assert store.version() == after


def test_a_config_of_another_version_does_not_hide_the_run(store, config):
    run = store.create(config)
    with store._database.write() as connection:
        connection.execute("""UPDATE runs SET config_json = '{"dataset": {"nmae": 1}}'""")
    listed = store.runs()[0]
    assert listed.id == run.id
    with pytest.raises(InvalidConfig, match=r"dataset\.nmae is not a setting"):
        _ = listed.config
    assert parse_config(run.config.model_dump()) == run.config
