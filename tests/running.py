"""A running system whose clock the test owns: nothing runs but in `go`."""

from __future__ import annotations

import time
from typing import Any

from conftest import System as ImageUnderTest

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

    def go(self, seconds: float = 0.0) -> None:
        """Let the time pass, and run all that is ready then."""
        self.now += seconds
        loop = self.system.loop
        for _ in range(MOST):
            loop._wake.clear()
            if not loop.pass_once():
                if not loop.effects.are_running:
                    return
                assert loop._wake.wait(10), "work on the host has no end"
        raise AssertionError("there is no end to what is ready")

    def ticks(self, seconds: float, step: float) -> None:
        """Let the time pass in steps, and run what is ready after each."""
        for _ in range(round(seconds / step)):
            self.go(step)

    def resume(self, seconds: float = 0.0, *, killed: bool = False, safe: bool = False) -> None:
        """Stop and start again, so many seconds later; `killed`: without the last words of a clean stop."""
        if not killed:
            self.system._write(self.system._write_totals)
        self.system.loop.effects.close()
        self.image.close()
        self.now += seconds
        self.under.resume()
        self.system = System(self.image, safe=safe)
