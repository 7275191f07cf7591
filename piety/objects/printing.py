"""What turns print: kept until their end, because nothing leaves a turn before it is on disk."""

from __future__ import annotations

import io
import sys
from typing import Any

from piety.errors import PietyError
from piety.objects.threads import is_apart

MOST = 50_000_000  # characters that one turn can print: they wait in memory until its end


class Printed(io.StringIO):
    """The standard output of turns.  What threads beside the turns print is seen at once."""

    def __init__(self) -> None:
        super().__init__()
        self._outside: Any = None  # what was the standard output before

    def put_on(self) -> None:
        """Be the standard output."""
        self._outside, sys.stdout = sys.stdout, self

    def put_off(self) -> None:
        """The one before is it again."""
        sys.stdout, self._outside = self._outside, None

    def write(self, text: str) -> int:
        """Keep a text for the turn's end."""
        if is_apart():
            if (outside := self._outside or sys.__stdout__) is not None:
                outside.write(text)
            return len(text)
        if self.tell() + len(text) > MOST:
            raise PietyError(f"a turn can print {MOST:,} characters, and this one wants to print more; it was undone")
        return super().write(text)

    def close(self) -> None:
        """Nothing: the next turn prints here too."""

    def take(self) -> str:
        """What was printed; it is here no more."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text
