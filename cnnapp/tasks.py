"""What pages and the command line ask of torch: run ids, plain values and image bytes in, plain values and arrays out.

Called through ``cnnapp.compute``, in processes that never hold what they could not lose.

Letters: B images, C channels, H and W the image's height and width, K classes, h and w a feature map's.
"""

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cnnapp.answers import Description, Look, Picture, Samples
from cnnapp.config import DATASETS, RunConfig, parse_config
from cnnapp.data.batches import normalise
from cnnapp.data.decoding import decode_image, fit_image
from cnnapp.data.loading import load_part
from cnnapp.errors import CnnAppError
from cnnapp.insight.activations import feature_maps
from cnnapp.insight.prediction import probabilities
from cnnapp.networks.build import build
from cnnapp.networks.shapes import describe as describe_network
from cnnapp.store import Run, Store, open_store

MODELS_KEPT = 4
THUMBNAIL = 320  # pixels, the longer side
SMALL = 80  # a picture whose longer side is less is enlarged to about twice this, by a whole number


def prepare_process() -> None:
    """One thread: these processes work beside trainings, and their work is small."""
    torch.set_num_threads(1)


def warm() -> bool:
    """Does a little of everything, so that the first real call pays for no first use."""
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))
    x_BCHW = torch.zeros(1, 1, 8, 8)
    feature_maps(model, x_BCHW)
    probabilities(model, x_BCHW)
    describe({})  # the first use of torch's meta device takes long
    return True


def describe(config: dict[str, Any]) -> Description:
    """Every step of the config's network, as applied to its dataset's images.

    Raises:
        InvalidConfig, DoesNotFit: With a sentence that says what to change.
    """
    parsed = parse_config(config)
    dataset = DATASETS[parsed.dataset.name]
    shape = dataset.image_shape(parsed.dataset.image_size)
    return Description(tuple(describe_network(parsed.network, shape, len(dataset.classes))), shape, dataset.classes)


def read_picture(name: str, data: bytes, channels: int, size: int) -> Picture:
    """An uploaded image file, decoded and as a network for images of this shape gets it.

    Raises:
        InvalidImage: It is too large, damaged, or no image; the text names it.
    """
    image = decode_image(data, name)
    width, height = image.size
    x_CHW = fit_image(image, channels, size)
    return Picture(name, _thumbnail(image), width, height, x_CHW)


def _thumbnail(image: Image.Image) -> bytes:
    """Few pixels enlarged without smoothing, as PNG; many reduced, as JPEG, which is encoded 30 times faster."""
    out = io.BytesIO()
    longest = max(image.size)
    if longest < SMALL:
        factor = 2 * SMALL // longest
        enlarged = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
        enlarged.save(out, format="PNG")
    else:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        image.save(out, format="JPEG", quality=92, subsampling=0)
    return out.getvalue()


def look(run_id: str, epoch: int | None, images: Sequence[tuple[str, bytes]]) -> Look:
    """Prediction and every convolution's feature maps for uploaded images, decoded and resized as the run's were."""
    run = open_store().run(run_id)
    channels, size, _ = _image_shape(run.config)
    x_BCHW = np.stack([fit_image(decode_image(data, name), channels, size) for name, data in images])
    return look_at(run_id, epoch, x_BCHW)


def look_at(run_id: str, epoch: int | None, x_BCHW: np.ndarray) -> Look:
    """As ``look``, for images that have the network's size already, such as samples; uint8."""
    store = open_store()
    run = store.run(run_id)
    epoch = _epoch(store, run, epoch)
    model = _model(str(store.home), run_id, epoch)
    x: Tensor = normalise(torch.from_numpy(np.array(x_BCHW, order="C")), run.config.dataset.normalisation)
    maps = feature_maps(model, x)
    return Look(
        epoch=epoch,
        classes=DATASETS[run.config.dataset.name].classes,
        x_BCHW=x_BCHW,
        probabilities_BK=probabilities(model, x).numpy(),
        maps={name: maps_BChw.numpy() for name, maps_BChw in maps.items()},
    )


def samples(config: dict[str, Any], indices: Sequence[int]) -> Samples:
    """Images of the test split by their position in it; positions wrap around at its end."""
    parsed = parse_config(config)
    part = load_part(parsed.dataset, "test")
    chosen = np.asarray(indices) % len(part.y_N)
    classes = DATASETS[parsed.dataset.name].classes
    return Samples(
        np.array(part.x_NCHW[chosen]), tuple(classes[int(y)] for y in part.y_N[chosen]), tuple(map(int, chosen))
    )


def load_model(run: Run | str, epoch: int | None = None, store: Store | None = None) -> nn.Module:
    """A run's network with its weights after ``epoch``, in evaluation mode. 0: before training; None: the best.

    Raises:
        RunNotFound, CheckpointMissing: No such run, or that epoch's weights were not kept.
    """
    store = store or open_store()
    run = run if isinstance(run, Run) else store.run(run)
    return _load(store, run, _epoch(store, run, epoch))


def _epoch(store: Store, run: Run, epoch: int | None) -> int:
    if epoch is not None:
        return epoch
    kept = store.weights(run.id).epochs()
    if run.best_epoch in kept:
        return int(run.best_epoch)
    if not kept:
        raise CnnAppError(f"{run.name} has no weights yet: they come when its training begins. Try again in a moment.")
    return max(kept)


def _load(store: Store, run: Run, epoch: int) -> nn.Module:
    weights = store.weights(run.id).load(epoch)
    config = run.config
    model = build(config.network, _image_shape(config), len(DATASETS[config.dataset.name].classes))
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    return model.eval()


@lru_cache(maxsize=MODELS_KEPT)
def _model(home: str, run_id: str, epoch: int) -> nn.Module:
    store = open_store()
    return _load(store, store.run(run_id), epoch)


def _image_shape(config: RunConfig) -> tuple[int, int, int]:
    return DATASETS[config.dataset.name].image_shape(config.dataset.image_size)
