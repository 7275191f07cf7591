"""Where a session of `ed` is in a text: the current line, marks, and what `u` would take back.

    Place      all that, for one text; every edit of the session goes through it
    Change     what the last command did
    ToVisit    the lines that a global command has still to visit

Others may edit the text from turn to turn, so a place follows what they have done.
"""

from bisect import bisect_right

from persistent import Persistent

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.drafts import Draft


class EdError(PietyError):
    """Why a command was not done, in the words of GNU ed; what more there is to tell about a file is in `aside`."""

    def __init__(self, reason, aside=""):
        super().__init__(reason)
        self.aside = aside


class Change(Persistent):
    """What the last command did to a text, for `u`: the groups of its log, and how it was in the session before."""

    def __init__(self, place):
        self.since = place.newest  # the group of the log before it
        self.groups = ()
        self.is_something = False  # to take back
        self.version = None  # of the text afterwards
        self.current, self.was_modified = place.current, place.is_modified
        self.marks = dict(place.marks)  # but for those that are set afterwards


class Place(Persistent):
    """Where a session is in one text: the current line, marks, the name of its file, and what `u` would take back.

    Lines are counted from 1; 0 is before the first.  Between turns `places` has the characters with which they begin,
    so that they stay with their lines whoever else edits the text.
    """

    def __init__(self, text, file=""):
        self.text = text
        self.file = file or text.file or ""
        self.what = "ed"  # the command that is done
        self.current = 0
        self.after = None  # while lines of text are typed: behind which line the next one comes
        self.marks = {}  # by letter
        self.to_visit = None  # by a global command
        self.saved = text.version if text.is_saved else None  # the version that is in the file
        self.change = Change(self)
        self.was_cut = self.end_last_line()
        self.current = self.last
        self.settle()

    @property
    def last(self):
        return rope.breaks(self.text.rope)

    @property
    def newest(self):
        """The number of the newest group of the log."""
        return next((group.number for group in self.text.groups()), 0)

    @property
    def is_unsaved(self):
        """Whether it is a file or a module that is not as it was edited."""
        return self.is_modified and bool(self.file or isinstance(self.text, Draft))

    @property
    def is_modified(self):
        return self.text.version != self.saved

    @is_modified.setter
    def is_modified(self, is_modified):
        self.saved = None if is_modified else self.text.version

    def start(self, line):
        """The number of the character with which a line begins."""
        return rope.start_of_line(self.text.rope, line - 1)

    def lines(self, first, last):
        return self.text.lines.between(first - 1, last)

    def part(self, first, last):
        """Some lines, to be put somewhere: nothing is copied."""
        return rope.part(self.text.rope, self.start(first), self.start(last + 1))

    # -- from turn to turn

    def catch_up(self):
        """A turn begins: follow what others did to the text since the last one."""
        if self.text.version == self.version:
            return
        self.end_last_line()
        now = {key: self.line_at(self.text.moved(place, self.version, True)) for key, place in self.places.items()}
        self.current = now.pop(".", 0)
        self.after = now.pop(">", 0) if self.after is not None else None
        self.marks = {letter: line for letter, line in now.items() if line}
        if self.to_visit is not None:
            self.to_visit = None
            raise EdError("Somebody else has changed the text")

    def line_at(self, place):
        return min(rope.line_of(self.text.rope, place) + 1, self.last)

    def settle(self):
        """A turn ends."""
        named = {".": self.current, ">": self.after, **self.marks}
        places = {key: self.start(line) for key, line in named.items() if line}
        self.places, self.version = places, self.text.version

    def go_back(self):
        """Begin where this person was in the text last."""
        if (selection := self.text.selection()) is not None:
            self.current = self.line_at(selection[1])
            self.settle()

    def keep(self):
        """See to it that `go_back` finds the current line."""
        place = self.start(self.current)
        if self.text.selection() != (place, place):
            here = self.text.where(place)
            self.text.select(here, here)

    def recover(self):
        """The text is as it was before the turn."""
        self.after, self.marks, self.saved = None, {}, None
        self.end_last_line()
        self.current = min(self.current, self.last)
        self.change = Change(self)
        self.settle()

    def end_last_line(self):
        """See to it that the last line has an end; whether it had none."""
        text = self.text
        if is_cut := len(text) > 0 and not text.ends_with_newline:
            was_modified = self.is_modified
            text.edit([(len(text), len(text), "\n")], what=self.what)
            self.is_modified = was_modified
        return is_cut

    # -- edits

    def begin_change(self):
        """A command begins that `u` will take back."""
        self.text.separate()
        self.change = Change(self)

    def put(self, first, last, new, count, is_typed=False):
        """Put something, which has so many lines, in place of the lines behind line `first`, up to `last`."""
        self.edit([(self.start(first + 1), self.start(last + 1), new)], is_typed)
        self.follow(first, last, count)

    def move(self, first, last, to):
        """Put the lines from `first` to `last` behind line `to`; they keep their marks, and are visited no more."""
        count = last - first + 1
        if first - 1 <= to <= last:
            if self.to_visit is not None:
                self.to_visit.follow(first - 1, last, count)
            self.current, self.is_modified = last, True
            return
        start, end, there, lines = self.start(first), self.start(last + 1), self.start(to + 1), self.part(first, last)
        self.edit([(start, end, ""), (there, there, lines)] if to > last else [(there, there, lines), (start, end, "")])
        carried = {letter: line - first for letter, line in self.marks.items() if first <= line <= last}
        self.follow(first - 1, last, 0)
        behind = to - count if to > last else to
        self.follow(behind, behind, count)
        self.marks = {**self.marks, **{letter: behind + 1 + offset for letter, offset in carried.items()}}
        self.current = behind + count

    def edit(self, changes, is_typed=False):
        self.text.edit(changes, is_burst=is_typed, what=self.what)
        self.note()

    def note(self):
        """What the log has got last belongs to this change."""
        change = self.change
        change.is_something, change.version = True, self.text.version
        if self.newest > change.since and self.newest not in change.groups[-1:]:
            change.groups = (*change.groups, self.newest)

    def follow(self, first, last, count):
        """The lines behind line `first`, up to `last`, have become `count` others."""
        if self.to_visit is not None:
            self.to_visit.follow(first, last, count)
        if self.marks:
            shift = count - (last - first)
            kept = {letter: line for letter, line in self.marks.items() if not first < line <= last}
            self.marks = {letter: line + shift * (line > first) for letter, line in kept.items()}

    def set_mark(self, letter, line):
        self.marks = {**self.marks, letter: line}
        self.change.marks = {each: line for each, line in self.change.marks.items() if each != letter}

    def undo(self):
        """Take back the last change; that can be taken back itself."""
        change, version = self.change, self.text.version
        if not change.is_something:
            raise EdError("Nothing to undo")
        marks = {letter: self.text.mark(line - 1, after=True) for letter, line in self.marks.items()}
        self.begin_change()
        try:
            for number in reversed(change.groups):
                self.text.undo(group=number)
                self.note()
        except PietyError:  # others have changed the same place
            if not self.change.groups:
                self.change = change
            raise
        finally:
            self.current = min(self.current, self.last)
            self.marks = {letter: mark.line + 1 for letter, mark in marks.items() if not mark.is_gone}
            for mark in marks.values():
                mark.forget()
        self.change.is_something = True
        if version == change.version:  # else others have edited it since, and its lines have other numbers
            self.current, self.is_modified = change.current, change.was_modified
            self.marks |= change.marks


class ToVisit:
    """The lines that a global command has still to visit.  Their numbers follow the edits."""

    def __init__(self, lines):
        self.lines = lines  # in order: what is moved or put in is not visited
        self.visited = 0
        self.shift = 0  # of all that are not visited yet

    def next(self):
        """The next line; 0 at the end."""
        if self.visited >= len(self.lines):
            return 0
        self.visited += 1
        return self.lines[self.visited - 1] + self.shift

    def follow(self, first, last, count):
        shift = count - (last - first)
        low = bisect_right(self.lines, first - self.shift, self.visited)
        high = bisect_right(self.lines, last - self.shift, low)
        if low == self.visited:  # all that is still to visit lies below: nothing is copied
            self.visited = high
            self.shift += shift
        else:
            self.lines[low:] = [line + shift for line in self.lines[high:]]
