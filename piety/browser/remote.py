"""A command on a running system: sends the verb and its arguments, and passes on what comes back."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from piety.browser import wire
from piety.errors import PietyError


class Stopped(PietyError):
    """The system stopped before it had answered."""


def connect(home: str) -> wire.Wire:
    """A connection to the system of a home.  Raises `Gone` if none runs, and `PietyError` if it is another version."""
    connection = wire.Wire(home)
    kind, body = connection.receive()
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


def perform(connection: wire.Wire, verb: str, **arguments: Any) -> int:
    """Have a verb done, with this process's input and output; the exit status.

    Ctrl-C stops the turn that it runs.  Raises `Stopped`.
    """
    try:
        request(connection, verb, **arguments)
        while True:
            try:
                kind, body = connection.receive()
                if kind == wire.EXIT:
                    return int(body)
                _take(connection, kind, body)
            except KeyboardInterrupt:
                connection.send(wire.INTERRUPT)
    except wire.Gone:
        raise Stopped("the system stopped before it had answered; what it reported done is done") from None


def answer(connection: wire.Wire, verb: str, **arguments: Any) -> Any:
    """Have a verb done that answers with data."""
    try:
        request(connection, verb, **arguments)
        return json.loads(connection.receive()[1])
    except wire.Gone:
        raise Stopped("the system stopped before it had answered") from None


def _take(connection: wire.Wire, kind: bytes, body: bytes) -> None:
    # As a command on a resting image shows it, on terminals that know few letters too.
    click.echo(body.decode("utf-8", "surrogatepass"), nl=False, err=kind == wire.ERR)
    if kind == wire.ASK:
        connection.send(wire.LINE, sys.stdin.readline().encode("utf-8", "surrogateescape"))
