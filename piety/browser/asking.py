"""The line of a desktop: what is written there is evaluated, or the answer to what a command asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from piety.browser.oneline import OneLine

if TYPE_CHECKING:
    from piety.browser.columns import Column
    from piety.browser.desktop import Desktop


HINT = ": evaluate, with self"


class Line(Horizontal):
    """The line, with a question before it if something is asked."""

    DEFAULT_CSS = """
    Line { height: 1; background: $surface; }
    Line Static { width: auto; padding: 0 0 0 1; color: $text-accent; }
    Line OneLine { height: 1; width: 1fr; border: none; padding: 0 1; background: $surface; }
    """

    def __init__(self, desk: Desktop) -> None:
        super().__init__()
        self._desk = desk
        self._question = Static(markup=False)
        self.written = OneLine(HINT)
        self.is_entered = False  # whether one writes here
        self._about: Column | None = None  # the column that what is written is about
        self._answer: asyncio.Future[str | None] | None = None  # to what is asked
        self._before = ""  # what was written here before something was asked

    def compose(self) -> ComposeResult:
        yield from (self._question, self.written)

    def on_mount(self) -> None:
        self._question.display = False

    @property
    def unsent(self) -> str:
        """What was written to be evaluated, and was not."""
        return self.written.value if self._answer is None else self._before

    @property
    def about(self) -> Column:
        """The column that what is written is about."""
        return self._about if self._about is not None and self._about in self._desk.columns() else self._desk.column

    def write(self, begun: str = "") -> None:
        """Write something to be evaluated, with `self` bound to the object of the column that one is in."""
        self._about = self._desk.column
        self._enter()
        if begun:
            self.written.write(begun)

    def _enter(self) -> None:
        self.is_entered = True
        self._desk.focus_on(self.written)

    def leave(self) -> None:
        """Go back to the column."""
        about, self._about = self.about, None
        self._desk.go_to_column(about)

    async def ask(self, question: str, begun: str = "") -> str | None:
        """Ask for a line; None if there is no answer."""
        if self._answer is None:
            self._before, self._about = self.written.value, self._desk.column
        self.cancel()
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._question.update(question)
        self.written.placeholder = ""
        self._question.display = True
        self.written.write(begun)
        self._enter()
        self._desk.keyboard.wait_no_more()
        try:
            return await answer
        finally:
            if self._answer is answer:
                self._question.display, self._answer = False, None
                self.written.placeholder = HINT
                self.written.write(self._before)
                if self.is_entered:
                    self.leave()

    def cancel(self) -> bool:
        """Give no answer to what is asked; whether anything was."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
            return True
        return False

    async def pressed(self, key: str, character: str | None) -> bool:
        """Do what a key means here; whether it means anything."""
        if key == "enter":
            await self._end()
            return True
        return self.written.pressed(key, character)

    async def _end(self) -> None:
        """What was written is an answer, or else evaluated."""
        source = self.written.value
        if self._answer is not None:
            if not self._answer.done():
                self._answer.set_result(source)
                await self._desk.keyboard.until_it_waits()
            return
        self.written.write("")
        if source.strip():
            self._desk.say("")
            self._desk.evaluate(source, self.about, self._keep)

    def _keep(self, source: str) -> None:
        """What was written fails: it is there again, to be mended, if nothing else was begun."""
        if self.is_entered and self._answer is None and not self.written.value:
            self.written.write(source)
