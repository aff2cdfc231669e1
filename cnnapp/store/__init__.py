"""Where runs are kept: one SQLite file for what is listed and asked for, and a folder per run for the rest.

All processes of this application meet here and nowhere else. Nothing in it needs torch.
"""

from cnnapp.store.checkpoints import WeightsFolder
from cnnapp.store.metrics import Band, Curve, StepMetrics, Steps
from cnnapp.store.run import STATES, EpochRow, Run, State
from cnnapp.store.runs import Store, open_store

__all__ = [
    "STATES",
    "Band",
    "Curve",
    "EpochRow",
    "Run",
    "State",
    "StepMetrics",
    "Steps",
    "Store",
    "WeightsFolder",
    "open_store",
]
