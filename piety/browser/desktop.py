"""The desktop: objects side by side in a terminal, to be looked at, gone into and worked with.

    arrows, Enter      choose a row; Enter or right opens it as the next column, left goes back
    Tab                the next view of the column
    :                  evaluate, with `self` bound to the object of the column
    e                  give the attribute that is chosen another value
    f                  freeze: what is shown is not asked anew when something changes
    Ctrl-T             interrupt the turn that runs
    Ctrl-\\             leave; the system goes on, and so does what is shown

Nothing here touches an object: what is shown was made on the turn thread as plain values (`inspecting.py`), and is
asked for anew when a turn has changed something.  So a turn that takes a minute holds up no key; what is asked for
meanwhile comes when it is over.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Input, OptionList, Static

from piety.browser.brief import clipped
from piety.browser.columns import PAGE, WIDE, Column, Columns, instead, why
from piety.browser.desks import Saving, Shown, shown_on
from piety.browser.inspecting import Address, Sight, act, look, press
from piety.browser.screens import SocketDriver
from piety.scheduler.system import System

if TYPE_CHECKING:
    from piety.objects.image import Image

LOOK = 0.1  # seconds between two looks whether something has changed, and what runs
TYPING = 0.5  # seconds after which what is shown is written, if nothing more has changed
PATIENCE = 1.0  # seconds in which one who leaves waits until it is written what was shown
SLOW = 1.0  # seconds from which on what takes so long to show is not shown anew with each change
LONG = 0.3  # seconds from which on it is told that a turn runs
HELP = "Enter opens  Left back  Tab view  : evaluate  e edit  f freeze  Ctrl-\\ leave"


class Desktop(App[None]):
    """One terminal's desktop; `connection` leads to the terminal."""

    CSS = """
    #columns { height: 1fr; }
    #said { height: auto; max-height: 8; color: $text-muted; padding: 0 1; }
    #line { height: 1; border: none; padding: 0 1; background: $surface; }
    #state { height: 1; padding: 0 1; background: $panel; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS = [  # noqa: RUF012  # as Textual wants it
        Binding("right", "open", show=False),
        Binding("left,backspace", "back", show=False),
        Binding("tab", "view(1)", show=False, priority=True),
        Binding("shift+tab", "view(-1)", show=False, priority=True),
        # These come first, so that what is typed right after them goes where they lead; but not from within the line.
        Binding("colon", "line", show=False, priority=True),
        Binding("e", "edit", show=False, priority=True),
        Binding("f", "freeze", show=False, priority=True),
        Binding("ctrl+t", "interrupt", show=False, priority=True),
        Binding("ctrl+backslash,ctrl+q", "leave", show=False, priority=True),
        Binding("escape", "columns", show=False, priority=True),
    ]

    def __init__(self, system: System, connection: Any, name: str, ref: str | None) -> None:
        self.connection = connection
        super().__init__(driver_class=SocketDriver)
        self._system, self._desk, self._ref = system, name, ref
        self._saved: list[Shown] = []
        self._unsaved: list[Shown] = []
        self._unsaved_since: float | None = None
        self._seen = b""
        self._is_frozen = False
        self._state = ""
        self._is_over = False
        self.columns: list[Column] = []  # the columns, from left to right
        self._since: float | None = None  # when the turn that runs was first seen
        self._evaluating: Any = None
        self._self: Any = None  # the column in which something was to be evaluated last

    def compose(self) -> ComposeResult:
        yield Columns(id="columns")
        yield Static(id="said", markup=False)
        yield Input(id="line", placeholder=": evaluate, with self", compact=True, select_on_focus=False)
        yield Static(id="state", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the line, letters are letters; and before there is a column, one can only leave."""
        del parameters
        if not self.columns:
            return action in ("leave", "interrupt")
        return action not in ("line", "edit", "freeze", "view") or not isinstance(self.focused, Input)

    def on_mount(self) -> None:
        self.query_one("#said").display = False
        self.set_interval(LOOK, self._look)
        self._home_loop = asyncio.get_running_loop()
        self._beginning = asyncio.create_task(self._begin())  # a turn may run, and it is over when that is

    async def _begin(self) -> None:
        shown = [Shown(Address(self._ref))] if self._ref is not None else []
        if not shown:
            work = partial(shown_on, name=self._desk)
            try:
                shown = await asyncio.wrap_future(self._system.call(work, "a look"))
            except BaseException as error:  # its record is damaged, or somebody has interrupted it
                if isinstance(error, asyncio.CancelledError):
                    raise
                self._say(f"the desk cannot be read: {why(error)}")
            self._saved = shown = shown or [Shown(Address("world"))]
        for each in shown:
            await self._add(Column(each))

    def exit(self, *args: Any, **options: Any) -> None:
        """Nothing that was asked for is waited for any more."""
        self._is_over = True
        for column in self.columns:
            if column.asked is not None:
                column.asked.cancel()
        super().exit(*args, **options)

    # -- what is shown

    @property
    def column(self) -> Column:
        """The column that one is in; else the last."""
        return next((column for column in self.columns if column.options is self.focused), self.columns[-1])

    @property
    def _about(self) -> Column:
        """The column that what is evaluated is about."""
        return self._self if self._self in self.columns else self.columns[-1]

    async def _add(self, column: Column) -> None:
        self.columns.append(column)
        await self.query_one(Columns).mount(column)
        self.screen.set_focus(column.options)
        self.call_after_refresh(column.scroll_visible, animate=False)
        self._ask(column)

    async def _close(self, at: int) -> None:
        """Close the columns from this place on."""
        gone, self.columns = self.columns[at:], self.columns[:at]
        for each in gone:
            if each.asked is not None:
                each.asked.cancel()
            await each.remove()

    def _ask(self, column: Column) -> None:
        """Ask for what is there to see; it comes when the turn that runs is over, and nobody waits for it."""
        if column.asked is not None:
            column.asked.cancel()
        column.asked = asyncio.create_task(self._load(column))

    async def _load(self, column: Column) -> None:
        address, title, rows = column.address, column.wanted, column.rows

        def work(image: Image) -> tuple[Sight, float]:
            begin = perf_counter()
            return look(image, address, title, WIDE - 2, rows), perf_counter() - begin

        future = self._system.call(work, "a look")
        try:
            sight, seconds = await asyncio.shield(asyncio.wrap_future(future))
            column.is_slow = seconds > SLOW
        except asyncio.CancelledError:  # something else is wanted by now
            self._system.withdraw(future)
            raise
        except BaseException as error:  # somebody's code: also SystemExit, which would end this whole loop
            sight = instead("it was interrupted" if isinstance(error, KeyboardInterrupt) else why(error))
        if column in self.columns and not self._is_over:
            column.show(sight)

    def _look(self) -> None:
        """Tell what runs; and show anew what was changed."""
        if self._is_over:
            return
        running = self._system.running
        if running is None:
            self._since = None
            state = "frozen: f goes on" if self._is_frozen else HELP
        else:
            self._since = self._since or monotonic()
            state = f"a turn runs: {running}   (Ctrl-T stops it)" if monotonic() - self._since > LONG else HELP
        if state != self._state:
            self._state = state
            self.query_one("#state", Static).update(state)
        last = self._system.image.storage.lastTransaction()
        if last != self._seen and not self._is_frozen:
            self._seen = last
            for column in self.columns:
                if not column.is_slow:  # or nobody else would get a turn
                    self._ask(column)
        self._save()

    def _save(self) -> None:
        """Have what is shown written, when it has been the same for a while."""
        shown = [column.shown for column in self.columns]
        if shown == self._saved or any(column.sight is None for column in self.columns):
            self._unsaved_since = None
        elif self._unsaved_since is None or shown != self._unsaved:
            self._unsaved, self._unsaved_since = shown, monotonic()
        elif monotonic() - self._unsaved_since > TYPING:
            self._write(shown)

    def _write(self, shown: list[Shown]) -> Saving:
        self._saved, self._unsaved_since = shown, None
        saving = Saving(self._system.image, self._desk, shown)
        self._system.loop.ask(saving)
        return saving

    def _say(self, text: str) -> None:
        if self._is_over:
            return
        said = self.query_one("#said", Static)
        said.display = bool(text)
        said.update(text.rstrip("\n"))

    def _say_from_anywhere(self, text: str) -> None:
        self._home_loop.call_soon_threadsafe(self._say, text)

    # -- what a person does

    async def on_option_list_option_selected(self, _event: OptionList.OptionSelected) -> None:
        await self.action_open()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        column = self.column
        sight = column.sight
        if sight is not None and sight.drawing.more and event.option_index == len(sight.drawing.lines):
            column.rows += PAGE
            self._ask(column)

    async def action_open(self) -> None:
        """Open the row that is chosen as the next column."""
        column, row = self.column, self.column.chosen
        if row is None or column.sight is None:
            return
        address = column.address.below(column.sight.title, row)
        if column.sight.is_doing:
            self._do(partial(press, self._system.image, address), f"press {column.sight.drawing.lines[row]}")
            return
        await self._close(self.columns.index(column) + 1)
        await self._add(Column(Shown(address)))

    async def action_back(self) -> None:
        """Go to the column on the left, and close those on the right of it."""
        at = self.columns.index(self.column)
        if at:
            await self._close(at)
            self.screen.set_focus(self.columns[-1].options)

    def action_view(self, by: int) -> None:
        """Show the next view of the column."""
        column = self.column
        if column.sight is not None and column.sight.titles:
            titles = column.sight.titles
            now = column.wanted if column.wanted in titles else column.sight.title
            column.wanted = titles[(titles.index(now) + by) % len(titles)]
            column.show_titles(column.wanted)
            column.rows = PAGE
            self._ask(column)

    def action_line(self, begun: str = "") -> None:
        """Write something to be evaluated, with `self` bound to the object of this column."""
        line = self.query_one(Input)
        self._self = self.column
        self.screen.set_focus(line)  # at once: what is typed next goes there
        if begun:
            line.value = begun
            line.cursor_position = len(begun)

    def action_edit(self) -> None:
        """Give the attribute that is chosen another value, by an expression."""
        sight, row = self.column.sight, self.column.chosen
        if sight is not None and row is not None and sight.title == "Attributes":
            name, line = sight.drawing.names[row], sight.drawing.lines[row]
            is_whole = line.startswith(f"{name} ") and not line.endswith("...") and "<" not in line  # and can be read
            self.action_line(f"self.{name} = {line.removeprefix(name).strip() if is_whole else ''}")

    def action_columns(self) -> None:
        """Go back to the columns."""
        self._say("")
        self.screen.set_focus(self._about.options)

    def action_freeze(self) -> None:
        """Ask nothing anew, or do so again."""
        self._is_frozen = not self._is_frozen
        self._seen = b""

    def action_interrupt(self) -> None:
        """Stop the turn that runs."""
        self._system.interrupt()

    async def action_leave(self) -> None:
        """Leave; the system goes on."""
        if (shown := [column.shown for column in self.columns]) != self._saved:
            saving = asyncio.wrap_future(self._write(shown).future)
            await asyncio.wait({saving}, timeout=PATIENCE)  # if a turn runs for long, it is written after that
        self.exit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        source = event.value
        event.input.value = ""
        if source.strip():
            self._do(partial(act, self._system.image, self._about.address, source), source)

    def _do(self, work: Any, label: str) -> None:
        """Do something in a turn that counts, and say what came of it."""
        future = self._system.work(work, clipped(label, 60), self._say_from_anywhere, with_repr=True)

        async def finish() -> None:
            outcome = await asyncio.wrap_future(future)
            self._say(outcome.traceback if outcome.error is not None else f"{outcome.output}{outcome.shown}")

        self._evaluating = asyncio.create_task(finish())  # nobody waits for it
