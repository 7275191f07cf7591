"""Searching in a text: regular expressions, line by line, in stretches of many lines at once.

A match lies within one line.  To ask for each of a million lines whether it matches takes long, so the pattern is
searched in stretches; only where it is found there, the line is searched by itself, which alone decides.  A pattern
that looks at what is around a match could be misled by the other lines; with one of those each line is asked.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import regex  # type: ignore[import-untyped]

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import Place

if TYPE_CHECKING:
    from piety.objects.reading import Reading, Where

STRETCH = 1 << 18  # characters
PATIENCE = 5.0  # seconds for one stretch: a pattern that needs more would need for ever on some line

# What can tell the end of a line from that of the text, or from the line that follows.
_LOOKS_AROUND = regex.compile(r"\\[AzZGKXR]|\(\?(?!:)|\(\*")


class Found:
    """A match: `start` and `end` are its places, as line and column; `first` and `last` as numbers of characters."""

    def __init__(self, line: int, at: Place, match: Any) -> None:
        self.match = match
        self.start: Where = line, match.start()
        self.end: Where = line, match.end()
        self.first, self.last = at + match.start(), at + match.end()

    @property
    def text(self) -> str:
        """What matches."""
        return str(self.match[0])

    def group(self, *names: int | str) -> Any:
        """What a group of the pattern matches."""
        return self.match.group(*names)

    def __repr__(self) -> str:
        line, column = self.start
        return f"<found at {line}, {column}: {self.text!r}>"


@functools.lru_cache(maxsize=100)
def compiled(pattern: str) -> Any:
    """A pattern, compiled.  Raises `PietyError` with the place where it is wrong."""
    try:
        return regex.compile(pattern, regex.MULTILINE)
    except regex.error as error:
        at = f" at column {error.pos}" if error.pos is not None else ""
        raise PietyError(f"{pattern!r} is no regular expression: {error.msg}{at}") from None


def search(text: Reading, pattern: Any, start: Where, end: Where | None) -> Iterator[Found]:
    """The matches that begin from `start` on and before `end`, in order."""
    compiled_pattern = compiled(pattern) if isinstance(pattern, str) else pattern
    for number, at, line in matching_lines(text, compiled_pattern, start[0], None if end is None else end[0] + 1):
        for match in _matches(compiled_pattern, line, start[1] if number == start[0] else 0):
            if end is not None and (number, match.start()) >= end:
                return
            yield Found(number, at, match)


def matching_lines(text: Reading, pattern: Any, first: int, last: int | None) -> Iterator[tuple[int, Place, str]]:
    """The lines from `first` up to `last` in which a compiled pattern matches: number, first character, content."""
    last = len(text.lines) if last is None else min(last, len(text.lines))
    if first >= last:
        return
    if _LOOKS_AROUND.search(pattern.pattern) or not pattern.flags & regex.MULTILINE:
        found = _each_line(text, pattern, first)
    else:
        found = _in_stretches(text, pattern, first)
    try:
        yield from itertools.takewhile(lambda each: each[0] < last, found)
    except TimeoutError:
        raise _too_slow(pattern) from None


def _matches(pattern: Any, line: str, start: int) -> Iterator[Any]:
    try:
        yield from pattern.finditer(line, start, timeout=PATIENCE)
    except TimeoutError:
        raise _too_slow(pattern) from None


def _too_slow(pattern: Any) -> PietyError:
    return PietyError(f"{pattern.pattern!r} takes more than {PATIENCE:g} s on one stretch of text; make it simpler")


def expanded(found: Found, new: Any) -> str:
    """What is to be put in place of a match."""
    if callable(new):
        return str(new(found))
    try:
        return str(found.match.expand(new)) if "\\" in new else new
    except (regex.error, IndexError) as error:
        raise PietyError(f"{new!r} is no template for this pattern: {error}") from None


def _in_stretches(text: Reading, pattern: Any, number: int) -> Iterator[tuple[int, Place, str]]:
    for at, stretch in _lines_together(text, rope.start_of_line(text.rope, number)):
        place = 0
        while place < len(stretch) and (hit := pattern.search(stretch, place, timeout=PATIENCE)) is not None:
            begin = stretch.rfind("\n", 0, hit.start()) + 1
            if begin == len(stretch):  # behind the last line end, where no line is
                break
            finish = stretch.find("\n", hit.start())
            finish = len(stretch) if finish < 0 else finish
            number += stretch.count("\n", place, begin)
            line = stretch[begin:finish]
            if hit.end() <= finish or pattern.search(line, timeout=PATIENCE) is not None:
                yield number, at + begin, line
            number += 1
            place = finish + 1
        number += stretch.count("\n", place)


def _each_line(text: Reading, pattern: Any, first: int) -> Iterator[tuple[int, Place, str]]:
    at = rope.start_of_line(text.rope, first)
    for number, line in enumerate(text.lines.between(first, len(text.lines)), first):
        if pattern.search(line, timeout=PATIENCE) is not None:
            yield number, at, line
        at += len(line) + 1


def _lines_together(text: Reading, start: Place) -> Iterator[tuple[Place, str]]:
    """Stretches of whole lines, each with the number of its first character."""
    at = start
    waiting: list[str] = []
    size = 0
    for chunk in rope.chunks(text.rope, at):
        cut = chunk.rfind("\n") + 1 if size + len(chunk) >= STRETCH else 0
        if cut:
            stretch = "".join([*waiting, chunk[:cut]])
            yield at, stretch
            at += len(stretch)
            waiting, size = [chunk[cut:]], len(chunk) - cut
        else:
            waiting.append(chunk)
            size += len(chunk)
    if size:
        yield at, "".join(waiting)
