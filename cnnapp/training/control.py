"""How whoever iterates over a training's events tells it to pause or stop, and what ends a training early."""

from collections.abc import Callable
from typing import Literal

Command = Literal["go", "pause", "stop"]

Ask = Callable[[], Command]
"""Called after every step and between the batches of an evaluation, so it has to be cheap: look at a flag."""


def always_go() -> Command:
    return "go"


class Interrupted(Exception):
    """``ask`` answered something other than "go"."""

    def __init__(self, command: Literal["pause", "stop"]) -> None:
        super().__init__(command)
        self.command = command


class Diverged(Exception):
    """A loss is not finite; the text says which, and what to do."""

    def __init__(self, where: str, loss: float) -> None:
        super().__init__(f"diverged {where}: loss was {loss}; try a lower learning rate")


def check(ask: Ask) -> None:
    """Raises Interrupted unless the answer is "go"."""
    command = ask()
    if command != "go":
        raise Interrupted(command)
