"""Sessions of `ed` on one text: whatever one does, the others are where they were."""

from __future__ import annotations

import contextlib
import io
import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from piety.objects.texts import Text

COMMANDS = ["{a},{b}d", "{a}i\n{x}\n{y}\n.", "{a}a\n{x}\n.", "{a}c\n{x}\n.", "{a},{b}s/$/!/", "{a},{b}m0", "{a},{b}j", "u", "{a}kx", "{a}ky", "{a}"]  # fmt: skip
steps = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(COMMANDS), st.integers(1, 9), st.integers(0, 4)), max_size=15)


class Session:
    """One of them, by what it knows: the content of its current line and of its marks; each line is another one."""

    def __init__(self, ed: Any, text: Text) -> None:
        self.editor = ed.Editor(text, is_silent=True)
        self.text = text

    def enters(self, command: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            for line in command.split("\n"):
                self.editor.enter(line)

    def knows(self) -> dict[str, str]:
        """What lines it would mean now; all of them are there."""
        place = self.editor.place
        place.catch_up()
        place.settle()
        named = {".": place.current, **place.marks}
        assert all((0 if key == "." else 1) <= line <= len(self.text.lines) for key, line in named.items())
        return {key: self.text.lines[line - 1] for key, line in named.items() if line}


@given(size=st.integers(1, 8), steps=steps)
def test_each_stays_with_its_lines(ed: Any, size: int, steps: list[tuple[int, str, int, int]]) -> None:
    """As long as they are there.  What moves or joins lines, or brings old ones back, takes them away and puts in others."""
    new = map("line {}".format, itertools.count())
    text = Text("".join(f"{next(new)}\n" for _ in range(size)))
    sessions = Session(ed, text), Session(ed, text)
    for who, command, first, more in steps:
        other = sessions[1 - who]
        before = other.knows()
        sessions[who].knows()
        a, b = min(first, len(text.lines)), min(first + more, len(text.lines))
        sessions[who].enters(command.format(a=a, b=b, x=next(new), y=next(new)))
        after = other.knows()
        if command != "u" and command[-1] not in "0j":
            for key, line in before.items():
                assert line not in text.lines or after[key] == line


def test_an_undo_that_cannot_be_done_loses_nothing(ed: Any) -> None:
    """It says why, the session goes on, and the undo can be tried again when the other one has taken his back."""
    text = Text("one\ntwo\nthree\n")
    session = Session(ed, text)
    session.enters("2s/two/2/")
    text.edit([(4, 5, "TWO")], by="eve")
    session.enters("u")
    assert "cannot be undone" in session.editor.reason
    assert text.lines[1] == "TWO"
    text.undo(by="eve")
    session.enters("u")
    assert text.lines[1] == "two"
    assert session.knows() == {".": "two"}
