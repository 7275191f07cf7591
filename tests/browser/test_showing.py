"""What the turn thread gives to a desktop arrives in the desktop's own thread, whenever it comes; keys wait for it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterator

import pytest
from conftest import System
from running import Running

from piety.browser.columns import Column
from piety.browser.desks import Shown
from piety.browser.desktop import Desktop
from piety.browser.inspecting import Address

Rest = Callable[[], Awaitable[None]]  # until nothing goes on any more
Resize = Callable[[int, int], Awaitable[None]]  # to so many columns and rows


def at_a_desktop(running: Running, use: Callable[[Desktop, Rest, Resize], Awaitable[None]]) -> None:
    """Use a desktop without a terminal."""

    async def run() -> None:
        desk = Desktop(running.system, None, "desk", "garden")
        async with desk.run_test(size=(80, 24)) as pilot:

            async def rest() -> None:
                for _ in range(10):
                    contextvars.Context().run(running.go)  # as on the turn thread, which knows of no desktop
                    await pilot.pause()

            async def resize(columns: int, rows: int) -> None:
                await pilot.resize_terminal(columns, rows)
                await rest()

            await rest()
            await use(desk, rest, resize)

    asyncio.run(run())


@pytest.fixture
def running(system: System) -> Iterator[Running]:
    running = Running(system)
    running.run("garden = {'sunny': 1, 'shady': 2}")
    yield running
    running.system.loop.effects.close()


def test_what_is_not_on_the_screen_yet_is_not_shown(running: Running) -> None:
    """One who types on means what is about to be seen: its keys are not done before it is."""

    async def use(desk: Desktop, rest: Rest, _resize: Resize) -> None:
        assert desk.column.sight is not None
        column = Column(desk, Shown(Address("garden")))
        desk.pane.columns.append(column)
        desk.follow()
        await rest()
        assert not column.arrived.is_set()
        await desk.pane.mount(column)
        await rest()
        assert column.arrived.is_set()
        assert column.sight == desk.column.sight

    at_a_desktop(running, use)


def test_what_comes_from_another_thread_is_done_as_the_desktop(running: Running) -> None:
    async def use(desk: Desktop, rest: Rest, _resize: Resize) -> None:
        found: list[bool] = []
        contextvars.Context().run(desk.soon_here, lambda: found.append(Column(desk, Shown(Address("it"))).app is desk))
        await rest()
        assert found == [True]

    at_a_desktop(running, use)


def test_what_was_opened_without_room_is_seen_when_there_is_room(running: Running) -> None:
    async def use(desk: Desktop, rest: Rest, resize: Resize) -> None:
        pane = desk.pane
        await resize(20, 5)
        for _ in range(3):  # more than have room side by side afterwards
            await desk.open_column(Address("garden"), desk.column)
        await rest()
        await resize(80, 24)
        assert desk.column is pane.columns[-1]
        assert pane.region.contains_region(desk.column.region)

    at_a_desktop(running, use)
