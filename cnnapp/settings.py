"""Where things live and how much is allowed: the one reader of the environment.

These are properties of the machine, not of a run: what determines a run is in ``config``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cnnapp.errors import InvalidSettings, requirement, shortened

PREFIX = "CNNAPP_"


class Settings(BaseModel):
    """Each field is read from the environment variable of its name in capitals, with ``CNNAPP_`` before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("cnnapp", appauthor=False)),
        validate_default=True,
        description="Folder of the runs, their weights, and downloaded datasets",
    )
    data: str = Field("", description=f"Folders to look for datasets in, separated by {os.pathsep!r}; never written to")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    slots: int = Field(0, ge=0, le=64, description="Runs that train at once; 0: one per GPU, or one on a CPU machine")
    threads: int = Field(
        0, ge=0, le=1024, description="CPU threads of one run; 0: the cores, shared out over the slots"
    )
    nice: int = Field(10, ge=0, le=19, description="How far a worker's priority is lowered, so that pages stay quick")
    max_restarts: int = Field(
        5, ge=0, description="Restarts of a dying run without progress, before it counts as failed"
    )
    compute_workers: int = Field(2, ge=1, le=16, description="Warm processes that compute what pages show")
    compute_timeout: float = Field(60, gt=0, description="Seconds after which a page's computation is given up")
    max_upload_mb: float = Field(20, gt=0, le=200, description="Largest image file that is opened, in MB")
    max_megapixels: float = Field(50, gt=0, le=500, description="Largest image that is decoded, in millions of pixels")
    weights_mb: float = Field(1024, ge=0, description="Disk for one run's weights of every epoch, in MB")
    min_free_mb: float = Field(200, ge=0, description="No run starts with less free disk than this, in MB")
    resume_seconds: float = Field(20, gt=0, description="Most training time that a killed run repeats, in seconds")
    scheduler_idle_minutes: float = Field(60, gt=0, description="The scheduler ends when idle for this long")

    @field_validator("home")
    @classmethod
    def _is_absolute(cls, home: Path) -> Path:
        return _absolute(home)

    @field_validator("data")
    @classmethod
    def _are_paths(cls, data: str) -> str:
        return os.pathsep.join(map(str, _folders(data)))

    @property
    def data_folders(self) -> tuple[Path, ...]:
        """Folders that may hold datasets: those of ``data``, then the one downloads go to."""
        return (*_folders(self.data), self.download_folder)

    @property
    def download_folder(self) -> Path:
        return self.home / "data"

    @property
    def cache_folder(self) -> Path:
        return self.home / "cache"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment; an unset or empty variable means the default.

    Raises:
        InvalidSettings: A value has the wrong type or is out of range; the text names the variable.
    """
    environment = os.environ if environment is None else environment
    values = {name: environment.get(PREFIX + name.upper(), "") for name in Settings.model_fields}
    try:
        return Settings.model_validate({name: value for name, value in values.items() if value})
    except ValidationError as error:
        raise InvalidSettings("\n".join(map(_line, error.errors()))) from error


def _line(error: Any) -> str:
    name = str(error["loc"][0])
    where = f"{PREFIX}{name.upper()} is {shortened(error['input'])}, but"
    if error["type"] == "value_error":
        return f"{where} {error['ctx']['error']}."
    return f"{where} it must {requirement(error)}: {Settings.model_fields[name].description}."


def _folders(paths: str) -> list[Path]:
    return [_absolute(Path(part)) for part in paths.split(os.pathsep) if part]


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # the user in ~user is unknown
        raise ValueError(f"there is no home folder for {path.parts[0]!r}: write the folder in full") from None
