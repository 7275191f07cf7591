"""What can be asked of any text, of now or of another time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import Place
from piety.objects.rope import Rope

if TYPE_CHECKING:
    from piety.objects.lines import Lines
    from piety.objects.searching import Found

Where = tuple[int, int]  # line and column


class Reading:
    """A text that can be read; `rope` has its characters."""

    @property
    def rope(self) -> Rope:
        """The characters, as a rope."""
        raise NotImplementedError

    def __str__(self) -> str:
        return rope.string(self.rope)

    def __len__(self) -> int:
        return rope.length(self.rope)

    def __bool__(self) -> bool:
        return True

    @property
    def lines(self) -> Lines:
        """The lines, without their ends: a sequence; that of a text can be assigned to."""
        from piety.objects.lines import Lines

        return Lines(self)

    @property
    def ends_with_newline(self) -> bool:
        """Whether the last line has an end; an empty text has no lines."""
        size = len(self)
        return size > 0 and rope.string(self.rope, size - 1) == "\n"

    def part(self, start: Place, end: Place | None = None) -> str:
        """The characters from the number `start` to the number `end`."""
        return rope.string(self.rope, start, end)

    def offset(self, line: int, column: int = 0) -> Place:
        """The number of a character.  Raises `PietyError` if it is not there."""
        start = rope.start_of_line(self.rope, line)
        if 0 <= line <= rope.breaks(self.rope):
            end = self.end_of_line(line)
            if 0 <= column <= end - start:
                return start + column
            raise PietyError(f"line {line} has {end - start} characters, and so no column {column}")
        raise PietyError(f"there is no line {line}; the text has {len(self.lines)}, counted from 0")

    def end_of_line(self, line: int) -> Place:
        """The number of the character behind a line: its end, or the end of the text."""
        following = rope.start_of_line(self.rope, line + 1)
        return following - 1 if line < rope.breaks(self.rope) else following

    def where(self, place: Place) -> Where:
        """The line and column of a character."""
        line = rope.line_of(self.rope, place)
        return line, place - rope.start_of_line(self.rope, line)

    def find(self, pattern: Any, start: Where = (0, 0)) -> Found | None:
        """The first match of a pattern at or after a place; a match lies within one line.

        A pattern is a regular expression, in the syntax of the library `regex`.
        """
        return next(self.find_all(pattern, start), None)

    def find_all(self, pattern: Any, start: Where = (0, 0), end: Where | None = None) -> Iterator[Found]:
        """All matches that begin between two places, in order."""
        from piety.objects.searching import search

        for place in (start, end or start):
            self.offset(*place)  # that is there
        return search(self, pattern, start, end)
