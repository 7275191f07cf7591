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


class Run:
    """Characters beside each other that came, went and came back together."""

    __slots__ = ("away", "made", "size", "span", "taken")

    def __init__(self, size: int, made: int = 0, span: int = 0, away: int = 0) -> None:
        self.size = size
        self.made, self.span = made, span  # by which edit, with which of its spans; 0 if it was there before the first
        self.taken: dict[int, int] = {}  # the same of those that took it away, also if they are undone
        self.away = away  # the number of the edit that was done or undone and so put it away; 0 if it is there

    def rest(self, size: int) -> Run:
        """Keep the first characters; the others, as a run of their own."""
        rest = Run(self.size - size, self.made, self.span, self.away)
        rest.taken = self.taken.copy()
        self.size = size
        return rest

    def of(self, edit: int, taken: bool) -> int | None:
        """The number of the span of an edit that has made it, or `taken` it; None if it did not."""
        if taken:
            return self.taken.get(edit)
        return self.span if self.made == edit else None


class Weave:
    """What some groups in a row have made of a text.  It begins as one run of all that was there before the first."""

    def __init__(self) -> None:
        self._runs = [Run(_END)]
        self._edits: set[int] = set()

    def follow(self, spans: Edit, edit: int, is_undone: bool) -> None:
        """The spans of the next group, which has done an edit (for the first time, or again) or undone it."""
        if edit in self._edits:
            if list(_joined(self.spans(edit, is_undone))) == list(_joined(spans)):
                for run in self._runs:
                    if run.of(edit, taken=is_undone) is not None:
                        run.away = 0
                    elif run.of(edit, taken=not is_undone) is not None:
                        run.away = edit
                return
            self._forget(edit)  # it was undone by another rule, by an earlier version of Piety
        self._edits.add(edit)
        self._weave_in(spans, edit, is_undone)

    def _weave_in(self, spans: Edit, edit: int, is_undone: bool) -> None:
        """Do an edit of which nothing is here yet; of one that `is_undone` it is what it had made that goes away."""
        runs: list[Run] = []
        old = iter(self._runs)
        run, at = next(old), 0  # the run that comes next, and where it begins
        for number, (start, end, size) in enumerate(spans):
            while run.away or at + run.size <= start:  # what is away there stays before what comes
                runs.append(run)
                at += 0 if run.away else run.size
                run = next(old)
            if at < start:
                runs.append(run)
                run, at = run.rest(start - at), start
            if size:
                new = Run(size) if is_undone else Run(size, edit, number)
                if is_undone:
                    new.taken[edit] = number
                runs.append(new)
            while at < end:
                rest = None
                if not run.away:
                    if at + run.size > end:
                        rest = run.rest(end - at)
                    at += run.size
                    run.away = edit
                    if is_undone:
                        run.made, run.span = edit, number
                    else:
                        run.taken[edit] = number
                runs.append(run)
                run = next(old) if rest is None else rest
        self._runs = [*runs, run, *old]

    def _forget(self, edit: int) -> None:
        for run in self._runs:
            run.taken.pop(edit, None)
            if run.made == edit:
                run.made = 0

    def spans(self, edit: int, is_undone: bool) -> Edit:
        """What has to be done now so that an edit is undone, or done again."""
        found: list[Span] = []
        at = start = size = 0
        is_open = False
        for run in self._runs:
            comes = run.of(edit, taken=is_undone) is not None
            goes = run.of(edit, taken=not is_undone) is not None
            if not is_open and (comes or goes):
                is_open, start, size = True, at, 0
            if comes:
                size += run.size
            elif not run.away:
                if is_open and not goes:
                    found.append((start, at, size))
                    is_open = False
                at += run.size
        return tuple(found)

    def in_the_way(self, edit: int, is_undone: bool, since: set[int]) -> set[int]:
        """Other edits that have changed the same place, so that this one cannot be undone, or done again.

        Those are what has taken away some of what is to go, or put something within it; and of those done `since` what
        has taken away, at once, both sides of a place to which something is to come back.
        """
        last: int | None = None  # the span of what is to go
        between: Run | None = None  # what is there of others since that began
        for run in self._runs:
            span = run.of(edit, taken=not is_undone)
            if span is None:
                between = between if run.away else run
                continue
            if run.away:
                return {run.away}
            if span == last and between is not None:
                return {between.made, *between.taken} - {0}
            last, between = span, None
        return self._around(edit, is_undone) & since

    def _around(self, edit: int, is_undone: bool) -> set[int]:
        """The edits that have put away what is on both sides of something that is to come."""
        found: set[int] = set()
        for is_there, stretch in groupby(self._runs, key=lambda run: not run.away):
            if is_there:
                continue
            runs = list(stretch)
            coming = [place for place, run in enumerate(runs) if run.of(edit, taken=is_undone) is not None]
            if coming:
                found |= {run.away for run in runs[: coming[0]]} & {run.away for run in runs[coming[-1] :]}
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
