"""The log of a text as a person reads it: what was done, and who has changed each line last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

from piety.objects import rope
from piety.objects.edits import Edit, Group, spans_after
from piety.objects.moments import shown
from piety.objects.rope import Rope

if TYPE_CHECKING:
    from piety.objects.texts import Text

SHOWN = 20  # of a long history
OLDEST = 0  # the group of the lines that nobody has changed since the log begins


class History(Sequence[Group]):
    """The groups of a text, the newest first."""

    def __init__(self, text: Text) -> None:
        self._groups = list(text.groups())
        self._dropped = text._dropped

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: slice) -> list[Group]: ...
    def __getitem__(self, index: int | slice) -> Group | list[Group]:
        return self._groups[index]

    def __repr__(self) -> str:
        rows = [
            f"{group.number:6}  {shown(group.when)}  {_size(group):>12}  {group.who}: {group.what}"
            for group in self._groups[:SHOWN]
        ]
        if len(self) > SHOWN:
            rows.append(f"and {len(self) - SHOWN} before; history()[{SHOWN}:] has them")
        if self._dropped:
            rows.append(f"the {self._dropped} before were dropped")
        return "\n".join(rows) or "nothing was done to this text"


def _size(group: Group) -> str:
    removed = sum(end - start for start, end, _size in group.spans)
    added = sum(size for _start, _end, size in group.spans)
    return f"+{added} -{removed}"


class Blame(Sequence[Group | None]):
    """For each line the group that has changed it last; None for what was there when the log began."""

    def __init__(self, text: Text) -> None:
        self._text = text
        groups = list(text.groups())
        first = groups[-1].before if groups else text.rope
        ropes = [group.before for group in groups]
        runs = [(OLDEST, rope.breaks(first) + 1)]  # how many lines in a row have the group of this number
        now = text.rope
        for place in range(len(groups) - 1, -1, -1):
            after = ropes[place - 1] if place else now
            runs = _marked(runs, groups[place].number, groups[place].spans, ropes[place], after)
        known: dict[int, Group | None] = {group.number: group for group in groups}
        each = (known.get(number) for number, count in runs for _ in range(count))
        self._lines = list(islice(each, len(text.lines)))  # not what is behind the last line end

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Group | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[Group | None]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._lines[index]

    def __repr__(self) -> str:
        rows = []
        for number, (group, line) in enumerate(zip(self._lines, self._text.lines, strict=False)):
            if number == 1000:
                rows.append("...")
                break
            who = f"{shown(group.when)} {group.who}" if group is not None else ""
            rows.append(f"{number:5}  {who:32}  {line[:60]}")
        return "\n".join(rows)


Runs = list[tuple[int, int]]


def _marked(runs: Runs, number: int, spans: Edit, before: Rope, after: Rope) -> Runs:
    """The runs after a group: the lines that its spans touch are its own."""
    found: Runs = []
    at = 0  # the line of `before` up to which all is in `found`
    done = 0  # and the line of `after`
    for (start, end, _size), (first, last) in zip(spans, spans_after(spans), strict=True):
        top, bottom = rope.line_of(before, start), rope.line_of(before, end) + 1
        begin, finish = rope.line_of(after, first), rope.line_of(after, last) + 1
        is_at_start = rope.start_of_line(before, bottom - 1) == end
        if first < last and is_at_start and rope.string(after, last - 1, last) == "\n":
            bottom, finish = bottom - 1, finish - 1  # the line that follows was not touched
        elif first == last and start < end and is_at_start and rope.start_of_line(before, top) == start:
            bottom, finish = bottom - 1, finish - 1  # whole lines are gone
        found += _between(runs, at, top)
        begin = max(begin, done)
        if finish > begin:
            found.append((number, finish - begin))
        at, done = max(at, bottom), max(finish, begin)
    return [*found, *_between(runs, at, None)]


def _between(runs: Runs, first: int, last: int | None) -> Runs:
    found = []
    at = 0
    for number, count in runs:
        begin, end = max(first, at), at + count if last is None else min(last, at + count)
        if begin < end:
            found.append((number, end - begin))
        at += count
    return found
