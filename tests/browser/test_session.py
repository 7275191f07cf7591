"""The session at the desktop that README tells, typed into a real pseudo-terminal."""

from __future__ import annotations

from pathlib import Path

from desktops import DeskOnTerminal, keys, steps
from served import Served

ROOT = Path(__file__).resolve().parent.parent.parent


def typed_along(text: str) -> DeskOnTerminal:
    """Type the sessions of a text; the terminal at the end."""
    desk = None
    try:
        for typed, seen in steps(text):
            if typed == "piety desk":
                desk = DeskOnTerminal("desk")
            else:
                assert desk is not None
                for key in keys(typed):
                    if key == "\x1c":
                        desk.leaves()
                    else:
                        desk.types(key)
            try:
                assert desk is not None
                if seen:
                    desk.sees(*seen)
            except AssertionError as error:
                raise AssertionError(f"{typed!r} {seen}\n{error}") from None
    except BaseException:
        if desk is not None:
            desk.stop()
        raise
    assert desk is not None
    return desk


def test_the_session_can_be_typed_along(served: Served) -> None:
    desk = typed_along((ROOT / "README.md").read_text(encoding="utf-8"))
    try:
        assert served.evaluate("felix.lives") == "9.0\n"
        assert "felix.fall" in served.piety("log", "-n", "50").stdout
        desk.leaves()
    finally:
        desk.stop()
