"""A running system: an open image, and the thread on which its turns run.

The thread that calls `run` is the turn thread; only there does user code get control (see `loop.py`).  Everybody else
(fronts on the asyncio loop, workers, the watch) asks for turns, from any thread.

Coming up: hooks, in order, then tasks.  Going down: no new turns, the running one may finish within the grace time and
is interrupted after that; hooks; what was counted is written.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from persistent.timestamp import TimeStamp

from piety.errors import CommitFailed
from piety.objects.image import Image
from piety.objects.turns import SYSTEM, Outcome, Turn
from piety.scheduler import clock, hooks
from piety.scheduler.failures import say
from piety.scheduler.loop import Loop
from piety.scheduler.requests import Aside, Ask, Asked, Call, Evaluation, Line, Look, Tell, Typing, Work
from piety.scheduler.signals import Signals
from piety.scheduler.tasks import Tasks, is_broken, tasks_of
from piety.scheduler.timers import Timers
from piety.scheduler.watch import LOOK, Limit, Watch, stack

GRACE = 5.0  # seconds that the running turn gets to end by itself, when the system stops,
STUBBORN = 5.0  # and then to end when it is interrupted again and again


class System:
    """The running system of one open image.

    With `safe` no hook is called, all tasks are suspended first, and what was asked of the host earlier rests.
    """

    def __init__(self, image: Image, safe: bool = False) -> None:
        self.image = image
        self.started = clock.now()
        self.notices: list[str] = []  # what a person should know who has started it
        self.is_stopping = False
        self._is_down = threading.Event()
        self._is_safe = safe
        alive = TimeStamp(image.storage.lastTransaction()).timeTime()
        with image.turn("start", SYSTEM):
            self.tasks: Tasks = tasks_of(image)
            alive = max(alive, self.tasks.stopped or 0.0)
            if safe:
                self.notices.append("safe: all tasks are suspended, until t.resume(), and no hook is called")
                _suspend_all(self.tasks)
                image.effects.clear()
            else:
                image.effects.update(self.tasks.effects)
            self.loop = Loop(image, self.tasks, Timers(self.tasks, alive, self.started))
        self._signals = Signals(self.stop)
        self._watch = Watch(self)
        self.loop.on_work, self.loop.on_rest = self._watch.wake, self._watch.rest
        self.hook_limit: Limit | None = None  # while hooks are called
        self.on_return: Callable[[], None] = lambda: None  # called when the image was given an earlier state
        image.system = self

    # -- from any thread

    def evaluate(
        self,
        source: str,
        user: str | None = None,
        show: bool = False,
        value: bool = False,
        session: str = "",
        ask: Ask | None = None,
        err: Tell | None = None,
    ) -> Future[Outcome]:
        """Ask for a turn that evaluates `source`; its outcome comes when it is on disk.

        With `value` the outcome has the repr of the value in `shown`; with `show` that too, and it becomes `_`.
        `session` names the terminal at which that was typed, if it was.  `ask(text)` is called, in the turn thread,
        when the source reads a line of input: it shows what was printed so far, and gives the line ("" for the end).
        `err(text)` is called, there too, for what is written to the standard error: that is seen at once.
        """
        return self._ask(Evaluation(self.loop, source, user, show, show or value, session, ask, err))

    def work(
        self, work: Callable[[], Any], label: str, err: Tell | None = None, session: str = ""
    ) -> Future[Outcome]:
        """Ask for a turn that does work of ours; `label` is what a person would call it, `session` the terminal."""
        return self._ask(Work(self.loop, work, label, err, session))

    def type(
        self, work: Callable[[], Any], session: str, seen: Callable[[Any], object] = lambda value: None
    ) -> Future[Outcome]:
        """Ask for what a person types at a front to be done; what follows within a second is written together with it.

        `seen` is called with what `work` gives as soon as that is done, in the turn thread, for the front to show.
        """
        return self._ask(Typing(self.loop, session, work, seen))

    def enter(self, line: str | None, session: str, ask: Ask | None = None, err: Tell | None = None) -> Future[Outcome]:
        """Give a line to the job in the foreground of a session; None is the end of input, and ends the job."""
        return self._ask(Line(self.loop, line, session, ask, err))

    def put_aside(self, session: str) -> Future[Outcome]:
        """Ctrl-Z: put the job in the foreground of a session aside."""
        return self._ask(Aside(self.loop, session))

    def look_at(self, session: str) -> Future[Outcome]:
        """Do nothing; the outcome has the prompt of the session, as those of the other three have."""
        return self._ask(Look(self.loop, session))

    def _ask(self, turn: Asked) -> Future[Outcome]:
        self.loop.ask(turn)
        return turn.future

    def call(self, work: Callable[[Image], Any], label: str = "a look") -> Future[Any]:
        """Ask for `work(image)` to be called between two passes of turns; `label` is what a person would call it."""
        call = Call(work, label)
        self.loop.call(call)
        return call.future

    def interrupt(self) -> str | None:
        """Stop the turn that runs now; its label, or None if none runs."""
        turn, label = self.image.running, self.running
        return label if turn is not None and self._interrupt(turn) else None

    @property
    def running(self) -> str | None:
        """What has control: the label of a turn, or of what was called, if it runs the user's code."""
        turn, called = self.image.running, self.loop.called
        return None if turn is None else turn.label if called is None else called.label

    def _interrupt(self, turn: Turn) -> bool:
        return self._signals.interrupt(lambda: self.image.running is turn)

    def withdraw(self, future: Future[Any]) -> bool:
        """Whoever asked for this wants it no more: stop it if it runs, and do not begin it else.

        False if it was too late for the one and too early for the other, or the other way round.
        """
        turn, called = self.image.running, self.loop.called
        if turn is not None and future in (getattr(turn, "future", None), called and called.future):
            return self._interrupt(turn)
        return self.loop.withdraw(future)

    def stop(self, grace: float = GRACE) -> None:
        """Let the system stop; the turn that runs is interrupted if it goes on for longer than `grace` seconds."""
        if not self.is_stopping:
            self.is_stopping = True
            self.loop.stop()
            patience = threading.Thread(target=self._insist, args=(grace,), name="piety-stop", daemon=True)
            patience.start()

    def _insist(self, grace: float) -> None:
        """See to it that what runs ends, in a thread of its own."""
        asked = time.perf_counter()
        while not self._is_down.wait(LOOK):
            if (turn := self.image.running) is None:
                continue
            seconds = time.perf_counter() - max(asked, turn.since)
            seconds -= hooks.LIMIT if isinstance(turn, _HookTurn) else grace
            if seconds > STUBBORN:
                said = f"{turn.label} does not let itself be stopped; the system ends in the middle of it"
                print(said, file=sys.stderr, flush=True)
                os._exit(1)  # as if killed: what was reported is on disk
            if seconds > 0:
                self._interrupt(turn)

    @property
    def limit(self) -> Limit:
        """How long a turn may take."""
        return self.hook_limit or Limit(*self.loop.limit)

    def status(self) -> dict[str, Any]:
        """What the system is doing now: since when it runs, the turn that runs, the last hog, how many tasks failed."""
        turn = self.image.running
        return {
            "started": self.started,
            "running": self.running,
            "running_seconds": None if turn is None else time.perf_counter() - turn.since,
            "running_stack": None if turn is None else stack(),
            "failed": len(self.loop.failed_tasks),
            "hog": self._watch.hog,
            "notices": [*self.notices, *filter(None, [self.loop.standing.trouble])],
        }

    # -- on the turn thread

    def run(self, until_idle: bool = False) -> None:
        """Come up, run turns until `stop` (or until nothing is ready or due), and go down."""
        if threading.current_thread() is threading.main_thread():
            self._signals.install()
        self.image.interrupts = self._signals
        self._watch.start()
        try:
            if not self._is_safe:
                self._call_hooks("resume")
            self.loop.run(until_idle)
            if not self._is_safe:
                self._call_hooks("stop")
            self._write(self._write_totals)
        finally:
            self._is_down.set()
            self.loop.effects.close()
            self._watch.stop()
            self._signals.remove()
            self.image.system = None

    def follow(self, then: float) -> None:
        """The image was given an earlier state, that of `then`: go on from there, as after a stop.

        Work on the host that was asked for by then, and not answered, is done again.
        """
        image = self.image
        with image.turn("start", SYSTEM):
            self.tasks = tasks_of(image)
        self.loop.follow(self.tasks, Timers(self.tasks, then, clock.now()))
        image.touched.clear()
        image.effects.clear()
        image.effects.update(self.tasks.effects)
        self.on_return()

    def _call_hooks(self, when: hooks.When) -> None:
        self.hook_limit = Limit(hooks.LIMIT, interrupt=True)
        with self.image.look():
            turns = [_HookTurn(hook) for hook in hooks.due(self.tasks, when)]
        for turn in turns:
            if when == "resume" and self.is_stopping:
                break
            self._watch.wake()
            (_turn, outcome), *_ = self.image.run([turn])
            if outcome.error is not None:
                why = say(outcome.error)
                self.notices.append(f"{turn.label} failed and is in quarantine ({why}); see hooks()")
                self._write(turn.quarantine, why)
        self.hook_limit = None
        self._watch.rest()

    def _write(self, work: Callable[..., None], *args: Any) -> None:
        """Do work of ours in a turn; if that cannot be written, the system goes on."""
        try:
            with self.image.turn("stop", SYSTEM):
                work(*args)
        except CommitFailed as error:
            self.notices.append(str(error))

    def _write_totals(self) -> None:
        for number, turn in self.loop.turns.items():
            if number in self.tasks.table and (counts := turn.counts.now()) != self.tasks.totals.get(number):
                self.tasks.totals[number] = counts
        self.tasks.stopped = clock.now()


class _HookTurn(Turn):
    def __init__(self, hook: hooks.Hook) -> None:
        self.label = f"on_{hook.when} {hook.name}"
        self._hook = hook

    def work(self) -> None:
        self._hook.function()

    def quarantine(self, why: str) -> None:
        self._hook.quarantine = why


def _suspend_all(tasks: Tasks) -> None:
    for task in list(tasks.table.values()):
        if not is_broken(task):
            task.suspend()
