"""The saved index of an image, read bucket by bucket as it is needed.

An index tells where in the file the newest record of each object stands.  `image.fs.index` holds it as FileStorage
writes it, and one thing more:

    pickle of the end of what it knows
    pickle of (prefix of 6 bytes, bytes of the bucket)      for every 65,536 object numbers
    pickle of None
    pickle of the transaction that stands at that end       Piety's own; other readers stop at the None

For a million objects that is 8 MB, and reading it all takes 10 ms, a fifth of the shortest command.  So only the
places of the buckets are read, and a bucket when an object number in it is first asked for.  The file is never
changed in place, so the open one stays good when a newer one takes its name.

The buckets take the place of `fsIndex._data`, a private name of ZODB; `tests/objects/test_index.py` guards it.
"""

from __future__ import annotations

import os
import pickle
from _thread import RLock
from io import BufferedReader
from typing import Any, NoReturn

from BTrees.fsBTree import fsBucket
from BTrees.OOBTree import OOBTree
from ZODB.fsIndex import fsIndex

# How the pickle of a pair begins and ends (protocol 3): six bytes, bytes of a size of one or four bytes, a tuple.
_PAIR, _PAIR_END, _SIZE = b"\x80\x03C\x06", b"\x86.", {b"C": 1, b"B": 4}
_NONE = b"\x80\x03N."


class _Place(tuple[int, int]):
    """Where the bytes of a bucket are in the file, and how many."""


class _Buckets(OOBTree):
    """Prefix -> fsBucket; or, until its first use, its place in the file."""

    def read_from(self, file: BufferedReader) -> None:
        self._file, self._lock = file, RLock()

    def _made(self, prefix: bytes, value: Any) -> Any:
        if type(value) is not _Place:
            return value
        with self._lock:  # or two threads make two buckets, and what one of them stores is lost
            value = OOBTree.__getitem__(self, prefix)
            if type(value) is _Place:
                offset, size = value
                data = os.pread(self._file.fileno(), size, offset)
                if len(data) != size:
                    raise OSError(f"{self._file.name} was cut while it was in use; stop the system and delete it")
                value = self[prefix] = fsBucket().fromString(data)
        return value

    def __getitem__(self, prefix: bytes) -> Any:
        return self._made(prefix, OOBTree.__getitem__(self, prefix))

    def get(self, prefix: bytes, default: Any = None) -> Any:
        return self._made(prefix, OOBTree.get(self, prefix, default))

    def items(self) -> list[tuple[bytes, Any]]:
        return [(prefix, self[prefix]) for prefix in self.keys()]

    def values(self) -> list[Any]:
        return [self[prefix] for prefix in self.keys()]


class _Unpickler(pickle.Unpickler):
    """The file could be anybody's, so no class is unpickled from it."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"an index holds only numbers and bytes, not {module}.{name}")


def read(name: str) -> tuple[fsIndex, int, bytes]:
    """What a saved index says: the index, the end of what it knows, the transaction there.

    Raises any exception for a file of another form; such an index can be made anew.
    """
    file = open(name, "rb")
    try:
        end = _Unpickler(file).load()
        index = fsIndex()
        index._data = buckets = _Buckets()
        buckets.read_from(file)
        while (head := file.read(len(_PAIR))) == _PAIR:
            prefix = file.read(6)
            size = int.from_bytes(file.read(_SIZE[file.read(1)]), "little")
            OOBTree.__setitem__(buckets, prefix, _Place((file.tell(), size)))
            file.seek(size, os.SEEK_CUR)
            if file.read(len(_PAIR_END)) != _PAIR_END:
                raise ValueError(f"{name} does not end a bucket where it should")
        last = _Unpickler(file).load()
        if head != _NONE or not isinstance(end, int) or not isinstance(last, bytes) or file.read(1):
            raise ValueError(f"{name} is not of the form that Piety writes")
    except BaseException:
        file.close()
        raise
    return index, end, last


def write(index: fsIndex, end: int, last: bytes, name: str) -> None:
    """Save an index, and see that it is on the disk.  Raises OSError."""
    index.save(end, name)
    with open(name, "ab") as file:
        pickle.dump(last, file, 3)
        file.flush()
        os.fsync(file.fileno())  # else a power cut can leave an empty file with the right name


def close(index: fsIndex) -> None:
    """Let go of the file that an index is read from."""
    file = getattr(index._data, "_file", None)
    if file is not None:
        file.close()
