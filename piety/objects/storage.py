"""The storage: one FileStorage file with its index, opened for this process alone.

It opens fast after a kill, cuts off what a pulled plug left, and goes on when a full disk has room again.

The files in a home's `image/`: `image.fs` is the image, append-only; `image.fs.index` tells where each object's
newest record stands and can be made anew from it; `image.fs.lock` names the process that has it; `image.fs.tmp` is a
transaction that is being made; `image.fs.index.ahead` is the index of a huge one that may not have come to its end;
`image.fs.tr0`, `.tr1` ... are what somebody else than a pulled plug had left at the end of the image.

A transaction is written with the status "c", and counts from the moment when that one byte becomes " ".  So what
a pulled plug leaves is a file that ends in an unfinished transaction, and opening cuts that off.

Private names of ZODB are touched in three modules: those of FileStorage here, those of Connection and what it reads
and writes with in `connection.py`, and one of fsIndex (`_data`) in `index.py`; those of the package transaction are
in `transactions.py`.  Each is listed and guarded by a test,
here in `tests/objects/test_storage.py` (the setting `install_requires` pins ZODB's minor version):

    FileStorage._restore_index  called while opening, after the lock is taken and before the file is read; gives the
                                index, the end of what it knows and the transaction there, or None
    FileStorage._save_index     called while opening and closing
    FileStorage._used_index     whether `_restore_index` gave one, when it is open
    FileStorage._check_sanity   whether an index fits the file; the transaction that ends at its end
    FileStorage._finish         makes a voted transaction count
    FileStorage._lookup_pos, ._read_data_header, ._loadBack_impl   a record by its object, and by its place
    FileStorage._initIndex      gives it another index
    FileStorage._finish_finish  its end: flush, fsync, `_pos`, `_index`
    FileStorage._pos, ._nextpos the end of the last transaction, and of the one that is being written
    FileStorage._index, ._tindex  where each object's newest record stands, and those of the one being written
    FileStorage._file, ._tfile, ._tfmt, ._files  the image, the transaction being made, its reader; the readers' files
    FileStorage._lock, ._lock_file (and its `_fp`), ._file_name, ._tstatus, ._ltid
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from zc.lockfile import LockError
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import FilePool, TempFormatter, read_index
from ZODB.FileStorage.format import TRANS_HDR, TRANS_HDR_LEN, CorruptedError
from ZODB.fsIndex import fsIndex
from ZODB.POSException import POSError, POSKeyError
from ZODB.utils import cp

from piety.errors import CommitFailed, DamagedImage, NoAccess, NoImage, PietyInUse
from piety.objects import index as index_file

if TYPE_CHECKING:
    from piety.objects.turnlog import TurnLog

# After a kill the records since the last save of the index are read again, 4 us each: so that this stays under the
# 40 ms that a person does not notice, but costs less than 1 % of the commits, the index is saved after so many
# records, or after so many seconds, whichever comes first (a large index costs more to save: 30 ms a million).
INDEX_RECORDS = 5_000
INDEX_SECONDS = 60.0
# A transaction of so many records has its index saved before it counts: a kill right after it may not cost the next
# start the time to read them all (4 s a million).
HUGE = 50_000
# So many bytes that the saved index does not know, some 500 records, are read faster (2 ms) than a large index is
# saved; so a session that finds no more than that, and writes nothing, leaves it alone.
NEAR = 1 << 16
ROOMY = 1 << 24  # bytes: what a turn larger than this took up in `image.fs.tmp` is given back

# What FileStorage raises when it reads damaged bytes: headers that make no sense, numbers and texts that are none.
DAMAGE = (CorruptedError, POSError, ValueError)

_MAGIC = b"FS30"
_BEGINNING = struct.Struct(">8s8sQ").unpack_from  # of a record: object, turn, where the record before it stands

# ZODB tells its troubles to these loggers, with tracebacks.  A person gets one line from us instead; who sets up
# logging gets theirs too.
for _name in ("ZODB", "txn"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
_log = logging.getLogger("piety")


class ImageStorage(FileStorage):
    """A FileStorage that opens fast after a kill, and goes on when a full disk has room again."""

    _ltid: bytes | None = None  # None while it is being opened
    _file: Any
    _tfile: Any

    def __init__(self, path: str, **options: Any) -> None:
        self._unsaved = 0
        self._saved_at = time.monotonic()
        self._saved_pos = -1
        self._broken = False  # whether the files still have to be mended
        self._has_ended = False
        self._mapped: Any = b""  # the file, as far as it was when somebody looked back
        self._packed: bytes | None = None  # up to which moment; None as long as nobody has asked
        self._forked = False  # whether this is the copy in a child of the process that has the image
        try:
            super().__init__(path, **options)
        except BaseException:
            self._let_go()
            raise
        if self._used_index and self._pos - self._saved_pos < NEAR:
            self._saved_pos = self._pos
        self._save_index()
        _opened.add(self)

    def close(self) -> None:
        with self._lock:  # a pack may be about to put its file here
            self._has_ended = True
        self._mapped = b""
        _opened.discard(self)
        self._save_index()  # here, because FileStorage does it after it has let the lock go
        with contextlib.suppress(OSError):  # it may hold bytes in its buffer for which there is no room, or need
            self._tfile.close()
        super().close()
        index_file.close(self._index)

    def _let_go(self) -> None:
        for name in ("_file", "_files", "_tfile", "_lock_file"):
            file = getattr(self, name, None)
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        if hasattr(self, "_index"):
            index_file.close(self._index)

    # -- opening

    def _restore_index(self) -> Any:
        """The newest saved index that fits the file; and the file's end is made whole before it is read further."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._file_name}.pack")  # of a pack that was not finished
        here, ahead = f"{self._file_name}.index", f"{self._file_name}.index.ahead"
        found = {name: saved for name in (here, ahead) if (saved := self._read_index(name)) is not None}
        newest = max(found, key=lambda name: found[name][1], default=None)
        for name in found.keys() - {newest}:
            index_file.close(found[name][0])
        if newest == ahead:
            os.replace(ahead, here)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(ahead)
        self._saved_pos = found[newest][1] if newest is not None else -1
        self._make_end_whole(max(self._saved_pos, len(_MAGIC)))
        return None if newest is None else found[newest]

    def _read_index(self, name: str) -> tuple[fsIndex, int, bytes] | None:
        """What a saved index says; None if it does not fit the file: it must name the transaction that it ends with."""
        try:
            index, end, last = index_file.read(name)
        except Exception:  # whatever stands there: it can be made anew
            return None
        try:
            fits = self._check_sanity(index, end) == last
        except Exception:
            fits = False
        if not fits:
            index_file.close(index)
        return (index, end, last) if fits else None

    def _make_end_whole(self, start: int) -> None:
        """Cut off the transaction that was being written when the plug was pulled; it was never reported done.

        `start` is the end of some transaction.  Raises `DamagedImage` if the file is damaged before its end.
        """
        size = self._file.seek(0, os.SEEK_END)
        place, status = self._first_unsound(start, size)
        if place == size:
            return
        if status != b"c":
            if self._ends_whole(size):
                raise damaged(self._file_name, f"the transaction at byte {place} cannot be read")
            self._keep_tail(place)
        self._file.truncate(place)

    def _first_unsound(self, place: int, size: int) -> tuple[int, bytes]:
        """Where the first transaction begins that is not whole, and its status ("c" for unfinished)."""
        while place < size:
            self._file.seek(place)
            header = self._file.read(TRANS_HDR_LEN)
            if len(header) < TRANS_HDR_LEN:
                return place, b"c"
            _tid, length, status, *lengths = struct.unpack(TRANS_HDR, header)
            end = place + length + 8
            if status == b"c" and end >= size:
                return place, b"c"
            if status not in (b" ", b"p", b"u") or length < TRANS_HDR_LEN + sum(lengths) or end > size:
                return place, b""
            self._file.seek(end - 8)
            if struct.unpack(">Q", self._file.read(8)) != (length,):
                return place, b""
            place = end
        return place, b""

    def _ends_whole(self, size: int) -> bool:
        """Whether the file ends with a whole transaction."""
        self._file.seek(size - 8)
        (length,) = struct.unpack(">Q", self._file.read(8))
        begin = size - 8 - length
        return len(_MAGIC) <= begin < size and self._first_unsound(begin, size)[0] == size

    def _keep_tail(self, place: int) -> None:
        """Copy what is going to be cut off: it is not what a pulled plug leaves."""
        number = 0
        while os.path.exists(name := f"{self._file_name}.tr{number}"):
            number += 1
        self._file.seek(place)
        with open(name, "wb") as tail:
            cp(self._file, tail)
        _log.warning(
            "piety: %s ended within a turn; it goes on from the turn before, and the rest is kept in %s",
            self._file_name, name,
        )  # fmt: skip

    # -- the index

    def _save_index(self) -> None:
        """Save the index, unless it is saved already or the disk is full: it can wait, and be made anew."""
        if self._saved_pos != self._pos > len(_MAGIC) and self._ltid is not None and not self._forked:
            name = f"{self._file_name}.index"
            if self._write_index(self._index, self._pos, self._ltid, f"{name}.new"):
                os.replace(f"{name}.new", name)
                self._saved_pos = self._pos

    def _write_index(self, index: fsIndex, end: int, last: bytes, name: str) -> bool:
        try:
            index_file.write(index, end, last, name)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
            return False
        return True

    def keep_index_fresh(self, records: int, now: float | None = None) -> bool:
        """Count records just committed, and save the index if it has fallen behind; whether it was saved."""
        now = time.monotonic() if now is None else now
        self._unsaved += records
        late = self._unsaved and now - self._saved_at >= INDEX_SECONDS
        if not late and (self._unsaved < INDEX_RECORDS or self._unsaved < len(self._index) // 100):
            return False
        with self._lock:
            self._save_index()
        self._unsaved, self._saved_at = 0, now
        return True

    # -- writing

    def tpc_begin(self, transaction: Any, tid: bytes | None = None, status: str = " ") -> None:
        if self._forked:
            raise CommitFailed("this process is a fork of the one that has the image, and only that one can change it")
        if self._broken:
            self._mend(self._files.flush)
        super().tpc_begin(transaction, tid, status)

    def store(self, oid: bytes, oldserial: bytes, data: bytes, version: str, transaction: Any) -> None:
        try:
            super().store(oid, oldserial, data, version, transaction)
        except OSError:
            self._mend(self._files.flush)
            raise

    def tpc_vote(self, transaction: Any) -> Any:
        try:
            return super().tpc_vote(transaction)
        except OSError:
            self._mend(self._files.flush)
            raise

    def _finish(self, tid: bytes, user: bytes, description: bytes, extension: bytes) -> None:
        """Make the transaction count.  FileStorage closes itself if that fails; here the transaction is undone."""
        ahead, begin = f"{self._file_name}.index.ahead", self._pos
        saved = len(self._tindex) >= HUGE and self._write_index(self._index_ahead(), self._nextpos, tid, ahead)
        try:
            self._file.seek(self._pos + 16)
            self._file.write(self._tstatus.encode())
            self._finish_finish(tid)
        except OSError:
            self._mend(self._files.empty)  # `tpc_finish` keeps the readers out already
            raise
        if saved:
            os.replace(ahead, f"{self._file_name}.index")
            self._saved_pos, self._unsaved = self._pos, 0
        if self._pos - begin > ROOMY:
            with contextlib.suppress(OSError):  # the turn is done; its room can wait
                self._tfile.truncate(0)

    def _index_ahead(self) -> fsIndex:
        """The index as it will be when the transaction that is being written counts."""
        index = fsIndex()
        index.__setstate__(self._index.__getstate__())
        index.update(self._tindex)
        return index

    def _mend(self, forget_read: Callable[[], None]) -> None:
        """Leave nothing of a transaction that could not be written, neither in the files nor in their buffers.

        A file that could not write keeps what it has in its buffer and fails with it at every later step, so new ones
        are opened.  If that fails too, it is tried again before the next transaction; reading goes on.
        """
        self._broken = True
        with self._lock:
            for file in (self._file, self._tfile):
                with contextlib.suppress(OSError):
                    file.close()
            os.truncate(self._file_name, self._pos)
            self._file = open(self._file_name, "r+b")
            self._tfile = open(f"{self._file_name}.tmp", "w+b")
            self._tfmt = TempFormatter(self._tfile)
            self._nextpos = 0
            forget_read()
        self._broken = False

    def take_file(self, path: str, index: fsIndex, end: int) -> None:
        """Put another file in the place of the image's, in one step; called with the commit lock held."""
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        with self._files.write_lock(), self._lock:
            if self._has_ended:  # then another process may have the image already
                raise CommitFailed("the system stops, so nothing was packed")
            self._files.empty()
            os.replace(path, self._file_name)
            self._file.close()
            self._file = open(self._file_name, "r+b")
            index_file.close(self._index)
            self._initIndex(index, self._tindex)
            self._pos = end
            self._saved_pos, self._packed, self._mapped = -1, None, b""
            _sync_folder(os.path.dirname(self._file_name))
            self._save_index()

    @property
    def packed(self) -> bytes:
        """The moment up to which the past was packed; zeros if it never was."""
        if self._packed is None:
            from piety.objects.packing import packed_up_to

            with self.log() as log:
                self._packed = packed_up_to(log)
        return self._packed

    def become_child(self) -> None:
        """After a fork, in the child: it can read the image as it is on disk, and nothing else.

        The open files and the lock are shared with the parent.  A child that moves in them makes the parent read at
        the wrong place; one that closes the lock unlocks the parent's image; one that lives on keeps it locked.
        """
        self._forked = True
        nothing = os.open(os.devnull, os.O_RDWR)
        for file in (self._file, self._tfile, self._lock_file._fp):
            os.dup2(nothing, file.fileno())
        os.close(nothing)
        self._file = open(self._file_name, "rb")
        self._files = FilePool(self._file_name)

    # -- looking

    def loadBefore(self, oid: bytes, tid: bytes) -> tuple[bytes, bytes, bytes | None] | None:
        """The record of an object before a turn, its own turn, and the one after that; None if there is none.

        An object that changes in every turn has a long way back: it is walked in memory, 0.2 us a step.
        """
        with self._files.get() as file:
            place = self._lookup_pos(oid)
            header = self._read_data_header(place, oid, file)
            later = None
            if header.tid >= tid:
                place, later = self._walk_back(header, tid)
                if not place:
                    return None
                header = self._read_data_header(place, oid, file)
            if header.plen:
                return file.read(header.plen), header.tid, later
            if not header.back:
                raise POSKeyError(oid)
            return self._loadBack_impl(oid, header.back, _file=file)[0], header.tid, later

    def _walk_back(self, header: Any, tid: bytes) -> tuple[int, bytes]:
        """Where the last record before a turn stands, from a later one on, and the turn of the one that follows it."""
        place, later = header.prev, header.tid
        if place >= len(self._mapped):
            with open(self._file_name, "rb") as file:
                self._mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
        mapped = self._mapped
        while place:
            _oid, own, before = _BEGINNING(mapped, place)
            if own < tid:
                break
            place, later = before, own
        return place, later

    def log(self) -> TurnLog:
        """The log of the turns up to now; close it."""
        from piety.objects.turnlog import TurnLog

        with self._lock:
            return TurnLog(self._file_name, self._pos)

    def place(self, oid: bytes) -> int:
        """Where the newest record of an object stands; 0 if it was never stored."""
        place: int = self._index.get(oid, 0)
        return place

    def oids(self) -> Iterator[bytes]:
        """The number of every object that was ever stored, those that were taken back by an undo too."""
        return iter(self._index)

    def has(self, oid: bytes) -> bool:
        """Whether an object of this number was ever stored."""
        return oid in self._index

    def check_log(self) -> Iterator[str]:
        """Read the whole file as if there were no index; what is damaged in it, and what the index has wrong."""
        index = fsIndex()
        try:
            with open(self._file_name, "rb") as file:
                end, _last, _tid = read_index(file, self._file_name, index, {}, read_only=True)
        except DAMAGE as error:
            yield f"the log is damaged, and the image cannot be opened without its index ({error})"
            return
        if end < self._pos:
            yield f"the log is damaged: it can be read up to byte {end} of {self._pos}"
        wrong = sum(self._index.get(oid) != place for oid, place in index.iteritems())
        if end == self._pos and (wrong or len(index) != len(self._index)):
            yield f"the index is wrong about {wrong} objects; stop the system and delete {self._file_name}.index"


def _sync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


_opened: WeakSet[ImageStorage] = WeakSet()


def _become_children() -> None:
    for storage in _opened:
        storage.become_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_become_children)


def open_storage(path: str, create: bool = False) -> ImageStorage:
    """Open the image file at `path` for this process alone.

    Raises `NoImage`, `NoAccess`, `PietyInUse`, `DamagedImage`; the file is as it was then.
    """
    if not create and not os.path.exists(path):
        raise NoImage(f"{path} is missing: this home has no image; make another home with: piety new --home PLACE")
    _require_magic(path)
    try:
        return ImageStorage(path, create=create)
    except LockError:
        pid = _owner(path)
        raise PietyInUse(_in_use(path, pid), pid) from None
    except OSError as error:
        raise _no_access(path, error) from error
    except DAMAGE as error:
        raise damaged(path, str(error)) from error


def _require_magic(path: str) -> None:
    """Raise `NoImage` for a file of another kind."""
    try:
        with open(path, "rb") as image:
            begin = image.read(len(_MAGIC))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _no_access(path, error) from error
    if begin != _MAGIC:
        what = "is empty" if not begin else "is no image (it does not begin as one); is it another program's file?"
        raise NoImage(f"{path} {what}; put the image back, or choose another home with --home")


def _no_access(path: str, error: OSError) -> NoAccess:
    place = error.filename or path
    return NoAccess(f"the image in {_home(path)} cannot be opened for writing: {error.strerror} ({place})")


def damaged(path: str, why: str) -> DamagedImage:
    """The error of a file that cannot be opened; what it says is one line."""
    import shlex

    return DamagedImage(
        f"{path} is damaged ({' '.join(why.split())}); it was left as it is. Go back to a copy, or save what can be "
        f"read: {shlex.join((sys.executable, '-m', 'ZODB.fsrecover', path))} RECOVERED"
    )


def _owner(path: str) -> int | None:
    try:
        with open(f"{path}.lock", encoding="ascii") as lock:
            return int(lock.read().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _in_use(path: str, pid: int | None) -> str:
    from piety.waiting import program

    return f"the image in {_home(path)} is in use by {program(pid)}; try again when that has ended, or end it"


def _home(path: str) -> str:
    return os.path.dirname(os.path.dirname(path))
