"""Ctrl-C and its like in a running system.

The turn thread is the main thread, because that is where Python handles signals: so an interrupt stops a tight loop and
a call that waits.  Whoever wants to stop a turn (`piety interrupt`, Ctrl-C at a front, the watch over long turns) sends
the process SIGINT; the handler raises KeyboardInterrupt if user code runs then, and it is too late otherwise.  A SIGINT
that nobody here has sent is a Ctrl-C at the terminal of `piety run`: where no user code runs it stops the system.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import Any

from piety.objects.interrupts import Interrupts

PAUSE = 0.5  # seconds that a turn has to clean up before it can be stopped again, as some code catches everything


class Signals(Interrupts):
    """The interrupts of a running system."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self.is_allowed = False
        self._stop = stop
        self._is_sent = False
        self._not_before = 0.0  # when the turn that runs can be stopped again
        self._is_meant: Callable[[], bool] = lambda: True
        self._before: dict[int, Any] = {}

    def allow(self) -> None:
        self.is_allowed, self._not_before = True, 0.0

    def hold(self) -> None:
        self.is_allowed = False

    def install(self) -> None:
        """From now on signals come here; only in the main thread."""
        for number, handler in ((signal.SIGINT, self._interrupted), (signal.SIGTERM, self._terminated)):
            self._before[number] = signal.signal(number, handler)

    def remove(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def interrupt(self, is_meant: Callable[[], bool]) -> bool:
        """Stop the user code that runs now, from any thread, if that is what is meant; whether any runs."""
        if not self.is_allowed or not self._before:
            return False
        self._is_meant, self._is_sent = is_meant, True
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return True

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        sent, self._is_sent = self._is_sent, False
        if not self.is_allowed:
            if not sent:
                self._stop()
        elif (not sent or self._is_meant()) and (now := perf_counter()) >= self._not_before:
            self._not_before = now + PAUSE
            raise KeyboardInterrupt

    def _terminated(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()


def block_here() -> None:
    """Let no signal come to this thread: the main thread is to hear it, also in a call that waits."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGWINCH})
