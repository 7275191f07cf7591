"""The widget of rows, one of which is chosen: a line each, cut off where there is no more room."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from rich.text import Text as Styled
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

_CHOSEN = Style(bgcolor="#44475a")
_CHOSEN_WITHOUT_COLOURS = Style(underline=True)
_HERE = Style(reverse=True)


class Rows(Widget, can_focus=True):
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
            has_colours = getattr(self.app, "has_colours", True)
            style += _HERE if self.has_focus else _CHOSEN if has_colours else _CHOSEN_WITHOUT_COLOURS
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

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down."""
        self._scroll(3)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up."""
        self._scroll(-3)
        event.stop()

    def _scroll(self, by: int) -> None:
        self._top = max(min(self._top + by, len(self.lines) - 1), 0)
        self.at = max(min(self.at, self._top + self.page), self._top)
        self.choose(self.at)
