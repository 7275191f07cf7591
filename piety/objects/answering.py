"""How the index answers a query: as SQL, for now or for a moment.

The part of a query that fewest entries fulfil gives the entries that come into question, and the other parts are asked
of these one by one.  The newest come first, or where words are asked for, those that match best (bm25).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ZODB.utils import p64

from piety.objects.findindex import FindIndex
from piety.objects.following import read, words_of
from piety.objects.query import All, Any_, Fact, Query, Span, Without, Words, leaves
from piety.objects.values import Key, folded

if TYPE_CHECKING:
    from piety.objects.connection import ImageConnection

ENOUGH = 1_000  # entries up to which it is counted at first how many fulfil a part
TOO_MANY = 1_000_000  # entries from which on it is not counted any more
FEW = 2_000  # entries up to which each is asked when it was changed

Sql = tuple[str, list[Any]]


class Answering:
    """Answers queries as of a moment: the number of a turn, with a connection to its world; or as of now."""

    def __init__(
        self,
        index: FindIndex,
        find_class: Callable[[str], Any],
        turn: int | None = None,
        past: ImageConnection | None = None,
    ) -> None:
        self._db, self.index = index.db, index
        self._find_class = find_class
        self._turn = turn
        self._past = past
        self._kinds: dict[str, list[str]] = {}
        self._selects: dict[int, tuple[Query, Sql]] = {}  # by the id of a part: to choose one, those in it are counted

    # -- the entries

    def numbers(self, query: Query, in_order: bool = True) -> list[int]:
        """The numbers of the entries that fulfil a query, in order if that is asked for."""
        words = list(_asked_words(query))
        if in_order and words and words == list(query.parts() or (query,)):
            return self._ranked(words)
        found = self._fulfilling(query)
        if not in_order:
            return list(found)
        if not words:
            return self._newest_first(found)
        ranked = [number for number in self._ranked(words) if number in found]
        return ranked + sorted(found.difference(ranked), reverse=True)

    def _fulfilling(self, query: Query) -> set[int]:
        """The numbers of the entries that fulfil a query."""
        return self._numbers(*self._select(query))

    def _fewest(self, parts: Sequence[Query]) -> Query:
        """The part that fewest entries fulfil; of the many that fulfil another, no more are counted than tell that."""
        most = ENOUGH
        while len(parts) > 1:
            counts = [self._count(part, most) for part in parts]
            if min(counts) < most or most >= TOO_MANY:
                return parts[counts.index(min(counts))]
            most *= 4
        return parts[0]

    def _count(self, query: Query, most: int) -> int:
        sql, values = self._select(query)
        (count,) = self._column(f"SELECT count(*) FROM (SELECT 1 FROM ({sql}) LIMIT {most})", values)
        return count

    def _numbers(self, sql: str, values: Sequence[Any]) -> set[int]:
        return {row[0] for row in self._db.execute(sql, values)}

    def fulfils(self, number: int, query: Query) -> bool:
        """Whether an entry is there and fulfils a query."""
        sql, values = self._holds(query)
        asked = f"SELECT 1 FROM (SELECT ? AS number) e WHERE ({sql})"
        return self.record(number) is not None and self._db.execute(asked, [number, *values]).fetchone() is not None

    def record(self, number: int) -> int | None:
        """The number of the object in which an entry lies; None if there is no such entry."""
        select, values = self._now_or_then("record", "entries", "number = ?", [number])
        row = self._db.execute(select, values).fetchone()
        return None if row is None else row[0]

    def _newest_first(self, numbers: set[int]) -> list[int]:
        if self._turn is None and len(numbers) > FEW:  # then it is faster to go through all of them in that order
            everything = "SELECT entry FROM facts WHERE name = ? ORDER BY value DESC, entry DESC"
            return [number for number in self._column(everything, [self.index.known("changed")]) if number in numbers]
        order, values = self._changed("number")
        with self._found(numbers):
            return self._column(f"SELECT number FROM temp.found ORDER BY {order} DESC, number DESC", values)

    def _column(self, sql: str, values: Sequence[Any]) -> list[int]:
        return [row[0] for row in self._db.execute(sql, values)]

    def _entries(self) -> Sql:
        if self._turn is None:
            return "SELECT number FROM entries", []
        return (
            "SELECT number FROM entries WHERE since <= ? "
            "UNION SELECT number FROM entries_then WHERE since <= ? AND until > ?",
            [self._turn] * 3,
        )

    def _select(self, query: Query) -> Sql:
        """The numbers of the entries that fulfil this part."""
        if id(query) not in self._selects:
            self._selects[id(query)] = query, self._selected(query)
        return self._selects[id(query)][1]

    def _selected(self, query: Query) -> Sql:
        if isinstance(query, All) and len(query.queries) == 1:
            return self._select(query.queries[0])
        if _is_negative(query):
            select, values = self._entries()
            sql, more = self._holds(query)
            return f"SELECT e.number FROM ({select}) e WHERE {sql}", values + more
        if isinstance(query, Fact):
            name, spans = self._spans(query)
            selects = [
                self._now_or_then("entry AS number", "facts", f"name = ? AND {condition}", [name, *values])
                for condition, values in _conditions(spans)
            ]  # one for each, as SQLite is slow with an OR
            return _joined(" UNION ALL ", selects) if selects else ("SELECT 0 AS number WHERE 0", [])
        if isinstance(query, Words):
            return self._matching(query)
        if isinstance(query, Any_):
            return _joined(" UNION ALL ", [self._select(part) for part in query.queries])
        first = self._fewest([part for part in query.parts() if not _is_negative(part)])
        select, values = self._select(first)
        sql, more = self._holds(All(*(part for part in query.parts() if part is not first)))
        return f"SELECT e.number FROM ({select}) e WHERE {sql}", values + more

    def _holds(self, query: Query) -> Sql:
        """Whether `e.number` fulfils this part."""
        if isinstance(query, Without):
            sql, values = self._holds(query.query)
            return f"NOT ({sql})", values
        if isinstance(query, Fact):
            name, spans = self._spans(query)
            conditions = list(_conditions(spans, "+value"))  # a plus, as the value is not what to look for an entry by
            condition = " OR ".join(each for each, _values in conditions) or "0"
            values = [value for _each, values in conditions for value in values]
            asked = f"entry = e.number AND name = ? AND ({condition})"
            if self._turn is None:
                return f"EXISTS (SELECT 1 FROM facts WHERE {asked})", [name, *values]
            return (
                f"(EXISTS (SELECT 1 FROM facts WHERE {asked} AND since <= ?) "
                f"OR EXISTS (SELECT 1 FROM facts_then WHERE {asked} AND since <= ? AND until > ?))",
                [name, *values, self._turn, name, *values, self._turn, self._turn],
            )
        if isinstance(query, Words):
            sql, values = self._matching(query)
            return f"e.number IN ({sql})", values
        if not query.parts():
            return "1", []
        parts = [self._holds(part) for part in query.parts()]
        return _joined(" OR " if isinstance(query, Any_) else " AND ", parts, "()")

    def _now_or_then(self, column: str, table: str, condition: str, values: list[Any]) -> Sql:
        if self._turn is None:
            return f"SELECT {column} FROM {table} WHERE {condition}", values
        return (
            f"SELECT {column} FROM {table} WHERE {condition} AND since <= ? "
            f"UNION ALL SELECT {column} FROM {table}_then WHERE {condition} AND since <= ? AND until > ?",
            [*values, self._turn, *values, self._turn, self._turn],
        )

    def _changed(self, number: str) -> Sql:
        """When an entry was changed, to be ordered by."""
        name = self.index.known("changed")
        now = f"(SELECT value FROM facts WHERE entry = {number} AND name = ?"
        if self._turn is None:
            return f"{now})", [name]
        then = f"(SELECT value FROM facts_then WHERE entry = {number} AND name = ? AND since <= ? AND until > ?)"
        return f"coalesce({now} AND since <= ?), {then})", [name, self._turn, name, self._turn, self._turn]

    # -- facts

    def _spans(self, fact: Fact) -> tuple[int | None, list[Span]]:
        name = self.index.known(fact.name)
        if fact.name == "kind":
            return name, [Span(each, each) for each in self._kinds_like(fact)]
        return name, list(fact.spans())

    def _kinds_like(self, fact: Fact) -> list[str]:
        """The classes among those of the entries that are meant: the class itself, and its subclasses."""
        asked = fact.value
        known = str(fact)
        if known not in self._kinds:
            names = {*self._values("facts", "kind"), *self._values("facts_then", "kind")}
            self._kinds[known] = [each for each in names if self._is_kind(each, asked)]
        return self._kinds[known]

    def _values(self, table: str, name: str) -> Iterator[Any]:
        """The values of a fact, each once; by leaps, as few values are those of many entries."""
        value: Any = ""
        number = self.index.known(name)
        while True:
            sql = f"SELECT value FROM {table} WHERE name = ? AND value > ? ORDER BY value LIMIT 1"
            row = self._db.execute(sql, (number, value)).fetchone()
            if row is None:
                return
            (value,) = row
            yield value

    def _is_kind(self, name: str, asked: Any) -> bool:
        spelling = self._db.execute(
            "SELECT spelling FROM spellings WHERE name = ? AND value = ?", (self.index.known("kind"), name)
        ).fetchone()
        return is_kind(self._find_class(name if spelling is None else spelling[0]), name, asked)

    # -- words

    def _matching(self, words: Words) -> Sql:
        """The entries with these words; a limit keeps SQLite from making it part of an OR, where it knows no MATCH."""
        sql, values = self._matched(words)
        return f"SELECT number FROM ({sql} LIMIT -1)", values

    def _matched(self, words: Words) -> Sql:
        if self._turn is None:
            return "SELECT rowid AS number FROM words WHERE words MATCH ?", [words.match]
        sql = (
            "SELECT words.rowid AS number FROM words JOIN texts ON texts.entry = words.rowid "
            "WHERE words MATCH ? AND texts.since <= ?"
        )
        values = [words.match, self._turn]
        if self._has_then:
            sql += " UNION SELECT rowid FROM temp.words_then WHERE words_then MATCH ?"
            values.append(words.match)
        return sql, values

    def _ranked(self, words: Sequence[Words]) -> list[int]:
        """The entries in which all of these words are, the best first."""
        match = " AND ".join(each.match for each in words)
        if self._turn is None:
            return self._column("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank, rowid DESC", [match])
        sql = (
            "SELECT words.rowid AS number, words.rank AS rank FROM words JOIN texts ON texts.entry = words.rowid "
            "WHERE words MATCH ? AND texts.since <= ?"
        )
        values = [match, self._turn]
        if self._has_then:
            sql += " UNION ALL SELECT rowid, words_then.rank FROM temp.words_then WHERE words_then MATCH ?"
            values.append(match)
        return self._column(f"SELECT number FROM ({sql}) ORDER BY rank, number DESC", values)

    @cached_property
    def _has_then(self) -> bool:
        """Whether some words were others then: the index has those of now, so they are read from the past itself."""
        if self._past is None:
            return False
        self._db.execute("DROP TABLE IF EXISTS temp.words_then")
        rows = self._db.execute(
            "SELECT entry, record FROM texts_then t JOIN (SELECT number, record FROM entries WHERE since <= :turn "
            "UNION SELECT number, record FROM entries_then WHERE since <= :turn AND until > :turn) ON number = entry "
            "WHERE since <= :turn AND until > :turn",
            {"turn": self._turn},
        ).fetchall()
        if not rows:
            return False
        self._db.execute(
            'CREATE VIRTUAL TABLE temp.words_then USING fts5(text, parts, tokenize="unicode61 remove_diacritics 2")'
        )
        for number, record in rows:
            text = read(self._past.get(p64(record)), ()).text
            self._db.execute("INSERT INTO words_then(rowid, text, parts) VALUES(?, ?, ?)", (number, *words_of(text)))
        return True

    def snippet(self, number: int, query: Query) -> str:
        """Where the words that were asked for stand in the text of an entry; "" if they do not."""
        words = [each for each in leaves(query) if isinstance(each, Words)]
        for table in ("words", "words_then") if self._has_then else ("words",):
            for match in (" AND ".join(each.match for each in words), " OR ".join(each.match for each in words)):
                piece = f"snippet({table}, 0, '[', ']', ' ... ', 12)"
                sql = f"SELECT {piece} FROM {table} WHERE {table} MATCH ? AND rowid = ?"
                if words and (row := self._db.execute(sql, (match, number)).fetchone()) is not None:
                    return " ".join(row[0].split())
        return ""

    # -- of what was found

    @contextlib.contextmanager
    def _found(self, numbers: Iterable[int]) -> Iterator[None]:
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS found(number INTEGER PRIMARY KEY)")
        self._db.execute("DELETE FROM temp.found")
        self._db.executemany("INSERT INTO temp.found VALUES(?)", ((number,) for number in numbers))
        yield
        self._db.execute("DELETE FROM temp.found")

    def facets(self, numbers: Iterable[int]) -> list[tuple[str, Key, int]]:
        """The facts of these entries, how many of them have each: name, value, count."""
        sql, values = self._now_or_then("entry, name, value", "facts", "entry IN (SELECT number FROM temp.found)", [])
        with self._found(numbers):
            rows = self._db.execute(
                f"SELECT n.name, f.value, count(*) FROM ({sql}) f JOIN names n ON n.id = f.name "
                "GROUP BY f.name, f.value ORDER BY n.name, count(*) DESC, f.value",
                values,
            ).fetchall()
        return rows

    def facts(self, number: int) -> list[tuple[str, Key]]:
        """The facts of one entry."""
        sql, values = self._now_or_then("name, value", "facts", "entry = ?", [number])
        rows = self._db.execute(
            f"SELECT n.name, f.value FROM ({sql}) f JOIN names n ON n.id = f.name ORDER BY n.name, f.value", values
        )
        return rows.fetchall()

    def unknown(self, query: Query) -> list[str]:
        """The names in a query that are those of no fact there ever was."""
        names = {each.name for each in leaves(query) if isinstance(each, Fact)}
        return sorted(name for name in names if self.index.known(name) is None)


def is_kind(kind: Any, name: str, asked: Any) -> bool:
    """Whether a class, of which this is the full name, is meant: by itself, by its name, or as a subclass."""
    if isinstance(asked, type):
        return isinstance(kind, type) and issubclass(kind, asked)
    wanted = folded(str(getattr(asked, "text", asked)))
    names = {name, name.rpartition(".")[2]}
    if isinstance(kind, type):
        for each in kind.__mro__[:-1]:
            names |= {folded(each.__qualname__), folded(f"{each.__module__}.{each.__qualname__}")}
    names = set(map(folded, names))
    if wanted.endswith("*"):
        return any(each.startswith(wanted[:-1]) for each in names)
    return wanted in names


def _is_negative(query: Query) -> bool:
    """Whether a part only tells which entries do not fulfil it, so that all of them come into question."""
    if isinstance(query, Without):
        return True
    if isinstance(query, Any_):
        return any(map(_is_negative, query.queries))
    return isinstance(query, All) and all(map(_is_negative, query.queries))


def _asked_words(query: Query) -> Iterator[Words]:
    """The words that each result has."""
    for part in query.queries if isinstance(query, All) else (query,):
        if isinstance(part, Words):
            yield part


def _conditions(spans: Sequence[Span], value: str = "value") -> Iterator[Sql]:
    """Conditions, one of which is true if the value lies in one of the spans."""
    single = [span.low for span in spans if span.is_one]
    if single:
        yield f"{value} IN ({', '.join('?' * len(single))})", list(single)
    for span in spans:
        if not span.is_one:
            condition = f"{value} >{'=' * span.has_low} ? AND {value} <{'=' * span.has_high} ?"
            yield f"({condition})", [span.low, span.high]


def _joined(how: str, parts: Sequence[Sql], around: str = "  ") -> Sql:
    sql = how.join(f"{around[0].strip()}{each}{around[1].strip()}" for each, _values in parts)
    if around == "()":
        sql = f"({sql})"
    return sql, [value for _each, values in parts for value in values]
