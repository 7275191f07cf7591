"""A desktop at the end of a connection, on a terminal that a test can read."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable

import pexpect
import pyte
from served import Served, Talk

from piety.browser import wire

PATIENCE = 30.0  # seconds until a test gives up
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
TAB, ENTER, ESCAPE, CTRL_T, LEAVE = "\t", "\r", "\x1b", "\x14", "\x1c"
HOME, END, F1, F3, F4, F5, F6, F7, F8, F9 = (
    "\x1b[H", "\x1b[F", "\x1bOP", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[17~", "\x1b[18~", "\x1b[19~", "\x1b[20~",
)  # fmt: skip
F10, F12, DELETE, BACKSPACE = "\x1b[21~", "\x1b[24~", "\x1b[3~", "\x7f"
SHIFT_END, SHIFT_DOWN, CTRL_HOME, CTRL_END = "\x1b[1;2F", "\x1b[1;2B", "\x1b[1;5H", "\x1b[1;5F"


THIN = str.maketrans("┃━", "│─")


def ctrl(letter: str) -> str:
    """The key of a letter with Ctrl."""
    return chr(ord(letter) & 31)


class Screen:
    """A terminal that a test can read, whoever draws on it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.heard = b""  # all that has come

    def types(self, *keys: str) -> None:
        raise NotImplementedError

    def _read(self) -> bytes:
        """What comes next; raises TimeoutError if nothing does."""
        raise NotImplementedError

    @property
    def told(self) -> str:
        """What is to be told when something is not shown."""
        return self.text

    @property
    def text(self) -> str:
        """What is shown; the pane that one is in has thick borders, which are shown as thin ones here but for corners."""
        return "\n".join(line.rstrip() for line in self.screen.display).translate(THIN)

    def until(self, is_so: Callable[[str], bool]) -> str:
        """Read on until something is so of the screen."""
        end = time.monotonic() + PATIENCE
        while not is_so(self.text):
            assert time.monotonic() < end, self.told
            try:
                data = self._read()
            except TimeoutError:
                raise AssertionError(self.told) from None
            self.heard += data
            self._stream.feed(data)
        return self.text

    def sees(self, *parts: str) -> str:
        return self.until(lambda text: all(part in text for part in parts))

    def sees_no_more(self, *parts: str) -> str:
        return self.until(lambda text: not any(part in text for part in parts))

    def drags(self, column: int, row: int, to: int) -> None:
        """Take hold of a place with the mouse, and draw it to another column; counted from 0."""
        self.types(f"\x1b[<0;{column + 1};{row + 1}M", f"\x1b[<32;{to + 1};{row + 1}M", f"\x1b[<0;{to + 1};{row + 1}m")

    def settles(self) -> None:
        """Wait until all that was typed has come to something: a key that is told is told after those before."""
        self.types(F1, F12)
        self.sees("f12 is the key of no command")
        self.types(F12)
        self.sees_no_more("f12 is the key of no command")

    def settled(self) -> None:
        """Wait until nothing is being shown any more: what is asked for is there, and the desk is written."""
        before = ""
        while before != self.text:
            before = self.text
            self.settles()

    def heads(self) -> list[str]:
        """What the columns show."""
        return [part.strip() for part in self.screen.display[1].translate(THIN).strip("│ ").split("│")]

    def evaluates(self, source: str) -> None:
        self.types(":", source, ENTER)

    def clicks(self, text: str) -> None:
        """Click on the first place where this is shown."""
        row, line = next((n, line) for n, line in enumerate(self.screen.display) if text in line)
        at = f"0;{line.index(text) + 1};{row + 1}"
        self.types(f"\x1b[<{at}M\x1b[<{at}m")


class Desk(Screen):
    """A desktop at the end of a connection."""

    def __init__(
        self, served: Served, ref: str | None = None, name: str = "desk", columns: int = 110, rows: int = 30,
        colours: str = "256",
    ) -> None:  # fmt: skip
        super().__init__(columns, rows)
        self._home = served.home
        self.talk = Talk(served.home)
        self.talk.ask("desk", name=name, ref=ref, rows=rows, columns=columns, kind="xterm", colours=colours)

    def types(self, *keys: str) -> None:
        for each in keys:
            self.talk.send(wire.KEYS, each.encode())

    def _read(self) -> bytes:
        frame = self.talk.receive()
        assert frame is not None, f"the connection ended:\n{self.told}"
        if frame[0] in (wire.ERR, wire.EXIT):
            raise AssertionError(f"{frame}\n{self.told}")
        return frame[1] if frame[0] == wire.OUT else b""

    @property
    def told(self) -> str:
        """What is shown, and what the system has said."""
        return f"{self.text}\n{(self._home / 'log').read_text()[-3000:]}"

    def resizes(self, rows: int, columns: int) -> None:
        self.talk.send(wire.SIZE, f"{rows} {columns}".encode())
        self.screen.resize(rows, columns)

    def leaves(self) -> None:
        self.types(LEAVE)
        self.until_it_ends()

    def until_it_ends(self) -> None:
        rest = [frame for frame in iter(self.talk.receive, None) if frame[0] != wire.OUT]
        assert rest == [(wire.EXIT, b"0")]
        self.talk.close()


class DeskOnTerminal(Screen):
    """A desktop on a real pseudo-terminal."""

    def __init__(self, *arguments: str, columns: int = 110, rows: int = 30, **variables: str) -> None:
        super().__init__(columns, rows)
        environment = {**os.environ, **variables, "TERM": "xterm-256color"}
        self._child = pexpect.spawn(
            sys.executable, ["-m", "piety", *arguments], env=environment, timeout=PATIENCE, dimensions=(rows, columns)
        )

    def types(self, *keys: str) -> None:
        for each in keys:
            self._child.send(each)

    def _read(self) -> bytes:
        try:
            return bytes(self._child.read_nonblocking(1 << 16, timeout=PATIENCE))
        except pexpect.TIMEOUT:
            raise TimeoutError from None

    def leaves(self) -> None:
        self.types(LEAVE)
        self._child.expect(pexpect.EOF)
        self._child.close()
        assert self._child.exitstatus == 0

    def stop(self) -> None:
        self._child.close(force=True)


# -- keys as they are written for people: "Ctrl-W Down", with what is typed in quotation marks

_NAMES = {
    "Up": UP, "Down": DOWN, "Left": LEFT, "Right": RIGHT, "Tab": TAB, "Shift-Tab": "\x1b[Z", "Enter": ENTER,
    "Escape": ESCAPE, "Home": HOME, "End": END, "Backspace": BACKSPACE, "Delete": DELETE, "Alt-Left": "\x1b[1;3D",
    "Alt-Right": "\x1b[1;3C", "Shift-Down": SHIFT_DOWN, "Shift-End": SHIFT_END, "Ctrl-End": CTRL_END, "F1": F1,
    "F2": "\x1bOQ", "F3": F3, "F4": F4, "F5": F5, "F6": F6, "F7": F7, "F8": F8, "F9": F9, "F10": F10,
}  # fmt: skip


def keys(written: str) -> list[str]:
    """The keys that are written so."""
    found = []
    for typed, name in re.findall(r'"([^"]*)"|(\S+)', written):
        found.append(typed or _NAMES.get(name) or (ctrl(name[-1].lower()) if name.startswith("Ctrl-") else name))
    return found


def steps(text: str) -> list[tuple[str, list[str]]]:
    """The steps of the sessions in a text: what is typed, and what is seen then.

    They stand in blocks that begin with ```keys, a line for each: the keys, two blanks or more, and what is seen;
    several things are parted by " | ".  A line without keys tells what is seen besides.
    """
    found = []
    for block in re.findall(r"^```keys\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            typed, _, seen = re.sub(r" {2,}", "\t", line, count=1).partition("\t")
            found.append((typed, seen.split(" | ") if seen else []))
    return found
