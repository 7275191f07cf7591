"""Entries: objects that were kept, each with the facts by which it is found.

    keep(obj, project="lisp", tags={"draft"}, author=me)
    entry(obj)["project"]; entry(obj).add(tag="urgent"); entry(obj).remove(tag="draft")
    forget(obj)

Any object can be kept, plain values too.  One object has one entry: to keep it again gives facts anew, and leaves the
others.  `world.entries` has the entries by number: that of the object, or of the entry itself if the object is plain.
What else is known of an object, such as its class and the words in it, is derived (`deriving.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from ZODB.utils import u64

from piety.errors import PietyError
from piety.objects.changes import is_immutable
from piety.objects.connection import name_of
from piety.objects.image import Image, current, open_image
from piety.objects.moments import time_of
from piety.objects.plainvalues import value_then
from piety.objects.values import key
from piety.objects.variables import MISSING

Facts = tuple[tuple[str, Any], ...]  # names and values; a name may repeat

DERIVED = frozenset({"kind", "created", "changed", "kept", "by", "size", "words", "media"})  # nobody can give these
NOT_NAMES = frozenset({"text", "where", "at"})  # of facts: they mean something else in a query


class Entry(Persistent):
    """An object that was kept, and the facts that it was given.

    A subclass may be its own entry: then `object` is the entry itself, and one record holds both (see `files.py`).
    """

    _object: Any = MISSING  # what was kept, if it is persistent or cannot be changed; else it is in `world.plain`
    facts: Facts = ()
    created = 0.0  # when the object was made, and when it was kept, in seconds since the epoch
    kept = 0.0

    @property
    def number(self) -> int:
        """Under which it stands in `world.entries`."""
        obj = self._object
        return u64(obj._p_oid if isinstance(obj, Persistent) else self._p_oid)

    @property
    def object(self) -> Any:
        """What was kept; None if it was plain, and is gone with the entry."""
        if self._object is not MISSING:
            return self._object
        image = open_image()
        if self._p_jar is image.connection:
            found = image.plain_values.get(self.number)
        else:
            found = value_then(self._p_jar.root()["world"], self.number)
        return None if found is MISSING else found

    def begin(self, obj: Any, created: float, facts: Facts) -> None:
        """Become the entry of an object."""
        if isinstance(obj, Persistent) or is_immutable(obj):
            self._object = obj
        else:
            current().plain_values.put(self.number, obj)
        self.created, self.kept = created, time.time()
        if facts or self.facts:  # it may have been kept before
            self.facts = facts

    def __getitem__(self, name: str) -> Any:
        """The value of a fact that was given; of several, the first."""
        for each, value in self.facts:
            if each == name:
                return value
        raise KeyError(name)

    def values(self, name: str) -> list[Any]:
        """All values of a fact."""
        return [value for each, value in self.facts if each == name]

    def set(self, **facts: Any) -> None:
        """Give facts, each in place of what it was; None takes it away."""
        new = list(given(facts))
        names = {_name(name) for name in facts}
        self.facts = tuple(fact for fact in self.facts if fact[0] not in names) + tuple(new)

    def add(self, **facts: Any) -> None:
        """Give further values."""
        have = {(name, key(value)) for name, value in self.facts}
        self.facts += tuple(fact for fact in given(facts) if (fact[0], key(fact[1])) not in have)

    def remove(self, **facts: Any) -> None:
        """Take values away."""
        gone = {(name, key(value)) for name, value in given(facts)}
        self.facts = tuple(fact for fact in self.facts if (fact[0], key(fact[1])) not in gone)

    def __repr__(self) -> str:
        self._p_activate()
        obj = self.object
        what = name_of(obj) if isinstance(obj, Persistent) else f"a plain {type(obj).__qualname__}"
        shown = [f"{name}={_shown(value)}" for name, value in self.facts]
        return f"<entry of {what}{': ' if shown else ''}{', '.join(shown)}>"


def given(facts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Facts one by one: a set, list or tuple stands for several.  Raises `PietyError` for what is none."""
    seen = set()
    for given_name, value in facts.items():
        name = _name(given_name)
        for each in _several(value):
            if isinstance(each, Persistent):
                current().number_of(each)
            if (name, key(each)) not in seen:
                seen.add((name, key(each)))
                yield name, each


def _name(name: str) -> str:
    """The name of a fact as it is kept."""
    name = "tag" if name == "tags" else name.casefold()
    if not name.isidentifier() or name in NOT_NAMES:
        raise PietyError(f"{name!r} is no name for a fact; take a word that is no other part of a query")
    if name in DERIVED:
        raise PietyError(f"the fact {name!r} is derived from the object itself, and cannot be given")
    return name


def _several(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if type(value) in (set, frozenset, list, tuple) else (value,)


def _shown(value: Any) -> str:
    return name_of(value) if isinstance(value, Persistent) else repr(value)


def keep(obj: Any, **facts: Any) -> Entry:
    """Make an entry of an object, or give the one that it has further facts.

    A fact is a text, a number, a truth value, a time or a persistent object; a set or list gives several values of one
    name, `tags` those of `tag`; None takes a fact away.  Raises `PietyError`.
    """
    image = current()
    found = _entry(image, obj)
    if found is None:
        _require_own(image, obj)
        new = list(given(facts))  # before anything is changed
        found = obj if isinstance(obj, Entry) else Entry()
        if image.world.entries is None:
            image.world.entries = LOBTree()
        image.number_of(found)
        found.begin(obj, _created(image, obj), tuple(new))
        image.world.entries[found.number] = found
    else:
        found.set(**facts)
    return found


def _require_own(image: Image, obj: Any) -> None:
    if not isinstance(obj, Persistent):
        return
    if obj._p_jar not in (None, image.connection):
        raise PietyError(f"{name_of(obj)} is of the past, which cannot be kept; keep the one of now, or a copy")
    image.number_of(obj)


def _created(image: Image, obj: Any) -> float:
    """When an object was stored first; now, if it is new or plain."""
    if not isinstance(obj, Persistent) or not (place := image.storage.place(obj._p_oid)):
        return time.time()
    with image.storage.log() as log:
        for record in log.revisions(place):
            first = record.tid
    return time_of(first)


def _entry(image: Image, obj: Any) -> Entry | None:
    table = image.world.entries
    if table is None:
        return None
    if isinstance(obj, Entry):
        return obj if obj._p_oid is not None and table.get(obj.number) is obj else None
    if isinstance(obj, Persistent):
        found: Entry | None = None if obj._p_oid is None else table.get(u64(obj._p_oid))
        return found
    return None  # a plain object is not told from others that are equal to it: ask for its entry


def entry(obj: Any) -> Entry | None:
    """The entry of an object; None if it was not kept."""
    return _entry(current(), obj)


def forget(obj: Any) -> None:
    """Remove the entry of an object; the object itself stays with whatever else refers to it.  Raises `PietyError`."""
    image = current()
    found = _entry(image, obj)
    if found is None:
        what = name_of(obj) if isinstance(obj, Persistent) and obj._p_oid else f"this {type(obj).__qualname__}"
        raise PietyError(f"{what} has no entry, so there is nothing to forget")
    remove(image, found.number)


def remove(image: Image, number: int) -> None:
    """Remove the entry of a number."""
    entry = image.world.entries.pop(number)
    if entry._object is MISSING and entry.object is not entry:
        image.plain_values.drop(number)
