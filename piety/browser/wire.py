"""What goes over the socket of a running system: frames.

A frame is one byte that says what it is, four bytes with the length of the rest (big-endian), and the rest.
`docs/protocol.md` tells which frames there are and in which order they come.  Only what is cheap to import is used
here, because a terminal that attaches should have its prompt at once.
"""

from __future__ import annotations

import _socket  # what `socket` is made of, without the enumerations and selectors that take time to import
import os
import select

from piety.places import SOCKET

PROTOCOL = 2
LONGEST = 1 << 26  # bytes in a frame: more is not a frame, but somebody else's words
_LONGEST_PATH = 100  # bytes in the address of a Unix socket, less some that systems differ in

HELLO, OUT, ERR, ASK, EXIT, PROGRESS = b"h", b"o", b"e", b"a", b"x", b"p"  # from the system
REQUEST, LINE, INTERRUPT, KEYS, SIZE = b"r", b"l", b"i", b"k", b"s"  # from who asks


class Gone(Exception):
    """There is nobody at the other end (any more)."""


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return kind + len(body).to_bytes(4, "big") + body


def address(home: str, name: str = SOCKET) -> str:
    """The path of a socket in a home, in a form that is short enough.  A folder that it opens for that stays open."""
    path = f"{home}/{name}"
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    return f"/proc/self/fd/{os.open(home, os.O_RDONLY)}/{name}"


class Wire:
    """This end of a connection to a running system.  Raises `Gone` when the other end is gone."""

    def __init__(self, home: str) -> None:
        self.home = home
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._read = bytearray()
        try:
            self._socket.connect(address(home))
        except OSError as error:
            self._socket.close()
            raise Gone(str(error)) from None

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, kind: bytes, body: bytes = b"") -> None:
        try:
            self._socket.sendall(frame(kind, body))
        except OSError:
            raise Gone from None

    def receive(self) -> tuple[bytes, bytes]:
        """The next frame."""
        while (found := self._next()) is None:
            self._read_more()
        return found

    def received(self) -> list[tuple[bytes, bytes]]:
        """What has come; waits for nothing but the first bytes of it."""
        self._read_more()
        return list(iter(self._next, None))

    def comes(self, seconds: float) -> bool:
        """Whether anything comes within these seconds, be it the end."""
        return bool(self._read) or bool(select.select([self._socket], [], [], seconds)[0])

    def close(self) -> None:
        self._socket.close()

    def _next(self) -> tuple[bytes, bytes] | None:
        read = self._read
        end = 5 + int.from_bytes(read[1:5], "big") if len(read) >= 5 else 5
        if len(read) < end:
            return None
        kind, body = bytes(read[:1]), bytes(read[5:end])
        del read[:end]
        return kind, body

    def _read_more(self) -> None:
        try:
            more = self._socket.recv(1 << 16)
        except OSError:
            more = b""
        if not more:
            raise Gone
        self._read += more
