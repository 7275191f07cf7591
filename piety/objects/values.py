"""The values of facts, and how they are compared.

A fact is a name and a value: a text, a number, a truth value, a time or an object.  Each value has a *key*, by which it
is found and ordered; values of different kinds are never equal, and are ordered by kind:

    numbers     as they are
    texts       folded: without case and accents, so that "Müller" is found as "muller"
                (True and False are "true" and "false")
    times       b"t" and the microseconds since the epoch, in 8 bytes
    objects     b"o" and the number of the object

SQLite orders keys in just this way, as Python does within a kind.
"""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from typing import Any

from persistent import Persistent
from ZODB.utils import u64

from piety.errors import PietyError
from piety.objects.moments import shown

Key = int | float | str | bytes

LONGEST = 1_000  # characters of a text by which it is compared
_MARGIN = 1 << 63  # so that times before 1970 have keys too
_LARGEST = 1 << 63  # a number from here on is compared as a float


def key(value: Any) -> Key:
    """The key of a value.  Raises `PietyError` for what is no value of a fact."""
    kind = type(value)
    if kind is str:
        return folded(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return value if -_LARGEST <= value < _LARGEST else _as_float(value)
    if kind is float and value == value:  # not NaN
        return value
    if isinstance(value, Persistent):
        if value._p_oid is None:
            raise PietyError(f"this {kind.__qualname__} is not stored yet, and cannot be looked for")
        return b"o" + value._p_oid
    if isinstance(value, datetime):
        return time_key(value.timestamp())
    if isinstance(value, date):
        return time_key(datetime(value.year, value.month, value.day).astimezone().timestamp())
    if isinstance(value, str):  # an enumeration of strings, say
        return folded(str(value))
    raise PietyError(
        f"a fact cannot be {_brief(value)}: it is a text, a number, a truth value, a time or a persistent object"
    )


def time_key(seconds: float) -> bytes:
    """The key of a time in seconds since the epoch."""
    return b"t" + (round(seconds * 1e6) + _MARGIN).to_bytes(8, "big")


def folded(text: str) -> str:
    """A text without case and accents, as far as it counts when texts are compared."""
    text = text[:LONGEST]
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    whole = "".join(each for each in apart if not unicodedata.combining(each)).casefold()
    return whole.encode("utf-8", "replace").decode()  # half characters are no text for SQLite


def told(key: Key) -> str:
    """A key as a person reads it, if nobody knows the value as it was given."""
    if isinstance(key, bytes):
        if key[:1] == b"t":
            return shown((int.from_bytes(key[1:], "big") - _MARGIN) / 1e6)
        return f"{u64(key[1:]):#x}"
    return key if isinstance(key, str) else f"{key:,}" if isinstance(key, int) else f"{key:g}"


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _brief(value: Any) -> str:
    return "no number" if isinstance(value, float) else f"a {type(value).__qualname__}"
