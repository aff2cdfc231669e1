"""The dashboard's start and end: the port, the home, another dashboard, and what a container's stop does."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import cnnapp
from cnnapp import cli
from cnnapp.errors import CannotStart
from cnnapp.launching import serve
from cnnapp.launching.identity import is_alive
from cnnapp.launching.local import ensure_scheduler, read_record
from cnnapp.store import Store, open_store
from tests.launching.helpers import small_config, wait_for_end, wait_until

Start = Callable[..., "subprocess.Popen[str]"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def start() -> Iterator[Start]:
    """``python -m cnnapp serve``, which is ended after the test."""
    started = []

    def start_(port: int, *options: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "cnnapp", "serve", "--port", str(port), *options]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start_
    for process in started:
        for child in psutil.Process(process.pid).children() if process.poll() is None else []:
            child.kill()
        process.kill()
        process.communicate()


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


def sentence(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, ["serve", *arguments], catch_exceptions=False)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.replace("\n", " ")


def test_a_taken_port_is_a_sentence_with_another_one(taken_port: int) -> None:
    text = sentence("--port", str(taken_port))
    assert f"cannot listen on 127.0.0.1:{taken_port} (Address already in use)" in text
    assert f"make run PORT={taken_port + 1}" in text


def test_an_address_of_another_machine_is_a_sentence() -> None:
    assert "cannot listen on 192.0.2.1" in sentence("--address", "192.0.2.1", "--port", str(free_port()))


def test_a_name_that_is_no_address_is_a_sentence() -> None:
    assert "cannot listen on nowhere.invalid" in sentence("--address", "nowhere.invalid", "--port", str(free_port()))


def test_the_last_port_has_no_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*arguments: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", taken)
    with pytest.raises(CannotStart, match="PORT=65534"):
        serve.check_port("127.0.0.1", 65535, None)


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    assert "--port" in sentence("--port", port)


def test_a_home_that_cannot_be_used_is_a_sentence(home: Path) -> None:
    home.write_text("")
    assert "is to hold the runs, but it is a file" in sentence("--port", str(free_port()))


def test_a_home_that_cannot_be_written_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNAPP_HOME", "/proc/nowhere")
    assert "set CNNAPP_HOME to another folder" in sentence("--port", str(free_port()))


def record(home: Path, port: int, pid: int | None = None, created: float | None = None) -> None:
    me = psutil.Process()
    values = {"pid": pid or me.pid, "created": created or me.create_time(), "address": "127.0.0.1", "port": port}
    open_store(home)
    serve.record_path(home).write_text(json.dumps(values))


def test_a_second_dashboard_on_the_same_port_says_where_the_first_is(home: Path, taken_port: int) -> None:
    record(home, taken_port)
    text = sentence("--port", str(taken_port))
    assert f"The dashboard of this home runs already: open http://127.0.0.1:{taken_port}" in text


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1, "created": 0}'])
def test_a_damaged_record_of_a_dashboard_means_there_is_none(home: Path, content: str) -> None:
    home.mkdir()
    serve.record_path(home).write_text(content)
    assert serve.read_dashboard(home) is None


def test_a_dashboard_that_has_ended_is_none(home: Path) -> None:
    record(home, 8501, created=1.0)  # its pid is somebody else's now
    assert serve.read_dashboard(home) is None


def test_an_address_for_everybody_is_opened_here() -> None:
    assert serve.url("0.0.0.0", 8501) == serve.url("::", 8501) == "http://127.0.0.1:8501"


def test_a_dashboard_serves_says_where_another_is_and_ends_at_once(lab: Store, start: Start) -> None:
    port, second_port = free_port(), free_port()
    first = start(port)
    wait_until(lambda: is_up(port), "the dashboard")
    assert (serve.read_dashboard(lab.home) or {}).get("port") == port
    second = start(second_port)
    wait_until(lambda: is_up(second_port), "the second dashboard")
    second.send_signal(signal.SIGTERM)
    output, _ = second.communicate(timeout=30)
    assert f"Another dashboard shares this home and its runs: http://127.0.0.1:{port}" in output
    assert second.returncode == 0
    assert is_up(port)
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=30)
    assert first.returncode == 0, output
    assert "Traceback" not in output
    assert not is_up(port)


def test_a_training_outlives_its_dashboard_unless_told_to_end_with_it(lab: Store, start: Start) -> None:
    port = free_port()
    dashboard = start(port, "--end-workers")
    wait_until(lambda: is_up(port), "the dashboard")
    run = cnnapp.submit(small_config("training.epochs=500"))
    wait_until(lambda: lab.run(run.id).epoch >= 1, "an epoch")
    before, scheduler = lab.run(run.id), read_record(lab.home)
    dashboard.send_signal(signal.SIGTERM)
    dashboard.communicate(timeout=60)
    assert dashboard.returncode == 0
    assert not is_alive(before.pid, before.pid_created)
    assert scheduler is not None
    wait_until(lambda: not is_alive(scheduler["pid"], scheduler["created"]), "the scheduler's end")
    left = lab.run(run.id)
    checkpoint = lab.resume_checkpoint(run.id)
    assert left.is_active  # neither paused nor failed
    assert checkpoint is not None
    assert checkpoint.step == left.step  # nothing is done twice

    ensure_scheduler(lab.home)  # the next start
    wait_until(lambda: lab.run(run.id).step > left.step, "the run to go on")
    assert lab.run(run.id).num_steps == left.num_steps
    lab.command(run.id, "stop")
    assert wait_for_end(lab, run).state == "stopped"
