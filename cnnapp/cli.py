"""The command line: the same machinery as the pages.

With ``--json`` one JSON document goes to stdout and nothing else; progress and messages go to stderr. Exit status: 0,
1 for a run that failed, 2 for bad input.
"""

from typing import Annotated

import typer

from cnnapp.commands import configs, looking, runs
from cnnapp.commands.common import out, sentences
from cnnapp.settings import read_settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="CNN Lab: experiments with convolutional neural networks."
)
for command in (configs.presets, configs.datasets, runs.train, configs.describe, looking.predict, looking.filters):
    app.command()(command)
app.command("feature-maps")(looking.feature_maps)
app.add_typer(runs.runs_app, name="runs")


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
