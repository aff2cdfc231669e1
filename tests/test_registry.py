"""Registries: entries are found by being there, and a wrong name is answered with a close one."""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from cnnapp.config import DATASETS, NETWORKS, PRESETS
from cnnapp.errors import CnnAppError, UnknownName
from cnnapp.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[Thing]:
    """A registry whose package has a module for each of two things."""
    package = tmp_path / "things_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("apple", "pear"):
        (package / f"a_{name}.py").write_text(
            f"import time\nfrom {__name__} import CURRENT, Thing\ntime.sleep(0.05)\nCURRENT[0].add(Thing({name!r}))\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in [module for module in sys.modules if module.startswith("things_package")]:
        monkeypatch.delitem(sys.modules, module)
    CURRENT[:] = [Registry("thing", "things_package")]
    return CURRENT[0]


CURRENT: list[Registry[Thing]] = []


def test_entries_are_found_when_first_asked_for_in_the_order_of_their_modules(things):
    assert "things_package.a_apple" not in sys.modules
    assert list(things) == ["apple", "pear"]
    assert len(things) == 2
    assert things["pear"] == Thing("pear")
    assert "apple" in things
    assert "plum" not in things
    assert 3 not in things


def test_no_thread_sees_half_a_registry(things):
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(len(things))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2] * 8


def test_a_name_can_be_registered_once(things):
    list(things)
    with pytest.raises(ValueError, match="thing 'apple' is registered twice"):
        things.add(Thing("apple"))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("appel", "There is no thing named 'appel'. Did you mean 'apple'?"),
        ("PEAR", "There is no thing named 'PEAR'. Did you mean 'pear'?"),
        ("zzz", "There is no thing named 'zzz'. Known: apple, pear."),
    ],
)
def test_an_unknown_name_is_answered_with_a_close_one(things, asked, sentence):
    with pytest.raises(UnknownName) as error:
        things[asked]
    assert str(error.value) == sentence


def test_an_unknown_name_is_an_error_for_the_user_and_a_key_error():
    assert issubclass(UnknownName, CnnAppError)
    assert issubclass(UnknownName, KeyError)


@pytest.mark.parametrize("registry", [DATASETS, NETWORKS, PRESETS], ids=lambda registry: registry.kind)
def test_every_registry_has_entries_under_their_own_names(registry):
    assert len(registry) >= 2
    for name, entry in registry.items():
        assert entry.name == name
        assert entry.title
        assert entry.description
