"""What a task waits for.

    every(2.5)          each 2.5 seconds; what was missed while the system was stopped is skipped, or see `missed`
    at(moment)          once, at a datetime or a time in seconds since the epoch, or "tomorrow 9:00"
    after(10)           once, so many seconds after the task began to wait
    message             each time something is sent to the task, one message a turn
    changed(obj)        after each turn that has changed a persistent object
    signal("dinner")    each time somebody says `notify("dinner")`
    lines("door")       each line that comes in on the socket `door` in the home
    found(query)        what comes into what a query finds, changes there or leaves it (see `standing.py`)

An event is a value: it never changes, and lies in the record of its task.  Where its task will be found when it
happens is in the tables of `Tasks`: `begin` puts it there and `end` takes it out, in the turn that says so.  What has
happened and was not handled yet waits in a queue of the task (`messages` or `happened`), so it is in the image too.
A new kind of event is a subclass with these methods; the loop knows timers and `tasks.ready`, and nothing else.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.image import current
from piety.objects.moments import tid_at
from piety.objects.past import Past
from piety.objects.snapshots import find_moment
from piety.places import SOCKET
from piety.scheduler import clock

if TYPE_CHECKING:
    from piety.scheduler.tasks import Task, Tasks

DOOR = "socket:"  # how the names of signals begin that are lines on a socket

Missed = Literal["skip", "catch_up", "once"]
Due = tuple[float, float]  # of a timer: where it stands in the image, and when it is due now


@never_changes
class Event:
    """What a task waits for; see the head of this file."""

    queue: str | None = None  # the attribute of the task in which what has happened waits; None for timers
    repeats = True  # whether the task waits for the same again after its turn

    def begin(self, tasks: Tasks, task: Task) -> None:
        """The task begins to wait."""
        if self.queue is not None and getattr(task, self.queue):
            tasks.ready.insert(task.number)

    def end(self, tasks: Tasks, task: Task) -> None:
        """It does not wait any more."""
        tasks.ready.discard(task.number)

    def pause(self, tasks: Tasks, task: Task) -> None:
        """It gets no turns for a while; `begin` ends that.  What happens in between waits in its queue."""
        tasks.ready.discard(task.number)

    def has_happened(self, task: Task, due: Due | None) -> bool:
        """Whether there is something to handle; `due` is for timers.  What made it so may have been undone since."""
        assert self.queue is not None
        return bool(getattr(task, self.queue))

    def take(self, tasks: Tasks, task: Task, when: float | None) -> Any:
        """The oldest thing that has happened, taken out of its queue by the turn that handles it."""
        assert self.queue is not None
        waiting = getattr(task, self.queue)
        value = waiting.take_first()
        if not waiting:
            tasks.ready.discard(task.number)
        return value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))


# -- timers


@never_changes
class Timer(Event):
    """An event that time brings.  `tasks.due` has it by the time when it is due."""

    period = 0.0  # seconds to the next time; 0 for once

    def first(self, now: float) -> float:
        """When it is due for a task that begins to wait now."""
        raise NotImplementedError

    def begin(self, tasks: Tasks, task: Task) -> None:
        now, since = clock.now(), task.since
        if since is not None:
            task.since = None
        self._wait(tasks, task, self.first(now) if since is None else self.again(since, now))

    def again(self, since: float, now: float) -> float:
        """When it is due for a task that goes on after a turn that failed, due at `since`: that turn is tried again."""
        return since

    def end(self, tasks: Tasks, task: Task) -> None:
        super().end(tasks, task)
        if task.due is not None:
            tasks.due.pop((task.due, task.number), None)
            task.due = None

    def pause(self, tasks: Tasks, task: Task) -> None:
        self.end(tasks, task)

    def has_happened(self, task: Task, due: Due | None) -> bool:
        return due is not None and due[0] == task.due

    def take(self, tasks: Tasks, task: Task, when: float | None) -> float | None:
        """The time when it was due; a timer that repeats writes nothing here."""
        return when

    def _wait(self, tasks: Tasks, task: Task, due: float) -> None:
        task.due = due
        tasks.due[due, task.number] = self if self.period else None
        tasks.touch(task)


@never_changes
class Every(Timer):
    """Each so many seconds, counted from when the task began to wait."""

    def __init__(self, seconds: float, missed: Missed = "skip") -> None:
        self.period = seconds
        self.missed = missed

    def first(self, now: float) -> float:
        return now + self.period

    def next(self, due: float, now: float) -> float:
        """The first time after `now` on the grid that `due` lies on."""
        following = due if due > now else due + self.period
        if following > now:
            return following
        following = due + self.period * (math.floor((now - due) / self.period) + 1)
        return following if following > now else following + self.period  # the last bit of a float

    def earlier(self, due: float, now: float) -> float:
        """When it is due, if the clock was set back so that `due` is more than a period away.

        On the same grid; but after less than a period, where that would give the last time again, a period from now.
        """
        periods = math.ceil((due - now) / self.period) - 1
        return due - self.period * periods if periods > 1 else self.first(now)

    def again(self, since: float, now: float) -> float:
        return since if self.missed == "catch_up" else self.next(since, now)

    def take(self, tasks: Tasks, task: Task, when: float | None) -> float | None:
        if self.missed == "catch_up":  # each is delivered once, so where it stands must be in the image
            due = (task.due if when is None else when) or 0.0
            self.end(tasks, task)
            self._wait(tasks, task, due + self.period)
        return when

    def __repr__(self) -> str:
        return f"every({self.period:g}{'' if self.missed == 'skip' else f', missed={self.missed!r}'})"


@never_changes
class At(Timer, Past):
    """Once, at a time; at once if that has passed.  And the world as it was then."""

    repeats = False
    _tid = b""
    words = ""

    def __init__(self, when: float, tid: bytes = b"", words: str = "") -> None:
        self.when = when
        if tid:
            self._tid, self.words = tid, words

    @property
    def tid(self) -> bytes:  # type: ignore[override]
        """The number of the last turn up to then."""
        return self._tid or tid_at(self.when)

    def first(self, now: float) -> float:
        return self.when

    def __repr__(self) -> str:
        return f"at({self.words or clock.shown(self.when)})"


@never_changes
class After(Timer):
    """Once, so many seconds after the task began to wait."""

    repeats = False

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def first(self, now: float) -> float:
        return now + self.seconds

    def __repr__(self) -> str:
        return f"after({self.seconds:g})"


# -- what others bring


@never_changes
class Message(Event):
    """Something was sent to the task."""

    queue = "messages"

    def __repr__(self) -> str:
        return "message"


@never_changes
class Signal(Event):
    """Somebody has said that something of this name has happened."""

    queue = "happened"

    def __init__(self, name: str) -> None:
        self.name = name

    def begin(self, tasks: Tasks, task: Task) -> None:
        super().begin(tasks, task)
        tasks.signals[self.name, task.number] = None

    def end(self, tasks: Tasks, task: Task) -> None:
        super().end(tasks, task)
        tasks.signals.pop((self.name, task.number), None)

    def __repr__(self) -> str:
        return f"signal({self.name!r})"


@never_changes
class Changed(Event):
    """A turn has changed a persistent object."""

    queue = "happened"

    def __init__(self, obj: Persistent) -> None:
        self.obj = obj

    def begin(self, tasks: Tasks, task: Task) -> None:
        super().begin(tasks, task)
        tasks.watch(self.obj, task)

    def end(self, tasks: Tasks, task: Task) -> None:
        super().end(tasks, task)
        tasks.unwatch(self.obj, task)

    def __repr__(self) -> str:
        return f"changed({type(self.obj).__qualname__} object)"


@never_changes
class Lines(Signal):
    """A line came in on a socket in the home: a signal of the socket's name (see `browser/doors.py`)."""

    def __repr__(self) -> str:
        return f"lines({self.name.removeprefix(DOOR)!r})"


def doors(tasks: Tasks) -> frozenset[str]:
    """The names of the sockets that some task waits for."""
    after = f"{DOOR[:-1]};"  # the character that comes after a colon
    return frozenset(name.removeprefix(DOOR) for name, _number in tasks.signals.keys((DOOR, 0), (after, 0)))


SHORTEST = 1e-6  # seconds of a period: the clock tells hardly less, as a float since the epoch

LONGEST_NAME = 50  # characters of a socket's name: its whole path may have some hundred
NAMES_IN_HOME = {SOCKET, "image", "log"}

message = Message()


def every(seconds: float, missed: Missed = "skip") -> Every:
    """Each so many seconds.

    `missed` says what becomes of the times that passed while the system was stopped: "skip" forgets them, "once" gives
    one turn for all of them, "catch_up" a turn for each (and then each turn writes where it stands).
    """
    if not SHORTEST <= seconds < math.inf:
        raise PietyError(f"every({seconds!r}): give the seconds between two times, a microsecond or more")
    if missed not in ("skip", "once", "catch_up"):
        raise PietyError(f"every(..., missed={missed!r}): say 'skip', 'once' or 'catch_up'")
    return Every(float(seconds), missed)


def at(when: Any) -> At:
    """A moment: a task can wait for it, and when it has passed, its world can be looked at.

    `when` is a datetime (of this place, if it has no time zone), seconds since the epoch, words such as
    "yesterday 18:00", or a snapshot or its name.  Raises `PietyError` if it is none of these.
    """
    if isinstance(when, (int, float, datetime)):
        return At(_finite("at", when.timestamp() if isinstance(when, datetime) else when))
    found = find_moment(current(), when)
    return At(found.when, found.tid, found.words)


def after(seconds: float) -> After:
    """Once, so many seconds after the task begins to wait."""
    return After(_finite("after", seconds))


def changed(obj: Any) -> Changed:
    """After each turn that has changed `obj`, a persistent object; several changes at once count once."""
    if not issubclass(type(obj), Persistent):
        raise PietyError(
            f"changed() needs a persistent object, and a {type(obj).__qualname__} is plain: "
            "give its class the base persistent.Persistent, or watch the object that holds it"
        )
    return Changed(obj)


def signal(name: str) -> Signal:
    """Each time somebody says `notify(name)`."""
    if type(name) is not str:
        raise PietyError(f"signal({name!r}): give it a name, a str")
    return Signal(name)


def lines(name: str) -> Lines:
    """Each line that comes in on the Unix socket `name` in the home, while the system runs."""
    if not name.isidentifier() or len(name) > LONGEST_NAME:
        raise PietyError(f"lines({name!r}): give the socket a name of at most {LONGEST_NAME} letters, digits and _")
    if name in NAMES_IN_HOME:
        raise PietyError(f"lines({name!r}): the system itself has something of this name in the home; take another one")
    return Lines(f"{DOOR}{name}")


def _finite(event: str, seconds: float) -> float:
    if not -math.inf < seconds < math.inf:
        raise PietyError(f"{event}({seconds!r}): give it a time that comes")
    return float(seconds)
