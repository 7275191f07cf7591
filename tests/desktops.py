"""A desktop at the end of a connection, on a terminal that a test can read."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyte
from served import Served, Talk

from piety.browser import wire

PATIENCE = 30.0  # seconds until a test gives up
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
TAB, ENTER, ESCAPE, CTRL_T, LEAVE = "\t", "\r", "\x1b", "\x14", "\x1c"
HOME, END, F1, F3, F4, F5, F6, F7, F8, F9 = (
    "\x1b[H", "\x1b[F", "\x1bOP", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[17~", "\x1b[18~", "\x1b[19~", "\x1b[20~",
)  # fmt: skip
F10, DELETE, BACKSPACE = "\x1b[21~", "\x1b[3~", "\x7f"
SHIFT_END, SHIFT_DOWN, CTRL_HOME, CTRL_END = "\x1b[1;2F", "\x1b[1;2B", "\x1b[1;5H", "\x1b[1;5F"


THIN = str.maketrans("┃━", "│─")


def ctrl(letter: str) -> str:
    """The key of a letter with Ctrl."""
    return chr(ord(letter) & 31)


class Desk:
    """A desktop at the end of a connection, on a terminal that a test can read."""

    def __init__(
        self, served: Served, ref: str | None = None, name: str = "desk", columns: int = 110, rows: int = 30,
        colours: str = "256",
    ) -> None:  # fmt: skip
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._home = served.home
        self.heard = b""  # all that has come
        self.talk = Talk(served.home)
        self.talk.ask("desk", session=None, name=name, ref=ref, rows=rows, columns=columns, kind="xterm", colours=colours)

    def types(self, *keys: str) -> None:
        for each in keys:
            self.talk.send(wire.KEYS, each.encode())

    @property
    def told(self) -> str:
        """What is shown, and what the system has said."""
        return f"{self.text}\n{(self._home / 'log').read_text()[-3000:]}"

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
                frame = self.talk.receive()
            except TimeoutError:
                raise AssertionError(self.told) from None
            assert frame is not None, f"the connection ended:\n{self.text}"
            if frame[0] == wire.OUT:
                self.heard += frame[1]
                self._stream.feed(frame[1])
            elif frame[0] in (wire.ERR, wire.EXIT):
                raise AssertionError(f"{frame}\n{self.text}")
        return self.text

    def sees(self, *parts: str) -> str:
        return self.until(lambda text: all(part in text for part in parts))

    def heads(self) -> list[str]:
        """What the columns show."""
        return [part.strip() for part in self.screen.display[1].translate(THIN).strip("│ ").split("│")]

    def sees_no_more(self, *parts: str) -> str:
        return self.until(lambda text: not any(part in text for part in parts))

    def settles(self) -> None:
        """Wait until all that was typed has come to something: a key that is told is told after those before."""
        self.types(F1, "\x00")
        self.sees("ctrl+@")
        self.types("\x1b[1;3D")

    def evaluates(self, source: str) -> None:
        self.types(":", source, ENTER)

    def resizes(self, rows: int, columns: int) -> None:
        self.talk.send(wire.SIZE, f"{rows} {columns}".encode())
        self.screen.resize(rows, columns)

    def clicks(self, text: str) -> None:
        """Click on the first place where this is shown."""
        row, line = next((n, line) for n, line in enumerate(self.screen.display) if text in line)
        at = f"0;{line.index(text) + 1};{row + 1}"
        self.types(f"\x1b[<{at}M\x1b[<{at}m")

    def leaves(self) -> None:
        self.types(LEAVE)
        self.until_it_ends()

    def until_it_ends(self) -> None:
        rest = [frame for frame in iter(self.talk.receive, None) if frame[0] != wire.OUT]
        assert rest == [(wire.EXIT, b"0")]
        self.talk.close()
