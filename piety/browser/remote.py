"""A command on a running system: sends the verb and its arguments, and passes on what comes back.

A turn that runs for long keeps most commands waiting.  Whoever waits hears what for, and how to end it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from piety import streams
from piety.browser import wire
from piety.errors import PietyError
from piety.places import command
from piety.progress import Progress
from piety.streams import tell

QUIET = 1.0  # seconds of waiting about which nothing is said


class Stopped(PietyError):
    """The system stopped before it had answered."""


def connect(home: str) -> wire.Wire:
    """A connection to the system of a home.  Raises `Gone` if none runs, and `PietyError` if it is another version."""
    connection = wire.Wire(home)
    kind, body = receive(connection, lambda: _tell_of_silence(home))
    hello = json.loads(body) if kind == wire.HELLO else {}
    if hello.get("protocol") != wire.PROTOCOL:
        raise PietyError(
            f"the system that runs speaks protocol {hello.get('protocol')} (Piety {hello.get('piety')}), and this "
            f"command speaks {wire.PROTOCOL}; use the command of that version, or stop it with: piety stop --now"
        )
    return connection


def request(connection: wire.Wire, verb: str, **arguments: Any) -> None:
    """Ask for a verb."""
    body = json.dumps({"protocol": wire.PROTOCOL, "verb": verb, "arguments": arguments})
    connection.send(wire.REQUEST, body.encode())


def perform(connection: wire.Wire, verb: str, read: Callable[[], str] | None = None, **arguments: Any) -> int:
    """Have a verb done, with this process's input and output; the exit status.

    What the verb asks for is read with `read`, or is a line of the standard input.  Ctrl-C stops the turn of a source,
    or what `read` has given; where there is none, nobody waits any longer.  Raises `Stopped`.
    """
    try:
        wait = _Wait(connection.home, arguments.get("source"))
        request(connection, verb, **arguments)
        with Progress() as progress:
            while True:
                try:
                    kind, body = receive(connection, wait.tell)
                    wait.is_over = True
                    if kind == wire.EXIT:
                        return int(body)
                    _take(connection, kind, body, read or sys.stdin.readline, progress)
                except KeyboardInterrupt:
                    if read is None and "source" not in arguments:
                        raise
                    connection.send(wire.INTERRUPT)
    except wire.Gone:
        raise Stopped("the system stopped before it had answered; what it reported done is done") from None


def answer(connection: wire.Wire, verb: str, **arguments: Any) -> Any:
    """Have a verb done that answers with data."""
    try:
        request(connection, verb, **arguments)
        return json.loads(receive(connection, lambda: _tell_of_silence(connection.home))[1])
    except wire.Gone:
        raise Stopped("the system stopped before it had answered") from None


def receive(connection: wire.Wire, tell: Callable[[], bool]) -> tuple[bytes, bytes]:
    """The next frame; each second until it comes `tell` is called, up to when that is True: it has said something."""
    while not connection.comes(QUIET) and not tell():
        pass
    return connection.receive()


class _Wait:
    """A command that waits for the first word on what it has asked for, which may be a turn of this source."""

    def __init__(self, home: str, source: str | None) -> None:
        self._home, self._source = home, source
        self._since = monotonic()  # before anything is asked for, so that what is can only begin later
        self.is_over = False

    def tell(self) -> bool:
        """Say what else it waits for, if it does; whether there is nothing more to say."""
        if self.is_over:
            return True
        found = what_runs(self._home)
        if found is None:
            return _tell_of_silence(self._home)
        turn, seconds = found
        if turn is None or self._is_own(turn, seconds):
            return False
        tell(
            f"waiting for a turn that runs for {seconds:.0f} s: {turn}; to stop it: {command('interrupt', self._home)}"
        )
        return True

    def _is_own(self, turn: str, seconds: float) -> bool:
        """Whether the turn that runs is what was asked for: it began later, and is called by that source."""
        begun_before = seconds > monotonic() - self._since
        return not begun_before and (self._source or "").strip().startswith(turn.removesuffix(" ..."))


def what_runs(home: str) -> tuple[str | None, float] | None:
    """The label of the turn that runs, or None, and for how long; None if the system does not answer soon."""
    try:
        other = wire.Wire(home)
    except wire.Gone:
        return None
    try:
        request(other, "status")
        for _hello_and_answer in range(2):
            if not other.comes(QUIET):
                return None
            body = other.receive()[1]
        status = json.loads(body)
        return status["running"], status["running_seconds"] or 0.0
    except (wire.Gone, ValueError, LookupError):  # it stops in this moment, or is of another version
        return None
    finally:
        other.close()


def _tell_of_silence(home: str) -> bool:
    tell(f"waiting for the system, which does not answer; to end it at once: {command('stop --now', home)}")
    return True


def _take(connection: wire.Wire, kind: bytes, body: bytes, read: Callable[[], str], progress: Progress) -> None:
    if kind == wire.PROGRESS:
        progress(*json.loads(body))
        return
    (streams.err if kind == wire.ERR else streams.out)(body.decode("utf-8", "surrogatepass"))
    if kind == wire.ASK:
        connection.send(wire.LINE, read().encode("utf-8", "surrogateescape"))
