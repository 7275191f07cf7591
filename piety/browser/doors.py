"""Sockets on which tasks hear lines: `spawn(lines("door"), handler)` opens `door` in the home.

Whoever connects writes lines; each becomes a turn of the task, with the line as what has happened.  A line counts as
heard when it is on disk in the queue of a task: then `ok` is written back, a line for each.  So a sender that waits for
it loses nothing, and one that is cut off before it may send its line again.  What else is written back is in
`docs/protocol.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from functools import partial

from piety.browser import wire
from piety.errors import PietyError
from piety.objects.turns import Outcome
from piety.scheduler.events import DOOR
from piety.scheduler.requests import Promised
from piety.scheduler.system import System
from piety.scheduler.tasks import tasks_for_signal

LONGEST = 1 << 20  # bytes in a line: more is no line


class Doors:
    """The sockets of one running system, on its asyncio loop."""

    def __init__(self, system: System, home: str) -> None:
        self._system = system
        self._home = home
        self._open: dict[str, asyncio.Server] = {}

    async def be(self, names: frozenset[str]) -> None:
        """Let these be the sockets that are open."""
        for name in self._open.keys() - names:
            self._open.pop(name).close()
            remove(self._home, name)
        for name in sorted(names - self._open.keys()):
            try:
                listening = listen(self._home, name)
            except PietyError as error:
                self._system.notices.append(str(error))
                continue
            hear = partial(self._hear, name)
            self._open[name] = await asyncio.start_unix_server(hear, sock=listening, limit=LONGEST)

    def close(self) -> None:
        """Nobody hears there any more."""
        for name in self._open:
            remove(self._home, name)

    async def _hear(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (line := await reader.readline()).endswith(b"\n"):  # what was cut off is no line
                turn = Heard(self._system, name, line.decode("utf-8", "replace").removesuffix("\n"))
                self._system.loop.ask(turn)
                outcome = await asyncio.wrap_future(turn.future)
                writer.write(_answer(outcome))
                await writer.drain()
        except (OSError, ValueError):  # they are gone, or that was no line
            pass
        finally:
            writer.close()


def _answer(outcome: Outcome) -> bytes:
    """What whoever wrote a line hears of it."""
    if outcome.error is not None:
        return b"not heard\n"
    return b"ok\n" if outcome.value else b"nobody\n"


def listen(home: str, name: str) -> socket.socket:
    """A new socket in a home, for its owner only; one that is there is left over from a system that was killed."""
    remove(home, name)
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)  # so that it is never there for others, not even for a moment
    try:
        listening.bind(wire.address(home, name))
    except OSError as error:
        listening.close()
        raise PietyError(
            f"a socket cannot be made at {home}/{name} ({error.strerror}); is something else there? Move it away"
        ) from error
    finally:
        os.umask(before)
    listening.listen(64)
    return listening


def remove(home: str, name: str) -> None:
    """Take a socket away; anything else that lies there under its name stays."""
    path = f"{home}/{name}"
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


class Heard(Promised):
    """A line came in: the tasks that wait for it are told; the value is how many."""

    def __init__(self, system: System, name: str, line: str) -> None:
        super().__init__()
        self.label = f"a line on {name}"
        self._tasks, self._name, self._line = system.tasks, name, line

    def work(self) -> int:
        waiting = tasks_for_signal(self._tasks, f"{DOOR}{self._name}")
        for task in waiting:
            task.happens(self._line)
        return len(waiting)
