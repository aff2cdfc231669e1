"""Optimisers against the formulas of their papers."""

import numpy as np
import pytest
import torch
from torch import nn

from cnnapp.config import TrainingConfig
from cnnapp.training.optimizers import make_optimizer

GRADIENTS = np.random.default_rng(0).normal(size=(5, 4))
START = np.array([1.0, -2.0, 0.5, 3.0])


def sgd(lr: float, momentum: float, decay: float) -> np.ndarray:
    w, velocity = START.copy(), np.zeros(4)
    for gradient in GRADIENTS:
        velocity = momentum * velocity + gradient + decay * w
        w = w - lr * velocity
    return w


def adam(lr: float, l2: float, decoupled: float) -> np.ndarray:
    """Kingma and Ba 2015, algorithm 1; with ``decoupled``, Loshchilov and Hutter 2019, algorithm 2."""
    w, m, v = START.copy(), np.zeros(4), np.zeros(4)
    for t, gradient in enumerate(GRADIENTS, start=1):
        g = gradient + l2 * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        w = w - lr * step - lr * decoupled * w
    return w


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"optimizer": "sgd", "lr": 0.1}, sgd(0.1, 0, 0)),
        ({"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}, sgd(0.1, 0.9, 0)),
        ({"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.2}, sgd(0.1, 0.9, 0.2)),
        ({"optimizer": "adam", "lr": 0.1}, adam(0.1, 0, 0)),
        ({"optimizer": "adam", "lr": 0.1, "weight_decay": 0.2}, adam(0.1, 0.2, 0)),
        ({"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.2}, adam(0.1, 0, 0.2)),
    ],
)
def test_five_steps_equal_the_formula(settings: dict[str, object], expected: np.ndarray):
    w = nn.Parameter(torch.tensor(START))
    optimizer = make_optimizer([w], TrainingConfig.model_validate(settings))
    for gradient in GRADIENTS:
        w.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-12)
