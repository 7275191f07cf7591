"""The benchmarks of history: snapshots, the past, and going back, against what a person would use instead.

The same notes are kept in an image; as JSON files in git; in an SQLite database with its backups; and in a dictionary
that dill dumps.  Each of them takes a moment after 100 notes have changed, opens one to read a note, and goes back to
one.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import piety

Figure = tuple[str, list[tuple[float, float]], float]

CHANGED = 100  # notes that change from one moment to the next
PER_FILE = 1_000  # notes in a file, where a file for each would be too many for git
FILES = 20_000  # and that is so from here on
MOMENTS = 100  # that are taken of the small collection
NO_LIMIT = float("inf")

BEGIN = """
from persistent import Persistent
from BTrees.IOBTree import IOBTree
class Note(Persistent):
    def __init__(self, number): self.number = number; self.title = f"note {number}"; self.tags = ("draft", "short")
world.notes = IOBTree()
"""


def timed(work: Callable[[], object]) -> float:
    """How long it takes, in seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def chosen(objects: int, turn: int) -> range:
    """The notes that change in a turn: neighbours, as mostly; that is best for whoever keeps many in one file."""
    start = turn * CHANGED % max(objects - CHANGED, 1)
    return range(start, start + CHANGED)


class InImage:
    """The notes in an image."""

    name = "piety"

    def __init__(self, folder: Path, objects: int) -> None:
        self.objects = objects
        self.series = ""  # begins the names of the snapshots
        self._home = folder / "piety"
        self.image = piety.open(self._home, create=True)
        assert self.image.evaluate(BEGIN).error is None
        for begin in range(0, objects, 50_000):
            end = min(begin + 50_000, objects)
            source = f"for n in range({begin}, {end}): world.notes[n] = Note(n)"
            assert self.image.evaluate(source).error is None
        self.image.connection.cacheMinimize()

    def change(self, turn: int) -> None:
        with self.image.turn(f"turn {turn}") as world:
            for number in chosen(self.objects, turn):
                world.notes[number].title = f"title {turn}"

    def take(self, turn: int) -> None:
        with self.image.turn(f"snapshot {turn}"):
            piety.snapshot(f"{self.series} {turn}")

    def read(self, turn: int) -> str:
        past = self.image.at(f"{self.series} {turn}")
        with self.image.look():
            title: str = past.world.notes[chosen(self.objects, turn)[0]].title
        return title

    def back(self, turn: int) -> None:
        self.image.roll_back(f"{self.series} {turn}")

    def close(self) -> None:
        self.image.close()

    def size(self) -> int:
        return _size(self._home)


class InGit:
    """The notes as JSON in git: a file for each, or for a thousand."""

    name = "git"

    def __init__(self, folder: Path, objects: int) -> None:
        self.folder = folder / "git"
        self.folder.mkdir()
        self.objects = objects
        self._per_file = 1 if objects < FILES else PER_FILE
        self._git("init", "-q")
        self._git("config", "user.email", "me@example.org")
        self._git("config", "user.name", "me")
        self._git("config", "gc.auto", "0")
        for number in range(0, objects, self._per_file):
            self._write(number // self._per_file, {})
        self._git("add", ".")
        self._git("commit", "-q", "-m", "begin")

    def _git(self, *arguments: str) -> bytes:
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout

    def _write(self, file: int, titles: dict[int, str]) -> None:
        begin = file * self._per_file
        notes = [
            {"number": number, "title": titles.get(number, f"note {number}"), "tags": ["draft", "short"]}
            for number in range(begin, min(begin + self._per_file, self.objects))
        ]
        path = self.folder / f"{file // 1000:03}" / f"{file:07}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(notes, indent=0))

    def change(self, turn: int) -> None:
        titles = dict.fromkeys(chosen(self.objects, turn), f"title {turn}")
        for file in {number // self._per_file for number in titles}:
            self._write(file, titles)

    def take(self, turn: int) -> None:
        self._git("commit", "-q", "-a", "-m", f"turn {turn}")
        self._git("tag", f"t{turn}")

    def read(self, turn: int) -> str:
        number = chosen(self.objects, turn)[0]
        file = number // self._per_file
        notes = json.loads(self._git("show", f"t{turn}:{file // 1000:03}/{file:07}.json"))
        title: str = notes[number % self._per_file]["title"]
        return title

    def back(self, turn: int) -> None:
        self._git("read-tree", "-u", "--reset", f"t{turn}")

    def close(self) -> None:
        """Nothing is open."""

    def size(self) -> int:
        return _size(self.folder / ".git")


class InSqlite:
    """The notes as rows, and a backup of the database for each moment."""

    name = "SQLite"

    def __init__(self, folder: Path, objects: int) -> None:
        self.folder = folder / "sqlite"
        self.folder.mkdir()
        self.objects = objects
        self._db = sqlite3.connect(self.folder / "notes.db")
        self._db.execute("create table notes (number integer primary key, title text, tags text)")
        rows = ((number, f"note {number}", '["draft", "short"]') for number in range(objects))
        self._db.executemany("insert into notes values (?, ?, ?)", rows)
        self._db.commit()

    def change(self, turn: int) -> None:
        numbers = [(f"title {turn}", number) for number in chosen(self.objects, turn)]
        self._db.executemany("update notes set title = ? where number = ?", numbers)
        self._db.commit()

    def take(self, turn: int) -> None:
        with sqlite3.connect(self.folder / f"{turn}.db") as copy:
            self._db.backup(copy)
        copy.close()

    def read(self, turn: int) -> str:
        db = sqlite3.connect(f"file:{self.folder / f'{turn}.db'}?mode=ro", uri=True)
        number = chosen(self.objects, turn)[0]
        title: str = db.execute("select title from notes where number = ?", (number,)).fetchone()[0]
        db.close()
        return title

    def back(self, turn: int) -> None:
        copy = sqlite3.connect(self.folder / f"{turn}.db")
        copy.backup(self._db)
        copy.close()

    def close(self) -> None:
        self._db.close()

    def size(self) -> int:
        return _size(self.folder)


class InDill:
    """The notes as objects in a dictionary, which is dumped as a whole for each moment."""

    name = "dill"

    def __init__(self, folder: Path, objects: int) -> None:
        self.folder = folder / "dill"
        self.folder.mkdir()
        self.objects = objects
        self._notes: dict[int, dict[str, Any]] = {
            number: {"number": number, "title": f"note {number}", "tags": ["draft", "short"]}
            for number in range(objects)
        }

    def change(self, turn: int) -> None:
        for number in chosen(self.objects, turn):
            self._notes[number]["title"] = f"title {turn}"

    def take(self, turn: int) -> None:
        import dill

        with open(self.folder / f"{turn}.dill", "wb") as file:
            dill.dump(self._notes, file)

    def _load(self, turn: int) -> dict[int, dict[str, Any]]:
        import dill

        with open(self.folder / f"{turn}.dill", "rb") as file:
            notes: dict[int, dict[str, Any]] = dill.load(file)
        return notes

    def read(self, turn: int) -> str:
        title: str = self._load(turn)[chosen(self.objects, turn)[0]]["title"]
        return title

    def back(self, turn: int) -> None:
        self._notes = self._load(turn)

    def close(self) -> None:
        self._notes.clear()

    def size(self) -> int:
        return _size(self.folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def against_peers(
    folder: Path, objects: int, peers: dict[type[InGit | InSqlite | InDill], int], limit: float
) -> Iterator[Figure]:
    """Take so many moments, open some, and go back, side by side with each of the others; at last the size on disk.

    Opening has no limit: a backup of SQLite that was made is opened faster than anything that loads objects.
    """
    folder.mkdir()
    ours = InImage(folder, objects)
    for kind, moments in peers.items():
        theirs = kind(folder, objects)
        ours.series, both = theirs.name, (ours, theirs)
        before = ours.size()
        took, opened, backs = [], [], []
        for turn in range(moments):
            for each in both:
                each.change(turn)
            took.append((timed(lambda: ours.take(turn)), timed(lambda: theirs.take(turn))))  # noqa: B023
        for turn in range(0, moments, max(moments // 5, 1)):
            assert ours.read(turn) == theirs.read(turn) == f"title {turn}"
            ours.image._pasts.clear()  # it was not looked at before
            opened.append((timed(lambda: ours.read(turn)), timed(lambda: theirs.read(turn))))  # noqa: B023
        grown = ours.size() - before
        for turn in range(moments, moments + 5):
            for each in both:
                each.change(turn)
            backs.append((timed(lambda: ours.back(moments - 1)), timed(lambda: theirs.back(moments - 1))))  # noqa: B023
        of = f"{objects:,} notes, "
        yield f"{of}take a moment / {theirs.name}", took, limit
        yield f"{of}open one and read / {theirs.name}", opened, NO_LIMIT
        yield f"{of}go back to it / {theirs.name}", backs, NO_LIMIT
        yield f"{of}MB of {moments} moments / {theirs.name}", [(grown / 1e9, theirs.size() / 1e9)], NO_LIMIT
        theirs.close()
        shutil.rmtree(theirs.folder)
    ours.close()


def history(folder: Path, objects: int) -> Iterator[Figure]:
    """Snapshots, the past and going back: what they cost, and against git, SQLite's backup and dill."""
    yield from against_peers(folder / "small", 10_000, dict.fromkeys((InGit, InSqlite, InDill), MOMENTS), NO_LIMIT)
    yield from against_peers(folder / "large", objects, {InGit: 25, InSqlite: 25, InDill: 3}, 0.1)


def going_back(folder: Path, objects: int) -> Iterator[Figure]:
    """What a snapshot and a rollback cost, for themselves."""
    large = _image(folder / "large", objects)
    count = iter(range(1 << 60))

    def small_turn() -> float:
        number = next(count)
        return timed(lambda: _set(large.image, f"small {number}"))

    def snapshot() -> float:
        number = next(count)
        return timed(lambda: large.take(number))

    yield f"snapshot / a small turn, {objects:,} objects", _pairs(snapshot, small_turn, 101), 2.0
    large.take(-1)

    def back(there: InImage) -> float:
        there.change(next(count))
        return timed(lambda: there.back(-1))

    large_backs = [back(large) for _ in range(15)]
    large.close()
    small = _image(folder / "small", 1_000)
    small.take(-1)
    small_backs = [back(small) for _ in range(15)]
    yield f"back after 100 changed, {objects:,} objects / 1,000", list(zip(large_backs, small_backs, strict=True)), 1.3
    small.close()

    middle = _image(folder / "middle", 10_000)
    middle.take(-1)

    def commit_all(turns: int) -> float:
        def change(number: int) -> None:
            with middle.image.turn(f"all {number}") as world:
                for each in range(number * 10_000 // turns, (number + 1) * 10_000 // turns):
                    world.notes[each].title = f"title {next(count)}"

        return timed(lambda: [change(number) for number in range(turns)])

    for turns in (1, 100):
        times = []
        for _ in range(5):
            commits = commit_all(turns)
            times.append((timed(lambda: middle.back(-1)), commits))
        yield f"back after 10,000 changed in {turns} turns / committing them", times, 3.0
    middle.close()

    hot = _image(folder / "hot", 1_000)
    hot.take(-1)
    many_turns(hot.image, 10_000)
    short = [_back_and_forth(hot.image) for _ in range(3)]
    hot.take(-2)
    many_turns(hot.image, 100_000)
    hot.image.connection.cacheMinimize()
    reads = []
    for _ in range(9):
        hot.image._pasts.clear()
        reads.append((timed(lambda: _first_title(hot)), 0.05))
    yield "an object with 100,000 newer revisions / 50 ms", reads, 1.0
    long = []
    for _ in range(3):
        tid = hot.image.storage.lastTransaction()
        long.append(timed(lambda: hot.back(-2)))
        hot.image.roll_back(tid)
    yield "back over 100,000 turns / over 10,000", list(zip(long, short, strict=True)), 13.0
    hot.close()


def _image(folder: Path, objects: int) -> InImage:
    folder.mkdir()
    return InImage(folder, objects)


def _first_title(there: InImage) -> str:
    past = there.image.at(f"{there.series} -2")
    with there.image.look():
        title: str = past.world.notes[0].title
    return title


def _set(image: piety.Image, title: str) -> None:
    with image.turn("small") as world:
        world.notes[0].title = title


def _back_and_forth(image: piety.Image) -> float:
    tid = image.storage.lastTransaction()
    seconds = timed(lambda: image.roll_back(" -1"))
    image.roll_back(tid)
    return seconds


def many_turns(image: piety.Image, count: int) -> None:
    """So many transactions of two records each, one of them always the first note: as turns would write them.

    They are given to the storage as they are, which takes a tenth of the time; no turn looks at them.
    """
    from ZODB.Connection import TransactionMetaData

    storage = image.storage
    with image.look() as world:
        oids = [world.notes[number]._p_oid for number in range(CHANGED)]
    records = {oid: storage.load(oid) for oid in oids}
    for number in range(count):
        data = TransactionMetaData("me", f"turn {number}")
        storage.tpc_begin(data)
        pair = (oids[0], oids[1 + number % (CHANGED - 1)])
        for oid in pair:
            record, serial = records[oid]
            records[oid] = (_other(record), serial)
            storage.store(oid, serial, records[oid][0], "", data)
        storage.tpc_vote(data)
        tid = storage.tpc_finish(data)
        records.update({oid: (records[oid][0], tid) for oid in pair})
    image.connection.cacheMinimize()
    image.connection.db().tell_all(tid, oids)
    os.sync()


def _other(record: bytes) -> bytes:
    """The record of a note with another title, as long as the one before."""
    return record.replace(b"note ", b"nope ") if b"note " in record else record.replace(b"nope ", b"note ")


def _pairs(one: Callable[[], float], other: Callable[[], float], runs: int) -> list[tuple[float, float]]:
    one(), other()
    return [(one(), other()) for _ in range(runs)]
