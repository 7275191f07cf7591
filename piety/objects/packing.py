"""Packing: let go of what the image was before a moment, and of what nothing reached since.

The library copies what is kept into a new file, while turns go on; here is what Piety wants of it besides:

- The new file takes the place of the old one in one step, so a pulled plug leaves one or the other.
- What was out of reach at that moment but comes back later, by going back, is kept: whatever a later record refers to.
- What is in memory is kept too, as a turn may put it into reach again.
- An empty transaction tells up to where the past was packed: no moment before that can be looked at.

These private names of ZODB are used here, guarded by `tests/objects/test_packing.py`:

    FileStoragePacker.gc, ._stop, .locked, ._commit_lock, ._tfile, .index    what it has found, where it is
    FileStoragePacker.copyToPacktime, .copyDataRecords, .copyOne, .pack     its steps
    GC.findReachableAtPacktime, .findReachableFromFuture, .findrefs, .oid2curpos, .packpos, .eof
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ZODB.FileStorage.FileStorage import RedundantPackWarning
from ZODB.FileStorage.format import TxnHeader
from ZODB.FileStorage.fspack import GC, FileStoragePacker
from ZODB.serialize import referencesf
from ZODB.utils import p64

from piety.objects.turnlog import TurnLog

if TYPE_CHECKING:
    from piety.objects.storage import ImageStorage

Tick = Callable[[int, int], None]
LABEL = b"packed"  # the description of the transaction that tells up to where


class _Reachable(GC):
    """What is kept of the time before the moment."""

    def __init__(self, packer: _Packer, roots: Iterable[bytes]) -> None:
        super().__init__(packer._file, packer.file_end, packer._stop, True, self._references)
        self._packer, self._roots = packer, roots
        self._seen = 0

    def _references(self, record: bytes) -> list[bytes]:
        self._seen += 1
        self._packer.tick(0)
        found: list[bytes] = referencesf(record)
        return found

    def findReachableFromFuture(self) -> None:
        super().findReachableFromFuture()
        self._find(self._roots)
        place = self.packpos
        while place < self.eof:
            header = self._read_txn_header(place)
            end = place + header.tlen
            place += header.headerlen()
            while place < end:
                record = self._read_data_header(place)
                self._find(self.findrefs(place))
                place += record.recordlen()
            place += 8

    def _find(self, oids: Iterable[bytes]) -> None:
        self.findReachableAtPacktime([oid for oid in oids if oid in self.oid2curpos])


class _Packer(FileStoragePacker):
    """The library's, which can be watched and stopped, and leaves a mark."""

    def __init__(self, storage: ImageStorage, stop: bytes, roots: Iterable[bytes], tick: Tick) -> None:
        super().__init__(storage, referencesf, stop)
        self._tick = tick
        self.gc = _Reachable(self, roots)

    def tick(self, place: int) -> None:
        """Tell how far it is: finding is told as no progress, as nobody knows how much there is to find."""
        self._tick(place, self.file_end)

    def copyDataRecords(self, pos: int, th: Any) -> Any:
        self.tick(pos)
        return super().copyDataRecords(pos, th)

    def copyOne(self, ipos: int) -> Any:
        self.tick(ipos)
        return super().copyOne(ipos)

    def copyToPacktime(self) -> Any:
        ipos, opos = super().copyToPacktime()
        if ipos == opos:
            return ipos, opos  # nothing to let go of
        mark = TxnHeader(self._stop, 0, "p", 0, len(LABEL), 0)
        mark.user, mark.descr, mark.ext = b"", LABEL, b""
        mark.tlen = mark.headerlen()
        self._tfile.seek(opos)
        self._tfile.write(mark.asString() + p64(mark.tlen))
        return ipos, self._tfile.tell()

    def discard(self) -> None:
        """Leave nothing of it."""
        self.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._name}.pack")


def pack(storage: ImageStorage, stop: bytes, roots: Iterable[bytes], tick: Tick) -> bool:
    """Pack the image up to the turn `stop`, while turns go on; whether there was anything to let go of.

    `roots` are objects that are kept besides those in reach.  `tick` may raise, to stop it: then, as after any error,
    the image is as it was.  Raises `OSError`.
    """
    packer = _Packer(storage, stop, roots, tick)
    try:
        try:
            end = packer.pack()
        except RedundantPackWarning:
            end = None
        if end is None:
            packer.discard()
            return False
        try:
            storage.take_file(f"{packer._name}.pack", packer.index, end)
        finally:
            packer._commit_lock.release()
    except BaseException:
        packer.discard()
        raise
    return True


def packed_up_to(log: TurnLog) -> bytes:
    """The last moment of which the past was packed; none before it is whole.  Zeros if it never was."""
    last = bytes(8)
    for turn in log.forwards():
        if turn.status != "p":
            break
        last = turn.tid
    return last
