"""How a query is answered without the index: each entry of a world is asked.  The index must agree with it."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from piety.objects.answering import is_kind
from piety.objects.deriving import Derived, kind_of
from piety.objects.entries import Entry
from piety.objects.following import Who, read, times, words_of
from piety.objects.query import Any_, Fact, Query, Without, Words

if TYPE_CHECKING:
    from piety.objects.connection import ImageConnection


class Scanning:
    """Asks the entries of one world; `who` tells who has written a record."""

    def __init__(self, connection: ImageConnection, who: Who) -> None:
        self._connection, self._who = connection, who

    def numbers(self, query: Query) -> list[int]:
        """The numbers of the entries that fulfil a query, the newest first."""
        table = self._connection.root()["world"].entries
        found = []
        for number, entry in () if table is None else table.items():
            derived = self.derived(entry)
            if self._holds(query, entry, derived):
                changed = max((each for name, _value, each in derived.facts if name == "changed"), default=b"")
                found.append((changed, number))
        return [number for _changed, number in sorted(found, reverse=True)]

    def derived(self, entry: Entry) -> Derived:
        """What is known of an entry, with what the log tells."""
        loaded: dict[bytes, Any] = {}
        entry._p_activate()
        for obj in (entry, entry.object):
            if hasattr(obj, "_p_deactivate"):
                obj._p_deactivate()  # so that loading it is seen
        report = self._connection.on_load
        self._connection.on_load = lambda obj, _state, _record: loaded.__setitem__(obj._p_oid, obj)
        try:
            derived = read(entry, self._connection.root()["world"].extractors)
            derived.add(times(entry, loaded, self._who))
        finally:
            self._connection.on_load = report
        self._connection.cacheMinimize()
        return derived

    def _holds(self, query: Query, entry: Entry, derived: Derived) -> bool:
        if isinstance(query, Without):
            return not self._holds(query.query, entry, derived)
        if isinstance(query, Words):
            return _has_words(derived.text, query)
        if isinstance(query, Fact):
            if query.name == "kind":
                return is_kind(type(entry.object), kind_of(entry.object), query.value)
            spans = query.spans()
            return any(
                name == query.name and any(each in span for span in spans) for name, _value, each in derived.facts
            )
        test = any if isinstance(query, Any_) else all
        return test(self._holds(part, entry, derived) for part in query.parts())


def _has_words(text: str, words: Words) -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.execute('CREATE VIRTUAL TABLE words USING fts5(text, parts, tokenize="unicode61 remove_diacritics 2")')
        db.execute("INSERT INTO words VALUES(?, ?)", words_of(text))
        return db.execute("SELECT 1 FROM words WHERE words MATCH ?", (words.match,)).fetchone() is not None
