"""Tiles: how panes share a screen, as a tree that never changes.

    Stack((3, 5), 1)                  panes in one place, of which one is seen: here the second, pane 5
    Split(True, (one, two), (1, 2))   tiles side by side (False: one above the other), and their shares of the room

A pane is a number here.  Every function gives another tree, in which each pane is once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Union

from textual.geometry import Region

LEAST = 0.1  # the share of a tile that is not made smaller


class Stack(NamedTuple):
    """Panes in one place; `top` is the place among them of the one that is seen."""

    panes: tuple[int, ...]
    top: int = 0


class Split(NamedTuple):
    """Tiles that share a place; the shares are parts of 1."""

    is_row: bool
    parts: tuple[Tile, ...]
    shares: tuple[float, ...]


Tile = Union[Stack, Split]  # noqa: UP007  # the classes above know it by its name only


def panes(tile: Tile) -> Iterator[int]:
    """All panes, in the order in which one reads them."""
    if isinstance(tile, Stack):
        yield from tile.panes
    else:
        for part in tile.parts:
            yield from panes(part)


def seen(tile: Tile) -> Iterator[int]:
    """Those that are seen."""
    if isinstance(tile, Stack):
        yield tile.panes[tile.top]
    else:
        for part in tile.parts:
            yield from seen(part)


def stack_of(tile: Tile, pane: int) -> Stack:
    """The stack that a pane lies in."""
    if isinstance(tile, Stack):
        return tile
    return next(stack_of(part, pane) for part in tile.parts if pane in panes(part))


def _changed(tile: Tile, pane: int, stack: Tile) -> Tile:
    """Another tile in place of the stack of a pane."""
    if isinstance(tile, Stack):
        return stack if pane in tile.panes else tile
    return tile._replace(parts=tuple(_changed(part, pane, stack) for part in tile.parts))


def split(tile: Tile, pane: int, new: int, is_row: bool) -> Tile:
    """A new pane on the right of another one, or below it; they share its room."""
    if isinstance(tile, Split) and tile.is_row == is_row:
        for at, part in enumerate(tile.parts):
            if isinstance(part, Stack) and pane in part.panes:  # no split within a split of the same direction
                half = tile.shares[at] / 2
                parts = (*tile.parts[: at + 1], Stack((new,)), *tile.parts[at + 1 :])
                return Split(is_row, parts, (*tile.shares[:at], half, half, *tile.shares[at + 1 :]))
    if isinstance(tile, Split):
        return tile._replace(
            parts=tuple(split(part, pane, new, is_row) if pane in panes(part) else part for part in tile.parts)
        )
    return Split(is_row, (tile, Stack((new,))), (0.5, 0.5))


def stacked(tile: Tile, pane: int, new: int) -> Tile:
    """A new pane on top of another one."""
    stack = stack_of(tile, pane)
    at = stack.panes.index(pane) + 1
    return _changed(tile, pane, Stack((*stack.panes[:at], new, *stack.panes[at:]), at))


def raised(tile: Tile, pane: int) -> Tile:
    """A pane comes to the top of its stack."""
    stack = stack_of(tile, pane)
    return _changed(tile, pane, stack._replace(top=stack.panes.index(pane)))


def without(tile: Tile, pane: int) -> Tile | None:
    """The tree without a pane, whose room its neighbours get; None if it was the last one."""
    if isinstance(tile, Stack):
        if pane not in tile.panes:
            return tile
        at = tile.panes.index(pane)
        left = tile.panes[:at] + tile.panes[at + 1 :]
        top = tile.top - (at < tile.top or (at == tile.top and at == len(left)))
        return Stack(left, max(top, 0)) if left else None
    parts = [
        (part, share) for each, share in zip(tile.parts, tile.shares, strict=True) if (part := without(each, pane))
    ]
    if len(parts) == 1:
        return parts[0][0]
    whole = sum(share for _part, share in parts)
    return Split(tile.is_row, *zip(*((part, share / whole) for part, share in parts), strict=True))


def resized(tile: Tile, pane: int, is_row: bool, by: float) -> Tile:
    """Give a pane more of the room from left to right, or from top to bottom; less with a negative number."""
    if isinstance(tile, Stack):
        return tile
    at = next(at for at, part in enumerate(tile.parts) if pane in panes(part))
    parts = list(tile.parts)
    parts[at] = resized(parts[at], pane, is_row, by)
    if tile.is_row != is_row or parts[at] != tile.parts[at]:  # the innermost split that can
        return tile._replace(parts=tuple(parts))
    shares = list(tile.shares)
    other = at + 1 if at + 1 < len(shares) else at - 1
    giver, much = (other, by) if by > 0 else (at, -by)
    much = min(much, max(shares[giver] - LEAST, 0.0))
    shares[giver] -= much
    shares[at if by > 0 else other] += much
    return tile._replace(shares=tuple(shares))


def regions(tile: Tile, room: Region) -> dict[int, Region]:
    """Where each pane that is seen lies."""
    if isinstance(tile, Stack):
        return {tile.panes[tile.top]: room}
    found: dict[int, Region] = {}
    size = room.width if tile.is_row else room.height
    begin, sum_of_shares = 0, 0.0
    for part, share in zip(tile.parts, tile.shares, strict=True):
        sum_of_shares += share
        end = size if part is tile.parts[-1] else round(size * sum_of_shares)
        if tile.is_row:
            place = Region(room.x + begin, room.y, end - begin, room.height)
        else:
            place = Region(room.x, room.y + begin, room.width, end - begin)
        found.update(regions(part, place))
        begin = end
    return found


def neighbour(found: dict[int, Region], pane: int, across: int, down: int) -> int | None:
    """The pane that one comes to from another one by going across, or down, by -1 or 1; None at the edge.

    It is the nearest, and of those the one that has the longest border with it.
    """
    here = found.get(pane)
    if here is None:
        return None
    ranked = []
    for other, there in found.items():
        if across:
            gap = there.x - here.right if across > 0 else here.x - there.right
            overlap = min(there.bottom, here.bottom) - max(there.y, here.y)
        else:
            gap = there.y - here.bottom if down > 0 else here.y - there.bottom
            overlap = min(there.right, here.right) - max(there.x, here.x)
        if gap >= 0 and overlap > 0:
            ranked.append((gap, -overlap, other))
    return min(ranked)[-1] if ranked else None


# -- as it is kept in the image


def plain(tile: Tile) -> Any:
    """The same as plain tuples."""
    if isinstance(tile, Stack):
        return tuple(tile)
    return (tile.is_row, tuple(plain(part) for part in tile.parts), tile.shares)


def tile_of(kept: Any) -> Tile:
    """What was kept as plain tuples."""
    if len(kept) == 2:
        return Stack(*kept)
    is_row, parts, shares = kept
    return Split(is_row, tuple(tile_of(part) for part in parts), shares)
