"""Undoing: which group comes next, and what is to be changed now to take it back.

Undoing a group is an edit like another, which puts back what the group has removed, in the places to which its spans
have moved since.  Two groups of which one undoes the other are nothing together, and whatever was in the text between
them comes through unharmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import REDO, UNDO, Edit, Group, Place, moved, spans_after

APART = 200  # spans of an edit that are put into the tree one by one; of more, all between the first and last is new

Change = tuple[Place, Place, Any]  # from where to where, and what comes there instead: a str or a rope


class Stale(PietyError):
    """What is to be undone was changed by somebody else since."""


def inverse(target: Group, groups: Sequence[Group]) -> tuple[list[Change], Edit]:
    """What has to be changed now to take a group back, and that as an edit; `groups` from the newest on.

    Raises `Stale` if somebody has changed the same place since, and `PietyError` if it is taken back already.
    """
    journey, spans = Journey(target, groups), target.spans
    if target.number in journey.gone:
        raise PietyError(f"group {target.number} is undone already")
    parts = journey.parts()
    edit = tuple((first, last, end - start) for (first, last), (start, end, _size) in zip(parts, spans, strict=True))
    if len(spans) > APART and all(map(journey.is_pair, journey.later())):  # between the spans all is as it was
        return [(parts[0][0], parts[-1][1], rope.part(target.before, spans[0][0], spans[-1][1]))], edit
    return [
        (first, last, rope.part(target.before, start, end))
        for (first, last), (start, end, _size) in zip(parts, spans, strict=True)
    ], edit


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
        self.gone = cancelled(groups)  # the groups that are taken back

    def later(self) -> list[Group]:
        """The groups that came after it, the oldest first, but for those that one right behind them has taken back."""
        found: list[Group] = []
        for group in reversed([*takewhile(lambda each: each.number > self._target.number, self._groups)]):
            if found and group.undoes == found[-1].number:
                found.pop()
            else:
                found.append(group)
        return found

    def is_pair(self, group: Group) -> bool:
        """Whether a group does not count because of another one, or makes another one not count, of those after it."""
        return group.number in self.gone or group.undoes > self._target.number

    def parts(self) -> list[list[Any]]:
        """Where what it has made is now.  Raises `Stale` if something within it was changed since."""
        spans = self._target.spans
        parts: dict[int, list[Any]] = {number: list(part) for number, part in enumerate(spans_after(spans))}
        for group in self.later():
            if not self.is_pair(group):
                changed = group.spans
                if any(_overlaps(part, changed) for part in parts.values()):
                    raise Stale(_why(self._target, group))
            self._follow(parts, group)
        if any(isinstance(end, Parked) for part in parts.values() for end in part):
            raise Stale(f"what group {self._target.number} ({self._target.what}) has changed is not there any more")
        return list(parts.values())

    def _follow(self, parts: dict[int, list[Any]], group: Group) -> None:
        spans, comes_back = group.spans, group.number in self.gone
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


def _why(target: Group, by: Group) -> str:
    return (
        f"group {target.number} ({target.what}) cannot be undone: {by.who} has changed the same place since, "
        f"with group {by.number} ({by.what}); undo that first"
    )
