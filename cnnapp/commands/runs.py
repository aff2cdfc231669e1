"""Training, and what there is to do with runs."""

import dataclasses
import json
import time
from typing import Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn

import cnnapp
from cnnapp.commands.common import (
    ConfigFile,
    Json,
    PresetName,
    RunId,
    Sets,
    err,
    finite,
    out,
    percent,
    print_json,
    print_table,
    sentences,
)
from cnnapp.commands.configs import chosen_config
from cnnapp.launching.local import ensure_scheduler
from cnnapp.store import Run, open_store

runs_app = typer.Typer(help="All runs; or one of them with a command below.")


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
