"""A running system: an open image, and the thread on which its turns run.

The thread that calls `run` is the turn thread; only there does user code get control.  Everybody else (fronts on the
asyncio loop, workers) asks for turns with `evaluate`, `call` and `interrupt`, from any thread.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from piety.objects.image import Image
from piety.objects.turns import Outcome
from piety.scheduler.turns import Call, Evaluate


class System:
    """The running system of one open image."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.started = time.time()
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running: Any = None
        self._since = 0.0

    # -- from any thread

    def evaluate(
        self, source: str, user: str | None = None, show: bool = False, ask: Callable[[str], str] | None = None
    ) -> Future[Outcome]:
        """Ask for a turn that evaluates `source`; its outcome comes when it is on disk."""
        return self._submit(Evaluate(source, user, show, ask))

    def call(self, work: Callable[[Image], Any]) -> Future[Any]:
        """Ask for `work(image)` to be called between two turns."""
        return self._submit(Call(work))

    def interrupt(self) -> str | None:
        """Stop the turn that is running now; what it was, or None if none runs."""
        running = self._running
        if running is None:
            return None
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return str(getattr(running, "source", "a turn"))

    def stop(self, grace: float = 5.0) -> None:
        """Ask the system to stop: the running turn may finish within `grace` seconds, and is interrupted then."""
        self._waiting.put(None)

    def status(self) -> dict[str, Any]:
        """What the system is doing now."""
        running = self._running
        return {
            "started": self.started,
            "running": None if running is None else str(getattr(running, "source", "a turn")),
            "running_seconds": None if running is None else time.monotonic() - self._since,
        }

    def _submit(self, turn: Any) -> Future[Any]:
        self._waiting.put(turn)
        future: Future[Any] = turn.future
        return future

    # -- on the turn thread

    def run(self) -> None:
        """Run turns until `stop`."""
        while (turn := self._waiting.get()) is not None:
            self._running, self._since = turn, time.monotonic()
            try:
                turn.run(self.image)
            finally:
                self._running = None
