"""From a config to every event of its run: data, network, training, test."""

from collections.abc import Iterator

import torch

from cnnapp.config import RunConfig
from cnnapp.data.dataset import Progress, no_progress
from cnnapp.data.loading import load_splits
from cnnapp.events import Checkpoint, Event
from cnnapp.networks.build import build
from cnnapp.training.control import Ask, always_go
from cnnapp.training.devices import choose_device
from cnnapp.training.loop import train_model
from cnnapp.training.splits import TensorSplits


def train(
    config: RunConfig,
    *,
    ask: Ask = always_go,
    resume: Checkpoint | None = None,
    device: str = "auto",
    resume_seconds: float = 20.0,
    progress: Progress = no_progress,
) -> Iterator[Event]:
    """Every event of one run, from its config: loads the data, builds the network, trains and tests it.

    The same config gives the same weights on the same kind of machine with the same number of threads, also when it
    was interrupted and resumed. It draws from torch's global random number generator, which it seeds.

    Args:
        ask: Asked after every step and evaluated batch; "pause" and "stop" end the stream.
        resume: Where to go on from: the last checkpoint of an earlier stream of the same config.
        device: "auto" (the first GPU where there is one), "cpu", "cuda" or "cuda:N".
        resume_seconds: Most seconds of training between two checkpoints.
        progress: Told while data is fetched or decoded; may raise to cancel.

    Raises:
        MissingData: The dataset's files are not here and could not be fetched.
        DoesNotFit: The network cannot be applied to images of the chosen size.
        InvalidConfig: There is no such device here.
    """
    place = choose_device(device)
    if place.type == "cuda":
        torch.backends.cudnn.benchmark = False  # it picks kernels by measuring them: each run would get others
    splits = load_splits(config.dataset, config.seed, progress)
    _, channels, height, width = splits.train.x_NCHW.shape
    torch.manual_seed(config.seed)
    model = build(config.network, (channels, height, width), len(splits.classes)).to(place)
    data = TensorSplits.from_splits(splits, place)
    yield from train_model(config, model, data, ask=ask, resume=resume, resume_seconds=resume_seconds)
