"""An object in a few words on one line: of any object, and whatever its code does.

Nothing is loaded for it: an object that rests is told by what its record says, a collection by its first items.  The
repr of somebody's own class is asked for, with a limit in time, and clipped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from time import perf_counter
from typing import Any

from persistent import Persistent
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from wcwidth import clip, width

from piety.objects.broken import is_missing
from piety.objects.connection import name_of
from piety.objects.image import open_image
from piety.objects.naming import described

LONG = 80  # characters
FEW = 5  # items of a collection
DEEP = 2  # collections within each other
DIGITS = 4_000  # more of an int Python does not write without being asked to
PATIENCE = 0.2  # seconds that the repr of one object may take

_IN_THE_IMAGE = ("image:", "<")  # how the names of files begin that are none of the host

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("frozenset({", "})"), dict: ("{", "}"),
}  # fmt: skip


class TooLong(BaseException):
    """Somebody's code has taken its time; not an Exception, so that few would catch it."""


def brief(obj: Any, most: int = LONG) -> str:
    """An object on one line of at most so many characters; never raises but for Ctrl-C."""
    return clipped(_brief(obj, most, DEEP), most)


def clipped(text: str, most: int) -> str:
    """A text on one line of so many cells, without what disturbs a terminal; three dots tell of what is cut off."""
    text = text[: 4 * most]
    if not text.isprintable():
        text = "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in text)
    if text.isascii():
        return text if len(text) <= most else text[: max(most - 3, 0)] + "..."
    return text if width(text) <= most else clip(text, 0, max(most - 3, 0)) + "..."


def _brief(obj: Any, most: int, deep: int) -> str:
    kind = type(obj)
    if kind is str or kind is bytes:
        return repr(obj[:most]) + ("..." if len(obj) > most else "")
    if kind is int and obj.bit_length() > 3 * DIGITS:
        return f"an int of {obj.bit_length():,} bits"
    if kind in _BRACKETS:
        return _items(obj, kind, most, deep)
    if kind in (PersistentMapping, PersistentList) and obj._p_changed is not None:
        return _items(obj.data, type(obj.data), most, deep)
    if issubclass(kind, Persistent) and (found := _persistent(obj, kind)) is not None:
        return found
    if isinstance(kind, type) and issubclass(kind, type):
        return f"<class {type.__dict__['__name__'].__get__(obj)}>"
    if kind.__module__ == "numpy" and any(each.__name__ == "generic" for each in kind.__mro__):
        obj = obj.item()  # a number of an array, as Python writes it
    told = guarded(lambda: repr(obj), _what(obj, kind))
    if "\n" in told and kind.__module__.startswith("piety."):  # a table, made to be read at the shell
        first = told.partition("\n")[0]
        own = getattr(kind, "__brief__", None)
        return own(obj) if own is not None else first if first.startswith("<") else f"<{kind.__qualname__}>"
    return told


def _items(obj: Any, kind: type, most: int, deep: int) -> str:
    begin, end = _BRACKETS[kind]
    if not obj:
        return repr(obj)
    if not deep:
        return f"{begin}...{end}"
    parts = []
    for each in islice(obj.items() if kind is dict else obj, FEW):
        if kind is dict:
            parts.append(f"{_brief(each[0], most, deep - 1)}: {_brief(each[1], most, deep - 1)}")
        else:
            parts.append(_brief(each, most, deep - 1))
    if len(obj) > FEW:
        parts.append(f"... {len(obj):,} in all")
    elif kind is tuple and len(obj) == 1:
        end = ",)"
    return begin + ", ".join(parts) + end


def _persistent(obj: Any, kind: type) -> str | None:
    """Of a persistent object that rests, or that has no repr of its own; None if it has, and is in memory."""
    if obj._p_changed is None and obj._p_oid is not None:
        image = open_image()
        record = image.connection.record(obj._p_oid) if obj._p_jar is image.connection else None
        return f"<{name_of(obj) if record is None else described(image, obj._p_oid, record)}>"
    if kind.__module__.startswith("BTrees.") or kind.__repr__ is Persistent.__repr__ or is_missing(kind):
        return f"<{_what(obj, kind)}>"
    return None


def _what(obj: Any, kind: type) -> str:
    name = type.__dict__["__qualname__"].__get__(kind)  # a metaclass may say something else, or fail
    if issubclass(kind, Persistent) and obj._p_changed is not None:
        own = object.__getattribute__(obj, "__dict__") if kind.__dictoffset__ else {}
        for title in (own.get("name"), own.get("title")):  # as `described` tells those that rest
            if type(title) is str:
                return f"{name} {title!r}"
    if issubclass(kind, Persistent) and isinstance(obj._p_oid, bytes):
        return f"{name} {int.from_bytes(obj._p_oid, 'big'):#x}"
    return f"{name}"


def guarded(ask: Callable[[], str], what: str) -> str:
    """What somebody's code says of an object; or that it fails, or takes too long."""
    try:
        with_limit = in_time(ask)
        return with_limit if type(with_limit) is str else str.__str__(with_limit)
    except TooLong:
        return f"<{what}, whose repr takes too long>"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and what is no Exception
        return f"<{what}, whose repr fails: {failure(error)}>"


def failure(error: BaseException) -> str:
    """An error in a few words; what it says of itself is somebody's code too."""
    try:
        said = clipped(str(error), LONG)
    except BaseException as inner:
        if isinstance(inner, KeyboardInterrupt):
            raise
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def in_time(ask: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The result of a call; raises `TooLong` within it when it has taken so many seconds.

    The clock is looked at for each call, and in code of the image for each step; what stays within C for long is not
    stopped.
    """
    end = perf_counter() + seconds

    def look(frame: Any, event: str, _arg: Any) -> Any:
        if perf_counter() > end:
            raise TooLong
        if event == "call":
            if not frame.f_code.co_filename.startswith(_IN_THE_IMAGE):
                return None  # it takes a tenth of the time when nobody looks at its steps
            frame.f_trace_opcodes = True  # a loop on one line has no other event
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        return ask()
    finally:
        sys.settrace(before)

