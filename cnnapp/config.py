"""Everything that determines a run. Stored with the run; a run's config is never edited.

A setting's type, limits, default and help text are one line here (or, for the knobs of a network family, in the
family's file); the form, the command line, the JSON and the error messages all read that line.
"""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cnnapp.errors import InvalidConfig, UnknownName, requirement, shortened
from cnnapp.registry import Registry

if TYPE_CHECKING:
    from cnnapp.data.dataset import Dataset
    from cnnapp.networks.family import Family
    from cnnapp.presets.preset import Preset

DATASETS: "Registry[Dataset]" = Registry("dataset", "cnnapp.data.sets")
NETWORKS: "Registry[Family[Any]]" = Registry("network", "cnnapp.networks.families")
PRESETS: "Registry[Preset]" = Registry("preset", "cnnapp.presets.named")


SLIDER: dict[str, Any] = {"step": 0.05}
"""Marks a share that a form shows as a slider, with the slider's step."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DatasetConfig(Frozen):
    name: str = Field("digits", title="Dataset", description="Which images to learn from")
    image_size: int | None = Field(
        None, ge=8, le=512, title="Image size", description="Pixels per side; unset means the dataset's own choice"
    )
    val_share: float = Field(
        0.1,
        ge=0,
        le=0.9,
        title="Validation share",
        description="Part of the training images that is kept back to validate on, the same share of every class",
        json_schema_extra=SLIDER,
    )
    subset: int | None = Field(
        None, ge=10, title="Subset", description="Use only this many training images; unset means all of them"
    )
    normalisation: Literal["unit", "half"] = Field(
        "unit", title="Normalisation", description="unit: pixels in 0 to 1; half: in -1 to 1 (mean 0.5, spread 0.5)"
    )

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            return DATASETS[name].name
        except UnknownName as error:
            raise ValueError(str(error)) from None


class NetworkConfig(Frozen):
    """Base of every family's knobs; the family's file declares the subclass."""

    family: str = Field("lenet", title="Network", description="Which kind of network to train")


class TrainingConfig(Frozen):
    epochs: int = Field(10, ge=1, le=1000, title="Epochs", description="Passes over the training images")
    batch_size: int = Field(64, ge=1, le=8192, title="Batch size", description="Images per optimiser step")
    optimizer: Literal["sgd", "adam", "adamw"] = Field(
        "adam", title="Optimiser", description="The rule that turns gradients into steps"
    )
    lr: float = Field(0.001, gt=0, le=10, title="Learning rate", description="Size of the optimiser's steps")
    momentum: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Momentum",
        description="Share of the last step that is kept in the next; sgd only",
        json_schema_extra=SLIDER,
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Weight decay",
        description="Pull of the weights towards zero; decoupled for adamw, L2 else",
    )

    @model_validator(mode="after")
    def _momentum_belongs_to_sgd(self) -> "TrainingConfig":
        if self.optimizer != "sgd" and self.momentum != 0:
            raise ValueError(
                f"momentum is a setting of sgd, and {self.optimizer} has none, but it is {self.momentum:g}. "
                "Set it to 0."
            )
        return self


def _family_knobs(value: object, info: ValidationInfo) -> object:
    """The subclass of NetworkConfig that the named family declares."""
    if isinstance(value, NetworkConfig):
        value = value.model_dump()
    if not isinstance(value, Mapping):
        return value
    family = value.get("family", NetworkConfig.model_fields["family"].default)
    if not isinstance(family, str):
        raise ValueError(f"family is {shortened(family)}, but it must be a name.")
    try:
        knobs = NETWORKS[family].knobs
    except UnknownName as error:
        raise ValueError(str(error)) from None
    return knobs.model_validate({**value, "family": family})


AnyNetwork = Annotated[SerializeAsAny[NetworkConfig], BeforeValidator(_family_knobs)]


class RunConfig(Frozen):
    dataset: DatasetConfig = Field(default_factory=lambda: DatasetConfig())
    network: AnyNetwork = Field(default_factory=lambda: NetworkConfig(), validate_default=True)
    training: TrainingConfig = Field(default_factory=lambda: TrainingConfig())
    seed: int = Field(
        0, ge=0, le=2**31 - 1, title="Seed", description="Decides initial weights, split, shuffling and dropout"
    )


def parse_config(values: Mapping[str, Any]) -> RunConfig:
    """Build a config from form or JSON values.

    Raises:
        InvalidConfig: One readable line per mistake.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise InvalidConfig("\n".join(dict.fromkeys(_line(e, values) for e in error.errors()))) from error


def override(config: RunConfig, assignments: Iterable[str]) -> RunConfig:
    """``config`` with settings changed, each given as ``training.epochs=3``.

    A value is read as JSON where it is JSON, else as text. Changing ``network.family`` drops the other knobs of the
    former family, which the new one need not know.

    Raises:
        InvalidConfig: An assignment has no ``=``, names no setting, or its value is refused.
    """
    values = config.model_dump(mode="json")
    pairs = [_split(assignment) for assignment in assignments]
    for path, value in pairs:
        if path == ["network", "family"] and value != values["network"]["family"]:
            values["network"] = {"family": value}
    for path, value in pairs:
        target = values
        for part in path[:-1]:
            if not isinstance(target.get(part), dict):
                groups = [name for name, known in target.items() if isinstance(known, dict)]
                hint = f" Known: {', '.join(groups)}." if groups else ""
                raise InvalidConfig(f"{'.'.join(path)} is not a setting: there is no group {part!r}.{hint}")
            target = target[part]
        target[path[-1]] = value
    return parse_config(values)


def _split(assignment: str) -> tuple[list[str], Any]:
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise InvalidConfig(f"{assignment!r} sets nothing: write it as training.epochs=3.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # also numbers and nesting beyond what Python reads
        value = text.strip()
    return path.strip().split("."), value


def _line(error: Any, values: object) -> str:
    """One of pydantic's errors in our words: which setting, what it is, what it must be."""
    path = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return f"{path} is not a setting. {_close_setting(error['loc'], values)}"
        case "missing":
            return f"{path} is missing."
        case "value_error":
            return f"{path}: {error['ctx']['error']}"
        case _:
            where = f"{path} is {shortened(error['input'])}, but it" if path else "A config"
            return f"{where} must {requirement(error)}."


def _close_setting(loc: tuple[object, ...], values: object) -> str:
    *groups, name = map(str, loc)
    group = ".".join(groups)
    network = values.get("network") if isinstance(values, Mapping) else None
    family = network.get("family", NetworkConfig().family) if isinstance(network, Mapping) else None
    kinds: dict[str, type[BaseModel]] = {
        "": RunConfig,
        "dataset": DatasetConfig,
        "network": NETWORKS[family].knobs if isinstance(family, str) and family in NETWORKS else NetworkConfig,
        "training": TrainingConfig,
    }
    known = list(kinds[group].model_fields)
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {'.'.join([*groups, close[0]])}?" if close else f"Known: {', '.join(known)}."
