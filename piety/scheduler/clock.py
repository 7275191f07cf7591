"""What time it is, for everything that waits; tests put a clock of their own here."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

now: Callable[[], float] = time.time  # seconds since the epoch: what is due must mean the same in the next process


def shown(when: float, with_zone: bool = True) -> str:
    """A time as a person reads it, of this place."""
    try:
        shown = datetime.fromtimestamp(when).astimezone().isoformat(" ", "seconds")
        return shown if with_zone else shown[:-6]
    except (OverflowError, ValueError, OSError):  # after the last year that has a name
        return f"{when:g} seconds since 1970"
