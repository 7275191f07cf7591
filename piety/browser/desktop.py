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

from rich.text import Text as Styled
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import HorizontalScroll, Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from piety.browser.brief import clipped, failure
from piety.browser.desks import Saving, Shown, shown_on
from piety.browser.inspecting import Address, Column, act, look, press
from piety.browser.screens import SocketDriver
from piety.errors import PietyError
from piety.scheduler.system import System

if TYPE_CHECKING:
    from piety.objects.image import Image

LOOK = 0.1  # seconds between two looks whether something has changed, and what runs
TYPING = 0.5  # seconds after which what is shown is written, if nothing more has changed
PATIENCE = 1.0  # seconds in which one who leaves waits until it is written what was shown
SLOW = 1.0  # seconds from which on what takes so long to show is not shown anew with each change
LONG = 0.3  # seconds from which on it is told that a turn runs
WIDE = 46  # characters of a column
HELP = "Enter opens  Left back  Tab view  : evaluate  e edit  f freeze  Ctrl-\\ leave"
PAGE = 100  # rows at first, and more each time that the last one is passed


class Pane(Vertical):
    """One object: what it is, its views, and the rows of one."""

    DEFAULT_CSS = """
    Pane { width: 48; height: 1fr; border: round $surface-lighten-2; padding: 0 1; }
    Pane:focus-within { border: round $accent; }
    Pane .head { height: 1; text-style: bold; }
    Pane .titles { height: auto; max-height: 2; color: $text-muted; }
    Pane .above { height: 1; text-style: underline; }
    Pane OptionList, Pane OptionList:focus {
        height: 1fr; border: none; padding: 0; background: transparent; background-tint: transparent;
        scrollbar-size-vertical: 1;
    }
    """

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self.address = shown.address
        self.column: Column | None = None
        self.wanted = shown.title
        self._row = shown.row  # that is chosen when there is something to show
        self._head, self._titles = Static(classes="head", markup=False), Static(classes="titles", markup=False)
        self._above, self.options = Static(classes="above", markup=False), OptionList(markup=False)
        self.rows = PAGE
        self.asked: asyncio.Task[None] | None = None
        self.is_slow = False  # whether it took so long that it is not asked for anew by itself

    def compose(self) -> ComposeResult:
        yield from (self._head, self._titles, self._above, self.options)

    def show(self, column: Column) -> None:
        """Show what was made of the object; the row that is chosen stays so."""
        if column == self.column:
            return
        options = self.options
        there = options.highlighted
        same_view = self.column is not None and self.column.title == column.title
        self.column, self.wanted = column, column.title
        self._head.update(column.head)
        self.show_titles(column.title)
        self._above.update(column.above)
        self._above.display = bool(column.above)
        options.set_options([Option(Styled(line, no_wrap=True, overflow="ellipsis")) for line in column.lines])
        if column.lines:
            options.highlighted = min((there or 0) if same_view else self._row, len(column.lines) - 1)
            self._row = 0

    def show_titles(self, title: str) -> None:
        """Show which views there are, and which is meant."""
        self._titles.update(_titles(self.column.titles if self.column else (), title))

    @property
    def shown(self) -> Shown:
        """What is to be kept of it."""
        return Shown(self.address, self.wanted, self.options.highlighted or 0)

    @property
    def chosen(self) -> int | None:
        """The number of the row that is chosen, if it stands for an object."""
        row = self.options.highlighted
        return row if row is not None and self.column is not None and row < self.column.rows else None


class Columns(HorizontalScroll, inherit_bindings=False):  # Left and Right go from column to column
    """The columns, side by side."""


def _instead(why: str) -> Column:
    """What is shown where there is nothing to show."""
    return Column(clipped(why, WIDE - 2), (), "", "", (), 0, True)


def _why(error: BaseException) -> str:
    return str(error) if isinstance(error, PietyError) else failure(error)


def _titles(titles: tuple[str, ...], chosen: str) -> Styled:
    line = Styled()
    for title in titles:
        line.append(title, style="reverse" if title == chosen else "").append("  ")
    return line


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
        self.panes: list[Pane] = []  # the columns, from left to right
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
        if not self.panes:
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
                self._say(f"the desk cannot be read: {_why(error)}")
            self._saved = shown = shown or [Shown(Address("world"))]
        for each in shown:
            await self._add(Pane(each))

    def exit(self, *args: Any, **options: Any) -> None:
        """Nothing that was asked for is waited for any more."""
        self._is_over = True
        for pane in self.panes:
            if pane.asked is not None:
                pane.asked.cancel()
        super().exit(*args, **options)

    # -- what is shown

    @property
    def pane(self) -> Pane:
        """The column that one is in; else the last."""
        return next((pane for pane in self.panes if pane.options is self.focused), self.panes[-1])

    async def _add(self, pane: Pane) -> None:
        self.panes.append(pane)
        await self.query_one(Columns).mount(pane)
        self.screen.set_focus(pane.options)
        self.call_after_refresh(pane.scroll_visible, animate=False)
        self._ask(pane)

    async def _close(self, at: int) -> None:
        """Close the columns from this place on."""
        gone, self.panes = self.panes[at:], self.panes[:at]
        for each in gone:
            if each.asked is not None:
                each.asked.cancel()
            await each.remove()

    def _ask(self, pane: Pane) -> None:
        """Ask for what is there to see; it comes when the turn that runs is over, and nobody waits for it."""
        if pane.asked is not None:
            pane.asked.cancel()
        pane.asked = asyncio.create_task(self._load(pane))

    async def _load(self, pane: Pane) -> None:
        address, title, rows = pane.address, pane.wanted, pane.rows

        def work(image: Image) -> tuple[Column, float]:
            begin = perf_counter()
            return look(image, address, title, WIDE - 2, rows), perf_counter() - begin

        future = self._system.call(work, "a look")
        try:
            column, seconds = await asyncio.shield(asyncio.wrap_future(future))
            pane.is_slow = seconds > SLOW
        except asyncio.CancelledError:  # something else is wanted by now
            self._system.withdraw(future)
            raise
        except BaseException as error:  # somebody's code: also SystemExit, which would end this whole loop
            column = _instead("it was interrupted" if isinstance(error, KeyboardInterrupt) else _why(error))
        if pane in self.panes and not self._is_over:
            pane.show(column)

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
            for pane in self.panes:
                if not pane.is_slow:  # or nobody else would get a turn
                    self._ask(pane)
        self._save()

    def _save(self) -> None:
        """Have what is shown written, when it has been the same for a while."""
        shown = [pane.shown for pane in self.panes]
        if shown == self._saved or any(pane.column is None for pane in self.panes):
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
        pane = self.pane
        column = pane.column
        if column is not None and not column.is_all and event.option_index == len(column.lines) - 1:
            pane.rows += PAGE
            self._ask(pane)

    async def action_open(self) -> None:
        """Open the row that is chosen as the next column."""
        pane, row = self.pane, self.pane.chosen
        if row is None or pane.column is None:
            return
        address = pane.address.below(pane.column.title, row)
        if pane.column.is_doing:
            self._do(partial(press, self._system.image, address), f"press {pane.column.lines[row]}")
            return
        await self._close(self.panes.index(pane) + 1)
        await self._add(Pane(Shown(address)))

    async def action_back(self) -> None:
        """Go to the column on the left, and close those on the right of it."""
        at = self.panes.index(self.pane)
        if at:
            await self._close(at)
            self.screen.set_focus(self.panes[-1].options)

    def action_view(self, by: int) -> None:
        """Show the next view of the column."""
        pane = self.pane
        if pane.column is not None and pane.column.titles:
            titles = pane.column.titles
            now = pane.wanted if pane.wanted in titles else pane.column.title
            pane.wanted = titles[(titles.index(now) + by) % len(titles)]
            pane.show_titles(pane.wanted)
            pane.rows = PAGE
            self._ask(pane)

    def action_line(self, begun: str = "") -> None:
        """Write something to be evaluated, with `self` bound to the object of this column."""
        line = self.query_one(Input)
        self._self = self.pane
        self.screen.set_focus(line)  # at once: what is typed next goes there
        if begun:
            line.value = begun
            line.cursor_position = len(begun)

    def action_edit(self) -> None:
        """Give the attribute that is chosen another value, by an expression."""
        column, row = self.pane.column, self.pane.chosen
        if column is not None and row is not None and column.title == "Attributes":
            name, _, value = column.lines[row].partition(" ")
            self.action_line(f"self.{name} = {'' if value.endswith('...') or '<' in value else value.strip()}")

    def action_columns(self) -> None:
        """Go back to the columns."""
        self._say("")
        self.screen.set_focus((self._self if self._self in self.panes else self.panes[-1]).options)

    def action_freeze(self) -> None:
        """Ask nothing anew, or do so again."""
        self._is_frozen = not self._is_frozen
        self._seen = b""

    def action_interrupt(self) -> None:
        """Stop the turn that runs."""
        self._system.interrupt()

    async def action_leave(self) -> None:
        """Leave; the system goes on."""
        if (shown := [pane.shown for pane in self.panes]) != self._saved:
            saving = asyncio.wrap_future(self._write(shown).future)
            await asyncio.wait({saving}, timeout=PATIENCE)  # if a turn runs for long, it is written after that
        self.exit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        source = event.value
        event.input.value = ""
        if source.strip():
            pane = self._self if self._self in self.panes else self.panes[-1]
            self._do(partial(act, self._system.image, pane.address, source), source)

    def _do(self, work: Any, label: str) -> None:
        """Do something in a turn that counts, and say what came of it."""
        future = self._system.work(work, clipped(label, 60), self._say_from_anywhere, with_repr=True)

        async def finish() -> None:
            outcome = await asyncio.wrap_future(future)
            self._say(outcome.traceback if outcome.error is not None else f"{outcome.output}{outcome.shown}")

        self._evaluating = asyncio.create_task(finish())  # nobody waits for it
