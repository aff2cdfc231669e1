"""tools/setup.sh with a Python that only pretends: what it says, and that it installs once and no more than that."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = [
    "sh",
    "dirname",
    "cat",
    "df",
    "awk",
    "mkdir",
    "rm",
    "uname",
    "sed",
    "touch",
    "mv",
    "cp",
    "sleep",
    "grep",
    "chmod",
]

# Answers what setup.sh asks of a Python; `-m pip` notes its arguments, and does what the file `pip` says.
FAKE = """#!/bin/sh
case "$*" in
    *version_info*) echo {version} ;;
    *ensurepip*) exit {venv} ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "$*" >>pip-calls; [ ! -e pip ] || . ./pip ;;
    *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


class Checkout:
    """A copy of what setup.sh needs, and a PATH that holds only the tools it uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "check out"  # a space in the path must not matter
        self.path = folder / "bin"
        (self.folder / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "setup.sh", self.folder / "tools")
        for name in ("requirements.txt", "requirements-dev.txt"):
            shutil.copy(ROOT / name, self.folder)
        self.path.mkdir()
        for name in TOOLS:
            tool = shutil.which(name)
            assert tool, f"{name} is missing here"
            (self.path / name).symlink_to(tool)

    def add_python(self, name: str, version: str, venv: bool = True) -> None:
        program = self.path / name
        program.write_text(FAKE.format(version=version, venv=0 if venv else 1))
        program.chmod(0o755)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        environment = {"PATH": str(self.path), "NEED_GB": "0", **environment}
        command = [str(self.path / "sh"), "tools/setup.sh", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env=environment, text=True, start_new_session=True, **pipes)

    def setup(self, *arguments: str, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    @property
    def pip_calls(self) -> list[str]:
        calls = self.folder / "pip-calls"
        return calls.read_text().splitlines() if calls.exists() else []

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.txt"


@pytest.fixture
def bare(tmp_path):
    """A machine without Python."""
    return Checkout(tmp_path)


@pytest.fixture
def checkout(bare):
    bare.add_python("python3.12", "3.12")
    return bare


def test_the_first_time_it_installs_and_the_second_time_it_is_silent(checkout):
    status, said = checkout.setup()
    assert status == 0
    assert "Making .venv with Python 3.12" in said
    assert "downloads about 3 GB" in said
    assert [call.split()[-2:] for call in checkout.pip_calls] == [["-r", "requirements.txt"]]
    assert checkout.setup() == (0, "")
    assert len(checkout.pip_calls) == 1


def test_changed_requirements_are_installed_into_the_same_environment(checkout):
    checkout.setup()
    (checkout.folder / ".venv" / "mark").touch()
    checkout.requirements.write_text(checkout.requirements.read_text() + "another\n")
    assert checkout.setup()[0] == 0
    assert len(checkout.pip_calls) == 2
    assert (checkout.folder / ".venv" / "mark").exists()


def test_what_tests_need_includes_what_the_dashboard_needs(checkout):
    checkout.setup("dev")
    assert checkout.pip_calls[0].endswith("-r requirements-dev.txt")
    assert checkout.setup("run") == (0, "")
    assert checkout.setup("dev") == (0, "")


def test_the_lowest_versions_are_those_of_the_requirements(checkout):
    checkout.requirements.write_text("# why\nstreamlit>=1.67,<1.68\nnvidia-ml-py>=12.5.1,<14\n")
    checkout.setup("lowest", VENV=".venv-lowest")
    assert "-c .venv-lowest/lowest.txt" in checkout.pip_calls[0]
    lowest = (checkout.folder / ".venv-lowest" / "lowest.txt").read_text()
    assert lowest.startswith("streamlit==1.67\nnvidia-ml-py==12.5.1\npytest==")
    assert not any(mark in lowest for mark in "<>#")


def test_without_python_a_sentence_says_what_to_install(bare):
    status, said = bare.setup()
    assert status == 1
    assert "needs Python 3.11, 3.12 or 3.13, and none is in the PATH." in said
    assert "sudo apt install python3" in said


def test_a_python_that_is_too_old_or_too_new_is_named(bare):
    bare.add_python("python3", "3.9")
    bare.add_python("python", "3.14")
    status, said = bare.setup()
    assert status == 1
    assert "(here python3 is 3.9, python is 3.14, which does not suit)" in said


def test_a_python_that_fails_when_run_is_passed_over(bare):
    (bare.path / "python3.13").write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    (bare.path / "python3.13").chmod(0o755)
    bare.add_python("python3", "3.11")
    assert bare.setup("python") == (0, "python3\n")


def test_the_newest_python_with_the_venv_module_is_taken(bare):
    bare.add_python("python3.13", "3.13", venv=False)
    bare.add_python("python3.12", "3.12")
    bare.add_python("python3.11", "3.11")
    assert bare.setup("python") == (0, "python3.12\n")


def test_without_the_venv_module_its_package_is_named(bare):
    bare.add_python("python3.11", "3.11", venv=False)
    status, said = bare.setup()
    assert status == 1
    assert "sudo apt install python3.11-venv" in said


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ("python9", "PYTHON is 'python9', but that does not run."),
        ("python3.8", "which is Python 3.8. CNN Lab needs 3.11"),
    ],
)
def test_a_chosen_python_that_does_not_suit_is_refused(checkout, chosen, sentence):
    checkout.add_python("python3.8", "3.8")
    status, said = checkout.setup(PYTHON=chosen)
    assert status == 1
    assert sentence in said


def test_choosing_another_python_makes_the_environment_anew(checkout):
    checkout.setup()
    checkout.add_python("mine", "3.11")
    status, said = checkout.setup(PYTHON="mine")
    assert status == 0
    assert "does not hold Python 3.11" in said
    assert checkout.setup(PYTHON="mine") == (0, "")


def test_without_room_on_the_disk_nothing_is_started(checkout):
    status, said = checkout.setup(NEED_GB="9000000")
    assert status == 1
    assert "Installing needs about 9000000 GB of free disk" in said
    assert not (checkout.folder / ".venv").exists()


def test_a_failed_installation_says_so_and_is_repeated(checkout):
    (checkout.folder / "pip").write_text("exit 1")
    status, said = checkout.setup()
    assert status == 1
    assert "give the same command again" in said
    (checkout.folder / "pip").unlink()
    assert checkout.setup()[0] == 0
    assert len(checkout.pip_calls) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_installation_starts_afresh(checkout, number):
    (checkout.folder / "pip").write_text("sleep 60")
    process = checkout.start()
    wait_until(lambda: checkout.pip_calls)
    os.killpg(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    (checkout.folder / "pip").unlink()
    status, said = checkout.setup()
    assert status == 0
    assert "was interrupted; starting it afresh" in said
    assert checkout.setup() == (0, "")


def test_two_at_once_install_once(checkout):
    (checkout.folder / "pip").write_text("sleep 2")
    first = checkout.start()
    wait_until(lambda: checkout.pip_calls)
    status, said = checkout.setup()
    assert first.wait(30) == 0
    first.communicate()
    assert status == 0
    assert "Another installation into .venv is running" in said
    assert len(checkout.pip_calls) == 1


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
