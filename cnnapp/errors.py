"""Errors that are written to be read by a user: what was asked, what is the case, what to do.

A front end catches ``CnnAppError`` and shows its text; everything else is a bug and keeps its traceback.
"""

import reprlib
from typing import Any


class CnnAppError(Exception):
    """Base of all errors whose text is meant for the user."""


class InvalidConfig(CnnAppError):
    """A setting has a wrong type or value; one line per mistake."""


class InvalidSettings(CnnAppError):
    """An environment variable has a value that cannot be used."""


class UnknownName(CnnAppError, KeyError):
    """A registry holds nothing of that name."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0])


class DoesNotFit(CnnAppError):
    """A network cannot be applied to images of the chosen size."""


class MissingData(CnnAppError):
    """A dataset's files are neither here nor could they be downloaded."""


class InvalidImage(CnnAppError):
    """An image file is damaged, too large, or not an image."""


class RunNotFound(CnnAppError):
    """The store holds no run of that id."""


class RunConflict(CnnAppError):
    """What was asked of a run is not possible in its present state."""


class CheckpointMissing(CnnAppError):
    """The weights of that epoch were not kept, or not written yet."""


class StoreUnusable(CnnAppError):
    """The home folder or its database cannot be used."""


class DiskFull(CnnAppError):
    """There is no room left on the disk that holds the home folder."""


class ComputeFailed(CnnAppError):
    """A background computation crashed or took too long."""


class CannotStart(CnnAppError):
    """A process of this application could not be started."""


def requirement(error: Any) -> str:
    """What a value must be, in our words, from one of pydantic's error details: "be at least 1"."""
    limit = {name: f"{value:g}" if isinstance(value, float) else value for name, value in error.get("ctx", {}).items()}
    match error["type"]:
        case "greater_than_equal":
            return f"be at least {limit['ge']}"
        case "greater_than":
            return f"be more than {limit['gt']}"
        case "less_than_equal":
            return f"be at most {limit['le']}"
        case "less_than":
            return f"be less than {limit['lt']}"
        case "literal_error":
            return f"be one of {limit['expected']}"
        case "string_pattern_mismatch":
            return "be one of these"
        case "int_parsing" | "int_parsing_size" | "int_type" | "int_from_float":
            return "be a whole number"
        case "float_parsing" | "float_type":
            return "be a number"
        case "finite_number":
            return "be a finite number"
        case "string_type":
            return "be a text"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "be a group of settings"
        case _:
            return f"be something else ({error['msg'].lower()})"


def shortened(value: object) -> str:
    """The value as Python writes it, cut in the middle where it is long."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
