"""Queries: what is asked of entries, in one written form and as a tree.

    kind:note project:lisp "garbage collection" changed>monday -tag:done

    name:value      a fact; with * at its end, a value that begins so; with * alone, any value
    name>value      also <, >=, <=: numbers, times in words ("3 hours ago"), or texts
    name:low..high  from one to another, both included
    word  wor*      a word, or words that begin so;  "some words" in this order
    -x, NOT x       not;  x y both;  x OR y one of them;  (...) first

A value with blanks or parentheses in it stands in quotation marks.  `str(query)` is the written form again.
"""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any

from persistent import Persistent
from ZODB.utils import p64, u64

from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.moments import moment
from piety.objects.values import Key, folded, key, time_key

_GRAMMAR = r"""
?start: [any]
?any: all (_OR all)*            -> any
?all: one+                      -> all
?one: ("-" | _NOT) one          -> without
    | "(" any ")"
    | NAME OP (VALUE | QUOTED)  -> fact
    | (WORD | QUOTED)           -> words

_OR.3: "OR"
_NOT.3: "NOT"
NAME.2: /[^\W\d]\w*(?=\s*(:|<|>|=))/
OP: ":" | "<=" | ">=" | "<" | ">" | "="
VALUE: /[^\s()"]+/
WORD: /[^\s()":<>=-][^\s()":<>=]*/
QUOTED: /"[^"]*"/
%ignore /\s+/
"""


class BadQuery(PietyError):
    """A query that cannot be read."""


class Query:
    """A part of a query; a value.  What hangs on it never changes."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return str(self)

    def parts(self) -> tuple[Query, ...]:
        """The queries of which this one consists."""
        return ()


@never_changes
class All(Query):
    """All of these; with none of them, everything."""

    def __init__(self, *queries: Query) -> None:
        self.queries = queries

    def parts(self) -> tuple[Query, ...]:
        return self.queries

    def __str__(self) -> str:
        return " ".join(f"({each})" if isinstance(each, (Any_, All)) else str(each) for each in self.queries)


@never_changes
class Any_(Query):
    """One of these."""

    def __init__(self, *queries: Query) -> None:
        self.queries = queries

    def parts(self) -> tuple[Query, ...]:
        return self.queries

    def __str__(self) -> str:
        return " OR ".join(f"({each})" if isinstance(each, Any_) else str(each) for each in self.queries)


@never_changes
class Without(Query):
    """Not this."""

    def __init__(self, query: Query) -> None:
        self.query = query

    def parts(self) -> tuple[Query, ...]:
        return (self.query,)

    def __str__(self) -> str:
        return f"-({self.query})" if isinstance(self.query, (Any_, All)) else f"-{self.query}"


@never_changes
class Words(Query):
    """Words that follow each other in the text, without case and accents; the last may be the beginning of one."""

    def __init__(self, words: str, is_prefix: bool = False) -> None:
        self.words, self.is_prefix = words, is_prefix

    def __str__(self) -> str:
        is_plain = re.fullmatch(r'[^\s()":<>=*-][^\s()":<>=*]*', self.words) and self.words not in ("OR", "NOT")
        star = "*" if self.is_prefix else ""
        return f"{self.words}{star}" if is_plain else f'"{self.words.replace(chr(34), " ")}{star}"'

    @property
    def match(self) -> str:
        """The same as FTS5 wants it."""
        return '"' + self.words.replace('"', " ") + '"' + ("*" if self.is_prefix else "")


@never_changes
class Fact(Query):
    """A fact: its name, how it is compared, and with what: a value, or one as it is written (`Written`)."""

    def __init__(self, name: str, op: str, value: Any) -> None:
        self.name, self.op, self.value = name, op, value

    def __str__(self) -> str:
        return f"{self.name}{self.op}{_written(self.value)}"

    def spans(self) -> tuple[Span, ...]:
        """Where the key of the value lies, one of them; times in words are those of now."""
        if self.op in (":", "="):
            return tuple(_equal(self.value))
        return tuple(_ordered(self.op, self.value))


@never_changes
class Written:
    """A value as somebody has written it: it may be a number, a time, an object or a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Written) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Written({self.text!r})"


@never_changes
class Between:
    """The values from one to another, both included; each may be one as it is written."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Between) and (other.low, other.high) == (self.low, self.high)

    def __hash__(self) -> int:
        return hash((self.low, self.high))

    def __repr__(self) -> str:
        return f"Between({self.low!r}, {self.high!r})"

    def spans(self) -> Iterator[Span]:
        """Where the key of such a value lies."""
        highs = {_domain(each): each for each in _bounds("<=", self.high)}
        for low in _bounds(">=", self.low):
            if _domain(low) in highs:
                yield Span(low, highs[_domain(low)])


class Span:
    """Keys from `low` to `high`, of one kind; both are in it where they say so."""

    def __init__(self, low: Key, high: Key, has_low: bool = True, has_high: bool = True) -> None:
        self.low, self.high, self.has_low, self.has_high = low, high, has_low, has_high

    @property
    def is_one(self) -> bool:
        """Whether there is one key in it."""
        return self.has_low and self.has_high and self.low == self.high

    def __contains__(self, key: Key) -> bool:
        if _domain(key) != _domain(self.low):
            return False
        low: Any = self.low
        above = low <= key if self.has_low else low < key
        return above and (key <= self.high if self.has_high else key < self.high)  # type: ignore[operator]


def _domain(key: Key) -> str:
    return type(key).__name__[0] if isinstance(key, (str, bytes)) else "n"


_LEAST: dict[str, Key] = {"n": float("-inf"), "s": "", "b": b"t"}
_MOST: dict[str, Key] = {"n": float("inf"), "s": "\U0010ffff", "b": b"u"}


def _equal(value: Any) -> Iterator[Span]:
    if isinstance(value, Between):
        yield from value.spans()
        return
    if not isinstance(value, Written):
        if isinstance(value, type):
            value = f"{value.__module__}.{value.__qualname__}"
        yield Span(key(value), key(value))
        return
    text = value.text
    if text.endswith("*"):
        begin = folded(text[:-1])
        yield Span(begin, f"{begin}\U0010ffff")
        if not begin:
            yield from (Span(_LEAST["n"], _MOST["n"]), Span(b"", b"\xff"))
        return
    yield Span(folded(text), folded(text))
    yield from (Span(each, each) for each in _numbers(text))
    if (ends := re.fullmatch(r"(.+?)\.\.(.+)", text)) is not None:
        yield from Between(Written(ends[1]), Written(ends[2])).spans()
    if re.fullmatch(r"0x[0-9a-f]+", text) and int(text, 16) < 1 << 64:
        yield Span(b"o" + p64(int(text, 16)), b"o" + p64(int(text, 16)))
    if (day := _day(text)) is not None:
        yield Span(time_key(day[0]), time_key(day[1]), has_high=False)


def _ordered(op: str, value: Any) -> Iterator[Span]:
    for low in _bounds(op, value):
        domain = _domain(low)
        if op in (">", ">="):
            yield Span(low, _MOST[domain], has_low=op == ">=")
        else:
            yield Span(_LEAST[domain], low, has_high=op == "<=")


def _bounds(op: str, value: Any) -> Iterator[Key]:
    if not isinstance(value, Written):
        yield key(value)
        return
    text = value.text
    numbers = list(_numbers(text))
    yield from numbers
    day = _day(text)
    if day is not None:  # all of it is before what is after it
        yield time_key(day[1] - 1e-6 if op in (">", "<=") else day[0])
        return
    if not numbers:
        yield folded(text)
        try:
            yield time_key(moment(text))
        except PietyError:
            return


def _numbers(text: str) -> Iterator[Key]:
    try:
        number = float(text)
    except ValueError:
        return
    if number == number and re.fullmatch(r"[-+]?[\d.][\d._eE+-]*", text):
        yield key(int(text)) if re.fullmatch(r"[-+]?\d+", text) else number


def _day(text: str) -> tuple[float, float] | None:
    """From when to when the day, the month or the year lasts that is written so; seconds since the epoch."""
    now = datetime.datetime.fromtimestamp(time.time()).astimezone()  # of this place, as people say days
    if text in ("today", "yesterday"):
        return _from_to(datetime.date(now.year, now.month, now.day) - timedelta(days=text == "yesterday"))
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", text)
    if found is None:
        return None
    year, month, day = (int(part) if part else 0 for part in found.groups())
    try:
        start = datetime.date(year, month or 1, day or 1)
        if day:
            return _from_to(start)
        return _from_to(start, datetime.date(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1))
    except (ValueError, OverflowError):
        return None


def _from_to(first: datetime.date, end: datetime.date | None = None) -> tuple[float, float]:
    """From the beginning of a day to that of another one, or of the next; days of this place."""
    return _midnight(first), _midnight(end or first + timedelta(days=1))


def _midnight(day: datetime.date) -> float:
    return datetime.datetime.combine(day, datetime.time()).astimezone().timestamp()


def _written(value: Any) -> str:
    if isinstance(value, Between):
        text = "..".join(_written(each).strip('"') for each in (value.low, value.high))
    elif isinstance(value, Written):
        text = value.text
    elif isinstance(value, Persistent):
        text = f"{u64(value._p_oid):#x}" if value._p_oid else "0x0"
    elif isinstance(value, type):
        text = f"{value.__module__}.{value.__qualname__}"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, datetime.datetime):
        text = value.isoformat(" ")
    else:
        text = str(value)
    return text if re.fullmatch(r'[^\s()"]+', text) else f'"{text.replace(chr(34), " ")}"'


# -- reading


@lru_cache(1)
def _parser() -> Any:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


def parse(text: str) -> Query:
    """The query that is written so.  Raises `BadQuery`, which points at the place."""
    from lark import UnexpectedInput

    if not text.strip():
        return All()
    try:
        return _build(_parser().parse(text))
    except RecursionError:
        raise BadQuery("the query is nested too deep") from None
    except UnexpectedInput as error:
        place, token = error.pos_in_stream, getattr(error, "token", None)
        is_end = place is None or place < 0 or getattr(token, "type", "") == "$END"
        at = len(text.rstrip()) if is_end or place is None else place
        raise BadQuery(f"{_mistake(text, at)}: {_pointed(text, at)}") from None


def _mistake(text: str, at: int) -> str:
    rest = text[at:].lstrip()
    if not rest:
        return "the query ends too early"
    if rest[0] == '"' and text.count('"') % 2:
        return 'a quotation mark is not closed (")'
    if rest[0] in ":<>=":
        return f"before {rest[0]!r} stands the name of a fact"
    return f"the query cannot be read from {rest[:20]!r} on"


def _pointed(text: str, at: int) -> str:
    """The text with a sign before the place, as an error is one line."""
    return f"{text[:at].rstrip()} >>here>> {text[at:].lstrip()}".strip()


def _build(node: Any) -> Query:
    kind, below = node.data, node.children
    if kind in ("any", "all"):
        queries = [_build(each) for each in below]
        return queries[0] if len(queries) == 1 else (Any_ if kind == "any" else All)(*queries)
    if kind == "without":
        return Without(_build(below[0]))
    if kind == "fact":
        name, op, value = map(str, below)
        name = "tag" if name.casefold() == "tags" else name.casefold()
        return Fact(name, ":" if op == "=" else op, Written(value[1:-1] if value.startswith('"') else value))
    text = str(below[0])
    text = text[1:-1] if text.startswith('"') else text
    return Words(text.rstrip("*"), text.endswith("*"))


def both(one: Query, other: Query) -> Query:
    """All that both ask for."""
    parts = [part for each in (one, other) for part in (each.queries if isinstance(each, All) else (each,))]
    return parts[0] if len(parts) == 1 else All(*parts)


def leaves(query: Query) -> Iterator[Query]:
    """The facts and words of a query."""
    if isinstance(query, (Fact, Words)):
        yield query
    for part in query.parts():
        yield from leaves(part)


def from_python(facts: dict[str, Any]) -> Query:
    """The query for facts that are given by name, as for `find`."""
    found: list[Query] = []
    for given, value in facts.items():
        if value is None:
            continue
        if given == "text":
            found.append(Words(str(value).rstrip("*"), str(value).endswith("*")))
            continue
        name = "tag" if given == "tags" else given.casefold()
        for each in value if type(value) in (set, frozenset, list, tuple) else (value,):
            found.append(_fact(name, each))
    return found[0] if len(found) == 1 else All(*found)


def _fact(name: str, value: Any) -> Query:
    if isinstance(value, Compared):
        return Fact(name, value.op, value.value)
    if isinstance(value, Between):
        return Fact(name, ":", value)
    if name == "kind" and isinstance(value, str):
        return Fact(name, ":", Written(value))
    if not isinstance(value, type):
        key(value)  # or it says what is wrong
    return Fact(name, ":", value)


@never_changes
class Compared:
    """A value with how it is compared: `since("monday")`, `before(...)`, `above(3)`, `below(3)`."""

    def __init__(self, op: str, value: Any) -> None:
        self.op, self.value = op, value

    def __repr__(self) -> str:
        return f"{self.op}{self.value}"


def since(when: Any) -> Compared:
    """From a time on: `find(changed=since("monday"))`; words tell another time tomorrow.  Raises `PietyError`."""
    return Compared(">=", _time(when))


def before(when: Any) -> Compared:
    """Before a time.  Raises `PietyError` if it is none."""
    return Compared("<", _time(when))


def _time(when: Any) -> Any:
    if isinstance(when, str):
        if _day(when) is None:
            moment(when)  # or it says what is wrong
        return Written(when)
    return datetime.datetime.fromtimestamp(moment(when), datetime.UTC)


def above(value: Any) -> Compared:
    """More than a value: `find(pages=above(3))`."""
    key(value)
    return Compared(">", value)


def below(value: Any) -> Compared:
    """Less than a value."""
    key(value)
    return Compared("<", value)


def between(low: Any, high: Any) -> Between:
    """From one value to another, both included: `find(pages=between(3, 5), changed=between("monday", "friday"))`."""
    key(low), key(high)
    return Between(*(Written(each) if isinstance(each, str) else each for each in (low, high)))
