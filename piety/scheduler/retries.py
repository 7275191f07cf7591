"""What becomes of a turn that fails."""

from __future__ import annotations

from piety.errors import PietyError
from piety.objects.changes import never_changes

LONGEST = 86_400.0 * 365  # seconds: pauses grow up to here


@never_changes
class Retry:
    """Try a turn that fails again: so many times, waiting `seconds` first, and `factor` times longer each time.

    It is always the same thing that is tried: the message stays the first in its queue.
    """

    def __init__(self, times: int = 3, seconds: float = 1.0, factor: float = 2.0) -> None:
        if times < 1 or seconds < 0 or factor < 1:
            raise PietyError("Retry: at least once, after no less than 0 seconds, each no less than the one before")
        self.times, self.seconds, self.factor = times, seconds, factor

    def wait(self, tries: int) -> float | None:
        """The seconds to wait after so many tries have failed; None if that was enough."""
        if tries > self.times:
            return None
        try:
            return min(self.seconds and self.seconds * self.factor ** (tries - 1), LONGEST)
        except OverflowError:
            return LONGEST

    def __repr__(self) -> str:
        return f"Retry({self.times}, {self.seconds:g}, {self.factor:g})"
