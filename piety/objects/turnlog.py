"""The log of turns, read from the image's file beside whoever writes it.

The file is one transaction after the other, and each begins and ends with its length; a record of an object tells where
the one before it stands:

    transaction     number, length, status, lengths of: who, what, extension; these; records; length
    record          object, number, where its last record stands, where the transaction begins, 0, length; the state

The number of a transaction is its time, and a larger one comes later.  The extension is never read: it is a pickle,
and anybody may have written it.  The format is ZODB's (`ZODB/FileStorage/format.py`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator

from ZODB.FileStorage.format import DATA_HDR, DATA_HDR_LEN, TRANS_HDR, TRANS_HDR_LEN

BEGIN = 4  # the bytes before the first transaction
STEP = 1 << 24  # bytes that are copied at once


class Record:
    """What a turn has written of one object."""

    __slots__ = ("before", "length", "oid", "place", "tid")

    def __init__(self, place: int, oid: bytes, tid: bytes, before: int, length: int) -> None:
        self.place = place
        self.oid = oid
        self.tid = tid  # the turn
        self.before = before  # where the record before it stands; 0 if it is the first of its object
        self.length = length  # of the state; 0 if it is that of another record


class LoggedTurn:
    """One transaction of the log: a turn, or several that were committed together."""

    def __init__(
        self, log: TurnLog, place: int, end: int, first: int, tid: bytes, status: str, who: str, what: str
    ) -> None:
        self._log, self._first = log, first
        self.place, self.end = place, end
        self.tid = tid
        self.status = status  # " ", or "p" where only some of its records are left
        self.who, self.what = who, what

    def records(self) -> Iterator[Record]:
        """What it has written, in the order in which it did."""
        place = self._first
        while place < self.end - 8:
            record = self._log.record(place)
            yield record
            place += DATA_HDR_LEN + (record.length or 8)


class TurnLog:
    """The log up to a byte of the file; what is written later does not change it."""

    def __init__(self, path: str, end: int) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self.end = end

    def close(self) -> None:
        """Let the file go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> TurnLog:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def backwards(self) -> Iterator[LoggedTurn]:
        """The turns, from the newest on."""
        end = self.end
        while end > BEGIN:
            (length,) = struct.unpack(">Q", os.pread(self._file, 8, end - 8))
            turn = self.turn_from(end - 8 - length)
            yield turn
            end = turn.place

    def forwards(self, place: int = BEGIN) -> Iterator[LoggedTurn]:
        """The turns, from the first on, or from the one that begins at a byte of the file."""
        while place < self.end:
            turn = self.turn_from(place)
            yield turn
            place = turn.end

    def copy(self, target: int, end: int, tick: Callable[[int, int], None]) -> None:
        """Copy the log up to a byte into another file, sharing the room on the disk where the file system can."""
        place = 0
        while place < end:
            tick(place, end)
            size = min(STEP, end - place)
            try:
                place += os.copy_file_range(self._file, target, size, place, place)
            except (OSError, AttributeError):  # two file systems, or none that can
                place += os.pwrite(target, os.pread(self._file, size, place), place)

    def turn_of(self, record: Record) -> LoggedTurn:
        """The turn that has written a record."""
        header = os.pread(self._file, DATA_HDR_LEN, record.place)
        return self.turn_from(struct.unpack(DATA_HDR, header)[3])

    def turn_from(self, place: int) -> LoggedTurn:
        """The turn that begins at a byte of the file."""
        head = os.pread(self._file, TRANS_HDR_LEN + 600, place)
        tid, length, status, who, what, extension = struct.unpack_from(TRANS_HDR, head)
        if len(head) < TRANS_HDR_LEN + who + what:
            head = os.pread(self._file, TRANS_HDR_LEN + who + what, place)
        names = head[TRANS_HDR_LEN : TRANS_HDR_LEN + who + what]
        first = place + TRANS_HDR_LEN + who + what + extension
        user, label = (part.decode("utf-8", "replace") for part in (names[:who], names[who:]))
        return LoggedTurn(self, place, place + length + 8, first, tid, status.decode("latin-1"), user, label)

    def record(self, place: int) -> Record:
        """The record that stands at a byte of the file."""
        oid, tid, before, _turn, _version, length = struct.unpack(DATA_HDR, os.pread(self._file, DATA_HDR_LEN, place))
        return Record(place, oid, tid, before, length)

    def state(self, record: Record) -> bytes | None:
        """The pickles of a record; None where the making of an object was undone."""
        while not record.length:  # it is that of another record
            (place,) = struct.unpack(">Q", os.pread(self._file, 8, record.place + DATA_HDR_LEN))
            if not place:
                return None
            record = self.record(place)
        return os.pread(self._file, record.length, record.place + DATA_HDR_LEN)

    def revisions(self, place: int) -> Iterator[Record]:
        """The records of the object whose record stands there, from that one back to its first."""
        while place:
            record = self.record(place)
            yield record
            place = record.before
