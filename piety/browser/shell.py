"""The line shell: type Python, see what it gives; every statement is a turn.

On a terminal a person types (`prompt.py` edits lines, remembers and completes them).  From a pipe the shell evaluates
statement by statement and ends at the end of input.  Either way what a turn prints appears after its commit, so that
whatever was seen is there after a pulled plug.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import piety
from piety.browser.statements import statements
from piety.errors import PietyError, TooLate
from piety.objects.image import Image, Outcome

LONG = 10_000  # characters of a value that are shown on a terminal; more would scroll away what led to it
BYTE_ORDER_MARK = "\ufeff"  # some editors begin a file with it
_LEAVING = frozenset(("exit", "quit", "exit()", "quit()"))
_OURS = os.path.dirname(piety.__file__) + os.sep


def run(image: Image) -> int:
    """Talk with whoever is at the standard input until they leave.

    The exit status: 1 if a statement from a pipe failed, else 0.
    """
    if sys.stdin is None:  # closed: nobody will ever say anything
        return 0
    for stream in (sys.stdin, sys.stdout, sys.stderr):  # what cannot be read or shown is no reason to die
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape" if stream is sys.stdin else "backslashreplace")
    return _talk(image) if sys.stdin.isatty() and sys.stdout.isatty() else _read(image)


def _talk(image: Image) -> int:
    """With a person, on a terminal."""
    from piety.browser.prompt import Prompt

    shell = Shell(image, longest=LONG)
    prompt = Prompt(image)
    print(f"Piety {piety.__version__} in {image.home}: what you make here stays. To leave: exit, or Ctrl-D.")
    if prompt.history.is_empty:
        print("New here? Type:  import tour; tour.start()")
    while True:
        try:
            source = prompt.read()
            if shell.leaves(source):
                return 0
            if source.strip():
                _keep(prompt, source)
                all(shell.enter(statement) for statement in _parts(source))  # up to the first that fails
        except EOFError:
            return 0
        except KeyboardInterrupt:  # at the prompt, or between two turns
            continue


def _keep(prompt: Any, source: str) -> None:
    try:
        prompt.history.keep(source)
    except PietyError as error:  # a full disk, say: looking around is still possible
        _complain(f"note: not in the history: {error}\n")


def _parts(source: str) -> Iterator[str]:
    """The statements of what was entered at once, each to be a turn; all of it as one if something in it is wrong."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return iter([source])
    return statements(source.splitlines(keepends=True))


def _read(image: Image) -> int:
    """From a pipe."""
    shell = Shell(image)
    failed = False
    lines = iter(sys.stdin.readline, "")  # line by line, so that `input()` gets those that no statement took
    for statement in statements(line.removeprefix(BYTE_ORDER_MARK) for line in lines):
        if shell.leaves(statement):
            break
        failed |= not shell.enter(statement)
        if shell.interrupted:
            break
    return int(failed)


class Shell:
    """Enters statements into an image, one turn each, and says what came of them.

    Values and what was printed go to the standard output, all that is said about a turn to the standard error.
    """

    def __init__(self, image: Image, longest: int | None = None) -> None:
        self._image = image
        self._longest = longest  # how much of a value is shown, in characters
        self.interrupted = False  # whether the last turn was

    def leaves(self, source: str) -> bool:
        """Whether a source is the wish to leave, and not a name that means something else here."""
        word = source.strip()
        return word in _LEAVING and word.removesuffix("()") not in self._image.names()

    def enter(self, source: str) -> bool:
        """Evaluate a source as a turn and show what came of it; whether it succeeded."""
        try:
            with _asking(sys.stdin):
                outcome = self._image.evaluate(source, show=True)
            self.interrupted = isinstance(outcome.error, KeyboardInterrupt)
        except TooLate as late:
            outcome = late.outcome
            self.interrupted = True
        self._say(outcome.output)
        for notice in outcome.notices:
            _complain(f"note: {notice}\n")
        if self.interrupted and self._longest is not None:  # the terminal has written ^C
            _complain("\n")
        if outcome.error is not None:
            _complain(_what_failed(outcome))
        elif outcome.value is not None:
            self._show(outcome.value)
        if self.interrupted and outcome.error is None:
            _complain("note: Ctrl-C came when the turn was over; what it did stays\n")
        return outcome.error is None and not self.interrupted

    def _show(self, value: Any) -> None:
        text = self._image.show(value)
        if self._longest is not None and len(text) > self._longest:
            rest = len(text) - self._longest
            text = f"{text[: self._longest]}\n... and {rest:,} characters more; to see all: print(repr(_))"
        self._say(f"{text}\n")

    def _say(self, text: str) -> None:
        if text and self._longest is not None and not text.endswith("\n"):  # the prompt begins a line
            text += "\n"
        sys.stdout.write(text)
        sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _what_failed(outcome: Outcome) -> str:
    error = outcome.error
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted, and the turn undone{_where(error)}\n"
    if isinstance(error, SystemExit):
        return f"{error!r} ended the turn, which was undone; to leave the shell: exit, alone on a line\n"
    return outcome.traceback


def _where(error: BaseException) -> str:
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OURS)]
    if not frames:
        return ""
    last = frames[-1]
    return f"; it was in {last.filename}, line {last.lineno}, in {last.name}: {last.line}"


@contextlib.contextmanager
def _asking(real: TextIO) -> Iterator[None]:
    """In the block, whoever reads the standard input is heard: what was printed before is shown first."""
    sys.stdin = _Asking(real, sys.stdout)
    try:
        yield
    finally:
        sys.stdin = real


class _Asking:
    """The standard input during a turn.

    What a turn prints waits for its commit; but who is asked must see the question, and what led to it.
    """

    def __init__(self, real: TextIO, screen: TextIO) -> None:
        self._real = real
        self._screen = screen

    def readline(self, size: int = -1) -> str:
        self._show_question()
        return self._real.readline(size)

    def read(self, size: int = -1) -> str:
        self._show_question()
        return self._real.read(size)

    def __iter__(self) -> Iterator[str]:
        return iter(self.readline, "")

    def _show_question(self) -> None:
        held = sys.stdout
        if isinstance(held, io.StringIO):
            self._screen.write(held.getvalue())
            self._screen.flush()
            held.seek(0)
            held.truncate()

    def close(self) -> None:
        """Not now: `exit()` closes the standard input, and the shell goes on."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
