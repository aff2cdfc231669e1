"""One run from start to end: config to data to network to training, every event into the store."""

import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from typing import Literal

import numpy as np
import psutil
import torch

from cnnapp.config import override, parse_config
from cnnapp.data.loading import Split, Splits
from cnnapp.errors import CnnAppError, DiskFull
from cnnapp.events import DataProgress, RunEnded, StepsDone
from cnnapp.networks.build import build
from cnnapp.settings import read_settings
from cnnapp.store import Store, open_store
from cnnapp.training import train
from cnnapp.training.loop import train_model
from cnnapp.training.splits import TensorSplits

ASK_SECONDS = 0.1
Answer = Literal["go", "pause", "stop"]


def main(connection: socket.socket, run_id: str, attempt: int, device: str, threads: int, nice: int) -> None:
    """Entry of a worker's process. ``connection`` is only held: its end tells the scheduler that we are gone."""
    store = open_store()
    me = psutil.Process()
    # The scheduler that started us may have died since, and another may have started this run again: one of us gets it.
    if store.set_worker(run_id, attempt, me.pid, me.create_time(), threads):
        record(store, run_id, device, threads, nice)


def warm_up() -> None:
    """Train on made-up images: a process that has done so is quick at its first step. Draws random numbers."""
    config = override(parse_config({}), ["training.batch_size=64", "training.epochs=1", "training.optimizer=sgd"])
    y_N = np.arange(128) % 10
    split = Split(np.zeros((len(y_N), 1, 28, 28), np.uint8), y_N, np.arange(len(y_N)))
    splits = Splits(split, split, split, tuple(map(str, range(10))), "unit")
    model = build(config.network, (1, 28, 28), 10)
    for _ in train_model(config, model, TensorSplits.from_splits(splits, torch.device("cpu"))):
        pass


class Pace:
    """How this process shares the machine: until a new run's first step, which its user waits for, and afterwards.

    Meanwhile the browser draws the page, and two threads on busy cores wait for each other: one is several times
    quicker. It is one for exactly the first step of the run, however often that is begun, since sums of several threads
    have other last bits.
    """

    def __init__(self, threads: int, nice: int, is_new: bool) -> None:
        self.threads = threads
        self.nice = nice
        torch.set_num_threads(1 if is_new else threads)

    def step_done(self) -> None:
        torch.set_num_threads(self.threads)
        self.give_way()

    def give_way(self) -> None:
        """Lower the priority, so that pages stay quick."""
        os.nice(self.nice)
        self.nice = 0


class Commands:
    """What is wanted of the run: asked after every step, looked up in the store a few times a second."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.process_ends = False  # the machine or container stops: save, and leave the run as one that goes on
        self._next_look = 0.0

    def on_sigterm(self, number: int, frame: object) -> None:
        self.process_ends = True

    def __call__(self) -> Answer:
        if self.process_ends:
            return "pause"
        now = time.monotonic()
        if now < self._next_look:
            return "go"
        self._next_look = now + ASK_SECONDS
        return self.store.pending_command(self.run_id) or "go"


class EndedBeforeTraining(Exception):
    """A stop or pause came while the data was being fetched."""

    def __init__(self, state: Literal["paused", "stopped"]) -> None:
        super().__init__(state)
        self.state = state


def record(store: Store, run_id: str, device: str, threads: int = 1, nice: int = 0) -> None:
    """Train a stored run and append what happens, including how it failed."""
    ask = Commands(store, run_id)
    signal.signal(signal.SIGTERM, ask.on_sigterm)
    try:
        resume = store.resume_checkpoint(run_id)
        pace = Pace(threads, nice, is_new=resume is None)
        events = train(
            store.run(run_id).config,
            ask=ask,
            resume=resume,
            device=device,
            resume_seconds=read_settings().resume_seconds,
            progress=data_progress(store, run_id, ask, pace),
        )
        for event in events:
            if not (ask.process_ends and isinstance(event, RunEnded) and event.state == "paused"):
                store.append(run_id, event)
            if isinstance(event, StepsDone):
                pace.step_done()
    except EndedBeforeTraining as end:
        if not ask.process_ends:
            store.append(run_id, RunEnded(end.state))
    except DiskFull as error:
        store.append(run_id, RunEnded("paused", f"{error} Then press Resume: nothing is lost."))
    except CnnAppError as error:
        store.append(run_id, RunEnded("failed", str(error)))
    except torch.OutOfMemoryError:
        traceback.print_exc()
        store.append(run_id, RunEnded("failed", memory_sentence(store, run_id, device)))
    except Exception as error:
        traceback.print_exc()
        log = store.folder(run_id) / "worker.log"
        store.append(run_id, RunEnded("failed", f"{type(error).__name__}: {error}. The whole story is in {log}."))


def memory_sentence(store: Store, run_id: str, device: str) -> str:
    batch_size = store.run(run_id).config.training.batch_size
    return f"{device} has too little memory for batches of {batch_size} images: use a smaller batch size or image size."


def data_progress(store: Store, run_id: str, ask: Commands, pace: Pace) -> Callable[[str, float], None]:
    """Writes down how the fetching of data goes, at most twice a second; a stop or pause ends it."""
    next_write = 0.0

    def progress(text: str, share: float) -> None:
        nonlocal next_write
        pace.give_way()
        if (answer := ask()) != "go":
            raise EndedBeforeTraining("paused" if answer == "pause" else "stopped")
        if time.monotonic() >= next_write:
            next_write = time.monotonic() + 0.5
            store.append(run_id, DataProgress(text, share))

    return progress
