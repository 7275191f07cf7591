"""What of a text is on the screen, and what was typed there.

    Window      a part of a text as it is, made on the turn thread
    Typed       one change that a person has typed, in the text as that person saw it
    Sheet       the window with what was typed since, at the person's end: a key is on the screen at once, also while a
                turn runs for a minute
    Writer      the other end, on the turn thread: it does what was typed, beside what others do to the text

Others may edit the text meanwhile.  What is typed is moved past what the person had not seen yet, and what others did
past what was typed, as in operational transformation (Ellis and Gibbs, "Concurrency control in groupware systems",
1989).  The text in the image decides: each answer brings a window of it, and what is not answered yet is put on top.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import count
from typing import NamedTuple

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import Edit, Place, Selection, moved
from piety.objects.rope import Rope
from piety.objects.texts import Text

LINES = 200  # above the cursor and below it
_EPOCHS = count(1)  # each writer begins one of its own
KEPT = 50_000  # edits of others that are known
MOST = 50_000  # characters before it and behind it: of one long line there are no more


class Window(NamedTuple):
    """A part of a text."""

    text: str
    start: Place = 0  # the number of its first character
    line: int = 0  # and of the line in which that stands
    lines: int = 1  # of the whole text; what is behind the last line end counts as one
    size: int = 0  # characters of the whole text
    epoch: int = 0  # another one says that how places have moved is not known, and what was typed is not in it
    answered: int = 0  # the number of the last change that was typed and is in it
    others: tuple[Edit, ...] = ()  # what others have done
    first: int = 0  # the number of the first of that
    selection: Selection | None = None  # where the cursor is to go

    def has(self, place: Place) -> bool:
        """Whether a place is in it, or at its end."""
        return self.start <= place <= self.start + len(self.text)


def window_of(characters: Rope, around: Place, lines: int = LINES) -> Window:
    """The part of a text around a place."""
    size = rope.length(characters)
    around = max(min(around, size), 0)
    here = rope.line_of(characters, around)
    start = max(rope.start_of_line(characters, max(here - lines, 0)), around - MOST)
    end = min(rope.start_of_line(characters, here + lines + 1), around + MOST)
    text = rope.string(characters, start, end)
    return Window(text, start, rope.line_of(characters, start), rope.breaks(characters) + 1, size)


class Typed(NamedTuple):
    """A string that was typed in place of the characters from `start` to `end`."""

    number: int
    start: Place
    end: Place
    string: str
    known: int = 0  # how much of what others had done was known to who typed it
    epoch: int = 0  # in which that is so; see `Window`

    def past(self, edit: Edit) -> Typed:
        """The same in a text in which somebody else has done this before."""
        start = moved(self.start, edit, after=True)
        return self._replace(start=start, end=max(start, moved(self.end, edit)))

    def before(self, edit: Edit) -> Edit:
        """What somebody else has done, in a text in which this was typed before."""
        own: Edit = ((self.start, self.end, len(self.string)),)
        return tuple((moved(start, own), moved(end, own), size) for start, end, size in edit)


class Sheet:
    """A window, with what was typed since; `place` is where the cursor stands, `anchor` where the selection began."""

    def __init__(self) -> None:
        self.window = Window("")
        self.text = ""  # the window with all that was typed
        self.starts = [0]  # where each line of it begins, in the text
        self.pending: list[Typed] = []
        self.place: Place = 0
        self.anchor: Place = 0
        self.known = 0  # how much of what others have done is in it
        self._number = 0

    def type(self, start: Place, end: Place, string: str) -> Typed:
        """Type a string in place of these characters of the window; the cursor stands behind it."""
        self._number += 1
        typed = Typed(self._number, start, end, string, self.known, self.window.epoch)
        self.pending.append(typed)
        self._put(typed)
        self._split()
        self.place = self.anchor = start + len(string)
        return typed

    def forget(self) -> None:
        """What was typed and is not answered came to nothing."""
        self.pending, self.known = [], 0

    def marked(self) -> Typed:
        """What is selected, for one who looks for it later."""
        return Typed(0, *self.selection, "", self.known)

    def take(self, window: Window) -> None:
        """The text is now so."""
        if window.epoch != self.window.epoch:
            self.pending, self.known = [], window.first + len(window.others)
        else:
            self.pending = [each for each in self.pending if each.number > window.answered]
            for other in window.others[max(self.known - window.first, 0) :]:
                edit = other
                for at, typed in enumerate(self.pending):
                    past, edit = typed.past(edit), typed.before(edit)
                    self.pending[at] = past
                self.place, self.anchor = moved(self.place, edit), moved(self.anchor, edit)
            self.known = max(self.known, window.first + len(window.others))
        if window.selection is not None and not self.pending:
            self.anchor, self.place = window.selection
        self.window, self.text = window, window.text
        for typed in self.pending:
            self._put(typed)
        self._split()
        size = window.size + len(self.text) - len(window.text)
        self.place, self.anchor = min(self.place, size), min(self.anchor, size)  # they may lie outside of the window

    def _put(self, typed: Typed) -> None:
        begin = self.window.start
        start, end = max(typed.start - begin, 0), max(typed.end - begin, 0)
        self.text = self.text[:start] + typed.string + self.text[end:]

    def _split(self) -> None:
        self.starts = [0]
        at = self.text.find("\n")
        while at >= 0:
            self.starts.append(at + 1)
            at = self.text.find("\n", at + 1)

    # -- places

    @property
    def end(self) -> Place:
        """The place behind the last character of the window."""
        return self.window.start + len(self.text)

    @property
    def last_line(self) -> int:
        """The number of the last line of the text, as far as it is known."""
        known = sum(each.string.count("\n") for each in self.pending)
        return max(self.window.lines - 1 + known, self.window.line + len(self.starts) - 1)

    def line_of(self, place: Place) -> int:
        """The number of the line in which a place is; the nearest of the window, if it has that place not."""
        return self.window.line + max(bisect_right(self.starts, place - self.window.start) - 1, 0)

    def start_of(self, line: int) -> Place:
        """Where a line begins; the nearest of the window, if it has that line not."""
        return self.window.start + self.starts[max(min(line - self.window.line, len(self.starts) - 1), 0)]

    def end_of(self, line: int) -> Place:
        """Where a line of the window ends."""
        at = line - self.window.line + 1
        return self.window.start + self.starts[at] - 1 if 0 < at < len(self.starts) else self.end

    def has_line(self, line: int) -> bool:
        """Whether a line is in the window."""
        return 0 <= line - self.window.line < len(self.starts)

    def line(self, line: int) -> str:
        """The characters of a line; nothing if the window has it not."""
        if not self.has_line(line):
            return ""
        return self.part(self.start_of(line), self.end_of(line))

    def part(self, start: Place, end: Place) -> str:
        """The characters between two places of the window."""
        return self.text[max(start - self.window.start, 0) : max(end - self.window.start, 0)]

    @property
    def has_cursor(self) -> bool:
        """Whether the cursor is in the window."""
        return self.window.start <= self.place <= self.end

    @property
    def selection(self) -> Selection:
        """The selection, from its beginning to its end."""
        return min(self.anchor, self.place), max(self.anchor, self.place)

    @property
    def selected(self) -> str:
        """The characters that are selected."""
        return self.part(*self.selection)


class Writer:
    """Does what was typed at one place to a text; only on the turn thread.

    `others` are the edits that the person has not seen when typing what comes next.
    """

    def __init__(self) -> None:
        self._text: Text | None = None
        self._version = -1
        self._newest: tuple[int, float] | None = None  # the newest group of its log: an earlier state has another one
        self._last: tuple[Place, int] = (0, 0)  # around which place a part was asked for, and what was known
        self.epoch = next(_EPOCHS)
        self._others: list[Edit] = []
        self._first = 0  # the number of the first of them
        self._answered = 0

    def type(self, text: Text, typed: Typed) -> None:
        """Do to a text what was typed; called in a turn.

        Raises `PietyError` if the text was given another state meanwhile, so that nobody knows where it belongs.
        """
        self._follow(text)
        if (typed.epoch and typed.epoch != self.epoch) or typed.known < self._first:
            lost = f"; what was typed is not in it: {typed.string!r}" if typed.string else ""
            raise PietyError(f"the text was given another state meanwhile{lost}")
        self._forget(typed.known - self._first)  # nobody will type without knowing of these
        for at in range(len(self._others)):
            edit = self._others[at]
            self._others[at] = typed.before(edit)
            typed = typed.past(edit)
        start, end = min(typed.start, len(text)), min(typed.end, len(text))
        behind = start + len(typed.string)
        text.type(start, end, typed.string, (behind, behind))
        self._version, self._answered = text.version, typed.number

    def window(self, text: Text, around: Place, known: int, selection: Selection | None = None) -> Window:
        """The part of a text around a place, for one who knows so much of what others have done."""
        self._follow(text)
        self._last = around, known
        others = tuple(self._others[max(known - self._first, 0) :])
        for edit in others:
            around = moved(around, edit)
        around = around if selection is None else selection[1]
        return window_of(text.rope, around)._replace(
            epoch=self.epoch, answered=self._answered, others=others, first=max(known, self._first),
            selection=selection,
        )  # fmt: skip

    def _forget(self, count: int) -> None:
        count = min(max(count, 0), len(self._others))
        del self._others[:count]
        self._first += count

    def again(self, text: Text) -> Window | None:
        """The part of a text that was asked for last, as it is now; None if it was one of another text."""
        return self.window(text, *self._last) if text is self._text else None

    def place(self, text: Text, typed: Typed) -> Selection:
        """Where something is now that a person has seen at another place; called in a turn."""
        self._follow(text)
        for edit in self._others[max(typed.known - self._first, 0) :]:
            typed = typed.past(edit)
        return min(typed.start, len(text)), min(typed.end, len(text))

    def _follow(self, text: Text) -> None:
        """Learn what others have done; of another text, or an earlier state of it, that is not known."""
        version = text.version
        if text is not self._text or version < self._version or not self._is_known(text):
            if self._text is not None:
                self.epoch = next(_EPOCHS)
            self._text, self._version = text, version
            self._forget(len(self._others))
        elif version > self._version:
            self._others += text.edits_since(self._version)
            self._version = version
            self._forget(len(self._others) - KEPT)
        newest = next(iter(text.groups()), None)
        self._newest = None if newest is None else (newest.number, newest.when)

    def _is_known(self, text: Text) -> bool:
        """Whether the log of a text still has the group that was its newest."""
        if self._newest is None:
            return True
        group = next((each for each in text.groups() if self._newest and each.number <= self._newest[0]), None)
        return group is None or (group.number, group.when) == self._newest
