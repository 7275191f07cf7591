"""The index by which things are found: a SQLite file beside the image, `image/find.sqlite`.

It is derived: all that is in it was read from the log of turns, up to the turn that `meta` names, and whoever deletes
it loses nothing.  It is brought up to date when somebody asks (`following.py`), never by a turn that commits.

    records     oid, class, size            the objects that are stored, and the bytes of their newest records
    refs        source, target              which object refers to which
    entries     number, record              the entries (`entries.py`), and the objects in which they lie
    facts       entry, name, value          by which they are found; a value is a key (`values.py`)
    texts       entry, digest               those that have words; the words themselves are in `words` (FTS5)

Each of these has what is so now, and since which turn; beside it `..._then` has what was so, since which turn, and from
which on no more.  So a question about now is not slower for all that was, and one about a moment reads both.

    depends     oid, entry                  from which objects the facts of an entry were read
    touched     turn, entry                 which entries a turn has made, changed or ended
    code        name, leaf, definition      the code that facts were read with (see `codefacts.py`)
    nodes       node, kids, held            the nodes of the BTree of entries: their children, and what lies in them
    names       id, name                    of facts
    spellings   name, value, spelling       how a value is written, where its key does not tell

A file that is damaged, or of another image, is made anew.  `image/find.stamp` tells the size and the time that the file
had when it was closed; where it is not so any more, somebody else has changed it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from piety.errors import PietyError
from piety.objects.deriving import VERSION as DERIVING

VERSION = 1  # of the tables
CACHE = 64_000  # KiB of the file that SQLite keeps in memory

_TABLES = {
    "records": ("oid INTEGER, class INTEGER, size INTEGER", "oid"),
    "refs": ("source INTEGER, target INTEGER", "source, target"),
    "entries": ("number INTEGER, record INTEGER", "number"),
    "facts": ("entry INTEGER, name INTEGER, value", "entry, name, value"),
    "texts": ("entry INTEGER, digest BLOB", "entry"),
}

_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE classes(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE spellings(name INTEGER, value, spelling TEXT, PRIMARY KEY(name, value)) WITHOUT ROWID;
CREATE TABLE depends(oid INTEGER, entry INTEGER, PRIMARY KEY(oid, entry)) WITHOUT ROWID;
CREATE INDEX depends_by_entry ON depends(entry);
CREATE TABLE touched(turn INTEGER, entry INTEGER, PRIMARY KEY(turn, entry)) WITHOUT ROWID;
CREATE TABLE code(name TEXT PRIMARY KEY, leaf INTEGER, definition INTEGER) WITHOUT ROWID;
CREATE TABLE nodes(node INTEGER PRIMARY KEY, kids TEXT, held TEXT);
CREATE INDEX facts_by_value ON facts(name, value, entry);
CREATE INDEX facts_then_by_value ON facts_then(name, value, entry);
CREATE INDEX refs_by_target ON refs(target, source);
CREATE INDEX refs_then_by_target ON refs_then(target, source);
CREATE INDEX records_by_class ON records(class);
CREATE VIRTUAL TABLE words USING fts5(text, parts, tokenize="unicode61 remove_diacritics 2");
"""


class Unsound(Exception):
    """The file cannot be used, and is to be made anew."""


class FindIndex:
    """The file of one image.  `db` is the connection to it; a transaction is begun explicitly.

    Without a path it has no name, and is gone when it is closed.
    """

    def __init__(self, path: str = "") -> None:
        self.path, self._stamp_path = (f"{path}.sqlite", f"{path}.stamp") if path else ("", "")
        self.db: sqlite3.Connection
        self._names: dict[str, int] = {}
        self._classes: dict[str, int] = {}
        self.was_made_anew = False
        try:
            self._open()
        except (sqlite3.DatabaseError, Unsound):
            self.make_anew()

    def _open(self) -> None:
        is_there = os.path.exists(self.path)
        stamp = self._take_stamp() if self.path else None
        self.db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")  # what a pulled plug takes from it, is read from the log again
        self.db.execute(f"PRAGMA cache_size = -{CACHE}")
        self.db.execute("PRAGMA temp_store = MEMORY")
        if not is_there:
            self._make()
            return
        if stamp is None:  # it was not closed
            if self.db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise Unsound
        elif stamp != _stamp(self.path):
            raise Unsound
        if self.get("version") != VERSION or self.get("deriving") != DERIVING:
            raise Unsound
        os.chmod(self.path, 0o600)

    def _make(self) -> None:
        if self.path:
            os.chmod(self.path, 0o600)
        with self.writing():
            for name, (columns, keys) in _TABLES.items():
                self.db.execute(f"CREATE TABLE {name}({columns}, since INTEGER, PRIMARY KEY({keys})) WITHOUT ROWID")
                self.db.execute(
                    f"CREATE TABLE {name}_then({columns}, since INTEGER, until INTEGER, "
                    f"PRIMARY KEY({keys}, since)) WITHOUT ROWID"
                )
            for statement in _SCHEMA.split(";\n"):
                self.db.execute(statement)
            self.set("version", VERSION)
            self.set("deriving", DERIVING)
            self.set("turn", 0)

    def make_anew(self) -> None:
        """Begin from nothing."""
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self.db.close()
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + ending)
        self._names, self._classes = {}, {}
        self.was_made_anew = True
        self._open()

    def _take_stamp(self) -> list[int] | None:
        """What the file was like when it was closed; from now on it is open."""
        try:
            with open(self._stamp_path, encoding="ascii") as file:
                found: list[int] = json.load(file)
            os.unlink(self._stamp_path)
        except FileNotFoundError:
            return None
        except ValueError:
            return []
        return found

    def close(self) -> None:
        """Let the file go."""
        with contextlib.suppress(sqlite3.Error, OSError):  # it can be made anew
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.db.close()
            if self.path:
                with open(self._stamp_path, "w", encoding="ascii") as file:
                    json.dump(_stamp(self.path), file)

    # -- writing

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """What is written in the block counts at its end, or not at all."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            self._take_back()
            raise

    @contextlib.contextmanager
    def supposing(self) -> Iterator[None]:
        """What is written in the block is never so."""
        self.db.execute("BEGIN IMMEDIATE")
        names, classes = dict(self._names), dict(self._classes)
        try:
            yield
        finally:
            self._take_back()
            self._names, self._classes = names, classes

    def _take_back(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        self._names, self._classes = {}, {}

    def get(self, name: str) -> Any:
        """Something that the index knows of itself."""
        found = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def set(self, name: str, value: Any) -> None:
        """The same, told."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    def name(self, name: str) -> int:
        """The number of the name of a fact; a new one gets one."""
        return self._number("names", self._names, name)

    def class_(self, name: str) -> int:
        """The number of a class, likewise."""
        return self._number("classes", self._classes, name)

    def _number(self, table: str, known: dict[str, int], name: str) -> int:
        found = known.get(name)
        if found is None:
            row = self.db.execute(f"SELECT id FROM {table} WHERE name = ?", (name,)).fetchone()
            if row is None:
                row = self.db.execute(f"INSERT INTO {table}(name) VALUES(?) RETURNING id", (name,)).fetchone()
            found = known[name] = row[0]
        return found

    def known(self, name: str) -> int | None:
        """The number of the name of a fact, if there was ever such a fact."""
        found = self._names.get(name)
        if found is None:
            row = self.db.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
            if row is not None:
                found = self._names[name] = row[0]
        return found

    def names(self) -> list[str]:
        """The names of all facts that there ever were."""
        return [row[0] for row in self.db.execute("SELECT name FROM names")]

    def end(self, table: str, keys: str, values: Iterable[Any], turn: int) -> None:
        """Rows are so no more, from a turn on: those for which `keys`, an SQL condition, is true of `values`."""
        arguments = tuple(values)
        self.db.execute(f"INSERT OR REPLACE INTO {table}_then SELECT *, {turn} FROM {table} WHERE {keys}", arguments)
        self.db.execute(f"DELETE FROM {table} WHERE {keys}", arguments)


def _stamp(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]


@contextlib.contextmanager
def told_as_one_line(index: FindIndex) -> Iterator[None]:
    """What SQLite says of a full disk and the like, as a person should see it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise PietyError(
            f"the index of what can be found, {index.path}, cannot be written ({error}); make room on the disk, or "
            "delete that file, which loses nothing"
        ) from error


def repairing(index: FindIndex, work: Callable[[], Any]) -> Any:
    """Do something with the index; if it is damaged, make it anew and do that again."""
    try:
        return work()
    except sqlite3.OperationalError:  # no room, no right
        raise
    except (sqlite3.DatabaseError, Unsound):
        index.make_anew()
        return work()
