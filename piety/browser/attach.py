"""This terminal as a front of a running system: it passes bytes on, and knows nothing of what they mean.

A person who attaches wants a prompt at once, so next to nothing is imported here.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` is made of, without enumerations that take time
import os
import select
import sys
import termios

from piety import places
from piety.browser import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GONE = "piety: the system stopped; what it reported done is done. To go on: "


def attach(home: str, session: str | None = None, desk: str | None = None, ref: str | None = None) -> int:
    """Pass on what is typed and shown, until the system says that it is over; the exit status.

    With `desk` it is the desktop of this name, with a reference to an object one that shows that; else a shell.

    Raises `Gone` if no system runs there, and `WrongVersion`, before anything was passed on.
    """
    connection = wire.Wire(home)
    _kind, hello = connection.receive()
    if f'"protocol": {wire.PROTOCOL}}}'.encode() not in hello:
        raise WrongVersion
    rows, columns = _size()
    kind = "".join(each for each in os.environ.get("TERM", "xterm") if each.isalnum() or each in "-_+.")
    wanted = "null" if session is None else _quoted(session)
    verb, more = "attach", ""
    if desk is not None:
        more = f'"name": {_quoted(desk)}, "ref": {"null" if ref is None else _quoted(ref)}, '
        verb, more = "desk", f'{more}"colours": "{_colours(kind)}", '
    connection.send(
        wire.REQUEST,
        f'{{"protocol": {wire.PROTOCOL}, "verb": "{verb}", "arguments": {{"session": {wanted}, {more}"rows": {rows}, '
        f'"columns": {columns}, "kind": "{kind}"}}}}'.encode(),
    )
    before = termios.tcgetattr(0)
    resized = _signal.signal(_signal.SIGWINCH, lambda _number, _frame: _send_size(connection))
    try:
        _make_raw(before)
        status = _pass_on(connection)
    except wire.Gone:
        status = None
    finally:
        _signal.signal(_signal.SIGWINCH, resized)
        termios.tcsetattr(0, termios.TCSADRAIN, before)
    if status is None:
        sys.stderr.write(f"\n{GONE}{places.command('', home)}\n")
    return 1 if status is None else status


def _colours(kind: str) -> str:
    """Which colours this terminal has, by what others have agreed on to tell it."""
    if os.environ.get("NO_COLOR") or kind == "dumb":  # see no-color.org
        return "none"
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "truecolor"
    return "256" if "256color" in kind else "standard"


def _quoted(name: str) -> str:
    """A name as JSON; only who gives one waits for that import."""
    from json import dumps

    return dumps(name)


class WrongVersion(Exception):
    """The system that runs speaks another protocol."""


def _pass_on(connection: wire.Wire) -> int:
    while True:
        ready, _, _ = select.select([0, connection.fileno()], [], [])
        if 0 in ready:
            keys = os.read(0, 1 << 16)
            if not keys:
                return 0
            connection.send(wire.KEYS, keys)
        if connection.fileno() in ready:
            for kind, body in connection.received():
                if kind == wire.EXIT:
                    return int(body)
                _write(2 if kind == wire.ERR else 1, body)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _send_size(connection: wire.Wire) -> None:
    connection.send(wire.SIZE, "{} {}".format(*_size()).encode())


def _size() -> tuple[int, int]:
    """Rows and columns; a terminal that does not know has those of the oldest."""
    columns, rows = os.get_terminal_size()
    return rows or 24, columns or 80


def _make_raw(mode: list[Any]) -> None:
    """Every key is passed on as it is, and nothing is shown but what comes back."""
    raw = [*mode[:6], [*mode[6]]]
    raw[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
    raw[1] &= ~termios.OPOST
    raw[2] = (raw[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    raw[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
    termios.tcsetattr(0, termios.TCSADRAIN, raw)
