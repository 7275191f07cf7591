"""How the index follows the log.

Turn by turn, the records that it has written are read: their classes, sizes and references, and what has become of the
entries.  The facts of an entry are read from its object as that was after the turn (`Replay`), and read again after
each later turn that has written any of the objects they were read from.

The turn that asks is followed too, as far as it has come, in a transaction of the index that is taken back.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ZODB.POSException import POSKeyError
from ZODB.serialize import referencesf
from ZODB.utils import p64, u64

from piety.errors import DamagedObject
from piety.objects.codefacts import Code
from piety.objects.connection import ImageConnection
from piety.objects.deriving import Derived, Extractors, derive
from piety.objects.entries import Entry
from piety.objects.entrytree import EntryTree
from piety.objects.findindex import FindIndex, Unsound, repairing, told_as_one_line
from piety.objects.moments import time_of
from piety.objects.portable import Portable, Tick, no_tick
from piety.objects.turnlog import LoggedTurn, TurnLog
from piety.objects.values import Key, told
from piety.objects.world import World

if TYPE_CHECKING:
    from piety.objects.image import Image

PORTION = 20_000  # records after which what was done is kept, so that it need not be done again
_INSIDE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # within camelCase and HTTPServer
_WORD = re.compile(r"[^\W_]{3,}")

Who = Callable[[bytes, bytes], str]  # gives who has written the record of an object that has the number of a turn


class Followed:
    """A turn that is followed: its number, who has done it, and the records that it has written."""

    def __init__(self, tid: bytes, who: str, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        self.tid, self.who, self.records = tid, who, records
        self.number = u64(tid)


class Follower:
    """Writes into the index what turns have done.  `connection` reads the objects as they were after the turn."""

    def __init__(self, index: FindIndex, connection: ImageConnection, who: Who) -> None:
        self._index, self._db = index, index.db
        self._connection = connection
        self._who = who
        self._loaded: dict[bytes, Any] = {}
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _INSERTS}  # of the turn, to be written
        connection.on_load = self._is_loaded
        self._tree = EntryTree(index, connection)
        self._code = Code(index, connection)

    def _is_loaded(self, obj: Any, _state: Any, _record: bytes) -> None:
        self._loaded[obj._p_oid] = obj

    def follow(self, turn: Followed) -> int:
        """Follow one turn; how many records it has."""
        oids: set[int] = set()
        old: set[int] = set()  # those that were there before
        nodes: set[int] = set()  # those that may be of the tree of entries
        world = None
        for oid, record in turn.records:
            number = u64(oid)
            oids.add(number)
            name, is_new = self._record(number, record, turn.number)
            if not is_new:
                old.add(number)
            if name == _WORLD:
                world = oid
            elif name.startswith(_TREE):
                nodes.add(number)
        before, after = self._tree.follow(nodes, world)
        gone, came = before - after, after - before
        changed = self._depending(old) - {number for number, _record in gone}
        changed |= self._code.follow(old, world) - {number for number, _record in gone}
        for number, _record in gone - came:
            self._end_entry(number, turn.number)
        for number, record in came:
            is_new = self._db.execute("SELECT 1 FROM entries WHERE number = ?", (number,)).fetchone() is None
            if not is_new:
                self._index.end("entries", "number = ?", (number,), turn.number)
            self._rows["entries"].append((number, record, turn.number))
            self._entry(number, record, turn, is_new)
            changed.discard(number)
        for number in changed:
            (record,) = self._db.execute("SELECT record FROM entries WHERE number = ?", (number,)).fetchone()
            self._entry(number, record, turn)
        touched = changed | {number for number, _record in came | gone}
        self._rows["touched"] += [(turn.number, number) for number in touched]
        self._write()
        return len(oids)

    def _write(self) -> None:
        """Write what is new, in the order in which it lies in the file."""
        for table, rows in self._rows.items():
            if rows:
                self._db.executemany(_INSERTS[table], sorted(rows) if table in _SORTED else rows)
                rows.clear()

    # -- objects

    def _record(self, number: int, record: bytes | None, turn: int) -> tuple[str, bool]:
        """A record was written; the name of its class, and whether it is the first of its object."""
        old = self._db.execute("SELECT class, size FROM records WHERE oid = ?", (number,)).fetchone()
        if old is not None:
            self._index.end("records", "oid = ?", (number,), turn)
        targets: set[int] = set()
        name = ""
        if record is not None:
            name = class_name(record)
            self._rows["records"].append((number, self._index.class_(name), len(record), turn))
            targets = {u64(target) for target in referencesf(record)}
        found = self._db.execute("SELECT target FROM refs WHERE source = ?", (number,)) if old is not None else ()
        before = {row[0] for row in found}
        for target in before - targets:
            self._index.end("refs", "source = ? AND target = ?", (number, target), turn)
        self._rows["refs"] += [(number, target, turn) for target in targets - before]
        return name, old is None

    # -- entries

    def _depending(self, oids: set[int]) -> set[int]:
        """The entries whose facts were read from one of these objects."""
        found: set[int] = set()
        for oid in oids:
            found.update(row[0] for row in self._db.execute("SELECT entry FROM depends WHERE oid = ?", (oid,)))
        return found

    def _end_entry(self, number: int, turn: int) -> None:
        for table, column in (("entries", "number"), ("facts", "entry"), ("texts", "entry")):
            self._index.end(table, f"{column} = ?", (number,), turn)
        self._db.execute("DELETE FROM words WHERE rowid = ?", (number,))
        self._db.execute("DELETE FROM depends WHERE entry = ?", (number,))

    def _entry(self, number: int, record: int, turn: Followed, is_new: bool = False) -> None:
        """Read the facts of an entry anew."""
        derived, parts = self._derive(p64(record), turn)
        self._facts(number, derived, turn.number, is_new)
        self._words(number, derived.text, turn.number, is_new)
        if not is_new:
            self._db.execute("DELETE FROM depends WHERE entry = ?", (number,))
        self._rows["depends"] += [(oid, number) for oid in parts]

    def _derive(self, record: bytes, turn: Followed) -> tuple[Derived, set[int]]:
        """What is known of an entry, and the objects from which that was read."""
        self._loaded.clear()
        entry = self._connection.get(record)
        assert isinstance(entry, Entry)
        derived = read(entry, self._code.extractors)
        parts = {u64(oid) for oid in self._loaded} | {u64(record)} | self._code.used_for(entry.object)
        if isinstance(oid := getattr(entry.object, "_p_oid", None), bytes):
            parts.add(u64(oid))
        derived.add(times(entry, self._loaded, lambda oid, tid: turn.who if tid == turn.tid else self._who(oid, tid)))
        for each in list(self._loaded.values()):
            each._p_invalidate()  # whatever its own code has done to it; the next one reads it anew
        return derived, parts

    def _facts(self, number: int, derived: Derived, turn: int, is_new: bool) -> None:
        new: dict[tuple[int, Key], Any] = {}
        for fact, given, key in derived.facts:
            new.setdefault((self._index.name(fact), key), given)
        found = () if is_new else self._db.execute("SELECT name, value FROM facts WHERE entry = ?", (number,))
        old = {tuple(row) for row in found}
        for name, value in old - new.keys():
            self._index.end("facts", "entry = ? AND name = ? AND value = ?", (number, name, value), turn)
        for name, value in new.keys() - old:
            self._rows["facts"].append((number, name, value, turn))
            spelling = new[name, value]
            if isinstance(spelling, str) and spelling != value:
                self._rows["spellings"].append((name, value, _sound(spelling[:200])))

    def _words(self, number: int, text: str, turn: int, is_new: bool) -> None:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() if text.strip() else None
        select = "SELECT digest FROM texts WHERE entry = ?"
        old = None if is_new else self._db.execute(select, (number,)).fetchone()
        if (None if old is None else old[0]) == digest:
            return
        if old is not None:
            self._index.end("texts", "entry = ?", (number,), turn)
            self._db.execute("DELETE FROM words WHERE rowid = ?", (number,))
        if digest is not None:
            self._rows["texts"].append((number, digest, turn))
            self._rows["words"].append((number, *words_of(text)))


_INSERTS = {
    "records": "INSERT OR REPLACE INTO records VALUES(?, ?, ?, ?)",
    "refs": "INSERT OR REPLACE INTO refs VALUES(?, ?, ?)",
    "entries": "INSERT INTO entries VALUES(?, ?, ?)",
    "facts": "INSERT OR REPLACE INTO facts VALUES(?, ?, ?, ?)",
    "texts": "INSERT INTO texts VALUES(?, ?, ?)",
    "words": "INSERT INTO words(rowid, text, parts) VALUES(?, ?, ?)",
    "depends": "INSERT OR REPLACE INTO depends VALUES(?, ?)",
    "touched": "INSERT INTO touched VALUES(?, ?)",
    "spellings": "INSERT OR IGNORE INTO spellings VALUES(?, ?, ?)",
}
_SORTED = frozenset(("records", "refs", "entries", "texts", "words", "depends"))
_TREE = "BTrees.LOBTree."
_WORLD = f"{World.__module__}.{World.__qualname__}"


def read(entry: Entry, extractors: Extractors) -> Derived:
    """What is known of an entry; what cannot be read is a fact too."""
    try:
        return derive(entry, extractors)
    except (DamagedObject, POSKeyError) as error:
        return Derived([("unreadable", str(error)[:200])], "")


def times(entry: Entry, loaded: dict[bytes, Any], who: Who) -> list[tuple[str, Any]]:
    """What the log tells of an entry: when the newest of the objects was written that are `loaded`, and by whom."""
    serials = {oid: each._p_serial for oid, each in loaded.items() if oid != entry._p_oid}
    serials = serials or {entry._p_oid: entry._p_serial}
    newest = max(serials, key=serials.__getitem__)
    when = datetime.datetime.fromtimestamp(time_of(serials[newest]), datetime.UTC)
    name = who(newest, serials[newest])
    return [("changed", when), ("by", name)] if name else [("changed", when)]


def words_of(text: str) -> tuple[str, str]:
    """A text as the index has it: itself, and the parts of the words in it that are written in camelCase."""
    words = {word for word in set(_WORD.findall(text)) if not (word.isupper() or word[1:].islower())}
    parts = [" ".join(_INSIDE.split(word)) for word in sorted(words) if _INSIDE.search(word)]
    return _sound(text), " ".join(parts)


def _sound(text: str) -> str:
    """A text without half characters, which SQLite cannot hold."""
    return text.encode("utf-8", "replace").decode()


class _ClassName(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return f"{module}.{name}"

    def persistent_load(self, reference: Any) -> None:
        return None


def class_name(record: bytes) -> str:
    """The full name of the class of a record; nothing is imported."""
    try:
        kind = _ClassName(io.BytesIO(record)).load()
    except Exception:  # damaged bytes
        return "?"
    kind = kind[0] if type(kind) is tuple else kind
    return kind if type(kind) is str else ".".join(kind) if type(kind) is tuple else "?"


# -- the turns of the log


class Replay:
    """Gives the records of objects as they were after a turn, and then after the next one."""

    def __init__(self, image: Image, log: TurnLog, start: bytes) -> None:
        self._storage, self._log = image.storage, log
        self._start = p64(u64(start) + 1)
        self._since: dict[bytes, int] = {}  # where the records stand that were written since

    def load(self, oid: bytes) -> tuple[bytes, bytes]:
        """The record of an object, and its turn.  Raises `POSKeyError` if there is none."""
        place = self._since.get(oid)
        if place is None:
            found = self._storage.loadBefore(oid, self._start)
            if found is None:
                raise POSKeyError(oid)
            return found[:2]
        record = self._log.record(place)
        state = self._log.state(record)
        if state is None:
            raise POSKeyError(oid)
        return state, record.tid

    def records(self, turn: LoggedTurn) -> Iterator[tuple[bytes, bytes | None]]:
        """What a turn has written; from now on it is so."""
        for record in turn.records():
            self._since[record.oid] = record.place
            yield record.oid, self._log.state(record)

    def rest(self, tid: bytes) -> None:
        """Go on from this turn, and hold nothing."""
        self._start = p64(u64(tid) + 1)
        self._since.clear()

    def who(self, oid: bytes, serial: bytes) -> str:
        """Who has written a record of an object."""
        return who_wrote(self._storage, self._log, oid, serial)


def who_wrote(storage: Any, log: TurnLog, oid: bytes, serial: bytes) -> str:
    """Who has written the record of an object that has the number of this turn; "" if nobody knows."""
    place = storage.place(oid)
    for record in log.revisions(place) if place else ():
        if record.tid == serial:
            return log.turn_of(record).who
    return ""


def index_of_archive(image: Image, path: Path, tick: Tick = no_tick) -> FindIndex:
    """An index of what a portable snapshot holds; it knows of no other moment, and is gone when it is closed."""
    index = FindIndex()
    with Portable(path) as portable, image.storage.log() as log, image.connection.reading(portable.load) as connection:

        def records() -> Iterator[tuple[bytes, bytes]]:
            for done, (oid, _tid, record) in enumerate(portable.records()):
                tick(done, len(portable))
                yield oid, record

        with index.writing():
            follower = Follower(index, connection, lambda oid, serial: who_wrote(image.storage, log, oid, serial))
            follower.follow(Followed(p64(u64(portable.tid) + 1), "", records()))
    return index


def catch_up(image: Image, index: FindIndex, tick: Tick = no_tick, portion: int | None = None) -> None:
    """Bring the index up to the last turn; what was done stays done if `tick` raises, after some records."""
    with told_as_one_line(index):
        repairing(index, lambda: _catch_up(image, index, tick, portion or PORTION))


def _catch_up(image: Image, index: FindIndex, tick: Tick, portion: int) -> None:
    last = u64(image.storage.lastTransaction())
    packed = u64(image.storage.packed)
    if (known := index.get("turn")) == last and index.get("packed") == packed:
        return
    with image.storage.log() as log:
        place, start = _beginning(log, known)
        if place is None:
            raise Unsound  # it is of another image, or of a time that was not
        replay = Replay(image, log, p64(start))
        with image.connection.reading(replay.load) as connection:
            follower = Follower(index, connection, replay.who)
            turns = log.forwards(place)
            while _portion(index, follower, replay, turns, lambda at: tick(at, log.end), portion):
                connection.cacheMinimize()
    with index.writing():
        if index.get("packed") != packed:
            _forget_what_was_packed_away(image, index)
            index.set("packed", packed)


def _beginning(log: TurnLog, known: int) -> tuple[int | None, int]:
    """Where the turns begin that come after the one of this number, and that number; None if it is not there."""
    if known == 0:
        return 4, 0
    for turn in log.backwards():
        if u64(turn.tid) <= known:
            return (turn.end if u64(turn.tid) == known else None), known
    return None, 0


def _portion(
    index: FindIndex,
    follower: Follower,
    replay: Replay,
    turns: Iterator[LoggedTurn],
    tick: Callable[[int], None],
    portion: int,
) -> bool:
    """Follow some turns; whether there were any."""
    done, last = 0, None
    with index.writing():
        for turn in turns:
            done += follower.follow(Followed(turn.tid, turn.who, replay.records(turn))) + 1
            last = turn
            if done >= portion:
                break
        if last is not None:
            index.set("turn", u64(last.tid))
    if last is not None:
        replay.rest(last.tid)
        tick(last.end)
    return last is not None


def _forget_what_was_packed_away(image: Image, index: FindIndex) -> None:
    gone = [row[0] for row in index.db.execute("SELECT oid FROM records") if not image.storage.has(p64(row[0]))]
    for table, column in (("records", "oid"), ("refs", "source")):
        index.db.executemany(f"DELETE FROM {table} WHERE {column} = ?", ((oid,) for oid in gone))


@contextlib.contextmanager
def as_of_this_turn(image: Image, index: FindIndex, tick: Tick = no_tick) -> Iterator[None]:
    """In the block the index tells what the turn that runs sees, its own changes included."""
    catch_up(image, index, tick)
    saved = image.connection.saved() if image.is_untouched else image.pause().saved
    if not saved:
        yield
        return
    tid = p64(u64(image.storage.lastTransaction()) + 1)
    with image.connection.view(saved) as view, image.storage.log() as log, index.supposing():

        def load(oid: bytes) -> tuple[bytes, bytes]:
            if (record := view.record(oid)) is None:
                raise POSKeyError(oid)
            return record, tid if oid in saved else image.storage.load(oid)[1]

        with image.connection.reading(load) as connection:
            follower = Follower(index, connection, lambda oid, serial: who_wrote(image.storage, log, oid, serial))
            follower.follow(Followed(tid, image.who, ((oid, view.record(oid)) for oid in saved)))
            yield


def spelled(index: FindIndex, name: int, value: Key) -> str:
    """A value of a fact, as it was written once."""
    row = index.db.execute("SELECT spelling FROM spellings WHERE name = ? AND value = ?", (name, value)).fetchone()
    return told(value) if row is None else str(row[0])
