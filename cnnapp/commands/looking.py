"""Looking inside a run's network."""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cnnapp import compute
from cnnapp.charts.tiles import tile
from cnnapp.commands.common import Epoch, ImageFiles, Json, Layer, Out, RunId, err, out, print_json, sentences
from cnnapp.errors import InvalidConfig, InvalidImage
from cnnapp.insight.filters import filters as filters_of
from cnnapp.settings import read_settings
from cnnapp.store import open_store


def read_images(paths: list[Path]) -> list[tuple[str, bytes]]:
    limit = read_settings().max_upload_mb
    images = []
    for path in paths:
        try:
            size = path.stat().st_size
            if size > limit * 1e6:
                raise InvalidImage(
                    f"{path} has {size / 1e6:.0f} MB, and at most {limit:g} MB are read. "
                    "Make it smaller, or raise CNNAPP_MAX_UPLOAD_MB."
                )
            images.append((path.name, path.read_bytes()))
        except OSError as error:
            raise InvalidImage(f"{path} cannot be read ({error.strerror}). Check the path.") from error
    return images


@sentences
def predict(run_id: RunId, images: ImageFiles, epoch: Epoch = None, as_json: Json = False) -> None:
    """What a run's network says that images are."""
    look = compute.call("look", run_id, epoch, read_images(images))
    answers = [
        {
            "image": os.fsencode(path).decode(errors="replace"),  # a file's name need not be text
            "class": look.classes[int(p_K.argmax())],
            "probabilities": dict(zip(look.classes, map(float, p_K), strict=True)),
        }
        for path, p_K in zip(images, look.probabilities_BK, strict=True)
    ]
    if as_json:
        return print_json({"run": run_id, "epoch": look.epoch, "images": answers})
    for answer in answers:
        best = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:3]
        out.print(f"{answer['image']}: " + ", ".join(f"{name} {share:.1%}" for name, share in best))


@sentences
def feature_maps(
    run_id: RunId,
    image: Annotated[Path, typer.Argument(metavar="IMAGE")],
    layer: Layer,
    out_file: Out,
    epoch: Epoch = None,
) -> None:
    """All feature maps of one convolution for one image, as a picture."""
    look = compute.call("look", run_id, epoch, read_images([image]))
    maps_Chw = look.maps[known_layer(layer, list(look.maps))][0]
    write_picture(out_file, tile(maps_Chw, columns=columns_for(len(maps_Chw)), labels=numbers(maps_Chw)).png)


@sentences
def filters(run_id: RunId, layer: Layer, out_file: Out, epoch: Epoch = None) -> None:
    """All filters of one convolution, as a picture: a row for each filter, a column for each input channel."""
    kept = open_store().weights(open_store().run(run_id).id)
    wanted: int | Literal["best"] = "best" if epoch is None else epoch
    weights = filters_of(kept.load_filters(wanted))  # the first convolution's are kept of every epoch
    if layer not in weights:
        weights = filters_of(kept.load(wanted))
    found = weights[known_layer(layer, list(weights))]
    channels = found.shape[1]
    columns = columns_for(len(found)) if channels == 1 else channels
    write_picture(out_file, tile(found.reshape(-1, *found.shape[2:]), columns=columns).png)


def columns_for(count: int) -> int:
    """About as many columns as rows."""
    return max(1, math.ceil(math.sqrt(count)))


def numbers(maps_Chw: Any) -> list[str]:
    return [str(number) for number in range(len(maps_Chw))]


def known_layer(layer: str, layers: list[str]) -> str:
    if layer not in layers:
        raise InvalidConfig(f"There is no convolution named {layer!r}. Known: {', '.join(layers)}.")
    return layer


def write_picture(path: Path, png: bytes) -> None:
    try:
        path.write_bytes(png)
    except OSError as error:
        raise InvalidConfig(f"{path} cannot be written ({error.strerror}). Choose another place with --out.") from error
    err.print(f"{path} is written.")
