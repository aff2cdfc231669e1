"""A fresh store, and a run at the beginning of its training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnapp.config import RunConfig, parse_config
from cnnapp.store import Run, Store, open_store
from tests.store.cases import started


@pytest.fixture
def config() -> RunConfig:
    return parse_config({"training": {"epochs": 4, "batch_size": 10}})


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


@pytest.fixture
def start(store: Store, config: RunConfig) -> Callable[..., Run]:
    """Makes a run and brings it to where training begins: 4 epochs of 25 steps over 250 images."""

    def start(resumed_at_step: int = 0) -> Run:
        run = store.create(config)
        assert store.claim_next() == store.run(run.id)
        store.append(run.id, started(resumed_at_step))
        return store.run(run.id)

    return start
