"""Choosing one of many by writing a part of what it is called: a list in front of all panes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rich.text import Text as Styled
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from piety.browser.brief import clipped
from piety.browser.oneline import OneLine
from piety.browser.rows import Rows
from piety.errors import PietyError

MOST = 100  # that are shown
AHEAD = 0.3  # seconds that the keys behind Enter wait for what it leads to


class Choice(NamedTuple):
    """Something that can be chosen: its kind, what it is called, what more there is to say, and what it stands for."""

    kind: str
    name: str
    told: str = ""
    meant: Any = None


Find = Callable[[str], Awaitable[list[Choice]]]
Take = Callable[[Any], Awaitable[None]]


class Choosing(ModalScreen[None]):
    """The list; `find` gives the choices for what is written, and `take` is called with what the chosen one means."""

    DEFAULT_CSS = """
    Choosing { align: center top; background: $background 40%; }
    Choosing > Vertical {
        width: 90%; max-width: 100; height: auto; max-height: 90%; margin: 1 0 0 0;
        border: round $accent; background: $surface;
    }
    Choosing Input { height: 1; border: none; background: $panel; padding: 0 1; }
    Choosing Rows { height: 14; }
    Choosing Static { height: 1; color: $text-muted; padding: 0 1; }
    """
    AUTO_FOCUS = "Input"
    BINDINGS = []  # noqa: RUF012  # as Textual wants it

    def __init__(self, question: str, find: Find, take: Take) -> None:
        super().__init__()
        self._question, self._find, self._take = question, find, take
        self._choices: list[Choice] = []
        self._asked: asyncio.Task[None] | None = None
        self._words: str | None = None  # what is asked for
        self._is_decided = False  # whether the first is taken as soon as it is known

    def compose(self) -> ComposeResult:
        with Vertical():
            yield OneLine(self._question)
            yield Rows()
            yield Static("Enter takes it  Up, Down  Esc back", markup=False)

    def on_mount(self) -> None:
        self._ask("")

    def on_input_changed(self, event: OneLine.Changed) -> None:
        """Something was pasted.  What was typed is known already, and may be more by now."""
        event.stop()
        self._ask(self.query_one(OneLine).value)

    def _ask(self, words: str) -> None:
        if words == self._words:
            return
        self._words = words
        self._ask_no_more()
        self._is_decided = False
        self._asked = asyncio.get_running_loop().create_task(self._show(words))

    def _ask_no_more(self) -> None:
        if self._asked is not None:
            self._asked.cancel()

    def on_unmount(self) -> None:
        self._ask_no_more()

    async def _show(self, words: str) -> None:
        try:
            self._choices = (await self._find(words))[:MOST] or [Choice("", "nothing is found")]
        except PietyError as error:
            self._choices = [Choice("", str(error))]
        wide = max((len(each.name) for each in self._choices), default=0)
        self.query_one(Rows).show([_line(each, min(wide, 40)) for each in self._choices], 0)
        self._asked = None
        if self._is_decided:
            await self._end()

    async def on_rows_opened(self, event: Rows.Opened) -> None:
        """One was clicked."""
        event.stop()
        await self._end()

    async def _end(self) -> None:
        """Take the one that is chosen, if there is one."""
        at = self.query_one(Rows).at
        if self.is_current:
            self.dismiss()
            if at < len(self._choices) and self._choices[at].meant is not None:
                await self._take(self._choices[at].meant)

    async def pressed(self, key: str, character: str | None) -> bool:
        """Do what a key means here; whether it means anything."""
        rows, line = self.query_one(Rows), self.query_one(OneLine)
        if key == "escape":
            self.dismiss()
        elif key == "enter" and not self._is_decided:
            self._is_decided = True
            if self._asked is None:
                await self._end()
            else:  # what is typed behind it is for what it leads to
                await asyncio.wait({self._asked}, timeout=AHEAD)
        elif key in ("up", "down", "pageup", "pagedown"):
            by = 1 if "down" in key else -1
            rows.choose(rows.at + (by * rows.page if "page" in key else by))
        elif line.pressed(key, character):
            self._ask(line.value)
        else:
            return False
        return True


def _line(choice: Choice, wide: int) -> Styled:
    line = Styled(no_wrap=True, overflow="ellipsis")
    line.append(f"{choice.kind:11}", style="dim")
    line.append(clipped(choice.name, 40).ljust(wide + 2))
    line.append(clipped(choice.told, 80), style="dim")
    return line
