"""The log of a text: who has changed what and when, and how places in the text move with it.

    Span    (start, end, size): the characters from `start` to `end` gave way to `size` others
    Edit    spans of one text, in order, that happen at once
    Group   the edits that a person counts as one: of a command, of a burst of typing, of a task's turn

A group knows the text as it was before, as a rope, so that what it took away can be had again (see `undoing.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from persistent import Persistent

from piety.objects.changes import watches_itself
from piety.objects.rope import Rope

if TYPE_CHECKING:
    from piety.objects.undoing import Log

Span = tuple[int, int, int]
Edit = tuple[Span, ...]
Place = int  # the number of a character
Selection = tuple[Place, Place]  # from where to where; the second is where the cursor stands
Left = tuple[int, int]  # number of a group that took away what a place was beside, and how much it took before that

FINEST = 1000  # edits of a group of which the spans are found one by one; of more they are taken together
FOR_GOOD = -1  # instead of the number of a group: no undo brings back what it has taken away
_END = 1 << 62  # after any text

EDIT, UNDO, REDO = "edit", "undo", "redo"

# Of a group, in the order in which they are stored without their names, because one is written for each key that is
# typed; a new one comes last.
_FIELDS = (
    "number", "previous", "version", "before", "who", "what", "when", "until", "edits", "typed",
    "kind", "undoes", "is_burst", "selection", "selected", "kin",
)  # fmt: skip


@watches_itself
class Group(Persistent):
    """What a person undoes at once."""

    kind = EDIT
    undoes = 0  # the number of the group that this one takes back
    kin: tuple[int, bool] | None = None  # if it takes one back: the number of the edit it does again, or (True) undoes
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
        # Not a list: objects that hold one are compared at the end of each turn that touches them; undoing touches all.
        self.edits: tuple[Edit, ...] = ()

    def add(self, edit: Edit) -> None:
        """One more edit."""
        self.edits = (*self.edits, edit)

    def __getstate__(self) -> Any:
        return tuple([getattr(self, name) for name in _FIELDS])

    def __setstate__(self, state: Any) -> None:
        for name, value in zip(_FIELDS, state, strict=False):
            setattr(self, name, value)

    @property
    def spans(self) -> Edit:
        """All its edits as one."""
        edits, spans = getattr(self, "_v_spans", (None, ()))
        if edits is not self.edits:
            spans = compose(self.edits)
            self._v_spans = self.edits, spans
        return spans

    def __repr__(self) -> str:
        return f"<group {self.number} of {self.who}: {self.what}>"


def compose(edits: Sequence[Edit]) -> Edit:
    """Several edits, one after the other, as one; if they are many, one of a single span that holds all of theirs."""
    if len(edits) == 1:
        return edits[0]
    if len(edits) > FINEST:
        return (_around(edits),)
    runs: list[tuple[int, int]] = [(0, _END)]  # the text in parts: where each began in the first one, or -1; its length
    for edit in edits:
        for start, end, size in reversed(edit):
            runs = [*_runs(runs, 0, start), *([(-1, size)] if size else []), *_runs(runs, end, _END)]
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


def _around(edits: Sequence[Edit]) -> Span:
    """The span that holds those of all edits: each widens it to what that one reaches beside it."""
    first = last = edits[0][0][0]  # in the first text
    size = 0  # of what is there now instead
    for edit in edits:
        start, end = edit[0][0], edit[-1][1]
        before, after = max(first - start, 0), max(end - (first + size), 0)
        first, last = first - before, last + after
        size += before + after + sum(new - (finish - begin) for begin, finish, new in edit)
    return first, last, size


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
    number = span_at(place, edit, True)
    return number is not None and (edit[number][0] < place or not edit[number][2])


def span_at(place: Place, edit: Edit, after: bool) -> int | None:
    """The number of the span that takes away the character at a place, or (not `after`) the one before it."""
    at = place if after else place - 1
    number = bisect_right(edit, at, key=_start) - 1
    return number if number >= 0 and edit[number][0] <= at < edit[number][1] else None


def _start(span: Span) -> int:
    return span[0]


def before_edits(char: Place, edits: Sequence[Edit]) -> Place | None:
    """Where a character was before some edits; None if one of them has put it in."""
    for edit in reversed(edits):
        shift = 0
        for (start, end, size), (first, last) in zip(edit, spans_after(edit), strict=True):
            if first <= char < last:
                return None
            if char >= last:
                shift += (end - start) - size
        char += shift
    return char


def spans_after(edit: Edit) -> list[Selection]:
    """Where the new characters of each span are."""
    shift = 0
    found = []
    for start, end, size in edit:
        found.append((start + shift, start + shift + size))
        shift += size - (end - start)
    return found


def taken_before(place: Place, edit: Edit, after: bool) -> int | None:
    """How many of the characters before a place an edit takes away, if it takes the one that the place holds on to.

    That is the character behind it (`after`), or the one before it.
    """
    if span_at(place, edit, after) is None:
        return None
    return sum(min(end, place) - start for start, end, _size in edit if start < place)


def come_back(offset: int, edit: Edit, after: bool) -> Place:
    """Where a place is again when so many of the characters that an edit puts back come before it."""
    place = 0
    for first, last in spans_after(edit):
        place = first + offset
        if place < last or (place == last and not after):
            break
        offset -= last - first
    return place


class Follower:
    """A place that follows what is done to a text, and what is undone.

    It holds on to the character behind it (`after`), or to the one before it.  When that is taken away it stays where
    that was, and is beside it again when it comes back.
    """

    def __init__(
        self, log: Callable[[], Log], place: Place, after: bool = False, is_gone: int = 0, left: Iterable[Left] = ()
    ) -> None:
        self._log = log  # called only when it is needed, as that may have to be made
        self.place = place
        self.after = after
        self.is_gone = is_gone  # the number of the group that took away the character behind it
        self.left = list(left)  # the oldest first

    def follow(self, group: Group, first: int = 0) -> None:
        """A group was done, from one of its edits on."""
        if group.undoes:
            if self.is_gone and self._log().brings_back(group, self.is_gone):
                self.is_gone = 0
            if self._returns(group):
                return
        before, is_taken = group.edits[:first], False
        start = self.place
        for edit in group.edits[first:]:
            if not self.is_gone and is_removed(self.place, edit):
                self.is_gone = FOR_GOOD if before_edits(start, before) is None else group.number
            is_taken = is_taken or span_at(self.place, edit, self.after) is not None
            self.place = moved(self.place, edit, self.after)
        if is_taken and (char := before_edits(start if self.after else start - 1, before)) is not None:
            self._park(group, char if self.after else char + 1)

    def _park(self, group: Group, place: Place) -> None:
        """What was beside a place of the text before a group was taken away by it."""
        if (offset := taken_before(place, group.spans, self.after)) is not None:
            self.left.append((group.number, offset))

    def _returns(self, group: Group) -> bool:
        """Whether what it was in is there again, and so is it."""
        for number, (taken, *_, offset) in enumerate(self.left):  # an earlier version kept the number of a span, too
            if self._log().brings_back(group, taken):
                del self.left[number:]
                self.place = come_back(offset, group.spans, self.after)
                return True
        return False
