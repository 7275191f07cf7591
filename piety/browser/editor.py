"""The widget in which a text is read and edited: what it draws is its sheet (`sheet.py`), and nothing else.

What keys do here are commands (`text_commands.py`); only characters that are typed come in by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text as Styled
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from piety.browser import highlight
from piety.browser.rows import Wheeled, mark
from piety.browser.sheet import Sheet, Typed
from piety.objects.edits import Place

TAB = 4  # cells
MARGIN = 2  # lines that are seen above and below the cursor
NEAR = 1_000  # characters from the end of the window, at which more of the text is asked for


class Editor(Wheeled, Widget, can_focus=True):
    """A text, with a cursor and a selection."""

    DEFAULT_CSS = "Editor { height: 1fr; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.sheet = Sheet()
        self.tell: Callable[[Typed], object] = lambda typed: None  # who does what was typed
        self.get: Callable[[], object] = lambda: None  # who gets the part of the text that is wanted
        self.arrived = asyncio.Event()  # whether one is where one was to go
        self.arrived.set()
        self.language = ""
        self.is_editable = False
        self.is_entered = False  # whether one has done anything here since it is shown
        self.top = 0  # the number of the line that is shown first
        self.left = 0  # cells that are not seen on the left
        self._column: int | None = None  # the cell in which the cursor goes up and down
        self._wanted: tuple[int | None, Place] | None = None
        self._goal: tuple[Place, Place] | None = None  # where to go, and where the selection begins, once that is there
        self._line_goal: tuple[int, bool] | None = None  # the same with a line, and whether one selects on the way
        self._spans: tuple[object, list[list[highlight.Span]]] = (None, [])

    # -- what is shown

    def show(self) -> None:
        """The sheet has changed."""
        self._reach()
        self._clamp()
        self.refresh()

    @property
    def rows(self) -> int:
        """How many lines can be seen."""
        return max(self.size.height, 1)

    def render_line(self, y: int) -> Strip:
        """One line on the screen."""
        width, sheet = self.size.width, self.sheet
        line = self.top + y
        if line > sheet.last_line:
            return Strip.blank(width, self.rich_style)
        is_here = sheet.has_cursor and sheet.line_of(sheet.place) == line
        left = self.left if is_here else 0  # only the line that one is in is moved to the left
        string = sheet.line(line)[: left + width + 1]
        shown, places = shown_line(string)
        styled = Styled(shown, style=self.rich_style, end="", no_wrap=True)
        spans = self._coloured(y)
        for start, end, style in spans:
            if start < len(string):
                styled.stylize(style, places[start], places[min(end, len(string))])
        self._mark(styled, line, places)
        base = self.rich_style
        segments = styled.render(self.app.console)  # without any style of its own, a text is drawn without one at all
        strip = Strip([Segment(text, base + style if style else base) for text, style, _control in segments])
        strip = strip.crop(left, left + width) if left else strip
        if strip.cell_length > width:
            return Strip([*strip.crop(0, width - 1), Segment("\u2026", base + _DIM)])
        return strip.adjust_cell_length(width, base)

    def _coloured(self, y: int) -> list[highlight.Span]:
        key = self.sheet.text, self.top, self.rows, self.sheet.window.line, self.language
        if self._spans[0] != key:
            above = min(highlight.ABOVE, self.top - self.sheet.window.line)
            if above < 0:
                return []
            lines = [self.sheet.line(n) for n in range(self.top - above, self.top + self.rows)]
            self._spans = key, highlight.spans(lines, self.language, above)
        return self._spans[1][y] if y < len(self._spans[1]) else []

    def _mark(self, styled: Styled, line: int, places: list[int]) -> None:
        """Show the selection and the cursor."""
        sheet = self.sheet
        begin = sheet.start_of(line)
        start, end = (place - begin for place in sheet.selection)
        last = len(places) - 1
        if start != end and start <= last and end >= 0:
            if end > last:
                styled.append(" ")
            first = places[max(start, 0)]
            styled.stylize(mark(self.app), first, places[end] if end <= last else len(styled.plain))
        at = sheet.place - begin
        if self.has_focus and sheet.has_cursor and sheet.line_of(sheet.place) == line and 0 <= at <= last:
            if places[at] >= len(styled.plain):
                styled.append(" ")
            styled.stylize(Style(reverse=True), places[at], places[at] + 1)

    # -- where one is

    def go(self, place: Place, selecting: bool = False, keeps_column: bool = False) -> None:
        """Go to a place, with a selection from where one was if one is selecting."""
        sheet = self.sheet
        sheet.place = max(min(place, sheet.end), sheet.window.start)
        if not selecting:
            sheet.anchor = sheet.place
        if not keeps_column:
            self._column = None
        self.is_entered = True
        self._see_cursor()
        self.refresh()

    def go_to(self, place: Place, anchor: Place | None = None) -> None:
        """Go to a place that may lie outside of the window; `anchor` is where the selection begins."""
        sheet = self.sheet
        self._goal = (place, place if anchor is None else anchor)
        if sheet.window.has(place):
            self._reach()
        else:
            self._set_out()

    def _set_out(self) -> None:
        """Ask for the part of the text to which one is to go."""
        self.arrived.clear()
        self.get()

    def _reach(self) -> None:
        if self._line_goal is not None and self.sheet.has_line(self._line_goal[0]):
            line, selecting = self._line_goal
            self._line_goal = None
            self.go(self._place_in(line, self._column or 0), selecting, keeps_column=True)
        if self._goal is not None and self.sheet.window.has(self._goal[0]):
            (place, anchor), self._goal = self._goal, None
            self.go(place)
            self.sheet.anchor = max(min(anchor, self.sheet.end), self.sheet.window.start)
        if self._goal is None and self._line_goal is None:
            self.arrived.set()

    def go_to_line(self, line: int) -> None:
        """Go to the beginning of a line, which may lie outside of the window."""
        self._column = 0
        if self.sheet.has_line(line):
            self.go(self.sheet.start_of(line))
        else:
            self._line_goal = line, False
            self._set_out()

    def come_back(self) -> None:
        """Go where the cursor is, if one has scrolled far away from it."""
        if not self.sheet.has_cursor:
            self.go_to(self.sheet.place, self.sheet.anchor)

    def stay(self) -> None:
        """Go nowhere else."""
        self._goal = self._line_goal = None
        self.arrived.set()

    @property
    def wanted(self) -> tuple[Place, int | None]:
        """The part of the text that is to be there: around a place, or a line."""
        place = self.sheet.place if self._goal is None else self._goal[0]
        line = self.sheet.line_of(self.sheet.place)
        if self._line_goal is not None:
            return place, self._line_goal[0]
        is_seen = self.sheet.has_cursor and self.top <= line < self.top + self.rows
        return place, None if self._goal is not None or is_seen else self.top

    def go_lines(self, by: int, selecting: bool = False) -> None:
        """Go up or down by so many lines, in the same column."""
        sheet = self.sheet
        line = sheet.line_of(sheet.place)
        if self._column is None:
            self._column = cell_len(shown_line(sheet.line(line)[: sheet.place - sheet.start_of(line)])[0])
        line = line if self._line_goal is None else self._line_goal[0]
        to = max(min(line + by, sheet.last_line), 0)
        if sheet.has_line(to):
            self._line_goal = None
            self.go(self._place_in(to, self._column), selecting, keeps_column=True)
        else:
            self._line_goal = to, selecting
            self._set_out()

    def _place_in(self, line: int, cell: int) -> Place:
        string = self.sheet.line(line)[: cell + 1]
        shown, places = shown_line(string)
        for at in range(len(places) - 1):
            if cell_len(shown[: places[at + 1]]) > cell:
                return self.sheet.start_of(line) + at
        return self.sheet.start_of(line) + len(string)

    def scroll(self, by: int) -> None:
        """Show what is above or below; the cursor stays where it is."""
        self.top += by
        self._clamp()
        self.refresh()

    def on_resize(self, _event: events.Resize) -> None:
        """The cursor is seen."""
        self.see()

    def _see_cursor(self) -> None:
        if not self.size.area:  # it is not on the screen yet
            return
        sheet = self.sheet
        line = sheet.line_of(sheet.place)
        margin = MARGIN if self.rows > 3 * MARGIN else 0
        self.top = min(max(self.top, line - self.rows + 1 + margin), max(line - margin, 0))
        cell = cell_len(shown_line(sheet.line(line)[: sheet.place - sheet.start_of(line)])[0])
        width = max(self.size.width, 1)
        if not self.left <= cell < self.left + width:
            self.left = 0 if cell < width else cell - width // 2
        self._clamp()

    def _clamp(self) -> None:
        """No line above the first or below the last; and ask for what is to be seen, and not there."""
        sheet = self.sheet
        self.top = max(min(self.top, sheet.last_line), 0)
        first, last = sheet.window.line, sheet.window.line + len(sheet.starts) - 1
        if self.top < first or min(self.top + self.rows - 1, sheet.last_line) > last:
            self._want(self.top, sheet.place)
        elif sheet.has_cursor and (
            sheet.place - NEAR < sheet.window.start > 0 or sheet.end < min(sheet.place + NEAR, sheet.window.size)
        ):
            self._want(None, sheet.place)

    def _want(self, line: int | None, place: Place) -> None:
        """Ask for another part of the text, but not again for one that has not all that is to be seen."""
        if self._wanted != (line, place):
            self._wanted = (line, place)
            self.get()

    def see(self) -> None:
        """Show where the cursor is."""
        self._see_cursor()
        self.refresh()

    # -- typing

    def type(self, string: str, start: Place | None = None, end: Place | None = None) -> None:
        """Put a string in place of what is selected, or of what is between two places of the window."""
        if not self.is_editable:
            return
        sheet = self.sheet
        first, last = sheet.selection
        typed = sheet.type(first if start is None else start, last if end is None else end, string)
        self._column = None
        self.is_entered = True
        self.tell(typed)
        self._see_cursor()
        self.refresh()

    def on_paste(self, event: events.Paste) -> None:
        """Type what was pasted in the terminal."""
        self.type(event.text.replace("\r\n", "\n").replace("\r", "\n"))
        event.stop()

    # -- the mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor there."""
        self.go(self._place_at(event.x, event.y), selecting=event.shift)
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select up to there, while the button is held."""
        if self.app.mouse_captured is self:
            self.go(self._place_at(event.x, max(min(event.y, self.rows - 1), 0)), selecting=True)

    def on_mouse_up(self, _event: events.MouseUp) -> None:
        """The selection is made."""
        self.release_mouse()

    def _place_at(self, x: int, y: int) -> Place:
        return self._place_in(min(self.top + y, self.sheet.last_line), self.left + x)


_DIM = Style(dim=True)


def shown_line(string: str) -> tuple[str, list[int]]:
    """A line as it is shown, and where each of its characters stands there, and the end."""
    if string.isascii() and string.isprintable():
        return string, list(range(len(string) + 1))
    parts, places, at, cells = [], [], 0, 0
    for each in _printable(string):
        places.append(at)
        part = " " * (TAB - cells % TAB) if each == "\t" else each
        parts.append(part)
        at += len(part)
        cells += cell_len(part)
    return "".join(parts), [*places, at]


def _printable(string: str) -> Iterator[str]:
    for each in string:
        yield each if each.isprintable() or each == "\t" else "\ufffd"
