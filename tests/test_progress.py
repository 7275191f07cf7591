"""How far something is: shown on a terminal, quiet elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from piety import progress
from piety.progress import Progress


class Screen(io.StringIO):
    """A terminal that remembers what was written."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test moves."""
    time = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: time[0])
    return time


def test_what_takes_long_is_shown_up_to_its_end(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    with Progress() as tell:
        for done in range(1000):
            tell("checking", done, 1000)
            now[0] += 0.01
        tell("writing", 1, 10)
    assert "checking" in screen.getvalue()
    assert " 50%" in screen.getvalue()
    assert screen.getvalue().rstrip("\n").split("\r")[-1].count("100%") == 1
    assert "writing" not in screen.getvalue()  # that was soon over
    assert screen.getvalue().count("\n") == 1


def test_one_that_is_stopped_is_not_shown_as_done(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())


    def stopped() -> None:
        with Progress() as tell:
            for done in range(50):
                tell("packing", done, 100)
                now[0] += 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert "49%" in screen.getvalue()
    assert "100%" not in screen.getvalue()


def test_nothing_is_shown_where_nobody_looks(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())
    with Progress() as tell:
        for done in range(50):
            tell("packing", done, 100)
            now[0] += 1
    assert quiet.getvalue() == ""


def test_what_is_longer_than_was_thought(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """An export counts the objects that it finds, and knows only how many there may be."""
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    with Progress() as tell:
        for done in range(30):
            tell("writing", done, 10)
            now[0] += 1
    assert "100%" in screen.getvalue()
