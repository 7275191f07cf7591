"""Who refers to whom, and what takes how much room: asked of the index, so that nothing is loaded for it.

    who_points_at(obj)      the objects that refer to it; of a BTree's nodes, the BTree
    path_to(obj)            the shortest way to it: `world.notes[3].author`
    linked(obj)             what the facts of its entry name, and the entries whose facts name it
    instances(Note)         the objects of a class and of its subclasses
    sizes(), sizes(since="1 week ago")      objects and bytes by class, and how much came since

What nothing refers to any more is stored until a pack, and counts among the instances and sizes.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from persistent import Persistent
from ZODB.utils import p64, u64

from piety.errors import PietyError
from piety.objects.answering import Answering, is_kind
from piety.objects.entries import Entry
from piety.objects.findindex import FindIndex
from piety.objects.finding import Found, class_finder
from piety.objects.following import as_of_this_turn
from piety.objects.image import Image, current
from piety.objects.paths import step
from piety.objects.query import Any_, Fact
from piety.objects.snapshots import find_moment
from piety.objects.variables import Group
from piety.objects.world import World

if TYPE_CHECKING:
    from piety.objects.connection import ImageConnection

ENTRIES = f"{Entry.__module__}.{Entry.__qualname__}"
VARIABLES = f"{Group.__module__}.{Group.__qualname__}"
FAR = 1_000_000  # objects that are looked at for a way


@contextlib.contextmanager
def _asked(obj: Any) -> Iterator[tuple[Image, FindIndex, int]]:
    """In the block the index knows what the turn sees; and the number of the object that is asked about."""
    image = current()
    if not isinstance(obj, Persistent):
        raise PietyError(f"a plain {type(obj).__qualname__} is a part of what holds it; ask for a persistent object")
    if obj._p_oid is None:
        raise PietyError(f"this {type(obj).__qualname__} is not stored yet; nothing that is refers to it")
    number = u64(obj._p_oid)
    with as_of_this_turn(image, image.find_index):
        yield image, image.find_index, number


def who_points_at(obj: Any) -> list[Any]:
    """The objects that refer to a persistent object and can be reached themselves.  Raises `PietyError`."""
    with _asked(obj) as (image, index, number):
        found = dict.fromkeys(_whole(index, source) for source in _sources(index, number))
        numbers = [each for each in found if each != number and _way(image, index, each) is not None]
    return [image.connection.get(p64(each)) for each in numbers]


def path_to(obj: Any) -> str | None:
    """The shortest way to a persistent object, as it would be written at the shell; None if there is none.

    A way over the entries counts only where there is no other.
    """
    with _asked(obj) as (image, index, number):
        way = _way(image, index, number)
        if way is None:
            return None
        with image.world_at(None) as view:
            return _told(view, way)


def _sources(index: FindIndex, number: int) -> list[int]:
    return [row[0] for row in index.db.execute("SELECT source FROM refs WHERE target = ?", (number,))]


def _class(index: FindIndex, number: int) -> str:
    row = index.db.execute(
        "SELECT name FROM classes JOIN records ON id = class WHERE oid = ?", (number,)
    ).fetchone()  # fmt: skip
    return "?" if row is None else row[0]


def _whole(index: FindIndex, number: int) -> int:
    """The BTree of which this is a node; else the object itself."""
    seen = {number}
    while (kind := _class(index, number)).startswith("BTrees."):
        family = _family(kind)
        above = [each for each in _sources(index, number) if _family(_class(index, each)) == family]
        inner = [each for each in above if not _is_leaf(_class(index, each))] or above
        following = next((each for each in inner if each not in seen), None)
        if following is None:
            return number
        number = following
        seen.add(number)
    return number


def _family(name: str) -> str:
    return name.rpartition(".")[0] if name.startswith("BTrees.") else ""


def _is_leaf(name: str) -> bool:
    return name.endswith(("Bucket", "Set")) and not name.endswith("TreeSet")


def _way(image: Image, index: FindIndex, number: int, by_variable: bool = True) -> list[int] | None:
    """The numbers of the objects on the shortest way from the root, as a person writes it: a variable is one step."""
    root = u64(image.connection.root()._p_oid)
    for avoid in (True, False):
        before = {number: number}
        todo = deque([number])
        while todo and len(before) < FAR:
            each = todo.popleft()
            if each == root:
                return _from_root(each, number, before)
            kinds = {source: _class(index, source) for source in _sources(index, each)}
            for source, kind in kinds.items():
                if by_variable and kind == VARIABLES:
                    above = _way(image, index, source, by_variable=False)
                    if above is not None:
                        return above + _from_root(each, number, before)
            for source, kind in kinds.items():
                if source not in before and not (avoid and kind == ENTRIES):
                    before[source] = each
                    todo.append(source)
    return None


def _from_root(first: int, number: int, before: dict[int, int]) -> list[int]:
    way = [first]
    while way[-1] != number:
        way.append(before[way[-1]])
    return way


def _told(view: ImageConnection, way: Sequence[int]) -> str:
    name = ""
    for number, following in pairwise(way):
        taken = view.take(p64(number))
        if taken is None:
            return name
        kind, state = taken
        trail = step(kind, state, p64(following))
        if kind is Group:
            name = trail.removeprefix("workspace.")
        elif kind is World:
            name = f"world{trail}"
        else:
            name += trail
    return name or "root"


def linked(obj: Any) -> list[Any]:
    """The objects that the facts of an object's entry name, and those whose entries name it."""
    with _asked(obj) as (image, index, number):
        answering = Answering(index, class_finder(image))
        values = [value for _name, value in answering.facts(number) if isinstance(value, bytes)]
        named = [u64(value[1:]) for value in values if value[:1] == b"o"]
        naming = Found(Any_(*(Fact(name, ":", obj) for name in index.names()))).ask(image, answering)
    numbers = dict.fromkeys([*named, *naming])
    numbers.pop(number, None)
    return [_object(image, each) for each in numbers]


def _object(image: Image, number: int) -> Any:
    obj = image.connection.get(p64(number))
    return obj.object if isinstance(obj, Entry) else obj


class Instances(Sequence[Any]):
    """The objects of a class; each is loaded when it is looked at."""

    def __init__(self, kind: str, numbers: list[int]) -> None:
        self._kind, self._numbers = kind, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:
        connection = current().connection
        if isinstance(place, slice):
            return [connection.get(p64(number)) for number in self._numbers[place]]
        return connection.get(p64(self._numbers[place]))

    def __repr__(self) -> str:
        return f"<{len(self):,} instance{'s' if len(self) != 1 else ''} of {self._kind}>"


def instances(kind: Any) -> Instances:
    """The objects of a persistent class (or its name) and of its subclasses, in the order in which they were made."""
    image = current()
    index = image.find_index
    find_class = class_finder(image)
    with as_of_this_turn(image, index):
        names = index.db.execute("SELECT id, name FROM classes").fetchall()
        kinds = [number for number, name in names if is_kind(find_class(name), name, kind)]
        numbers: list[int] = []
        for number in kinds:
            numbers += [row[0] for row in index.db.execute("SELECT oid FROM records WHERE class = ?", (number,))]
    return Instances(kind if isinstance(kind, str) else kind.__qualname__, sorted(numbers))


class Sizes:
    """Objects and bytes by class, those that take most first; with what came since a moment."""

    def __init__(self, rows: list[dict[str, Any]], since: str = "") -> None:
        self.rows, self._since = rows, since

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        lines = []
        for row in self.rows[:30]:
            line = f"{row['bytes']:>14,} bytes  {row['objects']:>10,} objects  {row['kind']}"
            if self._since:
                line = f"{row['more_bytes']:>+14,} bytes  {row['more_objects']:>+10,} objects  {row['kind']}"
            lines.append(line)
        if len(self.rows) > 30:
            lines.append(f"... and {len(self.rows) - 30} more")
        return "\n".join(lines) or f"nothing{' more' if self._since else ''}"


def sizes(since: Any = None) -> Sizes:
    """Objects and bytes by class; with `since`, a moment, what has come and gone from then on.  Raises `PietyError`."""
    image = current()
    index = image.find_index
    moment = None if since is None else find_moment(image, since)
    with as_of_this_turn(image, index):
        now = _by_class(index, "SELECT class, size FROM records", ())
        if moment is None:
            then: dict[str, tuple[int, int]] = {}
        else:
            turn = u64(moment.tid)
            then = _by_class(
                index,
                "SELECT class, size FROM records WHERE since <= ? "
                "UNION ALL SELECT class, size FROM records_then WHERE since <= ? AND until > ?",
                (turn, turn, turn),
            )
    rows = []
    for kind in now.keys() | then.keys():
        (objects, size), (objects_then, size_then) = now.get(kind, (0, 0)), then.get(kind, (0, 0))
        row: dict[str, Any] = {"kind": kind, "objects": objects, "bytes": size}
        if moment is not None:
            if (objects, size) == (objects_then, size_then):
                continue
            row |= {"more_objects": objects - objects_then, "more_bytes": size - size_then}
        rows.append(row)
    rows.sort(key=lambda row: (-row.get("more_bytes", row["bytes"]), row["kind"]))
    return Sizes(rows, "" if moment is None else moment.words)


def _by_class(index: FindIndex, sql: str, values: tuple[int, ...]) -> dict[str, tuple[int, int]]:
    rows = index.db.execute(
        f"SELECT name, count(*), sum(size) FROM ({sql}) JOIN classes ON id = class GROUP BY class", values
    )
    return {name: (count, size) for name, count, size in rows}
