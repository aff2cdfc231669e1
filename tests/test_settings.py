"""Settings from the environment: defaults, what is refused, and where things live."""

import os
from pathlib import Path

import pytest

from cnnapp.errors import InvalidSettings
from cnnapp.settings import Settings, read_settings


def complaint(**environment: str) -> str:
    with pytest.raises(InvalidSettings) as error:
        read_settings(environment)
    return str(error.value)


def test_nothing_set_or_set_to_nothing_is_the_default():
    assert read_settings({}) == Settings()
    assert read_settings({f"CNNAPP_{name.upper()}": "" for name in Settings.model_fields}) == Settings()


def test_values_are_read_from_variables_named_after_the_setting(tmp_path):
    settings = read_settings(
        {"CNNAPP_HOME": str(tmp_path), "CNNAPP_SLOTS": "2", "CNNAPP_RESUME_SECONDS": "0.5", "CNNAPP_DEVICE": "cuda:1"}
    )
    assert (settings.home, settings.slots, settings.resume_seconds, settings.device) == (tmp_path, 2, 0.5, "cuda:1")


def test_the_environment_of_the_process_is_what_is_read(home, monkeypatch):
    monkeypatch.setenv("CNNAPP_SLOTS", "3")
    assert (read_settings().home, read_settings().slots) == (home, 3)


def test_other_variables_are_none_of_ours():
    assert read_settings({"SLOTS": "x", "CNNAPP_UNHEARD_OF": "x"}) == Settings()


WRONG = {
    ("CNNAPP_SLOTS", "two"): "CNNAPP_SLOTS is 'two', but it must be a whole number: Runs that train at once",
    ("CNNAPP_SLOTS", "-1"): "CNNAPP_SLOTS is '-1', but it must be at least 0: Runs that train at once",
    ("CNNAPP_NICE", "20"): "CNNAPP_NICE is '20', but it must be at most 19: How far a worker's priority is lowered",
    ("CNNAPP_COMPUTE_TIMEOUT", "0"): "CNNAPP_COMPUTE_TIMEOUT is '0', but it must be more than 0: Seconds after which",
    ("CNNAPP_COMPUTE_TIMEOUT", "inf"): "CNNAPP_COMPUTE_TIMEOUT is 'inf', but it must be a finite number: Seconds after",
    ("CNNAPP_WEIGHTS_MB", "nan"): "CNNAPP_WEIGHTS_MB is 'nan', but it must be a finite number: Disk for one run's",
    ("CNNAPP_DEVICE", "gpu"): "CNNAPP_DEVICE is 'gpu', but it must be one of these: auto, cpu, cuda or cuda:N.",
    ("CNNAPP_HOME", "~nobody-of-that-name/runs"): "CNNAPP_HOME is '~nobody-of-that-name/runs', but there is no home "
    "folder for '~nobody-of-that-name': write the folder in full.",
}


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_wrong_value_is_answered_with_the_variables_name(variable, value):
    sentence = complaint(**{variable: value})
    assert sentence.startswith(WRONG[variable, value])
    assert "input should" not in sentence.lower()


def test_every_wrong_variable_gets_its_own_line():
    lines = complaint(CNNAPP_SLOTS="x", CNNAPP_DEVICE="x").splitlines()
    assert sorted(line.split()[0] for line in lines) == ["CNNAPP_DEVICE", "CNNAPP_SLOTS"]


def test_home_and_data_folders_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    settings = read_settings({"CNNAPP_HOME": "~/runs", "CNNAPP_DATA": os.pathsep.join(["here", "", "~/there"])})
    assert settings.home == tmp_path / "me" / "runs"
    assert settings.data_folders == (tmp_path / "here", tmp_path / "me" / "there", settings.download_folder)


def test_downloads_and_cache_are_inside_home():
    settings = read_settings({"CNNAPP_HOME": "/somewhere"})
    assert settings.download_folder == Path("/somewhere/data")
    assert settings.cache_folder == Path("/somewhere/cache")
    assert settings.data_folders == (settings.download_folder,)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is(name):
    assert Settings.model_fields[name].description
