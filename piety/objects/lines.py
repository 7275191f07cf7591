"""The lines of a text, as a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from piety.errors import PietyError
from piety.objects import rope

if TYPE_CHECKING:
    from piety.objects.reading import Reading
    from piety.objects.texts import Change


class Lines(Sequence[str]):
    """The lines of a text, without their ends.

    To assign to some of them, or to delete them, edits the text; what follows the last one keeps its line end.
    """

    def __init__(self, text: Reading) -> None:
        self._text = text

    def __len__(self) -> int:
        text = self._text
        return rope.breaks(text.rope) + (len(text) > 0 and not text.ends_with_newline)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            first, last = self._range(index)
            return list(self.between(first, last))
        line = self._number(index)
        return self._text.part(rope.start_of_line(self._text.rope, line), self._text.end_of_line(line))

    def __iter__(self) -> Iterator[str]:
        return self.between(0, len(self))

    def between(self, first: int, last: int) -> Iterator[str]:
        """The lines from `first` up to `last`."""
        if first >= last:
            return
        now = self._text.rope
        start, end = rope.start_of_line(now, first), rope.start_of_line(now, last)
        rest = ""
        for chunk in rope.chunks(now, start, end):
            *whole, rest = (rest + chunk).split("\n") if "\n" in chunk else (rest + chunk,)
            yield from whole
        if rest:
            yield rest

    def __setitem__(self, index: int | slice, new: Any) -> None:
        if isinstance(index, slice):
            self._put(*self._range(index), list(new))
        else:
            line = self._number(index)
            if "\n" in new:
                raise PietyError("a line has no line end in it; for several in place of one: t.lines[3:4] = ...")
            start = rope.start_of_line(self._text.rope, line)
            self._edit([(start, self._text.end_of_line(line), new)])

    def __delitem__(self, index: int | slice) -> None:
        if isinstance(index, slice):
            self._put(*self._range(index), [])
        else:
            line = self._number(index)
            self._put(line, line + 1, [])

    def _put(self, first: int, last: int, new: Iterable[str]) -> None:
        """Put lines in place of others."""
        new = list(new)
        if any("\n" in line for line in new):
            raise PietyError("a line has no line end in it; give each line by itself")
        text = self._text
        start, end = rope.start_of_line(text.rope, first), rope.start_of_line(text.rope, last)
        string = "".join(f"{line}\n" for line in new)
        if end == len(text) and not text.ends_with_newline:  # the last line has no end, and is to have none again
            if start == end and new:
                string = f"{chr(10) if start else ''}{string[:-1]}"
            elif new:
                string = string[:-1]
            elif start < end and start > 1 and text.part(start - 2, start - 1) != "\n":
                start -= 1  # else the last line is an empty one, which is there by its end
        self._edit([(start, end, string)])

    def _edit(self, changes: list[Change]) -> None:
        edit = getattr(self._text, "edit", None)
        if edit is None:
            raise PietyError("this is a text of another time, and cannot be changed")
        edit(changes)

    def _range(self, index: slice) -> tuple[int, int]:
        first, last, step = index.indices(len(self))
        if step != 1:
            raise PietyError("lines are taken one after the other; leave the step out")
        return first, max(first, last)

    def _number(self, index: int) -> int:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"there is no line {index}; the text has {count}, counted from 0")
        return index % count if count else 0

    def __repr__(self) -> str:
        return f"<{len(self):,} lines>"
