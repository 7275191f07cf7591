"""Moments: times as people say them ("yesterday 18:00", "3 hours ago", 2026-11-26T18:00), and the numbers of turns.

The number of a turn is its time in units of 14 ns, and no two are the same.  A person names a turn by its time to the
microsecond; a commit takes some hundred.
"""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Any

from persistent.timestamp import TimeStamp

from piety.errors import PietyError


def moment(when: Any) -> float:
    """A datetime, seconds since the epoch, or words, as seconds since the epoch.  Raises `PietyError`."""
    if isinstance(when, (int, float)) and not isinstance(when, bool):
        return float(when)
    if isinstance(when, datetime):
        return when.timestamp()
    if isinstance(when, str):
        try:
            return datetime.fromisoformat(when).timestamp()
        except ValueError:
            found = _parsed(when)
            if found is not None:
                return found.timestamp()
    raise PietyError(f"{when!r} is no time; say it as 'yesterday 18:00', '3 hours ago' or '2026-11-26 18:00'")


def _parsed(words: str) -> datetime | None:
    import dateparser  # type: ignore[import-untyped]  # takes a tenth of a second to import

    settings: Any = {"PREFER_DATES_FROM": "past"}
    return dateparser.parse(words, languages=["en"], settings=settings)


def shown(when: float) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(when).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def time_of(tid: bytes) -> float:
    """When a turn was committed, in seconds since the epoch."""
    seconds: float = TimeStamp(tid).timeTime()
    return seconds


def tid_at(when: float) -> bytes:
    """The number that the last turn up to a time has at most; a time is one microsecond long.

    Raises `PietyError` for a time that no turn can have.
    """
    when += 1e-6  # what a float makes of a microsecond may be less
    try:
        then = time.gmtime(when)
        tid: bytes = TimeStamp(then.tm_year, *then[1:5], then.tm_sec + when % 1).raw()
    except (ValueError, OverflowError, OSError):
        raise PietyError(f"no turn can have been {when:g} seconds after 1970; say a time of the last years") from None
    return tid


def exactly(tid: bytes) -> str:
    """The time of a turn as a person can name it: to the microsecond, of this place."""
    when = math.ceil(time_of(tid) * 1e6) / 1e6
    return datetime.fromtimestamp(when).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")
