"""The system as a process of its own: in the foreground, or detached from whoever started it.

A home has `socket`, on which the system is heard (see `browser/server.py`), and `log`, what a detached one has said.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from piety import streams
from piety.browser import remote, wire
from piety.errors import PietyError, SystemRuns
from piety.places import SOCKET, command

if TYPE_CHECKING:
    from piety.objects.image import Image

Tell = Callable[[str], object]

LOG = "log"
LOG_KEPT = 1 << 20  # bytes of an old log that a new start leaves there
_READY, _NOTE = "ready", "note "


def run(
    home: str, until_idle: bool = False, safe: bool = False, ready: int | None = None, tell: Tell = streams.tell
) -> int:
    """Run the system of a home in this process until it is stopped; the exit status.

    `ready` is a file that is told when it can be talked to, or why not; without it `tell` is told who is waited for.
    """
    from piety.browser.server import Server
    from piety.scheduler.system import System

    with _Starter(ready) as starter, _open(home, tell if ready is None else starter.note) as image:
        system = System(image, safe=safe)
        server = Server(system, home)
        server.start()
        starter.tell(_READY)
        try:
            system.run(until_idle)
        finally:
            server.stop()
        for notice in system.notices:
            print(f"note: {notice}", file=sys.stderr)
    return 0


def _open(home: str, tell: Tell) -> Image:
    """The image of a home, as soon as it is free.  Raises `SystemRuns` if a system has it."""
    from piety import boot
    from piety.waiting import when_free

    def begin() -> Image:
        if (connection := wire_to(home)) is not None:
            connection.close()
            raise SystemRuns(home)
        return boot.open(home)

    return when_free(home, begin, tell)


def start(home: str, safe: bool = False, tell: Tell = streams.tell) -> int:
    """Start the system of a home in a process of its own; its number, when it can be talked to.

    `tell` is told who has the image, if that is waited for.  Raises `PietyError` if it does not come up, with its
    reason.
    """
    reading, writing = os.pipe()
    line = [sys.executable, "-P", "-m", "piety", "run", "--home", home, "--ready", str(writing)]
    with _log(home) as log:
        process = subprocess.Popen(
            line + ["--safe"] * safe,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:
        while (said := answer.readline().strip()).startswith(_NOTE):
            tell(said.removeprefix(_NOTE))
    if said != _READY:
        process.wait()
        raise PietyError(said or f"the system did not come up; what it said is at the end of {home}/{LOG}")
    process.returncode = 0  # it is not waited for: it outlives this process
    return process.pid


def connect(home: str) -> wire.Wire | None:
    """A connection to the system that runs on a home; None if none does.  Raises `PietyError` for another version."""
    if not os.path.exists(f"{home}/{SOCKET}"):
        return None
    try:
        return remote.connect(home)
    except wire.Gone:  # a socket that a killed system has left
        return None


def stop(home: str, now: bool = False) -> bool:
    """Stop the system of a home, and wait until it is gone; whether one ran.

    With `now` it is killed, whatever it does: the turn that runs is lost, and nothing else.
    """
    connection = wire_to(home)
    if connection is None:
        return False
    try:
        if now:
            os.kill(_owner(home), signal.SIGKILL)
        else:
            remote.request(connection, "stop")
        while True:  # until the process is gone, and with it its end of the connection
            remote.receive(connection, lambda: now or _tell_of_wait(home))
    except wire.Gone:
        return True
    finally:
        connection.close()


def _tell_of_wait(home: str) -> bool:
    """Say what the system, which is to stop, still does."""
    found = remote.what_runs(home)
    if found is None:
        what = "the system, which does not answer"
    elif found[0] is None:
        what = "the system"
    else:
        what = f"a turn that runs for {found[1]:.0f} s: {found[0]}"
    streams.tell(f"waiting for {what}; to end it at once: {command('stop --now', home)}")
    return True


def wire_to(home: str) -> wire.Wire | None:
    """A connection to the system of a home, of whatever version, that may not answer; None if none runs."""
    if not os.path.exists(f"{home}/{SOCKET}"):
        return None
    try:
        return wire.Wire(home)
    except wire.Gone:
        return None


def status(home: str) -> dict[str, Any] | None:
    """What the system of a home is doing; None if none runs."""
    connection = connect(home)
    return None if connection is None else remote.answer(connection, "status")


def interrupt(home: str) -> str | None:
    """Stop the turn that runs; what it was, or None.  Raises `PietyError` if no system runs."""
    connection = connect(home)
    if connection is None:
        raise PietyError(f"no system runs in {home}; start it with: {command('start', home)}")
    label: str | None = remote.answer(connection, "interrupt")
    return label


def _owner(home: str) -> int:
    """The number of the process that has the image of a home."""
    with open(f"{home}/image/image.fs.lock", encoding="ascii") as lock:
        return int(lock.read().split()[0])


def _log(home: str) -> Any:
    """The log, open at its end; a long one is cut at its beginning."""
    try:
        log = open(f"{home}/{LOG}", "a+b", opener=_private)
    except OSError as error:
        raise PietyError(f"{home}/{LOG} cannot be written ({error.strerror}); is there a home?") from error
    if log.tell() > LOG_KEPT:
        log.seek(-LOG_KEPT // 2, os.SEEK_END)
        kept = log.read()
        log.truncate(0)
        log.write(kept)
    return log


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: what turns have said is as private as the image."""
    return os.open(path, flags, 0o600)


class _Starter:
    """Whoever started this process, and waits to hear how that went."""

    def __init__(self, file: int | None) -> None:
        self._file = file

    def tell(self, text: str) -> None:
        if self._file is not None:
            os.write(self._file, f"{text}\n".encode())
            os.close(self._file)
            self._file = None

    def note(self, text: str) -> None:
        """Tell what goes on meanwhile."""
        if self._file is not None:
            os.write(self._file, f"{_NOTE}{text}\n".encode())

    def __enter__(self) -> _Starter:
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _where: Any) -> None:
        if isinstance(error, PietyError):
            self.tell(str(error))
