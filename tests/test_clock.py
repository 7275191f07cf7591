"""The clocks of userland."""

from __future__ import annotations

import pytest
from conftest import System
from running import Running

from piety.scheduler import clock


@pytest.fixture
def running(system: System, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A running system with `clock` imported."""
    running = Running(system)
    monkeypatch.setattr(clock, "now", lambda: running.now)
    running.run("import clock")
    return running


def ticks(running: Running, name: str) -> int:
    return str(running.run(f"str({name}.transcript)")).count("\n")


def test_two_clocks_write_into_transcripts_of_their_own(running: Running) -> None:
    """Each at its own pace."""
    running.run("a = clock.Clock('a', 1)", "b = clock.Clock('b', 2)")
    running.ticks(4, 1)
    assert (ticks(running, "a"), ticks(running, "b")) == (4, 2)
    assert set(running.run("str(a.transcript)").split()[::2]) == {"a"}


def test_a_clock_is_changed_stopped_and_started_while_it_runs(running: Running) -> None:
    """And keeps what it has written."""
    running.run("a = clock.Clock('a', 2)", "a.seconds = 1")
    running.ticks(3, 1)
    assert ticks(running, "a") == 3
    running.run("a.stop()")
    running.ticks(3, 1)
    assert ticks(running, "a") == 3
    running.run("a.start()", "a.task.enabled = clock.alternate()")
    running.ticks(4, 1)
    assert ticks(running, "a") == 5
    assert running.show("a").startswith("<clock 'a', waiting>\na ")


def test_a_clock_goes_on_after_a_pulled_plug(running: Running) -> None:
    """With what it had written."""
    running.run("a = clock.Clock('a', 1)")
    running.ticks(2, 1)
    running.resume(10, killed=True)
    running.ticks(2, 1)
    assert ticks(running, "a") == 4
    running.run("a.end()")
    assert running.show("tasks()") == "no tasks"
