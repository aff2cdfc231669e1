"""The settings of a new run: choose, see at once whether it fits, press Train."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from cnnapp import compute
from cnnapp.answers import Description, total_parameters
from cnnapp.config import (
    DATASETS,
    NETWORKS,
    PRESETS,
    DatasetConfig,
    NetworkConfig,
    RunConfig,
    TrainingConfig,
    parse_config,
)
from cnnapp.data.loading import split_sizes
from cnnapp.errors import CnnAppError
from pages._shared import plain, setting, store
from pages._start import offer_start, start

TOKEN_KEY = "train-once"
KEEP: dict[str, Any] = {"persist_state": "session"}  # going to another page and back loses no setting


def form() -> None:
    """Start from the address (``?preset=…`` or ``?from=RUN``), else from the defaults."""
    base, begin, name = starting_point()
    if name:
        st.markdown(f"Starting from **{plain(name)}**.")
    settings, summary = st.columns([1, 1], gap="large")
    with settings:
        values = inputs(base, begin)
    with summary:
        config = review(values)
        title = st.text_input(
            "Name of the run",
            key=f"{base}-name",
            placeholder="made from the settings unless given",
            max_chars=120,
            **KEEP,
        )
        offer_start(TOKEN_KEY)
        st.button(
            "Train",
            type="primary",
            icon=":material/play_arrow:",
            disabled=config is None,
            on_click=start,
            args=(config, TOKEN_KEY, title),
            width="stretch",
        )


def starting_point() -> tuple[str, RunConfig, str]:
    """A key for the widgets, the config that fills them, and whose it is."""
    query = st.query_params
    if "from" in query:
        run = store().run(query["from"])
        return f"from-{run.id}", run.config, run.name
    if "preset" in query:
        preset = PRESETS[query["preset"]]
        return f"preset-{preset.name}", preset.config, preset.title
    return "new", parse_config({}), ""


def inputs(base: str, start: RunConfig) -> dict[str, Any]:
    """All widgets; the values as a config's JSON."""

    def one(part: Any, model: Any, name: str, group: str) -> Any:
        return setting(model, name, getattr(part, name), f"{base}-{group}-{name}", **KEEP)

    def several(part: Any, model: Any, names: list[str], group: str, columns: int = 3) -> dict[str, Any]:
        values, cells = {}, st.columns(columns)
        for i, name in enumerate(names):
            with cells[i % columns]:
                values[name] = one(part, model, name, group)
        return values

    st.subheader("Data")
    dataset = choice("Dataset", DATASETS, start.dataset.name, f"{base}-dataset-name")
    entry = DATASETS[dataset]
    st.markdown(plain(f"{entry.description}. {len(entry.classes)} classes.") + absent(dataset))
    data = several(start.dataset, DatasetConfig, ["image_size", "val_share", "subset", "normalisation"], "dataset", 2)

    st.subheader("Network")
    family = choice("Network", NETWORKS, start.network.family, f"{base}-network-family")
    knobs = NETWORKS[family].knobs
    same = start.network if start.network.family == family else knobs()
    names = [name for name in knobs.model_fields if name not in NetworkConfig.model_fields]
    network = several(same, knobs, names, f"network-{family}", 2)

    st.subheader("Training")
    training = several(start.training, TrainingConfig, ["epochs", "batch_size", "optimizer"], "training")
    momentum = ["momentum"] * (training["optimizer"] == "sgd")  # a setting of sgd: it is there when sgd is
    training |= several(start.training, TrainingConfig, ["lr", "weight_decay", *momentum], "training")
    with st.columns(3)[0]:
        seed = setting(RunConfig, "seed", start.seed, f"{base}-seed", **KEEP)
    return {
        "dataset": {"name": dataset, **data},
        "network": {"family": family, **network},
        "training": training,
        "seed": seed,
    }


def choice(label: str, registry: Any, value: str, key: str) -> str:
    names = list(registry)
    chosen: str = st.selectbox(label, names, names.index(value), lambda name: registry[name].title, key=key, **KEEP)
    return chosen


def absent(dataset: str) -> str:
    entry = DATASETS[dataset]
    if not entry.download_mb or entry.is_present():
        return ""
    return f" **Not here yet: {entry.download_mb:.0f} MB are downloaded when the run starts.**"


def review(values: dict[str, Any]) -> RunConfig | None:
    """The network's steps and the config, or the sentence that says what does not fit."""
    st.subheader("What will be trained")
    try:
        config = parse_config(values)
        description = described(json.dumps({"dataset": values["dataset"], "network": values["network"]}))
    except CnnAppError as error:
        for line in str(error).splitlines():
            st.error(plain(line), icon=":material/error:")
        return None
    steps_per_epoch = -(-split_sizes(config.dataset)[0] // config.training.batch_size)
    st.markdown(
        f"**{total_parameters(description.steps):,}** parameters · "
        f"**{config.training.epochs * steps_per_epoch:,}** steps of {config.training.batch_size} images"
    )
    rows: list[tuple[str, str, tuple[int, ...], int]] = [("input", "", description.image_shape, 0)]
    rows += [(s.name, s.text, s.output_shape, s.num_parameters) for s in description.steps]
    table = [
        {"Layer": n, "What": text, "Output": "×".join(map(str, shape)), "Parameters": p} for n, text, shape, p in rows
    ]
    st.dataframe(pd.DataFrame(table), hide_index=True, height=320, alt="Layers with their output shapes and parameters")
    return config


@st.cache_data(max_entries=256, show_spinner="Checking that the network fits …")
def described(values: str) -> Description:
    result: Description = compute.call("describe", json.loads(values))
    return result
