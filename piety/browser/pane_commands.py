"""What can be done with panes: the commands of the screen itself.  Most begin with Ctrl-W."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piety.browser.commands import built_in
from piety.browser.tiles import neighbour, raised, regions, resized, split, stack_of, stacked, without

if TYPE_CHECKING:
    from piety.browser.desktop import Desktop


@built_in("Split to the right", "ctrl+w.v")
async def split_right(desk: Desktop) -> None:
    """Open another pane on the right of this one, on the same object."""
    await _split(desk, is_row=True)


@built_in("Split below", "ctrl+w.s")
async def split_below(desk: Desktop) -> None:
    """Open another pane below this one, on the same object."""
    await _split(desk, is_row=False)


async def _split(desk: Desktop, is_row: bool) -> None:
    pane, column = desk.pane, desk.column
    tile = desk.tiles.tile
    desk.tiles.zoomed = None
    await desk.open_pane(column.address, lambda new: split(tile, pane.number, new, is_row), column.wanted)


@built_in("Stack", "ctrl+w.t")
async def stack(desk: Desktop) -> None:
    """Open another pane in the place of this one, on the same object; this one lies under it."""
    pane, column = desk.pane, desk.column
    tile = desk.tiles.tile
    desk.tiles.zoomed = None
    await desk.open_pane(column.address, lambda new: stacked(tile, pane.number, new), column.wanted)


@built_in("Next in the stack", "ctrl+w.n")
def next_in_stack(desk: Desktop) -> None:
    """Show the next pane of those that lie in this place."""
    panes = stack_of(desk.tiles.tile, desk.pane.number).panes
    number = panes[(panes.index(desk.pane.number) + 1) % len(panes)]
    desk.tiles.tile = raised(desk.tiles.tile, number)
    desk.tiles.zoomed = number if desk.tiles.zoomed is not None else None
    desk.arrange(desk.panes[number])


@built_in("Close pane", "ctrl+w.c ctrl+w.q")
async def close(desk: Desktop) -> None:
    """Close this pane; what it shows is not changed.  The last one stays."""
    pane = desk.pane
    left = without(desk.tiles.tile, pane.number)
    if left is None:
        desk.say("this is the last pane; Ctrl-\\ leaves the desktop")
        return
    found = regions(desk.tiles.tile, desk.tiles.size.region)
    panes = stack_of(desk.tiles.tile, pane.number).panes
    desk.tiles.tile, desk.tiles.zoomed = left, None
    await desk.close_pane(pane)
    beside = [number for number in panes if number != pane.number]
    beside += [n for step in ((-1, 0), (0, -1), (1, 0), (0, 1)) if (n := neighbour(found, pane.number, *step))]
    desk.arrange(desk.panes[next((n for n in beside if n in desk.panes), min(desk.panes))])


@built_in("Next pane", "ctrl+w.w ctrl+w.ctrl+w")
def next_pane(desk: Desktop) -> None:
    """Go to the next of the panes that are seen."""
    there = list(regions(desk.tiles.shared, desk.tiles.size.region))
    desk.go_to(desk.panes[there[(there.index(desk.pane.number) + 1) % len(there)]])


@built_in("Pane on the left", "ctrl+w.left ctrl+w.h")
def left(desk: Desktop) -> None:
    """Go to the pane on the left."""
    _go(desk, -1, 0)


@built_in("Pane on the right", "ctrl+w.right ctrl+w.l")
def right(desk: Desktop) -> None:
    """Go to the pane on the right."""
    _go(desk, 1, 0)


@built_in("Pane above", "ctrl+w.up ctrl+w.k")
def up(desk: Desktop) -> None:
    """Go to the pane above."""
    _go(desk, 0, -1)


@built_in("Pane below", "ctrl+w.down ctrl+w.j")
def down(desk: Desktop) -> None:
    """Go to the pane below."""
    _go(desk, 0, 1)


def _go(desk: Desktop, across: int, down: int) -> None:
    found = regions(desk.tiles.shared, desk.tiles.size.region)
    number = neighbour(found, desk.pane.number, across, down)
    if number is not None:
        desk.go_to(desk.panes[number])


@built_in("Wider", "ctrl+w.>")
def wider(desk: Desktop) -> None:
    """Give this pane more of the width."""
    _resize(desk, is_row=True, by=0.05)


@built_in("Narrower", "ctrl+w.<")
def narrower(desk: Desktop) -> None:
    """Give this pane less of the width."""
    _resize(desk, is_row=True, by=-0.05)


@built_in("Taller", "ctrl+w.+")
def taller(desk: Desktop) -> None:
    """Give this pane more of the height."""
    _resize(desk, is_row=False, by=0.05)


@built_in("Lower", "ctrl+w.-")
def lower(desk: Desktop) -> None:
    """Give this pane less of the height."""
    _resize(desk, is_row=False, by=-0.05)


def _resize(desk: Desktop, is_row: bool, by: float) -> None:
    desk.tiles.tile = resized(desk.tiles.tile, desk.pane.number, is_row, by)
    desk.arrange(desk.pane)


@built_in("Zoom", "ctrl+w.z")
def zoom(desk: Desktop) -> None:
    """Give this pane the whole screen, or put all back where they were."""
    desk.tiles.zoomed = desk.pane.number if desk.tiles.zoomed is None else None
    desk.arrange(desk.pane)


@built_in("Leave", "ctrl+backslash ctrl+q")
async def leave(desk: Desktop) -> None:
    """Leave the desktop; the system goes on, and so does what is shown."""
    await desk.leave()


@built_in("Interrupt", "ctrl+t")
def interrupt(desk: Desktop) -> None:
    """Stop the turn that runs."""
    if desk.system.interrupt() is None:
        desk.say("no turn runs")


@built_in("What does this key do", "f1")
def tell_key(desk: Desktop) -> None:
    """Tell what the next key does, with its source."""
    desk.keyboard.tells = True
    desk.say("press a key, to be told what it does")
