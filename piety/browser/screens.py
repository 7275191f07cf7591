"""Textual, served over a socket: an app whose terminal is at the other end of a connection.

All that Piety uses of Textual's private names is here; the version is pinned in setup.cfg, and `test_desktop.py` tells
whether each is still what it was.

    _xterm_parser.XTermParser      keys and mouse from the bytes of a terminal
    App._driver, App._exception    its driver, and the mistake of ours that has ended it
    App._filters, Console._color_system
                                   the colours of its terminal, which are not those of this process
    app.redirect_stdout            an app would take the standard output of the whole process, of all turns
"""

from __future__ import annotations

import asyncio
import contextlib
from codecs import getincrementaldecoder
from typing import Any

import textual.app
from rich.console import COLOR_SYSTEMS
from textual import events
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.filter import NoColor
from textual.geometry import Size

from piety.browser import wire

ESCAPE = 0.1  # seconds after which an escape key is one, and not the beginning of another key

_BEGIN = "\x1b[?1049h\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?25l\x1b[?2004h"  # a screen of its own, mouse, pasting
_END = "\x1b[?2004l\x1b[?1006l\x1b[?1003l\x1b[?1000l\x1b[?25h\x1b[?1049l"

# The turns of the system print where they print; nothing of that is for an app.
for _name in ("redirect_stdout", "redirect_stderr"):
    setattr(textual.app, _name, lambda _target: contextlib.nullcontext())


def have_colours(app: Any, colours: str) -> None:
    """Draw with the colours that the terminal has: "truecolor", "256", "standard", or "none".  Before it runs."""
    if colours == "none":
        app._filters.append(NoColor())
    else:
        app.console._color_system = COLOR_SYSTEMS.get(colours, COLOR_SYSTEMS["256"])


class SocketDriver(Driver):
    """Draws over the connection of its app, and hears what is typed there."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        self._connection = app.connection
        self._parser = XTermParser()
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._tick: asyncio.TimerHandle | None = None

    def write(self, data: str) -> None:
        """Send what is to be shown."""
        self._connection.send(wire.OUT, data.encode("utf-8", "replace"))

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        self.write(_BEGIN)
        self.resize(*(self._size or (80, 24)))

    def disable_input(self) -> None:
        """Nothing more is heard."""
        if self._tick is not None:
            self._tick.cancel()

    def stop_application_mode(self) -> None:
        """Leave the terminal as it was."""
        self.disable_input()
        self.write(_END)

    def hear(self, data: bytes) -> None:
        """Something was typed."""
        for message in self._parser.feed(self._decode(data)):
            self.process_message(message)
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self._loop.call_later(ESCAPE, self._wait_no_more)

    def _wait_no_more(self) -> None:
        for message in self._parser.tick():
            self.process_message(message)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size."""
        size = Size(max(columns, 1), max(rows, 1))
        self._size = size.width, size.height
        self._app.post_message(events.Resize(size, size))


async def serve(app: Any, connection: Any, rows: int, columns: int) -> None:
    """Run an app until it ends, or whoever is at the terminal is gone.  Raises what ended it, if that was a mistake."""
    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()
    running = loop.create_task(app.run_async(size=(columns, rows)))
    loop.call_soon(loop.set_task_factory, factory)  # Textual sets one of its own for the whole loop, from 3.12 on
    hearing = loop.create_task(_hear(app, connection))
    try:
        await asyncio.wait({running, hearing}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            app.exit()
        await running
    finally:
        hearing.cancel()
        loop.set_task_factory(factory)
    if app._exception is not None:
        raise app._exception


async def _hear(app: Any, connection: Any) -> None:
    with contextlib.suppress(wire.Gone):
        while True:
            kind, body = await connection.receive()
            driver = app._driver
            if driver is None:
                continue
            if kind == wire.SIZE:
                with contextlib.suppress(ValueError):
                    rows, columns = map(int, body.split())
                    driver.resize(columns, rows)
            elif kind == wire.KEYS:
                driver.hear(body)
