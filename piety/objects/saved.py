"""What a transaction has written to its savepoints, until it is committed.

The library keeps that in a temporary file.  Here it is in memory as long as it is little: each of the turns that are
committed together is a savepoint, and most of them write less than the file costs.
"""

from __future__ import annotations

import tempfile
from typing import IO, Any

LITTLE = 1 << 24  # bytes; what is written beyond them goes to a file

Place = tuple[int, int]  # in the file: where a record begins, and its length
Kept = tuple[bytes | Place, bytes]  # a record, and the last turn that wrote its object before this one


class Saved:
    """Takes the place of a connection's storage from the first savepoint on.

    `index` has what was kept of each object, `creating` is whose numbers are new; a savepoint is a copy of both, and of
    `position`, the bytes written so far.
    """

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self.new_oid, self.sortKey, self.isReadOnly = storage.new_oid, storage.sortKey, storage.isReadOnly
        self.index: dict[bytes, Kept] = {}
        self.creating: dict[bytes, bool] = {}
        self.position = 0
        self._file: IO[bytes] | None = None

    def store(self, oid: bytes, serial: bytes, record: bytes, version: str, transaction: Any) -> bytes:
        """Keep a record.  Raises OSError if the disk is full."""
        begin = self.position
        self.position += len(record)
        self.index[oid] = record if self.position <= LITTLE else self._put_away(begin, record), serial
        return serial

    def load(self, oid: bytes, version: str = "") -> tuple[bytes, bytes]:
        """The record of an object as it is now, and the last turn before this one that wrote it."""
        kept = self.index.get(oid)
        if kept is None:
            loaded: tuple[bytes, bytes] = self._storage.load(oid)
            return loaded
        return self.read(kept)

    def read(self, kept: Kept) -> tuple[bytes, bytes]:
        """What was kept, at any savepoint to which the transaction could return."""
        record, serial = kept
        if isinstance(record, tuple):
            assert self._file is not None
            self._file.seek(record[0])
            record = self._file.read(record[1])
        return record, serial

    def reset(self, position: int, index: dict[bytes, Kept], creating: dict[bytes, bool]) -> None:
        """Return to a savepoint."""
        if self._file is not None:
            self._file.truncate(position)
        self.position, self.index, self.creating = position, index.copy(), creating.copy()

    def close(self) -> None:
        """The transaction is over."""
        if self._file is not None:
            self._file.close()

    def _put_away(self, begin: int, record: bytes) -> Place:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="piety")
        self._file.seek(begin)
        self._file.write(record)
        return begin, len(record)
