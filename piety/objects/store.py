"""The store: one FileStorage file with its index, and a connection that tells what it loads and stores.

This is the one module that touches private names of ZODB; each is listed here and guarded by a test in
`tests/objects/test_store.py` (the setting `install_requires` pins ZODB's minor version):

    Connection._store_objects   called with an ObjectWriter for each object that is written, and those it reaches
    Connection._reader          the ObjectReader; its `setGhostState(obj, pickle)` fills a ghost
    Connection._storage         the storage as this connection sees it, savepoints included
    ObjectWriter._p, ._file     its pickler, and the BytesIO into which that writes
    FileStorage._save_index     writes `image.fs.index`; `_pos` is the end of the last transaction, `_index` the index

The files in a home's `image/`: `image.fs` is the image, append-only; `image.fs.index` tells where each object's
newest record stands and can be made anew from it; `image.fs.lock` names the process that has it.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from persistent import Persistent
from transaction.interfaces import TransientError
from zc.lockfile import LockError
from ZODB.Connection import Connection
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.format import CorruptedError
from ZODB.FileStorage.FileStorage import FileStorageError
from ZODB.POSException import POSError, StateLoadError
from ZODB.serialize import ObjectReader, ObjectWriter

from piety.errors import DamagedImage, NoImage, PietyInUse
from piety.objects.pickling import RecordPickler

# After a kill the records since the last save of the index are read again, 4 us each: so that this stays under the
# 40 ms that a person does not notice, but costs less than 1 % of the commits, the index is saved after so many
# records, or after so many seconds, whichever comes first (a large index costs more to save: 15 ms a million).
INDEX_RECORDS = 5_000
INDEX_SECONDS = 60.0

_MAGIC = b"FS30"


class ImageStorage(FileStorage):  # type: ignore[misc]
    """A FileStorage that keeps its index fresh, so that opening after a kill is fast."""

    def __init__(self, path: str, **options: Any) -> None:
        self._unsaved = 0
        self._saved_at = time.monotonic()
        self._saved_pos = -1
        super().__init__(path, **options)
        if self._used_index:
            self._saved_pos = self._indexed_pos

    def _restore_index(self) -> Any:
        restored = super()._restore_index()
        self._indexed_pos = restored[1] if restored is not None else -1
        return restored

    def _save_index(self) -> None:
        if self._saved_pos != self._pos:  # a session that only read leaves the index alone
            super()._save_index()
            self._saved_pos = self._pos

    def keep_index_fresh(self, records: int, now: float | None = None) -> bool:
        """Count records just committed, and save the index if it has fallen behind; whether it was saved."""
        now = time.monotonic() if now is None else now
        self._unsaved += records
        behind = self._unsaved >= max(INDEX_RECORDS, len(self._index) // 100)
        if not self._unsaved or not (behind or now - self._saved_at >= INDEX_SECONDS):
            return False
        with self._lock:
            self._save_index()
        self._unsaved, self._saved_at = 0, now
        return True


class _Reader(ObjectReader):  # type: ignore[misc]
    def setGhostState(self, obj: Any, pickle: bytes) -> None:
        state = self.getState(pickle)
        try:
            obj.__setstate__(state)
        except (POSError, TransientError):
            raise
        except Exception as error:
            raise StateLoadError() from error
        self._conn.on_load(obj, state, pickle)


class ImageConnection(Connection):  # type: ignore[misc]
    """A connection that writes records with Piety's pickler and reports what it loads and stores.

    `on_load(obj, state, record)` is called after a ghost was filled, `on_store(obj, record, pickler)` for each record
    written.  `note(obj)` gives what is written in place of an object that cannot be stored.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reader = _Reader(self, self._cache, self._db.classFactory)
        self.on_load: Callable[[Any, Any, bytes], None] = lambda obj, state, record: None
        self.on_store: Callable[[Any, bytes, RecordPickler], None] = lambda obj, record, pickler: None
        self.note: Callable[[Any], Any] = lambda obj: None

    def _store_objects(self, writer: Any, transaction: Any) -> None:
        _use_our_pickler(writer, writer.persistent_id, self.note)
        serialize = writer.serialize

        def reporting(obj: Any) -> bytes:
            record: bytes = serialize(obj)
            self.on_store(obj, record, writer._p)
            writer._p.volatile.clear()
            return record

        writer.serialize = reporting
        super()._store_objects(writer, transaction)

    def look(self, obj: Any) -> tuple[bytes, RecordPickler]:
        """The record that `obj` would get if it were stored now, and the pickler that made it; changes nothing."""
        writer = self._looker()
        return writer.serialize(obj), writer._p

    def look_as(self, kind: type, state: Any) -> tuple[bytes, RecordPickler]:
        """The same for an object of class `kind` if it had this state."""
        writer = self._looker()
        return writer._dump(kind, state), writer._p

    def _looker(self) -> Any:
        writer = ObjectWriter()
        writer._jar = self
        _use_our_pickler(writer, lambda each: _reference(writer, each), self.note)
        return writer

    def stored(self, obj: Any) -> bytes:
        """The record that the image has of `obj`."""
        record: bytes = self._storage.load(obj._p_oid)[0]
        return record

    def stored_state(self, obj: Any) -> Any:
        """A fresh copy of the state that the image has of `obj`."""
        return self._reader.getState(self.stored(obj))


def _use_our_pickler(writer: Any, reference: Callable[[Any], Any], note: Callable[[Any], Any]) -> None:
    writer._p = RecordPickler(writer._file, lambda obj: _plain(reference(obj)), note)


def _plain(reference: Any) -> Any:
    """A reference with ordinary bytes in it: ZODB's pickler wants its own `binary`, ours writes bytes the same."""
    if type(reference) is tuple:
        return bytes(reference[0]), reference[1]
    if type(reference) is list:
        return [reference[0], tuple(bytes(each) if isinstance(each, bytes) else each for each in reference[1])]
    return None if reference is None else bytes(reference)


def _reference(writer: Any, obj: Any) -> Any:
    """What `writer.persistent_id` would say, but giving no object a number."""
    if isinstance(obj, Persistent) and obj._p_oid is None:
        return b"new", type(obj)
    return writer.persistent_id(obj)


class ImageDB(DB):  # type: ignore[misc]
    klass = ImageConnection


def open_database(path: Path, class_factory: Callable[[Any, str, str], Any], create: bool = False) -> ImageDB:
    """Open the image file at `path` for this process alone.

    Raises `NoImage`, `PietyInUse`, `DamagedImage`; the file is as it was then.
    """
    if not create and not path.exists():
        raise NoImage(f"{path} is missing: this home has no image; make another home with: piety new --home PLACE")
    tails = set(_tails(path))
    whole = _ends_whole(path)
    try:
        storage = ImageStorage(str(path), create=create)
    except LockError:
        pid = _owner(path)
        raise PietyInUse(_in_use(path, pid), pid) from None
    except (CorruptedError, FileStorageError) as error:
        raise _damaged(path, str(error)) from error
    cut = sorted(set(_tails(path)) - tails)
    if cut and whole:  # FileStorage took a damaged header for a torn end and cut there: put the rest back
        storage.close()
        with path.open("ab") as image:
            for tail in cut:
                image.write(tail.read_bytes())
                tail.unlink()
        Path(f"{path}.index").unlink(missing_ok=True)
        raise _damaged(path, "a transaction in its middle cannot be read")
    for tail in cut:  # the turn that was being written when the plug was pulled; it was never reported done
        tail.unlink()
    return ImageDB(storage, class_factory=class_factory, large_record_size=1 << 62, cache_size=20_000)


def _tails(path: Path) -> Iterator[Path]:
    """The pieces that FileStorage cut off, which it names image.fs.tr0, .tr1 and so on."""
    return path.parent.glob(f"{path.name}.tr[0-9]*")


def _ends_whole(path: Path) -> bool:
    """Whether the file ends with a whole transaction: its length stands at its begin and at its end.

    Raises `NoImage` for a file of another kind.  Layout: ZODB/FileStorage/format.py.
    """
    if not path.exists():
        return False
    with path.open("rb") as image:
        if image.read(4) != _MAGIC:
            raise NoImage(f"{path} is no image (it does not begin as one); is it another program's file?")
        end = image.seek(0, os.SEEK_END)
        if end < 4 + 23 + 8:
            return False
        image.seek(end - 8)
        (length,) = struct.unpack(">Q", image.read(8))
        begin = end - 8 - length
        if begin < 4:
            return False
        image.seek(begin)
        _tid, at_begin, status = struct.unpack(">8sQc", image.read(17))
        return bool(at_begin == length and status in b" p")


def _damaged(path: Path, why: str) -> DamagedImage:
    return DamagedImage(
        f"{path} is damaged ({why}); it was left as it is. Go back to a copy, or save what can be read: "
        f"python -m ZODB.fsrecover {path} RECOVERED"
    )


def _owner(path: Path) -> int | None:
    try:
        return int(Path(f"{path}.lock").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _in_use(path: Path, pid: int | None) -> str:
    home = path.parent.parent
    if pid is None:
        return f"the image in {home} is in use by another process; stop that one first"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        program = " ".join(os.fsdecode(word) for word in words if word)[:80]
    except OSError:
        program = ""
    return f"the image in {home} is in use by process {pid}" + (f" ({program})" if program else "") + "; stop that one first"
