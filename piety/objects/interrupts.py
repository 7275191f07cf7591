"""Ctrl-C, and whom it may stop.

A Ctrl-C stops what user code does in a turn, and nothing else of it: a commit that is cut off half-way, or memory that
is brought back to half, would break what turns promise.  So from the begin of a turn to its end it waits, but for the
moments in which it is allowed.

In a program that opens an image the signal is masked, and Python's own handler raises it when the turn is over, if it
came too late to stop anything.  In a thread that is not the main one Python raises no Ctrl-C at all.
A running system has its own (see `scheduler/signals.py`).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` is made of, without enumerations that take time
import threading


class Interrupts:
    """`begin`; any number of `allow` and `hold` in turn; `end`.  This one is for where no Ctrl-C comes."""

    def begin(self) -> None:
        """A turn begins: Ctrl-C waits."""

    def allow(self) -> None:
        """User code runs: Ctrl-C raises KeyboardInterrupt in it."""

    def hold(self) -> None:
        """It waits again."""

    def end(self) -> None:
        """The turn is over.  May raise KeyboardInterrupt, if one came too late."""


class Masked(Interrupts):
    """Masks the signal in the main thread."""

    def begin(self) -> None:
        self._before = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})

    def allow(self) -> None:
        try:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._before)
        except BaseException:
            self.hold()
            raise

    def hold(self) -> None:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})

    def end(self) -> None:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._before)


def of_this_thread() -> Interrupts:
    """The interrupts of a program that begins its turns in this thread."""
    is_main = threading.current_thread() is threading.main_thread()
    return Masked() if is_main and hasattr(_signal, "pthread_sigmask") else Interrupts()
