"""Moments of an image as files and homes of their own: fork, export, import, pack, backup.

Each is planned between two turns, which takes a moment, and then done beside the turns: a plan holds its own view of
the image's file, which what is written later does not change.  A plan that is stopped, or fails, leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ZODB.Connection import TransactionMetaData
from ZODB.utils import p64, u64

from piety.errors import BadSnapshot, NoAccess, PietyError
from piety.objects import portable
from piety.objects.moments import exactly, moment, tid_at
from piety.objects.packing import pack as pack_file
from piety.objects.past import Past
from piety.objects.portable import ENDING, SNAPSHOTS, Portable, Tick, archived
from piety.objects.snapshots import Moment, Snapshot, find_moment
from piety.objects.storage import open_storage

if TYPE_CHECKING:
    from piety.objects.image import Image

KEEP = "30 days"  # what a pack keeps if nobody says more
_RESERVE = 1 << 24  # bytes that are to be left on the disk

_busy = threading.Lock()  # one that reads much of the image's file, or replaces it, at a time


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    if not _busy.acquire(blocking=False):
        raise PietyError("a pack, an export or a backup of this image is going on; try again when it is done")
    try:
        yield
    finally:
        _busy.release()


Filled = Callable[[str], None]  # makes an image file at a path


# -- portable snapshots


def _archive_name(snapshot: Snapshot) -> str:
    words = re.sub(r"[^\w.]+", "-", snapshot.name).strip("-")[:60] or "snapshot"
    return f"{words}-{snapshot.tid.hex()}{ENDING}"


class _Export:
    """Writes one moment into a portable file."""

    def __init__(self, image: Image, moment: Moment, name: str, note: str) -> None:
        self._facts = {**portable.facts_of(moment.tid, name, note), "modules": sorted(Past(moment.tid).modules)}
        side = image.past(moment.tid)
        root = side.root()
        held = {key: value for key, value in root.items() if key == "world"}  # no snapshots: of those moments
        self._root = side.look_as(type(root), {"data": held})[0]  # nothing is in the file
        self._storage: Any = image.storage
        self._archived = archived(str(image.home), moment.tid) if image.is_packed(moment.tid) else None
        self._before = p64(u64(moment.tid) + 1)

    def _load(self, oid: bytes) -> tuple[bytes, bytes]:
        found = self._storage.loadBefore(oid, self._before)
        if found is None:
            raise PietyError(f"object {u64(oid):#x} is not there; to see all that is broken: piety check")
        record, tid, _end = found
        return record, tid

    def run(self, path: Path, tick: Tick) -> None:
        if self._archived is not None:
            shutil.copyfile(self._archived, path)
            return
        total = len(self._storage)
        records = portable.reachable(self._load, self._root)
        try:
            portable.write(path, records, self._facts, lambda done, _total: tick(done, total))
        except OSError as error:
            raise NoAccess(f"{path} cannot be written: {error.strerror or error}") from error


def export(image: Image, when: str | None, path: str) -> Callable[[Tick], None]:
    """What writes a moment, or now, into a portable snapshot.  Raises `PietyError`."""
    if os.path.exists(path):
        raise PietyError(f"{path} is there already; choose another name")
    found = Moment(image.storage.lastTransaction(), "now") if when is None else find_moment(image, when)
    kept = image.snapshots.get(when) if when is not None and image.snapshots is not None else None
    writing = _Export(image, found, "" if kept is None else kept.name, "" if kept is None else kept.note)

    def run(tick: Tick) -> None:
        with _alone():
            writing.run(Path(path), tick)

    return run


def fill_from(snapshot: Portable, user: str, tick: Tick) -> Filled:
    """What makes an image of a portable snapshot, in one turn at the moment that it shows."""

    def fill(path: str) -> None:
        storage = open_storage(path, create=True)
        try:
            name = snapshot.manifest["name"] or "a portable snapshot"
            data = TransactionMetaData(user, f"import of {name}")
            storage.tpc_begin(data, snapshot.tid, " ")
            try:
                for done, (oid, _tid, record) in enumerate(snapshot.records()):
                    storage.restore(oid, snapshot.tid, record, "", None, data)
                    tick(done, len(snapshot))
                storage.tpc_vote(data)
            except BaseException:
                storage.tpc_abort(data)
                raise
            storage.tpc_finish(data)
        finally:
            storage.close()

    return fill


# -- a home of its own


def fork(image: Image, when: Any) -> Callable[[Tick], Filled]:
    """What makes the image of a new home, as this one was at a moment.  Raises `PietyError`."""
    found = find_moment(image, when)
    image.past(found.tid)  # which raises why it cannot be looked at
    if image.is_packed(found.tid):
        path = archived(str(image.home), found.tid)
        assert path is not None
        snapshot = Portable(path)
        return lambda tick: fill_from(snapshot, image.who, tick)
    log = image.storage.log()
    end = next((turn.end for turn in log.backwards() if turn.tid <= found.tid), 0)

    def beginning(tick: Tick) -> Filled:
        def fill(path: str) -> None:
            with log, open(path, "xb") as target:
                log.copy(target.fileno(), end, tick)
                os.fsync(target.fileno())
            open_storage(path).close()  # reads it, and writes its index

        return fill

    return beginning


# -- pack


class Packing:
    """A pack that is planned: up to which moment, and which snapshots are written to files first.

    `wants` is how many bytes of disk it needs for the time, at most; `has` how many there are.
    """

    def __init__(self, image: Image, keep: str) -> None:
        """Raises `PietyError` if there is too little room, or `keep` is no time."""
        self._image = image
        self._folder = image.home / SNAPSHOTS
        self._turn = self._last_turn(_duration(keep))
        self._exports: list[tuple[Path, _Export]] = []
        self.size = image.storage.getSize()
        if self._turn is None:
            return
        for each in (image.snapshots or {}).values():
            if each.tid < self._turn and archived(str(image.home), each.tid) is None:
                path = self._folder / _archive_name(each)
                self._exports.append((path, _Export(image, Moment(each.tid, each.name), each.name, each.note)))
        self._roots = image.connection.in_memory()
        self.wants = self.size * (1 + len(self._exports))
        self.has = shutil.disk_usage(image.home).free
        if self.wants + _RESERVE > self.has:
            raise PietyError(
                f"packing may need {_size(self.wants)} of disk until it is done, and {_size(self.has)} are "
                f"free; make room, or pack with a longer --keep"
            )

    def _last_turn(self, then: float) -> bytes | None:
        """The last turn before a time, up to which is packed; None if there is none that can be."""
        later = b"\xff" * 8
        with self._image.storage.log() as log:
            for turn in log.backwards():
                if turn.status == "p":
                    return None
                # The mark of a pack stands between two turns, so these may not follow each other at once.
                if turn.tid <= tid_at(then) and u64(turn.tid) + 1 < u64(later):
                    return turn.tid
                later = turn.tid
        return None

    @property
    def plan(self) -> str:
        """What it will do, in a line."""
        if self._turn is None:
            return "there is nothing to pack: the past is not older than that"
        names = ", ".join(path.name for path, _writing in self._exports)
        first = f"; first, {SNAPSHOTS}/ gets {names}" if names else ""
        return (
            f"packing what was before {exactly(self._turn)}{first}; "
            f"this wants up to {_size(self.wants)} of disk until it is done, {_size(self.has)} are free"
        )

    def run(self, tick: Callable[[str, int, int], None]) -> str:
        """Do it; what came of it, in a line."""
        if self._turn is None:
            return "nothing was packed"
        with _alone():
            return self._run(tick)

    def _run(self, tick: Callable[[str, int, int], None]) -> str:
        for path, writing in self._exports:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            writing.run(path, partial(tick, f"writing {path.name}"))
            with Portable(path) as written:
                written.verify(partial(tick, f"verifying {path.name}"))
        storage = self._image.storage
        stop = p64(u64(self._turn) + 1)
        try:
            packed = pack_file(storage, stop, self._roots, partial(tick, "packing"))
        except OSError as error:
            raise NoAccess(f"nothing was packed: {error.strerror or error}") from error
        if not packed:
            return "nothing was packed: there is nothing to let go of"
        return f"packed: {_size(self.size)} -> {_size(storage.getSize())}"


def _duration(words: str) -> float:
    """How long ago that was, as seconds since the epoch."""
    if re.fullmatch(r"0\s*\w*", words.strip()):
        return time.time()
    try:
        return moment(f"{words} ago")
    except PietyError:
        raise PietyError(f"{words!r} is no duration; say it as '30 days', '12 hours' or '0'") from None


def _size(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e3:,.0f} kB"


# -- backup


def backup(image: Image, folder: str) -> Callable[[], str]:
    """What brings a backup up to date: only what is new is written, unless the image was packed."""
    path, home = f"{image.home}/image/image.fs", image.home

    def run() -> str:
        from ZODB.scripts import repozo

        before = set(_files(folder))
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _wait_for_a_name(before)
            with _alone():
                repozo.main(["--backup", "--quick", "--repository", folder, "--file", path])
                _copy_snapshots(home / SNAPSHOTS, Path(folder, SNAPSHOTS))
        except OSError as error:
            raise NoAccess(f"the backup cannot be written to {folder}: {error.strerror or error}") from error
        except SystemExit as error:  # that is how it tells
            raise PietyError(f"the backup in {folder} was not brought up to date: {error}") from None
        new = sorted(set(_files(folder)) - before)
        size = sum(os.path.getsize(os.path.join(folder, name)) for name in new if name.endswith(("fs", ENDING)))
        return f"{_size(size)} written to {folder}" if new else f"nothing is new since the last backup in {folder}"

    return run


def _wait_for_a_name(names: set[str]) -> None:
    """The library names its files by the second, and of two of the same second it would find one only."""
    while any(name.startswith(time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime())) for name in names):
        time.sleep(0.05)


def _files(folder: str) -> Iterator[str]:
    for place, _folders, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(place, name), folder)


def _copy_snapshots(source: Path, target: Path) -> None:
    for path in source.glob(f"*{ENDING}"):
        if not (target / path.name).exists():
            target.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(path, target / f"{path.name}.part")
            os.replace(target / f"{path.name}.part", target / path.name)


def is_backup(folder: str) -> bool:
    """Whether a folder is what `backup` makes."""
    return os.path.isdir(folder) and any(name.endswith(".fs") for name in os.listdir(folder))


def fill_from_backup(folder: str) -> Filled:
    """What restores the image of a backup, with the portable snapshots of its home, verified on the way."""

    def fill(path: str) -> None:
        from ZODB.scripts import repozo

        try:
            repozo.main(["--recover", "--with-verify", "--repository", folder, "--output", path])
        except SystemExit as error:
            raise BadSnapshot(f"the backup in {folder} is damaged ({error}); nothing was made of it") from None
        open_storage(path).close()
        kept = Path(folder, SNAPSHOTS)
        if kept.is_dir():
            _copy_snapshots(kept, Path(path).parent.parent / SNAPSHOTS)

    return fill
