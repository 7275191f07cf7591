"""All characters that a text has had, in order: those that are there, and those that are away.

An edit weaves new characters in and puts others away.  To undo it is to put the first away and have the others back,
each where it always was; so no two ever change places, whatever is undone and done again, by whom, in which order.
The name and the idea are those of SCCS (M. Rochkind, The Source Code Control System, 1975).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from piety.objects.edits import Edit, Span

_END = 1 << 62  # after any text


class Strand:
    """Characters beside each other that came, went and came back together."""

    __slots__ = ("away", "made", "size", "span", "taken")

    def __init__(self, size: int, made: int = 0, span: int = 0, away: int = 0) -> None:
        self.size = size
        self.made, self.span = made, span  # by which edit, with which of its spans; 0 if it was there before the first
        self.taken: dict[int, int] = {}  # the same of those that took it away, also if they are undone
        self.away = away  # the number of the edit that was done or undone and so put it away; 0 if it is there

    def rest(self, size: int) -> Strand:
        """Keep the first characters; the others, as a strand of their own."""
        rest = Strand(self.size - size, self.made, self.span, self.away)
        rest.taken = self.taken.copy()
        self.size = size
        return rest

    def of(self, edit: int, taken: bool) -> int | None:
        """The number of the span of an edit that has made it, or `taken` it; None if it did not."""
        if taken:
            return self.taken.get(edit)
        return self.span if self.made == edit else None


class Weave:
    """What some groups in a row have made of a text.  It begins as one strand of all that was there before them."""

    def __init__(self) -> None:
        self._strands = [Strand(_END)]
        self._edits: set[int] = set()

    def follow(self, spans: Edit, edit: int, is_undone: bool) -> None:
        """The spans of the next group, which has done an edit (for the first time, or again) or undone it."""
        if edit in self._edits:
            if list(_joined(self.spans(edit, is_undone))) == list(_joined(spans)):
                for strand in self._strands:
                    if strand.of(edit, taken=is_undone) is not None:
                        strand.away = 0
                    elif strand.of(edit, taken=not is_undone) is not None:
                        strand.away = edit
                return
            self._forget(edit)  # it was undone by another rule, by an earlier version of Piety
        self._edits.add(edit)
        self._weave_in(spans, edit, is_undone)

    def _weave_in(self, spans: Edit, edit: int, is_undone: bool) -> None:
        """Do an edit of which nothing is here yet; of one that `is_undone` it is what it had made that goes away."""
        strands: list[Strand] = []
        old = iter(self._strands)
        strand, at = next(old), 0  # the strand that comes next, and where it begins
        for number, (start, end, size) in enumerate(spans):
            while strand.away or at + strand.size <= start:  # what is away there stays before what comes
                strands.append(strand)
                at += 0 if strand.away else strand.size
                strand = next(old)
            if at < start:
                strands.append(strand)
                strand, at = strand.rest(start - at), start
            if size:
                new = Strand(size) if is_undone else Strand(size, edit, number)
                if is_undone:
                    new.taken[edit] = number
                strands.append(new)
            while at < end:
                rest = None
                if not strand.away:
                    if at + strand.size > end:
                        rest = strand.rest(end - at)
                    at += strand.size
                    strand.away = edit
                    if is_undone:
                        strand.made, strand.span = edit, number
                    else:
                        strand.taken[edit] = number
                strands.append(strand)
                strand = next(old) if rest is None else rest
        self._strands = [*strands, strand, *old]

    def _forget(self, edit: int) -> None:
        for strand in self._strands:
            strand.taken.pop(edit, None)
            if strand.made == edit:
                strand.made = 0

    def spans(self, edit: int, is_undone: bool) -> Edit:
        """What has to be done now so that an edit is undone, or done again."""
        found: list[Span] = []
        at = start = size = 0
        is_open = False
        for strand in self._strands:
            comes = strand.of(edit, taken=is_undone) is not None
            goes = strand.of(edit, taken=not is_undone) is not None
            if not is_open and (comes or goes):
                is_open, start, size = True, at, 0
            if comes:
                size += strand.size
            elif not strand.away:
                if is_open and not goes:
                    found.append((start, at, size))
                    is_open = False
                at += strand.size
        return tuple(found)

    def in_the_way(self, edit: int, is_undone: bool, since: set[int]) -> set[int]:
        """Other edits that have changed the same place, so that this one cannot be undone, or done again.

        Those are what has taken away some of what is to go, or put something within it; and of those done `since` what
        has taken away, at once, both sides of a place to which something is to come back.
        """
        last: int | None = None  # the span of what is to go
        between: Strand | None = None  # what is there of others since that began
        for strand in self._strands:
            span = strand.of(edit, taken=not is_undone)
            if span is None:
                between = between if strand.away else strand
                continue
            if strand.away:
                return {strand.away}
            if span == last and between is not None:
                return {between.made, *between.taken} - {0}
            last, between = span, None
        return self._around(edit, is_undone) & since

    def _around(self, edit: int, is_undone: bool) -> set[int]:
        """The edits that have put away what is on both sides of something that is to come."""
        found: set[int] = set()
        for is_there, stretch in groupby(self._strands, key=lambda strand: not strand.away):
            if is_there:
                continue
            strands = list(stretch)
            coming = [place for place, strand in enumerate(strands) if strand.of(edit, taken=is_undone) is not None]
            if coming:
                before, after = strands[: coming[0]], strands[coming[-1] :]
                found |= {strand.away for strand in before} & {strand.away for strand in after}
        return found - {edit}


def _joined(spans: Edit) -> Iterator[Span]:
    """Spans of which no two touch each other, and all do something."""
    last: Span | None = None
    for start, end, size in spans:
        if last is not None and last[1] == start:
            last = last[0], end, last[2] + size
        elif start < end or size:
            if last is not None:
                yield last
            last = start, end, size
    if last is not None:
        yield last
