"""What keys do at a desktop: each is the key of a command, or else a character that is typed.

A command is done before the next key is looked at, unless it waits for somebody, or for a turn that takes long; so what
is typed fast goes where it was meant to go.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any

from textual import events

from piety.browser.choosing import Choosing
from piety.browser.commands import LINE, ROWS, TEXT, Doing, Keys, all_built_in, perform
from piety.browser.inspecting import Address, find
from piety.errors import PietyError

if TYPE_CHECKING:
    from piety.browser.desktop import Desktop

AHEAD = 0.5  # seconds that a key waits for what it is for
BEFORE_ALL = ("Leave", "Interrupt")  # commands that can be done before there is a pane


class Keyboard:
    """The keys of one desktop."""

    def __init__(self, desk: Desktop) -> None:
        self._desk = desk
        self.keys = Keys(list(all_built_in().values()))
        self.begun = ""  # the first of two keys
        self.tells = False  # whether the next key is not to be done, but told
        self._command: asyncio.Task[Any] | None = None  # that was begun last
        self._waits: asyncio.Future[None] | None = None  # done when that waits for somebody

    async def pressed(self, event: events.Key) -> None:
        """Do what a key means."""
        desk, key = self._desk, name_of_key(event)
        if isinstance(desk.screen, Choosing):
            doing = self.keys.find(key, LINE)
            if not await desk.screen.pressed(key, event.character) and doing is not None and doing.name in BEFORE_ALL:
                await self.do(doing)
            return
        await self._until_it_is_there()
        in_line = desk.line.is_entered
        in_text = not in_line and bool(desk.panes) and desk.column.is_text
        is_second = bool(self.begun)
        if is_second:
            key, self.begun = f"{self.begun}.{key}", ""
        elif self.keys.begins(key):
            self.begun = key
            return
        elif in_line and not self.tells and await desk.line.pressed(key, event.character):
            return
        desk.say("")
        is_typed = in_text and desk.column.editor.is_editable
        is_character = is_typed and event.is_printable and not is_second  # unless it is a key of texts
        doing, selecting = self._find(key, LINE if in_line else TEXT if in_text else ROWS, is_character)
        if doing is None and in_text and not is_typed and event.is_printable:  # what is only read is as rows are
            doing = self.keys.find(key, ROWS)
        if self.tells:
            self.tells = False
            await self._tell(key, doing)
        elif doing is not None:
            await self.do(doing, selecting)
        elif is_character and event.character:
            desk.column.editor.type(event.character)

    def _find(self, key: str, where: str, is_character: bool) -> tuple[Doing | None, bool]:
        """The command of a key, and whether one selects on the way."""
        doing = self.keys.find(key, where, is_character)
        if doing is None and "shift+" in key:
            doing = self.keys.find(key.replace("shift+", ""), where)
            return (doing, True) if doing is not None and doing.is_moving else (None, False)
        return doing, False

    async def do(self, doing: Doing, selecting: bool = False) -> None:
        """Do a command.  Before there is a pane, one can only leave."""
        desk = self._desk
        if not desk.panes and doing.name not in BEFORE_ALL:
            return
        if doing.function is None:
            image, address, name = desk.system.image, desk.column.address, doing.name
            desk.work(lambda: perform(image, name, find(image, address)), name, desk.column)
            return
        try:
            found = doing.function(desk, selecting) if doing.is_moving else doing.function(desk)
        except PietyError as error:
            desk.say(str(error))
            return
        if inspect.iscoroutine(found):
            self._command = desk.soon(found)
            await self.until_it_waits()

    async def until_it_waits(self) -> None:
        """Until the command that was begun last is done, or waits for somebody, or for a turn that takes long."""
        self._waits = asyncio.get_running_loop().create_future()
        if self._command is not None:
            await asyncio.wait({self._command, self._waits}, timeout=AHEAD, return_when=asyncio.FIRST_COMPLETED)

    def wait_no_more(self) -> None:
        """The command that was begun last waits for somebody: other keys may come."""
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    async def _until_it_is_there(self) -> None:
        """One who types fast means what is about to be seen; a turn that runs is not waited for."""
        desk = self._desk
        if not desk.panes or desk.line.is_entered:
            return
        column = desk.column
        if column.is_text:
            column.editor.come_back()
        for arrival in (column.arrived, column.editor.arrived):
            if not arrival.is_set():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(arrival.wait(), AHEAD)
                    continue
                arrival.set()
                column.editor.stay()

    async def _tell(self, key: str, doing: Doing | None) -> None:
        if doing is None:
            self._desk.say(f"{key} is the key of no command")
            return
        self._desk.say(f"{key}: {doing.name} - {doing.told}")
        await self._desk.open_column(Address(f"commands[{doing.name!r}]"), self._desk.column)


def name_of_key(event: events.Key) -> str:
    """What a key is called: a character by itself."""
    if event.key == "space":
        return "space"
    return event.character if event.is_printable and event.character else event.key
