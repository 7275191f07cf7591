"""The storage: kills at bad moments, full disks, and the private names of ZODB on which it stands."""

from __future__ import annotations

import errno
import inspect
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage

import piety
from piety.errors import CommitFailed, NoAccess, PietyInUse
from piety.objects import index as index_file
from piety.objects.broken import find
from piety.objects.connection import open_database
from piety.objects.storage import INDEX_RECORDS, INDEX_SECONDS, ImageStorage

if TYPE_CHECKING:
    import resource

    from conftest import System
else:
    resource = pytest.importorskip("resource", reason="limits on the size of files are a thing of Unix")


STORAGE = ImageStorage.__module__
filestorage = sys.modules[FileStorage.__module__]  # ZODB.FileStorage.FileStorage also names the class


def turns(path: Path, count: int, size: int = 10) -> list[int]:
    """Commit so many transactions to an image file without an image in it; where each of them ends."""
    ends = []
    database = open_database(str(path), lambda _connection, *name: find(*name), create=not path.exists())
    transactions = TransactionManager(explicit=True)
    connection = database.open(transactions)
    for number in range(count):
        with transactions as transaction:
            transaction.description = f"turn {number}"
            connection.root()[number] = PersistentMapping({"number": number, "text": "x" * size})
        ends.append(database.storage.getSize())
    connection.close()
    database.close()
    return ends


def numbers(path: Path) -> list[int]:
    """What `turns` left there."""
    database = open_database(str(path), lambda _connection, *name: find(*name))
    transactions = TransactionManager(explicit=True)
    connection = database.open(transactions)
    with transactions:
        found = [each["number"] for each in connection.root().values()]
    connection.close()
    database.close()
    return found


@contextmanager
def opened(path: Path) -> Iterator[ImageStorage]:
    """The storage alone."""
    storage = ImageStorage(str(path))
    try:
        yield storage
    finally:
        storage.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for an image file."""
    return tmp_path / "image.fs"


# -- the pulled plug


def test_torn_end_is_cut_wherever_it_is_torn(path: Path) -> None:
    """Every length that a file can have while its last turn is written: the turns before are there, and it goes on."""
    *_before, kept, end = turns(path, 3)
    whole = path.read_bytes()
    unfinished = whole[: kept + 16] + b"c" + whole[kept + 17 :]
    for length in range(kept, end + 1, 7):
        path.write_bytes(unfinished[:length])
        assert numbers(path) == [0, 1], length
        assert path.stat().st_size == kept
        assert not list(path.parent.glob("*.tr*"))
    turns(path, 3)
    assert numbers(path) == [0, 1, 2]


def test_file_that_ends_within_a_finished_turn_opens_and_keeps_the_rest(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody cut it: no plug leaves that.  The turns before are there, and one line says what was done."""
    *_before, kept, end = turns(path, 3)
    rest = path.read_bytes()[kept : end - 5]
    os.truncate(path, end - 5)
    assert numbers(path) == [0, 1]
    assert (path.parent / "image.fs.tr0").read_bytes() == rest
    (record,) = caplog.records
    assert "image.fs.tr0" in record.getMessage()


def test_each_tail_that_is_cut_off_is_kept(path: Path) -> None:
    """Nothing is written over what was kept before."""
    for _ in range(2):
        *_before, kept, end = turns(path, 2)
        os.truncate(path, end - 5)
        numbers(path)
        assert path.stat().st_size == kept
    assert (path.parent / "image.fs.tr0").exists()
    assert (path.parent / "image.fs.tr1").exists()


class Killed(BaseException):
    """Takes the place of SIGKILL: nothing of ours may catch it."""


def kill_at(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process be killed when the storage calls a function of `os`, as it was about to act."""

    def killed(*_args: Any) -> None:
        raise Killed

    monkeypatch.setattr(f"{STORAGE}.os.{place}", killed)


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_kill_while_the_index_is_saved_leaves_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """ZODB takes the old index away first; a kill in between makes the next start read the whole file."""
    turns(path, 3)
    index = path.parent / "image.fs.index"
    old = index.read_bytes()
    storage = ImageStorage(str(path))
    storage._saved_pos = -1
    with monkeypatch.context() as patch:
        kill_at(place, patch)
        with pytest.raises(Killed):
            storage.keep_index_fresh(INDEX_RECORDS)
    storage._let_go()
    assert index.read_bytes() == old
    with opened(path) as storage:
        assert storage._used_index


def test_index_is_saved_after_so_many_records_or_so_long(path: Path) -> None:
    """Not after every turn, and not only at the end."""
    turns(path, 1)
    with opened(path) as storage:
        now = storage._saved_at
        storage._saved_pos = -1
        assert not storage.keep_index_fresh(0, now + INDEX_SECONDS)  # nothing new
        assert not storage.keep_index_fresh(INDEX_RECORDS - 1, now)
        assert storage.keep_index_fresh(1, now)
        storage._saved_pos = -1
        assert not storage.keep_index_fresh(1, now + 1)
        assert storage.keep_index_fresh(1, now + INDEX_SECONDS)


def test_session_that_only_reads_leaves_the_index_alone(path: Path) -> None:
    """Opening and closing writes nothing."""
    turns(path, 3)
    before = (path.parent / "image.fs.index").stat()
    numbers(path)
    after = (path.parent / "image.fs.index").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_index_is_saved_before_the_lock_is_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two processes write it at once: the one that ends and the one that waited for that."""
    turns(path, 1)
    storage = ImageStorage(str(path))
    storage._saved_pos = -1
    saved = []
    let_go = storage._lock_file.close

    def close() -> None:
        saved.append(storage._saved_pos == storage._pos)
        let_go()

    monkeypatch.setattr(storage._lock_file, "close", close)
    storage.close()
    assert saved == [True]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_kill_around_a_huge_turn_costs_no_full_read(path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Its index is saved before it counts, beside the one without it: whichever way it ends, one of the two fits."""
    turns(path, 200)
    monkeypatch.setattr(f"{STORAGE}.HUGE", 3)
    finish = ImageStorage._finish_finish

    def killed(self: ImageStorage, tid: bytes) -> None:
        if moment == "after":
            finish(self, tid)
        raise Killed

    monkeypatch.setattr(ImageStorage, "_finish_finish", killed)
    storage = ImageStorage(str(path))
    transaction = TransactionMetaData()
    storage.tpc_begin(transaction)
    for _ in range(5):
        storage.store(storage.new_oid(), b"\0" * 8, pickle.dumps(None, 3) * 2, "", transaction)
    storage.tpc_vote(transaction)
    with pytest.raises(Killed):
        storage.tpc_finish(transaction)
    if moment == "before":
        storage._file.seek(storage._pos + 16)
        storage._file.write(b"c")  # the status is still in the buffer, and dies with the process
    storage._let_go()
    assert (path.parent / "image.fs.index.ahead").exists()
    monkeypatch.undo()
    with opened(path) as storage:
        assert storage._used_index
        assert len(storage) == 201 + (5 if moment == "after" else 0)
        assert not list(storage.check_log())
        assert not (path.parent / "image.fs.index.ahead").exists()
        found, end, _last = index_file.read(f"{path}.index")
        index_file.close(found)
        assert moment == "before" or end == storage._pos


def test_huge_turn_has_its_index_saved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and nothing of the way there is left."""
    turns(path, 1)
    monkeypatch.setattr(f"{STORAGE}.HUGE", 3)
    storage = ImageStorage(str(path))
    transaction = TransactionMetaData()
    storage.tpc_begin(transaction)
    for _ in range(5):
        storage.store(storage.new_oid(), b"\0" * 8, pickle.dumps(None, 3) * 2, "", transaction)
    storage.tpc_vote(transaction)
    storage.tpc_finish(transaction)
    found, end, _last = index_file.read(f"{path}.index")
    assert (end, len(found)) == (storage._pos, len(storage))
    index_file.close(found)
    assert not (path.parent / "image.fs.index.ahead").exists()
    storage.close()


# -- the index that is saved


class Hostile:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("hostile",)


def foreign_index(path: Path) -> bytes:
    """The index of another image of the same shape."""
    other = path.parent / "other"
    other.mkdir()
    turns(other / "image.fs", 5)
    return (other / "image.fs.index").read_bytes()


def index_of_a_dictionary(_path: Path) -> bytes:
    """What ZODB wrote long ago."""
    return pickle.dumps({"index": {b"\0" * 8: 4}, "pos": 400}, 3)


INDEXES: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda _path: b"",
    "garbage": lambda _path: os.urandom(500),
    "nothing but zeros": lambda _path: bytes(500),
    "cut off": lambda path: (path.parent / "image.fs.index").read_bytes()[:-20],
    "from another image": foreign_index,
    "of another format": index_of_a_dictionary,
    "of a newer format": lambda _path: pickle.dumps({"version": 2, "data": [1, 2, 3]}, 5),
    "hostile": lambda _path: pickle.dumps(Hostile(), 3),
    "of a longer file": lambda path: pickle.dumps(10**9, 3) + (path.parent / "image.fs.index").read_bytes()[5:],
    "ending within a turn": lambda path: pickle.dumps(300, 3) + (path.parent / "image.fs.index").read_bytes()[5:],
    "with wrong places": lambda path: (
        pickle.dumps(path.stat().st_size, 3) + pickle.dumps((b"\0" * 6, bytes(8)), 3) + pickle.dumps(None, 3)
    ),
}


@pytest.mark.parametrize("index", INDEXES)
def test_index_that_does_not_fit_is_made_anew(
    path: Path, index: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever lies in its place: the image opens, nothing of it is executed, and the next one is good."""
    turns(path, 5)
    monkeypatch.chdir(tmp_path)
    content = INDEXES[index](path)
    (path.parent / "image.fs.index").write_bytes(content)
    image = path.read_bytes()
    assert numbers(path) == [0, 1, 2, 3, 4]
    assert not (tmp_path / "hostile").exists()
    assert path.read_bytes() == image
    with opened(path) as storage:
        assert storage._used_index
        assert not list(storage.check_log())


def test_index_of_another_image_is_found_out_though_its_end_fits(path: Path, tmp_path: Path) -> None:
    """ZODB looks at the last few records only."""
    other = tmp_path / "other" / "image.fs"
    other.parent.mkdir()
    for place, sizes in ((path, (10, 20)), (other, (20, 10))):
        for size in sizes:
            turns(place, 1, size)
        turns(place, 8)
    shutil.copy(f"{other}.index", f"{path}.index")
    with opened(path) as storage:
        assert not list(storage.check_log())


def test_index_of_an_older_state_is_brought_up_to_date(path: Path) -> None:
    """After a kill the file is ahead of the index."""
    turns(path, 2)
    index = path.parent / "image.fs.index"
    old = index.read_bytes()
    turns(path, 6)
    index.write_bytes(old)
    with opened(path) as storage:
        assert storage._used_index
        assert len(storage) == 9  # the root, the numbers 0 and 1 twice, 2 to 5
        assert not list(storage.check_log())


# -- a full disk


@contextmanager
def room(path: Path, size: int) -> Iterator[None]:
    """No file may grow beyond the size that `path` has now and `size` more bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


STATE = "(rows[:], len(blob), world.note.tags[:], world.note.size, 'extra' in dir(), f())"
CHANGE = """
import os
rows.append(1); blob = os.urandom(100_000); world.note.tags.append(2); world.note.size = 5; extra = 1
def f(): return "new"
"""


@pytest.fixture
def stocked(system: System) -> System:
    """An image with something in it of every kind, and longer than the turn that will fail."""
    system.run(
        "import os; ballast = os.urandom(300_000)",
        "rows = [0]; blob = b''",
        "from persistent import Persistent\nclass Note(Persistent): pass",
        "world.note = Note(); world.note.tags = []; world.note.size = 0",
        "def f(): return 'old'",
    )
    return system


@pytest.mark.parametrize("size", [-290_000, -230_000, 0, 1, 16, 17, 23, 40, 200, 500, 9_000, 99_000, 100_000])
def test_full_disk_undoes_the_turn_and_no_more(stocked: System, size: int) -> None:
    """Wherever the room ends: one clear line, memory as before, reading goes on, and so does all with room again."""
    before = stocked.run(STATE)
    file = stocked.file()[1]
    with room(stocked.home / "image" / "image.fs", size):
        error = stocked.fail(CHANGE)
        assert isinstance(error, CommitFailed)
        assert stocked.file()[1] == file
        assert stocked.image.evaluate(CHANGE).traceback.count("\n") == 1
        assert stocked.run(STATE) == before
    stocked.run("rows.append(0.5)")  # shorter than the turn that failed
    assert len(stocked.file()[1]) == stocked.image.storage.getSize()
    stocked.run(CHANGE)
    after = stocked.run(STATE)
    assert after == ([0, 0.5, 1], 100_000, [2], 5, True, "new")
    stocked.resume()
    assert stocked.run(STATE) == after
    assert not list(stocked.image.storage.check_log())


def test_stop_on_a_full_disk_loses_nothing(stocked: System) -> None:
    """Closing cannot save the index, and need not."""
    stocked.run("rows.append(1)")
    before = stocked.run(STATE)
    with room(Path(os.devnull), 20):  # enough for the lock, which is written over the old one
        stocked.resume()
        assert stocked.run(STATE) == before


def test_index_that_cannot_be_saved_waits(stocked: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn is on disk, so it must not fail for its index."""
    monkeypatch.setattr(f"{STORAGE}.INDEX_RECORDS", 1)
    index = stocked.home / "image" / "image.fs.index"
    old = index.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(f"{STORAGE}.os.fsync", full_disk)
        patch.setattr(filestorage, "fsync", None)
        stocked.run("rows.append(1)")
    assert index.read_bytes() == old
    assert not list(index.parent.glob("*.new"))
    stocked.run("rows.append(2)")
    assert index.read_bytes() != old


def test_large_turn_gives_its_room_back(stocked: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was made in is not needed any more; ZODB keeps it, also when the system rests."""
    monkeypatch.setattr(f"{STORAGE}.ROOMY", 1_000_000)
    temporary = stocked.home / "image" / "image.fs.tmp"
    stocked.run("large = os.urandom(900_000)")
    assert temporary.stat().st_size > 800_000
    stocked.run("large = os.urandom(1_100_000)")
    assert temporary.stat().st_size == 0
    stocked.run("rows.append(1)")
    stocked.resume()
    assert stocked.run("len(large), rows") == (1_100_000, [0, 1])


def full_disk(*_args: Any) -> None:
    """What a file system says that has no room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failing(name: str) -> Callable[..., None]:
    """A step of the storage that fails half-way through its work."""
    step = getattr(FileStorage, name)

    def fail(self: FileStorage, *args: Any) -> None:
        step(self, *args)
        full_disk()

    return fail


@pytest.mark.parametrize("step", ["store", "tpc_vote", "_clear_temp"])
def test_failure_of_any_step_is_undone(stocked: System, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A disk may say at any step that it is full."""
    with monkeypatch.context() as patch:
        patch.setattr(FileStorage, step, failing(step))
        _is_undone(stocked)
    _goes_on(stocked)


def test_failing_fsync_undoes_the_turn(stocked: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may say that it is full as late as that; ZODB then closes the storage for good."""
    size = (stocked.home / "image" / "image.fs").stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(filestorage, "fsync", full_disk)
        _is_undone(stocked)
    assert (stocked.home / "image" / "image.fs").stat().st_size == size
    _goes_on(stocked)


def _is_undone(stocked: System) -> None:
    """A change that cannot be written leaves all as it was."""
    before = stocked.run(STATE)
    assert isinstance(stocked.fail(CHANGE), CommitFailed)
    assert stocked.run(STATE) == before


def _goes_on(stocked: System) -> None:
    """When there is room again, the same change is done and kept."""
    stocked.run(CHANGE)
    stocked.resume()
    assert stocked.run("rows") == [0, 1]


def test_disk_that_turns_read_only_can_be_read_and_comes_back(stocked: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be mended then; every turn that changes something fails, until it can be written again."""
    before = stocked.run(STATE)
    note = PersistentMapping()
    with monkeypatch.context() as patch:
        patch.setattr(filestorage, "fsync", full_disk)
        patch.setattr(f"{STORAGE}.os.truncate", full_disk)
        for _ in range(3):
            assert isinstance(stocked.fail(CHANGE), CommitFailed)
            with pytest.raises(CommitFailed), stocked.image.turn("keep a note") as world:
                world.kept = note
            assert note._p_jar is None
            stocked.image._connection.cacheMinimize()
            assert stocked.run(STATE) == before
    stocked.run(CHANGE)
    stocked.resume()
    assert stocked.run("rows") == [0, 1]


def test_what_was_read_of_a_failed_turn_is_forgotten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader in another thread may have its first bytes in a buffer; the next turn is written in the same place."""
    turns(path, 1)

    def commit(storage: ImageStorage, content: bytes) -> bytes:
        transaction = TransactionMetaData()
        storage.tpc_begin(transaction)
        oid: bytes = storage.new_oid()
        storage.store(oid, b"\0" * 8, content, "", transaction)
        storage.tpc_vote(transaction)
        storage.tpc_finish(transaction)
        return oid

    def vote(self: FileStorage, transaction: Any) -> None:
        whole_vote(self, transaction)
        self.load(b"\0" * 8)
        full_disk()

    whole_vote = FileStorage.tpc_vote
    with opened(path) as storage:
        with monkeypatch.context() as patch:
            patch.setattr(FileStorage, "tpc_vote", vote)
            with pytest.raises(OSError, match="No space"):
                commit(storage, b"lost" * 50)
            storage.tpc_abort(storage.tpc_transaction())
        assert storage.load(commit(storage, b"kept" * 50))[0] == b"kept" * 50


FILL = """
import os, sys
import piety

home = sys.argv[1]
with piety.open(home, create=True) as image:
    image.evaluate("import os; rows = []; blob = b''")
    while (outcome := image.evaluate("rows.append(len(rows)); blob = os.urandom(50_000)")).error is None:
        pass
    print(outcome.traceback, end="")
    held = image.evaluate("len(rows), rows[-1], hash(blob)").value
    assert image.evaluate("rows.append('x' * 100_000)").error is not None
    assert image.evaluate("rows.append('y' * 10_000)").error is None
    assert image.evaluate("rows.append('x' * 100_000)").error is not None
    os.unlink(sys.argv[2])
    assert image.evaluate("rows.append('after')").error is None
with piety.open(home) as image:
    assert image.evaluate("len(rows) - 2, rows[-3], hash(blob)").value == held
print("went on")
"""


def test_small_disk_that_fills_up(tmp_path: Path) -> None:
    """A real file system without room; the ballast is then taken away."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if os.getuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("this system does not let root mount a small disk")
    try:
        (disk / "ballast").write_bytes(bytes(200_000))
        command = [sys.executable, "-c", FILL, str(disk / "home"), str(disk / "ballast")]
        environment = {**os.environ, "PYTHONPATH": str(Path(piety.__file__).parent.parent)}
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        assert done.stderr == ""
        assert done.stdout.splitlines() == [
            "the turn could not be written (No space left on device) and was undone; "
            "make room on the disk and do it again",
            "went on",
        ]
    finally:
        subprocess.run(["umount", disk], check=True)


# -- forks

FORK = """
import os, sys
import piety

image = piety.open(sys.argv[1], create=True)
image.evaluate("import os; rows = list(range(5000)); from persistent import Persistent")
image.evaluate("class Note(Persistent): pass")
image.evaluate("world.notes = []\\nfor n in range(300): world.notes.append(Note()); world.notes[n].text = str(n) * 50")
image._connection.cacheMinimize()
told, tell = os.pipe()
if os.fork() == 0:
    for n in range(300):  # moves in the file, while the parent does too
        assert image.evaluate(f"world.notes[{n}].text").value == str(n) * 50
    failed = image.evaluate("rows.append('child')")
    assert "a fork of the one that has the image" in failed.traceback, failed.traceback
    image.close()
    os.write(tell, b"read")
    sys.stdin.read()  # lives on
    os._exit(0)
for n in reversed(range(300)):
    assert image.evaluate(f"world.notes[{n}].text").value == str(n) * 50
    assert image.evaluate(f"rows[{n}] = 'parent'").error is None
assert os.read(told, 4) == b"read"
print("ready", flush=True)
sys.stdin.read()
"""


def test_forked_child_can_read_and_does_no_harm(home: Path) -> None:
    """It reads rightly, can change nothing, does not unlock the image by closing it, nor lock it by living on."""
    environment = {**os.environ, "PYTHONPATH": str(Path(piety.__file__).parent.parent)}
    command = [sys.executable, "-c", FORK, str(home)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        with pytest.raises(piety.PietyInUse):
            piety.open(home)
        parent.kill()
        parent.wait()
        with piety.open(home) as image:  # the child still lives
            assert image.evaluate("rows[:300] == ['parent'] * 300, len(rows)").value == (True, 5000)
            assert not list(image.storage.check_log())


# -- what a system says of itself


def test_last_turn(system: System) -> None:
    """Who and what, read from the end of the file."""
    system.image.evaluate("x = 1\ny = 2", user="eve")
    with system.image.storage.log() as log:
        turn = next(log.backwards())
    assert (turn.who, turn.what, turn.tid) == ("eve", "x = 1 ...", system.image.storage.lastTransaction())


# -- looking back


def test_what_was_before_a_turn_is_found_as_the_library_finds_it(path: Path) -> None:
    """For each object and each turn, while the file grows, and after it was opened anew."""
    turns(path, 30)
    with opened(path) as storage:
        for again in range(3):
            with storage.log() as log:
                tids = [turn.tid for turn in log.backwards()]
            for oid in storage.oids():
                for tid in (*tids, bytes(8), b"\xff" * 8):
                    assert storage.loadBefore(oid, tid) == FileStorage.loadBefore(storage, oid, tid)
            data = TransactionMetaData("me", f"more {again}")
            storage.tpc_begin(data)
            for oid in list(storage.oids())[:3]:
                record, serial = storage.load(oid)
                storage.store(oid, serial, record, "", data)
            storage.tpc_vote(data)
            storage.tpc_finish(data)


def test_a_long_way_back_is_not_read_from_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is walked in memory: two headers are read, however many revisions are between them."""
    turns(path, 300)
    with opened(path) as storage:
        with storage.log() as log:
            first = [turn.tid for turn in log.backwards()][-3]
        read: list[int] = []
        header = FileStorage._read_data_header
        monkeypatch.setattr(FileStorage, "_read_data_header", lambda *args: read.append(1) or header(*args))
        revisions = max(sum(1 for _ in storage.log().revisions(storage.place(oid))) for oid in storage.oids())
        for oid in storage.oids():
            read.clear()
            storage.loadBefore(oid, first)
            assert len(read) <= 2
    assert revisions > 100


# -- what cannot be opened


@pytest.mark.parametrize(
    ("lock", "told"),
    [("", "another process"), ("nobody", "another process"), (" 999999999", "process 999999999")],
)
def test_image_in_use_by_somebody_unknown_is_told(path: Path, lock: str, told: str) -> None:
    """Whatever the file of the lock says, and though the process cannot be looked at."""
    turns(path, 1)
    with opened(path):
        Path(f"{path}.lock").write_text(lock)
        with pytest.raises(PietyInUse, match=re.escape(f"is in use by {told}; try again when that has ended")):
            numbers(path)
    assert numbers(path) == [0]


def test_image_that_cannot_be_read_is_told(path: Path) -> None:
    """What stands in its place may be a folder."""
    path.mkdir()
    with pytest.raises(NoAccess, match="cannot be opened for writing: Is a directory"):
        numbers(path)


# -- the private names of ZODB on which the storage stands: if one of these fails, so does what it says


def test_private_names_are_there() -> None:
    """The names that the head of `storage.py` lists, each where it says."""
    names = "_lookup_pos _read_data_header _loadBack_impl _initIndex _restore_index _save_index _check_sanity"
    assert {*names.split(), "_finish", "_finish_finish"} <= set(dir(FileStorage))
    assert set(inspect.signature(FileStorage._finish).parameters) == {"self", "tid", "u", "d", "e"}


def test_private_attributes_of_an_open_storage(path: Path) -> None:
    """FileStorage's own attributes; without them a full disk could not be mended."""
    with opened(path) as storage:
        for name in "_pos _index _tindex _file _tfile _tfmt _files _lock _lock_file _file_name _ltid _tstatus _used_index".split():
            assert hasattr(storage, name), name
        assert storage._file.name == storage._file_name == str(path)
        assert storage._tfile.name == f"{path}.tmp"
        assert callable(storage._files.flush)
        assert callable(storage._files.empty)


def test_restore_index_is_called_with_the_file_open_and_before_it_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a torn end were cut by ZODB, which copies it first; with a full disk that fails."""
    turns(path, 2)
    seen = []

    def restore(self: ImageStorage) -> None:
        seen.append((self._file.tell(), hasattr(self, "_lock_file"), hasattr(self, "_pos")))

    with monkeypatch.context() as patch:
        patch.setattr(ImageStorage, "_restore_index", restore)
        with opened(path) as storage:
            assert not storage._used_index
    assert seen == [(0, True, False)]


def test_finish_finish_moves_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`_pos` moves after the flush and the fsync, so that a failure before leaves it where the mending cuts."""
    turns(path, 1)
    with opened(path) as storage:
        ends = []
        monkeypatch.setattr(filestorage, "fsync", lambda _number: ends.append(storage._pos))
        transaction = TransactionMetaData()
        storage.tpc_begin(transaction)
        storage.store(storage.new_oid(), b"\0" * 8, pickle.dumps(None, 3) * 2, "", transaction)
        storage.tpc_vote(transaction)
        begin = storage._pos
        storage.tpc_finish(transaction)
        assert ends == [begin]
        assert storage._pos == path.stat().st_size > begin
