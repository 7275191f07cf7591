"""What cannot be stored: usable until the system stops, and a `Lost` after the resume.

An open file, a lock, a socket, a generator, a lambda: Python cannot write them down.  They are called *volatile*.
A volatile object is used as it is while the process lives.  In its place the image gets a note of what it was, which
turn made it and how to make it again.  When that note is loaded by the process that still has the object (after a
turn that failed, say), it is the object again; in any later process it is a `Lost`.
"""

from __future__ import annotations

import copyreg
import os
import reprlib
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["Lost", "LostError", "Unread", "Volatiles", "revive"]


class LostError(Exception):
    """A `Lost` was used as if it were the object it stands for."""


class Lost:
    """Stands where an object was that could not be stored.

    `what` says what it was, `made` which turn made it, `how` what to evaluate to get it again.  Looking at it is
    safe; any other use raises `LostError`.
    """

    __slots__ = ("_how", "_key", "_made", "_session", "_what")
    _why = "it could not be stored and was lost when the system stopped"

    def __init__(self, session: str, key: int, what: str, made: str, how: str) -> None:
        for slot, value in zip(
            ("_session", "_key", "_what", "_made", "_how"), (session, key, what, made, how), strict=True
        ):
            object.__setattr__(self, slot, value)

    def __repr__(self) -> str:
        return f"<Lost: {self._what}, made by {self._made}; to get it again: {self._how}>"

    def __str__(self) -> str:  # printing is looking
        return repr(self)

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return revive, (self._session, self._key, self._what, self._made, self._how)

    def _fail(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise LostError(f"this was {self._what}; {self._why} (made by {self._made}); to get it again: {self._how}")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):  # asked by pickle, copy, inspect: an ordinary "no"
            raise AttributeError(name)
        self._fail()


# Python looks these up on the class; the rest comes by way of `__getattr__`.  Neither `__repr__`, `__eq__` nor
# `__hash__` is among them, because looking at a `Lost` is safe.
for _name in (
    "setattr delattr call iter next reversed len length_hint bool contains getitem setitem delitem enter exit "
    "await aiter anext aenter aexit int float complex index bytes abs neg pos invert round trunc floor ceil "
    "lt le gt ge add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor "
    "radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand ror rxor"
).split():
    setattr(Lost, f"__{_name}__", Lost._fail)


class Unread(Lost):
    """Stands where an object is whose own code failed when it was loaded.

    What the image has of it is kept, and is written again as it was: when its class is mended, the object is back.
    """

    __slots__ = ("_parts",)
    _why = "it cannot be made from what the image has of it, which is kept"

    def __init__(
        self, what: str, parts: list[Any], made: str = "an earlier turn", how: str = "mend its class and resume"
    ) -> None:
        super().__init__("", 0, what, made, how)
        object.__setattr__(self, "_parts", parts)

    def __reduce__(self) -> tuple[Any, ...]:
        parts: list[Any] = self._parts
        function, args, state, items, pairs = parts
        if function is copyreg.__newobj__:  # type: ignore[attr-defined]  # which pickle lets an instance alone use
            function = bare
        pairs = pairs or ()
        return function, args, state, iter(items or ()), zip(pairs[::2], pairs[1::2], strict=True)


def bare(kind: type, *args: Any) -> Any:
    """An object of a class without a call of its `__init__`."""
    return kind.__new__(kind, *args)


# The volatile objects of this process, by session and key: what gives the object, or None when it is gone.  One table
# for all images: `revive` is called by an unpickler that knows of none.
_live: dict[tuple[str, int], Callable[[], Any]] = {}


def revive(session: str, key: int, what: str, made: str, how: str) -> Any:
    """The volatile object itself while its process lives, else a `Lost`."""
    held = _live.get((session, key), _gone)()
    return Lost(session, key, what, made, how) if held is None else held


def _gone() -> None:
    return None


class Volatiles:
    """The volatile objects that the records of one open image hold.

    Those that allow it are held weakly, so that a file is still closed when its last name goes.
    """

    def __init__(self) -> None:
        self.session = os.urandom(8).hex()
        self._notes: dict[int, tuple[int, Lost]] = {}  # id(object) -> its key and note

    def note(self, obj: Any, made: str, how: str) -> Lost:
        """The note that the image gets in place of `obj`; the same one as long as `obj` lives."""
        found = self._notes.get(id(obj))
        if found is not None and self._held(found[0]) is obj:
            return found[1]
        key = len(_live)
        while (self.session, key) in _live:
            key += 1
        note = Lost(self.session, key, describe(obj), made, how)
        try:
            _live[self.session, key] = weakref.ref(obj)
        except TypeError:
            _live[self.session, key] = lambda: obj
        self._notes[id(obj)] = (key, note)
        return note

    def key(self, obj: Any) -> int:
        """The key of an object's note; -1 if it has none."""
        return self._notes[id(obj)][0] if id(obj) in self._notes else -1

    def what(self, obj: Any) -> str:
        """What the note of an object says that it is."""
        what: str = self._notes[id(obj)][1]._what
        return what

    def _held(self, key: int) -> Any:
        return _live.get((self.session, key), _gone)()

    def forget(self) -> None:
        """Let go of everything: the system stops."""
        for place in [place for place in _live if place[0] == self.session]:
            del _live[place]
        self._notes.clear()


_short = reprlib.Repr()
_short.maxother = _short.maxstring = 60  # room for the name of a function and where it lies


def describe(obj: Any) -> str:
    """What `obj` is, in a few words, running as little of its code as can be."""
    kind = type(obj)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        text = _short.repr(obj)
    except Exception as error:  # a repr may do anything; its failing is told and must not stop a commit
        text = f"its repr fails with {type(error).__name__}"
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return f"{article} {name} ({text})"
