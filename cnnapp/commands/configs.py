"""What there is to start from, and what a config makes of it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from cnnapp import compute
from cnnapp.answers import total_parameters
from cnnapp.commands.common import ConfigFile, Json, PresetName, Sets, out, print_json, print_table, sentences
from cnnapp.config import DATASETS, PRESETS, RunConfig, override, parse_config
from cnnapp.errors import InvalidConfig


@sentences
def presets(as_json: Json = False) -> None:
    """Named experiments to start from."""
    if as_json:
        return print_json(
            [
                {"name": p.name, "title": p.title, "description": p.description, "config": dump(p.config)}
                for p in PRESETS.values()
            ]
        )
    print_table(["name", "title", "description"], [[p.name, p.title, p.description] for p in PRESETS.values()])


@sentences
def datasets(as_json: Json = False) -> None:
    """Datasets: name, shape, classes, split sizes, and whether a download is needed."""
    rows: list[dict[str, Any]] = [
        {
            "name": dataset.name,
            "title": dataset.title,
            "shape": list(dataset.image_shape()),
            "classes": list(dataset.classes),
            "num_train": dataset.num_train,
            "num_test": dataset.num_test,
            "present": dataset.is_present(),
            "download_mb": dataset.download_mb,
        }
        for dataset in DATASETS.values()
    ]
    if as_json:
        return print_json(rows)
    print_table(
        ["name", "shape", "classes", "train", "test", "here"],
        [
            [r["name"], "×".join(map(str, r["shape"])), len(r["classes"]), r["num_train"], r["num_test"], where_is(r)]
            for r in rows
        ],
    )


def where_is(dataset: dict[str, Any]) -> str:
    return "yes" if dataset["present"] else f"to be downloaded, {dataset['download_mb']:.0f} MB"


def chosen_config(preset: str | None, config: Path | None, sets: list[str] | None) -> RunConfig:
    """The preset, the file, or the defaults; with the ``--set`` changes."""
    if preset and config:
        raise InvalidConfig("--preset and --config both say where to start from. Give one of them.")
    if preset:
        start = PRESETS[preset].config
    elif config:
        start = parse_config(read_json(config))
    else:
        start = parse_config({})
    return override(start, sets or [])


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except OSError as error:
        raise InvalidConfig(f"{path} cannot be read ({error.strerror}). Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidConfig(
            f"{path} is not JSON ({error}). `python -m cnnapp presets --json` shows how a config looks."
        ) from error
    if not isinstance(value, dict):
        raise InvalidConfig(f'{path} holds {type(value).__name__}, but a config is an object: {{"training": {{…}}}}.')
    return value


def dump(config: RunConfig) -> dict[str, Any]:
    return config.model_dump(mode="json")


@sentences
def describe(preset: PresetName = None, config: ConfigFile = None, set_: Sets = None, as_json: Json = False) -> None:
    """Every layer's output shape and parameters."""
    description = compute.call("describe", dump(chosen_config(preset, config, set_)))
    total = total_parameters(description.steps)
    if as_json:
        steps = [dataclasses.asdict(step) for step in description.steps]
        return print_json({"image_shape": description.image_shape, "steps": steps, "num_parameters": total})
    rows = [[s.name, s.text, "×".join(map(str, s.output_shape)), f"{s.num_parameters:,}"] for s in description.steps]
    print_table(
        ["layer", "what", "output", "parameters"],
        [["input", "", "×".join(map(str, description.image_shape)), "0"], *rows],
    )
    out.print(f"{total:,} parameters")
