"""What tests of background runs share."""

import time
from collections.abc import Callable

import numpy as np

from cnnapp.config import RunConfig, override, parse_config
from cnnapp.launching.local import ensure_scheduler
from cnnapp.store import Run, Store

PATIENCE = 90.0  # seconds; only a hanging test waits that long


def small_config(*changes: str) -> RunConfig:
    """LeNet with dropout on digits: 4 epochs of 21 steps, about two seconds."""
    return override(
        parse_config({}),
        ["network.dropout=0.2", "training.epochs=4", "dataset.image_size=28", *changes],
    )


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.02)


def wait_for_end(store: Store, run: Run) -> Run:
    def over() -> bool:
        ensure_scheduler(store.home)
        return store.run(run.id).is_over

    wait_until(over, f"the end of {run.id}")
    return store.run(run.id)


def assert_same_training(store: Store, run: Run, reference: Run) -> None:
    """Weights of every kept epoch bit by bit, every step once, every epoch's figures."""
    kept, expected = store.weights(run.id), store.weights(reference.id)
    assert kept.epochs() == expected.epochs()
    for epoch in expected.epochs():
        weights, wanted = kept.load(epoch), expected.load(epoch)
        assert list(weights) == list(wanted)
        for name, array in wanted.items():
            np.testing.assert_array_equal(weights[name], array, err_msg=f"{name} after epoch {epoch}")
    steps, wanted_steps = (store.steps(r.id).range(1, r.num_steps) for r in (run, reference))
    np.testing.assert_array_equal(steps.step_N, np.arange(1, reference.num_steps + 1))
    np.testing.assert_array_equal(steps.loss_N, wanted_steps.loss_N)
    figures = [(e.epoch, e.train_loss, e.val_loss, e.val_accuracy) for e in store.epochs(run.id)]
    assert figures == [(e.epoch, e.train_loss, e.val_loss, e.val_accuracy) for e in store.epochs(reference.id)]
    assert (run.test_loss, run.test_accuracy) == (reference.test_loss, reference.test_accuracy)
