"""The columns of an inspector: one object each, with the rows of one of its views."""

from __future__ import annotations

import asyncio

from rich.text import Text as Styled
from textual.app import ComposeResult
from textual.containers import HorizontalScroll, Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from piety.browser.brief import clipped, failure
from piety.browser.desks import Shown
from piety.browser.drawing import Drawing
from piety.browser.inspecting import Sight
from piety.errors import PietyError

WIDE = 46  # characters of a column
PAGE = 100  # rows at first, and more each time that the last one is passed


class Column(Vertical):
    """One object: what it is, its views, and the rows of one."""

    DEFAULT_CSS = """
    Column { width: 48; height: 1fr; border: round $surface-lighten-2; padding: 0 1; }
    Column:focus-within { border: round $accent; }
    Column .head { height: 1; text-style: bold; }
    Column .titles { height: auto; max-height: 2; color: $text-muted; }
    Column .above { height: 1; text-style: underline; }
    Column OptionList, Column OptionList:focus {
        height: 1fr; border: none; padding: 0; background: transparent; background-tint: transparent;
        scrollbar-size-vertical: 1;
    }
    """

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self.address = shown.address
        self.sight: Sight | None = None
        self.wanted = shown.title
        self._row = shown.row  # that is chosen when there is something to show
        self._head, self._titles = Static(classes="head", markup=False), Static(classes="titles", markup=False)
        self._above, self.options = Static(classes="above", markup=False), OptionList(markup=False)
        self.rows = PAGE
        self.asked: asyncio.Task[None] | None = None
        self.is_slow = False  # whether it took so long that it is not asked for anew by itself

    def compose(self) -> ComposeResult:
        yield from (self._head, self._titles, self._above, self.options)

    def show(self, sight: Sight) -> None:
        """Show what was made of the object; the row that is chosen stays so."""
        if sight == self.sight:
            return
        options = self.options
        there = options.highlighted
        same_view = self.sight is not None and self.sight.title == sight.title
        self.sight, self.wanted = sight, sight.title
        self._head.update(sight.head)
        self.show_titles(sight.title)
        drawing = sight.drawing
        self._above.update(drawing.above)
        self._above.display = bool(drawing.above)
        lines = [*drawing.lines, *filter(None, [drawing.more])]
        options.set_options([Option(Styled(line, no_wrap=True, overflow="ellipsis")) for line in lines])
        if lines:
            options.highlighted = min((there or 0) if same_view else self._row, len(lines) - 1)
            self._row = 0

    def show_titles(self, title: str) -> None:
        """Show which views there are, and which is meant."""
        self._titles.update(_titles(self.sight.titles if self.sight else (), title))

    @property
    def shown(self) -> Shown:
        """What is to be kept of it."""
        return Shown(self.address, self.wanted, self.options.highlighted or 0)

    @property
    def chosen(self) -> int | None:
        """The number of the row that is chosen, if it stands for an object."""
        row = self.options.highlighted
        return row if row is not None and self.sight is not None and row < self.sight.drawing.rows else None


class Columns(HorizontalScroll, inherit_bindings=False):  # Left and Right go from column to column
    """The columns, side by side."""


def instead(said: str) -> Sight:
    """What is shown where there is nothing to show."""
    return Sight(clipped(said, WIDE - 2), (), "", Drawing(()))


def why(error: BaseException) -> str:
    """An error as a person reads it: a mistake of theirs says itself what is wrong."""
    return str(error) if isinstance(error, PietyError) else failure(error)


def _titles(titles: tuple[str, ...], chosen: str) -> Styled:
    line = Styled()
    for title in titles:
        line.append(title, style="reverse" if title == chosen else "").append("  ")
    return line
