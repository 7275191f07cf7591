"""Marks: places in a text that move with it.

A mark knows where it was at some version of its text, and finds from the log where it is now; so an edit costs nothing
for the marks that a text has.  When what is around it is taken away it stays at that place, and is where it was before
when that is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistent import Persistent

from piety.objects.changes import watches_itself
from piety.objects.edits import Follower, Left, Place

if TYPE_CHECKING:
    from piety.objects.texts import Text

@watches_itself
class Mark(Persistent):
    """A place in a text, which moves with it."""

    _left: tuple[Left, ...] = ()

    def __init__(self, text: Text, number: int, place: Place, version: int, after: bool) -> None:
        self.text, self.number = text, number
        self._place, self._version, self._after = place, version, after
        self._is_gone: int = False

    @property
    def place(self) -> Place:
        """The number of the character."""
        return self._now().place

    @property
    def line(self) -> int:
        return self.text.where(self.place)[0]

    @property
    def column(self) -> int:
        return self.text.where(self.place)[1]

    @property
    def is_gone(self) -> bool:
        """Whether the character that it stood before was deleted."""
        return bool(self._now().is_gone)

    def _now(self) -> Follower:
        now = Follower(self.text._log, self._place, self._after, self._is_gone, self._left)
        for group, first in self.text.done_since(self._version):
            now.follow(group, first)
        return now

    def settle(self) -> None:
        """Keep where it is now, so that it need not be found from the log."""
        if self._version != self.text.version:
            now = self._now()
            self._place, self._is_gone, self._version = now.place, now.is_gone, self.text.version
            self._left = tuple(each for each in now.left if each[0] > self.text._dropped)

    def forget(self) -> None:
        """Nobody needs it any more."""
        self.text._marks.pop(self.number, None)

    def __repr__(self) -> str:
        line, column = self.text.where(self.place)
        return f"<mark at {line}, {column}{' (its character is gone)' if self.is_gone else ''}>"
