"""Sessions: one terminal, shared among jobs, of which one is in the foreground.

    Session    what is going on at one terminal; it is in the image, so it goes on after a detach and after a restart
    Job        something that takes the lines which a person types, while it is in the foreground
    Terminal   a place for printing: the terminal of a session, as long as one is attached

The shell is always there; it is in the foreground when no job is.  `job(function)` begins a job, Ctrl-Z puts it aside,
`jobs()` lists those of this session, `fg()` goes back to one.  A job ends with `leave()`, called in its function, or
with Ctrl-D.  Where it is in what it does is in its variables and objects, and so in the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.image import current
from piety.scheduler.tasks import Tasks, tasks_of

PROMPT = "> "


class Job(Persistent):
    """Something that takes lines: `function(line)` is called for each, in a turn of its own.

    `at_end` is called when Ctrl-D ends it, in the same turn.
    """

    at_end: Callable[[], object] | None = None

    def __init__(self, number: int, function: Callable[[str], object], name: str, prompt: str) -> None:
        self.number = number
        self.function = function
        self.name = name
        self.prompt = prompt

    def __repr__(self) -> str:
        return f"<job {self.number} {self.name!r}>"


class Session(Persistent):
    """What is going on at one terminal."""

    foreground: Job | None = None  # else the shell

    def __init__(self, name: str) -> None:
        self.name = name
        self.jobs: tuple[Job, ...] = ()

    def begin(self, job: Job) -> None:
        self.jobs = (*self.jobs, job)
        self.foreground = job

    def end(self, job: Job) -> None:
        self.jobs = tuple(each for each in self.jobs if each is not job)
        if self.foreground is job:
            self.foreground = None

    def find(self, key: int | str | None) -> Job:
        """A job by its number or name; without one the last."""
        for job in reversed(self.jobs):
            if key in (None, job.number, job.name):
                return job
        raise PietyError(f"there is no job {key!r} here; jobs() shows those that are" if self.jobs else "no jobs here")

    def __repr__(self) -> str:
        return f"<session {self.name!r} with {len(self.jobs)} jobs>"


class Jobs:
    """The jobs of a session, to look at."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Job]:
        return iter(self._session.jobs)

    def __len__(self) -> int:
        return len(self._session.jobs)

    def __repr__(self) -> str:
        return "\n".join(f"{job.number}  {job.name}" for job in self) or "no jobs"


def job(
    function: Callable[[str], object],
    name: str | None = None,
    prompt: str = PROMPT,
    at_end: Callable[[], object] | None = None,
) -> Job:
    """Begin a job at this terminal: from now on `function(line)` is called for each line that is typed there.

    When Ctrl-D ends it, `at_end()` is called; if that fails the job goes on.
    """
    session = _here()
    number = max((each.number for each in session.jobs), default=0) + 1
    made = Job(number, function, name or str(getattr(function, "__name__", type(function).__name__)), prompt)
    if at_end is not None:
        made.at_end = at_end
    session.begin(made)
    return made


def jobs() -> Jobs:
    """The jobs of this terminal."""
    return Jobs(_here())


def fg(key: int | str | None = None) -> None:
    """Go on with a job, by its number or name; without one with the last."""
    session = _here()
    session.foreground = session.find(key)


def leave() -> None:
    """In the function of a job: this was its last line."""
    session = _here()
    if session.foreground is None:
        raise PietyError("leave() ends the job in the foreground, and there is none; to leave the shell: exit")
    session.end(session.foreground)


def session_of(tasks: Tasks, name: str) -> Session:
    """The session of a terminal; made at first use, in a turn."""
    session: Session | None = tasks.sessions.get(name)
    if session is None:
        session = tasks.sessions[name] = Session(name)
    return session


def _here() -> Session:
    image = current()
    if not image.session:
        raise PietyError("a job needs a terminal; begin it at the shell of a running system (piety attach)")
    return session_of(tasks_of(image), image.session)


@never_changes
class Terminal:
    """A place for printing: the terminal of a session.  What comes while none is attached is not seen."""

    def __init__(self, session: str) -> None:
        self.session = session

    def write(self, text: str) -> None:
        """Show a text when the turn is on disk."""
        current().printed.append((self.session, text))

    def flush(self) -> None:
        """Nothing waits here."""

    def __repr__(self) -> str:
        return f"<terminal of session {self.session!r}>"


def terminal() -> Terminal:
    """This terminal, as a place for printing: `spawn(..., out=terminal())`."""
    return Terminal(_here().name)
