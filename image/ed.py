r"""`ed`, the standard editor: edits a text line by line, with commands of one line each.

    >>> ed(t)                              from now on each line that you type is a command; q leaves
    >>> ed.s(t, "1,$", "apples", "snakes")
    >>> ed.do(t, "/snake/,+2d")

A command is one letter; before it the lines that it is about, after it what else it needs.  Lines are

    3  .  $            a number, the current line, the last one
    /re/  ?re?         the next line, or the one before, in which something matches; // is the last pattern again
    'x                 the line that was marked with kx
    +2  -  .+3         so many lines further down or up
    3,5  ,  %  ;       from line to line; all (twice); from the current one on.  After a ; the line before it is current

and the commands, with the lines that they are about if none are named:

    (.)a (.)i (.,.)c   append, insert, change: the lines that follow, up to a line with only a dot
    (.,.)d             delete                                  (.,.+1)j        join
    (.,.)m(.) (.,.)t(.)    move or copy to behind a line       (.,.)s/re/new/  substitute; flags g, a count, I, l, n, p
    (.,.)y (.)x        yank; put what was yanked, deleted or changed last
    (.,.)p n l         print, with numbers, or unambiguously   (.+1)z12        print a screenful
    (1,$)g/re/commands     do commands at each line that matches; v: that does not; G, V: ask for them at each
    (.)kx              mark                                    u               undo, or redo
    e E f r w W wq     edit another file, give a file name, read, write, append to a file
    b NAME  B FILE...  D   go to another text, open files as texts, let go of this one; b alone lists them
    h H                explain the last ?, or all to come      P               show a prompt, or none
    q Q                leave                                   ($)=            the number of a line
    #                  nothing

Patterns are basic regular expressions (`bre.py`).  POSIX tells the rest, and GNU ed where that leaves things open; the
tests compare the two.  What is different, and why:

  - `!` is refused everywhere: a turn waits for nothing outside.
  - Leaving a text that has no file needs no second `q`: it is kept in the image.
  - `w` asks to be given twice also when somebody else has changed the file since it was read.
  - A file is replaced as a whole, so a full disk keeps the old one; and it always ends with a newline.
  - `\<`, `\b` and the like see the whole line also behind a replacement: `s/\<a/x/g` makes `xa` of `aa`, not `xx`.
  - An alternative in a group takes the first that makes the longest match; GNU's rules for what \1 is then are others.
  - A pattern that would take for ever is given up; GNU goes on for ever.
  - NUL is a character like others.  Bytes that are no UTF-8 are matched by `.` too.
  - `b`, `B` and `D` are not in GNU ed.
"""

import contextlib
import os
import re
import sys
import types
from bisect import bisect_right

import bre
from persistent import Persistent

from piety import Text, job, leave, open_file, texts
from piety.errors import PietyError
from piety.objects import hostfiles, rope

PATIENCE = 2.0  # seconds for a pattern at one line; what is not pathological takes a millisecond even at a long line
WIDTH = 72  # of a line that `l` prints
SCREEN = 22  # lines that `z` prints at first
STRETCH = 5_000  # lines that are searched at once when a search goes up


class EdError(PietyError):
    """Why a command was not done, in the words of GNU ed; what more there is to tell about a file is in `aside`."""

    def __init__(self, reason, aside=""):
        super().__init__(reason)
        self.aside = aside


class NeedsMore(Exception):
    """A command goes on in a line that was not typed yet."""


class Typed:
    """What was typed, read from the left; each line in it ends in a newline.

    `first` and `last` are the lines that were named before the letter of a command, `are_named` whether any were.
    """

    def __init__(self, typed, was_warned=False):
        self.typed = typed
        self.at = 0
        self.was_warned = was_warned  # by the command before

    @property
    def next(self):
        """The next character; a newline too where nothing is left."""
        return self.typed[self.at : self.at + 1] or "\n"

    @property
    def is_at_end(self):
        return self.at >= len(self.typed)

    def take(self):
        character, self.at = self.next, self.at + 1
        return character

    def accept(self, characters):
        """Take the next character if it is one of these; else ""."""
        return self.take() if self.next in characters else ""

    def skip_blanks(self):
        while self.accept(" \t\r\f\v"):
            pass

    def number(self):
        start = self.at
        while self.accept("0123456789"):
            pass
        return int(self.typed[start : self.at])

    def line(self):
        """The rest of this line."""
        end = self.typed.index("\n", self.at)
        line, self.at = self.typed[self.at : end], end + 1
        return line

    def long_line(self, joint, may_go_on=True):
        """The rest of this line, and of those on which it goes on because a backslash ends the one before."""
        line = self.line()
        while may_go_on and (len(line) - len(line.rstrip("\\"))) % 2:
            if self.is_at_end:
                raise NeedsMore
            line = line[:-1] + joint + self.line()
        return line

    def pattern(self, delimiter):
        """A pattern, up to its delimiter or the end of the line."""
        start = self.at
        while self.next not in (delimiter, "\n"):
            character = self.take()
            if character == "\\" and self.take() == "\n":
                raise EdError("Trailing backslash (\\)")
            if character == "[":
                self._bracket()
        return self.typed[start : self.at]

    def _bracket(self):
        """Step over [...], in which a delimiter is a character like others."""
        found = re.compile(r"\^?\]?(?:\[([.:=])(?:(?!\1\])[^\n])*\1\]|[^\]\n])*\]").match(self.typed, self.at)
        if not found:
            raise EdError("Unbalanced brackets ([])")
        self.at = found.end()

    def suffix(self):
        """The letters l, n and p that end a command: how to print the current line after it."""
        letters = ""
        while self.next in "lnp" and self.next not in letters:
            letters += self.take()
        if self.take() != "\n":
            raise EdError("Invalid command suffix")
        return letters


# -- where a session is in a text


class Change(Persistent):
    """What the last command did to a text, for `u`: the groups of its log, and how it was in the session before."""

    def __init__(self, place):
        self.since = place.newest  # the group of the log before it
        self.groups = ()
        self.is_something = False  # to take back
        self.version = None  # of the text afterwards
        self.current, self.was_modified = place.current, place.is_modified
        self.marks = place.marks  # but for those that are set afterwards


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
        self.marks = now
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
        """Put the lines from `first` to `last` behind line `to`; their marks stay on them."""
        start, end, there, lines = self.start(first), self.start(last + 1), self.start(to + 1), self.part(first, last)
        self.edit([(start, end, ""), (there, there, lines)] if to > last else [(there, there, lines), (start, end, "")])
        carried = {letter: line - first for letter, line in self.marks.items() if first <= line <= last}
        count = last - first + 1
        self.follow(first - 1, last, 0)
        behind = to - count if to > last else to
        self.follow(behind, behind, count)
        self.marks = {**self.marks, **{letter: behind + 1 + offset for letter, offset in carried.items()}}

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
        for number in reversed(change.groups):
            self.text.undo(group=number)
            self.note()
        self.change.is_something = True
        self.marks = {letter: mark.line + 1 for letter, mark in marks.items() if not mark.is_gone}
        for mark in marks.values():
            mark.forget()
        if version == change.version:
            self.current, self.is_modified = change.current, change.was_modified
            self.marks |= change.marks
        else:  # others have edited it since: its lines have other numbers
            self.current = min(self.current, self.last)


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


# -- patterns


class Substitution(Persistent):
    """What `s` did last: pattern and whether it ignores case, replacement, and flags."""

    is_global = False
    count = 1
    suffix = "p"  # how to print the line,
    prints = False  # if it is printed

    def __init__(self, pattern, replacement):
        self.pattern = pattern
        self.replacement = replacement

    def flags(self, typed):
        """Read g or a count, I, l, n and p: each once, in any order.  Whether there was an I."""
        seen = ""
        while True:
            if typed.next in "0123456789" and "g" not in seen:
                self.count = typed.number()
                if not self.count:
                    raise EdError("Invalid command suffix")
                seen += "g"
            elif typed.next in "gIlnp" and typed.next not in seen:
                seen += typed.take()
                self.is_global |= seen[-1] == "g"
            else:
                break
        if suffix := "".join(each for each in seen if each in "lnp"):
            self.suffix, self.prints = suffix, True
        return "I" in seen

    def changes(self, line):
        """What is to be changed in a line: from where, to where, and what comes there."""
        compiled = compiled_pattern(*self.pattern)
        found, at, seen, offset, is_stuck = [], 0, 0, 0, False
        while (match := compiled.search(line, at, timeout=PATIENCE)) is not None:
            seen += 1
            is_here = self.is_global or seen == self.count
            if is_here:
                found.append((match.start() - offset, match.end() - offset, self.filled(match)))
            if match.end() > at:
                at = match.end()
            else:  # GNU ed does not step over a place where nothing matches
                if self.is_global and is_stuck:
                    raise EdError("Infinite substitution loop")
                is_stuck = True
                if at and not is_here:
                    seen = self.count - 1
                if not at:
                    line, at, offset = "\0" + line, 1, 1  # the start of the line is used up
            if at == len(line) or (found and not self.is_global):
                break
        return found

    def filled(self, match):
        """The replacement of one match."""
        parts = []
        for plain, escaped in re.findall(r"([^\\])|\\(.)", self.replacement, re.DOTALL):
            if plain == "&":
                parts.append(match[0])
            elif escaped and escaped in "123456789" and int(escaped) <= match.re.groups:
                parts.append(match[int(escaped)] or "")
            else:
                parts.append(plain or escaped)
        return "".join(parts)


def compiled_pattern(pattern, ignores_case):
    """A pattern, ready to search."""
    try:
        return bre.compile(pattern, ignores_case)
    except bre.BadPattern as error:
        raise EdError(str(error)) from None


# -- the editor


class Editor(Persistent):
    """A session of `ed`: I take one line at a time.

    `status` is what a program would exit with, `has_ended` tells that it is over.
    """

    def __init__(self, text, is_silent=False, file="", folder=""):
        self.place = Place(text, file)
        self.places = (self.place,)
        self.folder = folder  # in which files are
        self.is_silent = is_silent
        self.status = 0
        self.has_ended = False
        self.reason = ""  # of the last error
        self.explains = False  # each error
        self.prompts = False
        self.was_warned = False  # by the command before
        self.unfinished = ""  # a command that goes on in the next line
        self.input = None  # a text while lines of text are typed: how to print the last one
        self.asking = None  # at each line of a global command that asks: how to print it
        self.answer = None  # the last one
        self.pattern = None  # the last one, and whether it ignores case
        self.substitution = None
        self.replacement = None  # the last one
        self.cut = None  # lines that were yanked, deleted or changed: a rope
        self.screen = SCREEN

    # -- lines that are typed

    def enter(self, line):
        """One line was typed, by a person or a script.  Prints what comes of it; an error is a `?`."""
        try:
            self.run(line)
        except PietyError as error:
            self.tell(error)
            self.status = self.status or 1

    def end(self):
        """No more lines come, for now.  What goes on or is modified keeps the session open until that is said twice."""
        if self.asking is not None or self.unfinished:
            self.tell(EdError("Unexpected end-of-file"))
            self.status = 1
            self.stop()
            return
        if self.input is not None:
            self.run(".")
        elif self.was_warned or not self.is_unsaved:
            self.has_ended = True
        else:
            self.tell(EdError("Warning: buffer modified"))
            self.was_warned, self.status = True, 2

    def interrupt(self):
        """Ctrl-C was typed: what goes on in several lines ends."""
        self.stop()
        self.input = self.place.after = None
        self.tell(EdError("Interrupt"))

    def recover(self):
        """What I did last was undone, as a whole, by somebody who does not know me."""
        self.stop()
        self.input = None
        for place in self.places:
            place.recover()

    @property
    def is_unsaved(self):
        """Whether a file is not as it was edited; what has no file is kept in the image."""
        return any(place.is_modified and place.file for place in self.places)

    def run(self, line):
        """Do what a typed line says.  Raises EdError, or what else a text could not do."""
        was_warned, self.was_warned = self.was_warned, False
        try:
            self.place.catch_up()
            if self.input is not None:
                self.input_line(line)
            elif self.asking is not None:
                self.answer_line(line)
            else:
                self.command_line(line, was_warned)
        except TimeoutError:
            self.stop()
            raise EdError("Pattern takes too long") from None
        except PietyError:
            self.stop()
            raise
        finally:
            self.place.settle()

    def tell(self, error):
        """Show an error."""
        if aside := getattr(error, "aside", ""):
            print(aside, file=sys.stderr)
        self.reason = str(error)
        print("?" if not self.explains else f"?\n{self.reason}")

    @property
    def prompt(self):
        """What to show before the next line is typed."""
        is_command = self.input is None and self.asking is None and not self.unfinished
        return "*" if self.prompts and is_command else ""

    def stop(self):
        """Visit no more lines."""
        self.asking = self.place.to_visit = None
        self.unfinished = ""

    def input_line(self, line):
        place = self.place
        if line != ".":
            self.insert(place.after, line + "\n", 1, is_typed=True)
            place.after = place.current
            return
        suffix, self.input, place.after = self.input, None, None
        self.show_current(suffix)

    def command_line(self, line, was_warned):
        typed = Typed(self.unfinished + line + "\n", was_warned)
        self.unfinished = ""
        before = self.place.current, self.pattern, self.substitution
        try:
            self.command(typed)
        except NeedsMore:
            self.place.current, self.pattern, self.substitution = before
            self.unfinished = typed.typed

    def command(self, typed):
        """Read a command and do it."""
        self.addresses(typed)
        typed.skip_blanks()
        letter = typed.take()
        if letter not in COMMANDS:
            raise EdError("Unknown command")
        typed.letter = letter
        if self.place.to_visit is None:
            self.place.what = f"ed {typed.typed.strip()[:60]}" if letter != "\n" else "ed"
        self.show_current(getattr(self, COMMANDS[letter])(typed))

    # -- addresses

    def addresses(self, typed):
        """The lines before a command: the last two of those that are named."""
        first = last = None
        while True:
            address = self.address(typed)
            separator = typed.accept(",;%")
            if not separator:
                break
            if address is not None:
                first = last = address
                if separator == ";":
                    self.place.current = address
            elif last is None:
                first, last = self.place.current if separator == ";" else 1, self.place.last
            else:
                first = last
        if address is not None:
            first, last = address if first is None else first, address
        typed.are_named = last is not None
        typed.first, typed.last = (first, last) if typed.are_named else (self.place.current, self.place.current)

    def address(self, typed):
        """One line, or None if none is named."""
        line = None
        while True:
            typed.skip_blanks()
            character = typed.next
            if character in "0123456789":
                line = (line or 0) + typed.number()
            elif character in "+-":
                sign = -1 if typed.take() == "-" else 1
                distance = typed.number() if typed.next in "0123456789" else 1
                line = (self.place.current if line is None else line) + sign * distance
            elif character not in ".$'/?":
                break
            elif line is not None:
                raise EdError("Invalid address")
            else:
                line = self.named_line(typed)
        if line is not None and not 0 <= line <= self.place.last:
            raise EdError("Invalid address")
        return line

    def named_line(self, typed):
        character = typed.take()
        if character == ".":
            return self.place.current
        if character == "$":
            return self.place.last
        if character == "'":
            return self.marked_line(typed.take())
        compiled = self.read_pattern(typed, character)
        return self.find_down(compiled) if character == "/" else self.find_up(compiled)

    def marked_line(self, letter):
        if not "a" <= letter <= "z":
            raise EdError("Invalid mark character")
        if letter not in self.place.marks and self.place.last:
            raise EdError("Invalid address")
        return self.place.marks.get(letter, 0)

    def read_pattern(self, typed, delimiter):
        """A pattern with its end and an I, ready to search; an empty one is the last one again."""
        pattern = typed.pattern(delimiter)
        ignores_case = bool(typed.accept(delimiter) and typed.accept("I"))
        return self.use_pattern(pattern, ignores_case)

    def use_pattern(self, pattern, ignores_case):
        if pattern:
            compiled = compiled_pattern(pattern, ignores_case)
            self.pattern = pattern, ignores_case
            return compiled
        if self.pattern is None:
            raise EdError("No previous pattern")
        if ignores_case:
            raise EdError("Suffix 'I' not allowed on empty regexp")
        return compiled_pattern(*self.pattern)

    def matching(self, compiled, first, last):
        """The lines from `first` to `last` in which a pattern matches, in order."""
        seen = 0
        if first <= last:
            for found in self.place.text.find_all(compiled, (first - 1, 0), (last, 0)):
                line = found.start[0] + 1
                if line > seen:
                    yield line
                    seen = line

    def find_down(self, compiled):
        """The next line where something matches, around the end of the text and back to the current one."""
        current, last = self.place.current, self.place.last
        for first, end in ((current + 1, last), (1, current)):
            for line in self.matching(compiled, first, end):
                return line
        raise EdError("No match")

    def find_up(self, compiled):
        current, last = self.place.current, self.place.last
        for first, end in ((1, current - 1), (max(current, 1), last)):
            for top in range(end, first - 1, -STRETCH):
                if found := list(self.matching(compiled, max(first, top - STRETCH + 1), top)):
                    return found[-1]
        raise EdError("No match")

    def lines(self, typed, first=None, last=None):
        """The lines that a command is about, which must be there; `first` to `last` if none were named."""
        if typed.are_named or first is None:
            first, last = typed.first, typed.last
        if not 1 <= first <= last <= self.place.last:
            raise EdError("Invalid address")
        return first, last

    def refuse_addresses(self, typed):
        if typed.are_named:
            raise EdError("Unexpected address")

    # -- commands that print; a command gives the suffix with which the current line is to be printed, if there is one

    def show(self, first, last, suffix):
        """Print lines: with numbers for an n, unambiguously for an l."""
        if first == 0:
            raise EdError("Invalid address")
        for number, line in enumerate(self.place.lines(first, last), first):
            start = f"{number}\t" if "n" in suffix else ""
            print(start + (unambiguous(line) if "l" in suffix else line))
        self.place.current = last

    def show_current(self, suffix):
        if suffix:
            self.show(self.place.current, self.place.current, suffix)

    def print(self, typed):
        first, last = self.lines(typed)
        self.show(first, last, typed.letter + typed.suffix())

    def scroll(self, typed):
        start = self.next_line(typed)
        if typed.next in "123456789":
            self.screen = typed.number()
        self.show(start, min(self.place.last, start + self.screen - 1), typed.suffix())

    def null(self, typed):
        line = self.next_line(typed)
        self.show(line, line, "")

    def next_line(self, typed):
        """The last line that was named, or else the one behind the current one."""
        line = typed.last if typed.are_named else self.place.current + (self.place.to_visit is None)
        if not 1 <= line <= self.place.last:
            raise EdError("Invalid address")
        return line

    def number(self, typed):
        suffix = typed.suffix()
        print(typed.last if typed.are_named else self.place.last)
        return suffix

    def comment(self, typed):
        typed.line()

    # -- commands that edit

    def begin_change(self):
        if self.place.to_visit is None:  # a global command is one change
            self.place.begin_change()

    def insert(self, after, new, count, is_typed=False):
        """Put lines behind a line; the last of them is the current one."""
        self.place.put(after, after, new, count, is_typed)
        self.place.current = after + count

    def delete_lines(self, first, last):
        self.cut = self.place.part(first, last)
        self.place.put(first - 1, last, "", 0)
        self.place.current = first - 1

    def append(self, typed):
        suffix = typed.suffix()
        self.begin_change()
        self.place.current = typed.last
        return self.insert_typed(typed, typed.last, suffix)

    def insert_before(self, typed):
        suffix = typed.suffix()
        self.begin_change()
        self.place.current = typed.last
        return self.insert_typed(typed, max(typed.last - 1, 0), suffix)

    def change(self, typed):
        first, last = self.lines(typed)
        suffix = typed.suffix()
        self.begin_change()
        self.delete_lines(first, last)
        self.place.current = min(first, self.place.last)
        return self.insert_typed(typed, first - 1, suffix)

    def insert_typed(self, typed, after, suffix):
        """Put in the lines that follow: in the list of a global command, or those that are typed from now on."""
        if self.place.to_visit is None:
            self.input, self.place.after = suffix, after
            return ""
        while not typed.is_at_end and (line := typed.line()) != ".":
            self.insert(after, line + "\n", 1)
            after += 1
        return suffix

    def delete(self, typed):
        first, last = self.lines(typed)
        suffix = typed.suffix()
        self.begin_change()
        self.delete_lines(first, last)
        self.place.current = min(first, self.place.last)
        return suffix

    def join(self, typed):
        first, last = self.lines(typed, self.place.current, self.place.current + 1)
        suffix = typed.suffix()
        self.begin_change()
        if first != last:
            line = "".join(self.place.lines(first, last))
            self.delete_lines(first, last)
            self.insert(first - 1, line + "\n", 1)
        return suffix

    def move(self, typed):
        first, last = self.lines(typed)
        to = self.destination(typed)
        if first <= to < last:
            raise EdError("Invalid destination")
        suffix = typed.suffix()
        self.begin_change()
        if first - 1 <= to <= last:
            if self.place.to_visit is not None:
                self.place.to_visit.follow(first - 1, last, last - first + 1)
            self.place.current = last
            self.place.is_modified = True
        else:
            self.place.move(first, last, to)
            self.place.current = to if to > last else to + last - first + 1
        return suffix

    def copy(self, typed):
        first, last = self.lines(typed)
        to = self.destination(typed)
        suffix = typed.suffix()
        self.begin_change()
        self.insert(to, self.place.part(first, last), last - first + 1)
        return suffix

    def destination(self, typed):
        self.addresses(typed)
        return typed.last

    def yank(self, typed):
        first, last = self.lines(typed)
        suffix = typed.suffix()
        self.cut = self.place.part(first, last)
        return suffix

    def put(self, typed):
        suffix = typed.suffix()
        self.begin_change()
        if self.cut is None:
            raise EdError("Nothing to put")
        self.insert(typed.last, self.cut, rope.breaks(self.cut))
        return suffix

    def mark(self, typed):
        letter = typed.take()
        if typed.last == 0:
            raise EdError("Invalid address")
        if letter == "\n":
            raise EdError("Invalid command suffix")
        suffix = typed.suffix()
        if not "a" <= letter <= "z":
            raise EdError("Invalid mark character")
        self.place.set_mark(letter, typed.last)
        return suffix

    def undo(self, typed):
        self.refuse_addresses(typed)
        suffix = typed.suffix()
        if self.place.to_visit is not None:
            self.place.to_visit = ToVisit([])
        self.place.undo()
        return suffix

    # -- substitution

    def substitute(self, typed):
        first, last = self.lines(typed)
        substitution = self.repeated(typed) or self.new_substitution(typed)
        pattern, substitution.pattern = substitution.pattern, self.substitution and self.substitution.pattern
        self.substitution = substitution  # what was read counts, also if the rest is bad
        suffix = typed.suffix()
        compiled = self.use_pattern(*pattern)
        substitution.pattern = self.pattern
        self.begin_change()
        self.substitute_in(compiled, first, last)
        if substitution.prints:
            self.show_current(substitution.suffix)
        return suffix

    def repeated(self, typed):
        """The last substitution again, with what follows the `s` changed: a count, g, p, or r for the last pattern."""
        letters, count = "", None
        while typed.next != "\n":
            if typed.next in "0123456789" and count is None and "g" not in letters:
                count = typed.number()
            elif typed.next in "gpr" and typed.next not in letters and not (typed.next == "g" and count is not None):
                letters += typed.take()
            elif letters or count is not None:
                raise EdError("Invalid command suffix")
            else:
                return None
        last = self.substitution
        if last is None or last.pattern is None:
            raise EdError("No previous substitution")
        again = Substitution(self.pattern if "r" in letters else last.pattern, last.replacement)
        again.suffix, again.prints = last.suffix, last.prints != ("p" in letters)
        if count is not None:
            again.count = count
        elif "g" in letters:
            again.is_global = not last.is_global
        else:
            again.is_global, again.count = last.is_global, last.count
        return again

    def new_substitution(self, typed):
        delimiter = typed.take()
        if delimiter in " \n":
            raise EdError("Invalid pattern delimiter")
        pattern = typed.pattern(delimiter)
        if typed.next == "\n":
            raise EdError("Missing pattern delimiter")
        if not pattern and self.pattern is None:
            raise EdError("No previous pattern")
        typed.take()
        substitution = Substitution((pattern, False), self.read_replacement(typed, delimiter))
        if typed.accept(delimiter):
            substitution.pattern = pattern, substitution.flags(typed)
        else:
            substitution.prints = True
        return substitution

    def read_replacement(self, typed, delimiter):
        """What a substitution puts in, up to its delimiter; a % alone is that of the one before."""
        start = typed.at
        while (character := typed.next) != delimiter:
            is_last = typed.at + 1 == len(typed.typed)
            if character == "\n" and (self.place.to_visit is None or is_last):
                break
            typed.take()
            if character == "\\" and typed.take() == "\n" and typed.is_at_end:
                raise NeedsMore
        if (replacement := typed.typed[start : typed.at]) != "%":
            self.replacement = replacement
        if self.replacement is None:
            raise EdError("No previous substitution")
        return self.replacement

    def substitute_in(self, compiled, first, last):
        """Do the last substitution in some lines."""
        place, changes, lines, error = self.place, [], [], None
        for number in self.matching(compiled, first, last):
            line, start = place.text.lines[number - 1], place.start(number)
            try:
                found = self.substitution.changes(line)
            except EdError as each:  # the lines before it are done
                error = each
                break
            if found:
                changes += [(start + begin, start + end, new) for begin, end, new in found]
                lines.append((number, 1 + sum(new.count("\n") for _begin, _end, new in found)))
        if lines:
            self.cut = place.part(lines[-1][0], lines[-1][0])
            place.edit(changes)
            place.is_modified = True  # also if nothing came in place of nothing
            shift = 0
            for number, count in lines:
                place.follow(number + shift - 1, number + shift, count)
                shift += count - 1
                place.current = number + shift
        if error is not None:
            raise error
        if not lines and place.to_visit is None:
            raise EdError("No match")

    # -- global commands

    def for_each(self, typed):
        """Do commands at each line where something matches, or where nothing does."""
        place = self.place
        if place.to_visit is not None:
            raise EdError("Cannot nest global commands")
        first, last = self.lines(typed, 1, place.last)
        delimiter = typed.take()
        if delimiter in " \n":
            raise EdError("Invalid pattern delimiter")
        compiled = self.read_pattern(typed, delimiter)
        asks = typed.letter in "GV"
        rest = typed.suffix() if asks else typed.long_line("\n") + "\n"
        lines = list(self.matching(compiled, first, last))
        if typed.letter in "vV":
            matching = set(lines)
            lines = [line for line in range(first, last + 1) if line not in matching]
        place.begin_change()
        place.to_visit = ToVisit(lines)
        if asks:
            self.asking, self.answer = rest, None
            self.ask()
            return
        while not self.has_ended and (line := place.to_visit.next()):
            place.current = line
            self.commands(rest)
        place.to_visit = None

    def commands(self, typed):
        """Do a list of commands, each on its line, at the current one."""
        typed = Typed(typed)
        while not typed.is_at_end and not self.has_ended:
            self.command(typed)

    def ask(self):
        """Show the next line of a global command that asks."""
        if not self.has_ended and (line := self.place.to_visit.next()):
            self.place.current = line
            self.show(line, line, self.asking)
            return
        suffix = self.asking
        self.stop()
        if not self.has_ended:
            self.show_current(suffix)

    def answer_line(self, line):
        """Commands were typed at a line of a global command that asks: none, & for the last ones, or new ones."""
        typed = Typed(self.unfinished + line + "\n")
        self.unfinished = ""
        if typed.typed == "&\n":
            if self.answer is None:
                raise EdError("No previous command")
        elif typed.typed != "\n":
            try:
                self.answer = typed.long_line("\n") + "\n"
            except NeedsMore:
                self.unfinished = typed.typed
                return
        if typed.typed != "\n":
            self.commands(self.answer)
        self.ask()

    # -- files

    def file_name(self, typed):
        """The rest of the line, or the name that is remembered."""
        if typed.next not in " \t\n":
            raise EdError("Unexpected command suffix")
        typed.skip_blanks()
        name = typed.long_line("", self.place.to_visit is None)
        if name.startswith("!"):
            raise EdError("Shell access restricted" if typed.letter != "f" else "Invalid redirection")
        if not name and not self.place.file:
            raise EdError("No current filename")
        return name

    def warn(self, typed, reason="Warning: buffer modified"):
        """What could be lost is let go only by a command that is given twice."""
        if not typed.was_warned:
            self.was_warned = True
            raise EdError(reason)

    def edit(self, typed):
        place = self.place
        if typed.letter == "e" and place.is_modified:
            self.warn(typed)
        self.refuse_addresses(typed)
        place.file = self.file_name(typed) or place.file
        path = self.path(place.file)
        place.begin_change()
        place.to_visit = place.to_visit and ToVisit([])
        if os.path.exists(path):
            with explained(place.file):
                place.text.reload(path)
            if place.end_last_line():
                print("Newline appended")
            self.say(size(place.text.rope))
        else:
            place.text.set("")
            place.current, place.marks, self.cut = 0, {}, None
            place.is_modified = False
            raise EdError("Cannot open input file", f"{place.file}: No such file or directory")
        place.current, place.marks, self.cut = place.last, {}, None
        place.is_modified = False
        place.begin_change()

    def name_file(self, typed):
        self.refuse_addresses(typed)
        self.place.file = self.file_name(typed) or self.place.file
        print(unescaped(self.place.file))

    def read(self, typed):
        place = self.place
        name = self.file_name(typed)
        self.begin_change()
        place.file = place.file or name
        was_modified = place.is_modified
        with explained(name or place.file):
            new = rope.build(hostfiles.read(self.path(name or place.file)))
        if new is not None and rope.string(new, rope.length(new) - 1) != "\n":
            new = rope.concat(new, rope.build(["\n"]))
            print("Newline appended")
        count = rope.breaks(new)
        if count:
            self.insert(typed.last if typed.are_named else place.last, new, count)
        else:
            place.current = typed.last if typed.are_named else place.last
        place.is_modified = was_modified or count > 0
        self.say(size(new))

    def write(self, typed):
        place, quits = self.place, typed.accept("qQ")
        if not place.file and typed.next == "\n" and type(place.text).save is not Text.save:
            name = ""
        else:
            name = self.file_name(typed)
        first, last = (1, 0) if not typed.are_named and not place.last else self.lines(typed, 1, place.last)
        place.file = place.file or name
        name = name or place.file
        is_all = last - first + 1 == place.last
        with explained(name, "Cannot open output file"):
            self.say(self.write_lines(typed, name, first, last, is_all))
        if is_all:
            place.is_modified = False
        elif quits == "q" and place.is_modified:
            self.warn(typed)
        self.has_ended = bool(quits)

    def write_lines(self, typed, name, first, last, is_all):
        """Write to a file, or have a text written that knows where to; the bytes."""
        text, path = self.place.text, self.path(name)
        if typed.letter == "W" or not is_all or (name != self.place.file and text.file):
            add = hostfiles.append if typed.letter == "W" else hostfiles.write
            count = add(path, rope.chunks(self.place.part(first, last)))
            hostfiles.is_written(text, path)
            return count
        try:
            return text.save(path if name else None, force=typed.was_warned)
        except hostfiles.ChangedOutside:
            self.was_warned = True
            raise EdError("Warning: the file was changed by somebody else") from None

    def path(self, name):
        return os.path.join(self.folder, os.path.expanduser(unescaped(name)))

    def say(self, number):
        if not self.is_silent:
            print(number)

    # -- the session

    def explain(self, typed):
        self.refuse_addresses(typed)
        suffix = typed.suffix()
        if typed.letter == "H":
            self.explains = not self.explains
        if self.reason and (typed.letter == "h" or self.explains):
            print(self.reason)
        return suffix

    def toggle_prompt(self, typed):
        self.refuse_addresses(typed)
        suffix = typed.suffix()
        self.prompts = not self.prompts
        return suffix

    def quit(self, typed):
        self.refuse_addresses(typed)
        typed.suffix()
        if typed.letter == "q" and self.is_unsaved:
            self.warn(typed)
        self.has_ended = True

    def refuse_shell(self, typed):
        self.refuse_addresses(typed)
        raise EdError("Shell access restricted")

    # -- several texts

    def go_to(self, typed):
        """Make another text the current one, or list them."""
        name = self.names(typed)
        if name:
            self.show_place(text_of(name, self.folder))
            return
        for place in self.places:
            name = place.text.name or place.file or "a text without a name"
            print(f"{'*' if place.is_modified and place.file else ' '}{'.' if place is self.place else ' '} {name}")

    def open_files(self, typed):
        """Open files as texts; the first is the current one."""
        names = self.names(typed).split()
        if not names:
            raise EdError("No current filename")
        opened = [file_of(self.path(name)) for name in names]
        for text in reversed(opened):
            self.show_place(text)
        self.say(size(self.place.text.rope))

    def let_go(self, typed):
        """The current text leaves the session."""
        self.refuse_addresses(typed)
        typed.suffix()
        if len(self.places) == 1:
            raise EdError("No other text")
        if self.place.is_modified and self.place.file:
            self.warn(typed)
        self.places = tuple(place for place in self.places if place is not self.place)
        self.place = self.places[-1]
        self.place.catch_up()

    def names(self, typed):
        self.refuse_addresses(typed)
        if self.place.to_visit is not None:
            raise EdError("Cannot leave a text within a global command")
        if typed.next not in " \t\n":
            raise EdError("Unexpected command suffix")
        return typed.line().strip()

    def show_place(self, text):
        self.place.settle()
        for place in self.places:
            if place.text is text:
                break
        else:
            place = Place(text)
            self.places = (*self.places, place)
        self.place = place
        place.catch_up()


    # -- at the shell

    def be_job(self):
        """Take the lines that are typed at this terminal."""
        self.place.go_back()
        self.job = job(self.typed, name=f"ed {self.place.text.name or ''}".rstrip(), prompt=self.prompt)

    def typed(self, line):
        """The function of my job."""
        version = self.place.text.version
        self.enter(line)
        if self.has_ended or self.place.text.version != version:
            self.place.keep()
        if self.has_ended:
            leave()
        else:
            self.job.prompt = self.prompt


COMMANDS = {
    "a": "append", "c": "change", "d": "delete", "e": "edit", "E": "edit", "f": "name_file", "g": "for_each",
    "G": "for_each", "v": "for_each", "V": "for_each", "h": "explain", "H": "explain", "i": "insert_before",
    "j": "join", "k": "mark", "l": "print", "m": "move", "n": "print", "p": "print", "P": "toggle_prompt",
    "q": "quit", "Q": "quit", "r": "read", "s": "substitute", "t": "copy", "u": "undo", "w": "write", "W": "write",
    "x": "put", "y": "yank", "z": "scroll", "=": "number", "!": "refuse_shell", "#": "comment", "\n": "null",
    "b": "go_to", "B": "open_files", "D": "let_go",
}  # fmt: skip
ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 36: "\\$", 92: "\\\\"}


def unambiguous(line):
    """A line as `l` prints it: byte by byte, folded, with a $ at its end."""
    parts, column = [], 0
    for byte in line.encode("utf-8", "surrogateescape"):
        part = ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
        column += len(part)
        if column > WIDTH:
            parts.append("\\\n")
            column = len(part)
        parts.append(part)
    return "".join(parts) + "$"


def unescaped(name):
    """A file name as it is, without the backslashes with which it was typed."""
    return re.sub(r"\\(.)", r"\1", name)


def size(characters):
    """The bytes of a rope, in a file."""
    return sum(len(chunk.encode("utf-8", "surrogatepass")) for chunk in rope.chunks(characters))


@contextlib.contextmanager
def explained(name, reason="Cannot open input file"):
    """In the block, a file that cannot be read or written is told of in the words of ed."""
    try:
        yield
    except EdError:
        raise
    except PietyError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        if isinstance(error.__cause__, IsADirectoryError) and "input" in reason:
            reason = "Cannot read input file"
        raise EdError(reason, f"{name}: {error.__cause__.strerror}") from None


def text_of(name, folder=""):
    """The text of this name, or of the file of this name."""
    return texts[name] if name in texts else file_of(os.path.join(folder, unescaped(name)))


def file_of(path):
    """The text of a file."""
    with explained(path):
        return open_file(path)


# -- what a shell and a script use


def begin(text, is_silent=False, file="", folder=""):
    """A session on a text, or on that of a name or of a file.  It takes lines with `enter`, and then `end`."""
    if isinstance(text, str):
        file = "" if text in texts else file or text
        text = text_of(text, folder)
    editor = Editor(text, is_silent, file, folder)
    if editor.place.was_cut:
        print("Newline appended")
    if file and not len(text) and not os.path.exists(editor.path(file)):
        print(f"{file}: No such file or directory", file=sys.stderr)
    else:
        editor.say(size(text.rope))
    return editor


def do(text, commands):
    """Do commands on a text, one or many lines of them.  Raises EdError at the first that cannot be done."""
    with scripted(text) as editor:
        for line in commands.split("\n"):
            if editor.has_ended:
                break
            try:
                editor.run(line)
            except EdError as error:
                raise EdError(f"{error}: {error.aside or line}") from None
        if editor.unfinished or editor.asking is not None:
            raise EdError("Unexpected end-of-file")


@contextlib.contextmanager
def scripted(text):
    """A session that begins where this person was in the text last, and is over at the end of the block."""
    editor = Editor(text, is_silent=True)
    editor.place.go_back()
    yield editor
    editor.place.keep()


def a(text, address, lines):
    """Append lines behind one: a list, or a string."""
    put_in(text, f"{address}a", lines)


def i(text, address, lines):
    """Insert lines before one: a list, or a string."""
    put_in(text, f"{address}i", lines)


def c(text, address, lines):
    """Change lines to others: a list, or a string."""
    put_in(text, f"{address}c", lines)


def d(text, address):
    """Delete lines."""
    do(text, f"{address}d")


def j(text, address):
    """Join lines."""
    do(text, f"{address}j")


def m(text, address, to):
    """Move lines behind another."""
    do(text, f"{address}m{to}")


def t(text, address, to):
    """Copy lines behind another."""
    do(text, f"{address}t{to}")


def s(text, address, pattern, replacement, flags=""):
    """Substitute what matches a pattern, in each of the lines."""
    mark = delimiter(pattern + replacement)
    replacement = replacement.replace("\n", "\\\n")
    do(text, f"{address}s{mark}{pattern}{mark}{replacement}{mark}{flags}")


def g(text, address, pattern, commands):
    """Do commands at each of the lines that match a pattern."""
    mark = delimiter(pattern)
    commands = commands.replace("\n", "\\\n")
    do(text, f"{address}g{mark}{pattern}{mark}{commands}")


def p(text, address=","):
    """Print lines."""
    do(text, f"{address}p")


def n(text, address=","):
    """Print lines with their numbers."""
    do(text, f"{address}n")


def r(text, address, name):
    """Read a file, and put it behind a line."""
    do(text, f"{address}r {name}")


def w(text, name="", address=","):
    """Write lines to a file: to that of the text if none is named."""
    do(text, f"{address}w {name}")


def put_in(text, command, lines):
    """Do a command that takes lines, with these: a list, or a string."""
    new = lines if isinstance(lines, str) else "\n".join(lines)
    new = new if new.endswith("\n") or not new else new + "\n"
    with scripted(text) as editor:
        editor.run(command)
        editor.insert(editor.place.after, new, new.count("\n"))


def delimiter(string):
    """A character that is not in it."""
    return next(each for each in "/,;:!@#%=~\x01\x02\x03\x04\x05\x06\x07" if each not in string)


class Ed(types.ModuleType):
    """This module, which can be called."""

    def __call__(self, text, is_silent=False):
        """Begin a job at this terminal in which each line that is typed is a command on a text."""
        editor = begin(text, is_silent)
        editor.prompts = True
        editor.be_job()


sys.modules[__name__].__class__ = Ed
