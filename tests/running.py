"""A running system whose clock the test owns: nothing runs but in `go`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import System as ImageUnderTest
from ZODB.FileStorage import FileStorage

from piety.objects.turns import Outcome
from piety.scheduler.system import System

MOST = 20_000  # passes: then something goes on for ever


class Running:
    """A system under test: sources are evaluated as turns of their own, and tasks get theirs in `go`."""

    def __init__(self, under: ImageUnderTest) -> None:
        self.under = under
        self.now = time.time()
        self.system = System(under.image)

    @property
    def image(self) -> Any:
        return self.under.image

    def run(self, *sources: str) -> Any:
        """Evaluate sources that must not fail, each as a turn; the value of the last."""
        return self.under.run(*sources)

    def show(self, source: str) -> str:
        return self.under.show(source)

    def fail(self, source: str) -> BaseException:
        return self.under.fail(source)

    def ask(self, *sources: str) -> list[Future[Outcome]]:
        """Ask for turns, as a front does: they run in `go`, in the same pass as the tasks that are ready."""
        return [self.system.evaluate(source) for source in sources]

    def go(self, seconds: float = 0.0) -> None:
        """Let the time pass, and run all that is ready then."""
        self.now += seconds
        loop = self.system.loop
        for _ in range(MOST):
            loop._wake.clear()
            if not loop.pass_once():
                if loop._own or not loop.effects.are_running:  # what could not be written waits for its time
                    return
                assert loop._wake.wait(10), "work on the host has no end"
        raise AssertionError("there is no end to what is ready")

    def until(self, condition: str) -> None:
        """Run what is ready until this is true; work on the host may make it so, while other work goes on."""
        loop = self.system.loop
        while not self.run(condition):
            loop._wake.clear()
            if not loop.pass_once():
                assert loop._wake.wait(10), f"it never came true: {condition}"

    def ticks(self, seconds: float, step: float) -> None:
        """Let the time pass in steps, and run what is ready after each."""
        for _ in range(round(seconds / step)):
            self.go(step)

    def resume(self, seconds: float = 0.0, *, killed: bool = False, safe: bool = False) -> None:
        """Stop and start again, so many seconds later; `killed`: without the last words of a clean stop."""
        self.rest(killed=killed)
        self.now += seconds
        self.come_up(safe=safe)

    def rest(self, *, killed: bool = False) -> None:
        """Stop, and open the image without a system."""
        if not killed:
            self.system._write(self.system._write_totals)
        self.system.loop.effects.close()
        self.under.resume()

    def come_up(self, *, safe: bool = False) -> None:
        """Start a system over the image that rests."""
        self.system = System(self.image, safe=safe)

    def failed(self) -> list[str]:
        """The tasks with a failure that nobody has dealt with."""
        names: list[str] = self.run("[each.task.name for each in failures()]")
        return names

    def transactions(self) -> int:
        return len(self.image.storage.undoLog(0, 100_000))

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Nothing can be written in the block."""

        def full(*_args: Any) -> None:
            raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys.modules[FileStorage.__module__], "fsync", full)
            yield

    @contextmanager
    def loads(self) -> Iterator[Counter[str]]:
        """Counts the objects that are loaded in the block, by class."""
        connection, found = self.image._connection, Counter[str]()
        on_load = connection.on_load

        def loaded(obj: Any, state: Any, record: bytes) -> None:
            found[type(obj).__name__] += 1
            on_load(obj, state, record)

        connection.on_load = loaded
        try:
            yield found
        finally:
            connection.on_load = on_load
