"""Searching in a text: regular expressions, line by line, in stretches of many lines at once.

A match lies within one line.  To ask for each of a million lines whether it matches takes long, so the pattern is
searched in stretches; only where it is found there, the line is searched by itself, which alone decides.  A pattern
that looks at what is around a match could be misled by the other lines; with one of those each line is asked.
"""

from __future__ import annotations

import functools
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

    def __init__(self, text: Reading, at: Place, match: Any) -> None:
        self._text = text
        self.match = match
        self.first, self.last = at + match.start(), at + match.end()

    @property
    def start(self) -> Where:
        return self._text.where(self.first)

    @property
    def end(self) -> Where:
        return self._text.where(self.last)

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


def search(text: Reading, pattern: Any, start: Place, end: Place | None = None) -> Iterator[Found]:
    """The matches that begin from `start` on and before `end`, in order."""
    compile_pattern = compiled(pattern) if isinstance(pattern, str) else pattern
    source = compile_pattern.pattern
    try:
        if _LOOKS_AROUND.search(source) or not compile_pattern.flags & regex.MULTILINE:
            yield from _each_line(text, compile_pattern, start, end)
        else:
            yield from _stretches(text, compile_pattern, start, end)
    except TimeoutError:
        raise PietyError(f"{source!r} takes more than {PATIENCE:g} s on one stretch of text; make it simpler") from None


def expanded(found: Found, new: Any) -> str:
    """What is to be put in place of a match."""
    if callable(new):
        return str(new(found))
    try:
        return str(found.match.expand(new)) if "\\" in new else new
    except (regex.error, IndexError) as error:
        raise PietyError(f"{new!r} is no template for this pattern: {error}") from None


def _stretches(text: Reading, pattern: Any, start: Place, end: Place | None) -> Iterator[Found]:
    for at, stretch in _lines_together(text, start):
        place = max(start - at, 0)
        while place <= len(stretch) and (hit := pattern.search(stretch, place, timeout=PATIENCE)) is not None:
            begin = stretch.rfind("\n", 0, hit.start()) + 1
            finish = stretch.find("\n", hit.start())
            finish = len(stretch) if finish < 0 else finish
            if begin == len(stretch) and begin:  # behind the last line end, where no line is
                break
            for match in pattern.finditer(stretch[begin:finish], max(place - begin, 0), timeout=PATIENCE):
                if end is not None and at + begin + match.start() >= end:
                    return
                yield Found(text, at + begin, match)
            place = finish + 1
        if end is not None and at + len(stretch) >= end:
            return


def _each_line(text: Reading, pattern: Any, start: Place, end: Place | None) -> Iterator[Found]:
    first = rope.line_of(text.rope, start)
    at = rope.start_of_line(text.rope, first)
    for line in text.lines.between(first, len(text.lines)):
        for match in pattern.finditer(line, max(start - at, 0), timeout=PATIENCE):
            if end is not None and at + match.start() >= end:
                return
            yield Found(text, at, match)
        at += len(line) + 1


def _lines_together(text: Reading, start: Place) -> Iterator[tuple[Place, str]]:
    """Stretches of whole lines, each with the number of its first character."""
    at = rope.start_of_line(text.rope, rope.line_of(text.rope, start))
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
