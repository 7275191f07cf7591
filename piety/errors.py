"""What can go wrong, by what the reader can do about it.

Every message is one line: what happened, why, and what to do.  A `PietyError` is somebody's mistake or the world's;
it reaches a person without a traceback.  Anything else that escapes from Piety is a bug of ours.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # who attaches imports this too, and should have a prompt at once
    from typing import Any


class PietyError(Exception):
    """Something a person can mend; its text is the whole message."""


class NoHome(PietyError):
    """There is no home at this place."""


class HomeExists(PietyError):
    """A home is there already, and a new one would take its place."""


class NotEmpty(PietyError):
    """Other things lie where a home was to be made."""


class PietyInUse(PietyError):
    """Another process has the image; `pid` is its number, or None if it cannot be told."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class SystemRuns(PietyError):
    """The system of this home runs already."""

    def __init__(self, home: str) -> None:
        from piety.places import command

        see, end = command("status", home), command("stop", home)
        super().__init__(f"the system of {home} runs already; to see it: {see}; to stop it: {end}")


class NoImage(PietyError):
    """The file is no image."""


class NoAccess(PietyError):
    """The image is there, but may not be read or written here."""


class DamagedImage(PietyError):
    """The image's file is damaged; nothing was changed in it."""


class DamagedObject(PietyError):
    """One object's record is damaged; the rest of the image is as good as ever."""


class NewerFormat(PietyError):
    """The image was written by a newer Piety."""


class NoTurn(PietyError):
    """A change was tried outside of a turn."""


class TooLate(KeyboardInterrupt):
    """Ctrl-C came when the turn was over; `outcome` is what it left."""

    def __init__(self, outcome: Any) -> None:
        super().__init__("Ctrl-C came when the turn was over")
        self.outcome = outcome


class PastChanged(PietyError):
    """A change of an object of the past was tried."""


class BadSnapshot(PietyError):
    """A portable snapshot is none, is damaged, or of a newer Piety."""


class CommitFailed(PietyError):
    """The turn ran, but could not be written (a full disk, say); it was undone whole."""


class NameTaken(PietyError):
    """The host can import a module of this name, so one in the image would hide it."""


class NotThere(PietyError, KeyError):
    """There is nothing of this name, in a table of names: `get` and `pop` give their default instead."""

    __str__ = Exception.__str__  # not the repr, as of a KeyError


class NoModule(NotThere):
    """There is no module of this name in the image."""


class NoText(NotThere):
    """There is no text of this name in the image."""
