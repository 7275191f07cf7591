"""What others ask the turn thread for, each with a future for the answer.

Evaluation   a source that a person entered, as a turn of its own
Call         work of ours that needs the image between two passes: showing code, checking, exporting
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from piety.objects.image import Evaluate, Image
from piety.objects.turns import Outcome

if TYPE_CHECKING:
    from piety.scheduler.loop import Loop

Ask = Callable[[str], str]


class Evaluation(Evaluate):
    """A source to be evaluated; `ask(text)` is called when it reads a line of input, and gives the line."""

    def __init__(self, loop: Loop, source: str, user: str | None, show: bool, ask: Ask | None) -> None:
        super().__init__(loop.image, source, user, show)
        self.future: Future[Outcome] = Future()
        self._loop = loop
        self._ask = ask

    def work(self) -> Any:
        loop = self._loop
        loop.begins(self)
        there, sys.stdin = sys.stdin, _Input(self._ask)
        try:
            return super().work()
        finally:
            sys.stdin = there
            loop.running = None

    def is_done(self, outcome: Outcome) -> None:
        if self.show and outcome.error is None and outcome.value is not None:
            self._loop.begins(self)  # its repr is user code too
            outcome.shown = self._loop.image.show(outcome.value)
            self._loop.running = None
        self.future.set_result(outcome)


class Call:
    """A function of ours to be called with the image while no turn runs; it may make turns itself."""

    def __init__(self, work: Callable[[Image], Any]) -> None:
        self._work = work
        self.future: Future[Any] = Future()

    def run(self, image: Image) -> None:
        try:
            self.future.set_result(self._work(image))
        except BaseException as error:
            self.future.set_exception(error)


class _Input:
    """The standard input of a turn: whoever asked for it is asked for a line, after what was printed so far."""

    encoding = "utf-8"

    def __init__(self, ask: Ask | None) -> None:
        self._ask = ask

    def readline(self, _size: int = -1) -> str:
        output: Any = sys.stdout
        text = output.getvalue()
        output.seek(0)
        output.truncate()
        return "" if self._ask is None else self._ask(text)

    def read(self, size: int = -1) -> str:
        return "".join(iter(self.readline, "")) if size < 0 else self.readline()

    def __iter__(self) -> Any:
        return iter(self.readline, "")

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        """Not now: `exit()` closes the standard input, and the system goes on."""
