"""Files and folders of the host as objects of the image.

    File        its bytes, in the record itself or (`Blob`) in records of 1 MB; or a text, once somebody edits it
    Folder      files, links and folders by name
    Link        where a symbolic link points

Each has the name, the mode and the time of what it was taken from, so that the same can be written again.  Names that
are no UTF-8 are kept as Python keeps them, with half characters (PEP 383).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from mimetypes import MimeTypes
from typing import TYPE_CHECKING, Any

from BTrees.IOBTree import IOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.utils import u64

from piety.objects.changes import made_of_immutables
from piety.objects.entries import Entry, Facts
from piety.objects.world import Content

if TYPE_CHECKING:
    from piety.objects.texts import Text

INLINE = 1 << 16  # bytes of a file that lie in its own record: no other is read to have them
PART = 1 << 20  # bytes of a part of a larger one
HEAD = 8_192  # bytes by which it is told whether they are characters

_TYPES = MimeTypes()  # what Python itself knows, and not this host
for _ending, _media in {
    ".md": "text/markdown", ".rst": "text/x-rst", ".toml": "text/x-toml", ".cfg": "text/x-ini", ".ini": "text/x-ini",
    ".eml": "message/rfc822", ".webp": "image/webp", ".pyi": "text/x-python", ".c": "text/x-c", ".h": "text/x-c",
    ".yaml": "text/x-yaml", ".yml": "text/x-yaml", ".log": "text/plain", ".sh": "text/x-sh",
}.items():  # fmt: skip
    _TYPES.add_type(_media, _ending)


class Blob(Persistent):
    """Many bytes, in parts of 1 MB, each in a record of its own."""

    def __init__(self) -> None:
        self.size = 0
        self._parts = IOBTree()  # number -> Content

    def append(self, data: bytes) -> None:
        """Add a part."""
        self._parts[self._parts.maxKey() + 1 if self._parts else 0] = Content(data)
        self.size += len(data)

    def let_rest(self) -> None:
        """Hold no part in memory that is written."""
        for part in self._parts.values():
            if part._p_changed is False:
                part._p_deactivate()

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts.values():
            yield part.data
            if part._p_changed is False:
                part._p_deactivate()


class Node(Entry):
    """What lies in a folder: a name, the mode and the time (nanoseconds since the epoch) of what it was taken from.

    It is its own entry, so that to keep many files does not take two records for each.
    """

    folder: Folder | None = None  # the one in which it lies

    @property
    def is_own(self) -> bool:
        """Whether it was made here, and the host never had it."""
        return False

    def __init__(self, name: str, mode: int, mtime: int) -> None:
        self.name = name
        self.mode = mode
        self.mtime = mtime

    @property
    def object(self) -> Any:
        """Itself."""
        return self

    @property
    def number(self) -> int:
        """Under which it stands in `world.entries`: its own."""
        return u64(self._p_oid)

    def begin(self, obj: Any, created: float, facts: Facts) -> None:
        """Become an entry."""
        self.created, self.kept = created, time.time()
        if facts or self.facts:  # it may have been kept before
            self.facts = facts

    @property
    def path(self) -> str:
        """The names of its folders and its own, from the outermost one on."""
        return self.name if self.folder is None else f"{self.folder.path}/{self.name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name!r}>"


@made_of_immutables  # what can be changed hangs on it as a text or a blob, which are persistent
class File(Node):
    """A file that was taken from the host."""

    content: bytes | Blob | Text = b""
    taken: tuple[int, int] = (-1, 0)  # how many bytes the host's file had, and the version of the text that had them

    @property
    def size(self) -> int:
        """In bytes."""
        content = self.content
        if isinstance(content, bytes):
            return len(content)
        return content.size if isinstance(content, Blob) else sum(map(len, self.parts()))

    def parts(self) -> Iterator[bytes]:
        """The bytes, in parts."""
        content = self.content
        if isinstance(content, bytes):
            yield content
        elif isinstance(content, Blob):
            yield from content
        else:
            from piety.objects import hostfiles, rope

            for string in rope.chunks(content.rope):
                yield hostfiles.encoded(string)

    def read(self) -> bytes:
        """All of the bytes."""
        return b"".join(self.parts())

    @property
    def text(self) -> Text:
        """The characters as a text that can be edited; from now on the file has what that has."""
        from piety.objects.texts import Text

        if not isinstance(self.content, Text):
            self.content = Text(self.read().decode("utf-8", "surrogateescape"))
        return self.content

    def is_taken(self, size: int) -> None:
        """The host's file has these bytes, so many."""
        from piety.objects.texts import Text

        self.taken = size, self.content.version if isinstance(self.content, Text) else 0

    @property
    def is_own(self) -> bool:
        """Whether it was made here, and the host never had it."""
        return self.taken[0] < 0

    @property
    def is_edited(self) -> bool:
        """Whether it was edited since it was taken from the host."""
        from piety.objects.texts import Text

        return isinstance(self.content, Text) and self.content.version != self.taken[1]

    @property
    def media(self) -> str:
        """The media type: by the ending of the name, else by the first bytes."""
        found = by_name(self.name)
        if found is not None:
            return found
        head = next(self.parts(), b"")[:HEAD]
        return "text/plain" if is_text(head) else "application/octet-stream"

    def characters(self, most: int) -> str:
        """The beginning, if the file holds characters; else nothing."""
        data = b""
        for part in self.parts():
            data += part
            if len(data) >= most or not is_text(data[:HEAD]):
                break
        if not is_text(data[:HEAD]):
            return ""
        return as_text(data[:most])


class Folder(Node):
    """A folder that was taken from the host."""

    def __init__(self, name: str, mode: int, mtime: int) -> None:
        super().__init__(name, mode, mtime)
        self.table = OOBTree()  # name -> what lies there

    def __getitem__(self, path: str) -> Any:
        """What lies at a path within it."""
        found: Any = self
        for name in path.split("/"):
            found = found.table[name]
        return found

    def put(self, node: Node) -> None:
        """Lay something into it, in the place of what has the name."""
        if (old := self.table.get(node.name)) is not None and old.folder is self:
            old.folder = None
        self.table[node.name] = node
        node.folder = self

    def __iter__(self) -> Iterator[Any]:
        return iter(self.table.values())

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def walk(self) -> Iterator[Any]:
        """All that lies in it, at any depth; a folder comes before what lies in it."""
        todo = [self]
        while todo:
            for each in todo.pop().table.values():
                yield each
                if isinstance(each, Folder):
                    todo.append(each)


@made_of_immutables
class Link(Node):
    """A symbolic link that was taken from the host; `target` is what it says."""

    def __init__(self, name: str, mode: int, mtime: int, target: str) -> None:
        super().__init__(name, mode, mtime)
        self.target = target


@lru_cache(10_000)
def by_name(name: str) -> str | None:
    """The media type that the ending of a name tells; None if it tells none."""
    media, packed = _TYPES.guess_type(name, strict=False)
    return f"application/x-{packed}" if packed is not None else media


def is_text(head: bytes) -> bool:
    """Whether a file that begins so holds characters: all but the last are UTF-8, or none is a control character."""
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start > len(head) - 4 and len(head) >= 4:  # the end is cut within a character
            return True
        return not any(each < 32 and each not in (9, 10, 12, 13, 27) for each in head)
    return True


def as_text(data: bytes) -> str:
    """Bytes as characters, to be searched: what is no UTF-8 is taken for Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if error.start > len(data) - 4:
            return data[: error.start].decode()
        return data.decode("latin-1")
