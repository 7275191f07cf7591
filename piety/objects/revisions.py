"""One thing through time: its turns, what is different, and bringing back what it was.

    history(obj); diff(obj, "monday"); revert(obj, "monday")

A thing is a persistent object, a text, a module, a function or class of the workspace, or a variable by its name; a
plain value stands for the variable that holds it.  An object is taken whole: with the nodes of its BTrees, also of
those that it holds itself, as nobody thinks of them as objects of their own.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from persistent import Persistent
from ZODB.serialize import referencesf
from ZODB.utils import p64, u64

from piety.errors import PietyError
from piety.objects.broken import watching
from piety.objects.changes import is_immutable
from piety.objects.connection import ImageConnection
from piety.objects.diff import Diff, Difference, Worlds
from piety.objects.history import Row
from piety.objects.image import Image, current
from piety.objects.naming import number_of
from piety.objects.nodes import items, leaf, nodes
from piety.objects.past import Past
from piety.objects.snapshots import Moment, find_moment
from piety.objects.texts import Text
from piety.objects.turnlog import TurnLog
from piety.objects.workspace import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE_ALL = bytes(8)


class Thing:
    """What somebody asks about: of a kind, with a name; a `kind` of "object" has a number instead."""

    def __init__(self, kind: str, name: str = "", oid: bytes = b"") -> None:
        self.kind, self.name, self.oid = kind, name, oid

    def __str__(self) -> str:
        return f"object {u64(self.oid):#x}" if self.kind == "object" else f"{self.kind} {self.name}"

    def differences(self, worlds: Worlds, sides: tuple[ImageConnection, ImageConnection]) -> list[Difference]:
        """What is different between the two worlds."""
        if self.kind != "object":
            key = f"{NAME}.{self.name}" if self.kind == "variable" else self.name
            return list(getattr(worlds, self.kind)(key))
        return worlds.differences({oid for side in sides for oid in parts(side, self.oid)})


def thing(image: Image, what: Any) -> Thing:
    """What is meant.  Raises `PietyError` for what has no history."""
    workspace = image.world.workspace
    if isinstance(what, Persistent):
        if what._p_oid is None:
            raise PietyError(f"this {type(what).__qualname__} was made in the turn that runs, and has no history yet")
        return Thing("object", oid=what._p_oid)
    if isinstance(what, types.ModuleType) and what.__name__ in image.modules:
        return Thing("module", what.__name__)
    if isinstance(what, (type, types.FunctionType)) and what.__module__ == NAME:
        return Thing("definition", what.__name__)
    if isinstance(what, str):
        if what in workspace.variables:
            return Thing("variable", what)
        if what in image.modules:
            return Thing("module", what)
        if what in workspace.definitions:
            return Thing("definition", what)
        return Thing("object", oid=number_of(image, what))
    for name in () if is_immutable(what) else workspace.variables:
        if image.peek(name) is what:
            return Thing("variable", name)
    raise PietyError(f"this {type(what).__qualname__} is plain, and no variable holds it; say what does, or its name")


def parts(side: ImageConnection, oid: bytes) -> Iterator[bytes]:
    """The numbers of the records that make up an object: it, and the nodes of the BTrees that it is or holds."""
    taken = side.take(oid)
    if taken is None:
        return
    if taken[0].__module__.startswith("BTrees."):
        yield from nodes(side.take, oid)
        return
    yield oid
    for each in vars_of(taken[1]):
        if isinstance(each, Persistent) and type(each).__module__.startswith("BTrees."):
            yield from nodes(side.take, each._p_oid)


def vars_of(state: Any) -> list[Any]:
    """What the attributes of an object hold, of which this is the state."""
    return list(state.values()) if type(state) is dict else []


# -- what is different


def diff(what: Any, when: Any, other: Any = None, all: bool = False) -> Diff:
    """What is different of a thing, between a moment and another one, or now.

    A moment is a snapshot, its name, a time or the number of a turn; what the turn that runs has done counts as now.
    Raises `PietyError`.
    """
    image = current()
    found, moment = thing(image, what), find_moment(image, when)
    until = None if other is None else find_moment(image, other)

    def find(longest: int) -> list[Difference]:
        with image.world_at(moment) as before, image.world_at(until) as after:
            worlds = Worlds(before, after, longest, all)
            return found.differences(worlds, (before, after))

    return Diff(find)


# -- its turns


class History:
    """The turns that have changed a thing, the newest first; each has its `past`."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return "\n".join(str(row) for row in self) or "no turns"


def history(what: Any) -> History:
    """The turns that have changed a thing, the newest first.  Raises `PietyError`."""
    image = current()
    found = thing(image, what)
    with image.storage.log() as log:
        places = set(_places(image, log, found))
        turns = {turn.tid: turn for turn in (log.turn_of(log.record(place)) for place in places)}
        return History([Row(turns[tid]) for tid in sorted(turns, reverse=True)])


def _places(image: Image, log: TurnLog, found: Thing) -> Iterator[int]:
    """Where the records stand in which a thing was changed."""
    if found.kind == "object":
        for part in parts(image.connection, found.oid):
            yield from (record.place for record in log.revisions(image.storage.place(part)))
        return
    until = b"\xff" * 8
    for tid, place, oid in _values(image, log, found):
        yield place
        if oid is not None and found.kind != "definition":
            for record in log.revisions(image.storage.place(oid)):
                if tid <= record.tid < until:
                    yield record.place
        until = tid


def _values(image: Image, log: TurnLog, found: Thing) -> Iterator[tuple[bytes, int, bytes | None]]:
    """What a table had under a name, the newest first: from which turn on, where that stands, and the object."""
    tid = image.storage.lastTransaction()
    last: bytes | None = b"?"
    newest: tuple[bytes, int] | None = None
    while tid > _BEFORE_ALL:
        try:
            side = image.past(tid)
        except PietyError:  # there was no image yet
            break
        if (table := _table(side, found.kind)) is None:
            break
        place = leaf(side.take, table._p_oid, found.name)
        if place is None:
            break
        first = tid
        for record in log.revisions(image.storage.place(place)):
            if record.tid > tid:
                continue
            first, state = record.tid, log.state(record)
            kind, data = side.take_apart(state, image.find_class) if state is not None else (table.__class__, None)
            held = dict(items(kind, data)).get(found.name)
            oid = None if held is None else held._p_oid
            if oid != last and newest is not None and last != b"?":
                yield *newest, last
            last, newest = oid, (record.tid, record.place)
        tid = p64(u64(first) - 1)
    if newest is not None and last is not None:
        yield *newest, last


def _table(side: ImageConnection, kind: str) -> Any:
    world = side.root().get("world")
    if world is None:  # the very first turn of an image makes its root only
        return None
    tables = {"variable": "variables", "definition": "definitions"}
    return getattr(world.workspace, tables[kind]) if kind in tables else world.modules.table


# -- bringing back what it was


def revert(what: Any, when: Any, dry_run: bool = False) -> Diff:
    """Give a thing the state of a moment, as a part of the turn that runs; what that changes, or (`dry_run`) would.

    A text is edited, so that its own undo takes it back.  Raises `PietyError` where the thing was not there then, or
    refers to what is gone.
    """
    image = current()
    found, moment = thing(image, what), find_moment(image, when)
    with image.world_at(None) as now, image.world_at(moment) as then:
        preview = _preview(image, found, moment)
        bring = _reverting(image, found, moment, now, then)
    if not dry_run:
        bring()
    return preview


def _preview(image: Image, found: Thing, moment: Moment) -> Diff:
    def find(longest: int) -> list[Difference]:
        with image.world_at(None) as before, image.world_at(moment) as after:
            return found.differences(Worlds(before, after, longest, True), (before, after))

    return Diff(find)


def _reverting(
    image: Image, found: Thing, moment: Moment, now: ImageConnection, then: ImageConnection
) -> Callable[[], object]:
    """What brings it back; the reasons against it are raised here, before anything is changed."""
    if found.kind == "variable":
        group = _table(then, "variable").get(found.name)
        if group is None:
            raise _was_not_there(found, moment, f"del {found.name}")
        _kind, state = image.connection.take_apart(_sound(image, found, then, group._p_oid), image.find_class)
        value = state["values"][f"{NAME}.{found.name}"]
        return lambda: image.assign(found.name, value)
    if found.kind in ("definition", "module"):
        side = Past(moment.tid, moment.words)
        if found.kind == "module":
            if (source := side.modules.get(found.name)) is None:
                raise _was_not_there(found, moment, f"del image.modules[{found.name!r}]")
            return lambda: image.modules.__setitem__(found.name, source)
        if (record := _table(then, "definition").get(found.name)) is None:
            raise _was_not_there(found, moment, f"del {found.name}")
        text: str = record.source
        return lambda: image.run_source(text)
    live = image.connection.get(found.oid)
    if then.record(found.oid) is None:
        raise _was_not_there(found, moment)
    if isinstance(live, Text):
        string = str(then.get(found.oid))
        return lambda: live.set(string)
    states = [
        (image.connection.get(oid), _sound(image, found, then, oid))
        for oid in parts(then, found.oid)
        if then.record(oid) != now.record(oid)
    ]

    def put_back() -> None:
        for obj, record in states:
            image.connection.put_back(obj, record)

    return put_back


def _sound(image: Image, found: Thing, then: ImageConnection, oid: bytes) -> bytes:
    """The record of then.  Raises `PietyError` if it refers to what is gone: an object, or a class."""
    record = then.record(oid)
    if record is None:
        raise PietyError(f"a part of {found}, object {u64(oid):#x}, is gone; it cannot be brought back")
    gone = [each for each in referencesf(record) if image.connection.record(each) is None]
    if gone:
        raise PietyError(f"{found} referred to object {u64(gone[0]):#x} then, which is gone; it cannot be brought back")
    missing: set[Any] = set()
    then.take_apart(record, watching(image.find_class, missing))
    if missing:
        each = next(iter(missing))
        raise PietyError(
            f"{found} was of, or held, a {each.__module__}.{each.__name__} then, which cannot be found "
            f"({each.reason}); bring that back first"
        )
    return record


def _was_not_there(found: Thing, moment: Moment, instead: str = "") -> PietyError:
    hint = f"; to be without it: {instead}" if instead else ""
    return PietyError(f"{found} was not there at {moment.words}{hint}")
