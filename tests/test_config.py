"""Configs: what is refused and in which words, changes by assignment, and JSON."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cnnapp.config import (
    DATASETS,
    NETWORKS,
    DatasetConfig,
    NetworkConfig,
    RunConfig,
    TrainingConfig,
    override,
    parse_config,
)
from cnnapp.errors import InvalidConfig


def complaint(values: Any) -> str:
    with pytest.raises(InvalidConfig) as error:
        parse_config(values)
    return str(error.value)


def change(*assignments: str, config: RunConfig | None = None) -> RunConfig:
    return override(config or RunConfig(), assignments)


def refused(*assignments: str) -> str:
    with pytest.raises(InvalidConfig) as error:
        change(*assignments)
    return str(error.value)


WRONG = {
    "training.epochs=0": "training.epochs is 0, but it must be at least 1.",
    "training.epochs=1001": "training.epochs is 1001, but it must be at most 1000.",
    "training.epochs=2.5": "training.epochs is 2.5, but it must be a whole number.",
    "training.epochs=many": "training.epochs is 'many', but it must be a whole number.",
    "training.epochs=[3]": "training.epochs is [3], but it must be a whole number.",
    "training.epochs=": "training.epochs is '', but it must be a whole number.",
    "training.lr=0": "training.lr is 0, but it must be more than 0.",
    "training.lr=-0.5": "training.lr is -0.5, but it must be more than 0.",
    "training.lr=NaN": "training.lr is nan, but it must be a finite number.",
    "training.lr=1e999": "training.lr is inf, but it must be a finite number.",
    "training.lr=fast": "training.lr is 'fast', but it must be a number.",
    "training.lr=null": "training.lr is None, but it must be a number.",
    "training.momentum=1": "training.momentum is 1, but it must be less than 1.",
    "training.optimizer=sdg": "training.optimizer is 'sdg', but it must be one of 'sgd', 'adam' or 'adamw'.",
    "dataset.val_share=0.95": "dataset.val_share is 0.95, but it must be at most 0.9.",
    "dataset.image_size=4": "dataset.image_size is 4, but it must be at least 8.",
    "dataset.name=7": "dataset.name is 7, but it must be a text.",
    "network.dropout=2": "network.dropout is 2, but it must be at most 0.9.",
    "network.family=7": "network: family is 7, but it must be a name.",
    "training=3": "training is 3, but it must be a group of settings.",
    "network=lenet": "network is 'lenet', but it must be a group of settings.",
    "seed=-1": "seed is -1, but it must be at least 0.",
    "seed=99999999999": "seed is 99999999999, but it must be at most 2147483647.",
}


@pytest.mark.parametrize(("assignment", "sentence"), WRONG.items())
def test_a_wrong_value_is_refused_in_plain_words(assignment, sentence):
    assert refused(assignment) == sentence


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000, '"' + "x" * 5000 + '"'], ids=["digits", "nesting", "text"])
def test_a_monstrous_value_is_refused_in_one_short_line(text):
    sentence = refused(f"training.batch_size={text}")
    assert sentence.startswith("training.batch_size is '")
    assert sentence.endswith("', but it must be a whole number.")
    assert len(sentence) < 200


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(
    group=st.sampled_from(["dataset", "network", "training"]),
    name=st.sampled_from(["name", "family", "epochs", "lr", "optimizer", "image_size", "dropout", "seed", "a.b", ""]),
    value=JSON_VALUES,
)
def test_whatever_is_given_is_taken_or_refused_in_our_own_words(group, name, value):
    for values in ({group: {name: value}}, {group: value}, {name: value}, value):
        said = "."
        try:
            parse_config(values)
        except InvalidConfig as error:
            said = str(error)
        assert "Input should" not in said
        assert "Value error" not in said
        assert said.endswith((".", "?"))


def test_every_mistake_gets_its_own_line():
    text = complaint(
        {
            "dataset": {"name": "digit"},
            "network": {"family": "convnet", "depth": 9, "dropuot": 0.1},
            "training": {"lr": -1, "batchsize": 8},
            "sede": 3,
        }
    )
    assert text.splitlines() == [
        "dataset.name: There is no dataset named 'digit'. Did you mean 'digits'?",
        "network.depth is 9, but it must be at most 5.",
        "network.dropuot is not a setting. Did you mean network.dropout?",
        "training.lr is -1, but it must be more than 0.",
        "training.batchsize is not a setting. Did you mean training.batch_size?",
        "sede is not a setting. Did you mean seed?",
    ]


def test_a_setting_like_no_other_gets_the_list_of_those_there_are():
    text = complaint({"network": {"family": "convnet", "zzz": 3}})
    assert text == "network.zzz is not a setting. Known: family, depth, dropout."


def test_unknown_names_suggest_close_ones():
    text = complaint({"network": {"family": "lenett"}})
    assert text == "network: There is no network named 'lenett'. Did you mean 'lenet'?"
    assert "Did you mean 'convnet'?" in complaint({"network": {"family": "ConvNet"}})
    assert f"Known: {', '.join(DATASETS)}." in complaint({"dataset": {"name": "zzz"}})


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_momentum_belongs_to_sgd(optimizer):
    assert complaint({"training": {"optimizer": optimizer, "momentum": 0.9}}) == (
        f"training: momentum is a setting of sgd, and {optimizer} has none, but it is 0.9. Set it to 0."
    )
    assert parse_config({"training": {"optimizer": "sgd", "momentum": 0.9}}).training.momentum == 0.9


def test_a_config_is_a_group_of_settings():
    assert complaint([1, 2]) == "A config must be a group of settings."


def test_nothing_given_is_the_default_of_everything():
    config = parse_config({})
    assert config == RunConfig()
    assert config.dataset == DatasetConfig()
    assert config.training == TrainingConfig()
    assert config.network == NETWORKS["lenet"].knobs()


def test_a_config_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().seed = 3


def test_the_knobs_of_a_network_are_its_familys_own():
    config = parse_config({"network": {"family": "convnet", "depth": 4}})
    assert type(config.network) is NETWORKS["convnet"].knobs
    assert RunConfig(network=NetworkConfig(family="convnet")).network == NETWORKS["convnet"].knobs()


def test_assignments_change_what_they_name_and_nothing_else():
    before = RunConfig()
    after = change("training.epochs=3", "seed = 7", "dataset.image_size=64", "training.optimizer=sgd")
    expected = before.model_dump()
    expected["training"] |= {"epochs": 3, "optimizer": "sgd"}
    expected["dataset"] |= {"image_size": 64}
    assert after.model_dump() == expected | {"seed": 7}
    assert before == RunConfig()


def test_null_unsets():
    config = change("dataset.image_size=64")
    assert change("dataset.image_size=null", config=config).dataset.image_size is None


def test_the_last_of_several_assignments_counts():
    assert change("seed=1", "seed=2").seed == 2


def test_another_family_starts_from_its_own_defaults():
    lenet = change("network.dropout=0.7")
    assert change("network.family=convnet", config=lenet).network == NETWORKS["convnet"].knobs()


def test_another_familys_knobs_may_be_set_before_or_after_it_is_named():
    for assignments in (("network.family=convnet", "network.depth=4"), ("network.depth=4", "network.family=convnet")):
        assert change(*assignments).network == NETWORKS["convnet"].knobs(depth=4)


def test_naming_the_same_family_again_keeps_its_knobs():
    assert change("network.family=lenet", config=change("network.dropout=0.7")).network.dropout == 0.7


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("seed", "'seed' sets nothing: write it as training.epochs=3."),
        ("=3", "'=3' sets nothing: write it as training.epochs=3."),
        (
            "train.epochs=3",
            "train.epochs is not a setting: there is no group 'train'. Known: dataset, network, training.",
        ),
        ("training.lr.x=3", "training.lr.x is not a setting: there is no group 'lr'."),
        ("training.epoch=3", "training.epoch is not a setting. Did you mean training.epochs?"),
        ("network.depth=3", "network.depth is not a setting. Known: family, dropout."),
    ],
)
def test_an_assignment_that_names_no_setting_is_refused(assignment, sentence):
    assert refused(assignment) == sentence


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Values of a valid config, some of them left out."""

    def some(values: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
        return draw(st.fixed_dictionaries({}, optional=values))

    networks = {
        "lenet": {"dropout": st.floats(0, 0.9)},
        "convnet": {"depth": st.integers(2, 5), "dropout": st.floats(0, 0.9)},
    }
    family = draw(st.sampled_from(list(networks)))
    training = {
        "epochs": st.integers(1, 1000),
        "batch_size": st.integers(1, 8192),
        "lr": st.floats(0, 10, exclude_min=True),
        "weight_decay": st.floats(0, 1),
    }
    optimizer = draw(st.sampled_from(["sgd", "adam", "adamw"]))
    momentum = {"momentum": st.floats(0, 1, exclude_max=True)} if optimizer == "sgd" else {}
    return {
        "dataset": some(
            {
                "name": st.sampled_from(list(DATASETS)),
                "image_size": st.none() | st.integers(8, 512),
                "val_share": st.floats(0, 0.9),
                "subset": st.none() | st.integers(10, 10**6),
                "normalisation": st.sampled_from(["unit", "half"]),
            }
        ),
        "network": {"family": family, **some(networks[family])},
        "training": {"optimizer": optimizer, **some(training | momentum)},
        "seed": draw(st.integers(0, 2**31 - 1)),
    }


@settings(deadline=None)
@given(values=configs())
def test_a_config_survives_json_to_the_last_bit(values):
    config = parse_config(values)
    assert parse_config(json.loads(config.model_dump_json())) == config
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    for group in ("dataset", "network", "training"):
        stored = config.model_dump()[group]
        assert stored | values[group] == stored


@settings(deadline=None)
@given(values=configs())
def test_assigning_every_setting_of_a_config_makes_that_config(values):
    config = parse_config(values)
    assignments = [f"seed={config.seed}"]
    for group in ("dataset", "network", "training"):
        stored = config.model_dump(mode="json")[group]
        assignments += [f"{group}.{name}={json.dumps(value)}" for name, value in stored.items()]
    assert change(*assignments) == config


GROUPS = [DatasetConfig, TrainingConfig, *(family.knobs for family in NETWORKS.values())]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_every_setting_has_a_title_and_a_help_text_unless_it_names_the_group(group):
    for name, field in group.model_fields.items():
        if name != "family":
            assert field.title, name
            assert field.description, name


def test_importing_the_config_imports_nothing_heavy():
    heavy = {"torch", "torchvision", "sklearn", "pandas", "plotly", "streamlit"}
    code = f"import sys, cnnapp.config; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
