"""The widget of rows, one of which is chosen: a line each, cut off where there is no more room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.segment import Segment
from rich.style import Style
from rich.text import Text as Styled
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

_HERE = Style(reverse=True)
_MARKED, _MARKED_WITHOUT_COLOURS = Style(bgcolor="#44475a"), Style(underline=True)
WHEEL = 3  # rows or lines for each step of the wheel


def mark(app: Any) -> Style:
    """How what is chosen looks, or selected, if the keys are elsewhere: on a terminal without colours, underlined."""
    return _MARKED if getattr(app, "has_colours", True) else _MARKED_WITHOUT_COLOURS


class Wheeled:
    """What a wheel scrolls."""

    def scroll(self, by: int) -> None:
        """Show what is so many rows or lines below, or above."""
        raise NotImplementedError

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Show what is below."""
        self.scroll(WHEEL)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Show what is above."""
        self.scroll(-WHEEL)
        event.stop()


class Rows(Wheeled, Widget, can_focus=True):
    """Lines, of which one is chosen."""

    DEFAULT_CSS = "Rows { height: 1fr; width: 1fr; }"

    class Opened(Message):
        """A row was clicked that had been chosen already."""

    class AtEnd(Message):
        """The last row is chosen: who has more may give them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Sequence[str | Styled] = ()
        self.at = 0  # the number of the row that is chosen
        self._top = 0

    def show(self, lines: Sequence[str | Styled], at: int) -> None:
        """Show these, with this one chosen."""
        self.lines = lines
        self.choose(at)

    def choose(self, at: int) -> None:
        """Choose a row; the nearest, if there are not so many."""
        self.at = max(min(at, len(self.lines) - 1), 0)
        height = max(self.size.height, 1)
        self._top = min(max(self._top, self.at - height + 1), self.at, max(len(self.lines) - height, 0))
        self.refresh()
        if self.lines and self.at == len(self.lines) - 1:
            self.post_message(self.AtEnd())

    @property
    def page(self) -> int:
        """How many rows are seen at once."""
        return max(self.size.height - 1, 1)

    def render_line(self, y: int) -> Strip:
        """One row."""
        width, number = self.size.width, self._top + y
        if number >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        line = self.lines[number]
        styled = line.copy() if isinstance(line, Styled) else Styled(line)
        styled.end, styled.no_wrap = "", True
        style = self.rich_style
        if number == self.at:
            style += _HERE if self.has_focus else mark(self.app)
        segments = [Segment(text, (style + own) if own else style) for text, own, _c in styled.render(self.app.console)]
        return Strip(segments).adjust_cell_length(width, style)

    def on_resize(self, _event: events.Resize) -> None:
        """The one that is chosen is seen."""
        self.choose(self.at)

    def on_click(self, event: events.Click) -> None:
        """Choose a row; open the one that is chosen."""
        number = self._top + event.y
        if number < len(self.lines):
            if number == self.at:
                self.post_message(self.Opened())
            else:
                self.choose(number)

    def scroll(self, by: int) -> None:
        """Show what is above or below; the row that is chosen comes along."""
        self._top = max(min(self._top + by, len(self.lines) - 1), 0)
        self.at = max(min(self.at, self._top + self.page), self._top)
        self.choose(self.at)
