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
  - Leaving a text that has no file needs no second `q`: it is kept in the image.  `w` in the text of a module runs it.
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
import traceback
import types

import bre
from edplace import EdError, Place, ToVisit
from persistent import Persistent

from piety import job, leave, open_file, texts
from piety.errors import PietyError
from piety.objects import hostfiles, rope
from piety.objects.drafts import Draft
from piety.objects.image import current
from piety.objects.searching import matching_lines

PATIENCE = 2.0  # seconds for a pattern at one line; what is not pathological takes a millisecond even at a long line
WIDTH = 72  # of a line that `l` prints
SCREEN = 22  # lines that `z` prints at first
STRETCH = 5_000  # lines that are searched at once when a search goes up


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

COMMANDS = {}  # by letter


class Command:
    """How a command is read: the lines that it is about if none are named, and what follows its letter.

    `lines` is None if it takes none, and "." if any line will do.  `argument` is the name of the method that reads what
    comes before the suffix; without a suffix the command reads the rest itself.
    """

    def __init__(self, method, lines, argument, has_suffix, edits):
        self.method = method
        self.lines = lines
        self.argument = argument
        self.has_suffix = has_suffix
        self.edits = edits  # the text, as a change that `u` takes back


# What lines a command is about if none are named.  In a global command the next line is the one that is visited.
DEFAULTS = {
    ".,.+1": lambda place: (place.current, place.current + 1),
    ".+1": lambda place: (place.current + (place.to_visit is None),) * 2,
    "1,$": lambda place: (1, place.last),
}


def command(letters, lines=None, argument=None, has_suffix=True, edits=False):
    """The method below does the commands of these letters."""

    def register(method):
        for letter in letters:
            COMMANDS[letter] = Command(method, lines, argument, has_suffix, edits)
        return method

    return register


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
        """Whether a file or a module is not as it was edited; what is neither is kept in the image."""
        return any(place.is_unsaved for place in self.places)

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
            self.do(typed)
        except NeedsMore:
            self.place.current, self.pattern, self.substitution = before
            self.unfinished = typed.typed

    def do(self, typed):
        """Read a command and do it."""
        self.addresses(typed)
        typed.skip_blanks()
        typed.letter = typed.take()
        command = COMMANDS.get(typed.letter)
        if command is None:
            raise EdError("Unknown command")
        self.check_lines(typed, command.lines)
        if command.argument:
            typed.argument = getattr(self, command.argument)(typed)
        suffix = typed.suffix() if command.has_suffix else ""
        if command.edits:
            self.begin_change(typed)
        command.method(self, typed)
        if not self.has_ended:
            self.show_current(suffix)

    def check_lines(self, typed, default):
        """The lines that a command is about must be there."""
        place = self.place
        if default is None and typed.are_named:
            raise EdError("Unexpected address")
        if not typed.are_named and default in DEFAULTS:
            typed.first, typed.last = DEFAULTS[default](place)
        elif default == ".+1":
            typed.first = typed.last
        if default not in (None, ".") and not 1 <= typed.first <= typed.last <= place.last:
            raise EdError("Invalid address")

    def begin_change(self, typed):
        """A command begins that `u` will take back; a global command is one change."""
        if self.place.to_visit is None:
            self.place.what = f"ed {typed.typed.strip()[:60]}"
            self.place.begin_change()

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
        return [number + 1 for number, _start, _line in matching_lines(self.place.text, compiled, first - 1, last)]

    def find_down(self, compiled):
        """The next line where something matches, around the end of the text and back to the current one."""
        current, last = self.place.current, self.place.last
        for first, end in ((current + 1, last), (1, current)):
            for number, _start, _line in matching_lines(self.place.text, compiled, first - 1, end):
                return number + 1
        raise EdError("No match")

    def find_up(self, compiled):
        current, last = self.place.current, self.place.last
        for first, end in ((1, current - 1), (max(current, 1), last)):
            for top in range(end, first - 1, -STRETCH):
                if found := self.matching(compiled, max(first, top - STRETCH + 1), top):
                    return found[-1]
        raise EdError("No match")

    # -- commands that print

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

    @command("pnl", ".,.", has_suffix=False)
    def print(self, typed):
        self.show(typed.first, typed.last, typed.letter + typed.suffix())

    @command("z", ".+1", has_suffix=False)
    def scroll(self, typed):
        if typed.next in "123456789":
            self.screen = typed.number()
        self.show(typed.last, min(self.place.last, typed.last + self.screen - 1), typed.suffix())

    @command("\n", ".+1", has_suffix=False)
    def null(self, typed):
        self.show(typed.last, typed.last, "")

    @command("=", ".")
    def number(self, typed):
        print(typed.last if typed.are_named else self.place.last)

    @command("#", ".", has_suffix=False)
    def comment(self, typed):
        typed.line()

    # -- commands that edit

    def insert(self, after, new, count, is_typed=False):
        """Put lines behind a line; the last of them is the current one."""
        self.place.put(after, after, new, count, is_typed)
        self.place.current = after + count

    def delete_lines(self, first, last):
        self.cut = self.place.part(first, last)
        self.place.put(first - 1, last, "", 0)
        self.place.current = min(first, self.place.last)

    @command("a", ".", "read_suffix", has_suffix=False, edits=True)
    def append(self, typed):
        self.place.current = typed.last
        self.insert_typed(typed, typed.last)

    @command("i", ".", "read_suffix", has_suffix=False, edits=True)
    def insert_before(self, typed):
        self.place.current = typed.last
        self.insert_typed(typed, max(typed.last - 1, 0))

    @command("c", ".,.", "read_suffix", has_suffix=False, edits=True)
    def change(self, typed):
        self.delete_lines(typed.first, typed.last)
        self.insert_typed(typed, typed.first - 1)

    def read_suffix(self, typed):
        return typed.suffix()

    def insert_typed(self, typed, after):
        """Put in the lines that follow: in the list of a global command, or those that are typed from now on."""
        if self.place.to_visit is None:
            self.input, self.place.after = typed.argument, after
            return
        while not typed.is_at_end and (line := typed.line()) != ".":
            self.insert(after, line + "\n", 1)
            after += 1
        self.show_current(typed.argument)

    @command("d", ".,.", edits=True)
    def delete(self, typed):
        self.delete_lines(typed.first, typed.last)

    @command("j", ".,.+1", edits=True)
    def join(self, typed):
        if typed.first != typed.last:
            line = "".join(self.place.lines(typed.first, typed.last))
            self.delete_lines(typed.first, typed.last)
            self.insert(typed.first - 1, line + "\n", 1)

    @command("m", ".,.", "read_destination", edits=True)
    def move(self, typed):
        self.place.move(typed.first, typed.last, typed.argument)

    @command("t", ".,.", "read_destination", edits=True)
    def copy(self, typed):
        self.insert(typed.argument, self.place.part(typed.first, typed.last), typed.last - typed.first + 1)

    def read_destination(self, typed):
        first, last = typed.first, typed.last
        self.addresses(typed)
        typed.first, typed.last, to = first, last, typed.last
        if typed.letter == "m" and first <= to < last:
            raise EdError("Invalid destination")
        return to

    @command("y", ".,.")
    def yank(self, typed):
        self.cut = self.place.part(typed.first, typed.last)

    @command("x", ".", edits=True)
    def put(self, typed):
        if self.cut is None:
            raise EdError("Nothing to put")
        self.insert(typed.last, self.cut, rope.breaks(self.cut))

    @command("k", ".", "read_letter")
    def mark(self, typed):
        if not "a" <= typed.argument <= "z":
            raise EdError("Invalid mark character")
        self.place.set_mark(typed.argument, typed.last)

    def read_letter(self, typed):
        if typed.last == 0:
            raise EdError("Invalid address")
        if typed.next == "\n":
            raise EdError("Invalid command suffix")
        return typed.take()

    @command("u")
    def undo(self, typed):
        if self.place.to_visit is not None:
            self.place.to_visit = ToVisit([])
        self.place.undo()

    # -- substitution

    @command("s", ".,.", has_suffix=False)
    def substitute(self, typed):
        substitution = self.repeated(typed) or self.new_substitution(typed)
        pattern, substitution.pattern = substitution.pattern, self.substitution and self.substitution.pattern
        self.substitution = substitution  # what was read counts, also if the rest is bad
        suffix = typed.suffix()
        compiled = self.use_pattern(*pattern)
        substitution.pattern = self.pattern
        self.begin_change(typed)
        self.substitute_in(compiled, typed.first, typed.last)
        if substitution.prints:
            self.show_current(substitution.suffix)
        self.show_current(suffix)

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
        for number, start, line in matching_lines(place.text, compiled, first - 1, last):
            try:
                found = self.substitution.changes(line)
            except EdError as each:  # the lines before it are done
                error = each
                break
            if found:
                changes += [(start + begin, start + end, new) for begin, end, new in found]
                lines.append((number + 1, 1 + sum(new.count("\n") for _begin, _end, new in found)))
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

    @command("gvGV", ".", has_suffix=False)
    def for_each(self, typed):
        """Do commands at each line where something matches, or where nothing does."""
        place = self.place
        if place.to_visit is not None:
            raise EdError("Cannot nest global commands")
        self.check_lines(typed, "1,$")
        first, last = typed.first, typed.last
        delimiter = typed.take()
        if delimiter in " \n":
            raise EdError("Invalid pattern delimiter")
        compiled = self.read_pattern(typed, delimiter)
        asks = typed.letter in "GV"
        rest = typed.suffix() if asks else typed.long_line("\n") + "\n"
        lines = self.matching(compiled, first, last)
        if typed.letter in "vV":
            matching = set(lines)
            lines = [line for line in range(first, last + 1) if line not in matching]
        self.begin_change(typed)
        place.to_visit = ToVisit(lines)
        if asks:
            self.asking, self.answer = rest, None
            self.ask()
            return
        while not self.has_ended and (line := place.to_visit.next()):
            place.current = line
            self.do_all(rest)
        place.to_visit = None

    def do_all(self, typed):
        """Do a list of commands, each on its line, at the current one."""
        typed = Typed(typed)
        while not typed.is_at_end and not self.has_ended:
            self.do(typed)

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
            self.do_all(self.answer)
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

    @command("eE", ".", has_suffix=False)
    def edit(self, typed):
        place = self.place
        if typed.letter == "e" and place.is_modified:
            self.warn(typed)
        self.check_lines(typed, None)
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

    @command("f", has_suffix=False)
    def name_file(self, typed):
        self.place.file = self.file_name(typed) or self.place.file
        print(unescaped(self.place.file))

    @command("r", ".", has_suffix=False)
    def read(self, typed):
        place = self.place
        name = self.file_name(typed)
        self.begin_change(typed)
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

    @command("wW", ".", has_suffix=False)
    def write(self, typed):
        place, quits = self.place, typed.accept("qQ")
        is_module = isinstance(place.text, Draft) and not place.file and typed.next == "\n"
        name = "" if is_module else self.file_name(typed)
        if not typed.are_named and not place.last:
            typed.first, typed.last = 1, 0
        else:
            self.check_lines(typed, "1,$")
        place.file = place.file or name
        name = name or place.file
        is_all = typed.last - typed.first + 1 == place.last
        with explained(name, "Cannot open output file"):
            self.say(self.write_lines(typed, name, is_all))
        if is_all:
            place.is_modified = False
        elif quits == "q" and place.is_modified:
            self.warn(typed)
        self.has_ended = bool(quits)

    def write_lines(self, typed, name, is_all):
        """Write to a file, or have a text written that knows where to; the bytes."""
        text, path = self.place.text, self.path(name)
        if typed.letter == "W" or not is_all or (name != self.place.file and text.file):
            add = hostfiles.append if typed.letter == "W" else hostfiles.write
            count = add(path, rope.chunks(self.place.part(typed.first, typed.last)))
            hostfiles.is_written(text, path)
            return count
        try:
            return text.save(path if name else None, force=typed.was_warned)
        except hostfiles.ChangedOutside:
            self.was_warned = True
            raise EdError("Warning: the file was changed by somebody else") from None
        except PietyError:
            raise
        except Exception as error:  # of a module that was run
            raise EdError(told(error)) from None

    def path(self, name):
        return path_of(name, self.folder)

    def say(self, number):
        if not self.is_silent:
            print(number)

    # -- the session

    @command("hH")
    def explain(self, typed):
        if typed.letter == "H":
            self.explains = not self.explains
        if self.reason and (typed.letter == "h" or self.explains):
            print(self.reason)

    @command("P")
    def toggle_prompt(self, typed):
        self.prompts = not self.prompts

    @command("qQ")
    def quit(self, typed):
        if typed.letter == "q" and self.is_unsaved:
            self.warn(typed)
        self.has_ended = True

    @command("!", has_suffix=False)
    def refuse_shell(self, typed):
        raise EdError("Shell access restricted")

    # -- several texts

    @command("b", has_suffix=False)
    def go_to(self, typed):
        """Make another text the current one, or list them."""
        name = self.names(typed)
        if name:
            self.show_place(text_of(name, self.folder))
            return
        for place in self.places:
            name = place.text.name or place.file or "a text without a name"
            print(f"{'*' if place.is_unsaved else ' '}{'.' if place is self.place else ' '} {name}")

    @command("B", has_suffix=False)
    def open_files(self, typed):
        """Open files as texts; the first is the current one."""
        names = self.names(typed).split()
        if not names:
            raise EdError("No current filename")
        opened = [file_of(self.path(name)) for name in names]
        for text in reversed(opened):
            self.show_place(text)
        self.say(size(self.place.text.rope))

    @command("D")
    def let_go(self, typed):
        """The current text leaves the session."""
        if len(self.places) == 1:
            raise EdError("No other text")
        if self.place.is_unsaved:
            self.warn(typed)
        self.places = tuple(place for place in self.places if place is not self.place)
        self.place = self.places[-1]
        self.place.catch_up()

    def names(self, typed):
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
        name = f"ed {self.place.text.name or ''}".rstrip()
        self.job = job(self.typed, name=name, prompt=self.prompt, at_end=self.keep_place)

    def typed(self, line):
        """The function of my job."""
        version = self.place.text.version
        self.enter(line)
        if self.has_ended or self.place.text.version != version:
            self.keep_place()
        if self.has_ended:
            leave()
        else:
            self.job.prompt = self.prompt

    def keep_place(self):
        """Whoever edits the text next begins here."""
        self.place.keep()


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


def told(error):
    """An error of a module, in one line."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = "" if isinstance(error, SyntaxError) else f" ({where.filename}, line {where.lineno})"
    return f"{type(error).__name__}: {error}{place}"


def text_of(name, folder=""):
    """The text of this name, or of the module or the file of this name."""
    text, path, modules = texts.get(name), path_of(name, folder), current().modules
    if text is not None and (text.file in (None, os.path.abspath(path)) or not os.path.exists(path)):
        return text
    return modules.text(name) if name in modules else file_of(path)


def path_of(name, folder):
    """The path of a file name as it was typed; `folder` is where it was."""
    return os.path.join(folder, os.path.expanduser(unescaped(name)))


def file_of(path):
    """The text of a file."""
    with explained(path):
        return open_file(path)


# -- what a shell and a script use


def begin(text, is_silent=False, file="", folder=""):
    """A session on a text, or on that of a name, a module or a file.  It takes lines with `enter`, and then `end`."""
    if isinstance(text, str):
        name, text = text, text_of(text, folder)
        file = name if text.file == os.path.abspath(path_of(name, folder)) else ""
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
