"""Texts: what was a file and what was a buffer.

    t = Text("Dear reader,\\n")
    t.insert(0, 5, "est"); t.write("a line\\n"); t.replace(r"reader", "friend")
    t.lines[10:20]; t.find(r"\\bsnake\\b"); str(t)
    t.undo(); t.redo(); t.history(); t.at("yesterday"); t.blame()

The characters are a rope (`rope.py`), the log of what was done to them a chain of groups (`edits.py`).  Lines and
columns count from 0, and a line ends with "\\n", which does not belong to it.

    _base      the rope; of a burst of typing it has only what came before the last few keys
    _newest    the newest group, and through it those before; what was typed and is not in `_base` yet lies there

so a key that is typed writes one small record, and not the tree.  The log keeps the last 500 to 1,000 groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from BTrees.LOBTree import LOBTree
from persistent import Persistent

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.authors import Author, author_now
from piety.objects.changes import watches_itself
from piety.objects.edits import (
    EDIT,
    REDO,
    UNDO,
    Edit,
    Follower,
    Group,
    Place,
    Selection,
    come_back,
    compose,
    moved,
    spans_after,
    taken_before,
)
from piety.objects.marks import Mark
from piety.objects.reading import Reading, Where
from piety.objects.rope import Rope
from piety.objects.undoing import APART, Change, Log, Stale, inverse

if TYPE_CHECKING:
    from piety.objects.textlog import Blame, History

KEPT = 500  # groups of the log after which those before are dropped, when there are as many again
BURST = 20  # seconds of typing that are undone at once, and changes at different places within them
TYPED = 512  # characters that are typed before the tree gets them
FINE = 10_000  # spans of an edit that are remembered one by one
SETTLE = 100  # groups after which marks are told where they are

__all__ = ["Change", "Past", "Stale", "Text"]


class Past(Reading):
    """A text as it was at another time; it cannot be changed."""

    def __init__(self, rope: Rope, when: float) -> None:
        self._rope, self.when = rope, when

    @property
    def rope(self) -> Rope:
        return self._rope

    def __repr__(self) -> str:
        from piety.objects.moments import shown

        return f"<a text of {shown(self.when)}, {len(self):,} characters>"


@watches_itself
class Text(Reading, Persistent):
    """A text that can be edited, with all that was done to it."""

    name: str | None = None  # in `texts`
    file: str | None = None  # its file on the host
    _stamp: tuple[int, ...] = ()  # what that was like when it was read or written: see `hostfiles.py`
    _saved = 0  # the version that is in the file
    _dropped = 0  # groups that the log has let go
    _checkpoints: tuple[Group, Group] | None = None  # two groups, some `KEPT` apart
    _newest: Group | None = None
    _marks: Any = None  # LOBTree: number -> Mark
    _selections: tuple[tuple[str, int, int, int], ...] = ()  # who, from, to, and the version for which that holds

    def __init__(self, string: str = "", name: str | None = None) -> None:
        self._begin(rope.build([string]))
        if name is not None:
            self.name = name

    def _begin(self, characters: Rope) -> None:
        """Begin with these, and an empty log."""
        self._base: Rope = characters
        self._size = rope.length(characters)
        self._version = 0

    # -- reading

    @property
    def rope(self) -> Rope:
        """The characters, as a rope."""
        now: Rope
        if hasattr(self, "_v_rope"):
            now = self._v_rope  # type: ignore[has-type]
            return now
        now = self._base
        if (group := self._newest) is not None and group.typed:
            for edit, string in zip(group.edits[-len(group.typed) :], group.typed, strict=True):
                now = rope.replace(now, edit[0][0], edit[0][1], rope.build([string]))
        self._v_rope = now
        return now

    def __len__(self) -> int:
        return self._size

    @property
    def version(self) -> int:
        """A number that grows with each edit; see `since`."""
        self._v_is_seen = True
        return self._version

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        lines = len(self.lines)
        shown = rope.string(self.rope, 0, 60).partition("\n")[0]
        return f"<text{name}, {lines:,} line{'s' if lines != 1 else ''}: {shown!r}>"

    # -- editing

    def insert(self, line: int, column: int, string: str) -> None:
        """Insert a string before the character at a line and column."""
        start = self.offset(line, column)
        self.edit([(start, start, string)])

    def delete(self, start: Where, end: Where) -> None:
        """Take out what is between two places."""
        self.edit([(self.offset(*start), self.offset(*end), "")])

    def replace(self, pattern: Any, new: Any, count: int = 0, start: Where = (0, 0), end: Where | None = None) -> int:
        """Put something in place of the matches of a pattern, of the first `count` or of all; how many there were.

        `new` is a template as for `re.sub` ("\\\\1" is the first group of the match), or a function of the match.
        """
        from itertools import islice

        from piety.objects.searching import expanded

        found = self.find_all(pattern, start, end)
        changes = [(each.first, each.last, expanded(each, new)) for each in (islice(found, count) if count else found)]
        self.edit(changes)
        return len(changes)

    def write(self, string: str) -> int:
        """Add a string at the end; so `print(..., file=text)` works."""
        self.edit([(self._size, self._size, string)])
        return len(string)

    def flush(self) -> None:
        """Nothing waits here."""

    def set(self, string: str) -> None:
        """Give the text another content, changing only the lines that differ."""
        from piety.objects.differing import changes

        self.edit(changes(str(self), string))

    def type(self, start: Place, end: Place, string: str, selection: Selection | None = None) -> None:
        """What somebody has typed: it is undone together with what was typed just before and after it."""
        self.edit([(start, end, string)], is_burst=True, selection=selection)

    def edit(
        self,
        changes: Sequence[Change],
        by: str | None = None,
        is_burst: bool = False,
        selection: Selection | None = None,
        what: str | None = None,
    ) -> None:
        """Put something in place of several parts of the text, which are given in order and do not overlap.

        `by` says who does it, if not who the turn is of, and `what` with what, if not with the turn; `selection` is
        what that one has selected afterwards.
        """
        changes = [change for change in changes if change[0] < change[1] or change[2]]
        at = 0
        for start, end, _new in changes:
            if not at <= start <= end <= self._size:
                raise PietyError(f"the text has no part from {start} to {end} of its {self._size} characters")
            at = end
        if changes:
            author = author_now(by, what)
            group = self._group(author, is_burst)
            self._put(group, changes, author)
            self._finish(group, author, selection)

    def separate(self) -> None:
        """Let what is done next be undone by itself, also if it is in the same turn or burst as what was done last."""
        self._v_turn: int | None = None
        if self._newest is not None and self._newest.is_burst:
            self._newest.is_burst = False

    def _group(self, author: Author, is_burst: bool) -> Group:
        """The group to which an edit belongs: the newest one, or a new one."""
        newest = self._newest
        if newest is not None and newest.who == author.who and newest.kind == EDIT:
            is_fresh = author.when - newest.when < BURST and len(newest.edits) < BURST
            if is_burst and newest.is_burst and newest.typed and is_fresh:
                return newest
            if not is_burst and self._is_same_turn(author):
                return newest
        return self._new_group(author, is_burst)

    def _new_group(self, author: Author, is_burst: bool = False, kind: str = EDIT, undoes: int = 0) -> Group:
        newest = self._newest
        self._fold()
        number = 1 if newest is None else newest.number + 1
        if number % SETTLE == 0 and self._marks is not None:
            for mark in self._marks.values():
                mark.settle()
        group = Group(number, newest, self._version, self._base, author.who, author.what)
        if undoes:
            group.kind, group.undoes, group.kin = kind, undoes, self._log().taken_back(undoes)
        group.when = group.until = author.when
        if is_burst:
            group.is_burst = True
        group.selection = self.selection(by=author.who)
        self._newest = group
        if hasattr(self, "_v_log"):
            self._v_log.append(group)
        if number % KEPT == 0:
            self._drop(group)
        return group

    @property
    def _is_seen(self) -> bool:
        """Whether somebody has asked for the version since the last edit, so that the next one needs another."""
        return getattr(self, "_v_is_seen", True)

    def _is_same_turn(self, author: Author) -> bool:
        """Whether the last edit was in the turn that runs."""
        return author.turn is not None and getattr(self, "_v_turn", None) == author.turn

    def _fold(self) -> None:
        """Let the tree have what was typed."""
        self._base = self.rope

    def _drop(self, group: Group) -> None:
        """The log has become long: let go of what comes before the older checkpoint."""
        if self._checkpoints is not None:
            older, newer = self._checkpoints
            self._dropped = older.number - 1
            older.previous = None
            self._log().drop(older.number)
            self._checkpoints = (newer, group)
        else:
            self._checkpoints = (group, group)

    def _put(self, group: Group, changes: Sequence[Change], author: Author) -> None:
        """Do the changes, and write them into the group."""
        if len(changes) == 1 and type(changes[0][2]) is str:
            start, end, string = changes[0]
            if self._type(group, start, end, string, group.is_burst or self._is_same_turn(author)):
                return
        self._write(group, _as_edit(changes), _replaced(self.rope, changes))

    def _write(self, group: Group, edit: Edit, now: Rope) -> None:
        """Write an edit into the group, and what it gives into the tree."""
        group.add(edit)
        group.typed = ()
        self._base = self._v_rope = now
        self._size = rope.length(now)
        self._version += 1

    def _type(self, group: Group, start: Place, end: Place, string: str, goes_on: bool) -> bool:
        """Write a small change into the group alone; False if the tree is to have it now."""
        typed = group.typed
        if sum(map(len, typed)) + len(string) > TYPED or (group.edits and not typed):
            return False
        last = group.edits[-1][0] if typed else None
        is_behind = last is not None and last[0] == last[1] and start == end == last[0] + last[2]
        if goes_on and last is not None and is_behind and not self._is_seen:
            self._keep_selections(((start, end, len(string)),))
            group.edits = (*group.edits[:-1], ((last[0], last[1], last[2] + len(string)),))
            group.typed = (*typed[:-1], typed[-1] + string)
        else:
            if len(typed) >= BURST:
                return False
            group.add(((start, end, len(string)),))
            group.typed = (*typed, string)
            self._version += 1
        self._size += len(string) - (end - start)
        if hasattr(self, "_v_rope"):
            del self._v_rope
        return True

    def _finish(self, group: Group, author: Author, selection: Selection | None) -> None:
        """An edit is done, and its author has selected this."""
        group.until = max(group.until, author.when)
        group.selected = selection
        self._v_turn = author.turn
        self._v_is_seen = False
        self._select(author.who, selection)
        self._p_changed = True  # also if all is in the group: who watches the text is told

    # -- undoing

    def undo(self, by: str | None = None, group: int | None = None) -> None:
        """Take back the last thing that somebody has done here, or a group by its number.

        As in Emacs, that is an edit like another: called again it takes back the one before, and when something else
        was done in between, what was undone is done again.  Without `by` it is who the turn is of, and what others have
        done stays.  Raises `Stale` if one of them has changed what is to be taken back, and `PietyError` if there is
        nothing.
        """
        author, log = author_now(by), self._log()
        if group is not None:
            target = self._numbered(group)
        else:
            found = log.next_to_undo(author.who)
            if found is None:
                raise PietyError(f"nothing to undo: {author.who} has changed nothing here{self._as_far()}")
            target = found
        self._take_back(target, UNDO, author)

    def redo(self, by: str | None = None) -> None:
        """Do again what `undo` has taken back last; called again, what it has taken back before that."""
        author = author_now(by)
        target = self._log().next_to_redo(author.who)
        if target is None:
            raise PietyError("nothing to redo: what was done last was no undo")
        self._take_back(target, REDO, author)

    def _take_back(self, target: Group, kind: str, author: Author) -> None:
        changes, edit = inverse(target, self._log())
        what = target.what if target.kind == EDIT else target.what.partition(" of ")[2]
        author.what = f"{kind} of {what}"
        group = self._new_group(author, kind=kind, undoes=target.number)
        self._write(group, edit, _replaced(self.rope, changes))
        self._finish(group, author, self._selected_before(target, edit))

    def _selected_before(self, target: Group, undone: Edit) -> Selection | None:
        """Where that is, now that a group was undone, which its author had selected before it."""
        if target.selection is None:
            return None
        start, end = (self._place_before(place, target, undone) for place in target.selection)
        return start, end

    def _place_before(self, place: Place, target: Group, undone: Edit) -> Place:
        if (offset := taken_before(place, target.spans, after=False)) is not None:  # it was in what is there again
            return come_back(offset, undone, after=False)
        return self.moved(moved(place, target.spans), target.version + len(target.edits))

    def groups(self) -> Iterator[Group]:
        """The groups of the log, from the newest on."""
        group = self._newest
        while group is not None:
            yield group
            group = group.previous

    def _log(self) -> Log:
        """The groups by number; made when first asked for."""
        log: Log
        if hasattr(self, "_v_log"):
            log = self._v_log  # type: ignore[has-type]
            return log
        log = self._v_log = Log(self._newest)
        return log

    def _numbered(self, number: int) -> Group:
        if (group := self._log().numbered(number)) is not None:
            return group
        raise PietyError(f"there is no group {number} in the log{self._as_far()}; t.history() shows those that are")

    def _as_far(self) -> str:
        return f", which has dropped the first {self._dropped}" if self._dropped else ""

    # -- what others look at

    def since(self, version: int) -> list[Changed]:
        """What has changed since a version, as parts of the text of now, from the top on.

        So whoever shows a text, or keeps something about its lines, need not compare texts.  If the log does not reach
        back so far, everything has changed.
        """
        if version == self.version:
            return []
        found = self._back_to(version)
        if found is None:
            return [Changed(0, rope.breaks(self.rope) + 1, None)]
        before, spans = found
        rows: list[list[int]] = []  # of each part the first and last line in the text of then, and in that of now
        for (start, end, _size), (first, last) in zip(spans, spans_after(spans), strict=True):
            lines = [rope.line_of(before, start), rope.line_of(before, end)]
            lines += [rope.line_of(self.rope, first), rope.line_of(self.rope, last)]
            if rows and lines[0] <= rows[-1][1]:  # they touch the same line
                rows[-1][1::2] = lines[1::2]
            else:
                rows.append(lines)
        return [Changed(now, last - now + 1, then - was + 1) for was, then, now, last in rows]

    def _back_to(self, version: int) -> tuple[Rope, Edit] | None:
        """The rope of a version, and what was done to it since; None if it is not known any more."""
        edits: list[Edit] = []
        for group in self.groups():
            if group.version > version:
                edits[:0] = group.edits
                continue
            first = version - group.version
            before = group.before
            if first and first > len(group.edits):
                return None
            if first:
                if len(group.typed) != len(group.edits):
                    return None
                for edit, string in zip(group.edits[:first], group.typed, strict=False):
                    before = rope.replace(before, edit[0][0], edit[0][1], rope.build([string]))
            edits[:0] = group.edits[first:]
            return before, compose(edits)
        return None

    def mark(self, line: int, column: int = 0, after: bool = False) -> Mark:
        """A place that moves with the edits of anybody.

        It stays before what is inserted just there, or with `after` behind it.
        """
        place = self.offset(line, column)
        if self._marks is None:
            self._marks = LOBTree()
        number = self._marks.maxKey() + 1 if self._marks else 1
        mark = self._marks[number] = Mark(self, number, place, self.version, after)
        return mark

    def marks(self) -> list[Mark]:
        """All marks that were not forgotten."""
        return list(self._marks.values()) if self._marks is not None else []

    def select(self, start: Where, end: Where, by: str | None = None) -> None:
        """Select what is between two places; the second is where the cursor stands."""
        self._select(author_now(by).who, (self.offset(*start), self.offset(*end)))

    def selection(self, by: str | None = None) -> Selection | None:
        """The numbers of the characters between which somebody has selected what is there; None if nobody has."""
        who = author_now(by).who
        for each, start, end, version in self._selections:
            if each == who:
                return self.moved(start, version), self.moved(end, version)
        return None

    def _select(self, who: str, selection: Selection | None) -> None:
        if selection is not None:
            others = tuple(each for each in self._selections if each[0] != who)
            self._selections = (*others, (who, *selection, self._version))

    def _keep_selections(self, edit: Edit) -> None:
        """Move those that are of this version, as the edit gets none of its own."""
        if any(version == self._version for _who, _start, _end, version in self._selections):
            self._selections = tuple(
                (who, moved(start, edit), moved(end, edit), version)
                if version == self._version
                else (who, start, end, version)
                for who, start, end, version in self._selections
            )

    def moved(self, place: Place, version: int, after: bool = False) -> Place:
        """Where a place of an earlier version is now."""
        now = Follower(self._log, place, after)
        for group, first in self.done_since(version):
            now.follow(group, first)
        return min(now.place, self._size)

    def edits_since(self, version: int) -> list[Edit]:
        """The edits since a version, as far back as the log goes."""
        return [edit for group, first in self.done_since(version) for edit in group.edits[first:]]

    def done_since(self, version: int) -> list[tuple[Group, int]]:
        """The groups since a version, as far back as the log goes; of each the number of its first edit after it."""
        found: list[tuple[Group, int]] = []
        for group in self.groups():
            found.append((group, max(version - group.version, 0)))
            if group.version <= version:
                break
        return found[::-1]

    # -- the past

    def history(self) -> History:
        """What was done to the text: who, what, when; the newest first."""
        from piety.objects.textlog import History

        return History(self)

    def at(self, when: Any) -> Past:
        """The text as it was at a time: a datetime, seconds since the epoch, or words such as "yesterday".

        Raises `PietyError` if the log does not reach back so far.
        """
        from piety.objects.moments import moment

        then = moment(when)
        now = self.rope
        for group in self.groups():
            if group.when <= then:
                return Past(now, then)
            now = group.before
        if self._dropped:
            raise PietyError(f"that is before the log of this text begins: it has dropped {self._dropped} groups")
        return Past(now, then)

    def blame(self) -> Blame:
        """Who has changed each line last, with what, and when."""
        from piety.objects.textlog import Blame

        return Blame(self)

    # -- its file on the host

    def save(self, path: str | None = None, force: bool = False) -> int:
        """Write the text to its file, or to another one, which is its file from then on; the bytes.

        The file is replaced at once, or not at all.  Raises `PietyError` if it cannot be written, or (without `force`)
        if somebody else has changed it since it was read or written here.
        """
        from piety.objects import hostfiles

        return hostfiles.save(self, path, force)

    @property
    def is_saved(self) -> bool:
        """Whether nothing was done to it since it was read from its file or written there, if it has one."""
        return self.file is None or self._saved == self._version

    def reload(self, path: str | None = None) -> None:
        """Take what is in its file now, or in another one, which is its file from then on.

        Raises `PietyError` if that cannot be read.
        """
        from piety.objects import hostfiles

        hostfiles.reload(self, path)


class Changed:
    """A part of a text that is new: its first line, how many lines there are now, and how many were there before.

    The last is None if that is not known; then the whole text is new.  The characters behind the last line end count as
    a line here, also if there are none.
    """

    def __init__(self, line: int, added: int, removed: int | None) -> None:
        self.line, self.added, self.removed = line, added, removed

    def __repr__(self) -> str:
        return f"<from line {self.line} on: {self.added} in place of {self.removed}>"


def _replaced(now: Rope, changes: Sequence[Change]) -> Rope:
    """A rope with several changes."""
    if len(changes) <= APART:
        for start, end, new in reversed(changes):
            now = rope.replace(now, start, end, rope.build([new]) if type(new) is str else new)
        return now
    first, last = changes[0][0], changes[-1][1]
    return rope.replace(now, first, last, rope.build(_region(now, changes)))


def _region(now: Rope, changes: Sequence[Change]) -> Iterator[str]:
    at = changes[0][0]
    for start, end, new in changes:
        yield from rope.chunks(now, at, start) if at < start else ()
        yield from (new,) if type(new) is str else rope.chunks(new)
        at = end


def _as_edit(changes: Sequence[Change]) -> Edit:
    spans = [(start, end, len(new) if type(new) is str else rope.length(new)) for start, end, new in changes]
    if len(spans) > FINE:
        step = -(-len(spans) // FINE)
        spans = list(_coarser(spans, step))
    return tuple(spans)


def _coarser(spans: list[tuple[int, int, int]], step: int) -> Iterable[tuple[int, int, int]]:
    for number in range(0, len(spans), step):
        some = spans[number : number + step]
        start, end = some[0][0], some[-1][1]
        yield start, end, end - start + sum(size - (last - first) for first, last, size in some)
