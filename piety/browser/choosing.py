"""Choosing one of many by writing a part of what it is called: a list in front of all panes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rich.text import Text as Styled
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from piety.browser.brief import clipped
from piety.browser.rows import Rows

MOST = 100  # that are shown


class Choice(NamedTuple):
    """Something that can be chosen: its kind, what it is called, what more there is to say, and what it stands for."""

    kind: str
    name: str
    told: str = ""
    meant: Any = None


Find = Callable[[str], Awaitable[list[Choice]]]


class Choosing(ModalScreen[Any]):
    """The list; `find` gives the choices for what is written."""

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

    def __init__(self, question: str, find: Find) -> None:
        super().__init__()
        self._question, self._find = question, find
        self._choices: list[Choice] = []
        self._asked: asyncio.Task[None] | None = None
        self._is_decided = False  # whether the first is taken as soon as it is known

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Input(placeholder=self._question, compact=True)
            yield Rows()
            yield Static("Enter takes it  Up, Down  Esc back", markup=False)

    def on_mount(self) -> None:
        self._ask("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Other choices."""
        event.stop()
        self._ask(event.value)

    def _ask(self, words: str) -> None:
        if self._asked is not None:
            self._asked.cancel()
        self._asked = asyncio.get_running_loop().create_task(self._show(words))

    async def _show(self, words: str) -> None:
        self._choices = (await self._find(words))[:MOST]
        self._asked = None
        wide = max((len(each.name) for each in self._choices), default=0)
        self.query_one(Rows).show([_line(each, min(wide, 40)) for each in self._choices], 0)
        if self._is_decided:
            self._take()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what is chosen; if it is not known yet, as soon as it is."""
        event.stop()
        self._is_decided = True
        if self._asked is None:
            self._take()

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """One was clicked."""
        event.stop()
        self._take()

    def _take(self) -> None:
        at = self.query_one(Rows).at
        self.dismiss(self._choices[at].meant if at < len(self._choices) else None)

    def pressed(self, key: str) -> bool:
        """Whether a key meant something here."""
        rows = self.query_one(Rows)
        if key == "escape":
            self.dismiss(None)
        elif key in ("up", "down", "pageup", "pagedown"):
            by = 1 if "down" in key else -1
            rows.choose(rows.at + (by * rows.page if "page" in key else by))
        else:
            return False
        return True


def _line(choice: Choice, wide: int) -> Styled:
    line = Styled(no_wrap=True, overflow="ellipsis")
    line.append(f"{choice.kind:11}", style="dim")
    line.append(clipped(choice.name, 40).ljust(wide + 2))
    line.append(clipped(choice.told, 80), style="dim")
    return line
