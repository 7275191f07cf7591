"""Times as people say them: "yesterday 18:00", "3 hours ago", 2026-11-26T18:00."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
