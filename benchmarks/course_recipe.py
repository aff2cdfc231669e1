"""The preset "LeNet on Fashion-MNIST, as in the course" against a plain loop, from the same weights and batches.

    python -m benchmarks.course_recipe --seeds 5 --epochs 10

Prints, for each seed, the test accuracy of both after the last epoch and how far their losses are apart, step by step;
then both distributions. A seed takes minutes on a CPU.
"""

import argparse
import statistics
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnapp.config import PRESETS, RunConfig, override
from cnnapp.data.batches import epoch_order
from cnnapp.data.loading import load_splits
from cnnapp.events import StepsDone, TestDone
from cnnapp.training import train

PRESET = "lenet-fashion-mnist"
CLOSE_STEPS = 100
"""Rounding grows from step to step: agreement is judged over the first ones."""


def course_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def plain_loop(config: RunConfig) -> tuple[list[float], float]:
    """(loss of every step, test accuracy at the end), as a course writes it: NCHW floats and ``torch.optim.SGD``."""
    splits = load_splits(config.dataset, config.seed)
    x_NCHW, y_N = _floats(splits.train.images()), torch.from_numpy(splits.train.labels())
    torch.manual_seed(config.seed)
    model = course_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=config.training.lr)
    losses: list[float] = []
    for epoch in range(1, config.training.epochs + 1):
        order = torch.from_numpy(epoch_order(len(y_N), config.seed, epoch))
        for index_B in order.split(config.training.batch_size):
            loss = functional.cross_entropy(model(x_NCHW[index_B]), y_N[index_B])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    with torch.no_grad():
        predicted_N = model(_floats(splits.test.images())).argmax(dim=1).numpy()
    return losses, float((predicted_N == splits.test.labels()).mean())


def our_loop(config: RunConfig) -> tuple[list[float], float]:
    losses: list[float] = []
    accuracy = float("nan")
    for event in train(config, device="cpu"):
        if isinstance(event, StepsDone):
            losses += event.loss_S.tolist()
        elif isinstance(event, TestDone):
            accuracy = event.accuracy
    return losses, accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of both loops")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {options.epochs} epochs")
    print("seed   ours  plain   largest loss difference:  first 100 steps   all steps   seconds: ours  plain")
    accuracies: dict[str, list[float]] = {"ours": [], "plain": []}
    for seed in range(options.seeds):
        config = override(PRESETS[PRESET].config, [f"seed={seed}", f"training.epochs={options.epochs}"])
        began = perf_counter()
        losses, accuracy = our_loop(config)
        between = perf_counter()
        plain_losses, plain_accuracy = plain_loop(config)
        ended = perf_counter()
        difference_S = np.abs(np.array(losses) - np.array(plain_losses))
        accuracies["ours"].append(accuracy)
        accuracies["plain"].append(plain_accuracy)
        print(
            f"{seed:4}  {accuracy:5.1%}  {plain_accuracy:5.1%}  {'':25}{difference_S[:CLOSE_STEPS].max():15.1e}"
            f"  {difference_S.max():10.1e}  {between - began:14.0f}  {ended - between:5.0f}",
            flush=True,
        )
    for name, values in accuracies.items():
        print(f"{name:>5}: {_summary(values)}")


def _summary(values: Sequence[float]) -> str:
    return (
        f"test accuracy {min(values):.1%} to {max(values):.1%}, median {statistics.median(values):.1%}, n={len(values)}"
    )


def _floats(x_NCHW: np.ndarray) -> Tensor:
    return torch.from_numpy(x_NCHW).float() / 255


if __name__ == "__main__":
    main()
