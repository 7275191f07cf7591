"""Panes for what a person works with: code, texts, tasks, the past; and the search for anything.

Each shows an object as any other pane does: the tasks are `tasks()`, a workspace is a text.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from piety import boot
from piety.browser.anything import Hit, anything, object_of
from piety.browser.choosing import Choice, Choosing
from piety.browser.commands import Doing, built_in
from piety.browser.desks import Layout, Shown, layout_of
from piety.browser.inspecting import Address, find
from piety.browser.tiles import Split, Stack, raised, stacked
from piety.errors import PietyError
from piety.objects import transfer
from piety.objects.bookshelf import texts
from piety.objects.turns import SYSTEM

if TYPE_CHECKING:
    from piety.browser.desktop import Desktop
    from piety.objects.image import Image

WORKSPACE = "workspace"  # the name of the text in which one tries things


def first_layout(image: Image) -> Layout:
    """What somebody sees who is new here: a welcome, and a workspace under it; called between turns."""
    if "welcome" not in image.modules:
        return layout_of("world")
    make_text(image, WORKSPACE, SYSTEM)
    welcome, workspace = Shown(Address("__import__('welcome').welcome")), Shown(Address(f"texts[{WORKSPACE!r}]"))
    return Layout(Split(False, (Stack((1,)), Stack((2,))), (0.65, 0.35)), {1: (welcome,), 2: (workspace,)}, 1)


async def show_pane(desk: Desktop, ref: str, title: str | None = None) -> None:
    """Go to the pane that shows this, or open one in the place of the pane that one is in."""
    for pane in desk.panes.values():
        if pane.columns and pane.columns[0].address == Address(ref):
            desk.tiles.tile = raised(desk.tiles.tile, pane.number)
            desk.tiles.zoomed = pane.number if desk.tiles.zoomed is not None else None
            desk.arrange(pane)
            return
    tile, here, is_zoomed = desk.tiles.tile, desk.pane.number, desk.tiles.zoomed is not None
    desk.tiles.zoomed = None
    await desk.open_pane(Address(ref), lambda new: stacked(tile, here, new), title)
    if is_zoomed:
        desk.tiles.zoomed = desk.pane.number
        desk.arrange(desk.pane)


@built_in("World", "f2")
async def world(desk: Desktop) -> None:
    """Show the whole world: what is in the image."""
    await show_pane(desk, "world")


@built_in("Workspace", "f4")
async def workspace(desk: Desktop) -> None:
    """Show a text in which to try things; what is written there is kept."""
    await show_text(desk, WORKSPACE)


async def show_text(desk: Desktop, name: str) -> None:
    """Show a text by its name; it is made if it is not there."""
    await desk.call(lambda image: make_text(image, name), f"new text {name}")
    await show_pane(desk, f"texts[{name!r}]")


def make_text(image: Image, name: str, user: str | None = None) -> None:
    """Make a text if there is none of this name; called between turns."""
    with image.look() as world:
        is_there = world.texts is not None and name in world.texts
    if not is_there:
        with image.turn(f"new text {name}", user):
            texts.new(name)


@built_in("Text")
async def text(desk: Desktop) -> None:
    """Show a text by its name, or a file of the host as a text; it is made if there is none."""
    name = await desk.line.ask("text, or path of a file: ")
    if not name or not name.strip():
        return
    if "/" in name:
        path = os.path.abspath(os.path.expanduser(name))
        image = desk.system.image
        desk.work(lambda: image.run_source(f"open_file({path!r})"), f"open {name}", desk.column)
    else:
        await show_text(desk, name.strip())


@built_in("Code", "f3")
async def code(desk: Desktop) -> None:
    """Show the code of the image: modules, definitions, their sources."""
    await show_pane(desk, "code")


@built_in("Transcript", "f5")
async def transcript(desk: Desktop) -> None:
    """Show what tasks print."""
    await show_pane(desk, "transcript()")


@built_in("Tasks", "f6")
async def tasks(desk: Desktop) -> None:
    """Show the tasks: their states, what they wait for, what they have done."""
    await show_pane(desk, "tasks()")


@built_in("Failures", "f7")
async def failures(desk: Desktop) -> None:
    """Show the turns of tasks that failed, to be mended and tried again."""
    await show_pane(desk, "failures()")


@built_in("History", "f8")
async def history(desk: Desktop) -> None:
    """Show the turns and the snapshots: what was changed when, and by whom."""
    await show_pane(desk, "turns()")


@built_in("Find", "f9")
async def finder(desk: Desktop) -> None:
    """Ask for what was kept: by words and facts, as `piety find` does; then go on by its facets."""
    query = await desk.line.ask("find: ")
    if query is not None:
        await show_pane(desk, f"find({query!r})")


@built_in("Commands", "f10")
async def commands(desk: Desktop) -> None:
    """Show all commands with their keys."""
    await show_pane(desk, "commands()")


@built_in("Take a snapshot")
async def snapshot(desk: Desktop) -> None:
    """Give this moment a name."""
    name = await desk.line.ask("name of the snapshot: ")
    if name and name.strip():
        image, wanted = desk.system.image, name.strip()
        desk.work(lambda: image.run_source(f"snapshot({wanted!r})"), f"snapshot {wanted}", desk.column)


@built_in("Fork")
async def fork_home(desk: Desktop) -> None:
    """Make a home of its own, as this one was at the turn or snapshot of the column, or the row."""
    address = desk.column.below or desk.column.address
    place = await desk.line.ask("fork to the new home: ")
    if place and place.strip():
        path = os.path.abspath(os.path.expanduser(place.strip()))

        def work(image: Image) -> str:
            with image.look():
                tid = _moment_of(find(image, address))
            return _fork(image, tid, path)

        desk.say(await desk.call(work, f"fork {place}"))


def _fork(image: Image, tid: bytes, place: str) -> str:
    """Make a home of its own at an absolute place, as this one was after a turn; called between turns.

    Raises `PietyError`.
    """
    boot.require_free(place)
    with image.look():
        beginning = transfer.fork(image, tid)
    boot.found(place, beginning(lambda *_told: None))
    return f"a new home at {place}"


def _moment_of(obj: Any) -> bytes:
    """The number of the turn that an object of the history stands for.  Raises `PietyError`."""
    found = getattr(obj, "tid", None)
    if not isinstance(found, bytes):
        raise PietyError("this is no turn, no snapshot and no moment of the past")
    return found


@built_in("Anything", "ctrl+g ctrl+@")
def search_everything(desk: Desktop) -> None:
    """Search everything: commands, objects, definitions, tasks, texts, snapshots, what was kept."""
    here = desk.column.address

    async def find_all(words: str) -> list[Choice]:
        return list(await desk.call(lambda image: anything(image, words, here), "a search"))

    async def take(meant: Any) -> None:
        if isinstance(meant, Doing):
            await desk.keyboard.do(meant)
        elif isinstance(meant, Hit):
            desk.work(lambda: object_of(desk.system.image, meant), "search", desk.column)
        else:
            await show_pane(desk, meant.ref)

    desk.push_screen(Choosing("anything: commands, objects, code, texts, tasks, snapshots", find_all, take))
