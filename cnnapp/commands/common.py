"""What all commands share: their options, how they print, and errors as sentences."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cnnapp.errors import CnnAppError

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


def percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def finite(value: Any) -> Any:
    """JSON has no NaN or infinity."""
    return None if isinstance(value, float) and value - value != 0 else value
