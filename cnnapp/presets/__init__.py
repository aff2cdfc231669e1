"""The named experiments, one file each in ``named``."""

from cnnapp.config import PRESETS

__all__ = ["PRESETS"]
