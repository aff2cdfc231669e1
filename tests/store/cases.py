"""Events with values that tests can foretell."""

import numpy as np

from cnnapp.events import RunStarted, StepsDone


def started(resumed_at_step: int = 0) -> RunStarted:
    return RunStarted(1000, 250, 50, 60, 25, 4, "cpu", "a processor, 2 threads", resumed_at_step)


def steps(first: int, last: int, rate: float = 100.0) -> StepsDone:
    """The loss of step n is n, its accuracy 1/n."""
    step_S = np.arange(first, last + 1, dtype=np.float32)
    return StepsDone(first, step_S, 1 / step_S, rate)
