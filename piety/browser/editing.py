"""`piety ed`: a session of the line editor for a command, from a pipe or at a terminal.

What is typed comes in lines, as many at once as there are, and each time it is a turn.  The editor itself is a module
of the image, `ed`; the session is as long as the command, and what it does to a text stays.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from piety.errors import PietyError
from piety.objects.turns import Outcome, Turn

if TYPE_CHECKING:
    from piety.objects.image import Image
    from piety.verbs import Say

MOST = 1 << 16  # bytes that are typed, or come from a pipe, at once
INTERRUPTED = "\x03"  # in place of lines: Ctrl-C


class Editing:
    """One session: `do` takes lines in a turn, `tell` says what came of it; `prompt` is what to show then."""

    def __init__(self, name: str, folder: str, is_silent: bool) -> None:
        self._name, self._folder, self._is_silent = name, folder, is_silent
        self._editor: Any = None
        self.label = f"ed {name}"
        self._has_failed = False
        self.status = 0
        self.has_ended = False
        self.prompt = ""

    def do(self, lines: str | None) -> None:
        """Begin, with None; then take lines.  "" is the end of what is typed."""
        if self._has_failed:
            self._has_failed = False
            self._editor.recover()
        if lines is None:
            self._editor = _module().begin(self._name, self._is_silent, folder=self._folder)
        elif lines == "":
            self._editor.end()
        elif lines == INTERRUPTED:
            self._editor.interrupt()
        else:
            for number, line in enumerate(lines.removesuffix("\n").split("\n")):
                print(end=self._editor.prompt if number else "")
                self._editor.enter(line)
                if self._editor.has_ended:
                    break

    def tell(self, say: Say, outcome: Outcome) -> None:
        """Say what came of a turn."""
        say.out(outcome.output)
        for notice in outcome.notices:
            say.err(f"note: {notice}\n")
        editor = self._editor
        if isinstance(outcome.error, PietyError):  # not of a command: that is a question mark
            say.err(f"piety: {getattr(outcome.error, 'aside', '') or outcome.error}\n")
        elif isinstance(outcome.error, KeyboardInterrupt) and editor is not None:
            say.err("?\nInterrupt: what was typed last is undone\n")
        elif outcome.error is not None:
            say.err(outcome.traceback)
        if editor is None:
            self.status, self.has_ended = 2, True
        else:
            self._has_failed = outcome.error is not None
            editor.status = editor.status or int(self._has_failed)
            self.status = editor.status
            self.has_ended, self.prompt = editor.has_ended, editor.prompt


class _Lines(Turn):
    """Lines that are typed, in an image that is open here."""

    def __init__(self, editing: Editing, lines: str | None) -> None:
        self.label = editing.label
        self._editing, self._lines = editing, lines

    def work(self) -> None:
        self._editing.do(self._lines)


def edit(image: Image, say: Say, name: str, folder: str, is_silent: bool) -> int:
    """A whole session on an image that is open here; the exit status."""
    editing, typed = Editing(name, folder, is_silent), Typed()
    lines: str | None = None
    while not editing.has_ended:
        done: list[tuple[Turn, Outcome]] = []
        try:
            image.run([_Lines(editing, lines)], done=done)
            editing.tell(say, done.pop()[1])
            if not editing.has_ended:
                say.out(editing.prompt)
                lines = typed()
        except KeyboardInterrupt:  # between two turns
            if done:
                editing.tell(say, done[0][1])
            lines = INTERRUPTED
    return editing.status


class Typed:
    """The standard input, in lines: each call gives those that have come, or waits for the next; "" at the end."""

    def __init__(self) -> None:
        self._rest = b""  # what was read behind the last line end

    def __call__(self) -> str:
        try:
            while b"\n" not in self._rest and (portion := _read()):
                self._rest += portion
        except KeyboardInterrupt:
            self._rest = b""
            return INTERRUPTED
        whole, end, rest = self._rest.rpartition(b"\n")
        lines, self._rest = (whole + end, rest) if end else (rest, b"")
        return lines.decode("utf-8", "surrogateescape")


def _read() -> bytes:
    try:
        return os.read(0, MOST)
    except OSError:  # it is closed, or nothing that can be read
        return b""


def _module() -> Any:
    try:
        import ed  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        if error.name != "ed":
            raise
        raise PietyError(
            "this image has no module ed; take it in with: piety code import FILE, from image/ed.py of Piety"
        ) from None
    return ed
