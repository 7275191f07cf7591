"""The socket of a running system: terminals and commands come and go.

One asyncio loop in a thread of its own serves all of them.  It never waits for the turn thread: what it asks for comes
back as a future.  Somebody who says what is no frame, or goes away in the middle, loses their connection; nobody else
notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any

from piety import __version__, verbs
from piety.browser import shell, wire
from piety.browser.doors import Doors, listen, remove
from piety.browser.editing import Editing
from piety.errors import PietyError
from piety.objects.turns import Outcome
from piety.places import SOCKET
from piety.scheduler.requests import promise
from piety.scheduler.signals import block_here
from piety.scheduler.system import System

Frame = tuple[bytes, bytes]

PERIOD = 0.1  # seconds between two words on how far something is
WARM = 2.0  # seconds from the start to making ready for desktops: few want one at once, and it takes 0.2 s
PAUSE = 0.2  # seconds from an attach to making the next terminal: the one that attaches has its prompt by then


def _warm_up() -> None:
    """Import what a desktop needs, before somebody waits for one."""
    import piety.browser.desktop
    import piety.browser.screens  # noqa: F401


class Connection:
    """This end of somebody's connection.  `lines` are their answers to what the system asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._loop = asyncio.get_running_loop()

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Send a frame; one to somebody who is gone goes nowhere."""
        if not self._writer.is_closing():
            self._writer.write(wire.frame(kind, body))

    def say(self, progress: verbs.Progress | None = None) -> verbs.Say:
        """Where a command says things, from any thread."""
        out, err = (partial(self.send_from_anywhere, kind) for kind in (wire.OUT, wire.ERR))
        return verbs.Say(out, err) if progress is None else verbs.Say(out, err, progress)

    async def drain(self) -> None:
        """Wait until most of what was sent is read at the other end."""
        with contextlib.suppress(OSError):
            await self._writer.drain()

    def send_from_anywhere(self, kind: bytes, text: str) -> None:
        """The same from any thread."""
        self._loop.call_soon_threadsafe(self.send, kind, text.encode("utf-8", "surrogatepass"))

    async def receive(self) -> Frame:
        """The next frame.  Raises `Gone`."""
        try:
            head = await self._reader.readexactly(5)
            length = int.from_bytes(head[1:], "big")
            if length > wire.LONGEST:
                raise wire.Gone
            return head[:1], await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            raise wire.Gone from None

    async def close(self) -> None:
        with contextlib.suppress(OSError):
            await self._writer.drain()
            self._writer.close()


class Server:
    """Serves the socket of one running system."""

    def __init__(self, system: System, home: str) -> None:
        self.system = system
        self._home = home
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="piety-fronts", daemon=True)
        self._spare: Any = None  # a terminal that nobody is at yet
        self.terminals: dict[str, Any] = {}  # the terminals that are attached, by session
        self._doors = Doors(system, home)
        system.loop.on_print = self._print
        system.on_return = self._renew
        system.loop.on_doors = lambda names: self._soon(self._doors.be(names))

    def start(self) -> None:
        """Listen, and serve whoever comes."""
        listening = listen(self._home, SOCKET)
        self._loop.call_soon(lambda: self._loop.create_task(self._serve(listening)))
        self._thread.start()

    def stop(self) -> None:
        """Hear nobody new.  Who is connected hears of the end when the process ends."""
        remove(self._home, SOCKET)
        self._doors.close()

    def _run(self) -> None:
        block_here()
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _serve(self, listening: socket.socket) -> None:
        await asyncio.start_unix_server(self._meet, sock=listening)
        await self._doors.be(self.system.loop.doors)
        self._make_spare()
        self._loop.call_later(WARM, _warm_up)

    def _make_spare(self) -> None:
        if self._spare is not None:
            return
        from piety.browser.terminal import Terminal  # takes a while: better now than when the first terminal attaches

        self._spare = Terminal(self.system, self._home)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        hello = {"piety": __version__, "protocol": wire.PROTOCOL}
        connection.send(wire.HELLO, json.dumps(hello).encode())
        try:
            await self._do(connection, *_understood(await connection.receive()))
        except wire.Gone:
            pass
        except PietyError as error:
            connection.send(wire.ERR, f"piety: {error}\n".encode())
            connection.send(wire.EXIT, b"2")
        finally:
            await connection.close()

    async def _do(self, connection: Connection, verb: str, arguments: dict[str, Any]) -> None:
        own: dict[str, Callable[..., Awaitable[None]]] = {
            "attach": self._attach, "stop": self._stop, "status": self._status, "interrupt": self._interrupt,
            "ed": self._edit, "desk": self._desk,
        }  # fmt: skip
        if verb in own:
            await own[verb](connection, **arguments)
        elif verb in verbs.VERBS or verb == "enter":
            await self._perform(connection, verb, arguments)
        else:
            raise PietyError(f"this system knows no {verb!r}")

    # -- the verbs of all commands

    async def _perform(self, connection: Connection, verb: str, arguments: dict[str, Any]) -> None:
        asked = _Asked(self.system, connection)
        say = connection.say(asked.progress)
        if verb == "enter" and await self._leaves(**arguments):
            connection.send(wire.EXIT, str(shell.LEFT).encode())
            return
        if verb in ("evaluate", "enter"):
            future = self.system.evaluate(**arguments, value=True, show=verb == "enter", ask=asked.ask, err=say.err)
        else:
            work = partial(verbs.VERBS[verb], say=say, **arguments)
            future = self.system.call(work, f"piety {verb.replace('_', ' ')}")
        tell = shell.report if verb == "enter" else verbs.tell
        answering = asyncio.ensure_future(self._status_of(future, lambda outcome: tell(say, outcome)))
        hearing = asyncio.ensure_future(asked.hear(future))
        try:
            await asyncio.wait({answering, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():  # they are gone, so nobody waits for it
                asked.give_up()
                await answering
        finally:
            hearing.cancel()
        connection.send(wire.EXIT, str(answering.result()).encode())

    async def _status_of(self, future: Any, tell: Callable[[Outcome], int]) -> int:
        """The exit status of a command; an outcome is told first."""
        done = await asyncio.wrap_future(future)
        while isinstance(done, verbs.More):  # others have their turns meanwhile
            done = await asyncio.wrap_future(self.system.call(done.work, "the rest of a command"))
        if callable(done):  # the rest of a verb, which takes long and needs no turn
            done = await asyncio.wrap_future(_beside(done))
        return done if isinstance(done, int) else tell(done)

    async def _edit(self, connection: Connection, **arguments: Any) -> None:
        """A session of `ed`: what is typed comes in lines, as many at once as there are; each time it is a turn."""
        editing, say = Editing(**arguments), connection.say()
        asked = _Asked(self.system, connection)
        hearing = asyncio.ensure_future(asked.hear(None))
        lines: str | None = None
        try:
            while not editing.has_ended:
                asked.future = self.system.work(partial(editing.do, lines), editing.label, say.err)
                outcome = asyncio.ensure_future(asyncio.wrap_future(asked.future))
                await asyncio.wait({outcome, hearing}, return_when=asyncio.FIRST_COMPLETED)
                if hearing.done():  # they are gone
                    asked.give_up()
                editing.tell(say, await outcome)
                await asyncio.sleep(0)  # what it says is sent first
                if not editing.has_ended:
                    connection.send(wire.ASK, editing.prompt.encode())
                    next_lines = asyncio.ensure_future(asked.lines.get())
                    await asyncio.wait({next_lines, hearing}, return_when=asyncio.FIRST_COMPLETED)
                    if hearing.done():
                        return
                    lines = next_lines.result()
        finally:
            hearing.cancel()
        connection.send(wire.EXIT, str(editing.status).encode())

    async def _leaves(self, source: str) -> bool:
        """Whether a statement from a pipe is the wish to leave the shell."""
        if source.strip() not in shell.LEAVING:
            return False
        return await asyncio.wrap_future(self.system.call(lambda image: shell.leaves(source, image.names())))

    # -- what only a running system can be asked

    async def _stop(self, connection: Connection) -> None:
        self.system.stop()
        with contextlib.suppress(wire.Gone):  # whoever asks hears of the end when the process ends
            while True:
                await connection.receive()

    async def _status(self, connection: Connection) -> None:
        status = {"pid": os.getpid(), "terminals": sorted(self.terminals), **self.system.status()}
        connection.send(wire.OUT, json.dumps(status).encode())

    async def _interrupt(self, connection: Connection) -> None:
        connection.send(wire.OUT, json.dumps(self.system.interrupt()).encode())

    async def _attach(self, connection: Connection, **arguments: Any) -> None:
        name = arguments.pop("session", None) or self._free_session()
        if not isinstance(name, str):
            raise PietyError(f"{name!r} is no name of a session; give it a text")
        if name in self.terminals:
            raise PietyError(f"session {name!r} has a terminal already; attach without --session for another one")
        if self._spare is None:
            self._make_spare()
        terminal, self._spare = self._spare, None
        self.terminals[name] = terminal
        self._loop.call_later(PAUSE, self._make_spare)
        try:
            await terminal.talk(connection, name, **arguments)
        finally:
            del self.terminals[name]

    async def _desk(
        self,
        connection: Connection,
        name: str,
        ref: str | None,
        rows: int,
        columns: int,
        colours: str = "256",
        **_of_the_terminal: Any,
    ) -> None:
        from piety.browser.desktop import Desktop
        from piety.browser.screens import serve
        from piety.browser.writing import OPEN

        desktop = Desktop(self.system, connection, name, ref, colours)
        try:
            await serve(desktop, connection, rows, columns)
        except Exception as error:  # nobody else is concerned
            told = "".join(traceback.format_exception(error))
            connection.send(wire.ERR, f"{told}piety: a bug of Piety's ended this desktop; nothing is lost\n".encode())
            connection.send(wire.EXIT, b"1")
            return
        finally:
            OPEN.discard(desktop)
        connection.send(wire.EXIT, b"0")

    def _free_session(self) -> str:
        number = 1
        while str(number) in self.terminals:
            number += 1
        return str(number)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this on the asyncio loop; called in the turn thread."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def _print(self, session: str, text: str) -> None:
        """A turn has printed at a terminal; called in the turn thread."""

        def show() -> None:
            if session in self.terminals:
                self.terminals[session].show_between(text)

        self._loop.call_soon_threadsafe(show)

    def _renew(self) -> None:
        """The image was given an earlier state; called in the turn thread."""

        def renew() -> None:
            for terminal in self.terminals.values():
                terminal.renew()

        self._loop.call_soon_threadsafe(renew)


class _Asked:
    """What a command has asked for, as long as it waits for the answer: it may interrupt, and it may be asked."""

    def __init__(self, system: System, connection: Connection) -> None:
        self._system, self._connection = system, connection
        self.future: Any = None
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._are_gone = False
        self._told = 0.0

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how far something is; called in any thread.  Raises `Stopped` if they are gone."""
        if self._are_gone:
            raise verbs.Stopped("nobody waits for it any more")
        if (now := monotonic()) - self._told >= PERIOD:
            self._told = now
            self._connection.send_from_anywhere(wire.PROGRESS, json.dumps([what, done, total]))

    def ask(self, text: str) -> str:
        """Ask for a line of input, after showing a text; called in the turn thread."""
        if self._are_gone:  # a debugger asks again after a Ctrl-C
            return ""
        self._connection.send_from_anywhere(wire.ASK, text)
        line = asyncio.run_coroutine_threadsafe(self.lines.get(), self._loop)
        try:
            return line.result()
        finally:
            line.cancel()  # a turn that is interrupted waits for it no more

    async def hear(self, future: Any) -> None:
        """Hear what they say, until they are gone."""
        self.future = future
        try:
            while True:
                kind, body = await self._connection.receive()
                if kind == wire.INTERRUPT and self.future is not None:
                    self._system.withdraw(self.future)
                elif kind == wire.LINE:
                    self.lines.put_nowait(body.decode("utf-8", "surrogateescape"))
        except wire.Gone:
            pass

    def give_up(self) -> None:
        """They are gone: stop what they asked for, and answer "" to what it asks."""
        self._are_gone = True
        self.lines.put_nowait("")
        self._system.withdraw(self.future)


def _beside(work: Callable[[], Any]) -> Future[Any]:
    """Have something done in a thread of its own, which ends with the process at the latest."""
    future = promise()

    def run() -> None:
        block_here()
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="piety-beside", daemon=True).start()
    return future


def _understood(request: Frame) -> tuple[str, dict[str, Any]]:
    """The verb and the arguments of a request.  Raises `PietyError`, and `Gone` for what is none."""
    kind, body = request
    try:
        asked = json.loads(body)
        protocol, verb, arguments = asked["protocol"], asked["verb"], asked["arguments"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise wire.Gone from None
    if kind != wire.REQUEST or not isinstance(verb, str) or not isinstance(arguments, dict):
        raise wire.Gone
    if protocol != wire.PROTOCOL:
        raise PietyError(
            f"this command speaks protocol {protocol}, and the system that runs {wire.PROTOCOL} (Piety {__version__}); "
            "use the command of that version"
        )
    return verb, arguments
