"""Desks: what a desktop shows, kept in the image, so that it is there again after a restart or a pulled plug.

A desk has a name, and is written half a second after something of it has changed; that is no turn of the user's, so
nobody undoes it by accident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from piety.browser.inspecting import Address, Step
from piety.browser.tiles import Stack, Tile, plain, tile_of
from piety.browser.tiles import panes as panes_of
from piety.errors import PietyError
from piety.objects.turns import SYSTEM
from piety.scheduler.requests import Promised

if TYPE_CHECKING:
    from piety.objects.image import Image


class Shown(NamedTuple):
    """One column: what it shows, by which view, and the row that is chosen.

    Of a text `row` is the place of the cursor, `anchor` where the selection began, if there is one, and `top` the
    number of the line that is seen first.
    """

    address: Address
    title: str | None = None
    row: int = 0
    anchor: int | None = None
    top: int = 0


class Layout(NamedTuple):
    """All that is on a desktop: the panes with their columns, how they share the screen, where one is."""

    tile: Tile
    panes: dict[int, tuple[Shown, ...]]
    pane: int
    column: int = 0  # of that pane
    line: str = ""  # what was written to be evaluated, and was not


def layout_of(ref: str) -> Layout:
    """One pane, which shows one object."""
    return Layout(Stack((1,)), {1: (Shown(Address(ref)),)}, 1)


class Desk(Persistent):
    """What is on a desktop, as plain values."""

    layout: Any = None
    columns: tuple[Any, ...] = ()  # of a desk that was written when a desktop was one pane

    def __repr__(self) -> str:
        count = 1 if self.layout is None else len(self.layout[1])
        return f"<desk with {count} pane{'s' if count != 1 else ''}>"


def layout_on(image: Image, name: str) -> Layout | None:
    """What is on a desk; None if there is none of this name."""
    with image.look() as world:
        desk = None if world.desks is None else world.desks.get(name)
        if desk is None:
            return None
        if desk.layout is None:
            return Layout(Stack((1,)), {1: tuple(map(_shown, desk.columns))}, 1)
        tile, panes, pane, column, line = desk.layout
    found = {number: tuple(map(_shown, columns)) for number, columns in panes}
    layout = Layout(tile_of(tile), found, pane, column, line)
    if not found or not all(found.values()) or set(panes_of(layout.tile)) != set(found):
        raise PietyError("its record is damaged")
    return layout


def _shown(kept: Any) -> Shown:
    ref, steps, *rest = kept
    return Shown(Address(ref, tuple(Step(*step) for step in steps)), *rest)


def _plain(layout: Layout) -> Any:
    panes = tuple(
        (number, tuple((each.address.ref, tuple(map(tuple, each.address.steps)), *each[1:]) for each in columns))
        for number, columns in sorted(layout.panes.items())
    )
    return (plain(layout.tile), panes, *layout[2:])


class Saving(Promised):
    """Writes what is on a desktop."""

    label, user = "desk", SYSTEM
    runs_user_code = False

    def __init__(self, image: Image, name: str, layout: Layout) -> None:
        super().__init__()
        self._image, self._name, self._layout = image, name, _plain(layout)

    def work(self) -> None:
        world = self._image.world
        if world.desks is None:
            world.desks = OOBTree()
        if (desk := world.desks.get(self._name)) is None:
            desk = world.desks[self._name] = Desk()
        if desk.layout != self._layout:
            desk.layout = self._layout
            desk.columns = ()
