"""Tasks: what gets turns of its own, and goes on after a restart.

    Task        asked to take one turn with one thing that has happened, it says what it waits for next
    Handler     a task that calls a function each time its event happens; made by `spawn`
    Queue       what has happened to a task and was not handled yet
    Tasks       the tables of all tasks: `world.tasks`

A task is in one of these states:

    waiting     it gets a turn when its event happens, if its condition `enabled` allows it
    retrying    the same, after a turn that failed: it waits a while to try that turn again
    suspended   it gets none until `resume`; what is sent to it waits
    failed      as suspended, after a turn that failed; its failure tells why (see `failures.py`)
    done        it has nothing to wait for any more, and has left the tables; `restart` brings it back
    cancelled   the same, by `cancel`

Of one whose class is gone, only what the image has of it is left: it is *broken*, gets no turns and hears nothing until
the class is back, and `world.tasks.forget(number)` takes it out.

All of it is in the image: a turn that takes a message, does something with it and sends another happens whole or not
at all, so each message is handled once.  Where a periodic timer stands is not: that follows from when it began, so a
tick that changes nothing writes nothing.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any

from BTrees.LLBTree import LLTreeSet
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from piety.errors import PietyError
from piety.objects.image import current
from piety.objects.printing import Printed
from piety.scheduler.events import Due, Event, Message, Signal, Timer
from piety.scheduler.output import Place, place, put
from piety.scheduler.retries import Retry
from piety.scheduler.trees import is_part, is_tree

WAITING, RETRYING, SUSPENDED, FAILED = "waiting", "retrying", "suspended", "failed"
DONE, CANCELLED = "done", "cancelled"
ENDED = (DONE, CANCELLED)

Condition = bool | Callable[[], object]


class TaskEnded(PietyError):
    """The task is done or cancelled, and gets no turns any more."""


class NoTask(PietyError, KeyError):
    """There is no such task."""

    __str__ = PietyError.__str__  # that of KeyError shows the repr


class Queue(Persistent):
    """Things in the order in which they came."""

    def __init__(self) -> None:
        self._tree = LOBTree()

    def put(self, value: Any) -> None:
        self._tree[self._tree.maxKey() + 1 if self._tree else 0] = value

    def take_first(self) -> Any:
        return self._tree.pop(self._tree.minKey())

    def first(self) -> Any:
        return self._tree[self._tree.minKey()]

    def clear(self) -> None:
        self._tree.clear()

    def __len__(self) -> int:
        return len(self._tree)

    def __bool__(self) -> bool:
        return bool(self._tree)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._tree.values())

    def __repr__(self) -> str:
        return f"<{len(self)} waiting>"


class Task(Persistent):
    """What gets turns.  I know what I wait for and what has happened to me; a subclass says in `step` what I do."""

    number = 0
    state = WAITING
    retry: Retry | None = None
    out: Place | None = None
    tries = 0  # how often the turn that is due has failed
    due: float | None = None  # when a timer was due first; of a periodic one the next times follow from that
    since: float | None = None  # when the timer was due of which the turn has failed, or waits until I am enabled
    failure = 0  # the number of the failure for which I am in the state `failed`
    messages: Queue | tuple[()] = ()  # what was sent
    happened: Queue | tuple[()] = ()  # signals and changes
    _event: Event
    _enabled: Condition = True

    def __init__(self, event: Event, name: str) -> None:
        self._event = event
        self.name = name

    def step(self, value: Any) -> Event | None:
        """Take one turn with what has happened; what I wait for next, or None if I am done."""
        raise NotImplementedError

    # -- what a person does with a task

    @property
    def event(self) -> Event:
        """What I wait for.  Assigning another begins to wait for that."""
        return self._event

    @event.setter
    def event(self, event: Event) -> None:
        tasks = self._tasks()
        _require_event(event)
        self._forget_tries(tasks)
        self._stop_waiting(tasks, "end")
        self._event = event
        if self.state == RETRYING:  # that was for the other event
            self.state = WAITING
        if self.state == WAITING:
            self.begin_to_wait(tasks)
        tasks.touch(self)

    @property
    def enabled(self) -> Condition:
        """Whether I get turns when my event happens: True, False, or a function that tells each time.

        While it is False nobody looks at me.
        """
        return self._enabled

    @enabled.setter
    def enabled(self, condition: Condition) -> None:
        tasks, was = self._tasks(), self._enabled
        self._enabled = _plain(condition)
        if self._enabled is False:
            self.wait_disabled(tasks)
        elif was is False and self.state == WAITING:
            self._event.begin(tasks, self)
        tasks.touch(self)

    def suspend(self) -> None:
        """Give me no turns until `resume`.  Where I get none already, this changes nothing."""
        if self.state in (WAITING, RETRYING):
            self._leave(SUSPENDED)

    def resume(self) -> None:
        """Give me turns again."""
        if self.state in ENDED:
            raise TaskEnded(f"{self!r} has ended; restart() begins it anew")
        self._wait()

    def cancel(self) -> None:
        """End me, and forget what I have not handled."""
        if self.state not in ENDED:
            self._tasks().remove(self, CANCELLED)

    def restart(self) -> None:
        """Begin to wait anew, whatever state I am in; what was not handled is forgotten."""
        tasks = self._tasks()
        if self.state not in ENDED:
            tasks.remove(self, DONE)
        self._event = copy(self._event)  # another one: if this is in a turn of mine, that sees that I wait anew
        tasks.add(self)

    def send(self, value: Any) -> None:
        """Put a message where I find it."""
        if self.state in ENDED:
            raise TaskEnded(f"{self!r} has ended, and takes no messages; restart() begins it anew")
        self._put("messages", value, Message)

    def receive(self) -> Any:
        """The oldest message that was sent to me, taken out of my queue; None if there is none."""
        if not self.messages:
            return None
        value = self.messages.take_first()
        if not self.messages and self._event.queue == "messages":
            self._tasks().ready.discard(self.number)
        return value

    def __repr__(self) -> str:
        return f"<task {self.number} {self.name!r}: {self.state}{self._waits_for()}>"

    def _waits_for(self) -> str:
        return f" for {self._event!r}" if self.state == WAITING else ""

    # -- what the system does with it

    def take_turn(self, tasks: Tasks, due: Due | None) -> bool | None:
        """One turn, with the oldest thing that has happened; False if my condition did not allow it.

        `due` is for timers.  None if there is nothing to do: I was told something else since I became ready.
        """
        when = None if due is None else due[1]
        event, state = self._event, self.state
        if state != WAITING:
            if state != RETRYING or due is None or due[0] != self.due:
                return None
            when = self.since
            self._wait()
            if event.queue is not None and not event.has_happened(self, None):
                return None
        elif not event.has_happened(self, due):
            return None
        if self._enabled is not True and not self.is_enabled():
            return False
        then = self.step(event.take(tasks, self, when))
        if self.tries:
            self.tries = 0
        if then is None:
            if self.state not in ENDED:
                tasks.remove(self, DONE)
        elif then is not self._event:
            self.event = then
        output = sys.stdout
        if isinstance(output, Printed) and output.tell() and self.out is not None:
            put(self.out, output, self.number)
        return True

    def begin_to_wait(self, tasks: Tasks) -> None:
        """Begin to wait for my event."""
        self._event.begin(tasks, self)
        if self._enabled is False:
            self.wait_disabled(tasks)

    def wait_disabled(self, tasks: Tasks) -> None:
        """I am not enabled: what happens waits, and so does the time of a timer."""
        if self.state == WAITING:
            if self.due is not None:
                self.since = self.due
            self._stop_waiting(tasks, "pause")

    def is_enabled(self) -> bool:
        condition = self._enabled
        return bool(condition() if callable(condition) else condition)

    def happens(self, value: Any) -> None:
        """Something that I wait for has happened."""
        self._put("happened", value, Signal)

    def leave(self, tasks: Tasks) -> None:
        """I am taken out of the tables."""
        self._forget_tries(tasks)
        self._stop_waiting(tasks, "end")

    def fail(self, failure: int, since: float | None) -> None:
        """A turn of mine has failed for good; if it was one of a timer, that was due at `since`."""
        self._leave(FAILED)
        self.failure, self.since = failure, since

    def try_again(self, tasks: Tasks, when: float, since: float | None) -> None:
        """A turn of mine has failed, and I wait until `when` to try it again."""
        self._leave(RETRYING)
        self.due, self.since = when, since
        tasks.due[when, self.number] = None

    def _leave(self, state: str) -> None:
        """Stop to wait for my event."""
        tasks = self._tasks()
        self._stop_trying(tasks)
        self._stop_waiting(tasks, "pause")
        if self.state == WAITING:
            self.since = None
        self.state = state
        tasks.touch(self)

    def _stop_trying(self, tasks: Tasks) -> None:
        if self.state == RETRYING:
            tasks.due.pop((self.due, self.number), None)
            self.due = None

    def _stop_waiting(self, tasks: Tasks, how: str) -> None:
        try:
            getattr(self._event, how)(tasks, self)
        except Exception:  # its class is gone, or its own code fails; I must be able to end all the same
            tasks.ready.discard(self.number)
            if self.due is not None:
                tasks.due.pop((self.due, self.number), None)
                self.due = None
            if how == "end":
                tasks.forget_waiting(self.number)

    def _forget_tries(self, tasks: Tasks) -> None:
        """Whatever turn of mine has failed is not tried again."""
        self._stop_trying(tasks)
        if self.tries or self.since is not None:
            self.tries, self.since = 0, None

    def _wait(self) -> None:
        if self.state != WAITING:
            tasks = self._tasks()
            self._stop_trying(tasks)
            self.state = WAITING
            self.begin_to_wait(tasks)
            tasks.touch(self)

    def _put(self, queue: str, value: Any, kind: type[Event]) -> None:
        if not isinstance(getattr(self, queue), Queue):
            setattr(self, queue, Queue())
        getattr(self, queue).put(value)
        if self.state == WAITING and getattr(self._event, "queue", queue) == queue:  # if its class is gone, this fails
            tasks = self._tasks()
            if self._enabled is not False:
                tasks.ready.insert(self.number)
            tasks.touch(self)

    def _tasks(self) -> Tasks:
        return tasks_of(current())


class Handler(Task):
    """A task that calls a function each time its event happens.

    The function gets what has happened (the message, the changed object, the time when a timer was due) if it takes an
    argument: for a timer, one that it cannot do without.
    """

    def __init__(self, event: Event, action: Callable[..., object], name: str) -> None:
        super().__init__(event, name)
        self.action = action

    def step(self, value: Any) -> Event | None:
        event = self._event
        action = self.action
        takes = getattr(self, "_v_takes", None)
        code = getattr(action, "__code__", None)
        if takes is None or takes[0] is not action or takes[1] is not code:  # a function is edited in place
            takes = self._v_takes = (action, code, _takes(action, isinstance(event, Timer)))
        if takes[2]:
            action(value)
        else:
            action()
        return self._event if self._event is not event or event.repeats else None


def _takes(action: Callable[..., object], only_if_it_must: bool) -> bool:
    try:
        signature = inspect.signature(action)
    except (ValueError, TypeError):  # a built-in that does not tell
        return not only_if_it_must
    try:
        signature.bind() if only_if_it_must else signature.bind(None)
    except TypeError:
        return only_if_it_must
    return not only_if_it_must


class Tasks(Persistent):
    """The tables of all tasks that have not ended.  I am `world.tasks`, and `tasks()` shows me.

    `table` has the tasks by number; `due` the timers by time and number (the event, if it repeats); `ready` the
    numbers of those with something in the queue they wait for; `signals` and `watched` who waits for a name or for
    an object, `trees` the BTrees among these.  `failures` and `effects` are those of `failures.py` and `effects.py`.
    """

    limit: tuple[float | None, bool] = (None, False)  # see `watch.py`
    newest_failure = newest_effect = 0
    stopped: float | None = None  # when the system was stopped last
    standing: Any = None  # LOBTree: number -> `standing.Told`, of those that wait for a query, from the first on

    def __init__(self) -> None:
        self.newest = 0
        self.table = LOBTree()
        self.due = OOBTree()
        self.ready = LLTreeSet()
        self.signals = OOBTree()
        self.watched = OOBTree()
        self.trees = OOBTree()
        self.failures = LOBTree()
        self.effects = LOBTree()
        self.hooks = LOBTree()
        self.sessions = OOBTree()
        self.totals = LOBTree()  # number -> turns, seconds, failures up to the last stop

    def add(self, task: Task) -> None:
        """A task begins to wait."""
        if not task.number:
            self.newest = task.number = self.newest + 1
        self.table[task.number] = task
        task.state = WAITING
        task.begin_to_wait(self)
        self.touch(task)

    def remove(self, task: Task, state: str) -> None:
        """A task has ended."""
        task.leave(self)
        task.state = state
        for name in ("messages", "happened"):
            if getattr(task, name):
                setattr(task, name, ())
        self.table.pop(task.number, None)
        self.totals.pop(task.number, None)
        self.touch(task)

    def forget(self, number: int) -> None:
        """Take a task out of all tables, whatever is left of it."""
        self.forget_waiting(number)
        self.table.pop(number, None)
        self.totals.pop(number, None)
        current().touched.add(number)

    def forget_waiting(self, number: int) -> None:
        """Take a task out of the tables of all events, if its own event cannot."""
        self.ready.discard(number)
        for table in self.due, self.signals, self.watched:
            for key in [key for key in table if key[1] == number]:
                del table[key]
        if self.standing is not None:
            self.standing.pop(number, None)
        for oid in [oid for oid in self.trees if not self._watchers(oid)]:
            del self.trees[oid]

    def touch(self, task: Task) -> None:
        """This turn has done something to a task: whoever runs the image looks at it when the turn is over."""
        current().touched.add(task.number)

    def find(self, key: int | str) -> Task:
        """A task by its number or its name.  Raises KeyError."""
        if isinstance(key, str):
            for task in self.table.values():
                if name_of_task(task) == key:
                    return task
        elif key in self.table:
            return self.table[key]
        raise NoTask(f"there is no task {key!r}; tasks() shows those that are")

    # -- who waits for an object

    def watch(self, obj: Persistent, task: Task) -> None:
        oid = current().number_of(obj)
        self.watched[oid, task.number] = None
        if is_tree(obj):
            self.trees[oid] = obj

    def unwatch(self, obj: Persistent, task: Task) -> None:
        oid = current().number_of(obj)
        self.watched.pop((oid, task.number), None)
        if not self._watchers(oid):
            self.trees.pop(oid, None)

    def _watchers(self, oid: bytes) -> list[int]:
        return [number for _oid, number in self.watched.keys((oid, 0), (oid, self.newest))]

    def tell_watchers(self, changed: Iterable[Any]) -> None:
        """These objects are changed by the turn that ends; called by the image, as a part of that turn."""
        if not self.watched:
            return
        told = {obj._p_oid: obj for obj in changed}
        for oid, tree in self.trees.items():
            if oid not in told and any(is_part(obj, tree) for obj in list(told.values())):
                told[oid] = tree
        for oid, obj in told.items():
            for number in self._watchers(oid):
                task = self.table[number]
                if not is_broken(task) and not any(each is obj for each in task.happened):
                    task.happens(obj)


def is_broken(task: Any) -> bool:
    """Whether the class of this task is gone."""
    return not issubclass(type(task), Task)


def has_failed(task: Any) -> bool:
    """Whether it gets no turns because one has failed."""
    return task is not None and not is_broken(task) and task.state == FAILED


def name_of_task(task: Any) -> str:
    """The name of a task, though its class may be gone."""
    if not is_broken(task):
        return str(task.name)
    name = task.__Broken_state__["name"]
    task.__dict__.setdefault("__Broken_newargs__", ())  # ZODB forgets that, and then cannot compare what was loaded
    return str(name)


def tasks_of(image: Any) -> Tasks:
    """The tasks of an image; made at first use, in a turn."""
    tasks: Tasks | None = image.world.tasks
    if tasks is None:
        tasks = image.world.tasks = Tasks()
    return tasks


def _require_event(event: Any) -> Event:
    if not issubclass(type(event), Event):
        raise PietyError(
            f"{event!r} is nothing to wait for; say every(seconds), at(time), after(seconds), message, changed(obj), "
            "signal(name), lines(name) or found(query)"
        )
    return event


def spawn(
    event: Event,
    action: Callable[..., object],
    *,
    name: str | None = None,
    enabled: Condition = True,
    out: Any = "transcript",
    retry: Retry | None = None,
) -> Handler:
    """Make a task that calls `action` each time `event` happens.

    `enabled` is a bool, or a function that says each time whether it may.  What it prints goes to `out`: the
    transcript, or any object with a method `write`, or None for nowhere.  `retry` says what becomes of a turn that
    fails (see `Retry`); without it the task is in the state `failed` then.
    """
    if not callable(action):
        raise PietyError(f"{action!r} cannot be called; give spawn an event and a function")
    task = Handler(_require_event(event), action, name or str(getattr(action, "__name__", type(action).__name__)))
    task._enabled, task.retry, task.out = _plain(enabled), retry, place(out, current())
    tasks_of(current()).add(task)
    return task


def _plain(condition: Condition) -> Condition:
    return condition if callable(condition) else bool(condition)


def send(task: Task, value: Any) -> None:
    """Send a message to a task; it is there when this turn is done, and handled once."""
    task.send(value)


def notify(name: str) -> int:
    """Say that something of this name has happened; how many tasks wait for it."""
    waiting = tasks_for_signal(tasks_of(current()), name)
    for task in waiting:
        task.happens(name)
    return len(waiting)


def tasks_for_signal(tasks: Tasks, name: str) -> list[Task]:
    """The tasks that wait for a signal."""
    waiting = [tasks.table[number] for _name, number in tasks.signals.keys((name, 0), (name, tasks.newest))]
    return [task for task in waiting if not is_broken(task)]
