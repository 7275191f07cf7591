"""What waits to be done on the turn thread: each a turn of its own, with a future for who asked.

    Evaluate   a source that a person entered
    Call       work of ours that needs the image between two turns: showing code, checking, exporting
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from piety.objects.image import Image
from piety.objects.turns import Outcome


class Evaluate:
    """A source to be evaluated in the workspace.

    With `show` its value becomes `_`, and the outcome's `shown` is its repr.  `ask(question)` is called when the
    source reads a line of input, and gives the line.
    """

    def __init__(
        self, source: str, user: str | None = None, show: bool = False, ask: Callable[[str], str] | None = None
    ) -> None:
        self.source, self.user, self.show, self.ask = source, user, show, ask
        self.future: Future[Outcome] = Future()

    def run(self, image: Image) -> None:
        outcome = image.evaluate(self.source, user=self.user, show=self.show)
        if self.show and outcome.error is None and outcome.value is not None:
            outcome.shown = image.show(outcome.value)
        self.future.set_result(outcome)


class Call:
    """A function of ours to be called with the image, while no turn runs; it may make turns itself."""

    def __init__(self, work: Callable[[Image], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()

    def run(self, image: Image) -> None:
        try:
            self.future.set_result(self.work(image))
        except BaseException as error:
            self.future.set_exception(error)
