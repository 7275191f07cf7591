"""Undoing: which group comes next, and what is to be changed now to take it back.

Undoing a group is an edit like another, which puts back what the group has removed, in the places to which its spans
have moved since.  Two groups of which one undoes the other are nothing together, and whatever was in the text between
them comes through unharmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import REDO, UNDO, Edit, Follower, Group, Place, Selection, spans_after

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
        self._kin: dict[int, tuple[int, bool]] = {}  # number of a group -> of the edit it does again, or (True) undoes
        self._last: dict[int, int] = {}  # number of an edit -> of the group that has done it again or undone it last
        self._before: dict[int, int] = {}  # number of a group -> of the one that was that before
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
        edit, is_undone = group.number, False
        if group.undoes:
            edit, was_undone = self._kin.get(group.undoes, (group.undoes, False))
            is_undone = not was_undone
        self._kin[group.number] = edit, is_undone
        self._before[group.number] = self._last.get(edit, edit)
        self._last[edit] = group.number
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
        return self.is_undone(group.number)

    def is_undone(self, number: int) -> bool:
        """The same, of a group that may have been dropped."""
        edit, is_undone = self._kin.get(number, (number, False))
        return edit in self._last and self._kin[self._last[edit]][1] != is_undone

    def edit_of(self, group: Group) -> int:
        """The number of the edit that it is, that it undoes or does again."""
        return self._kin[group.number][0]

    def last_like(self, group: Group) -> Group:
        """The newest one that has done the same as a group that is not gone: that one, or what has done it again."""
        return self._groups[self._place(self._last[self._kin[group.number][0]])]

    def before(self, group: Group) -> int:
        """The number of the one that has last done or undone the same before it; its own, if it is the first."""
        return self._before[group.number]

    def brings_back(self, number: int, taken: int) -> bool:
        """Whether a group undoes what another one has done, itself or by another way."""
        edit, is_undone = self._kin[number]
        return self._kin.get(taken) == (edit, not is_undone)

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
    if log.is_gone(target):
        raise PietyError(f"group {target.number} is undone already")
    journey, spans = Journey(target, log), target.spans
    parts = journey.parts()
    edit = tuple((first, last, end - start) for (first, last), (start, end, _size) in zip(parts, spans, strict=True))
    if len(spans) > APART and journey.is_all_pairs:  # between the spans all is as it was
        return [(parts[0][0], parts[-1][1], rope.part(target.before, spans[0][0], spans[-1][1]))], edit
    return [
        (first, last, rope.part(target.before, start, end))
        for (first, last), (start, end, _size) in zip(parts, spans, strict=True)
    ], edit


class Part:
    """What a span of a group has made, as it is followed through the groups that came after it."""

    def __init__(self, log: Log, number: int, first: Place, last: Place) -> None:
        self.number = number  # of the span
        self.size = last - first
        self.first, self.last = Follower(lambda: log, first, after=self.size > 0), Follower(lambda: log, last)
        self.between: Group | None = None  # one that has inserted something where a part of it was taken away

    @property
    def is_there(self) -> bool:
        return not self.size or not (self.first.left or self.last.left)

    def is_changed_by(self, spans: Edit) -> bool:
        """Whether some of them lie within it."""
        first, last = self.first.place, self.last.place
        for start, end, _size in spans:
            if first == last or start == end:
                if start < first < end or first < start < last:
                    return True
            elif start < last and end > first:
                return True
        return False

    def is_touched_by(self, spans: Edit) -> bool:
        """Whether some of them insert something at an end of it that is not there now."""
        ends = [end.place for end in (self.first, self.last) if self.size and end.left]
        return any(start == end and start in ends for start, end, _size in spans)


class Journey:
    """Follows the parts of a text that a group has made, through the groups that came after it was done last."""

    def __init__(self, target: Group, log: Log) -> None:
        self._log = log
        self._target = log.last_like(target)  # which has spans like those of the first one

    @cached_property
    def _counting(self) -> set[Group]:
        """The groups after it but for pairs, of which one has taken back the other."""
        alone: dict[int, Group] = {}  # number of an edit -> the group that has done it, undone it or done it again
        for group in self._log.after(self._target):
            edit = self._log.edit_of(group)
            if alone.pop(edit, None) is None:
                alone[edit] = group
        return set(alone.values())

    @property
    def is_all_pairs(self) -> bool:
        return not self._counting

    def parts(self) -> list[Selection]:
        """Where what it has made is now.  Raises `Stale` if something within it was changed since."""
        target = self._target
        parts = [Part(self._log, number, *ends) for number, ends in enumerate(spans_after(target.spans))]
        for group in self._log.after(target):
            spans = group.spans
            for part in parts:
                if group in self._counting:
                    if part.is_changed_by(spans):
                        raise Stale(_why(target, group))
                    if part.is_touched_by(spans):
                        part.between = group
                self._follow(part, group, spans)
        for part in parts:
            if not part.is_there:
                raise Stale(f"what group {target.number} ({target.what}) has changed is not there any more")
            if part.between is not None and part.last.place - part.first.place != part.size:
                raise Stale(_why(target, part.between))
        return [(part.first.place, part.last.place) for part in parts]

    def _follow(self, part: Part, group: Group, spans: Edit) -> None:
        behind = None
        if not part.size:
            distance = self._distance(part, group, spans)
            behind = distance is not None
            if distance == 0:
                part.first.hold_on_here()
                part.last.hold_on_here()
        part.first.follow(group, behind=behind, at_once=True)
        part.last.follow(group, behind=behind, at_once=True)

    def _distance(self, part: Part, group: Group, spans: Edit) -> int | None:
        """How far what a group puts back just here was before what our own one has taken away; None if it was not."""
        number = self._log.before(group)
        undone = self._log.numbered(number)
        if undone is None or number >= self._target.number:
            return None
        for place, (start, last, _size) in enumerate(spans):
            if start == last == part.first.place:
                other, journey = Part(self._log, place, *spans_after(undone.spans)[place]), Journey(undone, self._log)
                for each in self._log.after(undone):
                    if each.number >= self._target.number:
                        break
                    journey._follow(other, each, each.spans)
                is_away = any(self._log.is_undone(taken) for taken, _span, _offset in other.first.left)
                distance = self._target.spans[part.number][0] - other.first.place
                return None if is_away or distance < 0 else distance
        return None


def _why(target: Group, by: Group) -> str:
    return (
        f"group {target.number} ({target.what}) cannot be undone: {by.who} has changed the same place since, "
        f"with group {by.number} ({by.what}); undo that first"
    )
