"""Work on the host: files, processes, the network, anything slow.

A turn cannot take back what it does outside of the image, and while it waits nobody else gets a turn.  So it asks:
`host(fn, *args)` makes an `Effect`, which is a part of the turn.  When the turn is on disk a worker thread calls the
function, and the answer (its value, or its error) comes back as an event of a task of its own, that calls `then`.

If the system is killed before the answer is on disk, the work is done again after the resume: at least once, not
exactly once.  `effect_id()` gives the function a name for the work that is the same both times.

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
        what = {"done": f" {clip(self.value)}", "failed": f" {clip(self.error)}"}.get(self.state, "")
        return f"<effect {self.number} {name_of(self.call[0])}: {self.state}{what}>"


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
    """Has the work done that turns have asked for.

    `bring(turn)` is called for the turn that brings an answer, and `again(turn)` if that could not be written.
    """

    def __init__(self, tasks: Tasks, bring: Callable[[Turn], None], again: Callable[[Turn], None]) -> None:
        self._tasks = tasks
        self._bring, self.again = bring, again
        self._begun: set[int] = set()
        self._work: SimpleQueue[tuple[int, str, Call] | None] = SimpleQueue()
        self._workers: list[threading.Thread] = []

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
            self._work.put((number, effect.id, Call(effect.call)))
        except BaseException as error:  # what is to be handed over has changed since, or its own code fails
            self.bring(number, Answer(None, error))
            return
        if len(self._workers) < min(WORKERS, len(self._begun)):
            # no pool: that would make the end of the process wait for work that nobody waits for
            worker = threading.Thread(target=self._run, name="piety-host", daemon=True)
            self._workers.append(worker)
            worker.start()

    def _run(self) -> None:
        block_here()
        stay_apart()
        while (work := self._work.get()) is not None:
            number, _here.id, call = work
            self.bring(number, call.run())

    def bring(self, number: int, answer: Answer) -> None:
        self._bring(Bring(self, number, answer))

    def take(self, number: int) -> Effect | None:
        """The effect, to be given its answer."""
        effect: Effect | None = self._tasks.effects.pop(number, None)
        return effect

    def tell(self, effect: Effect) -> None:
        """The task that waits for it, if there is one, gets it."""
        if effect.task is not None and effect.task.number in self._tasks.table:
            effect.task.happens(effect)

    def is_answered(self, number: int) -> None:
        self._begun.discard(number)

    def close(self) -> None:
        """Wait for nobody: what is not answered is done again after the resume."""
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


class Bring(Turn):
    """The turn that brings an answer into the image."""

    def __init__(self, effects: Effects, number: int, answer: Answer) -> None:
        self.label = f"answer of effect {number}"
        self._effects, self._number, self._answer = effects, number, answer

    def work(self) -> None:
        effect = self._effects.take(self._number)
        if effect is not None:
            effect.value, effect.error = self._answer.take()
            effect.state = "done" if effect.error is None else "failed"
            self._effects.tell(effect)

    def is_done(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self._effects.is_answered(self._number)
        elif outcome.is_void:  # the answer is not lost while the system runs
            self._effects.again(self)
        else:  # its own code fails while it is taken or kept
            why = PietyError(f"what {self.label} brought cannot be kept: {say(outcome.error)}")
            self._effects.bring(self._number, Answer(None, why))
