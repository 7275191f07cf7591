"""The turn loop: the only place where user code gets control.

One thread runs it, one turn at a time.  Each pass takes what is ready: first what people have asked for, in the order
in which they did, then each task that has something to do.  All of a pass is committed together, and only then do
answers leave.  Who has more to do comes again behind the others, so nobody is starved; and a pass takes no more
turns after `SLICE` seconds, nor a second one of any task when somebody asks, so that no answer waits for many others.
Only what a person types waits for more, up to a second.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from time import perf_counter
from typing import Any

from piety.objects.image import Image
from piety.objects.turns import QUIET, SYSTEM, Outcome, Turn
from piety.scheduler import clock
from piety.scheduler.effects import Begin, Effects
from piety.scheduler.events import Due, doors
from piety.scheduler.failures import Frame, Record, Report, frames
from piety.scheduler.requests import Call, Typing, not_begun
from piety.scheduler.standing import Standing, Telling
from piety.scheduler.tasks import Task, Tasks, has_failed, is_broken
from piety.scheduler.timers import Timers

SLICE = 0.02  # seconds: a person does not notice that, and it is worth some twenty commits
PAUSE = 1.0  # seconds to the next try when nothing can be written, or to the next look at conditions that are False
TOGETHER = 1.0  # seconds: what a front types within them is written at once, and all that a pulled plug can take of it
LONGEST_WAIT = 30.0  # seconds: a wait does not count while the computer sleeps, and does not see the clock being set


class Counts:
    """What is counted of one task, and written when the system stops."""

    def __init__(self, turns: int = 0, seconds: float = 0.0, failures: int = 0) -> None:
        self.turns, self.seconds, self.failures = turns, seconds, failures

    def now(self) -> tuple[int, float, int]:
        """Turns, seconds, failures."""
        return self.turns, self.seconds, self.failures


class TaskTurn(Turn):
    """A turn of a task; when a pass is over, the same serves for the next one."""

    def __init__(self, loop: Loop, task: Task, counts: Counts) -> None:
        self.label = f"task {task.name}"
        self.who = f"task {task.number} {task.name}"  # several may have the same name
        self.task = task
        self.number = task.number
        self.counts = counts
        self.due: Due | None = None  # of a timer
        self.frames: tuple[Frame, ...] = ()  # of the error of a turn that fails
        self._loop = loop
        self._printed: list[tuple[str, str]] = []  # what it wrote to terminals
        self.has_more = False  # whether there may be more in the queue
        self.is_blocked = False  # whether its condition was False

    def work(self) -> None:
        loop, task, counts = self._loop, self.task, self.counts
        self.is_blocked = self.has_more = False
        try:
            took = task.take_turn(loop.tasks, self.due)
            if took:
                counts.turns += 1
                self.has_more = self.due is None  # of its queue; a timer says when it is due again
            self.is_blocked = took is False
        except BaseException as error:  # shown now, while all is as the turn has left it; that is undone with the turn
            counts.turns += 1
            self.frames = frames(error)
            raise
        finally:
            loop.ended = perf_counter()
            counts.seconds += loop.ended - self.since
            if loop.image.printed:
                self._printed, loop.image.printed = loop.image.printed, []

    def is_undone(self) -> None:
        self.has_more = False  # what it has failed with is first in the queue again, and is to be recorded

    def is_done(self, outcome: Outcome) -> None:
        """The turn is on disk, or was undone."""
        if self._printed:
            printed, self._printed = self._printed, []
            self._loop.print_at_terminals(printed if outcome.error is None else [])
        if outcome.error is not None:
            self._loop.failed(self, outcome)
        elif self.is_blocked:
            self._loop.blocked.add(self.number)
        elif outcome is not QUIET and self.has_more:
            self._loop.image.touched.add(self.number)


class _LookAround(Turn):
    """The first turn of each pass: to read in the image what has become ready."""

    label, user = "the turn loop", SYSTEM
    runs_user_code = False

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def work(self) -> None:
        self._loop.look_around()


class Loop:
    """Runs the turns of one image, in the thread that calls `run`.

    `ask`, `call`, `withdraw` and `stop` may be called from any thread.
    """

    def __init__(self, image: Image, tasks: Tasks, timers: Timers) -> None:
        self.image = image
        self.turns: dict[int, TaskTurn] = {}
        self.on_doors: Callable[[frozenset[str]], None] = lambda names: None  # called when the doors are others
        self._take(tasks, timers)
        self.on_work: Callable[[], None] = lambda: None  # called when a pass begins,
        self.on_rest: Callable[[], None] = lambda: None  # and when there is nothing to do
        self.on_print: Callable[[str, str], None] = lambda session, text: None  # for a terminal, after the commit
        self._calls: deque[Call] = deque()
        self._asked: deque[Turn] = deque()
        self.called: Call | None = None  # what is called now
        self._look_around = _LookAround(self)
        self.ended = 0.0  # when the last turn of a task has given control back, in seconds of `perf_counter`
        self._not_before = 0.0  # when the disk is full: nothing of our own and no task before that
        self._again = 0.0  # when to look at conditions that are False though nothing has changed
        self._seen = b""  # the last transaction that was seen
        self._wake = threading.Event()
        self.wait_for_typing: Callable[[float], bool] = self._wake.wait  # so many seconds; a test need not wait
        self.is_stopping = False

    def _take(self, tasks: Tasks, timers: Timers) -> None:
        """These are the tasks; read in the image what has to be known of them."""
        self.tasks = tasks
        self.timers = timers
        self.effects = Effects(tasks, self.ask, self.again)
        self.standing = Standing(self.image, tasks)
        self.doors = doors(tasks)  # the sockets that tasks wait for
        self.blocked: set[int] = set()  # tasks that have something to do, but their condition is False
        # In the order in which they became so; of a timer with its time.
        self._ready: dict[int, Due | None] = dict.fromkeys(tasks.ready)
        self.failed_tasks = {each.task.number for each in tasks.failures.values() if has_failed(each.task)}
        self.limit = tasks.limit  # for turns; see `watch.py`
        self._own: list[Turn] = []  # records of turns that have failed, and what could not be written
        self._next: float | None = None  # when the next timer is due

    def follow(self, tasks: Tasks, timers: Timers) -> None:
        """The image was given an earlier state: forget what was read of another one.  Called between two passes."""
        self.effects.close()
        with self.image.look():
            self._take(tasks, timers)
            self.turns = {number: turn for number, turn in self.turns.items() if tasks.table.get(number) is turn.task}
        self.on_doors(self.doors)

    # -- from any thread

    def ask(self, turn: Turn) -> None:
        """Run this turn in the next pass."""
        self._asked.append(turn)
        self._wake.set()

    def call(self, call: Call) -> None:
        """Call this before the next pass."""
        self._calls.append(call)
        self._wake.set()

    def withdraw(self, future: Future[Any]) -> bool:
        """Do not begin what has this future; whether it had not begun."""
        for turn in list(self._asked):
            if getattr(turn, "future", None) is future:
                with contextlib.suppress(ValueError):  # it has begun in this moment
                    self._asked.remove(turn)
                    turn.is_done(not_begun())
                    return True
        for call in list(self._calls):
            if call.future is future:
                with contextlib.suppress(ValueError):
                    self._calls.remove(call)
                    call.take_back()
                    return True
        return False

    def stop(self) -> None:
        """Make `run` return when the pass that runs is over."""
        self.is_stopping = True
        self._wake.set()

    # -- in the turn thread

    def run(self, until_idle: bool = False) -> None:
        """Run turns until `stop`, or until nothing is ready or due."""
        while not self.is_stopping:
            self._wake.clear()
            self.on_work()
            if not self.pass_once():
                if until_idle and self.is_idle:
                    return
                self.on_rest()
                self._wait()

    def pass_once(self) -> bool:
        """Run what is ready, once round; whether there was anything."""
        while self._calls:
            self.called = self._calls.popleft()
            self.called.run(self.image)
            self.called = None
        done = self.image.run(self._pass(), stay_open=True)
        for turn, outcome in done:
            turn.is_done(outcome)
        if self.blocked and all(isinstance(turn, TaskTurn) and turn.is_blocked for turn, _outcome in done[1:]):
            self._see()  # what conditions change while they are asked is no reason to ask them again
        return len(done) > 1 or bool(self._asked)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is ready or due, or being done on the host."""
        is_due = self._next is not None and self._next <= clock.now()
        is_news = self.standing.due is not None
        return not (is_due or is_news or self._ready or self._own or self.effects.are_running)

    def again(self, turn: Turn) -> None:
        """This turn of our own could not be written: the disk is full, say.  Run it later."""
        self._own.append(turn)
        self._not_before = clock.now() + PAUSE

    def _pass(self) -> Iterator[Turn]:
        """The turns of a pass; each is chosen when the one before it is over."""
        yield self._look_around
        until, now = perf_counter() + SLICE, clock.now()
        may_write = not now < self._not_before <= now + PAUSE  # if it is later, the clock was set back
        if may_write:
            own, self._own = self._own, []
            yield from own
        is_typing = bool(self._asked) and not self._ready
        for _ in range(len(self._asked)):
            if perf_counter() > until:
                break
            asked = self._asked.popleft()
            yield asked
            is_typing = is_typing and isinstance(asked, Typing)
        if is_typing:
            yield from self._typed()
            return
        ready, turns = self._ready, self.turns
        more: deque[TaskTurn] = deque()
        for number in list(ready) if may_write else ():
            due = ready.pop(number)
            turn = turns.get(number) or self.turn_of(number)
            if turn is not None:
                turn.due = due
                yield turn
                if turn.has_more:
                    more.append(turn)
            if self.ended > until:
                return
        while more and not self._asked and perf_counter() <= until:  # long queues: once round again, and so on
            turn = more.popleft()
            if turn.number in self.tasks.ready:
                turn = TaskTurn(self, turn.task, turn.counts)
                yield turn
                if turn.has_more:
                    more.append(turn)

    def _typed(self) -> Iterator[Turn]:
        """Somebody types: what comes now is to be written together with it, until something else is to be done."""
        until = perf_counter() + TOGETHER
        while True:
            self._wake.clear()
            while self._asked:
                turn = self._asked.popleft()
                yield turn
                if not isinstance(turn, Typing):
                    return
            left = until - perf_counter()
            if self._next is not None:
                left = min(left, self._next - clock.now())
            if left <= 0 or self._calls or self.is_stopping or not self.wait_for_typing(left):
                return

    def turn_of(self, number: int) -> TaskTurn | None:
        """The turns of a task; None if it has ended, or its class is gone."""
        turn = self.turns.get(number)
        if turn is None and (task := self.tasks.table.get(number)) is not None and not is_broken(task):
            turn = self.turns[number] = TaskTurn(self, task, Counts(*self.tasks.totals.get(number, ())))
        return turn

    def look_around(self) -> None:
        """Read in the image what has become ready since the last pass, and when something will."""
        image, touched, now = self.image, self.image.touched, clock.now()
        if self._see() or self._again > now + PAUSE:  # or the clock was set back
            self._again = now
        if self.blocked and now >= self._again:
            touched |= self.blocked
            self.blocked.clear()
            self._again = now + PAUSE
        if touched:
            if (open_doors := doors(self.tasks)) != self.doors:
                self.doors = open_doors
                self.on_doors(open_doors)
            for number in sorted(touched):
                self._look_at(number)
            touched.clear()
        if image.effects:
            self._own += [Begin(self.effects, number) for number in sorted(image.effects)]
            image.effects.clear()
        if self.standing.is_due(now):
            self._own.append(Telling(self.standing))
        for number, due in self.timers.pop(now):
            self._ready[number] = due
        self._next = None if self._ready else self.timers.next()
        self.limit = self.tasks.limit

    def _see(self) -> bool:
        """Whether anything was written since we looked last."""
        last = self.image.storage.lastTransaction()
        if last == self._seen:
            return False
        self._seen = last
        self.timers.image_changed()
        return True

    def _look_at(self, number: int) -> None:
        task = self.tasks.table.get(number)
        if task is None:
            self.turns.pop(number, None)
        elif number in self.tasks.ready:
            self._ready[number] = None
        if has_failed(task):
            self.failed_tasks.add(number)
        else:
            self.failed_tasks.discard(number)
        self.timers.arm(number, None if task is None else task.due)

    def print_at_terminals(self, printed: list[tuple[str, str]]) -> None:
        """Turns have written these texts to terminals, and are on disk."""
        for session, text in printed:
            self.on_print(session, text)

    def failed(self, turn: TaskTurn, outcome: Outcome) -> None:
        """A turn of a task was undone: see to it that it is known, or, if only the disk is full, done later."""
        if outcome.is_void:
            self._not_before = clock.now() + PAUSE
            self._ready[turn.number] = turn.due
            return
        turn.counts.failures += 1
        report = Report(outcome, turn.frames)
        turn.frames = ()
        # What the objects' own code does while they are shown leaves no trace; and if it is stopped, what is known by
        # then is reported.
        with contextlib.suppress(KeyboardInterrupt), self.image.look(turn):
            report.ask(turn.task, outcome.error)
        since = None if turn.due is None else turn.due[1]
        self._own.append(Record(self.tasks, turn.task, report, since, self.again))

    def _wait(self) -> None:
        times = [] if self._next is None else [self._next]
        if self._ready or self._own:
            times.append(self._not_before)
        if self.blocked:
            times.append(self._again)
        if self.standing.due is not None:
            times.append(self.standing.due)
        now = clock.now()
        self._wake.wait(min(max(0.0, min(times) - now), LONGEST_WAIT) if times else None)
