"""A terminal that is attached to a running system: where a person types Python, and talks to jobs.

It runs in the system, on the asyncio loop; the process at the person's end only passes bytes on (`attach.py`).  While a
turn of this terminal runs, what is typed waits, but for Ctrl-C, which stops it.  Whatever else runs, and for however
long, the terminal answers.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import contextvars
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from prompt_toolkit.application import create_app_session, run_in_terminal
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

import piety
from piety.browser import wire
from piety.browser.prompt import Prompt, Suspended
from piety.browser.shell import LEAVING, LONG, leaves, report
from piety.browser.statements import statements
from piety.objects.turns import Outcome
from piety.scheduler.requests import NotBegun
from piety.scheduler.system import System
from piety.verbs import Say

CTRL_C, DETACH = b"\x03", b"\x1c"  # the second is Ctrl-\, for when a turn runs


class Terminal:
    """One attached terminal."""

    def __init__(
        self, system: System, connection: Any, session: str, home: str, rows: int, columns: int, kind: str
    ) -> None:
        self._system = system
        self._connection = connection
        self._session = session
        self._home = home
        self._size = Size(rows, columns)
        self._kind = kind
        self._asked: Any = None  # the future of the turn that runs for this terminal, or waits to
        self._job: str | None = None  # the prompt of the job in the foreground; None for the shell
        self._loop = asyncio.get_running_loop()
        self._say = Say(self._show, self._show)

    async def talk(self) -> None:
        """Talk with whoever is at the terminal until they leave, or are gone."""
        with create_pipe_input() as self._input, create_app_session(self._input, self._output()):
            self._context = contextvars.copy_context()  # in which prompt_toolkit finds this terminal
            self._prompt = Prompt(self._system)
            talking = asyncio.ensure_future(self._talk())
            hearing = asyncio.ensure_future(self._hear())
            await asyncio.wait({talking, hearing}, return_when=asyncio.FIRST_COMPLETED)
            for each in (talking, hearing):
                each.cancel()
            await asyncio.gather(talking, hearing, return_exceptions=True)
            if talking.done() and not talking.cancelled() and (error := talking.exception()) is not None:
                raise error
        self._connection.send(wire.EXIT, b"0")

    # -- what the person does

    async def _hear(self) -> None:
        """Pass on what is typed, until they are gone."""
        with contextlib.suppress(wire.Gone):
            while True:
                kind, body = await self._connection.receive()
                if kind == wire.SIZE:
                    with contextlib.suppress(ValueError):
                        self._size = Size(*map(int, body.split()))
                elif kind == wire.KEYS and self._asked is not None and CTRL_C in body:
                    self._system.withdraw(self._asked)
                elif kind == wire.KEYS and self._asked is not None and DETACH in body:
                    return
                elif kind == wire.KEYS:
                    self._input.send_bytes(body)

    async def _talk(self) -> None:
        self._greet()
        self._job = (await self._wait(self._system.look_at(self._session))).prompt
        while True:
            try:
                await (self._shell() if self._job is None else self._give_line())
            except KeyboardInterrupt:  # at the prompt
                continue
            except EOFError:
                if self._job is None:
                    return
                await self._do(self._system.enter(None, self._session))
            except Suspended:
                await self._do(self._system.put_aside(self._session))

    def _greet(self) -> None:
        self._show(
            f"Piety {piety.__version__} in {self._home}: what you make here stays. "
            "To leave it running: exit, or Ctrl-D.\n"
        )
        for notice in self._system.notices:
            self._show(f"note: {notice}\n")

    async def _shell(self) -> None:
        """Read a source and evaluate it, each statement a turn; up to the first that fails."""
        source = await self._prompt.read()
        if source.strip() in LEAVING and await self._leaves(source):
            raise EOFError
        if source.strip():
            self._prompt.history.keep(source)
            for statement in _parts(source):
                future = self._system.evaluate(statement, show=True, session=self._session, ask=self._ask)
                if await self._do(future) != 0 or self._job is not None:
                    break

    async def _leaves(self, source: str) -> bool:
        future = self._system.call(lambda image: leaves(source, image.names()))
        return bool(await asyncio.wrap_future(future))

    async def _give_line(self) -> None:
        """Read a line for the job in the foreground."""
        line = await self._prompt.read_line(self._job or "")
        await self._do(self._system.enter(line, self._session, self._ask))

    async def _do(self, future: Any) -> int:
        """Wait for a turn, and show what came of it; its exit status."""
        outcome = await self._wait(future)
        if not isinstance(outcome.error, NotBegun):
            self._job = outcome.prompt
        return report(self._say, outcome, LONG)

    async def _wait(self, future: Any) -> Outcome:
        self._asked = future
        try:
            outcome: Outcome = await asyncio.shield(asyncio.wrap_future(future))
            return outcome
        except asyncio.CancelledError:  # they are gone: nobody waits for what it does
            self._system.withdraw(future)
            raise
        finally:
            self._asked = None

    # -- what the person sees

    def _ask(self, text: str) -> str:
        """Ask for a line of input; called in the turn thread."""
        answer: Future[str] = Future()

        async def read() -> None:
            answer.set_result(await self._read_line(text))

        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(read(), context=self._context))
        return answer.result()

    async def _read_line(self, text: str) -> str:
        asked, self._asked = self._asked, None
        shown, _newline, question = text.rpartition("\n")
        self._show(f"{shown}\n" if _newline else "")
        try:
            return await self._prompt.read_line(question) + "\n"
        except EOFError:
            return ""
        except (KeyboardInterrupt, Suspended):
            self._system.withdraw(asked)
            return ""
        finally:
            self._asked = asked

    def show_between(self, text: str) -> None:
        """Show what a task has printed, above the prompt if one is there."""

        async def show() -> None:
            await run_in_terminal(lambda: self._show(text))

        self._loop.create_task(show(), context=self._context)

    def _show(self, text: str) -> None:
        shown = text.encode("utf-8", "backslashreplace").replace(b"\n", b"\r\n")
        self._connection.send(wire.OUT, shown)

    def _output(self) -> Vt100_Output:
        screen: Any = _Screen(self._connection)
        return Vt100_Output(screen, lambda: self._size, term=self._kind, enable_cpr=False)


class _Screen:
    """What prompt_toolkit takes for the standard output of a terminal."""

    encoding = "utf-8"

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._text: list[str] = []

    def write(self, text: str) -> None:
        self._text.append(text)

    def flush(self) -> None:
        text = "".join(self._text)
        self._text.clear()
        if text:
            self._connection.send(wire.OUT, text.encode("utf-8", "backslashreplace"))

    def isatty(self) -> bool:
        return True


def warm_up() -> None:
    """Do once what takes time when a first prompt is made."""


def _parts(source: str) -> Iterator[str]:
    """The statements of what was entered at once, each to be a turn; all of it as one if something in it is wrong."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return iter([source])
    return statements(source.splitlines(keepends=True))
