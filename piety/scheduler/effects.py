"""Work on the host: files, processes, the network, anything slow.

A turn cannot take back what it does outside of the image, and while it waits nobody else gets a turn.  So it asks:
`host(fn, *args)` makes an `Effect`, which is a part of the turn.  When the turn is on disk a worker thread calls the
function, and the answer (its value, or its error) comes back as an event of a task of its own, that calls `then`.

If the system is killed before the answer is on disk, the work is done again after the resume: at least once, not
exactly once.  `effect_id()` gives the function a name for the work that is the same both times.

The function runs beside the turns, so it sees no variables of the workspace, only what it is given; and it is given
copies.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.image import current
from piety.objects.turns import Outcome, Turn
from piety.scheduler.apart import apart
from piety.scheduler.events import Event
from piety.scheduler.output import place
from piety.scheduler.retries import Retry
from piety.scheduler.signals import block_here
from piety.scheduler.tasks import Handler, Task, Tasks, tasks_of

WORKERS = 8  # threads: effects mostly wait, and more than a few at once seldom help

_here = threading.local()


@never_changes
class Answered(Event):
    """Work on the host has been done."""

    queue = "happened"
    repeats = False

    def __repr__(self) -> str:
        return "an answer of the host"


class Effect(Persistent):
    """Work that was asked of the host: `state` is "asked", "done" or "failed"; then `value` or `error` is there."""

    state = "asked"
    value: Any = None
    error: BaseException | None = None
    number = 0

    def __init__(self, call: tuple[Any, ...], task: Task | None) -> None:
        self.id = os.urandom(8).hex()
        self.call = call
        self.task = task

    def __repr__(self) -> str:
        what = {"done": f" {self.value!r}", "failed": f" {self.error!r}"}.get(self.state, "")
        return f"<effect {self.number} {_name(self.call[0])}: {self.state}{what}>"


def host(
    function: Callable[..., object],
    /,
    *args: Any,
    then: Callable[[Effect], object] | None = None,
    retry: Retry | None = None,
    out: Any = "transcript",
    **keywords: Any,
) -> Effect:
    """Ask for `function(*args, **keywords)` to be called outside of the turns, when this turn is on disk.

    `then(effect)` is called in a turn with the answer; that turn is one of a task, so `retry` and `out` are as for
    `spawn`.  Without it the answer is found in the effect.
    Raises `PietyError` for what cannot be handed over: it must be possible to pickle it, and no persistent object may
    be in it.
    """
    image = current()
    call = (function, args, keywords)
    _copy(call)
    tasks = tasks_of(image)
    task = None
    if then is not None:
        task = Handler(Answered(), then, f"then {_name(then)}")
        task.retry, task.out = retry, place(out, image)
        tasks.add(task)
    effect = Effect(call, task)
    effect.number = tasks.effects.maxKey() + 1 if tasks.effects else 1
    tasks.effects[effect.number] = effect
    image.effects.add(effect.number)
    return effect


def effect_id() -> str:
    """In a function that `host` calls: a name for this work, the same when it is done again after a crash."""
    found: str | None = getattr(_here, "id", None)
    if found is None:
        raise PietyError("effect_id() has a meaning in a function that host() calls, and only there")
    return found


class Effects:
    """Has the work done that turns have asked for.  `answer(turn)` is called for the turn that brings an answer."""

    def __init__(self, tasks: Tasks, answer: Callable[[Turn], None]) -> None:
        self._tasks = tasks
        self._answer = answer
        self._begun: set[int] = set()
        self._workers: ThreadPoolExecutor | None = None

    @property
    def are_running(self) -> bool:
        return bool(self._begun)

    def begin(self, number: int) -> None:
        """Have this one done, if it is there and not begun; called in a turn."""
        effect = self._tasks.effects.get(number)
        if effect is None or number in self._begun:
            return
        self._begun.add(number)
        try:
            function, args, keywords = _copy(effect.call)
            work = apart(function)
        except Exception as error:
            self._answer(Answer(self, number, None, error))
            return
        if self._workers is None:
            self._workers = ThreadPoolExecutor(WORKERS, "piety-host", initializer=block_here)
        self._workers.submit(self._do, number, effect.id, work, args, keywords)

    def _do(self, number: int, name: str, function: Any, args: Any, keywords: Any) -> None:
        _here.id = name
        try:
            answer = Answer(self, number, function(*args, **keywords), None)
        except BaseException as error:  # SystemExit too: it ends the work, not the worker
            error.__traceback__ = None
            answer = Answer(self, number, None, error)
        self._answer(answer)

    def is_answered(self, number: int) -> None:
        self._begun.discard(number)

    def close(self) -> None:
        """Wait for nobody: what is not answered is done again after the resume."""
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)


class Answer(Turn):
    """The turn that brings an answer into the image."""

    runs_user_code = False

    def __init__(self, effects: Effects, number: int, value: Any, error: BaseException | None) -> None:
        self.label = f"answer of effect {number}"
        self._effects, self._number, self._value, self._error = effects, number, value, error

    def work(self) -> None:
        tasks = self._effects._tasks
        effect = tasks.effects.pop(self._number, None)
        if effect is None:
            return
        effect.value, effect.error = self._value, self._error
        effect.state = "done" if self._error is None else "failed"
        if effect.task is not None and effect.task.number in tasks.table:
            effect.task.happens(effect)

    def is_done(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self._effects.is_answered(self._number)
        else:  # the disk is full, say: the answer is not lost while the system runs
            self._effects._answer(self)


def _copy(call: tuple[Any, ...]) -> Any:
    """A copy to be handed over.  Raises `PietyError`."""
    try:
        return pickle.loads(_pickled(call))
    except PietyError:
        raise
    except Exception as error:
        raise PietyError(
            f"host({_name(call[0])}, ...) cannot be handed over: {error}; give it plain values and a named function"
        ) from error


def _pickled(call: tuple[Any, ...]) -> bytes:
    import io

    file = io.BytesIO()
    _Pickler(file).dump(call)
    return file.getvalue()


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> None:
        if issubclass(type(obj), Persistent):
            raise PietyError(
                f"a persistent {type(obj).__qualname__} cannot be handed to the host, where no turn protects it; "
                "give plain values"
            )


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))
