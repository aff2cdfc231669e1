"""What the store says of a run: plain values, read in one go."""

import json
import math
import re
import unicodedata
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

from cnnapp.config import DATASETS, NETWORKS, RunConfig, parse_config
from cnnapp.errors import InvalidConfig, RunNotFound

State = Literal["queued", "running", "paused", "finished", "stopped", "diverged", "failed"]
STATES: tuple[State, ...] = get_args(State)
OVER: tuple[State, ...] = ("finished", "stopped", "diverged", "failed")

MAX_NAME = 120

_ID = re.compile(r"[a-z0-9]{8}")
_TEXT_DIRECTION = range(0x202A, 0x202F), range(0x2066, 0x206A)  # characters that turn the text after them around


@dataclass(frozen=True)
class Run:
    """A run as it was when it was read. Times are in unix seconds; a number that is not known yet is 0 or None."""

    id: str
    name: str
    config_json: str
    token: str | None
    state: State
    detail: str  # what is going on, or why it ended
    created: float
    started: float | None
    ended: float | None
    device: str
    device_name: str
    num_parameters: int
    num_train: int
    num_val: int
    num_test: int
    steps_per_epoch: int
    epochs: int
    step: int
    epoch: int  # epochs that were completed
    images_per_second: float | None
    seconds_trained: float
    best_epoch: int | None
    best_val_accuracy: float | None
    best_val_loss: float | None
    last_train_loss: float | None  # mean over the last completed epoch
    test_accuracy: float | None
    test_loss: float | None
    test_epoch: int | None
    pid: int | None
    pid_created: float | None
    heartbeat: float | None  # when the worker last said anything
    threads: int | None
    attempt: int  # how often a worker was started for it
    restarts: int  # how often its worker died since the last checkpoint

    @classmethod
    def read(cls, row: tuple[Any, ...]) -> "Run":
        """From the columns in the order of the fields; in a third of the time that the constructor takes."""
        run = object.__new__(cls)
        run.__dict__.update(zip(RUN_FIELDS, row, strict=True))
        return run

    @cached_property
    def config(self) -> RunConfig:
        """
        Raises:
            InvalidConfig: It was made by a version of this program that had other settings.
        """
        try:
            values = json.loads(self.config_json)
        except ValueError as error:
            raise InvalidConfig(f"The settings of {self.name} cannot be read ({error}).") from error
        return parse_config(values)

    @property
    def is_active(self) -> bool:
        """Whether it trains or will do so by itself."""
        return self.state in ("queued", "running")

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def num_steps(self) -> int:
        return self.steps_per_epoch * self.epochs

    @property
    def progress(self) -> float:
        """Share of the steps that are done, from 0 to 1."""
        return min(1.0, self.step / self.num_steps) if self.num_steps else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Of training, at the present rate; None while that is not known, or when the run is not running."""
        if self.state != "running" or not self.images_per_second or not self.num_steps:
            return None
        images = (self.num_steps - self.step) / self.steps_per_epoch * self.num_train
        return max(0.0, images / self.images_per_second)


RUN_FIELDS = tuple(field.name for field in fields(Run))


@dataclass(frozen=True)
class EpochRow:
    epoch: int  # from 1
    step: int  # last step of the epoch
    train_loss: float  # nats
    train_accuracy: float  # 0 to 1
    val_loss: float | None  # None: there is no validation split
    val_accuracy: float | None
    is_best: bool  # best by validation when it ended
    seconds: float
    has_confusion: bool

    @classmethod
    def read(cls, row: tuple[Any, ...]) -> "EpochRow":
        """From the columns in the order of the fields. SQLite keeps "not a number" as nothing."""
        epoch, step, train_loss, train_accuracy, val_loss, val_accuracy, is_best, seconds, has_confusion = row
        has_val = val_accuracy is not None
        return cls(
            epoch=epoch,
            step=step,
            train_loss=_number(train_loss),
            train_accuracy=_number(train_accuracy),
            val_loss=_number(val_loss) if has_val else None,
            val_accuracy=_number(val_accuracy) if has_val else None,
            is_best=bool(is_best),
            seconds=_number(seconds),
            has_confusion=bool(has_confusion),
        )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def is_id(run_id: object) -> bool:
    return isinstance(run_id, str) and _ID.fullmatch(run_id) is not None


def check_id(run_id: str) -> str:
    """``run_id``, which may come from an address or a command line and becomes a folder's name.

    Raises:
        RunNotFound: It cannot be a run's id.
    """
    if not is_id(run_id):
        raise not_found(run_id)
    return run_id


def not_found(run_id: object) -> RunNotFound:
    shown = repr(run_id if len(str(run_id)) <= 40 else f"{str(run_id)[:40]}…")
    return RunNotFound(
        f"There is no run {shown}: it may have been deleted. The list of runs shows those that there are."
    )


def clean_name(name: str) -> str:
    """One line of at most 120 characters without control characters; markup stays, as the text that it is."""
    spaced = "".join(" " if character.isspace() else character for character in name)
    kept = (character for character in spaced if not _is_control(character))
    return " ".join("".join(kept).split())[:MAX_NAME].rstrip()


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or any(ord(character) in span for span in _TEXT_DIRECTION)


def storable(text: str) -> str:
    """``text``, in which a file name may have brought along what is no character."""
    return text.encode(errors="replace").decode()


def default_name(config: RunConfig) -> str:
    """What a run is called unless its user says otherwise: "LeNet on Fashion-MNIST"."""
    return f"{NETWORKS[config.network.family].title} on {DATASETS[config.dataset.name].title}"
