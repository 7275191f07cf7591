"""The desktop: panes on a terminal, each with objects side by side, to be looked at, gone into and worked with.

What can be done here are commands (`commands.py`), and each key is the key of one; here is what they stand on: which
panes there are and where one is, what is shown in them, and a line in which something can be asked.

Nothing here touches an object: what is shown was made on the turn thread as plain values (`inspecting.py`), and is
asked for anew when a turn has changed something.  So a turn that takes a minute holds up no key; what is asked for
meanwhile comes when it is over, and what is typed into a text is seen at once (`sheet.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

import piety.browser.object_commands
import piety.browser.pane_commands
import piety.browser.text_commands
import piety.browser.tool_commands  # noqa: F401  # the commands that there are
from piety.browser.brief import clipped
from piety.browser.choosing import Choosing
from piety.browser.columns import PAGE, Column, Titles, instead, why
from piety.browser.commands import BUILT_IN, LINE, ROWS, TEXT, Doing, Keys, doings_of, perform
from piety.browser.desks import Layout, Saving, Shown, layout_of, layout_on
from piety.browser.inspecting import Address, Around, Sight, act, address_of, look
from piety.browser.oneline import OneLine
from piety.browser.panes import Pane, Tiles
from piety.browser.rows import Rows
from piety.browser.screens import SocketDriver, have_colours
from piety.browser.tiles import seen, stack_of
from piety.browser.writing import type_into
from piety.errors import PietyError
from piety.objects.edits import Place
from piety.objects.turns import Outcome
from piety.scheduler.system import System

if TYPE_CHECKING:
    from piety.objects.image import Image

LOOK = 0.1  # seconds between two looks whether something has changed, and what runs
QUIET = 0.5  # seconds after which what is shown is written, if nothing more has changed
PATIENCE = 1.0  # seconds in which one who leaves waits until it is written what was shown
SLOW = 1.0  # seconds from which on what takes so long to show is not shown anew with each change
AHEAD = 0.5  # seconds that a key waits for the column that it is for, once
LONG = 0.3  # seconds from which on it is told that a turn runs
HELP = "Enter opens  Left back  Tab view  : evaluate  Ctrl-G anything  F1 a key  Ctrl-\\ leave"
IN_TEXT = "Ctrl-D do  Ctrl-P print  Ctrl-O inspect  Ctrl-S save  Ctrl-G anything  Esc back"


class Desktop(App[None]):
    """One terminal's desktop; `connection` leads to the terminal."""

    CSS = """
    #said { height: auto; max-height: 8; color: $text-muted; padding: 0 1; }
    #asking { height: 1; background: $surface; }
    #question { width: auto; padding: 0 0 0 1; color: $text-accent; }
    #line { height: 1; width: 1fr; border: none; padding: 0 1; background: $surface; }
    #state { height: 1; padding: 0 1; background: $panel; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS = []  # noqa: RUF012  # each key is a command's

    def __init__(
        self, system: System, connection: Any, name: str, ref: str | None, colours: str = "truecolor"
    ) -> None:
        self.connection = connection
        super().__init__(driver_class=SocketDriver)
        have_colours(self, colours)
        self.has_colours = colours != "none"
        self.system, self.name_of_desk, self._ref = system, name, ref
        self.keys = Keys(list(BUILT_IN.values()))
        self._begun = ""  # the first of two keys
        self.tells_key = False  # whether the next key is not to be done, but told
        self._saved: Layout | None = None
        self._unsaved: Layout | None = None
        self._unsaved_since: float | None = None
        self._seen = b""
        self.is_frozen = False
        self._state = ""
        self._said = Static(id="said", markup=False)
        self._question = Static(id="question", markup=False)
        self._line = OneLine(": evaluate, with self", id="line")
        self._state_line = Static(id="state", markup=False)
        self.tiles = Tiles()
        self.is_over = False
        self.panes: dict[int, Pane] = {}
        self._pane = 0  # the number of the pane that one is in, or was in last
        self.in_line = False  # whether one writes in the line
        self._since: float | None = None  # when the turn that runs was first seen
        self._works: set[asyncio.Task[Any]] = set()  # nobody waits for these
        self._answer: asyncio.Future[str | None] | None = None  # of what is asked in the line
        self._command: asyncio.Task[Any] | None = None  # that was begun last
        self._waits: asyncio.Future[None] | None = None  # done when that waits for somebody
        self._about: Column | None = None  # the column that what is written in the line is about
        self.sought = ""  # what was searched for in a text last

    def compose(self) -> ComposeResult:
        yield self.tiles
        yield self._said
        with Horizontal(id="asking"):
            yield self._question
            yield self._line
        yield self._state_line

    def on_mount(self) -> None:
        self._said.display = self._question.display = False
        self.set_interval(LOOK, self._look)
        self._home_loop = asyncio.get_running_loop()
        self.soon(self._begin())  # a turn may run, and it is over when that is

    async def _begin(self) -> None:
        layout = layout_of(self._ref) if self._ref is not None else None
        if layout is None:
            work = partial(layout_on, name=self.name_of_desk)
            try:
                layout = await asyncio.wrap_future(self.system.call(work, "a look"))
            except BaseException as error:  # its record is damaged, or somebody has interrupted it
                if isinstance(error, asyncio.CancelledError):
                    raise
                self.say(f"the desk cannot be read: {why(error)}")
            self._saved = layout
        await self._lay_out(layout or await self._first_layout())

    async def _first_layout(self) -> Layout:
        """What somebody sees who is new here."""
        from piety.browser.tool_commands import first_layout

        layout: Layout = await self.call(first_layout, "the first desk")
        return layout

    async def _lay_out(self, layout: Layout) -> None:
        self.tiles.tile = layout.tile
        for number, columns in layout.panes.items():
            await self._mount(Pane(number), columns)
        pane = self.panes.get(layout.pane) or next(iter(self.panes.values()))
        pane.at = layout.column
        self._line.write(layout.line)
        self.arrange(pane)

    def soon(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do this beside all else; a mistake in it is told, and ends nothing."""
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._is_done)
        return task

    def _is_done(self, task: asyncio.Task[Any]) -> None:
        self._works.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, PietyError):
                self.say(str(error))
            elif isinstance(error, Exception):
                self._handle_exception(error)

    def exit(self, *args: Any, **options: Any) -> None:
        """Nothing that was asked for is waited for any more."""
        self.is_over = True
        for task in [*self._works, *(column.asked for column in self.columns() if column.asked is not None)]:
            if task is not asyncio.current_task():
                task.cancel()
        super().exit(*args, **options)

    # -- panes

    @property
    def pane(self) -> Pane:
        """The pane that one is in, or was in last."""
        return self.panes.get(self._pane) or next(iter(self.panes.values()))

    @property
    def column(self) -> Column:
        """The column that one is in, or was in last."""
        return self.pane.column

    def columns(self) -> Iterator[Column]:
        """All columns of all panes."""
        for pane in self.panes.values():
            yield from pane.columns

    async def _mount(self, pane: Pane, columns: tuple[Shown, ...]) -> None:
        pane.columns = [self._connected(Column(each)) for each in columns]
        self.panes[pane.number] = pane
        await self.tiles.mount(pane)
        await pane.mount(*pane.columns)  # each is asked for when its width is known

    async def open_pane(self, address: Address, tile: Callable[[int], Any], title: str | None = None) -> None:
        """Open a new pane on an object; `tile` gives the tiles with the number of the new pane among them."""
        number = max(self.panes, default=0) + 1
        self.tiles.tile = tile(number)
        await self._mount(Pane(number), (Shown(address, title),))
        self.arrange(self.panes[number])

    async def close_pane(self, pane: Pane) -> None:
        """Take a pane off the screen."""
        self.close_columns(pane, 0)
        del self.panes[pane.number]
        await pane.remove()

    def arrange(self, pane: Pane) -> None:
        """Put the panes where they belong, and go to this one."""
        there = set(seen(self.tiles.shared))
        for number, each in self.panes.items():
            each.display = number in there
        self.tiles.refresh(layout=True)
        self.go_to(pane)

    def go_to(self, pane: Pane) -> None:
        """Be in this pane."""
        self.go_to_column(pane.column)
        self.show_titles()

    def go_to_column(self, column: Column) -> None:
        """Be in this column."""
        pane = self.pane_of(column)
        if pane is not None:
            self._pane, pane.at, self.in_line = pane.number, pane.columns.index(column), False
            self._focus(column.body)
            self.call_after_refresh(column.scroll_visible, animate=False)

    def _focus(self, widget: Widget) -> None:
        """Show where keys go; `pane`, `column` and `in_line` say it."""
        self.screen_stack[0].set_focus(widget)

    def pane_of(self, column: Column) -> Pane | None:
        """The pane of a column; None if it was closed."""
        return next((pane for pane in self.panes.values() if column in pane.columns), None)

    def show_titles(self) -> None:
        """Tell what is in each pane, and what lies under it."""
        for pane in self.panes.values():
            stack = stack_of(self.tiles.tile, pane.number)
            names = [
                f"[{self.panes[number].name_of}]" if number == pane.number and len(stack.panes) > 1
                else self.panes[number].name_of
                for number in stack.panes if number in self.panes
            ]  # fmt: skip
            pane.border_title = clipped(" ".join(names), 200).replace("[", "\\[")

    # -- columns

    def _connected(self, column: Column) -> Column:
        column.editor.tell = partial(type_into, self, column)
        column.editor.get = partial(self._get, column)
        column.has_room = self.ask_for
        column.is_clicked = self.go_to_column
        return column

    async def _add(self, pane: Pane, column: Column) -> None:
        pane.columns.append(self._connected(column))
        pane.at = len(pane.columns) - 1  # what is typed from now on is for it
        await pane.mount(column)

    async def open_column(self, address: Address, after: Column, title: str | None = None) -> None:
        """Open an object as the column next to another one."""
        pane = self.pane_of(after)
        if pane is None:
            return
        self.close_columns(pane, pane.columns.index(after) + 1)
        pane.ahead = []
        await self._add(pane, Column(Shown(address, title)))
        self.go_to_column(pane.columns[-1])

    async def add_column(self, pane: Pane, shown: Shown) -> None:
        """The same with one that was there before."""
        await self._add(pane, Column(shown))
        self.go_to_column(pane.columns[-1])

    def close_columns(self, pane: Pane, at: int) -> None:
        """Close the columns from this place on."""
        gone, pane.columns = pane.columns[at:], pane.columns[:at]
        for each in gone:
            if each.asked is not None:
                each.asked.cancel()
            self.soon(_removed(each))

    def show_at(self, column: Column, address: Address, title: str | None) -> None:
        """Show another object in a column."""
        pane = self.pane_of(column)
        if pane is None:
            return
        self.close_columns(pane, pane.columns.index(column) + 1)
        column.address, column.wanted = address, title
        column.is_there.clear()
        self.ask_for(column)
        self.show_titles()

    def _is_seen(self, column: Column) -> bool:
        return any(pane.display and column in pane.columns for pane in self.panes.values())

    def ask_for(self, column: Column, around: Around | None = None) -> None:
        """Ask for what is there to see; it comes when the turn that runs is over, and nobody waits for it."""
        if column.asked is not None:
            column.asked.cancel()
        if around is not None:
            column.around = around
        column.asked = asyncio.get_running_loop().create_task(self._load(column, around or column.where()))

    def _get(self, column: Column, place: Place, line: int | None) -> None:
        """Ask for another part of the text."""
        self.ask_for(column, Around(place, line, column.editor.sheet.known))

    async def _load(self, column: Column, around: Around) -> None:
        address, title, rows, writer = column.address, column.wanted, column.rows, column.writer
        width = max(column.content_size.width, 20)

        this = asyncio.current_task()

        def work(image: Image) -> None:
            begin = perf_counter()
            sight = look(image, address, title, width, rows, writer, around)
            # At once, so that what is shown of a text comes in the order in which it was so.
            self.soon_here(self._show, column, this, sight, perf_counter() - begin)

        future = self.system.call(work, "a look")
        waiting = asyncio.wrap_future(future)
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:  # something else is wanted by now
            self.system.withdraw(future)
            waiting.add_done_callback(_silent)
            raise
        except BaseException as error:  # somebody's code: also SystemExit, which would end this whole loop
            said = "it was interrupted" if isinstance(error, KeyboardInterrupt) else why(error)
            self._show(column, this, instead(said, width), 0.0)

    def _show(self, column: Column, asked: asyncio.Task[None] | None, sight: Sight, seconds: float) -> None:
        if column.asked is asked and column in self.columns() and not self.is_over:
            column.is_slow = seconds > SLOW
            column.show(sight)
            self._settle(column)
            self.show_titles()

    def _settle(self, column: Column) -> None:
        """If one is in it, its rows or its characters have the keys."""
        if column is self.column and not self.in_line:
            self._focus(column.body)

    # -- what goes on

    def _look(self) -> None:
        """Tell what runs; and show anew what was changed."""
        if self.is_over or not self.panes:
            return
        self._tell_state()
        last = self.system.image.storage.lastTransaction()
        if last != self._seen and not self.is_frozen:
            self._seen = last
            self.follow()
        self._save()

    def _tell_state(self) -> None:
        running = self.system.running
        self._since = None if running is None else self._since or monotonic()
        if self._since is not None and monotonic() - self._since > LONG:
            state = f"a turn runs: {running}   (Ctrl-T stops it)"
        elif self.is_frozen:
            state = "frozen: f goes on"
        elif self._begun:
            state = f"{self._begun} ..."
        else:
            state = IN_TEXT if self.column.is_text and not self.in_line else HELP
        if state != self._state:
            self._state = state
            self._state_line.update(state)

    def follow(self) -> None:
        """Something has changed: ask anew for all that is seen, and for the keys."""
        for column in self.columns():
            if not column.is_slow and self._is_seen(column):  # or nobody else would get a turn
                self.ask_for(column)
        self.soon(self._learn_keys())

    async def _learn_keys(self) -> None:
        def work(image: Image) -> list[Doing]:
            with image.look():
                return doings_of(image)

        try:
            self.keys = Keys(await asyncio.wrap_future(self.system.call(work, "a look")))
        except (Exception, KeyboardInterrupt):  # what is in the image is damaged: the keys stay as they are
            return

    def _save(self) -> None:
        """Have what is shown written, when it has been the same for a while."""
        layout = self.layout_now()
        if layout == self._saved or any(column.sight is None and self._is_seen(column) for column in self.columns()):
            self._unsaved_since = None
        elif self._unsaved_since is None or layout != self._unsaved:
            self._unsaved, self._unsaved_since = layout, monotonic()
        elif monotonic() - self._unsaved_since > QUIET:
            self._write(layout)

    def layout_now(self) -> Layout:
        """What is on this desktop."""
        panes = {number: tuple(column.shown for column in pane.columns) for number, pane in self.panes.items()}
        line = "" if self._answer is not None else self._line.value
        return Layout(self.tiles.tile, panes, self.pane.number, self.pane.at, line)

    def _write(self, layout: Layout) -> Saving:
        self._saved, self._unsaved_since = layout, None
        saving = Saving(self.system.image, self.name_of_desk, layout)
        self.system.loop.ask(saving)
        return saving

    async def leave(self) -> None:
        """Leave; the system goes on."""
        if self.panes and (layout := self.layout_now()) != self._saved:
            saving = asyncio.wrap_future(self._write(layout).future)
            await asyncio.wait({saving}, timeout=PATIENCE)  # if a turn runs for long, it is written after that
        self.exit()

    def say(self, text: str) -> None:
        """Tell something, above the line; nothing takes away what was told."""
        if self.is_over:
            return
        self._said.display = bool(text.strip())
        self._said.update(text.rstrip("\n"))

    def say_from_anywhere(self, text: str) -> None:
        """The same from another thread."""
        self.soon_here(self.say, text)

    def soon_here(self, work: Callable[..., object], *args: Any) -> None:
        """Do something in the thread of the desktop; called from another one."""
        self._home_loop.call_soon_threadsafe(work, *args)

    # -- keys

    async def on_event(self, event: events.Event) -> None:
        """A key is a command's, or else a character that is typed; all else is as Textual does it."""
        if isinstance(event, events.Key) and not event.is_forwarded and await self._pressed(event):
            return
        await super().on_event(event)

    async def _pressed(self, event: events.Key) -> bool:
        key = name_of_key(event)
        if isinstance(self.screen, Choosing):
            return await self.screen.pressed(key, event.character)
        await self._wait_for_column()
        in_line = self.in_line
        in_text = not in_line and bool(self.panes) and self.column.is_text
        is_second = bool(self._begun)
        if is_second:
            key, self._begun = f"{self._begun}.{key}", ""
        elif self.keys.begins(key) and not event.is_printable:
            self._begun = key
            return True
        elif in_line and await self._line_takes(key, event.character):
            return True
        is_character = in_text and event.is_printable and not is_second  # which is typed, unless it is a key of texts
        where = LINE if in_line else TEXT if in_text else ROWS
        doing, selecting = self.keys.find(key, where, is_character), False
        if doing is None and "shift+" in key:
            doing, selecting = self.keys.find(key.replace("shift+", ""), where), True
            doing = doing if doing is not None and doing.is_moving else None
        self.say("")
        if self.tells_key:
            self.tells_key = False
            await self._tell_key(key, doing)
        elif doing is not None:
            await self.do(doing, selecting)
        elif is_character and event.character:
            self.column.editor.type(event.character)
        else:
            return is_second
        return True

    async def _wait_for_column(self) -> None:
        """One who types fast means what is about to be seen; a turn that runs is not waited for."""
        if not self.panes or self.in_line:
            return
        column = self.column
        for event in (column.is_there, column.editor.arrived):
            if not event.is_set():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(event.wait(), AHEAD)
                    continue
                event.set()
                column.editor.stay()

    async def do(self, doing: Doing, selecting: bool = False) -> None:
        """Do a command.  Before there is a pane, one can only leave."""
        if not self.panes and doing.name not in ("Leave", "Interrupt"):
            return
        self.say("")
        if doing.function is None:
            image, address = self.system.image, self.column.address
            name = doing.name

            def work() -> Any:
                from piety.browser.inspecting import find

                return perform(image, name, find(image, address))

            self.work(work, doing.name, self.column)
            return
        try:
            found = doing.function(self, selecting) if doing.is_moving else doing.function(self)
            if inspect.iscoroutine(found):  # the next key comes when it is done, or waits for somebody
                self._command = self.soon(found)
                await self._until_it_waits()
        except PietyError as error:
            self.say(str(error))

    async def _until_it_waits(self) -> None:
        """Until the command that was begun last is done, or waits for somebody, or for a turn that takes long."""
        self._waits = self._home_loop.create_future()
        if self._command is not None:
            await asyncio.wait({self._command, self._waits}, timeout=AHEAD, return_when=asyncio.FIRST_COMPLETED)

    def _wait_no_more(self) -> None:
        """The command that was begun last goes on later: other keys may come."""
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    async def _tell_key(self, key: str, doing: Doing | None) -> None:
        if doing is None:
            self.say(f"{key} is the key of no command")
            return
        self.say(f"{key}: {doing.name} - {doing.told}")
        await self.open_column(Address(f"commands[{doing.name!r}]"), self.column)

    # -- the line

    async def ask(self, question: str, begun: str = "") -> str | None:
        """Ask for a line; None if there is no answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
        answer = self._answer = self._home_loop.create_future()
        line = self._line
        self._question.update(question)
        self._question.display = True
        self._wait_no_more()
        before = line.value
        line.write(begun)
        self._go_to_line()
        try:
            return await answer
        finally:
            if self._answer is answer:
                self._question.display, self._answer = False, None
                line.write(before)
                if self.in_line:
                    self.back_to_column()

    def write_line(self, begun: str = "") -> None:
        """Write something to be evaluated, with `self` bound to the object of this column."""
        self._about = self.column
        self._go_to_line()
        if begun:
            self._line.write(begun)

    def _go_to_line(self) -> None:
        self.in_line = True
        self._focus(self._line)

    def back_to_column(self) -> None:
        """Leave the line."""
        about = self._about if self._about is not None and self._about in self.columns() else self.column
        self._about = None
        self.go_to_column(about)

    def cancel(self) -> bool:
        """Give no answer to what is asked; whether anything was."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
            return True
        return False

    async def _line_takes(self, key: str, character: str | None) -> bool:
        """Whether a key means something in the line; Enter is the end of it."""
        if key == "enter" and not self.tells_key:
            await self._take_line()
            return True
        return self._line.pressed(key, character)

    async def _take_line(self) -> None:
        """What was written is an answer, or else evaluated."""
        source = self._line.value
        if self._answer is not None:
            if not self._answer.done():
                self._answer.set_result(source)
                await self._until_it_waits()
            return
        self._line.write("")
        if source.strip():
            self.say("")
            self.evaluate(source)

    # -- what is asked of the image

    @property
    def about(self) -> Column:
        """The column that what is evaluated is about."""
        return self._about if self._about is not None and self._about in self.columns() else self.column

    def evaluate(self, source: str) -> None:
        """Evaluate a source in a turn; what it gives is shown in the next column."""
        image, column = self.system.image, self.about
        self.work(lambda: act(image, column.address, source), source, column, source)

    def work(
        self,
        work: Callable[[], Any],
        label: str,
        column: Column,
        source: str = "",
        then: Callable[[Outcome], object] = lambda outcome: None,
    ) -> None:
        """Do something in a turn that counts, and show what it gives in the next column; `then` is called at last.

        `source` is what gave it, if that is a source.
        """
        image = self.system.image
        found: list[Address] = []

        def whole() -> Any:
            value = work()
            found[:] = [address_of(image, value, source)] if value is not None else []

        future = self.system.work(whole, clipped(label, 60), self.say_from_anywhere)

        async def finish() -> None:
            outcome = await asyncio.wrap_future(future)
            self.tell(outcome)
            if outcome.error is None and found:
                in_line = self.in_line
                await self.open_column(found[0], column)
                if in_line:  # one goes on writing there
                    self._go_to_line()
            then(outcome)

        self.soon(finish())

    def tell(self, outcome: Outcome) -> None:
        """Tell what came of a turn."""
        notes = "".join(f"note: {notice}\n" for notice in outcome.notices)
        if outcome.error is None:
            said = f"{outcome.output}{notes}"
        else:
            said = str(outcome.error) if isinstance(outcome.error, PietyError) else outcome.traceback
        if said.strip():
            self.say(said)

    async def call(self, work: Callable[[Image], Any], label: str) -> Any:
        """Call something of ours with the image, between two turns; what it gives.  Raises what it raises."""
        return await asyncio.wrap_future(self.system.call(work, label))

    # -- what Textual tells

    async def on_rows_opened(self, _event: Rows.Opened) -> None:
        """A row was clicked that was chosen already."""
        await self.do(self.keys.doings["Open"])

    def on_rows_at_end(self, event: Rows.AtEnd) -> None:
        """One has come to the end of the rows: there may be more."""
        for column in self.columns():
            if column.table is event.rows and column.sight is not None and column.sight.drawing.more:
                column.rows += PAGE
                self.ask_for(column)

    def on_titles_chosen(self, event: Titles.Chosen) -> None:
        """A title was clicked."""
        for column in self.columns():
            if column.titles is event._sender:
                self.show_view(column, event.title)

    def show_view(self, column: Column, title: str) -> None:
        """Show another view of an object."""
        column.wanted, column.rows = title, PAGE
        column.is_there.clear()
        column.titles.show(column.sight.titles if column.sight else (), title)
        self.ask_for(column)


def _silent(future: asyncio.Future[Any]) -> None:
    """Nobody wants to know any more what came of it."""
    if not future.cancelled():
        future.exception()


async def _removed(column: Column) -> None:
    await column.remove()


def name_of_key(event: events.Key) -> str:
    """What a key is called: a character by itself."""
    if event.key == "space":
        return "space"
    return event.character if event.is_printable and event.character else event.key
