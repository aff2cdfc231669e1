"""Errors that are written to be read by a user: what was asked, what is the case, what to do.

A front end catches ``CnnAppError`` and shows its text; everything else is a bug and keeps its traceback.
"""


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
