"""CNN Lab: experiments with convolutional neural networks, from Python.

    import cnnapp

    config = cnnapp.preset("digits-quick")
    for event in cnnapp.train(config):      # here and now: no store, no process
        print(event)

    run = cnnapp.submit(config)             # in the background, as the dashboard does it
    model = cnnapp.load_model(run.id)       # an nn.Module with the run's best weights

Importing this imports nothing heavy: torch comes when it is first needed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cnnapp import events
from cnnapp.config import PRESETS, RunConfig, override, parse_config
from cnnapp.errors import CnnAppError

if TYPE_CHECKING:
    from torch import nn

    from cnnapp.events import Event
    from cnnapp.store import Run, Store

__all__ = [
    "CnnAppError",
    "RunConfig",
    "events",
    "load_model",
    "open_store",
    "override",
    "parse_config",
    "preset",
    "submit",
    "train",
]


def preset(name: str) -> RunConfig:
    """The config of a named experiment."""
    return PRESETS[name].config


def train(config: RunConfig, *, device: str = "auto") -> "Iterator[Event]":
    """Train here and now, yielding what happens; nothing is stored.

    Args:
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".
    """
    from cnnapp.training import train as run_training

    return run_training(config, device=device)


def open_store(home: Path | None = None) -> "Store":
    """The runs of this machine; ``home`` is that of the settings unless given."""
    from cnnapp.store import open_store as open_

    return open_(home)


def submit(config: RunConfig, name: str = "", *, token: str | None = None) -> "Run":
    """Queue a run, which trains in the background as soon as there is room, and go on.

    The network is first checked against the images. ``token`` marks one intention: a second call with it returns the
    run of the first.

    Raises:
        DoesNotFit: The network cannot be applied to the images; the text says what to change.
    """
    from cnnapp import compute
    from cnnapp.launching.local import ensure_scheduler

    store = open_store()
    compute.call("describe", config.model_dump(mode="json"))
    run = store.create(config, name, token)
    ensure_scheduler(store.home)
    return run


def load_model(run: "Run | str", epoch: int | None = None) -> "nn.Module":
    """A run's network in evaluation mode, with the weights of ``epoch``.

    Args:
        run: A run or its id.
        epoch: 0 is before training; None takes the best by validation.

    Raises:
        RunNotFound, CheckpointMissing: No such run, or that epoch's weights were not kept.
    """
    from cnnapp.tasks import load_model as load

    return load(run, epoch)
