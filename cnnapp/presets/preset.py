"""A named experiment to start from."""

from dataclasses import dataclass

from cnnapp.config import RunConfig


@dataclass(frozen=True)
class Preset:
    """An entry of PRESETS."""

    name: str
    title: str
    description: str
    config: RunConfig
