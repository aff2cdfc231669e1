"""The documentation names everything that there is."""

from pathlib import Path

import pytest
import typer.main

from cnnapp.cli import app
from cnnapp.config import DATASETS
from cnnapp.settings import PREFIX, Settings

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_meaning(name: str) -> None:
    lines = (DOCS / "settings.md").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{PREFIX}{name.upper()}` |")]
    assert f"| {Settings.model_fields[name].description} |" in row


@pytest.mark.parametrize("name", typer.main.get_command(app).commands)  # type: ignore[attr-defined]
def test_every_command_is_documented(name: str) -> None:
    assert f"| `{name}" in (DOCS / "command-line.md").read_text()


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_is_documented_with_its_sizes(name: str) -> None:
    dataset = DATASETS[name]
    (row,) = [line for line in (DOCS / "datasets.md").read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert f"{dataset.num_train:,} + {dataset.num_test:,}" in row
