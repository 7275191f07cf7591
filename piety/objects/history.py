"""What happened: the log of turns as a person reads it.

A turn is named by its time, to the microsecond.  Turns of the system itself, and those that only keep what was typed
at the shell, are shown on demand only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from piety.errors import PietyError
from piety.objects.image import current
from piety.objects.moments import exactly, time_of
from piety.objects.past import Past
from piety.objects.rollback import changes_something, kept_objects
from piety.objects.snapshots import find_moment
from piety.objects.turnlog import LoggedTurn, TurnLog

if TYPE_CHECKING:
    from piety.objects.image import Image

SHOWN = 20  # turns, where nobody says how many
COUNTED = 1000  # objects of a turn that are counted; a turn of a million takes seconds to go through


class Query:
    """Which turns are asked for: those that changed an object, of somebody, since a moment; all, or the usual ones."""

    def __init__(self, ref: str | None = None, who: str | None = None, since: Any = None, all: bool = False) -> None:
        self.ref, self.who, self.since, self.all = ref, who, since, all


class Row:
    """One turn, as it is told."""

    def __init__(self, turn: LoggedTurn) -> None:
        self.tid, self.who, self.what = turn.tid, turn.who, turn.what
        self._place = turn.place
        self.objects = sum(1 for _ in islice(turn.records(), COUNTED + 1))

    @property
    def past(self) -> Past:
        """The world as this turn has left it."""
        return Past(self.tid, exactly(self.tid))

    def numbers(self) -> list[bytes]:
        """The numbers of the objects that it has changed, as far as they are counted."""
        with current().storage.log() as log:
            return [record.oid for record in islice(log.turn_from(self._place).records(), COUNTED)]

    def facts(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "turn": self.tid.hex(), "when": time_of(self.tid), "who": self.who, "what": self.what,
            "objects": self.objects if self.objects <= COUNTED else None,
        }  # fmt: skip

    def __repr__(self) -> str:
        count = f"{self.objects:5}" if self.objects <= COUNTED else f"{COUNTED}+"
        return f"{exactly(self.tid)}  {self.who:12}  {count}  {self.what}"


class Turns:
    """The turns that are asked for, the newest first; they are read from the log as one goes through them."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def __iter__(self) -> Iterator[Row]:
        image = current()
        with image.storage.log() as log:
            for turn in _turns(image, log, self._query):
                yield Row(turn)

    def __brief__(self) -> str:
        return "<the turns, the newest first>"

    def __repr__(self) -> str:
        return "\n".join(str(row) for row in islice(self, SHOWN)) or "no turns"


def turns(object: str | None = None, who: str | None = None, since: Any = None, all: bool = False) -> Turns:
    """The turns, the newest first: those that changed an object, of somebody, since a moment; as `piety log`."""
    return Turns(Query(object, who, since, all))


def rows(image: Image, query: Query, most: int) -> list[Row]:
    """The turns that are asked for, the newest first; called in a turn."""
    with image.storage.log() as log:
        return [Row(turn) for turn in islice(_turns(image, log, query), most if most > 0 else None)]


def _turns(image: Image, log: TurnLog, query: Query) -> Iterator[LoggedTurn]:
    since = b"" if query.since is None else find_moment(image, query.since).tid
    kept = set() if query.all or query.ref else kept_objects(image)
    for turn in log.backwards() if query.ref is None else _turns_of(image, log, query.ref):
        if turn.tid <= since:
            return
        if query.who is not None and query.who.lower() not in f"{turn.who} {turn.what}".lower():
            continue
        if query.all or query.ref or changes_something(turn, kept):
            yield turn


def _turns_of(image: Image, log: TurnLog, ref: str) -> Iterator[LoggedTurn]:
    from piety.objects.naming import number_of

    for record in log.revisions(image.storage.place(number_of(image, ref))):
        yield log.turn_of(record)


def turn_at(image: Image, words: str) -> bytes:
    """The number of the turn that a person means: its time, as the log shows it, or its number.

    Raises `PietyError` if there was none at that time.
    """
    if len(words) == 16:
        try:
            return bytes.fromhex(words)
        except ValueError:
            pass
    moment = find_moment(image, words)
    with image.storage.log() as log:
        for turn in log.backwards():
            if turn.tid <= moment.tid:
                if moment.when - time_of(turn.tid) > 2e-6:
                    break
                return turn.tid
    raise PietyError(f"no turn was done at {words}; say its time as `piety log` shows it, to the microsecond")
