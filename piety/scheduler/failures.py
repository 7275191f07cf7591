"""What is kept of a turn of a task that failed.

The turn itself is undone: the message is in its queue again, the timer still due.  A second transaction makes a
`Failure` and takes the task out of turns, until a person has looked at it: `failures()` shows them, `f.retry()` tries
the same turn again, `f.discard()` forgets what the turn was about and goes on with the next.
A task with a `Retry` is tried again by itself first.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from persistent import Persistent

from piety.objects.changes import never_changes
from piety.objects.image import current
from piety.objects.tracebacks import frames_of
from piety.objects.turns import Outcome, Turn
from piety.scheduler import clock
from piety.scheduler.tasks import DONE, ENDED, Task, TaskEnded, Tasks, tasks_of

LOCALS = 20  # names of a frame that are kept
FRAMES = 30  # the innermost

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

    number = 0

    def __init__(self, task: Task, outcome: Outcome, frames: tuple[Frame, ...]) -> None:
        self.task = task
        self.when = clock.now()
        self.about = _about(task)
        self.error = _say(outcome.error)
        self.traceback = outcome.traceback
        self.frames = frames
        self.output = outcome.output

    def retry(self) -> None:
        """Try the same turn again."""
        tasks = self._forget()
        if self.task.state in ENDED:
            raise TaskEnded(f"{self.task!r} has ended; restart() begins it anew")
        self.task.try_again(tasks, clock.now())

    def discard(self) -> None:
        """Forget what the turn was about, and let the task go on."""
        tasks, task = self._forget(), self.task
        task.tries = 0
        queue = getattr(task, task.event.queue) if task.event.queue else None
        if queue:
            queue.take_first()
        if queue is None and not task.event.repeats:
            tasks.remove(task, DONE)
        else:
            task.resume()

    def _forget(self) -> Tasks:
        tasks = tasks_of(current())
        tasks.failures.pop(self.number, None)
        return tasks

    def __repr__(self) -> str:
        when = datetime.fromtimestamp(self.when).astimezone().isoformat(" ", "seconds")
        return f"<failure {self.number} of {self.task.name!r} at {when}, {self.about}: {self.error}>"


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

    def __init__(self, tasks: Tasks, task: Task, outcome: Outcome, frames: tuple[Frame, ...]) -> None:
        self.label = f"task {task.name}: failed"
        self._tasks, self._task, self._outcome, self._frames = tasks, task, outcome, frames

    def work(self) -> None:
        tasks, task = self._tasks, self._task
        task.tries += 1
        seconds = task.retry.wait(task.tries) if task.retry is not None else None
        if seconds is not None:
            task.try_again(tasks, clock.now() + seconds)
            return
        failure = Failure(task, self._outcome, self._frames)
        failure.number = tasks.failures.maxKey() + 1 if tasks.failures else 1
        tasks.failures[failure.number] = failure
        task.fail()


def frames(error: BaseException | None) -> tuple[Frame, ...]:
    """The frames of an error; it calls `repr` of the user's objects, so call it where nothing that they do stays."""
    return tuple(_frames(error))


def _about(task: Task) -> str:
    if task.event.queue is None:
        return repr(task.event)
    queue = getattr(task, task.event.queue)
    return f"{task.event!r} {_clip(queue.first())}" if queue else repr(task.event)


def _frames(error: BaseException | None) -> Iterator[Frame]:
    import linecache

    for frame, line in frames_of(error)[-FRAMES:]:
        code = frame.f_code
        names = list(frame.f_locals.items())[:LOCALS]
        shown = {name: _clip(value) for name, value in names if not name.startswith("__")}
        source = linecache.getline(code.co_filename, line, frame.f_globals).strip()
        yield Frame(code.co_filename, line, code.co_name, source, shown)


def _say(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _clip(value: Any) -> str:
    try:
        return _clipped.repr(value)
    except BaseException as error:  # the user's repr fails; that may not hide the failure that is told
        return f"<{type(value).__qualname__} whose repr fails with {type(error).__name__}>"
