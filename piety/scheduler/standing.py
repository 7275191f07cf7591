"""Standing queries: a task that waits for `found(f)` is told what comes, what changes, and what leaves.

    spawn(found(find(project="lisp")), handler)     # handler(news): news.what is "came", "changed" or "left"

The system follows the log with the index (`objects/following.py`), a moment after turns have committed.  What is news
for a task is what is different between the last turn that it was told of and the newest one; it comes into the queue of
the task in one turn with the number of that turn (`Told`), so each is told exactly once, also over a restart.  What
comes and leaves again before anybody looks is no news.

Of a thousand queries few are asked of an entry: most of them want some fact that it has not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from ZODB.utils import p64, u64

from piety.errors import PietyError
from piety.objects.answering import Answering
from piety.objects.changes import never_changes
from piety.objects.connection import name_of
from piety.objects.entries import Entry
from piety.objects.finding import Found, class_finder
from piety.objects.following import catch_up
from piety.objects.image import Image
from piety.objects.query import All, Fact, Query
from piety.objects.turns import SYSTEM, Outcome, Turn, one_line
from piety.objects.values import Key
from piety.scheduler.events import Event

if TYPE_CHECKING:
    from piety.scheduler.tasks import Task, Tasks

DELAY = 0.05  # seconds after a commit: so that those that follow each other at once are looked at together
SLICE = 0.02  # seconds of one turn that follows the log: tasks and people get theirs in between
PORTION = 200  # records that are followed before the time is looked at
MANY = 200  # entries from which on each query is asked as a whole


class Told(Persistent):
    """Up to which turn a task was told; 0 for the one that has made this."""

    turn = 0

    @property
    def up_to(self) -> int:
        self._p_activate()
        return self.turn or u64(self._p_serial)


@never_changes
class News:
    """What is told: `what` is "came", "changed" or "left", and `object` the one that did."""

    def __init__(self, what: str, entry: Entry) -> None:
        self.what, self.entry = what, entry

    @property
    def object(self) -> Any:
        return self.entry.object

    def __repr__(self) -> str:
        obj = self.entry.object
        return f"<{self.what}: {name_of(obj) if isinstance(obj, Persistent) else repr(obj)}>"


@never_changes
class Finding(Event):
    """Something has come into what a query finds, has changed there, or has left it."""

    queue = "happened"

    def __init__(self, found: Found) -> None:
        self.found = found

    def begin(self, tasks: Tasks, task: Task) -> None:
        super().begin(tasks, task)
        if tasks.standing is None:
            tasks.standing = LOBTree()
        if task.number not in tasks.standing:
            tasks.standing[task.number] = Told()

    def end(self, tasks: Tasks, task: Task) -> None:
        super().end(tasks, task)
        if tasks.standing is not None:
            tasks.standing.pop(task.number, None)

    def __repr__(self) -> str:
        return f"found({self.found.query})"


def found(found: Found) -> Finding:
    """Each time something comes into what a query finds, changes there, or leaves it; see `News`."""
    if not isinstance(found, Found):
        raise PietyError(f"found() needs what find() gives, not a {type(found).__qualname__}")
    if found.where is not None or found.is_of_then:
        raise PietyError("found() needs a query without where= and at=; the handler can look at the object itself")
    return Finding(found)


class Standing:
    """The standing queries of one image, and what each was told; `seen` is the last turn of which all were."""

    def __init__(self, image: Image, tasks: Tasks) -> None:
        self._image, self._tasks = image, tasks
        self.seen = 0
        self.due: float | None = None  # when to look
        self.trouble = ""  # why nobody can be told
        self._told: dict[int, int] = {}  # up to which turn, also where that is not written as there was no news

    def is_due(self, now: float) -> bool:
        """Whether it is time to look what is news."""
        if not self._tasks.standing or self.seen == u64(self._image.storage.lastTransaction()):
            self.due = None
            return False
        if self.due is None or self.due > now + DELAY:  # or the clock was set back
            self.due = now + DELAY
        return now >= self.due

    def tell(self) -> None:
        """Tell all tasks what is news for them; called in a turn."""
        image, index = self._image, self._image.find_index
        self.due = None
        last = u64(image.storage.lastTransaction())
        until = perf_counter() + SLICE

        def tick(_done: int, _total: int) -> None:
            if perf_counter() > until:
                raise _Enough

        with contextlib.suppress(_Enough):
            catch_up(image, index, tick, PORTION)
        if index.get("turn") != last:
            return  # the rest in another turn
        for since, queries in self._groups(last):
            for number, news in self._news(since, queries):
                self._tasks.table[number].happens(news)
                told = self._tasks.standing[number]
                if told.turn != last:
                    told.turn = last
        self.trouble = ""
        self._told = dict.fromkeys(self._tasks.standing, last)
        self.seen = last

    def _groups(self, last: int) -> list[tuple[int, dict[int, Query]]]:
        """The queries by the turn up to which their tasks were told."""
        groups: dict[int, dict[int, Query]] = {}
        for number, told in self._tasks.standing.items():
            event = getattr(self._tasks.table.get(number), "_event", None)
            up_to = max(self._told.get(number, 0), told.up_to)
            if isinstance(event, Finding) and up_to < last:
                groups.setdefault(up_to, {})[number] = event.found.query
        return sorted(groups.items())

    def _news(self, since: int, queries: dict[int, Query]) -> Iterator[tuple[int, News]]:
        """What is news for which task, since a turn."""
        image, index = self._image, self._image.find_index
        rows = index.db.execute("SELECT DISTINCT entry FROM touched WHERE turn > ? ORDER BY turn, entry", (since,))
        touched = [row[0] for row in rows]
        if not touched:
            return
        now = Answering(index, class_finder(image))
        past = None if image.is_packed(p64(since)) else image.past(p64(since))  # without it, all words are those of now
        then = Answering(index, class_finder(image), since, past)
        for number, entry, before, after in self._changes(touched, queries, then, now):
            what = "changed" if before and after else "came" if after else "left"
            yield number, News(what, self._entry(entry, now if after else then, None if after else since))

    def _changes(
        self, touched: list[int], queries: dict[int, Query], then: Answering, now: Answering
    ) -> Iterator[tuple[int, int, bool, bool]]:
        """For each task and entry that is news for it: whether it was found before, and after."""
        if len(touched) > MANY:
            for number, query in queries.items():
                old, new = (set(each.numbers(query, in_order=False)) for each in (then, now))
                for entry in touched:
                    if entry in old or entry in new:
                        yield number, entry, entry in old, entry in new
            return
        wanted: dict[tuple[str, Key] | None, list[int]] = {}
        for number, query in queries.items():
            wanted.setdefault(required(query), []).append(number)
        for entry in touched:
            has = {*then.facts(entry), *now.facts(entry), None}
            for fact in has & wanted.keys():
                for number in wanted[fact]:
                    before, after = then.fulfils(entry, queries[number]), now.fulfils(entry, queries[number])
                    if before or after:
                        yield number, entry, before, after

    def _entry(self, number: int, answering: Answering, since: int | None) -> Entry:
        record = answering.record(number)
        assert record is not None
        entry: Entry = self._image.connection.get(p64(record))
        return entry


class _Enough(Exception):
    """The turn has taken its time."""


def required(query: Query) -> tuple[str, Key] | None:
    """A fact that an entry must have to fulfil a query; None if there is none that is told by one key."""
    for part in query.queries if isinstance(query, All) else (query,):
        if isinstance(part, Fact) and part.op in (":", "=") and part.name != "kind":
            spans = part.spans()
            if len(spans) == 1 and spans[0].is_one:
                return part.name, spans[0].low
    return None


class Telling(Turn):
    """A turn of our own, in which tasks are told what is news for them."""

    label, user = "standing queries", SYSTEM

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def work(self) -> None:
        self._standing.tell()

    def is_done(self, outcome: Outcome) -> None:
        """It is tried again with the next look; the status of the system tells why."""
        if outcome.error is not None:
            self._standing.seen = 0
            self._standing.trouble = f"no task is told what is news for its query: {one_line(str(outcome.error))}"
