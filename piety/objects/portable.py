"""Portable snapshots: one moment of an image in one file, to carry it to another machine or keep it for ever.

A zip file, so that other tools can look into it:

    records/000000 ...  chunks of records: object, turn, length (8 bytes each, big-endian), and the record as stored
    index               for each object, by number: object, turn, chunk, where its record begins in the chunk
    manifest.json       what it is of: format, versions, name, moment, counts, the classes that the records need, and
                        the length and SHA-256 of every other part

The comment of the archive has the SHA-256 of the manifest.  So each byte that counts is covered, and what is cut off,
damaged or added to is refused as a whole, before anything is made of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import struct
import zipfile
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from pickletools import genops
from typing import Any

from ZODB.POSException import POSKeyError, ReadOnlyError
from ZODB.utils import z64

from piety import __version__
from piety.errors import BadSnapshot
from piety.objects.moments import time_of
from piety.objects.world import FORMAT

PORTABLE = 1  # the format of these files
CHUNK = 1 << 22  # bytes of records in a part, before it is compressed
SNAPSHOTS = "snapshots"  # in a home: those of moments that were packed away
ENDING = ".piety"
KEPT = 4  # chunks of an open snapshot that stay in memory

Tick = Callable[[int, int], None]  # is told how much is done, of how much; may raise, to stop it

_HEAD = struct.Struct(">8s8sQ")
_ENTRY = struct.Struct(">8s8sLL")
_COMMENT = b"piety snapshot, sha256 of the manifest: "
_WHEN = (1980, 1, 1, 0, 0, 0)  # the times of the parts say nothing, so that the same moment makes the same file
_GLOBAL = re.compile(rb"c([\w.]+)\n([\w.]+)\n")


def no_tick(_done: int, _total: int) -> None:
    """Nobody wants to know."""


def write(
    path: Path, records: Iterable[tuple[bytes, bytes, bytes]], facts: dict[str, Any], tick: Tick = no_tick
) -> None:
    """Write a snapshot: `records` are object, turn, and record; `facts` go into the manifest, with what is counted.

    The file is complete when it takes its name.  Raises `OSError`.
    """
    draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}.part")
    parts: dict[str, dict[str, Any]] = {}
    entries: list[bytes] = []
    classes: set[str] = set()
    chunk, size = bytearray(), 0
    try:
        with zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED) as archive:

            def put(name: str, data: bytes) -> None:
                parts[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                archive.writestr(zipfile.ZipInfo(name, _WHEN), data, zipfile.ZIP_DEFLATED)

            for oid, tid, record in records:
                entries.append(_ENTRY.pack(oid, tid, len(parts), len(chunk)))
                chunk += _HEAD.pack(oid, tid, len(record)) + record
                size += len(record)
                _note_classes(record, classes)
                tick(len(entries), 0)
                if len(chunk) >= CHUNK:
                    put(f"records/{len(parts):06}", bytes(chunk))
                    chunk.clear()
            if chunk:
                put(f"records/{len(parts):06}", bytes(chunk))
            put("index", b"".join(sorted(entries)))
            manifest = {
                "format": PORTABLE, "piety": __version__, "image_format": FORMAT, "python": platform.python_version(),
                "written": datetime.now(UTC).isoformat(timespec="seconds"), **facts,
                "objects": len(entries), "bytes": size, "classes": sorted(classes), "parts": parts,
            }  # fmt: skip
            data = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
            archive.writestr(zipfile.ZipInfo("manifest.json", _WHEN), data, zipfile.ZIP_DEFLATED)
            archive.comment = _COMMENT + hashlib.sha256(data).hexdigest().encode()
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _note_classes(record: bytes, classes: set[str]) -> None:
    """Remember the classes and functions that a record names.

    Its opcodes are looked at only if it may name a new one: that takes twenty times as long as looking for the letters.
    """
    found = {f"{module.decode()}:{name.decode()}" for module, name in _GLOBAL.findall(record)}
    if not found <= classes:
        start = end = 0
        for _pickle in range(2):
            for opcode, argument, place in genops(record[start:]):
                if opcode.name == "GLOBAL":
                    classes.add(str(argument).replace(" ", ":"))
                end = place or 0
            start += end + 1


class Portable:
    """A portable snapshot, open for reading."""

    def __init__(self, path: Path) -> None:
        """Raises `BadSnapshot` if it is none, or damaged where that is seen at once; `verify` looks at all of it."""
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise BadSnapshot(f"there is no file {path}") from None
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise BadSnapshot(f"{path} is no portable snapshot, or is damaged or cut off ({error})") from error
        try:
            self.manifest = self._read_manifest()
            self._index = self._part("index")
        except BaseException:
            self._archive.close()
            raise
        self._chunks: OrderedDict[int, bytes] = OrderedDict()

    def _read_manifest(self) -> dict[str, Any]:
        comment = self._archive.comment
        if not comment.startswith(_COMMENT):
            raise BadSnapshot(f"{self.path} is no portable snapshot, or is damaged or cut off")
        data = self._data("manifest.json")
        if hashlib.sha256(data).hexdigest().encode() != comment.removeprefix(_COMMENT):
            raise self._is_damaged("manifest.json")
        manifest: dict[str, Any] = json.loads(data)
        for what, mine in (("format", PORTABLE), ("image_format", FORMAT)):
            if manifest[what] > mine:
                raise BadSnapshot(
                    f"{self.path} has {what.replace('_', ' ')} {manifest[what]}, and this Piety reads up to {mine}; "
                    "use a newer Piety"
                )
        return manifest

    def _data(self, name: str) -> bytes:
        try:
            return self._archive.read(name)
        except Exception as error:  # zlib, a wrong checksum, a missing part, numbers that make no sense
            raise self._is_damaged(name) from error

    def _part(self, name: str) -> bytes:
        data, expected = self._data(name), self.manifest["parts"].get(name)
        if expected != {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}:
            raise self._is_damaged(name)
        return data

    def _is_damaged(self, name: str) -> BadSnapshot:
        return BadSnapshot(f"{self.path} is damaged ({name}); nothing was made of it. Get another copy of it")

    def close(self) -> None:
        self._archive.close()

    def __enter__(self) -> Portable:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._index) // _ENTRY.size

    @property
    def tid(self) -> bytes:
        """The number of the turn that it shows last."""
        return bytes.fromhex(self.manifest["turn"])

    def verify(self, tick: Tick = no_tick) -> None:
        """Read all of it.  Raises `BadSnapshot` if anything is not as it was written."""
        end = os.path.getsize(self.path)
        parts = self.manifest["parts"]
        if {each.filename for each in self._archive.infolist()} != {*parts, "manifest.json"}:
            raise self._is_damaged("its list of parts")
        with open(self.path, "rb") as file:
            file.seek(-len(self._archive.comment), os.SEEK_END)
            if file.read() != self._archive.comment:
                raise self._is_damaged(f"something follows its end, up to byte {end}")
        for done, name in enumerate(parts):
            tick(done, len(parts))
            self._part(name)
        if len(self) != self.manifest["objects"]:
            raise self._is_damaged("index")

    def oids(self) -> list[bytes]:
        """The numbers of the objects."""
        return [self._index[place : place + 8] for place in range(0, len(self._index), _ENTRY.size)]

    def records(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """All records: object, turn, record."""
        for name in self.manifest["parts"]:
            if name.startswith("records/"):
                data, place = self._part(name), 0
                while place < len(data):
                    oid, tid, length = _HEAD.unpack_from(data, place)
                    place += _HEAD.size
                    yield oid, tid, data[place : place + length]
                    place += length

    def load(self, oid: bytes) -> tuple[bytes, bytes]:
        """The record of an object, and its turn.  Raises `POSKeyError`."""
        place = bisect_left(range(len(self)), oid, key=lambda each: self._index[each * 24 : each * 24 + 8])
        if place == len(self):
            raise POSKeyError(oid)
        found, tid, number, start = _ENTRY.unpack_from(self._index, place * _ENTRY.size)
        if found != oid:
            raise POSKeyError(oid)
        data = self._chunk(number)
        length = _HEAD.unpack_from(data, start)[2]
        return data[start + _HEAD.size : start + _HEAD.size + length], tid

    def _chunk(self, number: int) -> bytes:
        if number not in self._chunks:
            self._chunks[number] = self._part(f"records/{number:06}")
            while len(self._chunks) > KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(number)
        return self._chunks[number]


class PortableStorage:
    """A portable snapshot as a storage, so that its objects can be read as those of an image."""

    def __init__(self, path: Path) -> None:
        self._portable = Portable(path)
        self.close = self._portable.close

    def loadBefore(self, oid: bytes, _tid: bytes) -> tuple[bytes, bytes, None]:
        record, tid = self._portable.load(oid)
        return record, tid, None

    def load(self, oid: bytes, _version: str = "") -> tuple[bytes, bytes]:
        return self._portable.load(oid)

    def lastTransaction(self) -> bytes:
        return self._portable.tid

    def oids_in_file(self) -> list[bytes]:
        """The objects that it has."""
        return self._portable.oids()

    def registerDB(self, _db: Any) -> None:
        """Nothing will be told: it never changes."""

    def isReadOnly(self) -> bool:
        return True

    def getName(self) -> str:
        return str(self._portable.path)

    sortKey = getName

    def new_oid(self) -> bytes:
        raise ReadOnlyError

    def getSize(self) -> int:
        return os.path.getsize(self._portable.path)

    def __len__(self) -> int:
        return len(self._portable)


def reachable(load: Callable[[bytes], tuple[bytes, bytes]], root: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The root with this record, and all that it leads to: object, turn, record."""
    from ZODB.serialize import referencesf

    seen, todo = {z64}, [z64]
    while todo:
        oid = todo.pop()
        record, tid = load(oid)
        if oid == z64:
            record = root
        yield oid, tid, record
        for each in referencesf(record):
            if each not in seen:
                seen.add(each)
                todo.append(each)


def facts_of(tid: bytes, name: str, note: str = "") -> dict[str, Any]:
    """What a manifest says of the moment."""
    when = datetime.fromtimestamp(time_of(tid), UTC).isoformat(timespec="microseconds")
    return {"name": name, "note": note, "turn": tid.hex(), "moment": when}


def archived(home: str, tid: bytes) -> Path | None:
    """The portable snapshot in a home that shows the moment of this turn; None if there is none."""
    return next(Path(home, SNAPSHOTS).glob(f"*-{tid.hex()}{ENDING}"), None)
