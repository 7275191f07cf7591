"""What the turn thread gives to a desktop arrives in the desktop's own thread, whenever it comes; keys wait for it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import pytest
from conftest import System
from running import Running

from piety.browser.columns import Column
from piety.browser.desks import Shown
from piety.browser.desktop import Desktop
from piety.browser.inspecting import Address


def at_a_desktop(running: Running, use: Callable[[Desktop, Callable[[], Awaitable[None]]], Awaitable[None]]) -> None:
    """Use a desktop without a terminal; what it is given awaits all that goes on."""

    async def run() -> None:
        desk = Desktop(running.system, None, "desk", "garden")
        async with desk.run_test() as pilot:

            async def rest() -> None:
                for _ in range(10):
                    contextvars.Context().run(running.go)  # as on the turn thread, which knows of no desktop
                    await pilot.pause()

            await rest()
            await use(desk, rest)

    asyncio.run(run())


@pytest.fixture
def running(system: System) -> Running:
    running = Running(system)
    running.run("garden = {'sunny': 1, 'shady': 2}")
    return running


def test_what_is_not_on_the_screen_yet_is_not_shown(running: Running) -> None:
    """One who types on means what is about to be seen: its keys are not done before it is."""

    async def use(desk: Desktop, rest: Callable[[], Awaitable[None]]) -> None:
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
    async def use(desk: Desktop, rest: Callable[[], Awaitable[None]]) -> None:
        found: list[bool] = []
        contextvars.Context().run(desk.soon_here, lambda: found.append(Column(desk, Shown(Address("it"))).app is desk))
        await rest()
        assert found == [True]

    at_a_desktop(running, use)
