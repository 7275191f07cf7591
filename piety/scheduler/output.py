"""Where a task's printing goes.

What a turn prints is kept until the turn's end and goes to the place of its task as a part of the turn: so two tasks
never mix their lines, and what a turn printed that failed is kept with its failure, and nowhere else.

    a Transcript            a text in the image that keeps the last lines; `world.transcript` is the default
    anything with `write`   an object of the user's, which may live in the image too
    None                    nowhere
"""

from __future__ import annotations

from typing import Any, Protocol

from piety.errors import PietyError
from piety.objects import rope
from piety.objects.changes import watches_itself
from piety.objects.image import current
from piety.objects.printing import Printed
from piety.objects.texts import Text

KEPT = 100_000  # characters of a transcript: some 2,000 lines, more than anybody reads back


class Place(Protocol):
    """Where printing can go."""

    def write(self, text: str, /) -> object:
        """Take a text."""


@watches_itself
class Transcript(Text):
    """A text that grows at its end and forgets its beginning; what tasks print is here.

    `kept` is how many characters it keeps; when there would be more, it forgets the first lines, about a quarter.
    """

    kept = KEPT
    _writer = 0  # the number of the task that has written last

    def __init__(self, kept: int = KEPT) -> None:
        super().__init__()
        self.kept = kept

    def __setstate__(self, state: Any) -> None:
        parts = state.pop("_parts", None)
        super().__setstate__(state)
        if parts is not None:  # it was written before transcripts were texts
            self._begin(rope.build(parts.values()))

    def write(self, text: str) -> int:
        """Add a text at the end; of one that is longer than what is kept, its end."""
        size = len(text)
        text = text[-self.kept :]
        if len(self) + len(text) > self.kept:
            forgotten = min(len(self) + len(text) - self.kept + self.kept // 4, len(self))
            line = rope.line_of(self.rope, forgotten)
            if rope.start_of_line(self.rope, line) < forgotten:
                forgotten = min(rope.start_of_line(self.rope, line + 1), len(self))
            self.edit([(0, forgotten, "")])
        super().write(text)
        return size

    def write_for(self, writer: int, text: str) -> None:
        """Add what a task has printed.  It begins a line of its own, if another one has left its line unfinished."""
        if writer != self._writer:
            self._writer = writer
            if len(self) and not self.ends_with_newline:
                text = "\n" + text
        self.write(text)

    def clear(self) -> None:
        """Forget everything."""
        self.edit([(0, len(self), "")])

    def tail(self, lines: int = 20) -> str:
        """The last lines."""
        start = rope.start_of_line(self.rope, max(0, len(self.lines) - lines))
        return self.part(start)

    def __repr__(self) -> str:
        return f"<transcript of {len(self):,} characters>\n{self.tail()}".rstrip()


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
