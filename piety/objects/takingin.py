"""Files and folders of the host: how they come into the image, and go out again.

    take_in(image, paths, facts)    keep them; a turn for each portion, so that one that is interrupted can go on
    take_out(...)                   write objects to the host, byte for byte, with their names, modes and times
    differences(...)                what differs between a folder and what was kept of it

What was kept from a path is found again by it: `world.kept` has the folders and files by the path that they were taken
from, so to keep a folder again takes what has changed.  What cannot be read is told, and the rest goes on.  Hard links
become files of their own; sockets, pipes and devices are left alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.utils import u64

from piety.errors import PietyError
from piety.objects import hostfiles, rope
from piety.objects.entries import entry, keep, remove
from piety.objects.files import INLINE, PART, Blob, File, Folder, Link, Node
from piety.objects.portable import Tick, no_tick
from piety.objects.texts import Text

if TYPE_CHECKING:
    from piety.objects.image import Image

PORTION = 1_000  # files in one turn
ROOM = 1 << 24  # bytes in one turn; a file may be larger, and is one turn then
SAVED = 1 << 24  # bytes of one file after which what was read is put aside

Tell = Callable[[str], object]


class TakingIn:
    """Keeps files and folders; `tell` is told of what cannot be read."""

    def __init__(self, image: Image, facts: dict[str, Any], tell: Tell, tick: Tick = no_tick) -> None:
        self._image, self._facts, self._tell, self._tick = image, facts, tell, tick
        self.new = self.changed = self.same = self.gone = self.left = 0
        self._label = ""
        self._todo: list[tuple[str, Folder | None]] = []
        self._done = self._total = 0
        self._room = 0  # bytes that the turn that runs has taken so far

    def begin(self, paths: list[str]) -> None:
        """Say what is to be taken in.  Raises `PietyError` if a path is not there."""
        for path in paths:
            if not os.path.lexists(path):
                raise PietyError(f"{shown_path(path)} is not there, so it cannot be kept")
        self._todo = [(path, None) for path in reversed(paths)]
        self._total = len(paths)
        self._label = f"keep {shown_path(paths[0])}{' ...' if len(paths) > 1 else ''}"

    def go_on(self) -> bool:
        """Take in a portion, as a turn; whether there is more."""
        if self._todo:
            with self._image.turn(self._label):
                self._portion()
        return bool(self._todo)

    def _leave(self, why: str) -> None:
        self.left += 1
        self._tell(why)

    def _portion(self) -> None:
        self._room = 0
        for _ in range(PORTION):
            if not self._todo or self._room > ROOM:
                break
            path, folder = self._todo.pop()
            self._done += 1
            self._tick(self._done, max(self._total, self._done))
            try:
                self._take(path, folder)
            except OSError as error:
                self._leave(f"{shown_path(path)} cannot be read: {error.strerror or error}")

    def _take(self, path: str, folder: Folder | None) -> None:
        found = os.lstat(path)
        name = os.path.basename(os.path.abspath(path))
        old = self._old(path, name, folder)
        if stat.S_ISDIR(found.st_mode):
            self._take_folder(path, name, found, folder, old)
        elif stat.S_ISREG(found.st_mode):
            self._take_file(path, name, found, folder, old)
        elif stat.S_ISLNK(found.st_mode):
            self._take_link(path, name, found, folder, old)
        else:
            self._leave(f"{shown_path(path)} is no file, folder or link, and is left alone")

    def _old(self, path: str, name: str, folder: Folder | None) -> Node | None:
        """What was kept from there before."""
        return folder.table.get(name) if folder is not None else kept_from(self._image, path)

    def _lay(self, node: Node, path: str, folder: Folder | None) -> None:
        if folder is not None:
            if node.name in folder:  # it was something of another kind
                _let_go(folder, node.name)
            folder.put(node)
        else:
            world = self._image.world
            if world.kept is None:
                world.kept = OOBTree()
            world.kept[os.path.abspath(path)] = node
        self._image.number_of(node)

    def _count(self, is_new: bool, is_changed: bool) -> None:
        if is_new:
            self.new += 1
        elif is_changed:
            self.changed += 1
        else:
            self.same += 1

    def _keep(self, node: Node) -> None:
        """Make it an entry; what is new in a folder has the facts of that."""
        made = keep(node, **self._facts)
        above = None if node.folder is None or self._facts or made.facts else entry(node.folder)
        if above is not None and above.facts:
            made.facts = above.facts

    def _take_folder(self, path: str, name: str, found: os.stat_result, folder: Folder | None, old: Any) -> None:
        names = sorted(os.listdir(path))  # first, as it may not be readable
        node = old if type(old) is Folder else Folder(name, stat.S_IMODE(found.st_mode), found.st_mtime_ns)
        if node is not old:
            self._lay(node, path, folder)
        self._settle(node, found)
        there = set(names)
        for gone in [each for each in node.table if each not in there and not node.table[each].is_own]:
            _let_go(node, gone)
            self.gone += 1
        if node is old:
            self._keep_again(node)
        else:
            self._keep(node)
        self._total += len(names)
        self._todo += [(os.path.join(path, each), node) for each in reversed(names)]

    def _settle(self, node: Node, found: os.stat_result) -> bool:
        """Give it the mode and the time of what it was taken from; whether they were others."""
        mode = stat.S_IMODE(found.st_mode)
        if (node.mode, node.mtime) == (mode, found.st_mtime_ns):
            return False
        node.mode, node.mtime = mode, found.st_mtime_ns
        return True

    def _take_file(self, path: str, name: str, found: os.stat_result, folder: Folder | None, old: Any) -> None:
        is_old = type(old) is File
        if is_old and (old.mtime, old.taken[0]) == (found.st_mtime_ns, found.st_size):
            self._count(False, self._settle(old, found))
            self._keep_again(old)
            return
        if is_old and (old.is_edited or old.is_own):
            if _is_same(path, old.parts()):  # the same was done to both
                old.is_taken(found.st_size)
                self._settle(old, found)
                self._count(False, False)
                return
            self._leave(
                f"{shown_path(path)} was edited here and changed on the host; both are left as they are (to compare "
                "them, take this one to another folder)"
            )
            return
        node = old if is_old else File(name, stat.S_IMODE(found.st_mode), found.st_mtime_ns)
        is_changed = self._read(path, node)
        if not is_old:
            self._lay(node, path, folder)
        self._settle(node, found)
        self._count(not is_old, is_changed)
        if is_old:
            self._keep_again(node)
        else:
            self._keep(node)

    def _keep_again(self, node: Node) -> None:
        if self._facts or self._image.world.entries is None or u64(node._p_oid) not in self._image.world.entries:
            self._keep(node)

    def _read(self, path: str, node: File) -> bool:
        """Give a file its bytes; whether they were others."""
        with open(path, "rb") as file:
            if isinstance(node.content, Text):
                data = file.read()
                node.content.set(data.decode("utf-8", "surrogateescape"))
                node.is_taken(len(data))
                return True
            data = file.read(INLINE + 1)
            if len(data) <= INLINE:
                self._room += len(data)
                node.content = data
                node.is_taken(len(data))
                return True
            blob = Blob()
            data += file.read(PART - len(data))
            while data:
                blob.append(data)
                self._room += len(data)
                if blob.size % SAVED == 0:
                    self._let_rest(blob)
                data = file.read(PART)
            node.content = blob
            node.is_taken(blob.size)
        return True

    def _let_rest(self, blob: Blob) -> None:
        """Of a huge file, memory holds a few parts only."""
        self._image.number_of(blob)
        self._image.pause()
        blob.let_rest()

    def _take_link(self, path: str, name: str, found: os.stat_result, folder: Folder | None, old: Any) -> None:
        target = os.readlink(path)
        is_old = type(old) is Link
        is_changed = is_old and old.target != target
        node = old if is_old else Link(name, stat.S_IMODE(found.st_mode), found.st_mtime_ns, target)
        if is_changed:
            node.target = target
        if not is_old:
            self._lay(node, path, folder)
        is_changed |= self._settle(node, found)
        self._count(not is_old, is_changed)
        if is_old:
            self._keep_again(node)
        else:
            self._keep(node)


def kept_from(image: Image, path: str) -> Node | None:
    """What was kept from a path of the host, by itself or with the folder in which it lies."""
    table = image.world.kept
    if table is None:
        return None
    place, below = os.path.abspath(path), []
    while True:
        found = table.get(place)
        if found is not None:
            break
        place, name = os.path.split(place)
        if not name:
            return None
        below.append(name)
    for name in reversed(below):
        if not isinstance(found, Folder) or name not in found:
            return None
        found = found.table[name]
    node: Node = found
    return node


def _let_go(folder: Folder, name: str) -> None:
    """Something is not in its folder any more: it, and what lies in it, are no entries either."""
    from piety.objects.image import current

    entries = current().world.entries
    node = folder.table.pop(name)
    node.folder = None
    for each in (node, *(node.walk() if isinstance(node, Folder) else ())):
        if entries is not None and each._p_oid is not None:
            entries.pop(u64(each._p_oid), None)


def forget_all(image: Image, obj: Any, ref: str) -> int:
    """Remove the entry of an object; of a folder, also of all that lies in it; how many.  Raises `PietyError`."""
    entries = image.world.entries
    found = [obj, *(obj.walk() if isinstance(obj, Folder) else ())]
    numbers = [u64(each._p_oid) for each in found if isinstance(each, Persistent) and each._p_oid is not None]
    numbers = [number for number in numbers if entries is not None and number in entries]
    if not numbers:
        raise PietyError(f"{ref} has no entry, so there is nothing to forget")
    for number in numbers:
        remove(image, number)
    kept = image.world.kept
    if kept is not None and isinstance(obj, Node):
        for path in [path for path, node in kept.items() if node is obj]:
            del kept[path]
    return len(numbers)


def shown_path(path: str) -> str:
    """A path as a person can read it, whatever bytes are in it."""
    return path if path.isprintable() else repr(path)


# -- out again


def take_out(objects: list[Any], folder: str, tell: Tell, tick: Tick = no_tick) -> int:
    """Write objects into a folder of the host, which is made if it is not there; how many files were written.

    Files, folders and links come out as they were taken in; a text or the source of a module as a file of its name,
    bytes and plain texts likewise.  What is there already is not replaced, unless it is the same.  Raises `PietyError`
    for a folder that cannot be made.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise PietyError(f"{shown_path(folder)} cannot be made: {error.strerror}") from error
    written = 0
    times: list[tuple[str, Folder]] = []
    todo: list[tuple[Any, str]] = [(obj, os.path.join(folder, name_of_file(obj))) for obj in reversed(objects)]
    total = len(todo)
    while todo:
        obj, path = todo.pop()
        tick(total - len(todo), total)
        try:
            if isinstance(obj, Folder):
                if not os.path.isdir(path) or os.path.islink(path):
                    os.mkdir(path, 0o700)
                times.append((path, obj))
                below = [(each, os.path.join(path, each.name)) for each in obj]
                total += len(below)
                todo += reversed(below)
                continue
            written += _write(obj, path)
        except OSError as error:
            tell(f"{shown_path(path)} cannot be written: {error.strerror or error}")
        except PietyError as error:
            tell(str(error))
        if isinstance(obj, Persistent) and obj._p_changed is False:
            obj._p_deactivate()
    for path, node in reversed(times):  # the innermost first: to write into a folder changes its time
        os.chmod(path, node.mode)
        os.utime(path, ns=(node.mtime, node.mtime))
    return written


def name_of_file(obj: Any) -> str:
    """What an object is called as a file."""
    name = getattr(obj, "name", None) or getattr(obj, "title", None)
    if not isinstance(name, str) or not name:
        name = f"{type(obj).__name__.lower()}-{u64(obj._p_oid):x}" if getattr(obj, "_p_oid", None) else "value"
    return name.replace("/", "-").replace("\0", "-")


def _write(obj: Any, path: str) -> int:
    if isinstance(obj, Link):
        if os.path.islink(path) and os.readlink(path) == obj.target:
            return 0
        os.symlink(obj.target, path)
        os.utime(path, ns=(obj.mtime, obj.mtime), follow_symlinks=False)
        return 1
    parts = parts_of(obj)
    try:
        file = open(path, "xb")
    except FileExistsError:
        if _is_same(path, parts_of(obj)):
            return 0
        raise PietyError(
            f"{shown_path(path)} is there already, with something else in it; it is left as it is"
        ) from None
    with file:
        for part in parts:
            file.write(part)
    if isinstance(obj, Node):
        os.chmod(path, obj.mode)
        os.utime(path, ns=(obj.mtime, obj.mtime))
    return 1


def parts_of(obj: Any) -> Iterator[bytes]:
    """The bytes of an object, as a file has them.  Raises `PietyError` for what is no file."""
    from piety.objects.world import Module

    if isinstance(obj, File):
        return obj.parts()
    if isinstance(obj, Text):
        return (hostfiles.encoded(string) for string in rope.chunks(obj.rope))
    if isinstance(obj, Module):
        return iter((obj.source.data,))
    if isinstance(obj, (bytes, bytearray)):
        return iter((bytes(obj),))
    if isinstance(obj, str):
        return iter((hostfiles.encoded(obj),))
    own = getattr(type(obj), "__text__", None)
    if own is not None:
        return iter((hostfiles.encoded(str(own(obj))),))
    raise PietyError(
        f"a {type(obj).__qualname__} is no file; give its class a method __text__, or write what you want of it"
    )


def _is_same(path: str, parts: Iterator[bytes]) -> bool:
    with open(path, "rb") as file:
        return all(file.read(len(part)) == part for part in parts) and not file.read(1)


# -- what differs


def differences(image: Image, path: str) -> Iterator[tuple[str, str]]:
    """What differs between a folder (or file) and what was kept from there: a sign and a path, in order.

    "+" is there and was not kept, "-" was kept and is gone, "!" is another, "~" has another mode or time.
    Raises `PietyError` if nothing was kept from there.
    """
    if (kept := kept_from(image, path)) is None:
        raise PietyError(f"nothing was kept from {shown_path(path)}; keep it first")
    if not os.path.lexists(path):
        yield "-", path
        return
    yield from _differences(kept, path)


def _differences(node: Node, path: str) -> Iterator[tuple[str, str]]:
    found = os.lstat(path)
    kinds = {Folder: stat.S_ISDIR, File: stat.S_ISREG, Link: stat.S_ISLNK}
    if not kinds[type(node)](found.st_mode):
        yield "!", path
        return
    if isinstance(node, Link):
        if node.target != os.readlink(path):
            yield "!", path
        return
    if isinstance(node, File) and (node.size != found.st_size or not _is_same(path, node.parts())):
        yield "!", path
        return
    if (node.mode, node.mtime) != (stat.S_IMODE(found.st_mode), found.st_mtime_ns) and not isinstance(node, Folder):
        yield "~", path
    if isinstance(node, Folder):
        names = set(os.listdir(path))
        for name in sorted(names | set(node.table)):
            place = os.path.join(path, name)
            if name not in names:
                yield "-", place
            elif name not in node.table:
                if stat.S_IFMT(os.lstat(place).st_mode) in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK):
                    yield "+", place
            else:
                yield from _differences(node.table[name], place)
