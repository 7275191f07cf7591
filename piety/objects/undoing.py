"""Undoing: which group comes next, and what is to be changed now to take it back.

Undoing a group is an edit like another, which puts back what the group has removed, in the places to which its spans
have moved since.  Two groups of which one undoes the other are nothing together, and whatever was in the text between
them comes through unharmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import REDO, UNDO, Edit, Group, Place, moved, spans_after

APART = 200  # spans of an edit that are put into the tree one by one; of more, all between the first and last is new

Change = tuple[Place, Place, Any]  # from where to where, and what comes there instead: a str or a rope


class Stale(PietyError):
    """What is to be undone was changed by somebody else since."""


class Log:
    """The groups of a text, so that those for an undo are found without going through all of them.

    It lives in memory only, beside the chain of groups that the image has.
    """

    def __init__(self, newest: Group | None) -> None:
        self._groups: list[Group] = []  # their numbers follow each other
        self._undoers: dict[int, list[int]] = {}  # number of an undone group -> those of the groups that undo it
        self._gone: dict[int, bool] = {}  # the same -> whether one of these counts
        self._skips: dict[int, int] = {}  # number of a group -> the one before all that it has made nothing
        chain = []
        while newest is not None:
            chain.append(newest)
            newest = newest.previous
        for group in reversed(chain):
            self.append(group)

    def append(self, group: Group) -> None:
        """A new group has come, and is what it will be: an edit, an undo or a redo."""
        self._groups.append(group)
        if group.undoes:
            self._undoers.setdefault(group.undoes, []).append(group.number)
        undone = group.undoes
        while undone:
            self._gone[undone] = any(not self._gone.get(each, False) for each in self._undoers[undone])
            target = self.numbered(undone)
            undone = 0 if target is None else target.undoes
        if group.undoes and self._behind(group.number - 1, group.undoes) == group.undoes:
            self._skips[group.number] = group.undoes - 1

    def drop(self, number: int) -> None:
        """Let go of the groups before this one."""
        del self._groups[: max(self._place(number), 0)]

    def _place(self, number: int) -> int:
        return number - self._groups[0].number if self._groups else -1

    def __iter__(self) -> Iterator[Group]:
        """From the newest on."""
        return reversed(self._groups)

    def numbered(self, number: int) -> Group | None:
        """A group by its number; None if it is not there any more, or never was."""
        place = self._place(number)
        return self._groups[place] if 0 <= place < len(self._groups) else None

    def is_gone(self, group: Group) -> bool:
        """Whether another one, which counts, has taken it back."""
        return self._gone.get(group.number, False)

    def _behind(self, number: int, least: int) -> int:
        """The newest group up to a number that is not one of those that are nothing together, back to `least`."""
        while number > least and self._skips.get(number, -1) >= least:
            number = self._skips[number]
        return number

    def after(self, target: Group) -> list[Group]:
        """The groups that came after one, the oldest first, but for those that one right behind them has taken back."""
        found: list[Group] = []
        number = self._groups[-1].number
        while (number := self._behind(number, target.number)) > target.number:
            found.append(self._groups[self._place(number)])
            number -= 1
        return found[::-1]

    def next_to_undo(self, who: str) -> Group | None:
        """What somebody undoes next, by Emacs's rule."""
        last = next((group for group in self if group.who == who), None)
        if last is None or last.kind != UNDO:
            return last
        done = self.numbered(last.undoes)
        while done is not None and done.kind == REDO:  # it stands for what it has done again
            undone = self.numbered(done.undoes)
            done = None if undone is None else self.numbered(undone.undoes)
        if done is None:
            return None
        before = reversed(range(self._place(done.number)))
        own = (group for place in before if (group := self._groups[place]).who == who)
        return next((group for group in own if not self.is_gone(group)), None)

    def next_to_redo(self, who: str) -> Group | None:
        """The undo that somebody takes back next; None if what was done last is none."""
        for group in self:
            if group.who == who and group.kind != REDO and not self.is_gone(group):
                return group if group.kind == UNDO else None
        return None


def inverse(target: Group, log: Log) -> tuple[list[Change], Edit]:
    """What has to be changed now to take a group back, and that as an edit.

    Raises `Stale` if somebody has changed the same place since, and `PietyError` if it is taken back already.
    """
    journey, spans = Journey(target, log), target.spans
    if log.is_gone(target):
        raise PietyError(f"group {target.number} is undone already")
    parts = journey.parts()
    edit = tuple((first, last, end - start) for (first, last), (start, end, _size) in zip(parts, spans, strict=True))
    if len(spans) > APART and all(map(journey.is_pair, log.after(target))):  # between the spans all is as it was
        return [(parts[0][0], parts[-1][1], rope.part(target.before, spans[0][0], spans[-1][1]))], edit
    return [
        (first, last, rope.part(target.before, start, end))
        for (first, last), (start, end, _size) in zip(parts, spans, strict=True)
    ], edit


class Parked:
    """An end that lies in characters which a group has taken away, and another group will put back."""

    def __init__(self, group: int, span: int, offset: int) -> None:
        self.group, self.span, self.offset = group, span, offset


class Journey:
    """Follows the parts of a text that a group has made, through the groups that came after it."""

    def __init__(self, target: Group, log: Log) -> None:
        self._target = target
        self._log = log

    def is_pair(self, group: Group) -> bool:
        """Whether a group does not count because of another one, or makes another one not count, of those after it."""
        return self._log.is_gone(group) or group.undoes > self._target.number

    def parts(self) -> list[list[Any]]:
        """Where what it has made is now.  Raises `Stale` if something within it was changed since."""
        spans = self._target.spans
        parts: dict[int, list[Any]] = {number: list(part) for number, part in enumerate(spans_after(spans))}
        for group in self._log.after(self._target):
            if not self.is_pair(group):
                changed = group.spans
                if any(_overlaps(part, changed) for part in parts.values()):
                    raise Stale(_why(self._target, group))
            self._follow(parts, group)
        if any(isinstance(end, Parked) for part in parts.values() for end in part):
            raise Stale(f"what group {self._target.number} ({self._target.what}) has changed is not there any more")
        return list(parts.values())

    def _follow(self, parts: dict[int, list[Any]], group: Group) -> None:
        spans, comes_back = group.spans, self._log.is_gone(group)
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
        undone = self._log.numbered(group.undoes)
        if undone is None or undone.number >= self._target.number:
            return False
        for place, (start, last, _size) in enumerate(spans):
            if start == last == end:
                part: dict[int, list[Any]] = {place: list(spans_after(undone.spans)[place])}
                journey = Journey(undone, self._log)
                for each in self._log.after(undone):
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


def _why(target: Group, by: Group) -> str:
    return (
        f"group {target.number} ({target.what}) cannot be undone: {by.who} has changed the same place since, "
        f"with group {by.number} ({by.what}); undo that first"
    )
