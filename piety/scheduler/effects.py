"""Work on the host: files, processes, the network, anything slow.

A turn cannot take back what it does outside of the image, and while it waits nobody else gets a turn.  So it asks:
`host(fn, *args)` makes an `Effect`, which is a part of the turn.  When the turn is on disk a worker thread calls the
function, and the answer (its value, or its error) comes back as an event of a task of its own, that calls `then`.

If the system is killed before the answer is on disk, the work is done again after the resume: at least once, not
exactly once.  `effect_id()` gives the function a name for the work that is the same both times; it is `effect.id`.

A thread cannot be stopped.  So `effect.cancel()` gives up on the work: `then` gets the effect with the error
`Cancelled`, and whatever the function still does or gives back is dropped.

The function runs beside the turns, so it sees no variables of the workspace, only what it is given; and it is given
copies.  What it prints is no part of any turn: it goes to the standard output of the process, the log of a daemon.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.image import current
from piety.objects.threads import stay_apart
from piety.objects.turns import Outcome, Turn
from piety.scheduler.apart import Answer, Call, name_of
from piety.scheduler.events import Event
from piety.scheduler.failures import clip, say
from piety.scheduler.output import place
from piety.scheduler.retries import Retry
from piety.scheduler.signals import block_here
from piety.scheduler.tasks import Handler, Task, Tasks, tasks_of

WORKERS = 100  # threads, made as needed: work on the host mostly waits, and what hangs may not hold up the others

_here = threading.local()


@never_changes
class Answered(Event):
    """Work on the host has been done."""

    queue = "happened"
    repeats = False

    def __repr__(self) -> str:
        return "an answer of the host"


class Cancelled(PietyError):
    """Nobody waits for this work any more."""


class Effect(Persistent):
    """Work that was asked of the host; `then` gets me when there is an answer.

    `state` is "asked", "done", "failed" or "cancelled"; then `value` or `error` is there.  `id` is what `effect_id()`
    tells the function: no other work has the same, here or in another image.
    """

    state = "asked"
    value: Any = None
    error: BaseException | None = None

    def __init__(self, number: int, call: tuple[Any, ...], task: Task | None) -> None:
        self.number = number
        self.id = f"{number}-{os.urandom(4).hex()}"
        self.call = call
        self.task = task

    def cancel(self) -> None:
        """Give up on this work.  Where there is an answer already, this changes nothing."""
        image = current()
        if tasks_of(image).effects.pop(self.number, None) is not None:
            image.effects.add(self.number)
            self.answer("cancelled", None, Cancelled(f"effect {self.id} was cancelled"))

    def answer(self, state: str, value: Any, error: BaseException | None) -> None:
        """This has become of the work: my task gets me, if it is there."""
        self.state, self.value, self.error = state, value, error
        if self.task is not None and self.task.number in tasks_of(current()).table:
            self.task.happens(self)

    def __repr__(self) -> str:
        what = {"done": f" {clip(self.value)}", "failed": f" {clip(self.error)}"}.get(self.state, "")
        return f"<effect {self.id} {name_of(self.call[0])}: {self.state}{what}>"


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
    Call(call)
    tasks = tasks_of(image)
    task = None
    if then is not None:
        task = Handler(Answered(), then, f"then {name_of(then)}")
        task.retry, task.out = retry, place(out, image)
        tasks.add(task)
    tasks.newest_effect += 1
    effect = Effect(tasks.newest_effect, call, task)
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
    """Has the work done that turns have asked for.

    `bring(turn)` is called for the turn that brings an answer, and `again(turn)` if that could not be written.
    """

    def __init__(self, tasks: Tasks, bring: Callable[[Turn], None], again: Callable[[Turn], None]) -> None:
        self._tasks = tasks
        self._bring, self.again = bring, again
        self._begun: set[int] = set()
        self._work: SimpleQueue[tuple[int, str, Call] | None] = SimpleQueue()
        self._workers: set[threading.Thread] = set()
        self._at: dict[int, threading.Thread] = {}  # who does which work
        self._is_closed = False

    @property
    def are_running(self) -> bool:
        return bool(self._begun)

    def begin(self, number: int) -> None:
        """Have this one done, if it is there and not begun; give up on it, if it was cancelled.  Called in a turn."""
        effect = self._tasks.effects.get(number)
        if effect is None:
            self._begun.discard(number)
            if number in self._at:  # it may hang, so another one takes its place; if it comes back, it ends
                self._workers.discard(self._at.pop(number))
                self._man()
            return
        if number in self._begun:
            return
        self._begun.add(number)
        try:
            call = Call(effect.call)
            self._man()
        except BaseException as error:  # what is to be handed over has changed since, its own code fails, or no thread
            self.bring(number, Answer(None, error))
            return
        self._work.put((number, effect.id, call))

    def _man(self) -> None:
        """See to it that there is a worker for all that is begun, or at least one: then what is begun waits for it."""
        if len(self._workers) < min(WORKERS, len(self._begun)):
            # no pool: that would make the end of the process wait for work that nobody waits for
            worker = threading.Thread(target=self._run, name="piety-host", daemon=True)
            self._workers.add(worker)
            try:
                worker.start()
            except RuntimeError:  # the host has no room for another one
                self._workers.discard(worker)
                if not self._workers:
                    raise

    def _run(self) -> None:
        block_here()
        stay_apart()
        me = threading.current_thread()
        while me in self._workers and (work := self._work.get()) is not None:
            number, _here.id, call = work
            self._at[number] = me
            if number in self._begun:  # else it was cancelled
                self.bring(number, call.run())
            self._at.pop(number, None)

    def bring(self, number: int, answer: Answer) -> None:
        if not self._is_closed:
            self._bring(Bring(self, number, answer))

    def take(self, number: int) -> Effect | None:
        """The effect, to be given its answer; None if nobody waits for it any more."""
        effect: Effect | None = None if self._is_closed else self._tasks.effects.pop(number, None)
        return effect

    def is_answered(self, number: int) -> None:
        self._begun.discard(number)

    def close(self) -> None:
        """Wait for nobody: what is not answered is done again after the resume, and what comes now is dropped."""
        self._is_closed = True
        with contextlib.suppress(Empty):
            while True:
                self._work.get_nowait()
        for _ in self._workers:
            self._work.put(None)


class Begin(Turn):
    """Has work begun, in a turn because what is to be handed over may say itself how it is pickled."""

    def __init__(self, effects: Effects, number: int) -> None:
        self.label = f"the begin of effect {number}"
        self._effects, self._number = effects, number

    def work(self) -> None:
        self._effects.begin(self._number)

    def is_done(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._effects.again(self)


class Bring(Turn):
    """The turn that brings an answer into the image."""

    def __init__(self, effects: Effects, number: int, answer: Answer) -> None:
        self.label = f"answer of effect {number}"
        self._effects, self._number, self._answer = effects, number, answer

    def work(self) -> None:
        effect = self._effects.take(self._number)
        if effect is not None:
            value, error = self._answer.take()
            effect.answer("done" if error is None else "failed", value, error)

    def is_done(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self._effects.is_answered(self._number)
        elif outcome.is_void:  # the answer is not lost while the system runs
            self._effects.again(self)
        else:  # its own code fails while it is taken or kept
            why = PietyError(f"what {self.label} brought cannot be kept: {say(outcome.error)}")
            self._effects.bring(self._number, Answer(None, why))
