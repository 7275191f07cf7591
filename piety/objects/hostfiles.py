"""Texts and the files of the host.

A file is read as UTF-8; bytes that are none come back as they were (they are kept as lone surrogates, U+DC80 to U+DCFF,
see PEP 383).  A file is written beside its place and moved there when it is whole, so the old one is there until then.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from piety.errors import PietyError
from piety.objects import rope

if TYPE_CHECKING:
    from piety.objects.texts import Text

PORTION = 1 << 20  # bytes that are read at once


class ChangedOutside(PietyError):
    """The file of a text is not as it was when it was read or written here."""


def read(path: str) -> Iterator[str]:
    """The characters of a file, in portions.  Raises `PietyError` if it cannot be read."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    try:
        with open(path, "rb") as file:
            while portion := file.read(PORTION):
                yield decoder.decode(portion)
            yield decoder.decode(b"", final=True)
    except OSError as error:
        raise PietyError(f"{path} cannot be read: {error.strerror}") from error


def encoded(string: str) -> bytes:
    """The bytes of a string.  Raises `PietyError` for half characters that stand for no byte."""
    try:
        return string.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        half = string[error.start]
        raise PietyError(f"the text has a half character, {half!a}, which no file can hold; replace it") from None


def write(path: str, strings: Iterable[str]) -> int:
    """Put strings into a file, in place of the one that is there; the number of bytes.

    Raises `PietyError` if it cannot be written; the old file is as it was then.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        return append(path, strings)  # a device or a pipe keeps nothing that could be replaced
    place = os.path.realpath(path)  # what a link points at is replaced, not the link
    new = f"{place}.{os.urandom(4).hex()}.new"
    size = 0
    try:
        if os.path.exists(place):
            open(place, "ab").close()  # a file that may not be written is not replaced either
        with open(new, "xb") as file:
            with suppress(FileNotFoundError):
                os.chmod(new, os.stat(place).st_mode & 0o7777)
            for string in strings:
                size += file.write(encoded(string))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, place)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(new)
        if isinstance(error, OSError):
            raise PietyError(f"{path} cannot be written: {error.strerror}") from error
        raise
    return size


def append(path: str, strings: Iterable[str]) -> int:
    """Add strings to a file; the number of bytes.  Raises `PietyError` if not all can be added: then none is."""
    size = 0
    try:
        with open(path, "ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                for string in strings:
                    data = encoded(string)
                    size += len(data)
                    while data:
                        data = data[file.write(data) :]
            except BaseException:
                if os.path.isfile(path):
                    file.truncate(before)
                raise
    except OSError as error:
        raise PietyError(f"{path} cannot be written: {error.strerror}") from error
    return size


def stamp(path: str) -> tuple[int, ...]:
    """What tells a file from the same one after a change; () if it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def is_written(text: Text, path: str) -> None:
    """A part of a text was written to a file: if that is its own, nobody else has changed it."""
    if text.file == os.path.abspath(path):
        text._stamp = stamp(path)


def load(text: Text, path: str) -> None:
    """Give a new text the content of a file, and the file."""
    text.file = os.path.abspath(path)
    text._stamp = stamp(text.file)
    text._begin(rope.build(read(text.file)))
    text._saved = text._version


def save(text: Text, path: str | None, force: bool) -> int:
    """See `Text.save`."""
    place = text.file if path is None else os.path.abspath(path)
    if place is None:
        raise PietyError("this text has no file; say t.save('a path')")
    if not force and place == text.file and (now := stamp(place)) != text._stamp:
        what = "is gone" if not now else "was changed"
        raise ChangedOutside(
            f"{place} {what} outside since it was read; t.reload() takes what is there, t.save(force=True) replaces it"
        )
    size = write(place, rope.chunks(text.rope))
    text.file, text._stamp, text._saved = place, stamp(place), text._version
    return size


def reload(text: Text, path: str | None) -> None:
    """See `Text.reload`."""
    place = text.file if path is None else os.path.abspath(path)
    if place is None:
        raise PietyError("this text has no file to be reloaded from")
    now = stamp(place)
    text.set("".join(read(place)))
    text.file, text._stamp, text._saved = place, now, text._version
