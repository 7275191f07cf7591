"""What is kept of a turn of a task that failed.

The turn itself is undone: the message is in its queue again, the timer still due.  A second transaction makes a
`Failure` and takes the task out of turns, until a person has looked at it: `failures()` shows them, `f.retry()` tries
the same turn again, `f.discard()` forgets what the turn was about and goes on with the next.
A task with a `Retry` is tried again by itself first.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator
from typing import Any

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.image import current
from piety.objects.tracebacks import frames_of
from piety.objects.turns import Outcome, Turn
from piety.scheduler import clock
from piety.scheduler.tasks import DONE, ENDED, Task, TaskEnded, Tasks, has_failed, is_broken, name_of_task, tasks_of

LOCALS = 20  # names of a frame that are kept
FRAMES = 30  # the innermost
KEPT = 100_000  # characters of what it has printed, as many as a transcript keeps

_clipped = reprlib.Repr()
_clipped.maxstring = _clipped.maxother = 120


@never_changes
class Frame:
    """One step of a traceback: where it was, and what the local names stood for (their reprs, clipped)."""

    def __init__(self, file: str, line: int, function: str, source: str, names: dict[str, str]) -> None:
        self.file, self.line, self.function, self.source, self.names = file, line, function, source, names

    def __repr__(self) -> str:
        return f"{self.function}, {self.file} line {self.line}: {self.source}"


class Failure(Persistent):
    """A turn of a task that failed: what it was about, why, and where."""

    def __init__(self, task: Task, report: Report, number: int) -> None:
        self.task = task
        self.number = number
        self.when = clock.now()
        self.about, self.error, self.traceback = report.about, report.error, report.traceback
        self.frames, self.output = report.frames, report.output

    def retry(self) -> None:
        """Try the same turn again.  Raises `TaskEnded`, or `Outdated` if the task has gone on since."""
        task = self.task
        if is_broken(task):
            raise PietyError(f"the class of {name_of_task(task)!r} is gone; define it again first, or discard() this")
        if task.state in ENDED:
            raise TaskEnded(f"{task!r} has ended; restart() begins it anew")
        if not self._is_the_last:
            raise Outdated(f"{task!r} has gone on since this failure; discard() forgets it")
        task.try_again(self._forget(), clock.now(), task.since)

    def discard(self) -> None:
        """Forget what the turn was about, and let the task go on; if it has gone on since, only forget the failure."""
        tasks, task = self._forget(), self.task
        if not self._is_the_last:
            return
        if not task.event.repeats:
            tasks.remove(task, DONE)
            return
        due = task.since
        task.tries = 0
        task.resume()
        if task.event.queue is None or task.event.has_happened(task, None):
            task.event.take(tasks, task, due)
        if task.enabled is False:
            task.wait_disabled(tasks)

    @property
    def _is_the_last(self) -> bool:
        """Whether it is for this failure that the task gets no turns."""
        return has_failed(self.task) and self.task.failure == self.number

    def _forget(self) -> Tasks:
        tasks = tasks_of(current())
        if tasks.failures.get(self.number) is self:
            del tasks.failures[self.number]
        return tasks

    def __repr__(self) -> str:
        of = f"{name_of_task(self.task)!r} at {clock.shown(self.when)}"
        return f"<failure {self.number} of {of}, {self.about}: {self.error}>"


class Outdated(PietyError):
    """The task of a failure has gone on since."""


class Report:
    """What is told of a turn that failed.

    It is whole before `ask`, which calls the user's own code (reprs, the text of the error): do that where nothing that
    this does can stay, and where it can be stopped.
    """

    def __init__(self, outcome: Outcome, frames: tuple[Frame, ...]) -> None:
        self.about = "what was not shown"
        self.error = type(outcome.error).__name__
        self.traceback = outcome.traceback
        self.frames = frames
        self.output = _clipped_output(outcome.output)

    def ask(self, task: Task, error: BaseException | None) -> None:
        """Learn what the turn was about, and what its error says."""
        self.error = say(error)
        self.about = _about(task)


class Failures:
    """The failures that nobody has dealt with yet, oldest first."""

    def __init__(self, found: list[Failure]) -> None:
        self._found = found

    def __iter__(self) -> Iterator[Failure]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, place: int) -> Failure:
        return self._found[place]

    def __brief__(self) -> str:
        return f"<{len(self):,} failures>"

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._found)) or "no failures"


def failures() -> Failures:
    """The failures that nobody has dealt with yet, oldest first."""
    return Failures(list(tasks_of(current()).failures.values()))


class Record(Turn):
    """The second transaction: keeps what is known of a turn that failed, and takes its task out of turns.

    If the task will be tried again by itself, nothing is kept yet.
    """

    runs_user_code = False

    def __init__(
        self, tasks: Tasks, task: Task, report: Report, since: float | None, again: Callable[[Turn], None]
    ) -> None:
        self.label = f"task {task.name}: failed"
        self._tasks, self._task, self._report, self._since, self._again = tasks, task, report, since, again
        self._number = task.number
        self._is_last_resort = False

    def work(self) -> None:
        if self._is_last_resort:
            self._tasks.forget_waiting(self._number)
            self._keep()
            return
        tasks, task = self._tasks, self._task
        task.tries += 1
        seconds = _pause(task)
        if seconds is not None:
            task.try_again(tasks, clock.now() + seconds, self._since)
            return
        task.fail(self._keep(), self._since)

    def _keep(self) -> int:
        """Make the failure; its number."""
        tasks = self._tasks
        tasks.newest_failure += 1
        number = tasks.newest_failure
        tasks.failures[number] = Failure(self._task, self._report, number)
        return number

    def is_done(self, outcome: Outcome) -> None:
        """What could not be written is done later; if the task itself is in the way, without a change of that."""
        if outcome.is_void:
            self._again(self)
        elif outcome.error is not None and not self._is_last_resort:
            self._is_last_resort = True
            self._again(self)


def _pause(task: Task) -> float | None:
    """How long to wait before the turn of this task is tried again; None if it is not."""
    if task.retry is None:
        return None
    try:
        return task.retry.wait(task.tries)
    except Exception:  # its class is gone, or its own code fails
        return None


def frames(error: BaseException | None) -> tuple[Frame, ...]:
    """The frames of an error.  It calls `repr` of the user's objects, so call it where nothing that they do stays."""
    try:
        return tuple(_frames(error))
    except Exception:  # what is there to be shown may be of any kind; the error itself is told in any case
        return ()


def _about(task: Task) -> str:
    event = task.event
    name = getattr(event, "queue", None)  # if its class is gone, it has none
    queue = getattr(task, name) if name is not None else ()
    return f"{clip(event)} {clip(queue.first())}" if queue else clip(event)


def _frames(error: BaseException | None) -> Iterator[Frame]:
    import linecache

    for frame, line in frames_of(error)[-FRAMES:]:
        code = frame.f_code
        names = list(frame.f_locals.items())[:LOCALS]
        shown = {name: clip(value) for name, value in names if not name.startswith("__")}
        source = linecache.getline(code.co_filename, line, frame.f_globals).strip()
        yield Frame(code.co_filename, line, code.co_name, source, shown)


def _clipped_output(output: str) -> str:
    """The end of what a turn has printed, if that is very long."""
    if len(output) <= KEPT:
        return output
    return f"[{len(output) - KEPT:,} characters before]\n{output[-KEPT:]}"


def say(error: BaseException | None) -> str:
    """An error in one line or more: its class, and what it says of itself."""
    try:
        text = str(error)
    except BaseException as why:  # the user's code
        text = f"(its text fails with {type(why).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def clip(value: Any) -> str:
    """The repr of any object, not too long."""
    try:
        return _clipped.repr(value)
    except BaseException as error:  # the user's repr fails; that may not hide the failure that is told
        return f"<{type(value).__qualname__} whose repr fails with {type(error).__name__}>"
