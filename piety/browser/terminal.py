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
from concurrent.futures import Future, InvalidStateError
from functools import partial
from textwrap import fill
from typing import Any

from prompt_toolkit.application import create_app_session, run_in_terminal
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.keys import Keys
from prompt_toolkit.output.vt100 import Vt100_Output

import piety
from piety.browser import wire
from piety.browser.prompt import Prompt, Suspended
from piety.browser.shell import LEAVING, LONG, leaves, report
from piety.browser.statements import statements
from piety.objects.turns import Outcome
from piety.places import command
from piety.scheduler.requests import NotBegun, not_begun
from piety.scheduler.system import System
from piety.verbs import Say

CTRL_C, DETACH = b"\x03", b"\x1c"  # the second is Ctrl-\

PATIENCE = 0.1  # seconds until a terminal that attaches has a prompt, whatever runs
SOON = 0.01  # seconds
UNREAD = 8_000_000  # characters that may wait for a terminal before what tasks print is not kept for it any more


class Terminal:
    """One terminal: made beforehand, because that takes as long as a process takes to start, and then attached."""

    def __init__(self, system: System, home: str) -> None:
        self._system = system
        self._home = home
        self.session = ""
        self._connection: Any = None
        self._is_closed = False
        self._printed: list[str] = []  # what tasks have printed, and is not shown yet,
        self._unshown = 0  # and how many characters after that were dropped
        self._has_printed = asyncio.Event()
        self._size = Size(24, 80)
        self._asked: Any = None  # the future of the turn that runs for this terminal, or waits to
        self._is_stopped = False  # whether Ctrl-C was typed since the last source was entered
        self._job: str | None = None  # the prompt of the job in the foreground; None for the shell
        self._loop = asyncio.get_running_loop()
        self._say = Say(self._show, self._show)
        self._context = contextvars.copy_context()  # in which prompt_toolkit finds this terminal
        self._to_close = contextlib.ExitStack()
        self._context.run(self._open)

    def _open(self) -> None:
        screen: Any = _Screen(self)
        self._input = self._to_close.enter_context(create_pipe_input())
        self._output = Vt100_Output(screen, lambda: self._size, enable_cpr=False)
        self._to_close.enter_context(create_app_session(self._input, self._output))
        self._prompt = Prompt(self._system)

    async def talk(self, connection: Any, session: str, rows: int, columns: int, kind: str) -> None:
        """Talk with whoever is at the terminal until they leave, or are gone."""
        self._connection, self.session = connection, session
        self._size, self._output.term = Size(rows, columns), kind
        try:
            parts = (self._talk(), self._hear(), self._show_printed())
            working = [self._loop.create_task(part, context=self._context) for part in parts]
            done, _pending = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for each in working:
                each.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            for each in done:
                each.result()
            connection.send(wire.EXIT, b"0")
        finally:
            self.close()

    def close(self) -> None:
        """Nobody is there any more."""
        self._is_closed = True
        self._context.run(self._to_close.close)

    @property
    def is_attached(self) -> bool:
        return self._connection is not None

    def send(self, text: str) -> None:
        """Show a text, as it is."""
        self._connection.send(wire.OUT, text.encode("utf-8", "backslashreplace"))

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
                    self._stop()
                    self._input.send_bytes(body.rpartition(CTRL_C)[2])
                elif kind == wire.KEYS and DETACH in body:
                    return
                elif kind == wire.KEYS:
                    self._input.send_bytes(body)

    async def _talk(self) -> None:
        self._note(f"Piety {piety.__version__} in {self._home}: what you make here stays. To leave: exit, or Ctrl-D.")
        for notice in self._system.notices:
            self._note(f"note: {notice}")
        await self._look()
        while True:
            try:
                await (self._shell() if self._job is None else self._give_line())
            except KeyboardInterrupt:  # at the prompt
                continue
            except EOFError:
                if self._job is None:
                    return
                await self._do(self._system.enter(None, self.session))
            except Suspended:
                await self._do(self._system.put_aside(self.session))

    async def _look(self) -> None:
        """Learn whether somebody is new here, and which job is in the foreground; but wait for no turn that is long."""
        look, is_new = self._system.look_at(self.session), self._prompt.history.is_empty()
        with contextlib.suppress(asyncio.TimeoutError):
            if await asyncio.wait_for(is_new, PATIENCE):
                self._show("New here? Type:  import tour; tour.start()\n")
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(look)), PATIENCE)
        if look.done():
            self._job = look.result().prompt
        elif (running := self._system.running) is not None:
            stop = command("interrupt", self._home)
            self._note(f"note: a turn runs ({running}), and yours wait for it; to stop it: {stop}")

    async def _shell(self) -> None:
        """Read a source and evaluate it, each statement a turn; up to the first that fails."""
        source = await self._prompt.read()
        if source.strip() in LEAVING and await self._leaves(source):
            raise EOFError
        if source.strip():
            self._is_stopped = False
            await self._keep(source)
            for statement in _parts(source):
                if self._is_stopped:
                    report(self._say, not_begun(), LONG)
                    break
                future = self._system.evaluate(
                    statement, show=True, session=self.session, ask=self._ask, err=self._show_from_anywhere
                )
                if await self._do(future) != 0 or self._job is not None:
                    break

    async def _keep(self, source: str) -> None:
        """Have a source written into the history."""
        if (future := self._prompt.history.keep(source)) is not None:
            outcome = await self._wait(future)
            if isinstance(outcome.error, NotBegun):
                self._is_stopped = True
            elif outcome.error is not None:  # a full disk, say: looking around is still possible
                self._show(f"note: not in the history: {outcome.traceback}")

    async def _leaves(self, source: str) -> bool:
        future = self._system.call(lambda image: leaves(source, image.names()))
        return bool(await asyncio.wrap_future(future))

    async def _give_line(self) -> None:
        """Read a line for the job in the foreground."""
        line = await self._prompt.read_line(self._job or "")
        await self._do(self._system.enter(line, self.session, self._ask, self._show_from_anywhere))

    async def _do(self, future: Any) -> int:
        """Wait for a turn, and show what came of it; its exit status."""
        outcome = await self._wait(future)
        if not isinstance(outcome.error, NotBegun):
            self._job = outcome.prompt
        return report(self._say, outcome, LONG)

    async def _wait(self, future: Any) -> Outcome:
        self._asked = future
        self._see_to_ctrl_c()
        try:
            outcome: Outcome = await asyncio.shield(asyncio.wrap_future(future))
            return outcome
        except asyncio.CancelledError:  # they are gone: nobody waits for what it does
            self._system.withdraw(future)
            raise
        finally:
            self._asked = None

    def _stop(self) -> None:
        """Ctrl-C: stop what was asked for, or take it back, and what was entered with it."""
        self._is_stopped = True
        self._loop.create_task(self._withdraw(self._asked))

    async def _withdraw(self, future: Any) -> None:
        while not future.done() and not self._system.withdraw(future):  # it is just about to begin, or to end
            await asyncio.sleep(SOON)

    def _see_to_ctrl_c(self) -> None:
        """A Ctrl-C that came just behind Enter is for what was entered, and no key of the next line."""
        keys = get_typeahead(self._input) + self._input.read_keys()
        places = [place for place, each in enumerate(keys) if each.key == Keys.ControlC]
        if places:
            self._stop()
        store_typeahead(self._input, keys[places[-1] + 1 if places else 0 :])

    # -- what the person sees

    def _ask(self, text: str) -> str:
        """Ask for a line of input; called in the turn thread."""
        if self._is_closed:  # a debugger asks again after a Ctrl-C
            return ""
        answer: Future[str] = Future()

        async def read() -> None:
            reading = self._loop.create_task(self._read_line(text))
            answer.add_done_callback(lambda _answer: self._loop.call_soon_threadsafe(reading.cancel))
            with contextlib.suppress(asyncio.CancelledError, InvalidStateError):  # the turn was interrupted meanwhile
                answer.set_result(await reading)

        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(read(), context=self._context))
        try:
            return answer.result()
        finally:
            answer.cancel()

    async def _read_line(self, text: str) -> str:
        asked, self._asked = self._asked, None
        shown, _newline, question = text.rpartition("\n")
        self._show(f"{shown}\n" if _newline else "")
        try:
            return await self._prompt.read_line(question) + "\n"
        except EOFError:
            return ""
        except (KeyboardInterrupt, Suspended):
            self._asked = asked
            self._stop()
            return ""
        finally:
            self._asked = asked
            self._see_to_ctrl_c()

    def show_between(self, text: str) -> None:
        """Show what a task has printed, above the prompt if one is there, as soon as it is read; not more than that."""
        if self._unshown or sum(map(len, self._printed)) > UNREAD:
            self._unshown += len(text)
        else:
            self._printed.append(text)
        self._has_printed.set()

    def renew(self) -> None:
        """The image was given an earlier state: say so, and show the prompt of then."""
        if self.is_attached:
            self.show_between("note: the system went back to an earlier state\n")
            self._loop.create_task(self._renew(), context=self._context)

    async def _renew(self) -> None:
        outcome = await asyncio.wrap_future(self._system.look_at(self.session))
        if outcome.prompt != self._job:
            self._job = outcome.prompt
            self._prompt.stop()

    async def _show_printed(self) -> None:
        while await self._has_printed.wait():
            self._has_printed.clear()
            while self._printed:
                text = self._printed.pop(0)
                await run_in_terminal(partial(self._show, text))
                await self._connection.drain()
            if self._unshown:
                text = f"[{self._unshown:,} characters were not shown, as nobody read them]\n"
                self._unshown = 0
                await run_in_terminal(partial(self._show, text))

    def _show_from_anywhere(self, text: str) -> None:
        self._loop.call_soon_threadsafe(self._show, text)

    def _note(self, text: str) -> None:
        """Show a line of our own, in several if the terminal is narrow; no word is broken, as it may be copied."""
        self._show(fill(text, self._size.columns - 1, break_long_words=False, break_on_hyphens=False) + "\n")

    def _show(self, text: str) -> None:
        self.send(text.replace("\n", "\r\n"))


class _Screen:
    """What prompt_toolkit takes for the standard output of a terminal."""

    encoding = "utf-8"

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._text: list[str] = []

    def write(self, text: str) -> None:
        self._text.append(text)

    def flush(self) -> None:
        if self._text and self._terminal.is_attached:  # else it waits
            text = "".join(self._text)
            self._text.clear()
            self._terminal.send(text)

    def isatty(self) -> bool:
        return True


def _parts(source: str) -> Iterator[str]:
    """The statements of what was entered at once, each to be a turn; all of it as one if something in it is wrong."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return iter([source])
    return statements(source.splitlines(keepends=True))
