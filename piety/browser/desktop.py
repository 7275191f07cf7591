"""The desktop: panes on a terminal, each with objects side by side, to be looked at, gone into and worked with.

What can be done here are commands (`commands.py`), and each key is the key of one (`keyboard.py`); here is what they
stand on: which panes there are and where one is, what is shown in them, and what is asked of the image.

Nothing here touches an object: what is shown was made on the turn thread as plain values (`inspecting.py`), and is
asked for anew when a turn has changed something.  So a turn that takes a minute holds up no key; what is asked for
meanwhile comes when it is over, and what is typed into a text is seen at once (`sheet.py`).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from piety.browser.asking import Line
from piety.browser.brief import clipped
from piety.browser.columns import PAGE, Column, instead, why
from piety.browser.commands import Doing, Keys, doings_of
from piety.browser.desks import Layout, Shown, layout_of, layout_on
from piety.browser.inspecting import Address, Around, Sight, act, address_of, look
from piety.browser.keeping import Keeping
from piety.browser.keyboard import Keyboard
from piety.browser.panes import Pane, Tiles
from piety.browser.screens import SocketDriver, have_colours
from piety.browser.tiles import neighbour, raised, regions, resized, seen, stack_of
from piety.browser.tool_commands import first_layout
from piety.browser.writing import OPEN
from piety.errors import PietyError
from piety.objects.image import user_name
from piety.objects.turns import Outcome
from piety.scheduler.system import System

if TYPE_CHECKING:
    from piety.objects.image import Image

LINES, LONGEST = 8, 4_000  # of what is told: the last lines, and so many characters
LOOK = 0.1  # seconds between two looks whether something has changed, and what runs
SLOW = 1.0  # seconds from which on what takes so long to show is not shown anew with each change
STEPS = 20  # in which a border comes to where the mouse is
LONG = 0.3  # seconds from which on it is told that a turn runs
HELP = "Enter open  Left back  Tab view  : do  Ctrl-G anything  F1 key  Ctrl-\\ leave"
IN_TEXT = "Ctrl-D do  -P print  -O inspect  -S save  -G anything  Esc back  -\\ leave"
IN_LINE = "Enter does it  Esc back"


class Desktop(App[None]):
    """One terminal's desktop; `connection` leads to the terminal."""

    CSS = """
    #said { height: auto; max-height: 8; color: $text-muted; padding: 0 1; }
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
        self.session = name  # who edits texts here: of two desktops of a name, each is another one
        self.panes: dict[int, Pane] = {}
        self._pane = 0  # the number of the pane that one is in, or was in last
        self.tiles = Tiles()
        self._said, self._state = Static(id="said", markup=False), Static(id="state", markup=False)
        self.line = Line(self)
        self.keyboard = Keyboard(self)
        self._keeping = Keeping(system, name)
        self._works: set[asyncio.Task[Any]] = set()  # nobody waits for these
        self._seen = b""  # the number of the last turn that is shown
        self._since: float | None = None  # when the turn that runs was first seen
        self.is_frozen = False
        self.is_over = False
        self.sought = ""  # what was searched for in a text last

    def compose(self) -> ComposeResult:
        yield from (self.tiles, self._said, self.line, self._state)

    def on_mount(self) -> None:
        self.session = _free_session(self.name_of_desk)
        OPEN.add(self)
        self._said.display = False
        self.set_interval(LOOK, self._look)
        self._home_loop = asyncio.get_running_loop()
        self._home_context = contextvars.copy_context()  # in which Textual finds this desktop, among all that are open
        self.soon(self._begin())  # a turn may run, and it is over when that is

    async def _begin(self) -> None:
        layout = layout_of(self._ref) if self._ref is not None else None
        if layout is None:
            try:
                layout = self._keeping.written = await self.call(partial(layout_on, name=self.name_of_desk), "a look")
            except Exception as error:  # its record is damaged, or somebody has interrupted it
                self._keeping.is_damaged = True
                self.say(f"the desk cannot be read, and is left as it is: {why(error)}")
        if layout is None:
            layout = await self.call(first_layout, "the first desk")
        await self._lay_out(layout)

    async def _lay_out(self, layout: Layout) -> None:
        self.tiles.tile = layout.tile
        for number, columns in layout.panes.items():
            await self._mount(Pane(self, number), columns)
        pane = self.panes.get(layout.pane) or next(iter(self.panes.values()))
        pane.at = layout.column
        self.line.written.write(layout.line)
        self.arrange(pane)

    def soon(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do this beside all else; a mistake of a person's in it is told, and one of ours ends the desktop."""
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._is_done)
        return task

    def _is_done(self, task: asyncio.Task[Any]) -> None:
        self._works.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, PietyError):
                self.say(str(error))
            else:
                try:
                    raise error
                except Exception as ours:  # as Textual tells a mistake: where it is caught
                    self._handle_exception(ours)

    def exit(self, *args: Any, **options: Any) -> None:
        """Nothing that was asked for is waited for any more."""
        self.is_over = True
        for task in [*self._works, *(column.asked for column in self.columns() if column.asked is not None)]:
            if task is not asyncio.current_task():
                task.cancel()
        super().exit(*args, **options)

    async def leave(self) -> None:
        """Leave; the system goes on."""
        if self.panes:
            await self._keeping.end(self.layout_now())
        self.exit()

    async def on_event(self, event: events.Event) -> None:
        """A key is a command's, or else a character that is typed; all else is as Textual does it."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            if not self.is_over:  # what came before one was gone may be much
                await self.keyboard.pressed(event)
        else:
            await super().on_event(event)

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
        """All columns of all panes; panes and columns may come and go meanwhile, as the turn thread asks too."""
        for pane in list(self.panes.values()):
            yield from list(pane.columns)

    async def _mount(self, pane: Pane, columns: tuple[Shown, ...]) -> None:
        pane.columns = [Column(self, each) for each in columns]
        self.panes[pane.number] = pane
        await self.tiles.mount(pane)
        await pane.mount(*pane.columns)  # each is asked for when its width is known

    async def open_pane(self, address: Address, tile: Callable[[int], Any], title: str | None = None) -> None:
        """Open a new pane on an object; `tile` gives the tiles with the number of the new pane among them."""
        number = max(self.panes, default=0) + 1
        self.tiles.tile = tile(number)
        await self._mount(Pane(self, number), (Shown(address, title),))
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

    def move_border(self, pane: Pane, is_row: bool, is_far: bool, to: int) -> None:
        """Move a border of a pane, its far one or the near one, to a column or line of the screen."""
        room, number = self.tiles.region, pane.number
        if not is_far:  # which is the far one of the pane before
            before = neighbour(regions(self.tiles.tile, room), number, *((-1, 0) if is_row else (0, -1)))
            if before is None:
                return
            number = before
        for _ in range(STEPS):  # a share is one of the room that the panes beside share, which may be a part of all
            there = regions(self.tiles.tile, room).get(number)
            off = 0 if there is None else to - (there.right if is_row else there.bottom) + (is_far)
            if not off:
                break
            by = off / max(room.width if is_row else room.height, 1)
            self.tiles.tile = resized(self.tiles.tile, number, is_row, by)
        self.tiles.refresh(layout=True)

    def go_to(self, pane: Pane) -> None:
        """Be in this pane."""
        self.go_to_column(pane.column)
        self.show_titles()

    def go_to_column(self, column: Column) -> None:
        """Be in this column."""
        pane = self.pane_of(column)
        if pane is None:
            return
        if pane.number not in seen(self.tiles.shared):
            self.tiles.tile, self.tiles.zoomed = raised(self.tiles.tile, pane.number), None
            self.arrange(pane)
        self._pane, pane.at, self.line.is_entered = pane.number, pane.columns.index(column), False
        self.focus_on(column.body)
        self.call_after_refresh(column.scroll_visible, animate=False)

    def focus_on(self, widget: Widget) -> None:
        """Show where keys go; `column`, and `is_entered` of the line, say it."""
        self.screen_stack[0].set_focus(widget)

    def pane_of(self, column: Column) -> Pane | None:
        """The pane of a column; None if it was closed."""
        return next((pane for pane in self.panes.values() if column in pane.columns), None)

    def show_titles(self) -> None:
        """Tell what is in each pane, and what lies under it."""
        for pane in self.panes.values():
            stack = stack_of(self.tiles.tile, pane.number)
            under = [self.panes[each].label for each in stack.panes if each != pane.number and each in self.panes]
            label = f"[{pane.label}]" if under else pane.label
            pane.border_title = clipped("  ".join([label, *under]), 200).replace("[", "\\[")

    # -- columns

    async def _add(self, pane: Pane, shown: Shown, goes: bool) -> None:
        column = Column(self, shown)
        pane.columns.append(column)
        if goes:
            pane.at = len(pane.columns) - 1  # what is typed from now on is for it
        await pane.mount(column)

    async def open_column(
        self, address: Address, after: Column, title: str | None = None, goes: bool = True
    ) -> None:
        """Open an object as the column next to another one, and go there."""
        pane = self.pane_of(after)
        if pane is None:
            return
        self.close_columns(pane, pane.columns.index(after) + 1)
        pane.ahead = []
        await self._add(pane, Shown(address, title), goes)
        if goes and self.pane is pane and not self.line.is_entered:  # else one is somewhere else by now
            self.go_to_column(pane.columns[-1])

    async def add_column(self, pane: Pane, shown: Shown) -> None:
        """The same with one that was there before."""
        await self._add(pane, shown, True)
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
        column.arrived.clear()
        self.ask_for(column)
        self.show_titles()

    def _is_seen(self, column: Column) -> bool:
        return any(pane.display and column in pane.columns for pane in self.panes.values())

    def ask_for(self, column: Column) -> None:
        """Ask for what is there to see; it comes when the turn that runs is over, and nobody waits for it.

        A column that is not on the screen yet asks itself, as soon as its width is known.
        """
        if not column.is_mounted:
            return
        if column.asked is not None:
            column.asked.cancel()
        column.asked = asyncio.get_running_loop().create_task(self._load(column, column.around))

    async def _load(self, column: Column, around: Around) -> None:
        address, title, rows, writer = column.address, column.wanted, column.rows, column.writer
        width = max(column.content_size.width, 20)
        this = asyncio.current_task()

        def work(image: Image) -> None:
            begin = perf_counter()
            sight = look(image, address, title, width, rows, writer, around)
            # At once, so that what is shown of a text comes in the order in which it was so.
            self.soon_here(self._show, column, this, sight, perf_counter() - begin)

        try:
            await self.call(work, "a look")
        except asyncio.CancelledError:
            raise
        except Exception as error:  # somebody's code
            self._show(column, this, instead(why(error), width), 0.0)

    def _show(self, column: Column, asked: asyncio.Task[None] | None, sight: Sight, seconds: float) -> None:
        if column.asked is asked and column in self.columns() and not self.is_over:
            column.is_slow = seconds > SLOW
            column.show(sight)
            self._settle(column)
            self.show_titles()

    def _settle(self, column: Column) -> None:
        """If one is in it, its rows or its characters have the keys."""
        if column is self.column and not self.line.is_entered:
            self.focus_on(column.body)

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
        if not any(column.sight is None and self._is_seen(column) for column in self.columns()):
            self._keeping.see(self.layout_now())

    def _tell_state(self) -> None:
        running, turn = self.system.running, self.system.image.running
        self._since = None if running is None else self._since or monotonic()
        if self._since is not None and monotonic() - self._since > LONG:
            whose = (turn.user if turn is not None else None) or user_name()
            state = f"a turn of {whose} runs: {clipped(str(running), 200)}   (Ctrl-T stops it)"
        elif self.is_frozen:
            state = "frozen: f in rows goes on"
        elif self.keyboard.begun:
            state = f"{self.keyboard.begun} ..."
        elif self.line.is_entered:
            state = IN_LINE
        else:
            failed = len(self.system.loop.failed_tasks)
            told = f"{failed} task{'s have' if failed > 1 else ' has'} failed: F7   " if failed else ""
            state = told + (IN_TEXT if self.column.is_text else HELP)
        self._state.update(state)

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
            self.keyboard.keys = Keys(await self.call(work, "a look"))
        except Exception as error:  # what is in the image is damaged: the keys stay as they are
            self.say(f"the commands of the image cannot be read: {why(error)}")

    def layout_now(self) -> Layout:
        """What is on this desktop."""
        panes = {number: tuple(column.shown for column in pane.columns) for number, pane in self.panes.items()}
        return Layout(self.tiles.tile, panes, self.pane.number, self.pane.at, self.line.unsent)

    def say(self, text: str) -> None:
        """Tell something, above the line; the next key takes it away."""
        if not self.is_over:
            lines = text[-LONGEST:].rstrip("\n").split("\n")[-LINES:]
            self._said.display = bool(text.strip())
            self._said.update("\n".join(clipped(line.expandtabs(4), LONGEST) for line in lines))

    def say_from_anywhere(self, text: str) -> None:
        """The same from another thread."""
        self.soon_here(self.say, text)

    def soon_here(self, work: Callable[..., object], *args: Any) -> None:
        """Do something in the thread of the desktop; called from another one."""
        self._home_loop.call_soon_threadsafe(work, *args, context=self._home_context)

    # -- what is asked of the image

    def evaluate(self, source: str, column: Column, fails: Callable[[str], object] = lambda source: None) -> None:
        """Evaluate a source in a turn, with `self` bound to the object of a column; show what it gives in the next.

        `fails` is called with the source if it fails.
        """
        image = self.system.image

        def then(outcome: Outcome) -> None:
            if outcome.error is not None:
                fails(source)

        self.work(lambda: act(image, column.address, source), source, column, source, then)

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
            if outcome.error is None and found:  # one who is elsewhere by now stays there
                await self.open_column(found[0], column, goes=column is self.column)
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
        """Call something of ours with the image, between two turns; what it gives.

        Raises what it raises.  When nobody waits for it any more it is not begun, or stopped.
        """
        future = self.system.call(work, label)
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self.system.withdraw(future)
            waiting.add_done_callback(_silent)
            raise

    # -- what columns tell

    async def open_row(self) -> None:
        """A row was clicked that was chosen already."""
        await self.keyboard.do(self.keyboard.keys.doings["Open"])

    def more_rows(self, column: Column) -> None:
        """One has come to the end of the rows: there may be more."""
        if column.sight is not None and column.sight.drawing.more:
            column.rows += PAGE
            self.ask_for(column)

    def show_view(self, column: Column, title: str) -> None:
        """Show another view of an object.  Raises `PietyError` if there is none of this title."""
        titles = column.sight.titles if column.sight is not None else ()
        if title not in titles:
            raise PietyError(f"it has no view {title!r}")
        column.wanted, column.rows = title, PAGE
        column.arrived.clear()
        column.titles.show(titles, title)
        self.ask_for(column)


def _free_session(name: str) -> str:
    taken = {each.session for each in OPEN}
    number, session = 1, name
    while session in taken:
        number += 1
        session = f"{name} {number}"
    return session


def _silent(future: asyncio.Future[Any]) -> None:
    """Nobody wants to know any more what came of it."""
    if not future.cancelled():
        future.exception()


async def _removed(column: Column) -> None:
    await column.remove()
