"""The line shell: every statement is a turn, and this is what is said about it.

From a pipe the shell evaluates statement by statement and ends at the end of input, whether a system runs or rests.
On a terminal a person types (see `terminal.py`).  Either way what a turn prints appears after its commit, so that
whatever was seen is there after a pulled plug.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

import piety
from piety.browser.statements import statements, without_prompts
from piety.objects.printing import Printed

if TYPE_CHECKING:
    from piety.objects.image import Image
    from piety.objects.turns import Outcome
    from piety.verbs import Say

LONG = 10_000  # characters of a value that are shown on a terminal; more would scroll away what led to it
BYTE_ORDER_MARK = "\ufeff"  # some editors begin a file with it
LEAVING = frozenset(("exit", "quit", "exit()", "quit()"))
FAILED, LEFT, INTERRUPTED = 1, 3, 130  # exit statuses of a statement; 0: it is done
_OURS = os.path.dirname(piety.__file__) + os.sep


def read(enter: Callable[[str], int]) -> int:
    """Read statements from the standard input; `enter` gives the exit status of each.  1 if one failed, else 0."""
    if sys.stdin is None:  # closed: nobody will ever say anything
        return 0
    for stream in (sys.stdin, sys.stdout, sys.stderr):  # what cannot be read or shown is no reason to die
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape" if stream is sys.stdin else "backslashreplace")
    failed = False
    lines = iter(sys.stdin.readline, "")  # line by line, so that `input()` gets those that no statement took
    for statement in statements(without_prompts(line.removeprefix(BYTE_ORDER_MARK) for line in lines)):
        status = enter(statement) if _is_text(statement) else FAILED
        if status == LEFT:
            break
        failed |= status != 0
        if status == INTERRUPTED:
            break
    return int(failed)


def _is_text(statement: str) -> bool:
    """Whether a statement was read from bytes that are UTF-8; a word about it if not."""
    for line in statement.splitlines():
        try:
            line.encode()
        except UnicodeEncodeError:
            shown = line.strip().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            print(f"piety: this is not UTF-8, and its statement was left out: {shown}", file=sys.stderr)
            return False
    return True


def leaves(source: str, names: Iterable[str]) -> bool:
    """Whether a source is the wish to leave, and not a name that means something else here."""
    word = source.strip()
    return word in LEAVING and word.removesuffix("()") not in names


def enter(image: Image, say: Say, source: str) -> int:
    """Evaluate a source of the standard input as a turn of an image that is open here; its exit status."""
    from piety.errors import TooLate

    if source.strip() in LEAVING and leaves(source, image.names()):
        return LEFT
    try:
        with _asking(sys.stdin):
            outcome = image.evaluate(source, show=True)
        late = False
    except TooLate as error:
        outcome, late = error.outcome, True
    if outcome.error is None and outcome.value is not None:
        outcome.shown = image.show(outcome.value)
    return report(say, outcome, late=late)


def report(say: Say, outcome: Outcome, longest: int | None = None, late: bool = False) -> int:
    """Say what came of a turn, to a terminal where `longest` characters of a value are shown, or to a pipe.

    Values and what was printed go to the standard output, all that is said about the turn to the standard error.
    """

    def out(text: str) -> None:
        if text and longest is not None and not text.endswith("\n"):  # the prompt begins a line
            text += "\n"
        say.out(text)

    interrupted = late or isinstance(outcome.error, KeyboardInterrupt)
    out(outcome.output)
    for notice in outcome.notices:
        say.err(f"note: {notice}\n")
    if outcome.error is not None:
        say.err(_what_failed(outcome))
    elif outcome.value is not None:
        out(f"{_clipped(outcome.shown, longest)}\n")
    if late:
        say.err("note: Ctrl-C came when the turn was over; what it did stays\n")
    return INTERRUPTED if interrupted else FAILED if outcome.error is not None else 0


def _clipped(text: str, longest: int | None) -> str:
    if longest is None or len(text) <= longest:
        return text
    return f"{text[:longest]}\n... and {len(text) - longest:,} characters more; to see all: print(repr(_))"


def _what_failed(outcome: Outcome) -> str:
    error = outcome.error
    if type(error) is KeyboardInterrupt:
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
        if isinstance(held, Printed):
            self._screen.write(held.take())
            self._screen.flush()

    def close(self) -> None:
        """Not now: `exit()` closes the standard input, and the shell goes on."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
