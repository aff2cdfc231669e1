"""The command line: the same machinery as the pages.

With ``--json`` one JSON document goes to stdout and nothing else; progress and messages go to stderr. Exit status: 0,
1 for a run that failed, 2 for bad input.
"""

import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

import cnnapp
from cnnapp import compute
from cnnapp.answers import total_parameters
from cnnapp.charts.tiles import tile
from cnnapp.config import DATASETS, PRESETS, RunConfig, override, parse_config
from cnnapp.errors import CnnAppError, InvalidConfig, InvalidImage
from cnnapp.insight.filters import filters as filters_of
from cnnapp.launching.local import ensure_scheduler
from cnnapp.settings import read_settings
from cnnapp.store import Run, open_store

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="CNN Lab: experiments with convolutional neural networks."
)
runs_app = typer.Typer(help="All runs; or one of them with a command below.")
app.add_typer(runs_app, name="runs")
# names are text: neither [b] nor :smile: means anything in them
out = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
err = Console(stderr=True, soft_wrap=True, markup=False, emoji=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
PresetName = Annotated[str | None, typer.Option("--preset", help="Start from this named experiment.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Start from this JSON file.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="SETTING=VALUE", help="Change one setting, as training.epochs=3.")
]
RunId = Annotated[str, typer.Argument(metavar="ID", help="Id of a run, as `runs` prints it.")]
Epoch = Annotated[int | None, typer.Option(help="Weights after this epoch; 0: before training. Default: the best.")]
Layer = Annotated[str, typer.Option(help="Name of a convolution, as `describe` prints it.")]
Out = Annotated[Path, typer.Option("--out", help="PNG file to write.")]
ImageFiles = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")]

Function = TypeVar("Function", bound=Callable[..., Any])


def sentences(function: Function) -> Function:
    """An error that is meant for the user is printed as its sentence, with exit status 2."""

    @wraps(function)
    def command(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except CnnAppError as error:
            err.print(str(error), style="red")
            raise typer.Exit(2) from error

    return command  # type: ignore[return-value]


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: list[str], rows: list[list[Any]]) -> None:
    table = Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))  # names are text, not markup
    out.print(table, width=None if out.is_terminal else 240)


@app.command()
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


@app.command()
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


@app.command()
@sentences
def train(
    preset: PresetName = None,
    config: ConfigFile = None,
    set_: Sets = None,
    name: Annotated[str, typer.Option(help="Name of the run.")] = "",
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; the run goes on in the background.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network; Ctrl-C leaves the run at work."""
    run = cnnapp.submit(chosen_config(preset, config, set_), name)
    if not detach:
        run = follow(run)
    if as_json:
        print_json(run_json(run))
    else:
        out.print(summary(run))
    if run.state in ("failed", "diverged"):
        raise typer.Exit(1)


def follow(run: Run) -> Run:
    """Show a run's progress on stderr until it is over or paused."""
    store = open_store()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task(run.name, total=1, text="")
        try:
            while not (run.is_over or run.state == "paused"):
                ensure_scheduler(store.home)
                time.sleep(0.2)
                run = store.run(run.id)
                progress.update(bar, completed=run.progress, text=progress_text(run))
        except KeyboardInterrupt:
            err.print(f"The run goes on in the background. Stop it with: python -m cnnapp runs stop {run.id}")
            raise typer.Exit(130) from None
    return store.run(run.id)


def progress_text(run: Run) -> str:
    if run.state != "running" or not run.step:
        return run.detail or run.state
    left = f", {run.seconds_left:.0f} s left" if run.seconds_left is not None else ""
    return f"epoch {run.epoch + 1}/{run.epochs}, step {run.step}, {run.images_per_second or 0:.0f} images/s{left}"


def summary(run: Run) -> str:
    parts = [f"{run.id}  {run.name}: {run.state}"]
    if run.best_val_accuracy is not None:
        parts.append(f"best validation accuracy {run.best_val_accuracy:.2%} (epoch {run.best_epoch})")
    if run.test_accuracy is not None:
        parts.append(f"test accuracy {run.test_accuracy:.2%}")
    if run.detail:
        parts.append(run.detail)
    return "; ".join(parts)


def run_json(run: Run) -> dict[str, Any]:
    private = {"config_json", "token", "pid", "pid_created", "heartbeat", "attempt", "restarts"}
    values = {name: finite(value) for name, value in dataclasses.asdict(run).items() if name not in private}
    return {**values, "config": stored_config(run)}


def stored_config(run: Run) -> Any:
    """As it was written: also a run of another version, with settings that this one does not know, is listed."""
    try:
        return json.loads(run.config_json)
    except ValueError:
        return None


def finite(value: Any) -> Any:
    """JSON has no NaN or infinity."""
    return None if isinstance(value, float) and value - value != 0 else value


@runs_app.callback(invoke_without_command=True)
@sentences
def runs(context: typer.Context, as_json: Json = False) -> None:
    """All runs, newest first."""
    if context.invoked_subcommand:
        return
    found = open_store().runs()
    if as_json:
        return print_json([run_json(run) for run in found])
    print_table(
        ["id", "state", "epoch", "validation", "test", "name"],
        [
            [
                r.id,
                r.state,
                f"{r.epoch}/{r.epochs}",
                percent(r.best_val_accuracy),
                percent(r.test_accuracy),
                r.name,
            ]
            for r in found
        ],
    )


def percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


@runs_app.command()
@sentences
def show(run_id: RunId, as_json: Json = False) -> None:
    """One run: its settings, its epochs, its results."""
    store = open_store()
    run = store.run(run_id)
    epochs = [{k: finite(v) for k, v in dataclasses.asdict(row).items()} for row in store.epochs(run_id)]
    if as_json:
        return print_json({**run_json(run), "epochs_done": epochs})
    out.print(summary(run))
    out.print(json.dumps(stored_config(run), indent=2))
    names = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    print_table(names, [[e[n] if n == "epoch" or e[n] is None else f"{e[n]:.4f}" for n in names] for e in epochs])


@runs_app.command()
@sentences
def stop(run_id: RunId) -> None:
    """End a run; what it has learned is kept."""
    ask_of(run_id, "stop")


@runs_app.command()
@sentences
def pause(run_id: RunId) -> None:
    """Interrupt a run; its place on the device becomes free."""
    ask_of(run_id, "pause")


@runs_app.command()
@sentences
def resume(run_id: RunId) -> None:
    """Go on with a paused run, exactly where it was."""
    ask_of(run_id, "resume")


def ask_of(run_id: str, command: Literal["stop", "pause", "resume"]) -> None:
    store = open_store()
    store.command(run_id, command)
    ensure_scheduler(store.home)
    deadline = time.monotonic() + 5
    run = store.run(run_id)
    while run.state == "running" and command != "resume" and time.monotonic() < deadline:
        time.sleep(0.1)
        run = store.run(run_id)
    out.print(summary(run))


@runs_app.command()
@sentences
def delete(run_id: RunId) -> None:
    """Delete a run and its weights, for good."""
    open_store().delete(run_id)
    out.print(f"{run_id} is deleted.")


@app.command()
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


def read_images(paths: list[Path]) -> list[tuple[str, bytes]]:
    limit = read_settings().max_upload_mb
    images = []
    for path in paths:
        try:
            size = path.stat().st_size
            if size > limit * 1e6:
                raise InvalidImage(
                    f"{path} has {size / 1e6:.0f} MB, and at most {limit:g} MB are read. "
                    "Make it smaller, or raise CNNAPP_MAX_UPLOAD_MB."
                )
            images.append((path.name, path.read_bytes()))
        except OSError as error:
            raise InvalidImage(f"{path} cannot be read ({error.strerror}). Check the path.") from error
    return images


@app.command()
@sentences
def predict(run_id: RunId, images: ImageFiles, epoch: Epoch = None, as_json: Json = False) -> None:
    """What a run's network says that images are."""
    look = compute.call("look", run_id, epoch, read_images(images))
    answers = [
        {
            "image": os.fsencode(path).decode(errors="replace"),  # a file's name need not be text
            "class": look.classes[int(p_K.argmax())],
            "probabilities": dict(zip(look.classes, map(float, p_K), strict=True)),
        }
        for path, p_K in zip(images, look.probabilities_BK, strict=True)
    ]
    if as_json:
        return print_json({"run": run_id, "epoch": look.epoch, "images": answers})
    for answer in answers:
        best = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:3]
        out.print(f"{answer['image']}: " + ", ".join(f"{name} {share:.1%}" for name, share in best))


@app.command("feature-maps")
@sentences
def feature_maps(
    run_id: RunId,
    image: Annotated[Path, typer.Argument(metavar="IMAGE")],
    layer: Layer,
    out_file: Out,
    epoch: Epoch = None,
) -> None:
    """All feature maps of one convolution for one image, as a picture."""
    look = compute.call("look", run_id, epoch, read_images([image]))
    maps_Chw = look.maps[known_layer(layer, list(look.maps))][0]
    write_picture(out_file, tile(maps_Chw, columns=columns_for(len(maps_Chw)), labels=numbers(maps_Chw)).png)


@app.command()
@sentences
def filters(run_id: RunId, layer: Layer, out_file: Out, epoch: Epoch = None) -> None:
    """All filters of one convolution, as a picture: a row for each filter, a column for each input channel."""
    weights = filters_of(open_store().weights(open_store().run(run_id).id).load("best" if epoch is None else epoch))
    found = weights[known_layer(layer, list(weights))]
    channels = found.shape[1]
    columns = columns_for(len(found)) if channels == 1 else channels
    write_picture(out_file, tile(found.reshape(-1, *found.shape[2:]), columns=columns).png)


def columns_for(count: int) -> int:
    """About as many columns as rows."""
    return max(1, math.ceil(math.sqrt(count)))


def numbers(maps_Chw: Any) -> list[str]:
    return [str(number) for number in range(1, len(maps_Chw) + 1)]


def known_layer(layer: str, layers: list[str]) -> str:
    if layer not in layers:
        raise InvalidConfig(f"There is no convolution named {layer!r}. Known: {', '.join(layers)}.")
    return layer


def write_picture(path: Path, png: bytes) -> None:
    try:
        path.write_bytes(png)
    except OSError as error:
        raise InvalidConfig(f"{path} cannot be written ({error.strerror}). Choose another place with --out.") from error
    err.print(f"{path} is written.")


@app.command()
@sentences
def where() -> None:
    """The folder of runs, weights and downloaded datasets."""
    out.print(str(read_settings().home))


@app.command()
@sentences
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    address: Annotated[
        str, typer.Option(help="127.0.0.1: this machine only; 0.0.0.0: the whole network.")
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    end_workers: Annotated[
        bool, typer.Option("--end-workers", help="Let trainings save and end with the dashboard.")
    ] = False,
) -> None:
    """Run the dashboard."""
    from cnnapp.launching.serve import serve as run_dashboard

    raise typer.Exit(run_dashboard(address, port, open_browser, end_workers))


def main() -> None:
    app()
