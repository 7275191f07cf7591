"""The connection: it writes records with Piety's pickler, and tells what it loads and stores.

From what it tells the changes of a turn are found (`changes.py`), and through it they are committed.

Private names of ZODB are touched in three modules: those of Connection and what it reads and writes with here, those
of FileStorage in `storage.py`, and one of fsIndex in `index.py`.  Each is listed and guarded by a test, here in
`tests/objects/test_connection.py` (the setting `install_requires` pins ZODB's minor version):

    Connection._store_objects   called with an ObjectWriter for each object that is written, and those it reaches
    Connection._reader          the ObjectReader; its `setGhostState(obj, pickle)` fills a ghost
    Connection._storage         the storage as this connection sees it, savepoints included
    Connection._cache, ._db     the objects in memory, the database
    Connection.before           the moment of which a connection is, that reads the past
    Connection._savepoint_storage, ._normal_storage   what a savepoint writes to; the storage without savepoints
    Connection._commit_savepoint   called to give the storage what savepoints have written
    Connection._modified, ._creating, ._readCurrent   objects that a transaction has changed, made, and must not miss
    DB._mvcc_storage            what tells the connections of each transaction
    Connection._registered_objects, ._added   those that changed, and those that are new, since the last savepoint
    ObjectReader._get_unpickler the unpickler of a record: it gives the class, then the state
    ObjectReader._get_class, ._persistent_load, ._conn   how it finds a class, an object; its connection
    ObjectWriter._p, ._file     its pickler, and the BytesIO into which that writes
    ObjectWriter._stack         the objects that it still has to write
    ObjectWriter._dump, ._jar   makes a record of a class and a state; its connection
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from typing import Any, ClassVar

from persistent import Persistent
from transaction.interfaces import TransientError
from ZODB.Connection import Connection, TransactionMetaData
from ZODB.DB import DB
from ZODB.POSException import POSError, POSKeyError, StateLoadError
from ZODB.serialize import ObjectReader, ObjectWriter

from piety.errors import DamagedObject, PastChanged
from piety.objects.pickling import RecordPickler, Rules
from piety.objects.saved import Kept, Saved
from piety.objects.storage import DAMAGE, damaged, open_storage
from piety.objects.transactions import Transactions


class _Reader(ObjectReader):
    _plain: ClassVar[set[type]] = set()  # classes of which a ghost is made with nothing but the class

    def _persistent_load(self, reference: Any) -> Any:
        """The object of a reference; the usual kind goes a shorter way, as a node of a BTree has hundreds of them."""
        if type(reference) is tuple and type(reference[1]) is type and reference[1] in self._plain:
            oid, kind = reference
            obj = self._cache.get(oid)
            if obj is None:
                obj = kind.__new__(kind)
                self._cache.new_ghost(oid, obj)
            return obj
        obj = super()._persistent_load(reference)
        if type(reference) is tuple and type(reference[1]) is type and type(obj) is reference[1]:
            self._plain.add(reference[1])
        return obj

    def getState(self, pickle: bytes) -> Any:
        try:
            return super().getState(pickle)
        except StateLoadError as error:
            from piety.objects.forgiving import ForgivingUnpickler

            unpickler = ForgivingUnpickler(pickle, self._get_class, self._persistent_load)
            try:
                unpickler.load()
                return unpickler.load()
            except (POSError, TransientError):
                raise
            except Exception:  # it is not the code of an object: the bytes themselves are no pickle
                raise error from error.__cause__

    def setGhostState(self, obj: Any, pickle: bytes) -> None:
        state = self.getState(pickle)
        try:
            obj.__setstate__(state)
        except (POSError, TransientError):
            raise
        except Exception as error:
            raise StateLoadError() from error
        self._conn.on_load(obj, state, pickle)


# Bytes of a record after which the pickler is not used again: its memo keeps its room, and all of that is gone through
# each time it is cleared: 30 ms after a record of 100 MB, 0.3 ms after one of 800 KB.
ROOMY = 1 << 16


class ImageConnection(Connection):
    """A connection that writes records with Piety's pickler and reports what it loads and stores.

    `on_load(obj, state, record)` is called after a ghost was filled, `on_store(obj, record, pickler)` for each record
    written.  `note(obj)` gives what is written in place of an object that cannot be stored.
    """

    _storage: Any
    _savepoint_storage: Saved | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reader = _Reader(self, self._cache, self._db.classFactory)
        self.on_load: Callable[[Any, Any, bytes], None] = lambda obj, state, record: None
        self.on_store: Callable[[Any, bytes, Rules], None] = lambda obj, record, pickler: None
        self.note: Callable[[Any], Any] = lambda obj: None
        self._writer: _Writer | None = None
        self.users_code: AbstractContextManager[None] = nullcontext()  # while objects say what they hold

    def _store_objects(self, writer: Any, transaction: Any) -> None:
        if self._writer is None:
            self._writer = _Writer(self, [])
        with self._writer as ours:
            ours._stack = writer._stack
            super()._store_objects(ours, transaction)

    def register(self, obj: Any) -> None:
        if self.before is not None:
            raise PastChanged(f"{name_of(obj)} is of the past, which cannot be changed; change the one of now")
        super().register(obj)

    def setstate(self, obj: Any) -> None:
        try:
            super().setstate(obj)
        except TransientError:
            raise
        except DAMAGE as error:
            why = error.__cause__ or error
            raise DamagedObject(
                f"{name_of(obj)} cannot be read ({type(why).__name__}: {why}); to see all that is broken: piety check"
            ) from error

    def take_apart(self, record: bytes, find_class: Callable[[Any, str, str], Any]) -> tuple[Any, Any]:
        """The class of a record (perhaps with arguments) and a fresh copy of its state."""
        unpickler = ObjectReader(self, self._cache, find_class)._get_unpickler(record)
        return unpickler.load(), unpickler.load()

    def look(self, obj: Any) -> tuple[bytes, Rules]:
        """The record that `obj` would get if it were stored now, and the pickler that made it; changes nothing."""
        with _Looker(self, []) as looker:
            return looker.serialize(obj), looker.pickler

    def look_as(self, kind: type, state: Any) -> tuple[bytes, Rules]:
        """The same for an object of class `kind` if it had this state."""
        with _Looker(self, []) as looker:
            return looker._dump(kind, state), looker.pickler

    def has_changes(self) -> bool:
        """Whether anything has to be written that is not in a savepoint yet."""
        return bool(self._registered_objects)

    def changed_objects(self) -> list[Any]:
        """The objects known to have changed since the last savepoint; not those that were made since."""
        return [obj for obj in self._registered_objects if obj._p_oid not in self._added]

    def oids_of_its_own(self) -> list[bytes]:
        """The objects of a world that is in a file of its own; none for one that is in the image's file."""
        oids = getattr(self._db.storage, "oids_in_file", None)
        return [] if oids is None else oids()

    def in_memory(self) -> list[bytes]:
        """The numbers of the objects that are in memory, and of those to which they refer."""
        return [oid for oid, _obj in self._cache.items()]

    def stored(self, obj: Any) -> bytes:
        """The record that the image has of `obj`."""
        record: bytes = self._storage.load(obj._p_oid)[0]
        return record

    def savepoint(self) -> Any:
        """A place in the transaction to which it can return; the library's, but for where it keeps the records."""
        if self._savepoint_storage is None:
            self._storage = self._savepoint_storage = Saved(self._normal_storage)
        return super().savepoint()

    def _commit_savepoint(self, transaction: Any) -> None:
        """Give the storage what the savepoints of the transaction have.  No image has blobs, so these are all alike."""
        saved, self._storage, self._savepoint_storage = self._savepoint_storage, self._normal_storage, None
        assert saved is not None  # that is when the library calls
        try:
            self._modified.extend(saved.index)  # all of them, before one is written: they go back if one cannot be
            self._creating.update(saved.creating)
            for oid, kept in sorted(saved.index.items()):
                record, serial = saved.read(kept)
                self._storage.store(oid, serial, record, "", transaction)
                self._readCurrent.pop(oid, None)
        finally:
            saved.close()

    def saved(self) -> dict[bytes, Kept]:
        """What the turn that runs has in its last savepoint, to be looked at by `view`."""
        return {} if self._savepoint_storage is None else self._savepoint_storage.index.copy()

    @contextmanager
    def view(self, saved: dict[bytes, Kept]) -> Iterator[ImageConnection]:
        """A connection that reads what a savepoint has, and else what the last turn has left."""
        keeper, before = self._savepoint_storage, self._normal_storage

        def load(oid: bytes) -> tuple[bytes, bytes]:
            loaded: tuple[bytes, bytes] = keeper.read(saved[oid]) if keeper and oid in saved else before.load(oid)
            return loaded

        with self.reading(load) as other:
            yield other

    @contextmanager
    def reading(self, load: Callable[[bytes], tuple[bytes, bytes]]) -> Iterator[ImageConnection]:
        """A connection that reads records, and their turns, as `load` gives them by the number of the object."""
        transactions = Transactions()
        other: ImageConnection = self._db.open(transactions)
        own, report = other._storage, other.on_load
        other._storage = _Loading(own, load)
        transactions.begin()
        try:
            yield other
        finally:
            transactions.abort()
            other.cacheMinimize()
            other._storage, other.on_load = own, report
            other.close()

    def put_back(self, obj: Any, record: bytes) -> None:
        """Give an object, in the turn that runs, the state of an earlier record."""
        obj._p_activate()
        self._reader.setGhostState(obj, record)
        obj._p_changed = True

    def record(self, oid: bytes) -> bytes | None:
        """The record of an object by its number; None if there is no such object."""
        try:
            found: bytes = self._storage.load(oid)[0]
        except POSKeyError:
            return None
        return found

    def take(self, oid: bytes) -> tuple[Any, Any] | None:
        """The class of an object and a fresh copy of its state, by its number; None if there is no such object."""
        record = self.record(oid)
        if record is None:
            return None
        kind, state = self.take_apart(record, self._db.classFactory)
        return (kind[0] if type(kind) is tuple else kind), state

    def stored_state(self, obj: Any) -> Any:
        """A fresh copy of the state that the image has of `obj`."""
        return self._reader.getState(self.stored(obj))


class _Loading:
    """A storage whose records come from somewhere else."""

    def __init__(self, storage: Any, load: Callable[[bytes], tuple[bytes, bytes]]) -> None:
        self._storage, self._load = storage, load

    def load(self, oid: bytes, version: str = "") -> tuple[bytes, bytes]:
        return self._load(oid)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


class _Looker(ObjectWriter):
    """Writes records with our pickler, giving no object a number.

    After the `with` no circle of references keeps alive what it has seen.
    """

    def __init__(self, connection: ImageConnection, stack: list[Any]) -> None:
        self._jar = connection
        self._stack = stack
        self._file = BytesIO()
        self._renew()

    def _renew(self) -> None:
        self._quick = RecordPickler(self._file, self.reference, self._jar.note)
        self._use(self._quick)

    def __enter__(self) -> _Looker:
        return self

    def __exit__(self, *_exc: object) -> None:
        for pickler in {self._quick, self.pickler}:
            del pickler.reference
        self._p = None

    def _use(self, pickler: Any) -> None:
        self.pickler: Rules = pickler
        self._p = pickler

    def reference(self, obj: Any) -> Any:
        if isinstance(obj, Persistent) and obj._p_oid is None:
            return b"new", type(obj)
        return _plain(self.persistent_id(obj))

    def _dump(self, meta: Any, state: Any) -> bytes:
        """The record; what fails in it while it is pickled has a note in its place."""
        try:
            return self._pickle(meta, state)
        except Exception:  # some object's own code fails
            if type(state) is not dict:
                raise
            failing: list[Any] = []
            storable = _storable(lambda part: self._pickle(meta, part), state, self._jar.note, failing)
            record = self._pickle(meta, storable)
            self.pickler.volatile += failing
        return record

    def _pickle(self, meta: Any, state: Any) -> bytes:
        self._quick.volatile.clear()
        self._use(self._quick)
        dump = super()._dump
        record: bytes
        try:
            record = dump(meta, state)
        except RecursionError:  # it is nested deep, or some object's own code recurses
            from piety.objects.deep import DeepPickler

            self._use(DeepPickler(self._file, self.reference, self._jar.note))
            record = dump(meta, state)
        return record


class _Writer(_Looker):
    """The same for a commit: it gives new objects their numbers, and reports each record.  It can be used again."""

    def __exit__(self, *_exc: object) -> None:
        self._quick.clear_memo()
        self._quick.volatile.clear()
        self._use(self._quick)

    def reference(self, obj: Any) -> Any:
        return _plain(self.persistent_id(obj))

    def serialize(self, obj: Any) -> bytes:
        with self._jar.users_code:
            record: bytes = super().serialize(obj)
        self._jar.on_store(obj, record, self.pickler)
        if len(record) > ROOMY:
            del self._quick.reference
            self._renew()
        return record


def _storable(
    dump: Callable[[Any], bytes], state: Any, note: Callable[[Any], Any], failing: list[Any], depth: int = 2
) -> Any:
    """A state that fails while it is pickled, with a note in place of each attribute (or item of one) that does."""
    if type(state) is not dict or not depth:
        failing.append(state)
        return note(state)
    return {
        name: each if _succeeds(dump, each) else _storable(dump, each, note, failing, depth - 1)
        for name, each in state.items()
    }


def _succeeds(dump: Callable[[Any], bytes], state: Any) -> bool:
    try:
        dump(state)
    except Exception:  # whatever an object's own code raises
        return False
    return True


def _plain(reference: Any) -> Any:
    """A reference with ordinary bytes in it: ZODB's pickler wants its own `binary`, ours writes bytes the same."""
    if type(reference) is tuple:
        return bytes(reference[0]), reference[1]
    if type(reference) is list:
        return [reference[0], tuple(bytes(each) if isinstance(each, bytes) else each for each in reference[1])]
    return None if reference is None else bytes(reference)


class ImageDB(DB):
    """A database whose connections are ours."""

    klass = ImageConnection

    def tell_all(self, tid: bytes, oids: list[bytes]) -> None:
        """Another than a connection has written these: what the connections have of them is old."""
        self._mvcc_storage.invalidate(tid, oids)


class Rewriting:
    """Gives objects other states, as the only part of a transaction: `states` are number, last turn, and state.

    `oids` are the objects that it has written.
    """

    def __init__(self, connection: ImageConnection, states: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        self.transaction_manager = connection.transaction_manager
        self._db = connection.db()
        self._storage = self._db.storage
        self._states = states
        self._data: Any = None  # of the transaction, as the storage wants it
        self.oids: list[bytes] = []

    def sortKey(self) -> str:
        return "piety"

    def tpc_begin(self, transaction: Any) -> None:
        self._data = TransactionMetaData(transaction.user, transaction.description)
        self._storage.tpc_begin(self._data)

    def commit(self, _transaction: Any) -> None:
        for oid, serial, state in self._states:
            self._storage.store(oid, serial, state, "", self._data)
            self.oids.append(oid)

    def tpc_vote(self, _transaction: Any) -> None:
        self._storage.tpc_vote(self._data)

    def tpc_finish(self, _transaction: Any) -> None:
        self._storage.tpc_finish(self._data, lambda tid: self._db.tell_all(tid, self.oids))

    def tpc_abort(self, _transaction: Any) -> None:
        if self._data is not None:
            self._storage.tpc_abort(self._data)

    def abort(self, _transaction: Any) -> None:
        """Nothing was begun."""


def name_of(obj: Any) -> str:
    """How a person is told of a stored object: its class and its number."""
    return f"{type(obj).__qualname__} {int.from_bytes(obj._p_oid, 'big'):#x}"


def open_database(path: str, class_factory: Callable[[Any, str, str], Any], create: bool = False) -> ImageDB:
    """Open the database in the image file at `path`; see `open_storage` for what it raises."""
    storage = open_storage(path, create)
    try:
        return ImageDB(storage, class_factory=class_factory, large_record_size=1 << 62, cache_size=20_000)
    except Exception as error:  # it reads the root, whose record may be damaged in any way
        storage.close()
        raise damaged(path, f"{type(error).__name__}: {error}") from error
