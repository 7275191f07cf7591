"""Undoing: which group comes next, and what is to be changed now to take it back.

Undoing a group is an edit like another, which puts back what the group has removed, where it was among all that came
and went since (`weave.py`).  Two groups of which one undoes the other are nothing together, and whatever was in the
text between them comes through unharmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import REDO, UNDO, Edit, Group, Place, Selection, spans_after
from piety.objects.rope import Rope
from piety.objects.turns import one_line
from piety.objects.weave import Weave

APART = 200  # spans of an edit that are put into the tree one by one; of more, all between the first and last is new

LONGEST = 40  # characters of what a group was, in a message

Change = tuple[Place, Place, Any]  # from where to where, and what comes there instead: a str or a rope


class Stale(PietyError):
    """What is to be undone was changed by somebody else since."""


@dataclass
class _Whole:
    """A weave, from which edit on it is one, and the last group that it has followed."""

    first: int
    weave: Weave
    last: Group
    spans: Edit  # of that, which gets more as long as it is the newest one


class Log:
    """The groups of a text, so that those for an undo are found without going through all of them.

    It lives in memory only, beside the chain of groups that the image has.
    """

    def __init__(self, newest: Group | None) -> None:
        self._groups: list[Group] = []  # their numbers follow each other
        self._kin: dict[int, tuple[int, bool]] = {}  # number of a group -> of the edit it does again, or (True) undoes
        self._last: dict[int, int] = {}  # number of an edit -> of the group that has done it again or undone it last
        self._skips: dict[int, int] = {}  # number of a group -> the one before all that it has made nothing
        self._whole: _Whole | None = None  # the weave that was needed last
        chain = []
        while newest is not None:
            chain.append(newest)
            newest = newest.previous
        for group in reversed(chain):
            self.append(group)

    def append(self, group: Group) -> None:
        """A new group has come, and is what it will be: an edit, an undo or a redo."""
        self._groups.append(group)
        # An earlier version of Piety did not store it: then it is known as long as the log has those in between.
        kin = group.kin or (self.taken_back(group.undoes) if group.undoes else (group.number, False))
        self._kin[group.number] = kin
        self._last[kin[0]] = group.number
        if group.undoes and self._behind(group.number - 1, group.undoes) == group.undoes:
            self._skips[group.number] = group.undoes - 1

    def drop(self, number: int) -> None:
        """Let go of the groups before this one."""
        del self._groups[: max(self._place(number), 0)]
        self._whole = None  # it may not have followed some of those

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
        edit, is_undone = self._kin[group.number]
        return self._kin[self._last[edit]][1] != is_undone

    def kin(self, group: Group) -> tuple[int, bool]:
        """The number of the edit that it does, for the first time or again, or (True) undoes."""
        return self._kin[group.number]

    def taken_back(self, number: int) -> tuple[int, bool]:
        """The same, of a group that takes back another one."""
        edit, is_undone = self._kin.get(number, (number, False))
        return edit, not is_undone

    def last_of(self, edits: Iterable[int]) -> Group:
        """The newest group that has done or undone one of some edits."""
        return self._groups[self._place(max(self._last[edit] for edit in edits))]

    def last_like(self, group: Group) -> Group:
        """The newest one that has done the same as a group that is not gone: that one, or what has done it again."""
        return self._groups[self._place(self._last[self._kin[group.number][0]])]

    def brings_back(self, group: Group, taken: int) -> bool:
        """Whether a group undoes what another one has done, itself or by another way; that one may be dropped."""
        edit, is_undone = self._kin[group.number]
        return group.undoes == taken or self._kin.get(taken) == (edit, not is_undone)

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

    def weave(self, target: Group) -> Weave:
        """What was made of the text since the edit was done that a group does or undoes, which is not gone.

        With each edit that was undone or done again since then, it has that edit too, if the log has.
        """
        edit = self._kin[target.number][0]
        if (begin := self.numbered(edit)) is not None:
            found = [begin, *self.after(begin)]
            if self._edits(found) <= {group.number for group in found}:
                return self._follow(Weave(), found)
        while self._place(edit) > 0 and (oldest := min(self._edits(self._groups[self._place(edit) :]))) < edit:
            edit = oldest
        whole = self._whole
        if whole is None or edit < whole.first or whole.last.spans is not whole.spans:
            begin = self._groups[max(self._place(edit), 0)]
            whole = self._whole = _Whole(edit, self._follow(Weave(), [begin]), begin, begin.spans)
        self._follow(whole.weave, self._groups[self._place(whole.last.number) + 1 :])
        whole.last = self._groups[-1]
        whole.spans = whole.last.spans
        return whole.weave

    def _follow(self, weave: Weave, groups: list[Group]) -> Weave:
        for group in groups:
            weave.follow(group.spans, *self._kin[group.number])
        return weave

    def _edits(self, groups: list[Group]) -> set[int]:
        return {self._kin[group.number][0] for group in groups}

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
    newest = log.last_like(target)
    since = log.after(newest)
    spans = _against(newest.spans) if not since else _woven(target, newest, since, log)
    removed = _parts(newest.before, [(start, end) for start, end, _size in newest.spans], [size for *_, size in spans])
    if not since and len(spans) > APART:  # between the spans all is as it was
        first, last = newest.spans[0][0], newest.spans[-1][1]
        return [(spans[0][0], spans[-1][1], rope.part(newest.before, first, last))], spans
    return [(start, end, part) for (start, end, _size), part in zip(spans, removed, strict=True)], spans


def _against(spans: Edit) -> Edit:
    """What takes an edit back that nothing came after."""
    return tuple(
        (first, last, end - start) for (start, end, _size), (first, last) in zip(spans, spans_after(spans), strict=True)
    )


def _woven(target: Group, newest: Group, since: list[Group], log: Log) -> Edit:
    """What takes back a group that others came after; raises `Stale` if that cannot be done."""
    weave = log.weave(newest)
    edit, is_undone = log.kin(newest)
    if others := weave.in_the_way(edit, not is_undone, {log.kin(group)[0] for group in since}):
        raise Stale(_why(target, log.last_of(others)))
    return weave.spans(edit, not is_undone)


def _parts(characters: Rope, spans: Iterable[Selection], sizes: Iterable[int]) -> Iterator[Rope]:
    """The characters of some spans, one span after the other, in parts of these sizes."""
    start = end = 0
    rest = iter(spans)
    for size in sizes:
        part: Rope = None
        missing = size
        while missing:
            while start == end:
                start, end = next(rest)
            length = min(missing, end - start)
            part = rope.concat(part, rope.part(characters, start, start + length))
            start, missing = start + length, missing - length
        yield part


def _why(target: Group, by: Group) -> str:
    return (
        f"{_named(target)} cannot be undone: {by.who} has changed the same place since, "
        f"with {_named(by)}; undo that first"
    )


def _named(group: Group) -> str:
    return f"group {group.number} ({one_line(group.what, LONGEST)})"
