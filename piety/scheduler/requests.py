"""What others ask the turn thread for, each with a future for the answer.

Evaluation   a source that a person entered, as a turn of its own
Call         work of ours that needs the image between two passes: showing code, checking, exporting
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from piety.errors import CommitFailed, PietyError
from piety.objects.image import Image
from piety.objects.printing import Printed
from piety.objects.turns import QUIET, Outcome, Turn, one_line
from piety.scheduler.sessions import session_of
from piety.scheduler.tasks import Tasks

if TYPE_CHECKING:
    from piety.scheduler.loop import Loop

Ask = Callable[[str], str]
Tell = Callable[[str], object]


MOST = 1_000_000  # characters of the standard error of one turn: they wait in memory for one who does not read them
TRIES = 3  # of what a person has asked for, when it was undone for something else


def promise() -> Future[Any]:
    """A future that will have its answer, whether anybody still waits or not: it cannot be cancelled."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


class Promised(Turn):
    """A turn that somebody waits for: `future` has what came of it."""

    def __init__(self) -> None:
        self.future: Future[Outcome] = promise()

    def is_done(self, outcome: Outcome) -> None:
        """Tell who waits for it."""
        self.future.set_result(outcome)


class Asked(Turn):
    """Something that a person has asked for, at a terminal or not; `ask(text)` gives a line when the turn reads one.

    `session` names the terminal; the outcome has the prompt that is to be shown there next.
    """

    with_repr = False  # whether the outcome is to have the repr of the value

    def __init__(self, loop: Loop, session: str, ask: Ask | None = None, err: Tell | None = None) -> None:
        self.future: Future[Outcome] = promise()
        self._loop, self._session, self._ask, self._err = loop, session, ask, err
        self._printed: list[tuple[str, str]] = []
        self._tries = 1
        self._before: str | None = None  # the prompt before the turn, and after it
        self._prompt: str | None = None

    def work(self) -> Any:
        loop, image = self._loop, self._loop.image
        self._before = prompt_of(loop.tasks, self._session)
        there, sys.stdin = (sys.stdin, sys.stderr), _Input(loop, self._ask)
        if self._err is not None:
            sys.stderr = _Error(self._err)
        image.session, image.printed = self._session, []
        try:
            return self.do()
        finally:
            self._prompt = prompt_of(loop.tasks, self._session)
            self._printed, image.session = image.printed, ""
            sys.stdin, sys.stderr = there

    def do(self) -> Any:
        """What was asked for."""
        raise NotImplementedError

    def is_done(self, outcome: Outcome) -> None:
        loop = self._loop
        if _was_for_another(outcome) and self._tries < TRIES:
            self._tries += 1
            loop.ask(self)
            return
        if self.with_repr and outcome.error is None and outcome.value is not None:
            outcome.shown = loop.image.show(outcome.value, self)
        if outcome.error is None:
            loop.print_at_terminals(self._printed)
        if outcome is QUIET:
            outcome = Outcome()
        outcome.prompt = self._prompt if outcome.error is None else self._before
        self.future.set_result(outcome)


def _was_for_another(outcome: Outcome) -> bool:
    """Whether a turn was undone only because one beside it could not be written, though the disk could."""
    error = outcome.error
    return outcome.is_void and type(error) is CommitFailed and error.__cause__ is None


class Evaluation(Asked):
    """A source to be evaluated in the workspace; with `show` its value becomes `_`."""

    def __init__(
        self,
        loop: Loop,
        source: str,
        user: str | None,
        show: bool,
        with_repr: bool,
        session: str,
        ask: Ask | None,
        err: Tell | None,
    ) -> None:
        super().__init__(loop, session, ask, err)
        self.with_repr = with_repr
        self._source = source
        self.user, self.show = user, show
        self.label = self.made = one_line(source) or "a turn"

    def do(self) -> Any:
        return self._loop.image.run_source(self._source)


class Work(Asked):
    """Work of ours that is done in a turn."""

    def __init__(
        self, loop: Loop, work: Callable[[], Any], label: str, err: Tell | None, session: str = ""
    ) -> None:
        super().__init__(loop, session, None, err)
        self.do = work  # type: ignore[method-assign]
        self.label = label


class Typing(Work):
    """Something that a person types at a front: those that follow each other within a second are written together.

    So `seen` is called with what the work gives as soon as that is done; it is on disk when the future has its outcome.
    """

    def __init__(self, loop: Loop, session: str, work: Callable[[], Any], seen: Callable[[Any], object]) -> None:
        super().__init__(loop, lambda: seen(work()), "typing", None, session)


class Line(Asked):
    """A line for the job in the foreground of a session; None ends the job, as Ctrl-D does."""

    def __init__(self, loop: Loop, line: str | None, session: str, ask: Ask | None, err: Tell | None) -> None:
        super().__init__(loop, session, ask, err)
        self._line = line
        self.label = f"a line in session {session}"

    def do(self) -> None:
        session = session_of(self._loop.tasks, self._session)
        job = session.foreground
        if job is not None and self._line is None:
            if job.at_end is not None:
                job.at_end()
            session.end(job)
        elif job is not None:
            job.function(self._line or "")


class Aside(Asked):
    """Ctrl-Z: the job in the foreground is put aside, and the shell comes to the front."""

    label = "Ctrl-Z"

    def do(self) -> None:
        session = session_of(self._loop.tasks, self._session)
        if session.foreground is not None:
            session.foreground = None


class Look(Asked):
    """Nothing: the outcome has the prompt."""

    label = "look"

    def do(self) -> None: ...


def prompt_of(tasks: Tasks, name: str) -> str | None:
    """The prompt of the job in the foreground of a session; None for the shell."""
    session = tasks.sessions.get(name)
    return session.foreground.prompt if session is not None and session.foreground is not None else None


class NotBegun(KeyboardInterrupt):
    """It was taken back before its turn came."""


def not_begun() -> Outcome:
    """The outcome of what was taken back before its turn came."""
    outcome = Outcome(error=NotBegun())
    outcome.traceback = "taken back before its turn came\n"
    return outcome


class Call:
    """A function of ours to be called with the image while no turn runs; it may make turns itself.

    `label` is what a person would call it.
    """

    def __init__(self, work: Callable[[Image], Any], label: str) -> None:
        self._work = work
        self.label = label
        self.future: Future[Any] = promise()

    def run(self, image: Image) -> None:
        try:
            value = self._work(image)
        except KeyboardInterrupt:  # that would end whoever waits for it
            self.future.set_exception(PietyError("stopped"))
        except Exception as error:
            self.future.set_exception(error)
        except BaseException as error:  # somebody's code: a SystemExit, say, would end whoever waits for it
            self.future.set_exception(PietyError(f"{type(error).__name__}: {error}".rstrip(": ")))
        else:
            self.future.set_result(value)

    def take_back(self) -> None:
        """Nobody wants it any more, and it has not begun."""
        self.future.set_exception(PietyError("taken back before its turn came"))


class _Input:
    """The standard input of a turn: whoever asked for it is asked for a line, after what was printed so far."""

    encoding = "utf-8"

    def __init__(self, loop: Loop, ask: Ask | None) -> None:
        self._loop = loop
        self._ask = ask

    def readline(self, _size: int = -1) -> str:
        output = sys.stdout
        text = output.take() if isinstance(output, Printed) else ""
        if self._ask is None or self._loop.is_stopping:  # a debugger that was interrupted asks again
            return ""
        return self._ask(text)

    def read(self, size: int = -1) -> str:
        return "".join(iter(self.readline, "")) if size < 0 else self.readline()

    def __iter__(self) -> Any:
        return iter(self.readline, "")

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        """Not now: `exit()` closes the standard input, and the system goes on."""


class _Error(io.TextIOBase):
    """The standard error of a turn that somebody asked for: they see it at once, up to `MOST` characters."""

    encoding = "utf-8"

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._left = MOST

    def write(self, text: str) -> int:
        if self._left >= 0:
            self._tell(text[: self._left])
            self._left -= len(text)
            if self._left < 0:
                self._tell(f"\n[this turn has written more than {MOST:,} characters here; no more are shown]\n")
        return len(text)
