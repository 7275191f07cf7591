"""Finding: the entries that fulfil a query, as an object.

    f = find(kind=Note, project="lisp", text="garbage collection", changed=since("monday"), where=lambda o: o.pages > 3)
    f = find('kind:note project:lisp "garbage collection" changed>monday -tag:done')
    len(f); f.first; f[20:40]; f.facets(); f.narrow(author=me); f.snippets()
    find("project:lisp", at="monday")       # as of then
    keep(f, name="my drafts")               # a query that stays up to date, as it is asked anew in each turn

The results are the objects themselves, the best or the newest first.  They are what the turn that asks sees, its own
changes included.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from persistent import Persistent
from ZODB.utils import p64, u64

from piety.objects.changes import never_changes
from piety.objects.entries import Entry
from piety.objects.files import Node
from piety.objects.image import Image, current
from piety.objects.naming import described
from piety.objects.portable import Tick, no_tick
from piety.objects.query import (
    Compared,
    Fact,
    Query,
    Written,
    above,
    before,
    below,
    between,
    both,
    from_python,
    parse,
    since,
)  # fmt: skip
from piety.objects.snapshots import Moment, find_moment
from piety.objects.values import Key, told

if TYPE_CHECKING:
    from piety.objects.answering import Answering
    from piety.objects.findindex import FindIndex

__all__ = ["Facets", "Found", "above", "before", "below", "between", "find", "since", "stream"]

SHOWN = 20  # results that a repr tells
FEW = 10  # values of a fact that facets tell


def find(query: str | Query = "", where: Callable[[Any], object] | None = None, at: Any = None, **facts: Any) -> Found:
    """The entries that fulfil a query and have these facts.

    A fact is given by its name: a value, several of which all must be there, or `since(...)`, `before(...)`,
    `above(...)`, `below(...)`, `between(...)`; `kind` is a class or its name, `text` the words in the order in which
    they stand.  `where` is asked of the objects themselves, at last.  `at` is a moment: a snapshot, a time, the number
    of a turn.
    Raises `PietyError` for a query that cannot be read, and for a moment that is none.
    """
    image = current()
    asked = parse(query) if isinstance(query, str) else query
    if facts:
        asked = both(asked, from_python(facts))
    return Found(asked, where, None if at is None else find_moment(image, at))


@never_changes
class Found:
    """What was found.  It is asked when it is looked at, and again when something has changed since."""

    _state: Any = None  # when it was asked, and the numbers that it had found

    def __init__(
        self, query: Query, where: Callable[[Any], object] | None = None, moment: Moment | None = None
    ) -> None:
        self.query, self.where = query, where
        self._tid: bytes | None = None if moment is None else moment.tid
        self._words = "" if moment is None else moment.words

    # -- what it has found

    def __len__(self) -> int:
        return len(self.numbers(in_order=False))

    def __bool__(self) -> bool:
        return bool(self.numbers(in_order=False))

    def __iter__(self) -> Iterator[Any]:
        image = current()
        return (self._object(image, number) for number in self.numbers())

    def __getitem__(self, place: Any) -> Any:
        image, numbers = current(), self.numbers()
        if isinstance(place, slice):
            return [self._object(image, number) for number in numbers[place]]
        return self._object(image, numbers[place])

    def __contains__(self, obj: object) -> bool:
        number = getattr(obj, "_p_oid", None) if isinstance(obj, Persistent) else None
        return number is not None and u64(number) in self.numbers(in_order=False)

    @property
    def first(self) -> Any:
        """The best or the newest; None if nothing was found."""
        numbers = self.numbers()
        return self._object(current(), numbers[0]) if numbers else None

    @property
    def entries(self) -> list[Entry]:
        """The entries of what was found."""
        table = self._world(current()).entries
        return [table[number] for number in self.numbers()]

    def numbers(self, tick: Tick = no_tick, in_order: bool = True) -> list[int]:
        """The numbers of the entries; the best or the newest first, if they are asked for in order."""
        image = current()
        if (numbers := self._known(image, in_order)) is None:
            with self._answering(image, tick) as answering:
                numbers = self.ask(image, answering, in_order)
        return numbers

    def narrow(self, query: str | Query = "", **facts: Any) -> Found:
        """What of this fulfils more."""
        asked = both(parse(query) if isinstance(query, str) else query, from_python(facts))
        found = Found(both(self.query, asked), self.where)
        found._tid, found._words = self._tid, self._words
        return found

    def with_fact(self, name: str, value: str) -> Found:
        """What of this has a fact, with a value as it is written."""
        return self.narrow(Fact(name, ":", Written(value)))

    def facets(self, few: int = FEW) -> Facets:
        """The facts by which this can be narrowed, the values that most have first."""
        image = current()
        with self._answering(image) as answering:
            numbers = self.ask(image, answering, in_order=False)
            rows = answering.facets(numbers)
            index = answering.index
            return Facets(len(numbers), rows, lambda name, value: spelled_fact(image, index, name, value), few)

    def snippets(self, most: int = SHOWN) -> list[tuple[Any, str]]:
        """The first results, each with the words around those that were asked for."""
        image = current()
        with self._answering(image) as answering:
            numbers = self.ask(image, answering)[:most]
            pieces = [answering.snippet(number, self.query) for number in numbers]
        return [(self._object(image, number), piece) for number, piece in zip(numbers, pieces, strict=True)]

    def rows(self, most: int = SHOWN, tick: Tick = no_tick) -> tuple[int, list[dict[str, Any]], list[str]]:
        """As plain values: how many there are, the first of them, and what is to be said about the query."""
        image = current()
        with self._answering(image, tick) as answering:
            numbers = self.ask(image, answering)
            rows = []
            for number in numbers[: most if most > 0 else None]:
                facts: dict[str, list[str]] = {}
                for name, value in answering.facts(number):
                    facts.setdefault(name, []).append(spelled_fact(image, answering.index, name, value))
                row = {"number": f"{number:#x}", "facts": facts, "snippet": answering.snippet(number, self.query)}
                if "folder" in facts and issubclass(type(node := self._object(image, number)), Node):
                    row["path"] = node.path
                rows.append(row)
            return len(numbers), rows, [_unknown(answering.index, name) for name in answering.unknown(self.query)]

    def __brief__(self) -> str:
        return f"<found: {self.query}>"

    def __repr__(self) -> str:
        count, rows, notes = self.rows()
        lines = [line_of(row) for row in rows]
        if count > len(rows):
            lines.append(f"... and {count - len(rows):,} more")
        when = f" at {self._words}" if self._words else ""
        return "\n".join(
            [*lines, *(f"note: {note}" for note in notes), f"{count:,} found{when}: {self.query}".rstrip(": ")]
        )

    @property
    def is_of_then(self) -> bool:
        """Whether it is asked as of a moment."""
        return self._tid is not None

    # -- how

    def _known(self, image: Image, in_order: bool) -> list[int] | None:
        """What it has found already, if nothing has changed since."""
        token, numbers, is_in_order = self._state or (None, None, False)
        is_good = is_in_order >= in_order and token == self._token(image) and image.is_untouched
        return numbers if is_good else None

    def _token(self, image: Image) -> Any:
        return id(image), image.turn_number, image.storage.lastTransaction()

    def ask(self, image: Image, answering: Answering, in_order: bool = True) -> list[int]:
        """The numbers of the entries, from an index that was brought up to now."""
        numbers = answering.numbers(self.query, in_order)
        if (where := self.where) is not None:
            numbers = [number for number in numbers if where(self._object(image, number))]
        self._state = self._token(image), numbers, in_order
        return numbers

    @contextlib.contextmanager
    def _answering(self, image: Image, tick: Tick = no_tick) -> Iterator[Answering]:
        from piety.objects.answering import Answering
        from piety.objects.following import as_of_this_turn, catch_up

        index = image.find_index
        if self._tid is None:
            with as_of_this_turn(image, index, tick):
                yield Answering(index, class_finder(image))
            return
        past = image.past(self._tid)  # which tells whether it can be looked at
        if image.is_packed(self._tid):
            yield Answering(image.find_index_of(self._tid, tick), class_finder(image))
            return
        catch_up(image, index, tick)
        yield Answering(index, class_finder(image), u64(self._tid), past)

    def _world(self, image: Image) -> Any:
        return image.world if self._tid is None else image.past(self._tid).root()["world"]

    def _object(self, image: Image, number: int) -> Any:
        connection = image.connection if self._tid is None else image.past(self._tid)
        obj = connection.get(p64(number))
        return obj.object if isinstance(obj, Entry) else obj


def _getstate(found: Found) -> dict[str, Any]:
    return {name: value for name, value in vars(found).items() if name != "_state"}


Found.__getstate__ = _getstate  # type: ignore[assignment, method-assign]  # what it had found is not kept


def class_finder(image: Image) -> Callable[[str], Any]:
    """Gives the class that goes by a full name; a stand-in if there is none."""

    def find_class(name: str) -> Any:
        module, _, own = name.rpartition(".")
        return image.find_class(None, module or "builtins", own)

    return find_class


class Facets:
    """The facts of what was found: for each name the values, and how many have each."""

    def __init__(
        self, count: int, rows: list[tuple[str, Key, int]], spell: Callable[[str, Key], str], few: int
    ) -> None:
        self.count = count
        self._spell, self._few = spell, few
        self._rows: dict[str, list[tuple[Key, int]]] = {}
        for name, value, number in rows:
            self._rows.setdefault(name, []).append((value, number))

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, name: str) -> dict[str, int]:
        """The values of one fact, as they are written, and how many have each."""
        return {self._spell(name, value): number for value, number in self._rows[name]}

    def as_dict(self) -> dict[str, dict[str, int]]:
        """The few values of each fact that most have."""
        return {
            name: {self._spell(name, value): number for value, number in values[: self._few]}
            for name, values in self._rows.items()
        }

    def __repr__(self) -> str:
        width = max(map(len, self._rows), default=0)
        return "\n".join(f"{name:{width}}  {self._told(name)}" for name in self._rows) or "no facts"

    def _told(self, name: str) -> str:
        values = self._rows[name]
        if (ends := _range([value for value, _number in values], self._few)) is not None:
            return " ... ".join(self._spell(name, end) for end in ends)
        shown_ = [f"{self._spell(name, value)} ({number:,})" for value, number in values[: self._few]]
        more = len(values) - self._few
        return ", ".join(shown_) + (f", and {more:,} more" if more > 0 else "")


def _range(values: list[Any], few: int) -> tuple[Key, Key] | None:
    """The least and the greatest, of several times or many numbers."""
    if len(values) > 1 and all(isinstance(each, bytes) and each[:1] == b"t" for each in values):
        return min(values), max(values)
    if len(values) > few and all(isinstance(each, (int, float)) for each in values):
        return min(values), max(values)
    return None


def stream(changed: Compared | None = None, query: str | Query = "", **facts: Any) -> Found:
    """What was changed, the newest first: `stream(since("today"))`."""
    return find(query, **facts) if changed is None else find(query, changed=changed, **facts)


def line_of(row: dict[str, Any]) -> str:
    """A result on one line: its number, when it was changed, its kind, and what it is called."""
    facts = row["facts"]
    kind = facts.get("kind", ["?"])[0].rpartition(".")[2]
    names = (row.get("path"), *(facts[each][0] for each in ("name", "title") if facts.get(each)))
    name = "  ".join(dict.fromkeys(each for each in names if each and not str(row.get("path")).endswith(f"/{each}")))
    name = name if name.isprintable() else repr(name)
    given = [f"{each}:{value}" for each, values in facts.items() for value in values if each not in _SELDOM]
    told_ = "  ".join(filter(None, (name, " ".join(given))))
    line = f"{row['number']:>8}  {facts.get('changed', ['?'])[0]}  {kind:10}  {told_[:120]}".rstrip()
    return f"{line}\n          {row['snippet']}" if row["snippet"] else line


_SELDOM = frozenset(
    "kind created changed kept by size words media name title modified suffix folder defines imports link".split()
)


def spelled_fact(image: Image, index: FindIndex, name: str, value: Key) -> str:
    """The value of a fact, as a person reads it."""
    from piety.objects.following import spelled

    if isinstance(value, bytes) and value[:1] == b"o":
        record = image.connection.record(value[1:])
        what = "gone" if record is None else described(image, value[1:], record)
        return what if what.endswith(told(value)) else f"{told(value)} {what}"
    if isinstance(value, bytes):
        return told(value)
    number = index.known(name)
    return told(value) if number is None else spelled(index, number, value)


def _unknown(index: FindIndex, name: str) -> str:
    near = difflib.get_close_matches(name, index.names(), 1)
    return f"no entry has a fact {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
