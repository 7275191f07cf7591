"""Marks: places in a text that move with it.

A mark knows where it was at some version of its text, and finds from the log where it is now; so an edit costs nothing
for the marks that a text has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistent import Persistent

from piety.objects.changes import watches_itself
from piety.objects.edits import Place, is_removed, moved

if TYPE_CHECKING:
    from piety.objects.texts import Text


@watches_itself
class Mark(Persistent):
    """A place in a text, which moves with it."""

    def __init__(self, text: Text, number: int, place: Place, version: int, after: bool) -> None:
        self.text, self.number = text, number
        self._place, self._version, self._after = place, version, after
        self._is_gone = False

    @property
    def place(self) -> Place:
        """The number of the character."""
        return self._now()[0]

    @property
    def line(self) -> int:
        return self.text.where(self.place)[0]

    @property
    def column(self) -> int:
        return self.text.where(self.place)[1]

    @property
    def is_gone(self) -> bool:
        """Whether the character that it stood before was deleted."""
        return self._now()[1]

    def _now(self) -> tuple[Place, bool]:
        place, is_gone = self._place, self._is_gone
        for edit in self.text.edits_since(self._version):
            is_gone = is_gone or is_removed(place, edit)
            place = moved(place, edit, self._after)
        return place, is_gone

    def settle(self) -> None:
        """Keep where it is now, so that it need not be found from the log."""
        place, is_gone = self._now()
        if self._version != self.text.version:
            self._place, self._is_gone, self._version = place, is_gone, self.text.version

    def forget(self) -> None:
        """Nobody needs it any more."""
        self.text._marks.pop(self.number, None)

    def __repr__(self) -> str:
        line, column = self.text.where(self.place)
        return f"<mark at {line}, {column}{' (its character is gone)' if self.is_gone else ''}>"
