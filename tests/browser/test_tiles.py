"""Tiles keep every pane, and share the room without a gap, whatever is done to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region

from piety.browser.tiles import (
    LEAST,
    Split,
    Stack,
    Tile,
    neighbour,
    panes,
    plain,
    raised,
    regions,
    resized,
    seen,
    split,
    stack_of,
    stacked,
    tile_of,
    without,
)  # fmt: skip

ROOM = Region(0, 0, 80, 24)
DOING = st.lists(st.tuples(st.sampled_from("rcsuwxyXY"), st.integers(0, 30)), max_size=30)


def after(doing: list[tuple[str, int]]) -> tuple[Tile, set[int]]:
    """Some tiles, made as a person makes them; and the panes that there have to be."""
    tile: Tile = Stack((0,))
    there = {0}
    for what, number in doing:
        pane = sorted(there)[number % len(there)]
        new = max(there) + 1
        if what in "rc":
            tile = split(tile, pane, new, is_row=what == "r")
        elif what == "s":
            tile = stacked(tile, pane, new)
        elif what == "u":
            tile = raised(tile, pane)
        elif what in "xyXY":
            tile = resized(tile, pane, what in "xX", -0.3 if what in "XY" else 0.3)
        elif what == "w" and len(there) > 1:
            less = without(tile, pane)
            assert less is not None
            tile = less
            there.discard(pane)
        there |= {new} if what in "rcs" else set()
    return tile, there


@given(DOING)
def test_each_pane_is_once(doing: list[tuple[str, int]]) -> None:
    tile, there = after(doing)
    assert sorted(panes(tile)) == sorted(there)
    assert set(seen(tile)) <= there
    assert tile_of(plain(tile)) == tile


@given(DOING)
def test_the_room_is_shared_without_a_gap(doing: list[tuple[str, int]]) -> None:
    tile, _there = after(doing)
    cells: dict[tuple[int, int], int] = {}
    for pane, place in regions(tile, ROOM).items():
        for x in range(place.x, place.right):
            for y in range(place.y, place.bottom):
                assert (x, y) not in cells
                cells[x, y] = pane
    assert len(cells) == ROOM.area


@given(DOING)
def test_no_share_is_lost(doing: list[tuple[str, int]]) -> None:
    def check(tile: Tile) -> None:
        if isinstance(tile, Split):
            assert len(tile.parts) == len(tile.shares) > 1
            assert abs(sum(tile.shares) - 1) < 1e-6
            assert all(share > 0 for share in tile.shares)
            for part in tile.parts:
                check(part)

    check(after(doing)[0])


def test_a_pane_is_made_larger_until_the_other_is_small() -> None:
    tile: Tile = Split(True, (Stack((1,)), Stack((2,))), (0.5, 0.5))
    for _ in range(20):
        tile = resized(tile, 1, True, 0.05)
    assert isinstance(tile, Split)
    assert abs(tile.shares[1] - LEAST) < 1e-6
    assert resized(tile, 1, False, 0.05) == tile


def test_one_goes_to_the_neighbour() -> None:
    tile = split(split(Stack((1,)), 1, 2, is_row=True), 2, 3, is_row=False)  # 1 | 2 above 3
    found = regions(tile, ROOM)
    assert neighbour(found, 1, 1, 0) == 2
    assert neighbour(found, 2, 0, 1) == 3
    assert neighbour(found, 3, -1, 0) == 1
    assert neighbour(found, 3, 0, 1) is None
    assert neighbour(found, 3, 0, -1) == 2


def test_of_several_neighbours_the_one_with_the_longest_border() -> None:
    found = {1: Region(0, 0, 40, 5), 2: Region(0, 5, 30, 45), 3: Region(40, 0, 10, 50), 4: Region(30, 5, 10, 45)}
    assert neighbour(found, 3, -1, 0) == 4
    assert neighbour(found, 4, -1, 0) == 2
    assert neighbour(found, 9, -1, 0) is None


def test_the_one_below_is_seen_when_the_top_goes() -> None:
    tile = stacked(stacked(Stack((1,)), 1, 2), 2, 3)
    assert list(seen(tile)) == [3]
    left = without(tile, 3)
    assert left is not None
    assert list(seen(left)) == [2]
    assert list(seen(raised(left, 1))) == [1]
    assert stack_of(left, 1) == Stack((1, 2), 1)
