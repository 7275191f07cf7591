"""Panes: parts of the screen, each with columns; and the room that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.containers import HorizontalScroll
from textual.geometry import NULL_OFFSET, NULL_SPACING, Size
from textual.layout import DockArrangeResult, WidgetPlacement
from textual.widget import Widget

from piety.browser.columns import Column
from piety.browser.desks import Shown
from piety.browser.tiles import Stack, Tile, regions

if TYPE_CHECKING:
    from piety.browser.desktop import Desktop

NAME = 24  # characters of a reference by which a pane is called


class Pane(HorizontalScroll, inherit_bindings=False):
    """Objects side by side: each column shows what was opened in the one before."""

    DEFAULT_CSS = """
    Pane { border: round $surface-lighten-2; padding: 0; scrollbar-size-horizontal: 0; }
    Pane:focus-within { border: heavy $accent; }
    """

    can_focus = False

    def __init__(self, desk: Desktop, number: int) -> None:
        super().__init__()
        self._desk, self.number = desk, number
        self._drags: tuple[bool, bool] | None = None  # of the border that the mouse holds: is it upright, is it far
        self.columns: list[Column] = []
        self.at = 0  # the column in which one was last
        self.ahead: list[Shown] = []  # columns that one has gone back from, the nearest last

    def on_resize(self, _event: events.Resize) -> None:
        """The column that one is in is seen, also if there was no room for it when it was opened."""
        if self.columns:
            self.call_after_refresh(self.column.scroll_visible, animate=False)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of a border."""
        place, size = event.screen_offset - self.region.offset, self.outer_size  # it may come up from what is within
        if place.x in (0, size.width - 1):
            self._drags = (True, place.x > 0)
        elif place.y in (0, size.height - 1):
            self._drags = (False, place.y > 0)
        if self._drags is not None:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move the border that is held."""
        if self._drags is not None:
            is_row, is_far = self._drags
            self._desk.move_border(self, is_row, is_far, int(event.screen_x if is_row else event.screen_y))

    def on_mouse_up(self, _event: events.MouseUp) -> None:
        """Let it go."""
        self._drags = None
        self.release_mouse()

    @property
    def column(self) -> Column:
        """The column that one is in, or was in last."""
        self.at = max(min(self.at, len(self.columns) - 1), 0)
        return self.columns[self.at]

    @property
    def label(self) -> str:
        """What is shown, in a few words."""
        if not self.columns:
            return ""
        first = self.columns[0]
        ref = first.address.ref
        return ref if len(ref) <= NAME or first.sight is None else first.sight.head


class Tiles(Widget):
    """The room that the panes share."""

    DEFAULT_CSS = "Tiles { height: 1fr; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.tile: Tile = Stack((1,))
        self.zoomed: int | None = None  # the pane that has all the room for a while

    @property
    def shared(self) -> Tile:
        """The tiles that are seen."""
        return self.tile if self.zoomed is None else Stack((self.zoomed,))

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Each pane in its place; Textual asks for it."""
        del optimal
        found = regions(self.shared, size.region)
        there = [pane for pane in self.children if isinstance(pane, Pane) and pane.number in found]
        placements = [WidgetPlacement(found[pane.number], NULL_OFFSET, NULL_SPACING, pane) for pane in there]
        return DockArrangeResult(placements, set(there), NULL_SPACING)
