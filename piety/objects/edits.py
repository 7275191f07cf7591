"""The log of a text: who has changed what and when, and how places in the text move with it.

    Span    (start, end, size): the characters from `start` to `end` gave way to `size` others
    Edit    spans of one text, in order, that happen at once
    Group   the edits that a person counts as one: of a command, of a burst of typing, of a task's turn

A group knows the text as it was before, as a rope, so that what it took away can be had again: undoing a group is an
edit like another, which puts back what the group has removed in the places that its spans have moved to since.  Two
groups of which one undoes the other are nothing together, and whatever was in the text between comes through unharmed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from persistent import Persistent

from piety.objects.changes import watches_itself
from piety.objects.rope import Rope

Span = tuple[int, int, int]
Edit = tuple[Span, ...]
Place = int  # the number of a character
Selection = tuple[Place, Place]  # from where to where; the second is where the cursor stands

FINEST = 1000  # edits of a group of which the spans are found one by one; of more they are taken together
_END = 1 << 62  # after any text

EDIT, UNDO, REDO = "edit", "undo", "redo"

# Of a group, in the order in which they are stored without their names, because one is written for each key that is
# typed; a new one comes last.
_FIELDS = (
    "number", "previous", "version", "before", "who", "what", "when", "until", "edits", "typed",
    "kind", "undoes", "is_burst", "selection", "selected",
)  # fmt: skip


@watches_itself
class Group(Persistent):
    """What a person undoes at once."""

    kind = EDIT
    undoes = 0  # the number of the group that this one takes back
    is_burst = False  # whether it was typed, and what is typed next belongs to it
    typed: tuple[str, ...] = ()  # the texts of its last edits, as long as the rope of its text has them not yet
    selection: Selection | None = None  # what its author had selected before it
    selected: Selection | None = None  # and after it

    def __init__(self, number: int, previous: Group | None, version: int, before: Rope, who: str, what: str) -> None:
        self.number = number
        self.previous = previous
        self.version = version  # of the text before its first edit
        self.before = before
        self.who, self.what = who, what
        self.when = self.until = 0.0  # of its first and last edit, in seconds since the epoch
        self.edits: tuple[Edit, ...] = ()

    def __getstate__(self) -> Any:
        return tuple([getattr(self, name) for name in _FIELDS])

    def __setstate__(self, state: Any) -> None:
        for name, value in zip(_FIELDS, state, strict=False):
            setattr(self, name, value)

    @property
    def spans(self) -> Edit:
        """All its edits as one."""
        return compose(self.edits)

    def __repr__(self) -> str:
        return f"<group {self.number} of {self.who}: {self.what}>"


def compose(edits: Sequence[Edit]) -> Edit:
    """Several edits, one after the other, as one; if they are many, one of a single span that holds all of theirs."""
    if len(edits) == 1:
        return edits[0]
    runs: list[tuple[int, int]] = [(0, _END)]  # the text in parts: where each began in the first one, or -1; its length
    for edit in edits if len(edits) <= FINEST else ():
        for start, end, size in reversed(edit):
            runs = [*_runs(runs, 0, start), *([(-1, size)] if size else []), *_runs(runs, end, _END)]
    if len(edits) > FINEST:
        return _around(edits)
    spans: list[Span] = []
    old = new = 0
    for start, size in runs:
        if start < 0:
            new += size
        else:
            if start > old or new:
                spans.append((old, start, new))
            old, new = start + size, 0
    return tuple(spans)


def _runs(runs: list[tuple[int, int]], first: int, last: int) -> Iterator[tuple[int, int]]:
    at = 0
    for start, size in runs:
        begin, end = max(first - at, 0), min(last - at, size)
        if begin < end:
            yield (start + begin if start >= 0 else -1), end - begin
        at += size


def _around(edits: Sequence[Edit]) -> Edit:
    first, last, size = _END, 0, 0  # in the first text, and how many characters there are instead
    for edit in edits:
        start, end = edit[0][0], edit[-1][1]
        grown = sum(size - (end - start) for start, end, size in edit)
        before, after = max(first - start, 0) if size or last else 0, max(end - (first + size), 0)
        if not size and not last and first == _END:
            first, last, size = start, end, end - start + grown
        else:
            first, last, size = min(first, start), last + after, size + before + after + grown
    return ((first, last, size),)


# -- how a place moves


def moved(place: Place, edit: Edit, after: bool = False) -> Place:
    """Where a place is after an edit; `after` says whether it comes after what is inserted just there."""
    shift = 0
    for start, end, size in edit:
        if place < start or (place == start and not (start == end and after)):
            break
        if place < end:
            return start + shift
        shift += size - (end - start)
    return place + shift


def is_removed(place: Place, edit: Edit) -> bool:
    """Whether an edit takes away the character at a place and puts nothing there."""
    at = bisect_right(edit, place, key=_start) - 1
    return at >= 0 and edit[at][0] <= place < edit[at][1] and (edit[at][0] < place or not edit[at][2])


def _start(span: Span) -> int:
    return span[0]


def spans_after(edit: Edit) -> list[Selection]:
    """Where the new characters of each span are."""
    shift = 0
    found = []
    for start, end, size in edit:
        found.append((start + shift, start + shift + size))
        shift += size - (end - start)
    return found


class Conflict(Exception):
    """A place that was changed by a group since; the argument is that group."""


class Parked:
    """An end that lies in characters which a group has taken away, and another group will put back."""

    def __init__(self, group: int, span: int, offset: int) -> None:
        self.group, self.span, self.offset = group, span, offset


def cancelled(groups: Iterable[Group]) -> set[int]:
    """The numbers of the groups that another one, which counts, takes back; `groups` from the newest on."""
    found: set[int] = set()
    for group in groups:
        if group.undoes and group.number not in found:
            found.add(group.undoes)
    return found


def next_to_undo(groups: Sequence[Group], who: str) -> Group | None:
    """What somebody undoes next, by Emacs's rule; `groups` from the newest on."""
    own = (group for group in groups if group.who == who)
    last = next(own, None)
    if last is None or last.kind != UNDO:
        return last
    numbered = {group.number: group for group in groups}
    done = numbered.get(last.undoes)
    while done is not None and done.kind == REDO:  # it stands for what it has done again
        undone = numbered.get(done.undoes)
        done = None if undone is None else numbered.get(undone.undoes)
    if done is None:
        return None
    gone = cancelled(groups)
    return next((group for group in own if group.number < done.number and group.number not in gone), None)


def next_to_redo(groups: Sequence[Group], who: str) -> Group | None:
    """The undo that somebody takes back next; None if what was done last is none."""
    gone = cancelled(groups)
    for group in groups:
        if group.who == who and group.number not in gone and group.kind != REDO:
            return group if group.kind == UNDO else None
    return None


class Journey:
    """Follows the parts of a text that a group has made, through the groups that came after it.

    `groups` are those of the log, from the newest on.
    """

    def __init__(self, target: Group, groups: Sequence[Group]) -> None:
        self._target = target
        self._groups = groups
        self._gone = cancelled(groups)

    def later(self) -> list[Group]:
        """The groups that came after it, the oldest first."""
        return [group for group in reversed(self._groups) if group.number > self._target.number]

    def is_pair(self, group: Group) -> bool:
        """Whether a group does not count because of another one, or makes another one not count, of those after it."""
        return group.number in self._gone or group.undoes > self._target.number

    def parts(self) -> list[list[Any]]:
        """Where what it has made is now.  Raises `Conflict` if something within it was changed since."""
        spans = self._target.spans
        parts: dict[int, list[Any]] = {number: list(part) for number, part in enumerate(spans_after(spans))}
        for group in self.later():
            if not self.is_pair(group):
                changed = group.spans
                if any(_overlaps(part, changed) for part in parts.values()):
                    raise Conflict(group)
            self._follow(parts, group)
        return list(parts.values())

    def _follow(self, parts: dict[int, list[Any]], group: Group) -> None:
        spans, comes_back = group.spans, group.number in self._gone
        for number, part in parts.items():
            is_empty = part[0] == part[1]
            for which, end in enumerate(part):
                if isinstance(end, Parked):
                    if end.group == group.undoes:
                        part[which] = spans_after(spans)[end.span][0] + end.offset
                elif comes_back and (parked := _parked(end, group, spans, which == 0 and not is_empty)) is not None:
                    part[which] = parked
                else:
                    after = self._was_behind(number, end, group, spans) if is_empty else which == 0
                    part[which] = moved(end, spans, after)

    def _was_behind(self, number: int, end: Place, group: Group, spans: Edit) -> bool:
        """Whether what a group puts back just here was before what our own one has taken away."""
        undone = next((each for each in self._groups if each.number == group.undoes), None)
        if undone is None or undone.number >= self._target.number:
            return False
        for place, (start, last, _size) in enumerate(spans):
            if start == last == end:
                part: dict[int, list[Any]] = {place: list(spans_after(undone.spans)[place])}
                journey = Journey(undone, self._groups)
                for each in journey.later():
                    if each is self._target:
                        break
                    journey._follow(part, each)
                return not isinstance(part[place][0], Parked) and part[place][0] <= self._target.spans[number][0]
        return False


def _parked(end: Place, group: Group, spans: Edit, is_first: bool) -> Parked | None:
    for number, (start, last, _size) in enumerate(spans):
        if start < end < last or (start < last and (end == start if is_first else end == last)):
            return Parked(group.number, number, end - start)
    return None


def _overlaps(part: list[Any], spans: Edit) -> bool:
    first, last = part
    if isinstance(first, Parked) or isinstance(last, Parked):
        return False
    for start, end, _size in spans:
        if first == last or start == end:
            if start < first < end or first < start < last:
                return True
        elif start < last and end > first:
            return True
    return False
