"""Where a task's printing goes.

What a turn prints is kept until the turn's end and goes to the place of its task as a part of the turn: so two tasks
never mix their lines, and what a turn printed that failed is kept with its failure, and nowhere else.

    a Transcript            lives in the image and keeps the last lines; `world.transcript` is the default
    anything with `write`   an object of the user's, which may live in the image too
    None                    nowhere
"""

from __future__ import annotations

from typing import Any, Protocol

from BTrees.LOBTree import LOBTree
from persistent import Persistent

from piety.errors import PietyError
from piety.objects.image import current
from piety.objects.printing import Printed

KEPT = 100_000  # characters of a transcript: some 2,000 lines, more than anybody reads back


class Place(Protocol):
    """Where printing can go."""

    def write(self, text: str, /) -> object:
        """Take a text."""


class Transcript(Persistent):
    """A text that grows at its end and forgets its beginning; what tasks print is here.

    `kept` is how many characters it keeps, in whole writes; of one that is longer, the end.
    """

    _writer = 0  # the number of the task that has written last

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self._parts = LOBTree()
        self._size = 0

    def write(self, text: str) -> None:
        """Add a text at the end."""
        text = text[-self.kept :]
        if not text:
            return
        parts = self._parts
        parts[parts.maxKey() + 1 if parts else 0] = text
        self._size += len(text)
        while self._size > self.kept:
            self._size -= len(parts.pop(parts.minKey()))

    def write_for(self, writer: int, text: str) -> None:
        """Add what a task has printed.  It begins a line of its own, if another one has left its line unfinished."""
        if writer != self._writer:
            self._writer = writer
            if self._parts and not self._parts[self._parts.maxKey()].endswith("\n"):
                text = "\n" + text
        self.write(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def clear(self) -> None:
        """Forget everything."""
        self._parts.clear()
        self._size = 0

    def tail(self, lines: int = 20) -> str:
        """The last lines."""
        found: list[str] = []
        count = 0
        parts = self._parts
        key = parts.maxKey() if parts else -1
        while key >= 0 and key in parts and count <= lines:
            found.append(parts[key])
            count += parts[key].count("\n")
            key -= 1
        return "".join("".join(reversed(found)).splitlines(keepends=True)[-lines:])

    def __str__(self) -> str:
        return "".join(self._parts.values())

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<transcript of {self._size:,} characters>\n{self.tail()}".rstrip()


def place(out: Any, image: Any) -> Place | None:
    """What `out=` means."""
    if out is None or hasattr(type(out), "write"):
        return out
    if out == "transcript":
        return transcript_of(image)
    raise PietyError(f"out={out!r}: nothing can be written there; give an object with a method write, or None")


def transcript_of(image: Any) -> Transcript:
    """The transcript of an image; made at first use, in a turn."""
    transcript: Transcript | None = image.world.transcript
    if transcript is None:
        transcript = image.world.transcript = Transcript()
    return transcript


def transcript() -> Transcript:
    """The transcript of the system, `world.transcript`: where tasks print."""
    return transcript_of(current())


def put(out: Place, output: Printed, number: int) -> None:
    """Move what the turn of the task with this number has printed to its place."""
    text = output.getvalue()
    if isinstance(out, Transcript):
        out.write_for(number, text)
    else:
        out.write(text)
    output.take()  # not before: if that fails, the output is kept with the failure
