"""Keeping what is on a desktop: it is written when it has been the same for a while."""

from __future__ import annotations

import asyncio
from time import monotonic

from piety.browser.desks import Layout, Saving
from piety.scheduler.system import System

QUIET = 0.5  # seconds
PATIENCE = 1.0  # seconds in which one who leaves waits until it is written


class Keeping:
    """What was written of one desktop, and what is to be."""

    def __init__(self, system: System, name: str) -> None:
        self._system, self._name = system, name
        self.written: Layout | None = None
        self.is_damaged = False  # whether what was written cannot be read: then nothing is written over it
        self._seen: Layout | None = None
        self._since = 0.0  # when that was seen first

    def see(self, layout: Layout) -> None:
        """The desktop is so now."""
        if layout != self._seen:
            self._seen, self._since = layout, monotonic()
        elif layout != self.written and monotonic() - self._since > QUIET:
            self._write(layout)

    def _write(self, layout: Layout) -> Saving | None:
        self.written = layout
        if self.is_damaged:
            return None
        saving = Saving(self._system.image, self._name, layout)
        self._system.loop.ask(saving)
        return saving

    async def end(self, layout: Layout) -> None:
        """Write what is there when one leaves; if a turn runs for long, it is written after that."""
        if layout != self.written and (saving := self._write(layout)) is not None:
            await asyncio.wait({asyncio.wrap_future(saving.future)}, timeout=PATIENCE)
