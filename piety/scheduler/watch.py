"""Who takes too long: a turn that runs for longer than the limit is the *hog*, and is shown with its stack.

`turn_limit(seconds)` sets the limit; `turn_limit(seconds, interrupt=True)` also stops such turns.  The watch is a
thread that sleeps while nothing runs.
"""

from __future__ import annotations

import sys
import threading
import traceback
from time import perf_counter
from typing import TYPE_CHECKING, Any

from piety.errors import PietyError
from piety.objects.image import current
from piety.objects.tracebacks import is_ours
from piety.scheduler.signals import block_here
from piety.scheduler.tasks import tasks_of

if TYPE_CHECKING:
    from piety.scheduler.system import System

LOOK = 0.1  # seconds between two looks at a turn that runs


class Watch:
    """Watches the turns of a running system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._busy = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="piety-watch", daemon=True)
        self.hog: dict[str, Any] | None = None  # the last turn that was over the limit

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over = True
        self._busy.set()
        self._thread.join()

    def wake(self) -> None:
        """Turns run."""
        if not self._busy.is_set():
            self._busy.set()

    def rest(self) -> None:
        """None runs."""
        self._busy.clear()

    def _run(self) -> None:
        block_here()
        pause = threading.Event()
        while not self._is_over:
            self._busy.wait()
            pause.wait(LOOK)
            self.look()

    def look(self) -> None:
        """See whether the turn that runs is over the limit, and stop it if that was asked for."""
        system = self._system
        image, limit = system.image, system.limit
        turn = image.running
        if turn is None or limit.seconds is None or perf_counter() - (since := turn.since) <= limit.seconds:
            return
        self.hog = {"turn": turn.label, "seconds": perf_counter() - since, "stack": stack()}
        if limit.interrupt and turn is image.running and since == turn.since:
            system.interrupt()


def stack() -> str:
    """Where the turn thread is in the user's code: what our `work` has called (see `Turn`), without what is ours."""
    frames = traceback.extract_stack(sys._current_frames().get(threading.main_thread().ident or 0))
    begin = next((at for at, each in enumerate(frames) if each.name == "work" and is_ours(each.filename)), 0)
    return "".join(traceback.format_list([each for each in frames[begin:] if not is_ours(each.filename)]))


class Limit:
    """How long a turn may take: `seconds`, or None; and whether it is interrupted then."""

    def __init__(self, seconds: float | None, interrupt: bool) -> None:
        self.seconds, self.interrupt = seconds, interrupt

    def __repr__(self) -> str:
        if self.seconds is None:
            return "<no limit>"
        return f"<limit: {self.seconds:g} s, then a turn is {'interrupted' if self.interrupt else 'shown as the hog'}>"


def turn_limit(seconds: float | None, interrupt: bool = False) -> Limit:
    """Let a turn be shown as the hog (with `interrupt`: be stopped) when it takes longer; None takes the limit away."""
    if seconds is not None and not seconds > 0:
        raise PietyError(f"turn_limit({seconds!r}): give the seconds a turn may take, more than 0, or None")
    tasks_of(current()).limit = (seconds, interrupt)
    return Limit(seconds, interrupt)
