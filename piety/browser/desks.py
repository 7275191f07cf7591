"""Desks: what a desktop shows, kept in the image, so that it is there again after a restart or a pulled plug.

A desk has a name, and is written a second after something of it has changed; that is no turn of the user's, so nobody
undoes it by accident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from piety.browser.inspecting import Address, Step
from piety.objects.turns import SYSTEM
from piety.scheduler.requests import Promised

if TYPE_CHECKING:
    from piety.objects.image import Image


class Shown(NamedTuple):
    """One column: what it shows, by which view, and the row that is chosen."""

    address: Address
    title: str | None = None
    row: int = 0


class Desk(Persistent):
    """The columns, as plain values: reference, steps, title, row."""

    columns: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"<desk with {len(self.columns)} column{'s' if len(self.columns) != 1 else ''}>"


def shown_on(image: Image, name: str) -> list[Shown]:
    """What a desk shows; nothing if there is none of this name."""
    with image.look() as world:
        desk = None if world.desks is None else world.desks.get(name)
        columns = () if desk is None else desk.columns
    return [Shown(Address(ref, tuple(Step(*step) for step in steps)), title, row) for ref, steps, title, row in columns]


class Saving(Promised):
    """Writes what a desk shows."""

    label, user = "desk", SYSTEM
    runs_user_code = False

    def __init__(self, image: Image, name: str, columns: list[Shown]) -> None:
        super().__init__()
        self._image, self._name = image, name
        self._columns = tuple(
            (each.address.ref, tuple(map(tuple, each.address.steps)), each.title, each.row) for each in columns
        )

    def work(self) -> None:
        world = self._image.world
        if world.desks is None:
            world.desks = OOBTree()
        if (desk := world.desks.get(self._name)) is None:
            desk = world.desks[self._name] = Desk()
        if desk.columns != self._columns:
            desk.columns = self._columns
