"""The worker that is ready before anybody asks: it is the one that a run gets, and nobody needs it."""

import os
import signal
import time

import psutil

import cnnapp
from cnnapp.launching.spare import Spare
from cnnapp.store import Store
from tests.launching.helpers import small_config, wait_for_end, wait_until


def fork_server(store: Store) -> psutil.Process:
    def found() -> list[psutil.Process]:
        servers = []
        for process in psutil.process_iter(["cmdline"]):
            try:
                is_one = "cnnapp.launching.forkserver" in (process.info["cmdline"] or [])
                if is_one and process.environ().get("CNNAPP_HOME") == str(store.home):
                    servers.append(process)
            except psutil.Error:
                continue
        pids = {process.pid for process in servers}
        return [process for process in servers if process.ppid() not in pids]

    wait_until(lambda: bool(found()), "the fork server")
    (server,) = found()
    return server


def spare_of(server: psutil.Process) -> psutil.Process:
    """Its child that has a session of nobody else yet: what serves a request begins one of its own."""

    def spares() -> list[psutil.Process]:
        return [child for child in server.children() if os.getsid(child.pid) == os.getsid(server.pid)]

    wait_until(lambda: len(spares()) == 1, "a spare")
    (spare,) = spares()

    def is_warm() -> bool:
        before = spare.cpu_times().user
        time.sleep(0.3)
        return bool(spare.cpu_times().user == before > 0)

    wait_until(is_warm, "the spare's warming up")
    return spare


def test_a_run_gets_the_spare_and_another_takes_its_place(lab: Store) -> None:
    server = fork_server(lab)
    spare = spare_of(server)
    run = cnnapp.submit(small_config())
    wait_until(lambda: lab.run(run.id).pid is not None, "a worker")
    assert lab.run(run.id).pid == spare.pid
    assert wait_for_end(lab, run).state == "finished"
    assert spare_of(server).pid != spare.pid


def test_a_run_needs_no_spare(lab: Store) -> None:
    spare = spare_of(fork_server(lab))
    os.kill(spare.pid, signal.SIGKILL)
    run = cnnapp.submit(small_config())
    assert wait_for_end(lab, run).state == "finished"


def test_only_a_worker_takes_the_spare() -> None:
    spare = Spare()
    assert not spare.exists
    assert not spare.take(None, {"target": "cnnapp.compute:serve"})  # type: ignore[arg-type]
    assert not spare.take(None, {"target": "cnnapp.worker:main"})  # type: ignore[arg-type]
