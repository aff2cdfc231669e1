"""The dashboard's entry: window settings and navigation; nothing else."""

from pages._frame import run_app

run_app()
