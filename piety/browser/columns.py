"""The columns of a pane: one object each, with the rows or the characters of one of its views."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.text import Text as Styled
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from piety.browser.brief import clipped, failure
from piety.browser.desks import Shown
from piety.browser.drawing import Drawing
from piety.browser.editor import Editor
from piety.browser.inspecting import Address, Around, Sight
from piety.browser.rows import Rows
from piety.browser.sheet import Writer
from piety.browser.writing import type_into
from piety.errors import PietyError

if TYPE_CHECKING:
    from piety.browser.desktop import Desktop

PAGE = 100  # rows at first, and more each time that the last one is passed
LEAST = 30  # cells of a column


class Titles(Static):
    """The titles of the views of an object; a click chooses one."""

    class Chosen(Message):
        """A title was clicked."""

        def __init__(self, title: str) -> None:
            super().__init__()
            self.title = title

    def __init__(self) -> None:
        super().__init__(classes="titles", markup=False)
        self._titles: tuple[str, ...] = ()

    def show(self, titles: tuple[str, ...], chosen: str) -> None:
        """Show these, and which one is meant."""
        self._titles = titles
        line = Styled(no_wrap=True, overflow="ellipsis")
        for title in self._in_order(chosen):
            line.append(title, style="reverse" if title == chosen else "").append("  ")
        self.update(line)
        self.display = len(titles) > 1

    def _in_order(self, chosen: str) -> list[str]:
        """The one that is chosen is seen, however many there are."""
        titles = list(self._titles)
        room = max(self.size.width, LEAST)
        while titles and chosen in titles[1:] and len("  ".join(titles[: titles.index(chosen) + 1])) > room:
            titles.append(titles.pop(0))
        self._shown = titles
        return titles

    def on_click(self, event: events.Click) -> None:
        """Choose the title that was clicked."""
        at = 0
        for title in self._shown:
            if at <= event.x < at + len(title):
                self.post_message(self.Chosen(title))
            at += len(title) + 2


class Column(Vertical):
    """One object: what it is, its views, and the rows or the characters of one."""

    DEFAULT_CSS = """
    Column { width: 1fr; min-width: 26; height: 1fr; border-left: solid $surface-lighten-2; padding: 0 1 0 0; }
    Column:first-child { border-left: none; }
    Column .head { height: 1; text-style: bold; color: $text-muted; }
    Column:focus-within .head { color: $text-accent; text-style: bold underline; }
    Column .titles { height: 1; color: $text-muted; }
    Column .above { height: 1; text-style: underline; }
    """

    def __init__(self, desk: Desktop, shown: Shown) -> None:
        super().__init__()
        self.desk = desk
        self.address = shown.address
        self.wanted = shown.title
        self._at_first = shown  # where one is in what is shown first
        self.sight: Sight | None = None
        self._head = Static(classes="head", markup=False)
        self.titles = Titles()
        self._above, self.table, self.editor = Static(classes="above", markup=False), Rows(), Editor()
        self.editor.tell = lambda typed: type_into(desk, self, typed)
        self.editor.get = lambda: desk.ask_for(self)
        self.writer = Writer()  # belongs to the turn thread
        self.rows = PAGE
        self.asked: asyncio.Task[None] | None = None
        self.is_slow = False  # whether it took so long that it is not asked for anew by itself
        self.arrived = asyncio.Event()  # set when what is wanted is shown, or was waited for long enough

    def compose(self) -> ComposeResult:
        yield from (self._head, self.titles, self._above, self.table, self.editor)

    def on_mount(self) -> None:
        self.editor.display = self._above.display = False

    # -- what its parts tell

    def on_resize(self, _event: events.Resize) -> None:
        """What is shown is as wide as the column; so this comes before anything is shown."""
        self.desk.ask_for(self)

    def on_mouse_down(self, _event: events.MouseDown) -> None:
        """One wants to be here."""
        self.desk.go_to_column(self)

    def on_titles_chosen(self, event: Titles.Chosen) -> None:
        """A title was clicked."""
        self.desk.show_view(self, event.title)

    async def on_rows_opened(self, _event: Rows.Opened) -> None:
        """A row was clicked that was chosen already."""
        await self.desk.open_row()

    def on_rows_at_end(self, _event: Rows.AtEnd) -> None:
        """One has come to the end of the rows."""
        self.desk.more_rows(self)

    # -- what is shown

    @property
    def body(self) -> Rows | Editor:
        """What has the keys: the rows, or the characters."""
        return self.editor if self.is_text else self.table

    @property
    def is_text(self) -> bool:
        """Whether characters are shown."""
        return self.sight is not None and self.sight.window is not None

    def show(self, sight: Sight) -> None:
        """Show what was made of the object; the row that is chosen stays so."""
        self.arrived.set()
        self.wanted = sight.title
        self.titles.show(sight.titles, sight.title)
        if sight == self.sight and sight.window is None:
            return
        before, self.sight = self.sight, sight
        self._head.update(sight.head)
        self.editor.display, self.table.display = self.is_text, not self.is_text
        self._above.display = not self.is_text and bool(sight.drawing.above)
        is_same_view = before is not None and before.title == sight.title
        if sight.window is not None:
            self._show_text(sight, is_same_view)
        else:
            self._show_rows(sight.drawing, is_same_view)

    def _show_rows(self, drawing: Drawing, is_same_view: bool) -> None:
        self._above.update(drawing.above)
        lines = [*drawing.lines, *filter(None, [drawing.more])]
        self.table.show(lines, self.table.at if is_same_view else self._first().row)

    def _show_text(self, sight: Sight, is_same_view: bool) -> None:
        assert sight.window is not None
        editor, sheet = self.editor, self.editor.sheet
        editor.language, editor.is_editable = sight.language, sight.is_editable
        sheet.take(sight.window)
        if not is_same_view:
            first = self._first()
            place = first.row
            if sight.line is not None:
                place = sheet.start_of(sight.line)
            editor.go(place)
            sheet.anchor = max(min(place if first.anchor is None else first.anchor, sheet.end), sheet.window.start)
            editor.is_entered = False
            editor.top = max(first.top if sight.line is None else sight.line - editor.rows // 3, 0)
        elif sight.window.selection is not None:
            editor.see()
        editor.show()

    def _first(self) -> Shown:
        """Where one was in what is shown first; of other views at the beginning."""
        first, self._at_first = self._at_first, Shown(self.address)
        return first if first.title in (None, self.wanted) else self._at_first

    @property
    def shown(self) -> Shown:
        """What is to be kept of it."""
        if self.sight is None:
            return self._at_first
        if self.is_text:
            sheet = self.editor.sheet
            anchor = None if sheet.anchor == sheet.place else sheet.anchor
            return Shown(self.address, self.wanted, sheet.place, anchor, self.editor.top)
        return Shown(self.address, self.wanted, self.table.at)

    @property
    def below(self) -> Address | None:
        """The address of what the row stands for that is chosen, if it stands for anything."""
        row, sight = self.chosen, self.sight
        if row is None or sight is None:
            return None
        names = sight.drawing.names
        return self.address.below(sight.title, row, names[row] if row < len(names) else None)

    @property
    def chosen(self) -> int | None:
        """The number of the row that is chosen, if it stands for an object."""
        if self.is_text or self.sight is None or self.table.at >= self.sight.drawing.rows:
            return None
        return self.table.at

    def forget_typing(self) -> None:
        """What was typed did not come to anything: take the text as it is."""
        self.writer = Writer()
        self.editor.sheet.forget()

    @property
    def around(self) -> Around:
        """The part of a text that is to be asked for."""
        if self.sight is None or not self.is_text or self.sight.title != self.wanted:
            return Around(self._at_first.row, is_first=True)
        return Around(*self.editor.wanted, self.editor.sheet.known)


def instead(said: str, width: int) -> Sight:
    """What is shown where there is nothing to show."""
    return Sight(clipped(said, width), (), "", Drawing(()))


def why(error: BaseException) -> str:
    """An error as a person reads it: a mistake of theirs says itself what is wrong."""
    return str(error) if isinstance(error, PietyError) else failure(error)
